//! What is typed: the help, what is not understood, what is warned of, and lines for programs.

use serde_json::Value;

use crate::support::{Broker, Folder, Sample, unique};

#[test]
fn a_command_that_is_not_complete_shows_its_help() {
    let folder = Folder::new();
    for (words, expected) in [(&[][..], "Replay and recovery"), (&["errors"], "Look at the failures")] {
        let output = folder.redrive(words.iter().copied()).run().expect_code(2);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.starts_with(expected) && output.stderr.contains("\nCommands:\n"), "{}", output.stderr);
    }
    let output = folder.redrive(["errors", "-o", "json"]).run().expect_code(2);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&document["command"], &document["error"]["kind"]), (&"errors".into(), &"usage".into()));
    let help = folder.redrive(["help", "consume"]).run().expect_code(0);
    assert!(help.stdout.contains("--receiver <NAME=TARGET>"), "{}", help.stdout);
}

#[test]
fn the_help_of_replay_says_what_its_receivers_mean_and_fits_a_narrow_screen() {
    let folder = Folder::new();
    let help = folder.redrive(["replay", "--help"]).run().expect_code(0).stdout;
    assert!(help.contains("--receiver <NAME=TARGET|NAME,…>") && help.contains("--order <ORDER>"), "{help}");
    for flag in ["--topic-prefix", "--commit-interval", "--from", "--enabled"] {
        assert!(!help.contains(flag), "{flag} is a setting of consume alone");
    }
    let (_, written) = help.split_once("\nDelivers entries").unwrap();
    assert!(written.lines().all(|line| line.chars().count() <= 80), "{written}");
}

#[test]
fn nothing_but_the_command_line_selects_or_confirms() {
    let folder = Folder::new();
    let variables =
        [("REDRIVE_ALL", "true"), ("REDRIVE_OFFSET", "orders:0:1"), ("REDRIVE_TOPIC", "orders"), ("REDRIVE_DRY_RUN", "yes")];
    let command = folder.redrive(["replay", "--receiver", "all=discard:"]);
    let output = variables.into_iter().fold(command, |command, (name, value)| command.env(name, value)).run().expect_code(2);
    assert!(output.stderr.contains("error: nothing is selected"), "{}", output.stderr);
    folder.write("redrive.toml", "yes = true\n");
    let output = folder.redrive(["replay", "42"]).run().expect_code(2);
    assert!(output.stderr.contains("there is no setting `yes`"), "{}", output.stderr);
}

#[test]
fn the_last_of_a_flag_counts_and_a_mistyped_variable_is_told() {
    let folder = Folder::new();
    let words = ["errors", "list", "--limit", "1", "--limit", "2", "--color", "auto", "--color", "never"];
    let output = folder.redrive(words).env("REDRIVE_OUTPT", "json").run().expect_code(2);
    assert!(output.stderr.contains("REDRIVE_OUTPT is no setting; did you mean REDRIVE_OUTPUT?"), "{}", output.stderr);
    assert!(output.stderr.contains("error: there is no journal at"), "{}", output.stderr);
}

#[test]
fn the_demo_takes_nothing_that_it_brings_along() {
    let folder = Folder::new();
    for words in [["demo", "--journal", "x.db"], ["demo", "-b", "localhost:9092"]] {
        let output = folder.redrive(words).run().expect_code(2);
        assert!(output.stderr.contains("it does not take --"), "{}", output.stderr);
    }
}

#[test]
fn a_mistyped_program_is_told_before_anything_is_read() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("typo"));
    let topic = broker.topic("typo", 1);
    topic.produce(&[Sample::event("t", "1", "{}")]);
    let output =
        folder.consume(&topic, &group, ["--from", "earliest", "--receiver", "billing=exec:wroker.py --fast"]).run().expect_code(2);
    assert!(output.stderr.contains("there is no program wroker.py in the folders of PATH"), "{}", output.stderr);
    assert!(!folder.path().join("redrive.db").exists(), "no journal was made");
}

#[test]
fn programs_read_every_line_of_a_run_in_one_shape() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("lines"));
    let topic = broker.topic("lines", 1);
    topic.produce(&[Sample::event("t", "1", "{}"), Sample::value("no event"), Sample::event("t", "2", "{")]);
    let arguments = ["--from", "earliest", "--until-end", "--log-format", "json", "--receiver", "all=discard:"];
    // What is wrong with the settings is a line, too.
    let output = folder.consume(&topic, &group, arguments).env("REDRIVE_OUTPT", "json").run().expect_code(0);
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let fields: Vec<_> = line.as_object().unwrap().keys().take(4).collect();
        assert_eq!(fields, ["timestamp", "level", "what", "message"], "{line}");
    }
    let of = |what: &str| lines.iter().filter(|line| line["what"] == what).collect::<Vec<_>>();
    assert_eq!((of("log").len(), of("began").len(), of("stopped").len()), (1, 1, 1), "{}", output.stderr);
    let failed = of("failed");
    assert_eq!(
        (&failed[0]["code"], &failed[0]["offset"], &failed[0]["topic"]),
        (&"missing_type".into(), &1.into(), &topic.name().into())
    );
    let output = folder.consume(&topic, &group, ["--log-format", "json", "--receiver", "all=exec:wroker"]).run().expect_code(2);
    let error: Value = serde_json::from_str(output.stderr.trim()).expect("one line");
    assert_eq!((&error["what"], &error["level"], &error["kind"]), (&"error".into(), &"error".into(), &"usage".into()));
}
