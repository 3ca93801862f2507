//! Programs of all manners, run for real.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use crate::receiver::run::{Run, RunOptions};
use crate::receiver::samples::{Answer, deliver, delivery, until, why, within};
use crate::receiver::{Receiver as _, Step};

/// Longer than any program here takes that is not meant to be late.
const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(500);

/// A shell script that finds its folder in `$0`.
struct Script {
    run: Run,
    folder: TempDir,
}

impl Script {
    fn new(text: &str, processes: usize, timeout: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = ["sh", "-c", text, &folder.path().display().to_string()].map(str::to_owned).to_vec();
        let run = Run::new(RunOptions { command, processes: NonZeroUsize::new(processes).unwrap(), timeout });
        Self { run, folder }
    }

    fn plain(text: &str) -> Self {
        Self::new(text, 1, LONG)
    }

    async fn once(&self) -> Answer {
        deliver(&self.run, delivery(7, 0, &json!({ "total": 5 }))).await
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

/// True when the process is gone, or nothing is left of it but its entry.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}

#[tokio::test]
async fn the_event_is_on_stdin_and_in_the_environment() {
    let script = Script::plain("cat > $0/stdin; echo $REDRIVE_RECORD_OFFSET $REDRIVE_EVENT_TYPE > $0/environment");
    assert_eq!(script.once().await, Ok(()));
    let line: serde_json::Value = serde_json::from_str(&script.file("stdin")).unwrap();
    assert_eq!((&line["record"]["offset"], &line["event"]["data"]["total"]), (&json!(7), &json!(5)));
    assert_eq!(script.file("environment"), "7 orders\n");
}

#[tokio::test]
async fn the_exit_status_is_the_class_and_stderr_says_why() {
    for (text, expected) in [
        ("exit 75", ("transient", "rejected", "exit status 75")),
        ("exit 65", ("permanent", "rejected", "exit status 65")),
        ("exit 1", ("unknown", "rejected", "exit status 1")),
        ("echo no total >&2; echo >&2; exit 65", ("permanent", "rejected", "no total")),
        ("kill -9 $$", ("unknown", "process_died", "the process died: it was ended by signal 9")),
    ] {
        let (class, code, message) = why(Script::plain(text).once().await);
        assert_eq!((class, code.as_str(), message.as_str()), expected, "{text}");
    }
    let error = Script::plain("echo one >&2; echo two >&2; exit 3").once().await.unwrap_err();
    assert_eq!((error.message.as_str(), error.detail.as_str()), ("two", "one\ntwo"));
    assert_eq!(error.causes, ["exit status 3"]);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_unreachable() {
    let command = vec!["/nowhere/bill".to_owned()];
    let run = Run::new(RunOptions { command, processes: NonZeroUsize::MIN, timeout: LONG });
    let (class, code, message) = why(deliver(&run, delivery(0, 0, &json!({}))).await);
    assert_eq!((class, code.as_str()), ("transient", "unreachable"));
    assert!(message.starts_with("the program /nowhere/bill cannot be started: "), "{message}");

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bill");
    std::fs::write(&program, "#!/nowhere/python\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let command = vec![program.display().to_string()];
    let run = Run::new(RunOptions { command, processes: NonZeroUsize::MIN, timeout: LONG });
    let (_, _, message) = why(deliver(&run, delivery(0, 0, &json!({}))).await);
    assert!(message.contains("No such file") && message.ends_with("(the interpreter that its first line names)"), "{message}");
}

#[tokio::test]
async fn a_program_that_reads_nothing_may_say_how_it_went() {
    let large = delivery(0, 0, &json!({ "x": "x".repeat(1 << 20) }));
    for (text, is_ok) in [("exit 0", true), ("exec <&-; sleep 0.1; exit 65", false)] {
        assert_eq!(deliver(&Script::plain(text).run, large.clone()).await.is_ok(), is_ok, "{text}");
    }
    // It waits with its pipe full, and is not waited for.
    let (_, code, _) = why(deliver(&Script::new("sleep 1000", 1, SOON).run, large).await);
    assert_eq!(code, "timeout");
}

#[tokio::test]
async fn a_flood_of_output_is_let_go_and_its_end_is_kept() {
    let script = Script::plain("head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2; echo >&2; echo the end >&2; exit 65");
    let error = script.once().await.unwrap_err();
    assert_eq!(error.message, "the end");
    assert!(error.detail.len() < 25_000, "{}", error.detail.len());
    let script = Script::new("exec yes >&2", 1, SOON);
    let error = script.once().await.unwrap_err();
    assert_eq!((error.code.as_str(), error.detail.lines().count()), ("timeout", 20));
}

#[tokio::test]
async fn what_is_late_is_ended_with_all_that_it_started() {
    for text in ["sleep 1000 & echo $! > $0/pid; wait", "trap '' TERM; sleep 1000 & echo $! > $0/pid; while :; do sleep 1; done"] {
        let script = Script::new(text, 1, SOON);
        assert_eq!(why(script.once().await), ("transient", "timeout".into(), "no answer within 500ms".into()));
        // It was killed before the answer; when the system has buried it is the system's affair.
        until("it is gone", || is_gone(&script.file("pid"))).await;
    }
}

#[tokio::test]
async fn what_is_left_behind_is_ended_and_its_pipes_are_not_waited_for() {
    let script = Script::plain("sleep 1000 & echo $! > $0/pid; exit 0");
    assert_eq!(script.once().await, Ok(()));
    until("the child is gone", || is_gone(&script.file("pid"))).await;
    // In a session of its own it lives on, and holds stdout and stderr open.
    let script = Script::plain("setsid sleep 5 & exit 65");
    assert_eq!(why(script.once().await).2, "exit status 65");
}

#[tokio::test]
async fn a_turn_is_waited_for_without_being_late() {
    let script = Script::new("touch $0/$$; [ $(ls $0 | wc -l) -le 2 ] || exit 65; sleep 0.3; rm $0/$$", 2, SOON * 4);
    let answers = join_all((0..20).map(|offset| deliver(&script.run, delivery(offset, offset.unsigned_abs(), &json!({}))))).await;
    // All together take longer than one may.
    assert!(answers.iter().all(Result::is_ok), "two at once, and nobody is late: {answers:?}");
}

#[tokio::test]
async fn what_is_given_up_leaves_no_process_behind() {
    let script = Script::plain("echo $$ > $0/pid; sleep 1000");
    let Step::Pending(mut out) = script.run.deliver(delivery(0, 0, &json!({}))) else { panic!("it is answered") };
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut out).await.is_err());
    tokio::spawn(async move {
        let started = tokio::time::timeout(SOON, out).await;
        assert!(started.is_err(), "the engine gives up on it");
    })
    .await
    .unwrap();
    until("it is gone", || !script.file("pid").is_empty() && is_gone(&script.file("pid"))).await;
    within(script.run.stop()).await;
}

#[tokio::test]
async fn a_stop_ends_what_runs_and_refuses_what_comes() {
    let script = Script::plain("trap '' TERM; echo $$ > $0/pid; while :; do sleep 1; done");
    let runs = tokio::spawn(deliver(&script.run, delivery(0, 0, &json!({}))));
    let waits = tokio::spawn(deliver(&script.run, delivery(1, 1, &json!({}))));
    until("it runs", || script.file("pid").ends_with('\n')).await;
    within(script.run.stop()).await;
    assert!(is_gone(&script.file("pid")), "none is left when the stop is done");
    for answer in [runs.await.unwrap(), waits.await.unwrap(), script.once().await] {
        assert_eq!(why(answer).1, "unreachable");
    }
}
