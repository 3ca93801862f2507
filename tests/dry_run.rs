//! A dry run says what would happen and leaves no trace: no member, no offset, no file, no call of a receiver. Kafka's own tools are
//! asked before it, while it goes on and after it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Broker, Folder, ResetTo, Sample, unique};
use crate::workers;

const SOON: Duration = Duration::from_secs(30);

/// Two receivers, each for types of its own; the first one would leave a file behind as soon as it is started.
const SETTINGS: &str = r#"
unrecognized = "skip"

[[receiver]]
name = "billing"
target = ["exec", "/bin/sh", "-c", "touch started; cat"]
types = ["order.*"]

[[receiver]]
name = "audit"
target = "file:audit.jsonl"
types = ["order.placed", "user.created"]
"#;

/// Every file of a folder, with the length and the hash of what it holds.
fn files(folder: &Path) -> BTreeMap<String, (usize, u64)> {
    let read = |entry: std::fs::DirEntry| {
        let bytes = std::fs::read(entry.path()).unwrap();
        let mut hash = DefaultHasher::new();
        bytes.hash(&mut hash);
        (entry.file_name().to_string_lossy().into_owned(), (bytes.len(), hash.finish()))
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn samples() -> Vec<Sample> {
    let event = |event_type: &str, n: usize| Sample::event(event_type, &n.to_string(), "{}").to(i32::try_from(n % 2).unwrap());
    let mut samples: Vec<_> = (0..30).map(|n| event("order.placed", n)).collect();
    samples.extend((0..4).map(|n| event("order.cancelled", n)));
    samples.extend((0..3).map(|n| event("user.created", n)));
    samples.extend((0..5).map(|n| event("nobody.takes", n)));
    samples.push(Sample::event("order.placed", "x", "{").to(1));
    samples.push(Sample::value("no event"));
    samples
}

fn item(stdout: &str) -> Value {
    let document: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    assert_eq!((&document["version"], &document["command"]), (&json!(1), &json!("consume")));
    document["items"][0].clone()
}

#[test]
fn what_would_happen_is_said_and_nothing_happens() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("dry"));
    let topic = broker.topic("dry", 2);
    topic.produce(&samples());
    folder.write("redrive.toml", SETTINGS);
    let before = files(folder.path());
    let witness = broker.witness();
    assert_eq!((witness.group_state(&group), witness.group_offsets(&group)), (None, vec![]));

    let always = ["--dry-run", "--from", "earliest"];
    let mut running = folder.consume(&topic, &group, always).spawn();
    running.line("2 partitions assigned", SOON);
    running.line("would fail  decode", SOON);
    assert_eq!((witness.group_state(&group), witness.group_offsets(&group)), (None, vec![]), "while it reads");
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    for part in [
        "dry run · group ",
        "no journal at ./redrive.db",
        "would fail  identify",
        "dry run ended: 37 would be delivered, 2 would fail, 5 would be skipped · nothing was delivered, committed or journaled",
        "  billing would get  30  order.placed",
        "  would fail          1  decode  invalid_json",
        "  would be skipped    5  nobody.takes",
    ] {
        assert!(output.stderr.contains(part), "{part} is missing:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("errors list") && !output.stderr.contains("incidents list"), "{}", output.stderr);

    let output =
        folder.consume(&topic, &group, always).args(["--until-end", "-o", "json", "--fail-on-errors"]).run().expect_code(3);
    let found = item(&output.stdout);
    assert_eq!((&found["delivered"], &found["failed"], &found["skipped"]), (&json!(37), &json!(2), &json!(5)), "{found:#}");
    let expected = json!({
        "deliveries": [
            { "receiver": "billing", "type": "order.cancelled", "count": 4 },
            { "receiver": "billing", "type": "order.placed", "count": 30 },
            { "receiver": "audit", "type": "order.placed", "count": 30 },
            { "receiver": "audit", "type": "user.created", "count": 3 },
        ],
        "failures": [
            { "stage": "identify", "code": "missing_type", "count": 1 },
            { "stage": "decode", "code": "invalid_json", "count": 1 },
        ],
        "skipped": [{ "type": "nobody.takes", "count": 5 }],
    });
    assert_eq!(found["preview"], expected);
    assert_eq!(files(folder.path()), before, "no journal, no receiver's file, no process that was started");
    assert_eq!((witness.group_state(&group), witness.group_offsets(&group)), (None, vec![]), "afterwards");
}

/// It begins where the group would go on, reads what the journal knows, and changes neither.
#[test]
fn a_group_with_a_journal_is_looked_at_from_where_it_is() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("dry"));
    let topic = broker.topic("dry-journal", 1);
    let order = |n: usize| Sample::event("order.placed", &n.to_string(), "{}");
    topic.produce(&(0..5).map(order).collect::<Vec<_>>());
    let always = ["--until-end", "--receiver", "all=file:all.jsonl"];
    folder.consume(&topic, &group, always).args(["--from", "earliest"]).run().expect_code(0);
    topic.produce(&(5..8).map(order).collect::<Vec<_>>());
    let (before, offsets) = (files(folder.path()), broker.witness().group_offsets(&group));
    let dry = |more: &[&'static str]| folder.consume(&topic, &group, always).args(["--dry-run"]).args(more.iter().copied());

    let output = dry(&["--from", "latest", "-o", "json"]).run().expect_code(0);
    assert!(output.stderr.contains("--from is ignored for 1 of them"), "{}", output.stderr);
    assert_eq!((&item(&output.stdout)["delivered"], &item(&output.stdout)["partitions"]), (&json!(3), &json!(1)));
    let journal: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((files(folder.path()), broker.witness().group_offsets(&group)), (before.clone(), offsets));

    let output = dry(&["--max-records", "2"]).run().expect_code(0);
    assert!(output.stderr.contains("dry run ended: 2 would be delivered"), "{}", output.stderr);
    let output = folder.consume(&topic, &group, ["--dry-run", "--idle-exit", "1s", "--receiver", "all=discard:"]).run();
    assert!(output.expect_code(0).stderr.contains("dry run ended: 3 would be delivered"));

    // What stops a run stops this one, with the same exit code.
    broker.witness().reset_offsets(&group, topic.name(), ResetTo::Offset(2));
    let output = dry(&[]).run().expect_code(0);
    assert!(output.stderr.contains("moved: ") && !output.stderr.contains("incidents list"), "{}", output.stderr);
    assert!(output.stderr.contains("dry run ended: 6 would be delivered"), "{}", output.stderr);
    topic.delete_records_below(0, 4);
    let output = dry(&["--on-gap", "halt"]).run().expect_code(4);
    assert!(output.stderr.contains("lost the offsets 2 to 4"), "{}", output.stderr);
    broker.witness().delete_offsets(&group, topic.name());
    let output = dry(&["--from", "earliest"]).run().expect_code(2);
    assert!(output.stderr.contains("this journal saw it read up to offset 5"), "{}", output.stderr);
    assert_eq!(files(folder.path()), before, "whatever was found");
    assert_eq!(journal["journal"]["id"], folder.journal().uuid());
    assert_eq!((folder.journal().incidents(), folder.journal().runs().len()), (vec![], 1));
}

#[test]
fn what_a_run_refuses_a_dry_run_refuses_and_the_guard_stops_it() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("dry"));
    let topic = broker.topic("dry-refused", 1);
    topic.produce(&(0..100).map(|n| Sample::value(n.to_string())).collect::<Vec<_>>());
    let dry = |more: &[&'static str]| folder.consume(&topic, &group, ["--dry-run", "--until-end"]).args(more.iter().copied());
    let from = ["--from", "earliest", "--receiver"];
    let guarded = dry(&[from[0], from[1], from[2], "all=discard:"]).run().expect_code(4);
    assert!(guarded.stderr.contains("--event-type-from"), "{}", guarded.stderr);
    let all = dry(&[from[0], from[1], from[2], "all=discard:", "--no-startup-guard"]).run().expect_code(0);
    assert!(all.stderr.contains("0 would be delivered, 100 would fail"), "{}", all.stderr);
    let nowhere = dry(&["--receiver", "all=discard:"]).run().expect_code(2);
    assert!(nowhere.stderr.contains("--from latest"), "{}", nowhere.stderr);
    let mistyped = dry(&[from[0], from[1], from[2], "all=exec:wroker"]).run().expect_code(2);
    assert!(mistyped.stderr.contains("there is no program wroker"), "{}", mistyped.stderr);
    folder.write("text.db", &"no journal ".repeat(100));
    let text = dry(&[from[0], from[1], from[2], "all=discard:", "--journal", "text.db"]).run().expect_code(2);
    assert!(text.stderr.contains("text.db is not a journal"), "{}", text.stderr);
    assert_eq!(files(folder.path()).len(), 1, "nothing was made");
    assert_eq!((broker.witness().group_state(&group), broker.witness().group_offsets(&group)), (None, vec![]));
}

/// Both protocols: the newer one has the broker decide who is a member.
#[test]
fn a_group_with_members_is_looked_at_beside_them() {
    for protocol in ["classic", "consumer"] {
        let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("dry-beside"));
        let topic = broker.topic("dry-beside", 2);
        topic.produce(&(0..20).map(|n| Sample::event("t", &n.to_string(), "{}").to(n % 2)).collect::<Vec<_>>());
        let protocol = format!("group.protocol={protocol}");
        let gated = workers::gated(&folder);
        let mut member = folder
            .consume(&topic, &group, ["--from", "earliest", "--receiver", &gated, "--max-in-flight", "4", "-X", &protocol])
            .spawn();
        member.until("a delivery", SOON, |_| folder.path().join("waits").exists().then_some(()));
        let members = || broker.witness().group_state(&group).map(|state| state.members);
        assert_eq!(members(), Some(1));
        let always = ["--dry-run", "--from", "earliest", "--receiver", "all=discard:", "--journal", "other.db", "-X", &protocol];
        let mut looks = folder.consume(&topic, &group, always).spawn();
        looks.line("2 partitions assigned", SOON);
        assert_eq!(members(), Some(1), "while it reads");
        looks.signal(Signal::TERM);
        let output = looks.wait(SOON).expect_code(0);
        assert!(output.stderr.contains("dry run ended: 20 would be delivered"), "{}", output.stderr);
        assert_eq!(members(), Some(1));
        assert!(!folder.path().join("other.db").exists());
        folder.write("open", "");
        member.until("all is read", SOON, |_| {
            let offsets = broker.witness().group_offsets(&group);
            (offsets.len() == 2 && offsets.iter().all(|at| at.lag == Some(0))).then_some(())
        });
        member.signal(Signal::TERM);
        let output = member.wait(SOON).expect_code(0);
        assert_eq!(output.stderr.matches("assigned").count(), 1, "it was not disturbed: {}", output.stderr);
    }
}

#[test]
fn a_topic_that_appears_is_looked_at_from_its_beginning() {
    let (broker, folder, prefix) = (Broker::shared(), Folder::new(), unique("dry-late"));
    let pattern = format!("^{prefix}-late-[0-9]+$");
    let arguments =
        ["consume", "--dry-run", "-b", &broker.bootstrap(), "-t", &pattern, "-g", &prefix, "--receiver", "all=discard:"];
    let refresh = ["-X", "topic.metadata.refresh.interval.ms=500"];
    let mut running = folder.redrive(arguments).args(refresh).spawn();
    running.line("no topic yet", SOON);
    let topic = broker.topic(&format!("{prefix}-late"), 2);
    topic.produce(&[Sample::event("t", "1", "{}"), Sample::value("no event").to(1)]);
    running.line("would fail", SOON);
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    assert!(output.stderr.contains("dry run ended: 1 would be delivered, 1 would fail"), "{}", output.stderr);
    assert_eq!(broker.witness().group_state(&prefix), None);
    assert_eq!(files(folder.path()).len(), 0);
}

#[test]
fn no_receiver_of_any_kind_is_opened_started_or_called() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("dry-kinds"));
    let (topic, copies) = (broker.topic("dry-kinds", 1), broker.topic("dry-copies", 1));
    topic.produce(&[Sample::event("t", "1", "{}"), Sample::event("t", "2", "{").header("content-type", "application/json")]);
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    web.set_nonblocking(true).unwrap();
    let receivers = [
        "exec=exec:/bin/sh -c 'touch started'".to_owned(),
        "run=run:/bin/sh -c 'touch started'".to_owned(),
        format!("web=http://{}/events", web.local_addr().unwrap()),
        "file=file:all.jsonl".to_owned(),
        "screen=stdout:".to_owned(),
        format!("copies=kafka:{}", copies.name()),
        "none=discard:".to_owned(),
    ];
    let dry = |receivers: &[String]| {
        let flags = receivers.iter().flat_map(|receiver| ["--receiver", receiver]);
        folder.consume(&topic, &group, ["--dry-run", "--from", "earliest", "--until-end"]).args(flags).run()
    };
    let output = dry(&receivers).expect_code(0);
    assert!(output.stderr.contains("dry run ended: 1 would be delivered, 1 would fail"), "{}", output.stderr);
    for name in ["exec", "run", "web", "file", "screen", "copies", "none"] {
        assert!(output.stderr.contains(&format!("  {name} would get ")), "{name} is missing:\n{}", output.stderr);
    }
    // Those that take bytes as they are would get the other one, too: alone, nothing would fail for them.
    let output = dry(&[receivers[2].clone(), receivers[5].clone(), receivers[6].clone()]).expect_code(0);
    assert!(output.stderr.contains("dry run ended: 2 would be delivered, 0 would fail"), "{}", output.stderr);
    assert_eq!((output.stdout.as_str(), files(folder.path()).len()), ("", 0));
    assert_eq!(web.accept().map(drop).map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock), "nobody called");
    assert_eq!(broker.witness().ends(copies.name()), BTreeMap::from([(0, 0)]));
    let output = dry(&[format!("copies=kafka:{}", topic.name())]).expect_code(2);
    assert!(output.stderr.contains("which this consumer reads"), "{}", output.stderr);
}
