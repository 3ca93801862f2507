//! The README's commands, run as they stand there, in their order: each ends as the README says, and prints each line that it shows.

use std::path::Path;
use std::time::Duration;

use crate::openedx::{fixture, sample};
use crate::support::{Broker, Folder, Listener, Output, Registry, SCRAM_512, Sample, SecureBroker, console_producer, wait};

const README: &str = include_str!("../README.md");
const EVENTS: &str = include_str!("../fixtures/demo.jsonl");

/// A command, what the README says that it prints, and the exit status that `echo $?` shows; 0 where that is not asked.
struct Shown {
    command: String,
    lines: Vec<String>,
    code: i32,
}

/// The blocks of code in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let parts = README.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n')).filter(|(of, _)| *of == language).map(|(_, block)| block).collect()
}

fn commands() -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for block in blocks("console") {
        let mut lines = block.lines();
        while let Some(line) = lines.next() {
            match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some("echo $?"), Some(last)) => {
                    last.code = lines.next().and_then(|code| code.parse().ok()).expect("an exit status");
                }
                (Some(command), _) => shown.push(Shown { command: command.to_owned(), lines: Vec::new(), code: 0 }),
                (None, Some(last)) => last.lines.push(line.to_owned()),
                (None, None) => panic!("a line without its command: {line}"),
            }
        }
    }
    shown
}

/// What differs from run to run is taken out: numbers, times, ids, the width of columns.
fn essence(line: &str) -> String {
    /// Topic ids and cluster ids are so long, and may be without a digit.
    const ID: usize = 22;
    let differs = |word: &str| word.contains(|c: char| c.is_ascii_digit()) || word.len() == ID;
    line.split_whitespace().map(|word| if differs(word) { "#" } else { word }).collect::<Vec<_>>().join(" ")
}

fn samples() -> Vec<Sample> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    // All in one partition, so that the entries of the journal have the same order in every run.
    let sample = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let record = Sample::value(text(&event["value"])).key(text(&event["key"]));
        let headers = event["headers"].as_array().unwrap();
        headers.iter().fold(record, |record, header| record.header(text(&header[0]), text(&header[1])))
    };
    EVENTS.lines().map(sample).collect()
}

/// Runs a command of the README; none: it is the one that runs this test.
fn run(folder: &Folder, command: &str, to_readers: impl Fn(&str) -> String) -> Option<Output> {
    let words = shell_words::split(command).unwrap().into_iter().map(|word| to_readers(&word)).collect::<Vec<_>>();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let command = match words.as_slice() {
        ["redrive", arguments @ ..] | ["cargo", "run", "--release", "--", arguments @ ..] => {
            folder.redrive(arguments.iter().copied())
        }
        ["cargo", "run", "--release", "--example", name, "--", arguments @ ..] => folder.example(name, arguments.iter().copied()),
        ["cargo", "test", "--release"] => return None,
        _ => panic!("no test runs {command}"),
    };
    Some(command.env("TMPDIR", &folder.path().display().to_string()).within(Duration::from_secs(60)).run())
}

#[test]
fn every_command_does_what_is_shown() {
    let (broker, folder) = (SecureBroker::own(), Folder::new());
    broker.broker().topic_named("orders", 3).produce(&samples());
    let lifecycle = "dev-course-enrollment-lifecycle";
    let enrollments = fixture("events.jsonl").into_iter().filter(|event| event["topic"] == lifecycle);
    broker.broker().topic_named(lifecycle, 3).produce(&enrollments.map(|event| sample(&event)).collect::<Vec<_>>());
    let registry = Registry::shared().url();
    std::fs::create_dir(folder.path().join("examples")).unwrap();
    folder.write("examples/worker.py", include_str!("../examples/worker.py"));
    folder.write("password", SCRAM_512.1);
    std::fs::copy(broker.file("ca.pem"), folder.path().join("ca.pem")).unwrap();
    let to_readers = |word: &str| match word {
        "localhost:9092" => broker.broker().bootstrap(),
        "http://localhost:8081" => registry.clone(),
        "localhost:9093" => broker.bootstrap(Listener::SaslTls),
        "sasl.username=shop" => format!("sasl.username={}", SCRAM_512.0),
        _ => word.to_owned(),
    };
    let commands = commands();
    assert!(commands.len() > 10, "the README has its commands");
    for Shown { command, lines, code } in commands {
        let Some(output) = run(&folder, &command, to_readers) else { continue };
        let output = output.expect_code(code);
        let said = format!("{}{}", output.stderr, output.stdout);
        let host = format!(" {} ", rustix::system::uname().nodename().to_string_lossy());
        let said: Vec<String> = said.replace(&host, " shop-0 ").lines().map(essence).collect();
        for line in lines {
            let expected = essence(&line);
            let is_said = said.contains(&expected);
            assert!(is_said, "{command}: the README shows\n{line}\n({expected})\nbut it says\n{}", said.join("\n"));
        }
    }
}

#[test]
fn kafkas_own_producer_fills_the_topic_with_the_events_of_the_demo() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("orders", 3);
    std::fs::create_dir(folder.path().join("fixtures")).unwrap();
    folder.write("fixtures/demo.jsonl", EVENTS);
    let producer = folder.write("producer", &console_producer());
    let scripts = blocks("sh");
    let [script] = scripts.as_slice() else { panic!("a test runs each of {scripts:?}") };
    let script = script.replace("kafka-console-producer.sh", &format!("sh {}", producer.display()));
    let script =
        script.replace("localhost:9092", &broker.bootstrap()).replace("--topic orders", &format!("--topic {}", topic.name()));
    folder.program(Path::new("/bin/sh")).args(["-ec", &script]).run().expect_code(0);
    let mut read: Vec<_> = topic.read().into_iter().map(|record| (record.key, record.value, record.headers)).collect();
    let mut expected: Vec<_> = samples().into_iter().map(|sample| (sample.key, sample.value, sample.headers)).collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
}

/// A stranger has no Kafka: the demo's broker stays, and the tour's first command reads from it.
#[test]
fn the_tour_can_be_done_on_the_broker_of_the_demo() {
    let (folder, aside) = (Folder::new(), Folder::new());
    let _demo = aside.redrive(["demo", "--keep"]).env("TMPDIR", &aside.path().display().to_string()).spawn();
    let settings = wait::until("the demo has filled its topic", Duration::from_secs(30), || {
        let made = std::fs::read_dir(aside.path()).unwrap().flatten().map(|entry| entry.path().join("redrive.toml"));
        made.filter_map(|path| std::fs::read_to_string(path).ok()).find(|text| text.contains("[[receiver]]"))
    });
    let address = settings.split('"').nth(1).expect("bootstrap_server is its first setting");
    let command = "consume -b ADDRESS -t orders -g shop --from earliest --until-end --receiver audit=file:audit.jsonl";
    let output = folder.redrive(command.split(' ').map(|word| if word == "ADDRESS" { address } else { word }));
    let output = output.run().expect_code(0);
    assert!(output.stderr.contains("stopped: 37 delivered, 3 failed"), "{}", output.stderr);
}

#[test]
fn the_demo_runs_without_any_set_up() {
    let folder = Folder::new();
    let output = folder.redrive(["demo"]).env("TMPDIR", &folder.path().display().to_string()).run().expect_code(0);
    for part in [
        "$ redrive consume",
        "$ redrive errors list",
        "empty_order",
        "missing_type",
        "invalid_json",
        "invalid_time",
        "$ redrive replay --receiver billing",
        "· 0 open, 6 resolved",
    ] {
        assert!(output.stdout.contains(part), "{part} is missing:\n{}", output.stdout);
    }
}
