//! The test support itself: what the other tests rely on, shown on the real broker.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Broker, Ending, Folder, GroupState, ResetTo, Sample, unique, wait};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn records_arrive_where_they_were_sent() {
    let broker = Broker::shared();
    let topic = broker.topic("arrive", 3);
    let samples: Vec<_> = (0..1_000).map(|n| Sample::event("order.placed", &n.to_string(), "{}").to(n % 3).key("k")).collect();
    topic.produce(&samples);
    assert_eq!(broker.witness().ends(topic.name()), BTreeMap::from([(0, 334), (1, 333), (2, 333)]));
}

#[test]
fn any_bytes_arrive() {
    let broker = Broker::shared();
    let topic = broker.topic("bytes", 1);
    let hostile =
        Sample::value(b"value \xff").key("").header(b"not \xff utf-8", b"\xfe").null_header("nothing").header(b"a \0 b", "");
    topic.produce(&[hostile, Sample::default()]);
    let segment = format!("data/{}-0/00000000000000000000.log", topic.name());
    let log = std::fs::read(broker.home().join(segment)).unwrap();
    // Lengths are zigzag varints: twice the number, and 1 for null.
    for part in [b"\x16not \xff utf-8\x02\xfe".as_slice(), b"\x0enothing\x01", b"\x0aa \0 b\x00", b"\x0evalue \xff"] {
        assert!(log.windows(part.len()).any(|window| window == part), "the broker has {}", part.escape_ascii());
    }
}

#[test]
fn a_transaction_leaves_its_marker() {
    let broker = Broker::shared();
    let topic = broker.topic("transaction", 1);
    for (ending, end) in [(Ending::Commit, 3), (Ending::Abort, 6)] {
        topic.produce_in_transaction(&[Sample::value("1"), Sample::value("2")], ending);
        assert_eq!(
            broker.witness().ends(topic.name()),
            BTreeMap::from([(0, end)]),
            "after {ending:?}: two records and a marker each"
        );
    }
}

#[test]
fn logs_are_cut_and_begin_again() {
    let broker = Broker::shared();
    let topic = broker.topic("cut", 2);
    topic.produce(&[Sample::value("1"), Sample::value("2"), Sample::value("3")]);
    topic.delete_records_below(0, 2);
    assert_eq!(broker.witness().starts(topic.name()), BTreeMap::from([(0, 2), (1, 0)]));
    topic.recreate();
    assert_eq!(broker.witness().ends(topic.name()), BTreeMap::from([(0, 0), (1, 0)]));
}

#[test]
fn groups_are_moved_and_seen() {
    let broker = Broker::shared();
    let (topic, group) = (broker.topic("moved", 2), unique("group"));
    topic.produce(&[Sample::value("1"), Sample::value("2"), Sample::value("3").to(1)]);
    let witness = broker.witness();
    assert_eq!((witness.group_offsets(&group), witness.group_state(&group)), (vec![], None), "nobody knows the group yet");

    witness.reset_offsets(&group, topic.name(), ResetTo::Latest);
    assert_eq!(witness.lag(&group), 0);
    witness.reset_offsets(&group, topic.name(), ResetTo::Earliest);
    witness.reset_offsets(&group, &format!("{}:0", topic.name()), ResetTo::Offset(1));
    let seen = witness.group_offsets(&group);
    assert_eq!(
        seen.iter().map(|at| (at.partition, at.committed, at.lag)).collect::<Vec<_>>(),
        [(0, Some(1), Some(1)), (1, Some(0), Some(1))]
    );
    assert_eq!(witness.group_state(&group), Some(GroupState { state: "Empty".into(), members: 0 }));

    witness.delete_offsets(&group, &format!("{}:1", topic.name()));
    let mut commits = witness.commits(&group);
    commits.retain(|commit| commit.partition == 1);
    assert_eq!(commits.iter().map(|commit| commit.offset).collect::<Vec<_>>(), [Some(1), Some(0), None]);
}

#[test]
fn a_broker_goes_away_and_comes_back_with_its_data() {
    let broker = Broker::own();
    let topic = broker.topic("away", 1);
    topic.produce(&[Sample::value("1")]);
    broker.stop();
    assert!(TcpStream::connect(broker.bootstrap()).is_err(), "nobody listens while it is away");
    broker.start();
    assert_eq!(broker.witness().ends(topic.name()), BTreeMap::from([(0, 1)]));

    broker.pause();
    assert!(!broker.answers(Duration::from_millis(500)), "connections stay, nothing is answered");
    broker.resume();
    assert!(broker.answers(SOON));
}

/// Set in the process that owns the broker of the test below.
const OWNER: &str = "REDRIVE_TEST_OWNS_A_BROKER";

#[test]
fn a_broker_ends_with_its_owner_even_when_that_is_killed() {
    if std::env::var_os(OWNER).is_some() {
        let broker = Broker::own();
        eprintln!("owned: {} {}", broker.bootstrap(), broker.home().display());
        loop {
            std::thread::park();
        }
    }
    let folder = Folder::new();
    let this = "real_broker::a_broker_ends_with_its_owner_even_when_that_is_killed";
    let tests = std::env::current_exe().unwrap();
    let mut owner = folder.program(&tests).args(["--exact", this, "--nocapture"]).env(OWNER, "1").spawn();
    let said = owner.line("owned: ", Duration::from_secs(90));
    let mut said = said.split(' ').skip(1);
    let (bootstrap, home) = (said.next().unwrap(), Path::new(said.next().unwrap()));
    assert!(TcpStream::connect(bootstrap).is_ok() && home.join("data").exists());

    owner.signal(Signal::KILL);
    wait::until("the broker ends", SOON, || TcpStream::connect(bootstrap).is_err().then_some(()));
    wait::until("its data are removed", SOON, || (!home.exists()).then_some(()));
}

#[test]
fn a_command_is_watched_while_it_runs_and_ends_with_its_test() {
    let folder = Folder::new();
    let shell = |script: &str| folder.program(Path::new("/bin/sh")).args(["-c", script]);
    let output = shell("echo out; echo err >&2; echo $HOME; exit 7").run().expect_code(7);
    assert_eq!((output.stdout, output.stderr), (format!("out\n{}\n", folder.path().display()), "err\n".into()));

    let mut running = shell("trap 'echo caught >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.05; done").spawn();
    assert_eq!(running.line("rea", SOON), "ready");
    running.signal(Signal::TERM);
    running.line("caught", SOON);
    running.wait(SOON).expect_code(0);

    let running = shell("exec sleep 1000").spawn();
    let process = format!("/proc/{}", running.id());
    assert!(Path::new(&process).exists());
    drop(running);
    assert!(!Path::new(&process).exists());
}

#[test]
fn a_journal_is_read_with_plain_sql() {
    let folder = Folder::new();
    let journal = rusqlite::Connection::open(folder.path().join("redrive.db")).unwrap();
    journal.execute_batch(include_str!("../migrations/0001_journal.sql")).unwrap();
    journal
        .execute_batch(
            "INSERT INTO journal VALUES (1, 'uuid', 1, 0, 0);
            INSERT INTO run (id, command, consumer_group, client_id, host, pid, redrive_version, started_at_us, alive_at_us, exit_code)
                VALUES (3, 'consume', 'g', 'c', 'h', 1, '0', 0, 0, 4);
            INSERT INTO topic VALUES (1, 'cluster', 'orders', '', 0);
            INSERT INTO place VALUES (1, 'g', 'receive', 'billing');
            INSERT INTO fingerprint (id, hash, place_id, code, template, first_seen_at_us, last_seen_at_us, first_run_id)
                VALUES (1, zeroblob(16), 1, 'timeout', '', 0, 0, 3);
            INSERT INTO record (topic_id, partition, offset, timestamp_type, fetched_at_us, key, headers, crc, value_size, value)
                VALUES (1, 2, 7, 'create', 0, x'ff', x'00', 0, 1, x'fe');
            INSERT INTO failure (topic_id, partition, offset, place_id, fingerprint_id, class, code, first_failed_at_us,
                    last_failed_at_us, run_id, message)
                VALUES (1, 2, 7, 1, 1, 'transient', 'timeout', 0, 0, 3, 'too slow');
            INSERT INTO progress VALUES ('g', 1, 2, 3, 5, 9, 4, 3, 1, 0, 0, 0);
            INSERT INTO incident (run_id, kind, topic_id, partition, from_offset, to_offset, message, first_at_us, last_at_us)
                VALUES (3, 'gap', 1, 2, 0, 5, 'lost', 0, 0), (3, 'broker_away', NULL, NULL, NULL, NULL, 'away', 0, 0);",
        )
        .unwrap();

    let journal = folder.journal();
    assert_eq!(journal.uuid(), "uuid");
    let [failure] = &journal.failures()[..] else { panic!("one failure") };
    assert_eq!((failure.place(), failure.receiver.as_deref()), ("orders/2/7 receive".into(), Some("billing")));
    assert_eq!((failure.code.as_str(), failure.state.as_str(), failure.attempts), ("timeout", "open", 1));
    assert_eq!(journal.record("orders", 2, 7).value, Some(vec![0xfe]));
    assert_eq!(journal.progress().iter().map(|row| (row.partition, row.from, row.to)).collect::<Vec<_>>(), [(2, 5, 9)]);
    let incidents = journal.incidents();
    assert_eq!(
        incidents.iter().map(|row| (row.kind.as_str(), row.to, row.is_open)).collect::<Vec<_>>(),
        [("gap", Some(5), true), ("broker_away", None, true)]
    );
    assert_eq!(journal.runs().iter().map(|run| (run.id, run.exit_code)).collect::<Vec<_>>(), [(3, Some(4))]);
}
