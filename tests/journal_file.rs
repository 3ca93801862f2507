//! The journal as a file among others: what is not one is refused, one that is taken away ends the run, one that is locked is waited for,
//! and one may serve two groups.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::command::Command;
use crate::support::{Broker, Folder, Sample, Topic, unique, wait};
use crate::workers;

const SOON: Duration = Duration::from_secs(20);
/// Takes from root what other users do not have: the right to read and write whatever they like.
const LIKE_ANYBODY: [&str; 3] = ["--bounding-set", "-dac_override,-dac_read_search", "--"];

/// Records that no receiver gets: each is a failure.
fn bad(count: usize) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("order.placed", &n.to_string(), "no JSON")).collect()
}

fn good(count: usize) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("order.placed", &n.to_string(), "{}")).collect()
}

/// `redrive` without root's right to do as it likes.
fn like_anybody(folder: &Folder) -> Command {
    let redrive = Path::new(env!("CARGO_BIN_EXE_redrive"));
    if rustix::process::geteuid().is_root() {
        folder.program(Path::new("setpriv")).args(LIKE_ANYBODY).args([redrive.to_str().unwrap()])
    } else {
        folder.program(redrive)
    }
}

fn consume(folder: &Folder, topic: &Topic<'_>, group: &str) -> Command {
    folder.consume(topic, group, ["--from", "earliest", "--receiver", "all=file:all.jsonl", "--no-startup-guard"])
}

/// Waits until a group's progress in the journal has come to an offset; what is committed follows it.
#[track_caller]
fn until_progress(folder: &Folder, offset: i64) {
    let has_come = || folder.path().join("redrive.db").exists() && folder.journal().progress().iter().any(|row| row.to == offset);
    wait::until("progress", SOON, || has_come().then_some(()));
}

#[test]
fn one_that_is_taken_away_ends_the_run_with_nothing_committed_past_it() {
    let broker = Broker::shared();
    for (way, said) in [("deleted", "moved or deleted"), ("replaced", "replaced by another file")] {
        let (folder, group, topic) = (Folder::new(), unique("taken"), broker.topic("taken", 1));
        topic.produce(&good(10));
        let running = consume(&folder, &topic, &group).spawn();
        until_progress(&folder, 10);
        let witness = broker.witness();
        wait::until("the commit", SOON, || (witness.group_offsets(&group).first()?.committed == Some(10)).then_some(()));
        let path = folder.path().join("redrive.db");
        match way {
            "deleted" => fs::remove_file(&path).unwrap(),
            _ => fs::rename(folder.write("other.db", "something else"), &path).unwrap(),
        }
        topic.produce(&bad(10));
        let output = running.wait(SOON).expect_code(1);
        assert!(output.stderr.contains(said) && output.stderr.contains("hint:"), "{way}: {}", output.stderr);
        assert_eq!(witness.group_offsets(&group)[0].committed, Some(10), "{way}: nothing is committed past it");
    }
}

/// Deliveries go on at first; what cannot be committed for seconds is not piled up for hours.
#[test]
fn one_that_another_process_locks_is_waited_for_and_holds_the_consumer_in_the_end() {
    let (folder, group, topic) = (Folder::new(), unique("locked"), Broker::shared().topic("locked", 2));
    topic.produce(&bad(1));
    let mut running = consume(&folder, &topic, &group).spawn();
    until_progress(&folder, 1);
    let other = Connection::open(folder.path().join("redrive.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = Instant::now();
    topic.produce(&bad(5));
    let elsewhere: Vec<_> = good(5).into_iter().map(|sample| sample.to(1)).collect();
    topic.produce(&elsewhere);
    running.until("deliveries go on", SOON, |_| (folder.lines("all.jsonl").len() == 5).then_some(()));
    assert_eq!(folder.journal().failures().len(), 1, "what failed waits for the lock");
    wait::until("the lock lasts", SOON, || (locked.elapsed() > Duration::from_secs(8)).then_some(()));
    topic.produce(&elsewhere);
    let goes_on = || (folder.lines("all.jsonl").len() > 5).then_some(());
    assert_eq!(wait::at_most(Duration::from_secs(2), goes_on), None, "nothing more is admitted");
    other.execute_batch("ROLLBACK").unwrap();
    running.until("what failed is written", SOON, |_| (folder.journal().failures().len() == 6).then_some(()));
    running.until("deliveries go on", SOON, |_| (folder.lines("all.jsonl").len() == 10).then_some(()));
    running.line("locked by another process: waiting", SOON);
    running.line("journal_busy is over", SOON);
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    assert_eq!(output.stderr.matches("partitions assigned").count(), 1, "it never left the group: {}", output.stderr);
    let incidents = folder.journal().incidents();
    let [incident] = &incidents[..] else { panic!("one incident: {incidents:?}") };
    assert_eq!((incident.kind.as_str(), incident.is_open), ("journal_busy", false));
    assert!(incident.count > 5, "each try that met the lock: {incident:?}");
    let lasted = "SELECT ended_at_us - first_at_us FROM incident";
    let lasted_us: i64 = other.query_row(lasted, [], |row| row.get(0)).unwrap();
    assert!((8_000_000..20_000_000).contains(&lasted_us), "it began when the lock did: {lasted_us} us");
    assert_eq!(Broker::shared().witness().lag(&group), 0);
}

/// What is in flight drains first; only then does the run meet the lock, and has no time left to wait for it.
#[test]
fn one_that_stays_locked_ends_a_stopped_run_in_time_and_nothing_is_committed_past_it() {
    let drain = Duration::from_secs(4);
    let (folder, group, topic) = (Folder::new(), unique("locked"), Broker::shared().topic("locked", 1));
    topic.produce(&good(1));
    let gated = workers::gated(&folder);
    let slowly = ["--receiver", &gated, "--commit-interval", "1h", "--drain-timeout", "4s"];
    let mut running = consume(&folder, &topic, &group).args(slowly).spawn();
    let waits = || folder.path().join("waits").exists();
    running.until("the first delivery", SOON, |_| waits().then_some(()));
    folder.write("open", "");
    running.until("its answer", SOON, |_| (!waits()).then_some(()));
    fs::remove_file(folder.path().join("open")).unwrap();
    topic.produce(&good(1));
    running.until("the second delivery", SOON, |_| waits().then_some(()));
    let other = Connection::open(folder.path().join("redrive.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let asked = Instant::now();
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(1);
    assert!(asked.elapsed() < drain + Duration::from_secs(5), "{:?}: {}", asked.elapsed(), output.stderr);
    assert!(output.stderr.contains("is locked by another process") && output.stderr.contains("hint:"), "{}", output.stderr);
    other.execute_batch("ROLLBACK").unwrap();
    assert!(folder.journal().progress().iter().all(|row| row.to == 0), "the last progress was not written");
    let committed = Broker::shared().witness().group_offsets(&group);
    assert!(committed.iter().all(|at| at.committed.unwrap_or(0) == 0), "and not committed: {committed:?}");
    assert_eq!(folder.delivered("all.jsonl").len(), 2);
}

/// Nothing was left to write but that the run is over.
#[test]
fn one_that_is_locked_when_all_is_done_spoils_nothing() {
    let (folder, group, topic) = (Folder::new(), unique("locked"), Broker::shared().topic("locked", 1));
    topic.produce(&good(3));
    let mut running = consume(&folder, &topic, &group).args(["--commit-interval", "100ms"]).spawn();
    let is_done = || Broker::shared().witness().group_offsets(&group).iter().any(|at| at.committed == Some(3));
    running.until("all is committed", SOON, |_| is_done().then_some(()));
    let other = Connection::open(folder.path().join("redrive.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    assert!(output.stderr.contains("how the run ended could not be written down"), "{}", output.stderr);
    other.execute_batch("ROLLBACK").unwrap();
    let [run] = &folder.journal().runs()[..] else { panic!("one run") };
    assert_eq!((run.stop_reason.as_deref(), run.exit_code), (None, None));
}

#[test]
fn one_that_serves_two_groups_loses_no_failure_of_either() {
    const EACH: i64 = 3_000;
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("two-groups", 1);
    topic.produce(&bad(usize::try_from(EACH).unwrap()));
    let groups = [unique("first"), unique("second")];
    let running = groups.each_ref().map(|group| consume(&folder, &topic, group).args(["--until-end"]).spawn());
    running.into_iter().for_each(|running| drop(running.wait(SOON).expect_code(0)));
    let failures = folder.journal().failures();
    for group in &groups {
        let of: Vec<_> = failures.iter().filter(|row| row.group == *group).map(|row| (row.offset, row.attempts)).collect();
        assert_eq!(of, (0..EACH).map(|offset| (offset, 1)).collect::<Vec<_>>(), "{group}");
        assert_eq!(broker.witness().lag(group), 0);
    }
    assert_eq!(i64::try_from(failures.len()), Ok(2 * EACH));
}

#[test]
fn what_cannot_be_one_is_refused_before_anything_is_read() {
    let (folder, group, topic) = (Folder::new(), unique("refused"), Broker::shared().topic("refused", 1));
    topic.produce(&good(1));
    consume(&folder, &topic, &group).args(["--until-end"]).run().expect_code(0);
    let journal = folder.path().join("redrive.db");
    let copy = |name: &str, change: &str| {
        fs::copy(&journal, folder.path().join(name)).unwrap();
        Connection::open(folder.path().join(name)).unwrap().execute_batch(change).unwrap();
    };
    copy("newer.db", "PRAGMA user_version = 99");
    copy("foreign.db", "PRAGMA application_id = 7");
    copy("read-only.db", "");
    fs::set_permissions(folder.path().join("read-only.db"), Permissions::from_mode(0o400)).unwrap();
    folder.write("garbage.db", &"no database at all, however long one looks at it ".repeat(100));
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::copy(&journal, folder.path().join("folder/there.db")).unwrap();
    fs::set_permissions(folder.path().join("folder"), Permissions::from_mode(0o500)).unwrap();

    for (name, said) in [
        ("newer.db", "was written by a newer redrive"),
        ("foreign.db", "is a SQLite database of another program"),
        ("garbage.db", "is not a journal"),
        ("folder", "is not a journal"),
        ("read-only.db", "cannot be opened"),
        ("folder/there.db", "cannot be opened"),
        ("folder/new.db", "cannot be opened"),
        ("nowhere/new.db", "cannot be opened"),
        ("file:x?mode=memory", "is not the name of a file"),
    ] {
        let bytes = fs::read(folder.path().join(name)).ok();
        let bootstrap = topic.bootstrap();
        let arguments = ["consume", "-b", &bootstrap, "-t", topic.name(), "-g", &group, "--receiver", "all=discard:"];
        let output = like_anybody(&folder).args(arguments).args(["--until-end", "--journal", name]).run().expect_code(2);
        assert!(output.stderr.contains(said) && output.stderr.contains(name), "{name}: {}", output.stderr);
        assert_eq!(fs::read(folder.path().join(name)).ok(), bytes, "{name} is as it was");
    }
    fs::set_permissions(folder.path().join("folder"), Permissions::from_mode(0o700)).unwrap();
}

/// A copy for those who look into an accident, on a medium that cannot be written.
#[test]
fn one_that_lies_where_nothing_can_be_written_is_read_unless_a_part_of_it_lies_beside_it() {
    let (folder, group, topic) = (Folder::new(), unique("sealed"), Broker::shared().topic("sealed", 1));
    topic.produce(&bad(3));
    consume(&folder, &topic, &group).args(["--until-end"]).run().expect_code(0);
    let (journal, sealed) = (folder.path().join("redrive.db"), folder.path().join("sealed"));
    fs::create_dir(&sealed).unwrap();
    let copy = |name: &str| fs::copy(&journal, sealed.join(name)).unwrap();
    copy("whole.db");
    // As a kill leaves it: what was written last is not in the file yet.
    let killed = Connection::open(&journal).unwrap();
    killed.execute_batch("UPDATE journal SET created_at_us = 0").unwrap();
    copy("killed.db");
    fs::copy(folder.path().join("redrive.db-wal"), sealed.join("killed.db-wal")).unwrap();
    let was = fs::read_dir(&sealed).unwrap().count();
    fs::set_permissions(&sealed, Permissions::from_mode(0o500)).unwrap();

    let list = |name: &str| like_anybody(&folder).args(["errors", "list", "-o", "jsonl", "--journal", name]).run();
    assert_eq!(list("sealed/whole.db").expect_code(0).stdout.lines().count(), 3);
    let told = like_anybody(&folder).args(["errors", "list", "--journal", "sealed/killed.db"]).run().expect_code(2).stderr;
    assert!(told.contains("hint: copy both to a folder that can be written: cp sealed/killed.db sealed/killed.db-wal"), "{told}");
    assert_eq!(fs::read_dir(&sealed).unwrap().count(), was, "nothing is made there");
    fs::set_permissions(&sealed, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(list("sealed/killed.db").expect_code(0).stdout.lines().count(), 3, "where it can be written, all of it is read");
}
