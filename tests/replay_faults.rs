//! Replays that meet: each other, one that hangs, a live consumer, a limit; and the ones that are not confirmed.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::replays::{item, mend, replay, skipped, slow_target, taken, target};
use crate::support::command::{Command, Running};
use crate::support::{Broker, Folder, Output, ResetTo, Sample, Topic, unique};
use crate::workers;

const SOON: Duration = Duration::from_secs(60);

fn event(n: i32) -> Sample {
    Sample::event("order.placed", &n.to_string(), format!("{{\"n\":{n}}}"))
}

/// A topic of which a receiver has failed for everything, and is mended.
struct Scene<'b> {
    broker: &'b Broker,
    folder: Folder,
    topic: Topic<'b>,
    group: String,
    name: &'static str,
}

impl<'b> Scene<'b> {
    #[track_caller]
    fn new(name: &'static str, count: i32, partitions: i32) -> Scene<'static> {
        let broker = Broker::shared();
        let scene = Scene { broker, folder: Folder::new(), topic: broker.topic(name, partitions), group: unique(name), name };
        scene.topic.produce(&(0..count).map(|n| event(n).to(n % partitions)).collect::<Vec<_>>());
        scene.folder.write(&format!("broken-{name}"), "");
        scene.consume(&target(&scene.folder, name)).run().expect_code(0);
        mend(&scene.folder, name);
        scene
    }

    fn consume(&self, receiver: &str) -> Command {
        self.folder.consume(&self.topic, &self.group, ["--from", "earliest", "--until-end", "--receiver", receiver])
    }

    fn spawn(&self, receiver: &str, more: &[&str]) -> Running {
        let always = ["replay", "-b", &self.topic.bootstrap(), "--all", "--yes", "-o", "json", "--receiver", receiver];
        self.folder.redrive(always).args(more.iter().copied()).spawn()
    }

    #[track_caller]
    fn replay(&self, receiver: &str, more: &[&str]) -> Output {
        replay(&self.folder, &self.topic, &[&["--all", "--receiver", receiver][..], more].concat())
    }

    /// How often the receiver took each record.
    fn times(&self) -> BTreeMap<(i64, i64), usize> {
        let mut times = BTreeMap::new();
        for delivery in taken(&self.folder, self.name) {
            let record = &delivery["record"];
            *times.entry((record["partition"].as_i64().unwrap(), record["offset"].as_i64().unwrap())).or_default() += 1;
        }
        times
    }

    fn states(&self) -> BTreeMap<String, usize> {
        let mut states = BTreeMap::new();
        self.folder.journal().failures().into_iter().for_each(|row| *states.entry(row.state).or_default() += 1);
        states
    }

    fn claimed(&self) -> i64 {
        self.folder.journal().claimed()
    }
}

fn states<const N: usize>(of: [(&str, usize); N]) -> BTreeMap<String, usize> {
    of.map(|(state, count)| (state.to_owned(), count)).into()
}

#[test]
fn two_replays_of_the_same_entries_deliver_each_of_them_once() {
    const COUNT: u64 = 2_000;
    let scene = Scene::new("two", 2_000, 3);
    let slow = slow_target(&scene.folder, scene.name, 0.001);
    // Few are out at a time, so that neither holds everything from the start.
    let both = [(); 2].map(|()| scene.spawn(&slow, &["--max-in-flight", "50"]));
    let delivered = both.map(|running| {
        let output = running.wait(SOON);
        if output.code() == Some(2) {
            // It came too late for any of them.
            assert!(output.stdout.contains("2000 of what is selected are delivered already"), "{output:?}");
            return 0;
        }
        let summary = item(&output.expect_code(0));
        let delivered = summary["delivered"].as_u64().unwrap();
        assert_eq!(skipped(&summary).get("already delivered").copied().unwrap_or_default(), COUNT - delivered, "{summary}");
        assert_eq!((&summary["failed"], &summary["not_reached"]), (&0.into(), &0.into()), "{summary}");
        delivered
    });
    assert_eq!(delivered.iter().sum::<u64>(), COUNT, "{delivered:?}");
    let times = scene.times();
    assert!(times.len() == 2_000 && times.values().all(|times| *times == 1), "each once");
    assert_eq!((scene.states(), scene.claimed()), (states([("resolved", 2_000)]), 0));
}

/// What a process holds that hangs is free when it has been silent for 30 s; that it goes on afterwards loses nothing.
#[test]
fn entries_of_a_replay_that_hangs_are_taken_over() {
    let scene = Scene::new("gated", 20, 1);
    let mut first = scene.spawn(&workers::gated(&scene.folder), &["--receiver-option", "gated.timeout=10m"]);
    first.until("it holds all", SOON, |_| (scene.folder.path().join("waits").exists() && scene.claimed() == 20).then_some(()));
    first.signal(Signal::STOP);
    let second = scene.spawn(&target(&scene.folder, "gated"), &[]).wait(SOON * 2);
    let summary = item(&second.expect_code(0));
    assert_eq!(summary["delivered"], 20, "{summary}");
    assert_eq!((scene.times().len(), scene.states(), scene.claimed()), (20, states([("resolved", 20)]), 0));
    scene.folder.write("open", "");
    first.signal(Signal::CONT);
    let output = first.wait(SOON);
    assert_eq!((scene.states(), scene.claimed()), (states([("resolved", 20)]), 0));
    assert!(matches!(output.code(), Some(0 | 3)), "{output:?}");
}

/// One that lives, and does not let go.
#[test]
fn what_another_replay_keeps_is_said() {
    let scene = Scene::new("gated", 20, 1);
    let mut first = scene.spawn(&workers::gated(&scene.folder), &["--receiver-option", "gated.timeout=10m"]);
    first.until("it holds all", SOON, |_| (scene.folder.path().join("waits").exists() && scene.claimed() == 20).then_some(()));
    let second = scene.spawn(&target(&scene.folder, "gated"), &[]).wait(SOON * 2).expect_code(3);
    let summary = item(&second);
    assert_eq!(
        (&summary["delivered"], skipped(&summary)),
        (&0.into(), [("another replay holds it".to_owned(), 20)].into()),
        "{summary}"
    );
    scene.folder.write("open", "");
    let summary = item(&first.wait(SOON).expect_code(0));
    assert_eq!(summary["delivered"], 20, "{summary}");
    assert_eq!((scene.states(), scene.claimed()), (states([("resolved", 20)]), 0));
}

#[test]
fn a_replay_stops_at_its_limit_of_failures() {
    let scene = Scene::new("limited", 200, 2);
    let billing = target(&scene.folder, scene.name);
    scene.folder.write("broken-limited", "");
    let mut attempts = 200;
    for most in [1u64, 3] {
        let output = scene.replay(&billing, &["--max-failures", &most.to_string(), "-o", "json"]).expect_code(4);
        let summary = item(&output);
        let [failed, delivered, left] = ["failed", "delivered", "not_reached"].map(|count| summary[count].as_u64().unwrap());
        // No more are out than may fail; what is out when the last one fails may fail, too.
        assert!((most..2 * most).contains(&failed) && delivered == 0 && failed + left == 200, "{summary}");
        assert_eq!(summary["reason"], "limit", "{summary}");
        assert_eq!((scene.states(), scene.claimed()), (states([("open", 200)]), 0));
        attempts += i64::try_from(failed).unwrap();
        assert_eq!(scene.folder.journal().failures().iter().map(|row| row.attempts).sum::<i64>(), attempts, "{summary}");
    }
    let output = scene.replay(&billing, &["--max-failures", "1"]).expect_code(4);
    assert!(output.stdout.contains("stopped by --max-failures") && output.stdout.contains("199"), "{}", output.stdout);
    mend(&scene.folder, scene.name);
    let summary = item(&scene.replay(&billing, &["--max-failures", "1", "-o", "json"]).expect_code(0));
    assert_eq!(summary["delivered"], 200, "{summary}");
    assert_eq!((scene.states(), scene.claimed()), (states([("resolved", 200)]), 0));
}

/// Everything that a journal says, but for what reading it may leave beside it.
fn said(folder: &Folder) -> Vec<String> {
    let journal = folder.journal();
    let tables =
        journal.lines("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'failure_search%' ORDER BY name");
    tables.iter().flat_map(|table| journal.lines(&format!("SELECT * FROM {table}"))).collect()
}

#[test]
fn what_is_not_confirmed_or_only_tried_changes_nothing() {
    let scene = Scene::new("unconfirmed", 1_001, 2);
    let billing = target(&scene.folder, scene.name);
    let before = (said(&scene.folder), std::fs::read(scene.folder.path().join("redrive.db")).unwrap());
    for (more, code) in
        [(&[][..], 5), (&["-o", "json"], 5), (&["-o", "jsonl"], 5), (&["--dry-run"], 0), (&["--dry-run", "-o", "json"], 0)]
    {
        let output = scene.replay(&billing, more).expect_code(code);
        if code == 5 {
            assert!([output.stdout, output.stderr].concat().contains("--yes"), "{more:?}");
        }
        let after = (said(&scene.folder), std::fs::read(scene.folder.path().join("redrive.db")).unwrap());
        assert!(before == after, "{more:?}: the journal has changed");
    }
    assert_eq!((scene.times().len(), scene.claimed()), (0, 0));
    let plan = item(&scene.replay(&billing, &["--dry-run", "-o", "json"]).expect_code(0));
    assert_eq!((&plan["deliveries"], &plan["late"], &plan["dry_run"]), (&1_001.into(), &1_001.into(), &true.into()), "{plan}");
    // As many as are not asked about.
    let arguments = ["--partition", "0", "-t", scene.topic.name(), "--receiver", &billing, "-o", "json"];
    let summary = item(&replay(&scene.folder, &scene.topic, &arguments).expect_code(0));
    assert_eq!(summary["delivered"], 501, "{summary}");
}

/// The rate is one of records, and the lines say when they were written.
#[test]
fn a_rate_is_kept_and_each_order_delivers_all() {
    let scene = Scene::new("paced", 60, 3);
    let billing = target(&scene.folder, scene.name);
    let began = std::time::Instant::now();
    let summary = item(&scene.replay(&billing, &["--rate", "20/s", "-o", "json"]).expect_code(0));
    assert_eq!(summary["delivered"], 60, "{summary}");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(2_500), "59 steps of 50 ms, less what may be caught up with: {took:?}");
    for order in ["partition", "key", "none"] {
        let arguments = ["--state", "resolved", "--to", "all", "--order", order, "--concurrency", "4", "--receiver", &billing];
        let output = replay(&scene.folder, &scene.topic, &arguments).expect_code(0);
        assert!(output.stdout.contains("60"), "{}", output.stdout);
    }
    assert!(scene.times().len() == 60 && scene.times().values().all(|times| *times == 4));
}

/// It comes too late for what is on its way, and leaves out the rest.
#[test]
fn what_a_live_consumer_resolves_meanwhile_is_not_delivered_again() {
    let scene = Scene::new("gated", 1_500, 1);
    // No more is out than may fail, so not all of it is held from the start.
    let mut running = scene.spawn(&workers::gated(&scene.folder), &["--max-failures", "10"]);
    running.until("it waits", SOON, |_| scene.folder.path().join("waits").exists().then_some(()));
    let held = scene.claimed();
    assert!((10..1_500).contains(&held), "{held}");
    scene.broker.witness().reset_offsets(&scene.group, scene.topic.name(), ResetTo::Earliest);
    scene.consume(&target(&scene.folder, "gated")).run().expect_code(0);
    assert_eq!((scene.states(), scene.claimed()), (states([("resolved", 1_500)]), 0));
    let by = |by: &str| scene.folder.journal().lines(&format!("SELECT count(*) FROM failure WHERE settled_by = '{by}'"));
    assert_eq!(by("live"), ["1500"]);
    scene.folder.write("open", "");
    let summary = item(&running.wait(SOON).expect_code(0));
    let skipped = skipped(&summary).get("already delivered").copied().unwrap_or_default();
    assert_eq!(summary["delivered"].as_u64().unwrap() + skipped, 1_500, "{summary}");
    assert!(skipped >= u64::try_from(1_500 - held).unwrap(), "{summary}");
    assert_eq!((scene.states(), scene.claimed(), by("live")), (states([("resolved", 1_500)]), 0, vec!["1500".to_owned()]));
}

#[test]
fn what_fails_in_live_traffic_after_a_replay_is_open_again() {
    let scene = Scene::new("regressed", 3, 1);
    let billing = target(&scene.folder, scene.name);
    scene.replay(&billing, &[]).expect_code(0);
    assert_eq!(scene.states(), states([("resolved", 3)]));
    scene.topic.commit(&scene.group, (0, 1), "");
    scene.folder.write("broken-regressed", "");
    scene.consume(&billing).run().expect_code(0);
    let rows = |sql: &str| scene.folder.journal().lines(sql);
    let of = rows("SELECT offset, state, regressed, attempts, claimed_by FROM failure ORDER BY offset");
    assert_eq!(of, ["0|resolved|0|1|", "1|open|1|3|", "2|open|1|3|"]);
    let history = rows(
        "SELECT offset, number, outcome, a.replay_id IS NOT NULL FROM attempts a JOIN failure f ON f.id = failure_id WHERE offset < 2
        ORDER BY 1, 2",
    );
    let expected = ["0|1|failed|0", "0|2|delivered|1", "1|1|failed|0", "1|2|delivered|1", "1|3|failed|0"];
    assert_eq!(history, expected);
    let listed = scene.folder.redrive(["errors", "list", "-o", "json"]).run().expect_code(0);
    let document: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert!(document["items"].as_array().unwrap().iter().all(|item| item["regressed"] == true), "{document}");
    mend(&scene.folder, scene.name);
    scene.replay(&billing, &[]).expect_code(0);
    assert_eq!(scene.states(), states([("resolved", 3)]));
    assert_eq!(rows("SELECT attempts FROM failure ORDER BY offset"), ["1", "3", "3"]);
}
