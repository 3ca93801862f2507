//! The programs of `examples/`, run as their users run them. The worker in Python is in the README's tour.

use std::fs;

use crate::support::{Broker, Folder, Sample, unique};

#[test]
fn a_program_with_receivers_of_its_own_has_all_the_commands() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("shop"));
    let topic = broker.topic("shop", 1);
    let order = |id: &str, cents: u32| Sample::event("order.placed", id, format!("{{\"id\":\"{id}\",\"total_cents\":{cents}}}"));
    topic.produce(&[order("A-1", 100), order("A-2", 0), order("A-3", 2_000_000), Sample::event("order.cancelled", "A-4", "{}")]);

    let consume = ["consume", "-b", &topic.bootstrap(), "-t", topic.name(), "-g", &group, "--receiver", "audit=file:audit.jsonl"];
    let output = folder.example("shop", consume).args(["--from", "earliest", "--until-end"]).run().expect_code(0);
    assert!(output.stderr.contains("2 delivered, 2 failed, 0 skipped · shop errors list"), "{}", output.stderr);
    let failures = folder.journal().failures();
    let of: Vec<_> = failures.iter().map(|row| (row.offset, row.receiver.as_deref(), row.code.as_str(), row.attempts)).collect();
    assert_eq!(of, [(1, Some("billing"), "empty_order", 1), (2, Some("billing"), "bank_down", 3)]);
    assert_eq!(fs::read_dir(folder.path().join("shop-index")).unwrap().count(), 4, "search got every event");
    assert_eq!(folder.lines("audit.jsonl").len(), 4, "so did the receiver of the command line");

    let output = folder.example("shop", ["errors", "list"]).run().expect_code(0);
    assert!(output.stdout.contains("details: shop errors show 2"), "{}", output.stdout);
    let output = folder.example("shop", ["errors", "list", "--help"]).run().expect_code(0);
    assert!(output.stdout.contains("  shop errors list --receiver billing"), "{}", output.stdout);
    let output = folder.example("shop", ["incidents", "list"]).run().expect_code(0);
    assert!(output.stdout.contains("0 open incidents"), "{}", output.stdout);
}

#[test]
fn a_program_embeds_a_consumer_beside_what_else_it_does() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("embedded"));
    let topic = broker.topic("embedded", 1);
    let order = |id: &str, cents: u32| Sample::event("order.placed", id, format!("{{\"id\":\"{id}\",\"total_cents\":{cents}}}"));
    topic.produce(&[order("A-1", 100), order("A-2", 0), Sample::event("order.cancelled", "A-3", "{}")]);
    let arguments = [&topic.bootstrap(), topic.name(), &group];
    let output = folder.example("embedded", arguments).run().expect_code(0);
    let failed = format!("failed: {}/0/1 order A-2 has no total\n1 delivered, 1 failed, 1 skipped\n", topic.name());
    assert_eq!(output.stdout, failed);
    assert_eq!(folder.journal_at("shop.db").failures().len(), 1);
    assert_eq!(broker.witness().lag(&group), 0);
    let output = folder.example("embedded", [topic.bootstrap().as_str()]).run().expect_code(1);
    assert!(output.stderr.contains("TOPIC is missing"), "{}", output.stderr);
}
