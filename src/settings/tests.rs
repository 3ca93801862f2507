//! Which layer wins, and what is refused.

use super::*;
use crate::receiver::{ALL_TYPES, MadeOf, Receivers, Target};
use crate::settings::table::Setting;

fn given(values: &[(&Setting, &[&str])]) -> Given {
    let mut given = Given::default();
    for (setting, of) in values {
        given.set(setting, of.iter().map(|&text| text.to_owned()).collect());
    }
    given
}

fn nothing(_: &str) -> Option<String> {
    None
}

const LEAST: [(&Setting, &[&str]); 3] =
    [(&table::TOPIC, &["orders"]), (&table::GROUP, &["shop"]), (&table::RECEIVER, &["all=discard:"])];

fn consume(more: &[(&Setting, &[&str])]) -> Result<ConsumeSettings, String> {
    let layers = Layers::without_file(given(&LEAST).and(given(more)), &nothing);
    ConsumeSettings::read(&layers, &Receivers::new()).map_err(|error| error.to_string())
}

#[test]
fn flags_go_over_environment_over_file_over_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, "concurrency = 3\nretries = 3\norder = \"key\"\n").unwrap();
    let environment = |name: &str| match name {
        "REDRIVE_CONFIG" => Some(path.display().to_string()),
        "REDRIVE_CONCURRENCY" | "REDRIVE_RETRIES" => Some("4".to_owned()),
        "REDRIVE_TOPIC" => Some("a, b".to_owned()),
        "KAFKA_BOOTSTRAP_SERVERS" => Some("kafka:9092".to_owned()),
        _ => None,
    };
    let flags = given(&[(&table::GROUP, &["shop"]), (&table::RECEIVER, &["all=discard:"]), (&table::CONCURRENCY, &["5"])]);
    let layers = Layers::read(flags, &environment).unwrap();
    let settings = ConsumeSettings::read(&layers, &Receivers::new()).unwrap();
    assert_eq!(settings.concurrency.get(), 5, "the flag");
    assert_eq!(settings.receivers[0].retries, 4, "the environment");
    assert_eq!(settings.conduct.order, crate::engine::Order::Key, "the file");
    assert_eq!(settings.conduct.budget.records, 10_000, "the default");
    assert_eq!(settings.topics, ["a", "b"]);
    assert_eq!(ConnectionSettings::read(&layers).unwrap().bootstrap, "kafka:9092");
}

#[test]
fn what_is_wrong_names_the_setting_the_value_and_where_it_is_from() {
    for (setting, value, expected) in [
        (&table::ORDER, "keys", "order is `keys` (from --order): expected partition, key or none; did you mean `key`?"),
        (&table::CONCURRENCY, "0", "concurrency is `0` (from --concurrency): expected a whole number from 1"),
        (
            &table::DRAIN_TIMEOUT,
            "10",
            "drain-timeout is `10` (from --drain-timeout): expected a duration like 500ms, 10s, 5m, 2h or 7d",
        ),
        (
            &table::MAX_IN_FLIGHT_BYTES,
            "8MB",
            "max-in-flight-bytes is `8MB` (from --max-in-flight-bytes): expected a size like 65536, 512KiB or 8MiB",
        ),
        (&table::IDLE_EXIT, "0s", "idle-exit is `0s` (from --idle-exit): expected a duration above 0, like 500ms, 10s or 5m"),
        (
            &table::FROM,
            "2026-11-23T05:00:00",
            "from is `2026-11-23T05:00:00` (from --from): expected earliest, latest or a time with its zone, like 2026-11-23T05:00:00Z",
        ),
        (
            &table::RECEIVER,
            "billing",
            "receiver `billing`: expected NAME=TARGET, for example audit=file:audit.jsonl (from --receiver)",
        ),
        (
            &table::RECEIVER,
            "b=smtp:x",
            "receiver b: `smtp:x` is no target: expected exec:PROGRAM ARGS…, run:PROGRAM ARGS…, http://HOST:PORT/PATH, \
             https://HOST:PORT/PATH, file:PATH, stdout:, kafka:TOPIC or discard: (from --receiver)",
        ),
    ] {
        assert_eq!(consume(&[(setting, &[value])]).err().as_deref(), Some(expected));
    }
    let none = Layers::without_file(Given::default(), &nothing);
    assert_eq!(
        ConsumeSettings::read(&none, &Receivers::new()).err().unwrap().to_string(),
        "topic is needed: give --topic, set REDRIVE_TOPIC, or write topic into the settings file"
    );
}

#[test]
fn receivers_of_flags_and_file_are_joined_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let file = "[[receiver]]\nname = \"billing\"\ntarget = \"exec:worker\"\ntypes = [\"order.*\"]\ntimeout = \"5s\"\n";
    std::fs::write(&path, file).unwrap();
    let path = path.display().to_string();
    let flags =
        given(&LEAST).and(given(&[(&table::CONFIG, &[&path]), (&table::RECEIVER, &["billing=discard:", "audit=file:a.jsonl"])]));
    let layers = Layers::read(flags, &nothing).unwrap();
    let receivers = ConsumeSettings::read(&layers, &Receivers::new()).unwrap().receivers;
    let billing = &receivers[0];
    assert!(matches!(billing.made_of, MadeOf::Target(Target::Discard)), "the flag's target");
    assert_eq!((billing.types.as_slice(), billing.timeout.as_secs()), (&["order.*".to_owned()][..], 5), "the file's settings");
    assert_eq!((receivers[1].name.as_str(), receivers[1].definition.as_str()), ("audit", "file:a.jsonl"));
}

#[test]
fn what_is_wrong_with_a_receiver_is_said_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml").display().to_string();
    let refused = |brought: &[&str], table: &str| {
        std::fs::write(&path, format!("[[receiver]]\nname = \"billing\"\n{table}\n")).unwrap();
        let layers = Layers::read(given(&LEAST).and(given(&[(&table::CONFIG, &[path.as_str()])])), &nothing).unwrap();
        let brought = Receivers::new().on_blocking("billing", brought.iter().copied(), |_| Ok(()));
        ConsumeSettings::read(&layers, &brought).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let expected = "receiver billing: `order*` is no event type: expected an exact type, or a prefix followed by `.*` (order.*)";
    assert_eq!(refused(&["order*"], ""), format!("{expected} (from this program)"));
    assert_eq!(refused(&["order.*"], "types = [\"order*\"]"), format!("{expected} (from {path}, line 3)"));
    let timeout = format!("timeout of receiver billing is `soon` (from {path}, line 3): expected a duration like 500ms, 30s or 5m");
    assert_eq!(refused(&["order.*"], "timeout = \"soon\""), timeout);
}

#[test]
fn receivers_are_refused_by_name() {
    let refused = |receivers: &[&str]| consume(&[(&table::RECEIVER, receivers)]).err().unwrap_or_default();
    assert!(refused(&["Billing=discard:"]).contains("its name must be of a-z"));
    assert!(refused(&["a=discard:", "a=discard:"]).contains("it is there twice"));
    let many: Vec<String> = (0..65).map(|n| format!("r{n}=discard:")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(&many), "65 receivers are too many: at most 64");
}

#[test]
fn receivers_of_the_program_are_refused_by_name() {
    let refused = |names: &[&str]| {
        let brought = names.iter().fold(Receivers::new(), |brought, name| brought.on_blocking(name, ALL_TYPES, |_| Ok(())));
        let layers = Layers::without_file(given(&LEAST), &nothing);
        ConsumeSettings::read(&layers, &brought).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(
        refused(&["billing", "billing"]),
        "receiver billing: it is there twice: each needs a name of its own (from this program)"
    );
    assert!(refused(&["the bank"]).starts_with("receiver the bank: its name must be of a-z"), "{}", refused(&["the bank"]));
    assert_eq!(refused(&["billing", "search"]), "");
}

/// A kill-switch that is written wrong must not leave the consumer running.
#[test]
fn the_kill_switch_is_a_truth_or_a_word_in_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let read = |file: &str, variable: Option<&str>, flag: &[(&Setting, &[&str])]| {
        std::fs::write(&path, file).unwrap();
        let environment = |name: &str| match name {
            "REDRIVE_CONFIG" => Some(path.display().to_string()),
            "REDRIVE_ENABLED" => variable.map(str::to_owned),
            _ => None,
        };
        let layers = Layers::read(given(&LEAST).and(given(flag)), &environment).unwrap();
        ConsumeSettings::read(&layers, &Receivers::new()).map(|settings| settings.enabled).map_err(|error| error.to_string())
    };
    for (text, expected) in [
        ("", Enabled::Yes),
        ("enabled = true", Enabled::Yes),
        ("enabled = false", Enabled::No),
        ("enabled = \"false\"", Enabled::No),
        ("enabled = \"exit\"", Enabled::Exit),
    ] {
        assert_eq!(read(text, None, &[]), Ok(expected), "{text}");
    }
    assert_eq!(read("enabled = false", Some("exit"), &[]), Ok(Enabled::Exit), "the environment over the file");
    assert_eq!(read("enabled = false", Some("exit"), &[(&table::ENABLED, &["true"])]), Ok(Enabled::Yes), "the flag over both");
    let wrong = "enabled is `off` (from the environment variable REDRIVE_ENABLED): expected true, false or exit";
    assert_eq!(read("", Some("off"), &[]), Err(wrong.to_owned()));
}

#[test]
fn topics_take_a_prefix() {
    let topics = |topics: &[&str]| consume(&[(&table::TOPIC, topics), (&table::TOPIC_PREFIX, &["dev.eu"])]).map(|of| of.topics);
    assert_eq!(topics(&["orders", "^user.*"]).unwrap(), ["dev.eu-orders", "^dev\\.eu-(?:user.*)"]);
}

#[test]
fn topics_are_parted_by_commas_but_patterns_are_not() {
    let topics = |topics: &[&str]| consume(&[(&table::TOPIC, topics)]).map(|of| of.topics);
    assert_eq!(topics(&["a,b", " c , d", "^x{1,2}$"]).unwrap(), ["a", "b", "c", "d", "^x{1,2}$"]);
    for nothing in ["", "a,,b", ","] {
        assert!(topics(&[nothing]).unwrap_err().contains("expected the name of a topic"), "{nothing}");
    }
}

#[test]
fn a_variable_that_no_setting_has_is_told_with_the_one_that_was_meant() {
    let names = ["REDRIVE_OUTPT", "REDRIVE_OUTPUT", "REDRIVE_JOURNAL", "REDRIVE_ENTIRELY_ELSE"];
    let unknown = |name: &str, nearest: Option<&str>| UnknownVariable { name: name.into(), nearest: nearest.map(str::to_owned) };
    assert_eq!(
        unknown_variables(&names.map(str::to_owned)),
        [unknown("REDRIVE_OUTPT", Some("REDRIVE_OUTPUT")), unknown("REDRIVE_ENTIRELY_ELSE", None)]
    );
}

#[test]
fn every_setting_has_its_own_name() {
    let names: std::collections::HashSet<_> = table::ALL.iter().map(|setting| setting.name).collect();
    assert_eq!(names.len(), table::ALL.len());
}

#[test]
fn what_a_word_can_be_is_listed() {
    for (setting, expected) in [
        (&table::ORDER, "partition, key or none"),
        (&table::FORMAT, "auto, json, avro or raw"),
        (&table::UNRECOGNIZED, "journal or skip"),
        (&table::ON_GAP, "earliest or halt"),
        (&table::ON_TRUNCATION, "hold, earliest or latest"),
    ] {
        let name = setting.name;
        let complaint = format!("{name} is `x` (from --{name}): expected {expected}");
        assert_eq!(consume(&[(setting, &["x"])]).err().as_deref(), Some(complaint.as_str()));
    }
    for (setting, expected) in
        [(&table::OUTPUT, "table, json or jsonl"), (&table::COLOR, "auto, always or never"), (&table::LOG_FORMAT, "text or json")]
    {
        let layers = Layers::without_file(given(&[(setting, &["x"])]), &nothing);
        let read = screen(&layers).and_then(|_| GlobalSettings::read(&layers));
        let complaint = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(complaint.ends_with(&format!("expected {expected}")), "{complaint}");
    }
}

#[test]
fn a_replay_is_told_what_any_delivery_is_told() {
    let nothing_said = ReplaySettings::read(&Layers::without_file(Given::default(), &nothing), &Receivers::new());
    assert!(matches!(nothing_said, Err(SettingsError::NoReceiver)));
    let environment = |name: &str| match name {
        "REDRIVE_GROUP" => Some("shop".to_owned()),
        "REDRIVE_CONCURRENCY" => Some("4".to_owned()),
        // Of `consume` alone.
        "REDRIVE_TOPIC" | "REDRIVE_MAX_RECORDS" => Some(" ".to_owned()),
        _ => None,
    };
    let read = |more: &[(&Setting, &[&str])]| {
        let layers = Layers::without_file(given(&[(&table::RECEIVER, &["all=discard:"])]).and(given(more)), &environment);
        ReplaySettings::read(&layers, &Receivers::new()).map_err(|error| error.to_string())
    };
    let settings = read(&[(&table::ORDER, &["none"]), (&table::RETRIES, &["0"])]).unwrap();
    assert_eq!((settings.group.as_deref(), settings.concurrency.get()), (Some("shop"), 4));
    assert_eq!((settings.conduct.order, settings.receivers[0].retries), (crate::engine::Order::None, 0));
    assert_eq!((settings.conduct.max_records, settings.conduct.until_end), (None, crate::engine::UntilEnd::Yes));
    assert_eq!(read(&[(&table::GROUP, &["invoices"])]).unwrap().group.as_deref(), Some("invoices"), "the command line goes first");
    let wrong = "order is `keys` (from --order): expected partition, key or none; did you mean `key`?";
    assert_eq!(read(&[(&table::ORDER, &["keys"])]).err().as_deref(), Some(wrong));
}

/// Which receivers there are is known only when all layers were read.
#[test]
fn rules_are_about_receivers_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let read = |receiver: &str| {
        std::fs::write(&path, format!("[[rule]]\nname = \"x\"\nwhen = {{ receiver = \"{receiver}\" }}\nthen = \"skip\"")).unwrap();
        let environment = |name: &str| (name == "REDRIVE_CONFIG").then(|| path.display().to_string());
        let layers =
            Layers::read(given(&LEAST).and(given(&[(&table::RECEIVER, &["billing=discard:", "audit=discard:"])])), &environment);
        let read = layers.and_then(|layers| ConsumeSettings::read(&layers, &Receivers::new()));
        read.map(|settings| settings.rules.iter().count()).map_err(|error| error.to_string())
    };
    let at = format!("{}, line 1: rule `x`: there is no receiver ", path.display());
    assert_eq!(read("billing"), Ok(1));
    assert_eq!(read("biling"), Err(format!("{at}biling; did you mean `billing`?")));
    assert_eq!(read("search"), Err(format!("{at}search: expected audit, billing")));
}
