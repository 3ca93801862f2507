//! The README's tour, run as it stands there: each command ends well, and each line that the README shows is one that it prints.

use std::time::Duration;

use crate::support::{Broker, Folder, Sample, unique, wait};

const README: &str = include_str!("../README.md");
const EVENTS: &str = include_str!("../fixtures/demo.jsonl");

/// A command of the tour, and what the README says that it prints.
struct Shown {
    command: String,
    lines: Vec<String>,
}

fn tour() -> Vec<Shown> {
    let tour = README.split("## The tour").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the README has a tour");
    let mut shown: Vec<Shown> = Vec::new();
    for line in tour.split("```").filter_map(|block| block.strip_prefix("console\n")).flat_map(str::lines) {
        match (line.strip_prefix("$ "), shown.last_mut()) {
            (Some(command), _) => shown.push(Shown { command: command.to_owned(), lines: Vec::new() }),
            (None, Some(last)) => last.lines.push(line.to_owned()),
            (None, None) => panic!("a line without its command: {line}"),
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

#[test]
fn the_tour_is_what_happens() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("orders", 3);
    topic.produce(&samples());
    std::fs::create_dir(folder.path().join("examples")).unwrap();
    folder.write("examples/worker.py", include_str!("../examples/worker.py"));
    let group = unique("shop");
    let tour = tour();
    assert!(tour.len() >= 4, "the tour has its commands");
    for Shown { command, lines } in tour {
        let mut words = shell_words::split(&command).unwrap();
        assert_eq!(words.remove(0), "redrive", "{command}");
        for word in &mut words {
            match word.as_str() {
                "localhost:9092" => *word = broker.bootstrap(),
                "orders" => topic.name().clone_into(word),
                "shop" => word.clone_from(&group),
                _ => {}
            }
        }
        let output = folder.redrive(words.iter().map(String::as_str)).within(Duration::from_secs(60)).run().expect_code(0);
        let said = format!("{}{}", output.stderr, output.stdout).replace(topic.name(), "orders").replace(&group, "shop");
        let host = format!("host {} ", rustix::system::uname().nodename().to_string_lossy());
        let said = said.replace(&host, "host shop-0 ");
        let said: Vec<String> = said.lines().map(essence).collect();
        for line in lines {
            let expected = essence(&line);
            assert!(
                said.contains(&expected),
                "{command}: the README shows\n{line}\n({expected})\nbut it says\n{}",
                said.join("\n")
            );
        }
    }
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
    for part in ["$ redrive consume", "$ redrive errors list", "empty_order", "missing_type", "invalid_json", "invalid_time"] {
        assert!(output.stdout.contains(part), "{part} is missing:\n{}", output.stdout);
    }
}
