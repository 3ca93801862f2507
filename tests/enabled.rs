//! The kill-switch: a consumer that is not enabled is up, idle, in no group, and says why; or it ends at once.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Broker, Folder, Sample, unique, wait};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_consumer_that_is_not_enabled_is_idle_until_a_signal() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("off"));
    let topic = broker.topic("off", 1);
    topic.produce(&[Sample::event("t", "1", "{}")]);
    folder.write("redrive.toml", "enabled = false\n");
    let arguments = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "-o", "json"];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    running.line("not enabled", SOON);
    wait::for_the_whole(Duration::from_secs(1));
    assert_eq!(broker.witness().group_state(&group), None, "it has joined nothing");
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    assert_eq!(output.stderr.lines().count(), 1, "said once: {}", output.stderr);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&document["items"], &document["journal"]), (&json!([]), &Value::Null));
    assert!(!folder.path().join("redrive.db").exists() && !folder.path().join("all.jsonl").exists());

    let output = folder.consume(&topic, &group, arguments).args(["--enabled", "true", "--until-end"]).run().expect_code(0);
    assert!(output.stderr.contains("stopped: 1 delivered"), "the flag goes over the file: {}", output.stderr);
}

#[test]
fn exit_ends_at_once_and_settings_are_still_checked() {
    let folder = Folder::new();
    // No broker is there, and none is asked.
    let consume = |more: &[&'static str]| {
        let always = ["consume", "-b", "127.0.0.1:1", "-t", "orders", "-g", "shop", "--receiver", "all=discard:"];
        folder.redrive(always).args(more.iter().copied()).within(SOON)
    };
    let output = consume(&["--enabled", "exit"]).run().expect_code(0);
    assert!(output.stderr.contains("not enabled (`enabled` is exit)"), "{}", output.stderr);
    let output = consume(&[]).env("REDRIVE_ENABLED", "exit").run().expect_code(0);
    assert!(output.stderr.contains("not enabled"), "{}", output.stderr);
    for (wrong, expected) in [
        (["--enabled", "off"], "enabled is `off` (from --enabled): expected true, false or exit"),
        (["--order", "keys"], "order is `keys`"),
        (["--topic", "^(a"], "^(a is no pattern of topics"),
    ] {
        let output = consume(&wrong).env("REDRIVE_ENABLED", "exit").run().expect_code(2);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
}
