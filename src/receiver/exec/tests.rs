//! The pool on real processes: a worker that does to each delivery what the event's data says.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::receiver::exec::{Exec, ExecOptions};
use crate::receiver::samples::{self, Answer, until, why, within};
use crate::receiver::{Receiver as _, Step};

/// Writes down each delivery that it sees as `PID OFFSET ATTEMPT`, then does what the data says.
const WORKER: &str = r#"
import json, os, signal, sys, time

seen = open(sys.argv[1], "a")
held = []

def answer(delivery, **rest):
    print(json.dumps({"sendid": delivery["sendid"], "ok": True, **rest}), flush=True)

def reject(delivery, code):
    answer(delivery, ok=False, **{"class": "permanent"}, code=code, message="no " + code)

for line in sys.stdin:
    delivery = json.loads(line)
    print(os.getpid(), delivery["record"]["offset"], delivery["attempt"], file=seen, flush=True)
    data = delivery["event"]["data"]
    do = data["do"]
    if do == "ok" or (do == "wait" and delivery["attempt"] > 1):
        answer(delivery)
    elif do == "wait" or do == "hang":
        pass
    elif do == "reject":
        reject(delivery, data["code"])
    elif do == "reverse":
        held.append(delivery)
        if len(held) == data["of"]:
            for other in reversed(held):
                reject(other, "c%d" % other["record"]["offset"])
    elif do == "burst":
        held.append(delivery)
        if len(held) == data["of"]:
            sys.stdout.write("".join(json.dumps({"sendid": other["sendid"], "ok": True, "x": "x" * 900}) + "\n" for other in held))
            sys.stdout.flush()
            os._exit(0)
    elif do == "last" and delivery["attempt"] == 1:
        held.append(json.loads(sys.stdin.readline()))
        answer(delivery)
        os._exit(0)
    elif do == "curse":
        def curse(*_):
            print("cursed", flush=True)
            os._exit(1)
        signal.signal(signal.SIGTERM, curse)
    elif do == "die":
        print("about to die", file=sys.stderr, flush=True)
        os._exit(data["status"])
    elif do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "say":
        print(data["what"], flush=True)
    elif do == "half":
        sys.stdout.write('{"sendid":')
        sys.stdout.flush()
        os._exit(0)
    elif do == "twice":
        answer(delivery)
        answer(delivery)
    elif do == "stranger":
        answer({"sendid": 999999})
        answer(delivery)
    elif do == "long":
        print("x" * (17 * 1024 * 1024), flush=True)
    elif do == "large":
        answer(delivery, detail="x" * (15 * 1024 * 1024))
    elif do == "stderr":
        for _ in range(100):
            sys.stderr.write(("y" * 999 + "\n") * 1000)
        sys.stderr.flush()
        answer(delivery)
    elif do == "late":
        signal.signal(signal.SIGTERM, lambda *_, late=delivery: answer(late))
    elif do == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answer(delivery)
        time.sleep(1000)
    elif do == "deaf":
        os.close(0)
        answer(delivery)
        time.sleep(1000)
    elif do == "mute":
        os.close(1)
        time.sleep(1000)
    elif do == "child":
        import subprocess
        child = subprocess.Popen(["sleep", "1000"], start_new_session=data["escapes"])
        print("child", child.pid, 0, file=seen, flush=True)
        if data["then"] == "die":
            os._exit(4)
        answer(delivery)
    elif do == "once":
        answer(delivery)
        os._exit(0)
    elif do == "group":
        reject(delivery, "leads" if os.getpgrp() == os.getpid() else "follows")
"#;

/// A pool of those workers.
struct Workers {
    exec: Exec,
    seen: PathBuf,
    folder: TempDir,
}

#[derive(Clone, Copy)]
struct Shape {
    processes: usize,
    window: usize,
    timeout: Duration,
}

/// One process, one delivery at a time, and a timeout that no test runs into.
const ONE: Shape = Shape { processes: 1, window: 1, timeout: Duration::from_secs(60) };
/// Long enough for a worker to start on a machine that is busy.
const SOON: Duration = Duration::from_secs(1);

impl Workers {
    fn new(shape: Shape) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("worker.py");
        fs::write(&script, WORKER).unwrap();
        let seen = folder.path().join("seen");
        fs::write(&seen, "").unwrap();
        let [script, log] = [&script, &seen].map(|path| path.to_str().unwrap().to_owned());
        // -I and -S: it starts faster.
        let command = vec![python().to_owned(), "-IS".into(), script, log];
        Self { exec: exec(command, shape), seen, folder }
    }

    fn deliver(&self, offset: i64, lane: u64, data: &Value) -> impl Future<Output = Answer> + use<> {
        samples::deliver(&self.exec, samples::delivery(offset, lane, data))
    }

    /// What the workers saw: (process, offset, attempt).
    fn seen(&self) -> Vec<(String, String, String)> {
        let lines = fs::read_to_string(&self.seen).unwrap();
        let words = lines.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words.map(|words| (words[0].clone(), words[1].clone(), words[2].clone())).collect()
    }

    fn saw(&self, offset: i64) -> usize {
        self.seen().iter().filter(|(_, seen, _)| *seen == offset.to_string()).count()
    }

    async fn stop(self) {
        within(self.exec.stop()).await;
        self.folder.close().unwrap();
    }
}

/// The interpreter itself: what is found first may be a slow wrapper around it.
fn python() -> &'static str {
    static PYTHON: LazyLock<String> = LazyLock::new(|| {
        let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable, end='')"]).output();
        String::from_utf8(asked.expect("these tests need python3: install it").stdout).unwrap()
    });
    &PYTHON
}

fn exec(command: Vec<String>, shape: Shape) -> Exec {
    let Shape { processes, window, timeout } = shape;
    let count = |count| NonZeroUsize::new(count).unwrap();
    Exec::new(ExecOptions { command, processes: count(processes), window: count(window), timeout })
}

fn shell(script: &str) -> Exec {
    exec(["sh".into(), "-c".into(), script.into()].into(), ONE)
}

/// True when the process is gone, or nothing is left of it but its entry.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}

fn ok() -> Value {
    json!({ "do": "ok" })
}

#[tokio::test]
async fn a_process_lives_from_delivery_to_delivery() {
    let workers = Workers::new(ONE);
    assert_eq!(workers.deliver(0, 0, &ok()).await, Ok(()));
    let rejected = workers.deliver(1, 0, &json!({ "do": "reject", "code": "empty_order" })).await;
    assert_eq!(why(rejected), ("permanent", "empty_order".into(), "no empty_order".into()));
    assert_eq!(workers.deliver(2, 0, &json!({ "do": "twice" })).await, Ok(()), "the second answer is nobody's");
    let rejected = workers.deliver(3, 0, &json!({ "do": "reject", "code": "mine" })).await;
    assert_eq!(why(rejected).1, "mine");
    assert_eq!(workers.deliver(4, 0, &json!({ "do": "stranger" })).await, Ok(()));
    let rejected = workers.deliver(5, 0, &json!({ "do": "large" })).await;
    assert_eq!(rejected, Ok(()), "a long answer is an answer");
    let processes: std::collections::HashSet<_> = workers.seen().into_iter().map(|(pid, ..)| pid).collect();
    assert_eq!(processes.len(), 1);
    workers.stop().await;
}

#[tokio::test]
async fn answers_in_any_order_find_their_deliveries() {
    let workers = Workers::new(Shape { window: 4, ..ONE });
    let answers = join_all((0..4).map(|offset| workers.deliver(offset, 0, &json!({ "do": "reverse", "of": 4 })))).await;
    let codes: Vec<_> = answers.into_iter().map(|answer| why(answer).1).collect();
    assert_eq!(codes, ["c0", "c1", "c2", "c3"]);
    let order: Vec<_> = workers.seen().into_iter().map(|(_, offset, _)| offset).collect();
    assert_eq!(order, ["0", "1", "2", "3"]);
    workers.stop().await;
}

#[tokio::test]
async fn a_process_that_hangs_takes_no_place_but_its_own() {
    let workers = Workers::new(Shape { processes: 2, ..ONE });
    let hanging = workers.deliver(0, 0, &json!({ "do": "hang" }));
    for offset in 1..5 {
        assert_eq!(workers.deliver(offset, 1, &ok()).await, Ok(()));
    }
    drop(hanging);
    workers.stop().await;
}

#[tokio::test]
async fn only_what_was_alone_in_a_process_that_died_has_failed() {
    let workers = Workers::new(Shape { window: 3, ..ONE });
    let died = workers.deliver(0, 0, &json!({ "do": "die", "status": 3 })).await.unwrap_err();
    assert_eq!((died.class.as_str(), died.code.as_str()), ("unknown", "process_died"));
    assert_eq!(died.message, "the process died with only this delivery in hand: it exited with status 3");
    assert_eq!(died.detail, "about to die");

    let data = [json!({ "do": "wait" }), json!({ "do": "kill" }), ok()];
    let answers = join_all((1..).zip(&data).map(|(offset, data)| workers.deliver(offset, 0, data))).await;
    let [first, second, third] = answers.try_into().unwrap();
    assert_eq!((first, third), (Ok(()), Ok(())));
    assert_eq!(why(second).2, "the process died with only this delivery in hand: it was ended by signal 9");
    assert!(workers.seen().iter().any(|(_, offset, attempt)| (offset.as_str(), attempt.as_str()) == ("1", "2")));
    workers.stop().await;
}

#[tokio::test]
async fn what_had_company_in_a_process_that_died_is_tried_alone() {
    let workers = Workers::new(Shape { window: 2, ..ONE });
    let both = join_all([workers.deliver(0, 0, &json!({ "do": "last" })), workers.deliver(1, 0, &ok())]);
    assert_eq!(both.await, [Ok(()), Ok(())], "the first one's answer was followed by the end, with the second one in hand");
    workers.stop().await;
}

#[tokio::test]
async fn what_a_process_said_before_it_died_is_heard() {
    let workers = Workers::new(Shape { window: 60, ..ONE });
    let answers = join_all((0..60).map(|offset| workers.deliver(offset, 0, &json!({ "do": "burst", "of": 60 })))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(workers.seen().len(), 60, "nothing is delivered again");
    workers.stop().await;
}

#[tokio::test]
async fn what_a_process_says_when_it_is_ended_is_no_deliverys_doing() {
    let workers = Workers::new(Shape { window: 2, timeout: SOON, ..ONE });
    let both = join_all([workers.deliver(0, 0, &json!({ "do": "curse" })), workers.deliver(1, 0, &json!({ "do": "wait" }))]).await;
    let [late, other] = both.try_into().unwrap();
    assert_eq!((why(late).1.as_str(), other), ("timeout", Ok(())));
    workers.stop().await;
}

#[tokio::test]
async fn a_delivery_that_is_late_costs_the_others_of_its_process_nothing() {
    let workers = Workers::new(Shape { window: 2, timeout: SOON, ..ONE });
    let (late, other) = futures_util::future::join(
        workers.deliver(0, 0, &json!({ "do": "late" })),
        workers.deliver(1, 0, &json!({ "do": "wait" })),
    )
    .await;
    assert_eq!(why(late), ("transient", "timeout".into(), "no answer within 1s".into()));
    assert_eq!(other, Ok(()), "it is delivered again, to another process");
    let pids: Vec<_> = workers.seen().into_iter().filter(|(_, offset, _)| offset == "1").map(|(pid, ..)| pid).collect();
    assert_ne!(pids[0], pids[1]);
    workers.stop().await;
}

#[tokio::test]
async fn an_answer_after_its_timeout_is_nobodys() {
    let workers = Workers::new(Shape { timeout: SOON, ..ONE });
    assert_eq!(why(workers.deliver(0, 0, &json!({ "do": "late" })).await).1, "timeout");
    let next = workers.deliver(1, 0, &json!({ "do": "reject", "code": "mine" })).await;
    assert_eq!(why(next).1, "mine");
    assert!(is_gone(&workers.seen()[0].0));
    workers.stop().await;
}

#[tokio::test]
async fn nonsense_is_the_answer_of_the_delivery_that_is_alone() {
    let workers = Workers::new(Shape { window: 3, ..ONE });
    let (class, code, message) = why(workers.deliver(0, 0, &json!({ "do": "say", "what": "Loading…" })).await);
    assert_eq!((class, code.as_str()), ("unknown", "bad_reply"));
    assert!(message.ends_with(": Loading…"), "{message}");

    let data = [json!({ "do": "wait" }), json!({ "do": "say", "what": "oops" }), ok()];
    let answers = join_all((1..).zip(&data).map(|(offset, data)| workers.deliver(offset, 0, data))).await;
    let [first, second, third] = answers.try_into().unwrap();
    assert_eq!((first, third), (Ok(()), Ok(())));
    assert_eq!(why(second).1, "bad_reply");
    workers.stop().await;
}

#[tokio::test]
async fn a_program_that_never_stops_talking_is_heard_out_by_nobody() {
    for script in ["while echo hello; do sleep 0.01; done", "exec yes"] {
        let babbler = exec(["sh".into(), "-c".into(), script.into()].into(), Shape { window: 3, ..ONE });
        let answers = join_all((0..3).map(|offset| samples::deliver(&babbler, samples::delivery(offset, 0, &ok())))).await;
        let codes: Vec<_> = answers.into_iter().map(|answer| why(answer).1).collect();
        assert_eq!(codes, ["bad_reply"; 3], "{script}");
        within(babbler.stop()).await;
    }
}

#[tokio::test]
async fn a_line_without_end_is_a_bad_reply_and_ends_the_process() {
    let workers = Workers::new(ONE);
    let long = workers.deliver(0, 0, &json!({ "do": "long" })).await;
    assert_eq!(why(long), ("unknown", "bad_reply".into(), "the answer is a line of more than 16 MiB".into()));
    assert_eq!(workers.deliver(1, 0, &ok()).await, Ok(()));
    assert!(is_gone(&workers.seen()[0].0));
    workers.stop().await;
}

#[tokio::test]
async fn a_blank_line_says_nothing_and_half_a_line_is_no_answer() {
    let workers = Workers::new(Shape { timeout: SOON, ..ONE });
    assert_eq!(why(workers.deliver(0, 0, &json!({ "do": "say", "what": " \r" })).await).1, "timeout");
    assert_eq!(why(workers.deliver(1, 0, &json!({ "do": "half" })).await).1, "process_died");
    workers.stop().await;
}

#[tokio::test]
async fn a_flood_on_stderr_is_read_and_its_end_is_kept() {
    let workers = Workers::new(ONE);
    assert_eq!(workers.deliver(0, 0, &json!({ "do": "stderr" })).await, Ok(()));
    let died = workers.deliver(1, 0, &json!({ "do": "die", "status": 1 })).await.unwrap_err();
    assert_eq!(died.detail.lines().count(), 20);
    assert!(died.detail.ends_with("\nabout to die"), "{}", died.detail);
    workers.stop().await;
}

#[tokio::test]
async fn a_process_that_closes_its_output_and_lives_on_has_died() {
    let workers = Workers::new(ONE);
    let (class, code, message) = why(workers.deliver(0, 0, &json!({ "do": "mute" })).await);
    assert_eq!((class, code.as_str()), ("unknown", "process_died"));
    assert!(message.ends_with("it closed its output and lived on"), "{message}");
    assert_eq!(workers.deliver(1, 0, &ok()).await, Ok(()));
    workers.stop().await;
}

#[tokio::test]
async fn what_a_process_did_not_read_is_no_fault_of_it() {
    let workers = Workers::new(ONE);
    assert_eq!(workers.deliver(0, 0, &json!({ "do": "deaf" })).await, Ok(()));
    assert_eq!(workers.deliver(1, 0, &ok()).await, Ok(()));
    for offset in 2..12 {
        assert_eq!(workers.deliver(offset, 0, &json!({ "do": "once" })).await, Ok(()), "{offset}");
    }
    assert!(workers.seen().iter().all(|(.., attempt)| attempt == "1"));
    workers.stop().await;
}

#[tokio::test]
async fn a_program_that_ends_before_it_reads_fails_all_that_waits_and_is_started_ever_more_seldom() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("starts");
    let exec = shell(&format!("echo start >> {}; echo 'no module named worker' >&2; exit 7", log.display()));
    let starts = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    let began = Instant::now();
    let mut rounds = 0;
    while starts() < 3 {
        let answers = join_all((0..3).map(|lane| samples::deliver(&exec, samples::delivery(rounds, lane, &ok())))).await;
        for answer in answers {
            let error = answer.unwrap_err();
            assert_eq!((error.class.as_str(), error.code.as_str()), ("transient", "unreachable"));
            assert_eq!(error.message, "the program ended before it read anything: it exited with status 7");
            assert_eq!(error.detail, "no module named worker");
        }
        rounds += 1;
        assert!(rounds > 1 || starts() == 1, "one start speaks for all that waits");
    }
    assert!(began.elapsed() >= Duration::from_millis(100 + 200), "what waits is failed at once, but the program is given time");
    within(exec.stop()).await;
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("not-executable");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    for program in ["/no/such/program", script.to_str().unwrap()] {
        let exec = exec([program.into()].into(), ONE);
        let (class, code, message) = why(samples::deliver(&exec, samples::delivery(0, 0, &ok())).await);
        assert_eq!((class, code.as_str()), ("transient", "unreachable"));
        assert!(message.starts_with(&format!("the program {program} cannot be started: ")), "{message}");
        within(exec.stop()).await;
    }
}

#[tokio::test]
async fn what_a_dead_process_left_behind_holds_nobody_up() {
    let workers = Workers::new(ONE);
    for (offset, escapes) in [(0, false), (1, true)] {
        let died = workers.deliver(offset, 0, &json!({ "do": "child", "escapes": escapes, "then": "die" })).await;
        assert_eq!(why(died).1, "process_died");
    }
    let children: Vec<_> = workers.seen().into_iter().filter(|(who, ..)| who == "child").map(|(_, pid, _)| pid).collect();
    until("the child in the group ended with it", || is_gone(&children[0])).await;
    let escaped = rustix::process::Pid::from_raw(children[1].parse().unwrap()).unwrap();
    rustix::process::kill_process(escaped, rustix::process::Signal::KILL).unwrap();
    assert_eq!(workers.deliver(2, 0, &ok()).await, Ok(()));
    workers.stop().await;
}

#[tokio::test]
async fn a_delivery_that_is_given_up_frees_its_place() {
    let workers = Workers::new(Shape { timeout: SOON, ..ONE });
    let Step::Pending(held) = workers.exec.deliver(samples::delivery(0, 0, &json!({ "do": "hang" }))) else { panic!() };
    let Step::Pending(queued) = workers.exec.deliver(samples::delivery(1, 1, &ok())) else { panic!() };
    until("the first is handed over", || workers.saw(0) == 1).await;
    drop((held, queued));
    assert_eq!(workers.deliver(2, 2, &ok()).await, Ok(()));
    assert_eq!(workers.saw(1), 0, "nobody wanted it any more");
    workers.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_well_made_ends_with_its_input() {
    let workers = Workers::new(Shape { processes: 2, ..ONE });
    assert_eq!(workers.deliver(0, 0, &ok()).await, Ok(()));
    let began = Instant::now();
    within(workers.exec.stop()).await;
    assert!(began.elapsed() < Duration::from_secs(1), "no signal was needed");
    assert!(is_gone(&workers.seen()[0].0));
    assert_eq!(why(workers.deliver(1, 0, &ok()).await).1, "unreachable");
    within(workers.exec.stop()).await;
}

#[tokio::test]
async fn a_worker_that_is_stubborn_is_killed_with_its_children() {
    let workers = Workers::new(ONE);
    assert_eq!(workers.deliver(0, 0, &json!({ "do": "child", "escapes": false, "then": "answer" })).await, Ok(()));
    assert_eq!(workers.deliver(1, 0, &json!({ "do": "stubborn" })).await, Ok(()));
    assert!(timeout(Duration::from_secs(5), workers.exec.stop()).await.is_ok(), "within the engine's deadline");
    let child = workers.seen().into_iter().find(|(who, ..)| who == "child").unwrap().1;
    assert!(is_gone(&workers.seen()[0].0));
    until("the child is gone", || is_gone(&child)).await;
}

#[tokio::test]
async fn processes_end_when_the_receiver_is_dropped() {
    let workers = Workers::new(ONE);
    assert_eq!(workers.deliver(0, 0, &ok()).await, Ok(()));
    let pid = workers.seen()[0].0.clone();
    drop(workers.exec);
    until("the process is gone", || is_gone(&pid)).await;
}

#[tokio::test]
async fn a_process_leads_a_group_of_its_own() {
    let workers = Workers::new(ONE);
    let answer = workers.deliver(0, 0, &json!({ "do": "group" })).await;
    assert_eq!(why(answer).1, "leads", "Ctrl-C in the terminal does not reach it");
    workers.stop().await;
}

/// Everything at once: whatever its neighbours do, each delivery ends as its own event says.
#[tokio::test]
async fn no_delivery_pays_for_another() {
    let workers = Workers::new(Shape { processes: 2, window: 4, ..ONE });
    let deeds = [
        (json!({ "do": "reject", "code": "mine" }), "mine"),
        (json!({ "do": "die", "status": 9 }), "process_died"),
        (json!({ "do": "say", "what": "[]" }), "bad_reply"),
        (json!({ "do": "half" }), "process_died"),
    ];
    let mut random: u32 = 7;
    let deliveries = (0..200).map(|offset| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let data = match random >> 24 {
            roll @ 0..16 => deeds[roll as usize % deeds.len()].clone(),
            16..24 => (json!({ "do": "once" }), "ok"),
            _ => (ok(), "ok"),
        };
        (offset, data)
    });
    let answers = deliveries.map(|(offset, (data, expected))| {
        let answer = workers.deliver(offset, offset.cast_unsigned() % 6, &data);
        async move {
            let code = answer.await.map_or_else(|error| error.code.to_string(), |()| "ok".to_owned());
            (offset, code, expected)
        }
    });
    for (offset, code, expected) in join_all(answers).await {
        assert_eq!(code, expected, "{offset}");
    }
    workers.stop().await;
}

/// The worker of `examples/`, which users copy.
#[tokio::test]
async fn the_example_bills_each_order_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("billing.db").to_str().unwrap().to_owned();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/worker.py");
    let billing = exec(vec![python().into(), script.into(), database.clone()], ONE);
    let deliver = |offset, order: Value| samples::deliver(&billing, samples::delivery_from("order.placed", offset, 0, &order));

    let order = json!({ "id": "A-1", "total_cents": 100 });
    assert_eq!(deliver(0, order.clone()).await, Ok(()));
    assert_eq!(deliver(0, order.clone()).await, Ok(()), "it comes again");
    let empty = deliver(1, json!({ "id": "A-2", "total_cents": 0 })).await;
    assert_eq!(why(empty), ("permanent", "empty_order".into(), "order A-2 has no total".into()));
    let odd = deliver(2, json!({ "id": "A-2" })).await.unwrap_err();
    let odd_is = (odd.class.as_str(), odd.code.as_str(), odd.message.as_str());
    assert_eq!(odd_is, ("unknown", "rejected", "KeyError('total_cents')"));
    assert!(odd.detail.starts_with("Traceback"), "{}", odd.detail);

    let sql = |statements: &str| {
        let script = format!("import sqlite3, sys\nd = sqlite3.connect(sys.argv[1], isolation_level=None)\n{statements}");
        Command::new(python()).args(["-c", &script, &database]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut locker = sql("d.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()");
    let mut locked = String::new();
    BufReader::new(locker.stdout.take().unwrap()).read_line(&mut locked).unwrap();
    assert_eq!(locked, "locked\n");
    let (class, code, _) = why(deliver(3, json!({ "id": "A-3", "total_cents": 100 })).await);
    assert_eq!((class, code.as_str()), ("transient", "database_busy"));
    drop(locker.stdin.take());
    locker.wait().unwrap();
    assert_eq!(deliver(3, json!({ "id": "A-3", "total_cents": 100 })).await, Ok(()));

    let invoices = sql("print(d.execute('SELECT group_concat(order_id) FROM invoice').fetchone()[0])").wait_with_output().unwrap();
    assert_eq!(String::from_utf8(invoices.stdout).unwrap(), "A-1,A-3\n");
    within(billing.stop()).await;
}
