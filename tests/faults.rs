//! Faults: a journal that cannot grow, names that lead nowhere.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Broker, Folder, Sample, unique, wait};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_journal_that_cannot_grow_stops_the_run_and_nothing_is_lost() {
    const EVENTS: i32 = 20_000;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("full"));
    let topic = broker.topic("full", 3);
    topic.produce(&(0..EVENTS).map(|n| Sample::value("x".repeat(500)).to(n % 3)).collect::<Vec<_>>());
    let redrive = format!(
        "{} consume -b {} -t {} -g {group} --from earliest --until-end --no-startup-guard --receiver all=discard:",
        env!("CARGO_BIN_EXE_redrive"),
        broker.bootstrap(),
        topic.name()
    );
    // In blocks of 512 bytes: 4 MiB, for any file.
    let limited = format!("ulimit -f 8192; exec {redrive}");
    let output = folder.program(Path::new("/bin/sh")).args(["-c", &limited]).run().expect_code(1);
    assert!(output.stderr.contains("cannot be written") && output.stderr.contains("hint:"), "{}", output.stderr);
    let before = folder.journal().failures();
    assert!(!before.is_empty() && before.len() < EVENTS as usize, "it was full on the way: {}", before.len());
    for at in broker.witness().group_offsets(&group) {
        let held = before.iter().filter(|row| row.partition == at.partition && row.offset < at.committed.unwrap_or(0)).count();
        assert_eq!(
            i64::try_from(held),
            Ok(at.committed.unwrap_or(0)),
            "everything below the committed offset is in the journal: {at:?}"
        );
    }
    folder.program(Path::new("/bin/sh")).args(["-c", &redrive]).run().expect_code(0);
    assert_eq!(folder.journal().failures().len(), EVENTS as usize, "each is there, once");
    assert_eq!(broker.witness().lag(&group), 0);
}

#[test]
fn names_that_lead_nowhere_are_named() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("payments", 1);
    let bootstrap = broker.bootstrap();
    let wrong = format!("{}x", topic.name());
    let consume = |bootstrap: &str, topic: &str| {
        folder.redrive(["consume", "-b", bootstrap, "-t", topic, "-g", "g", "--from", "earliest", "--receiver", "all=discard:"])
    };
    let output = consume(&bootstrap, &wrong).within(Duration::from_secs(10)).run().expect_code(2);
    assert!(
        output.stderr.contains(&wrong) && output.stderr.contains(&format!("did you mean {}", topic.name())),
        "{}",
        output.stderr
    );
    let output = consume("127.0.0.1:1", topic.name()).within(Duration::from_secs(16)).run().expect_code(1);
    assert!(output.stderr.contains("127.0.0.1:1"), "{}", output.stderr);
    assert!(!folder.path().join("redrive.db").exists(), "a run that never began leaves no journal");
}

#[test]
fn a_stop_before_the_first_answer_is_at_once() {
    let folder = Folder::new();
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let bootstrap = silent.local_addr().unwrap().to_string();
    let consume = ["consume", "-b", &bootstrap, "-t", "orders", "-g", "shop", "--receiver", "all=discard:", "-o", "json"];
    let mut running = folder.redrive(consume).spawn();
    let _connection = wait::until("it has come to ask", SOON, || silent.accept().ok());
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&document["items"], &document["journal"]), (&serde_json::json!([]), &serde_json::Value::Null));
    assert!(!folder.path().join("redrive.db").exists(), "a run that never began leaves no journal");
}

/// Nothing is asked of a broker for these: there is none.
#[test]
fn what_cannot_be_meant_is_refused_with_the_flag_that_is_wrong() {
    let folder = Folder::new();
    let whole = ["consume", "-b", "127.0.0.1:1", "-t", "orders", "-g", "shop", "--receiver", "all=discard:"];
    for (without, more, said) in [
        ("-b", &[][..], "bootstrap-server"),
        ("-t", &[], "topic"),
        ("-g", &[], "group"),
        ("--receiver", &[], "--receiver NAME=discard:"),
        ("--receiver", &["--receiver", "All=discard:"], "All"),
        ("--receiver", &["--receiver", "all=ftp:there"], "ftp:there"),
        ("", &["--receiver", "all=discard:"], "all"),
        ("", &["--from", "yesterday"], "--from"),
        ("", &["--from", "2026-11-23T05:00:00"], "--from"),
        ("", &["--order", "random"], "--order"),
        ("", &["--max-in-flight", "0"], "--max-in-flight"),
        ("", &["--max-in-flight-bytes", "8 potatoes"], "--max-in-flight-bytes"),
        ("", &["--commit-interval", "soon"], "--commit-interval"),
        ("", &["--event-type-from", "header:"], "--event-type-from"),
        ("", &["--format", "xml"], "--format"),
        ("", &["--on-gap", "ignore"], "--on-gap"),
        ("", &["-X", "enable.auto.commit=true"], "enable.auto.commit"),
        ("", &["-X", "no.such.property=1"], "no.such.property"),
        ("", &["-X", "max.poll.interval.ms=1"], "max.poll.interval.ms"),
        ("", &["--topic", ""], "topic"),
        ("-b", &["-b", ""], "bootstrap-server"),
        ("-b", &["-b", "localhost:abc"], "localhost:abc"),
        ("", &["--no-such-flag"], "--no-such-flag"),
    ] {
        let mut arguments: Vec<&str> = whole.to_vec();
        if let Some(at) = arguments.iter().position(|argument| *argument == without) {
            arguments.drain(at..at + 2);
        }
        let output = folder.redrive(arguments).args(more.iter().copied()).within(Duration::from_secs(5)).run();
        assert_eq!(output.code(), Some(2), "{without} {more:?}: {}", output.stderr);
        assert!(output.stderr.contains(said) && output.stderr.starts_with("error: "), "{without} {more:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{without} {more:?}");
    }
    assert!(!folder.path().join("redrive.db").exists(), "a run that never began leaves no journal");
}
