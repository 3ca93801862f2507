//! `stdout:` and `run:` at their borders: a reader that goes, a disk that is full, a program that is not there.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Broker, Folder, Sample, Topic, unique};

const SOON: Duration = Duration::from_secs(40);

fn produce(topic: &Topic<'_>, count: usize) {
    topic.produce(&(0..count).map(|id| Sample::event("t", &id.to_string(), "{}")).collect::<Vec<_>>());
}

/// `redrive consume` to the end of the topic, in a shell that does something with its output.
fn in_shell(topic: &Topic<'_>, group: &str, more: &str) -> String {
    format!(
        "{} consume -b {} -t {} -g {group} --from earliest --until-end --retries 0 --receiver it=stdout: \
         --receiver-option it.on_outage=journal {more}",
        env!("CARGO_BIN_EXE_redrive"),
        topic.bootstrap(),
        topic.name()
    )
}

#[test]
fn a_reader_that_goes_leaves_failures_and_no_lie() {
    const COUNT: usize = 5_000;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("reader"));
    let topic = broker.topic("reader", 1);
    produce(&topic, COUNT);
    let script =
        format!("{{ {}; echo $? > status; }} | head -n 1 > first", in_shell(&topic, &group, "--receiver all=file:all.jsonl"));
    let output = folder.program(Path::new("/bin/sh")).args(["-c", &script]).within(SOON).run().expect_code(0);
    assert_eq!(folder.lines("status"), ["0"], "{}", output.stderr);
    assert_eq!((folder.delivered("first"), folder.delivered("all.jsonl").len()), (vec![(0, 0)], COUNT));
    let failures = folder.journal().failures();
    // What lies in the pipe counts as taken: 64 KiB of it, about 600 bytes each.
    assert!(failures.len() > COUNT / 2, "{} of {COUNT}", failures.len());
    for row in &failures {
        assert_eq!((row.class.as_str(), row.code.as_str(), row.receiver.as_deref()), ("transient", "unreachable", Some("it")));
    }
    assert!(failures[0].message.starts_with("stdout cannot be written: Broken pipe"), "{}", failures[0].message);
}

#[test]
fn a_full_disk_fails_what_it_does_not_take() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("full"));
    let topic = broker.topic("full", 1);
    produce(&topic, 10);
    let script = format!("exec {} > /dev/full", in_shell(&topic, &group, ""));
    folder.program(Path::new("/bin/sh")).args(["-c", &script]).run().expect_code(0);
    let failures = folder.journal().failures();
    assert_eq!(failures.len(), 10);
    assert!(failures[0].message.starts_with("stdout cannot be written: No space left on device"), "{}", failures[0].message);
}

/// Nothing that is written there can be refused: what is delivered would be lost.
#[test]
fn a_closed_one_is_refused_at_the_start() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("closed"));
    let topic = broker.topic("closed", 1);
    produce(&topic, 1);
    let script = format!("exec {} >&-", in_shell(&topic, &group, ""));
    let output = folder.program(Path::new("/bin/sh")).args(["-c", &script]).run().expect_code(2);
    assert!(output.stderr.contains("receiver it (stdout:) cannot be opened: standard output is closed"), "{}", output.stderr);
    assert!(!folder.path().join("redrive.db").exists(), "no journal was made");
    let script = format!("exec {} > /dev/null", in_shell(&topic, &group, ""));
    folder.program(Path::new("/bin/sh")).args(["-c", &script]).run().expect_code(0);
}

#[test]
fn two_receivers_never_write_into_each_others_lines() {
    const COUNT: usize = 3_000;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("two"));
    let topic = broker.topic("two", 1);
    produce(&topic, COUNT);
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "a=stdout:", "--receiver", "b=stdout:"];
    let output = folder.consume(&topic, &group, arguments).run().expect_code(0);
    let receiver = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        line["deliveryid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let of: Vec<_> = output.stdout.lines().map(receiver).collect();
    let count = |name: &str| of.iter().filter(|of| *of == name).count();
    assert_eq!((count("a"), count("b"), of.len()), (COUNT, COUNT, 2 * COUNT));
}

#[test]
fn standard_output_has_one_owner() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("owner", 1);
    for format in ["json", "jsonl"] {
        let output =
            folder.consume(&topic, "g", ["--from", "earliest", "-o", format, "--receiver", "it=stdout:"]).run().expect_code(2);
        let error: Value = serde_json::from_str(&output.stdout).expect("one document");
        let message = format!("--output {format} and --receiver it=stdout: would both write to stdout");
        assert_eq!((&error["error"]["kind"], &error["error"]["message"]), (&"usage".into(), &message.into()));
    }
}

#[test]
fn a_program_that_cannot_be_run_is_refused_at_the_start() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("missing", 1);
    folder.write("text", "no program");
    for (program, expected) in [("./nowhere", "there is no program ./nowhere"), ("./text", "./text may not be run: chmod +x")] {
        let receiver = format!("it=run:{program} --once");
        let output = folder.consume(&topic, "g", ["--from", "earliest", "--receiver", &receiver]).run().expect_code(2);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
        assert!(!folder.path().join("redrive.db").exists(), "no journal was made");
    }
}

/// One that was there at the start and is gone later.
#[test]
fn a_program_that_goes_is_a_failure_of_the_receiver_alone() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("gone"));
    let topic = broker.topic("gone", 1);
    produce(&topic, 2);
    folder.write("once.sh", "#!/bin/sh\nrm once.sh\n");
    let path = folder.path().join("once.sh");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let receivers = ["--receiver", "it=run:./once.sh", "--receiver", "all=file:all.jsonl"];
    let options = ["--retries", "0", "--receiver-option", "it.on_outage=journal"];
    let arguments = ["--from", "earliest", "--until-end"].into_iter().chain(options).chain(receivers);
    folder.consume(&topic, &group, arguments).run().expect_code(0);
    let failures = folder.journal().failures();
    let [row] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!((row.offset, row.class.as_str(), row.code.as_str()), (1, "transient", "unreachable"));
    assert!(row.message.starts_with("the program ./once.sh cannot be started: No such file"), "{}", row.message);
    assert_eq!(folder.lines("all.jsonl").len(), 2);
}
