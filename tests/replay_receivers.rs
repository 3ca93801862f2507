//! Who gets what is replayed: those of `--to`, under the name that they have now, and nobody who is not there or does not answer.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::Value;

use crate::replays::{item, mend, replay, skipped, taken, target};
use crate::support::{Broker, Endpoint, FailureRow, Folder, Output, Sample, Topic, unique};

fn event(n: i32) -> Sample {
    Sample::event("order.placed", &n.to_string(), format!("{{\"n\":{n}}}"))
}

/// A topic that was consumed by receivers of these names, all of them broken.
struct Scene<'b> {
    folder: Folder,
    topic: Topic<'b>,
    group: String,
}

impl<'b> Scene<'b> {
    #[track_caller]
    fn new(broker: &'b Broker, name: &str, samples: &[Sample], receivers: &[&str]) -> Self {
        let scene = Self { folder: Folder::new(), topic: broker.topic(name, 1), group: unique(name) };
        scene.topic.produce(samples);
        for name in receivers {
            scene.folder.write(&format!("broken-{name}"), "");
        }
        scene.consume(&scene.group, &receivers.iter().map(|name| target(&scene.folder, name)).collect::<Vec<_>>(), &[]);
        scene
    }

    #[track_caller]
    fn consume(&self, group: &str, receivers: &[String], more: &[&str]) {
        let receivers = receivers.iter().flat_map(|receiver| ["--receiver", receiver]);
        let arguments = ["--from", "earliest", "--until-end"];
        self.folder.consume(&self.topic, group, arguments).args(receivers).args(more.iter().copied()).run().expect_code(0);
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], receivers: &[&str]) -> Output {
        let receivers = receivers.iter().flat_map(|receiver| ["--receiver", receiver]);
        replay(&self.folder, &self.topic, &arguments.iter().copied().chain(receivers).collect::<Vec<_>>())
    }

    /// The summary of a replay that ends with this code.
    #[track_caller]
    fn replay(&self, arguments: &[&str], receivers: &[&str], code: i32) -> Value {
        item(&self.run(&[arguments, &["-o", "json"]].concat(), receivers).expect_code(code))
    }

    fn failures(&self) -> Vec<FailureRow> {
        self.folder.journal().failures()
    }

    /// How many entries a receiver has in each state; those before any are of "".
    fn states(&self) -> BTreeMap<(String, String), usize> {
        let mut states = BTreeMap::new();
        for row in self.failures() {
            *states.entry((row.receiver.unwrap_or_default(), row.state)).or_default() += 1;
        }
        states
    }

    fn offsets(&self, name: &str) -> Vec<i64> {
        taken(&self.folder, name).iter().map(|delivery| delivery["record"]["offset"].as_i64().unwrap()).collect()
    }
}

fn counts<const N: usize>(of: [(&str, &str, usize); N]) -> BTreeMap<(String, String), usize> {
    of.map(|(receiver, state, count)| ((receiver.to_owned(), state.to_owned()), count)).into()
}

fn reasons<const N: usize>(of: [(&str, u64); N]) -> BTreeMap<String, u64> {
    of.map(|(reason, count)| (reason.to_owned(), count)).into()
}

#[test]
fn a_receiver_that_is_gone_is_skipped_until_it_is_said_who_gets_it_now() {
    let samples: Vec<_> = (0..5).map(event).collect();
    let scene = Scene::new(Broker::shared(), "renamed", &samples, &["billing", "audit"]);
    let audit = target(&scene.folder, "audit");
    mend(&scene.folder, "audit");
    let plan = scene.replay(&["--all", "--dry-run"], &[&audit], 0);
    assert_eq!((&plan["deliveries"], skipped(&plan)), (&5.into(), reasons([("receiver not configured", 5)])), "{plan}");
    let summary = scene.replay(&["--all"], &[&audit], 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&5.into(), reasons([("receiver not configured", 5)])), "{summary}");
    let told = &summary["skipped"][0];
    assert_eq!(
        (&told["receiver"], &told["definition"]),
        (&"billing".into(), &"exec:python3 worker.py billing 0".into()),
        "{summary}"
    );
    assert_eq!(scene.states(), counts([("audit", "resolved", 5), ("billing", "open", 5)]));
    let output = scene.run(&["--all"], &[&audit]).expect_code(3);
    assert!(
        output.stdout.contains("receiver not configured") && output.stdout.contains("exec:python3 worker.py"),
        "{}",
        output.stdout
    );

    let output = scene.run(&["--all", "--map", "billing=adit"], &[&audit]).expect_code(2);
    assert!(output.stderr.contains("did you mean --map billing=audit?"), "{}", output.stderr);
    let output = scene.run(&["--all", "--map", "biling=audit"], &[&audit]).expect_code(2);
    assert!(output.stderr.contains("did you mean --map billing?"), "{}", output.stderr);
    let arguments = ["--all", "--map", "billing=audit", "--receiver", &audit, "--dry-run"];
    let output = replay(&scene.folder, &scene.topic, &arguments).expect_code(0);
    assert!(output.stdout.contains("would deliver 5 entries to audit (for billing)"), "{}", output.stdout);
    let summary = scene.replay(&["--all", "--map", "billing=audit"], &[&audit], 0);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&5.into(), reasons([])), "{summary}");
    assert_eq!(scene.states(), counts([("audit", "resolved", 5), ("billing", "resolved", 5)]));
    let of_each = taken(&scene.folder, "audit");
    let ids = |name: &str| of_each.iter().filter(|delivery| delivery["deliveryid"].as_str().unwrap().ends_with(name)).count();
    assert_eq!((ids("/audit"), ids("/billing"), of_each.len()), (5, 5, 10), "its entries go under the name that they had");
    assert!(scene.folder.lines("billing").is_empty());
}

#[test]
fn to_names_who_gets_it() {
    let samples: Vec<_> = (0..4).map(event).collect();
    let scene = Scene::new(Broker::shared(), "to", &samples, &["billing", "audit", "gone"]);
    let (billing, audit) = (target(&scene.folder, "billing"), target(&scene.folder, "audit"));
    mend(&scene.folder, "billing");
    mend(&scene.folder, "audit");
    let both = [billing.as_str(), &audit];
    let output = scene.run(&["--all", "--to", "biling"], &both).expect_code(2);
    assert!(
        output.stderr.contains("there is no receiver biling") && output.stderr.contains("did you mean --to billing?"),
        "{}",
        output.stderr
    );
    // Selected by one receiver's entries, delivered to another one.
    let summary = scene.replay(&["1", "--to", "audit"], &both, 0);
    assert_eq!(
        (&summary["delivered"], scene.offsets("audit"), scene.offsets("billing")),
        (&1.into(), vec![0], vec![]),
        "{summary}"
    );
    assert_eq!(scene.states()[&("audit".to_owned(), "resolved".to_owned())], 1, "{:?}", scene.states());
    let summary = scene.replay(&["--all", "--to", "gone"], &both, 3);
    assert_eq!(
        (&summary["delivered"], skipped(&summary).keys().map(String::as_str).collect::<Vec<_>>()),
        (&0.into(), vec!["receiver not configured"]),
        "{summary}"
    );
    let summary = scene.replay(&["--all", "--to", "all"], &both, 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&8.into(), reasons([("receiver not configured", 4)])), "{summary}");
    assert_eq!((scene.offsets("audit"), scene.offsets("billing")), (vec![0, 0, 1, 2, 3], vec![0, 1, 2, 3]));
    assert_eq!(scene.states(), counts([("audit", "resolved", 4), ("billing", "resolved", 4), ("gone", "open", 4)]));
    // What has it already gets it again when it is asked for.
    let summary = scene.replay(&["--state", "resolved", "--to", "billing,audit"], &both, 0);
    assert_eq!(
        (&summary["delivered"], scene.offsets("audit").len(), scene.offsets("billing").len()),
        (&8.into(), 9, 8),
        "{summary}"
    );
    let output = scene.run(&["--state", "resolved"], &both).expect_code(2);
    assert!(output.stderr.contains("8 of what is selected are delivered already"), "{}", output.stderr);
}

/// It is not waited for, and what it misses is no failure.
#[test]
fn a_receiver_that_is_down_is_skipped_and_the_others_go_on() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("down"));
    let topic = broker.topic("down", 1);
    topic.produce(&(0..20).map(event).collect::<Vec<_>>());
    let service = Endpoint::start(|_, stream| stream.write_all(b"HTTP/1.1 422 -\r\ncontent-length: 0\r\n\r\n"));
    folder.write("broken-billing", "");
    let (billing, http) = (target(&folder, "billing"), format!("http=http://{}/", service.address()));
    let arguments = ["--from", "earliest", "--until-end", "--receiver", &http, "--receiver", &billing];
    folder.consume(&topic, &group, arguments).run().expect_code(0);
    mend(&folder, "billing");
    let scene = Scene { folder, topic, group };
    let down = ["http=http://127.0.0.1:1/", &billing];
    let summary = scene.replay(&["--all"], &down, 3);
    assert_eq!(
        (&summary["delivered"], &summary["failed"], skipped(&summary)),
        (&20.into(), &0.into(), reasons([("receiver down", 20)])),
        "{summary}"
    );
    assert_eq!(summary["skipped"][0]["receiver"], "http", "{summary}");
    assert_eq!(scene.states(), counts([("billing", "resolved", 20), ("http", "open", 20)]));
    assert!(scene.failures().iter().all(|row| row.attempts == 1), "{:?}", scene.failures());
    assert_eq!(scene.folder.journal().claimed(), 0);
    let output = scene.run(&["--all"], &down).expect_code(3);
    assert!(output.stdout.contains("receiver down"), "{}", output.stdout);
    let up = Endpoint::start(|_, stream| stream.write_all(b"HTTP/1.1 204 -\r\n\r\n"));
    scene.replay(&["--all"], &[&format!("http=http://{}/", up.address()), &billing], 0);
    let ids: Vec<_> = up.requests().iter().map(|request| request.header("ce-deliverymode").to_owned()).collect();
    assert_eq!(ids, ["replay"; 20]);
    assert_eq!(scene.states(), counts([("billing", "resolved", 20), ("http", "resolved", 20)]));
}

/// They have no receiver, so they are for all.
#[test]
fn entries_of_earlier_stages_go_through_all_stages_to_everybody() {
    let untyped = |n: i32| Sample::value(format!("{{\"n\":{n}}}")).header("kind", "order.placed");
    let invalid = |n: i32| Sample { value: Some(b"{not json".to_vec()), ..event(n) }.header("kind", "order.placed");
    let other = |n: i32| Sample::event("order.refunded", &n.to_string(), "{}").header("kind", "order.refunded");
    let samples = [event(0), untyped(1), untyped(2), invalid(3), other(4), other(5)].map(|sample| {
        match sample.headers.iter().any(|(name, _)| name == b"kind") {
            true => sample,
            false => sample.header("kind", "order.placed"),
        }
    });
    let scene = Scene { folder: Folder::new(), topic: Broker::shared().topic("stages", 1), group: unique("stages") };
    scene.topic.produce(&samples);
    let (billing, audit) = (target(&scene.folder, "billing"), target(&scene.folder, "audit"));
    let only = ["--receiver-option", "billing.types=order.placed", "--receiver-option", "audit.types=order.placed"];
    scene.consume(&scene.group, &[billing.clone(), audit.clone()], &only);
    let codes: Vec<_> = scene.failures().into_iter().map(|row| (row.offset, row.code)).collect();
    let expected =
        [(1, "missing_type"), (2, "missing_type"), (3, "invalid_json"), (4, "unrecognized_type"), (5, "unrecognized_type")];
    assert_eq!(codes, expected.map(|(offset, code)| (offset, code.to_owned())));

    // Nothing is mended: all of it fails again, where it failed.
    let arguments = [&["--all", "--no-startup-guard"][..], &only].concat();
    let summary = scene.replay(&arguments, &[&billing, &audit], 3);
    assert_eq!((&summary["failed"], &summary["delivered"]), (&5.into(), &0.into()), "{summary}");
    assert!(scene.failures().iter().all(|row| row.attempts == 2 && row.state == "open"), "{:?}", scene.failures());

    // Mended; but one of the two receivers is broken now.
    scene.folder.write("broken-billing", "");
    std::fs::remove_file(scene.folder.path().join("audit")).unwrap();
    let mended = ["--all", "--event-type-from", "header:kind", "--format", "raw"];
    let summary = scene.replay(&mended, &[&billing, &audit], 3);
    assert_eq!((&summary["failed"], &summary["delivered"]), (&5.into(), &5.into()), "{summary}");
    assert_eq!(scene.offsets("audit"), [1, 2, 3, 4, 5]);
    assert_eq!(scene.states(), counts([("", "resolved", 5), ("billing", "open", 5)]), "{:?}", scene.failures());
    mend(&scene.folder, "billing");
    let summary = scene.replay(&mended, &[&billing, &audit], 0);
    assert_eq!(summary["delivered"], 5, "{summary}");
    assert_eq!((scene.offsets("audit").len(), &scene.offsets("billing")[1..]), (5, &[1, 2, 3, 4, 5][..]));
    assert_eq!(scene.states(), counts([("", "resolved", 5), ("billing", "resolved", 5)]));
}

#[test]
fn a_replay_is_for_one_group() {
    let samples: Vec<_> = (0..3).map(event).collect();
    let scene = Scene::new(Broker::shared(), "groups", &samples, &["billing"]);
    let billing = target(&scene.folder, "billing");
    let other = unique("groups");
    let range = format!("{}:0:0..3", scene.topic.name());
    // As long as it is the only one, it need not be named.
    let plan = scene.replay(&["--all", "--dry-run"], &[&billing], 0);
    assert_eq!(plan["group"], scene.group.as_str(), "{plan}");
    let plan = scene.replay(&["--offset", &range, "--dry-run"], &[&billing], 0);
    assert_eq!(plan["group"], scene.group.as_str(), "{plan}");

    scene.consume(&other, std::slice::from_ref(&billing), &[]);
    mend(&scene.folder, "billing");
    for arguments in [&["--all"][..], &["--offset", &range], &["1,4"]] {
        let output = scene.run(arguments, &[&billing]).expect_code(2);
        for group in [&scene.group, &other] {
            assert!(
                output.stderr.contains(&format!("for {group}: ")) && output.stderr.contains(&format!("-g {group}")),
                "{}",
                output.stderr
            );
        }
    }
    let output = scene.run(&["1", "-g", &other], &[&billing]).expect_code(2);
    assert!(output.stderr.contains(&format!("are of group {}, not of {other}", scene.group)), "{}", output.stderr);
    let output = scene.run(&["--all", "-g", "nobody"], &[&billing]).expect_code(2);
    assert!(output.stderr.contains("nothing in the journal fits"), "{}", output.stderr);
    let mistyped = ["--offset", &range, "--to", "all", "-g", "nobody"];
    let output = scene.run(&mistyped, &[&billing]).expect_code(2);
    assert!(output.stderr.contains("group nobody has committed nothing in"), "{}", output.stderr);
    assert!(scene.failures().iter().all(|row| row.group != "nobody"));
    let summary = scene.replay(&["--all", "-g", &other], &[&billing], 0);
    assert_eq!((&summary["delivered"], &summary["group"]), (&3.into(), &other.as_str().into()), "{summary}");
    let states: Vec<_> = scene.failures().into_iter().map(|row| (row.group, row.state)).collect();
    assert_eq!(states.iter().filter(|(group, state)| *group == other && state == "resolved").count(), 3, "{states:?}");
    assert_eq!(states.iter().filter(|(group, state)| *group == scene.group && state == "open").count(), 3, "{states:?}");
    let summary = scene.replay(&["--offset", &range, "-g", &scene.group], &[&billing], 0);
    assert_eq!(summary["delivered"], 3, "{summary}");
}
