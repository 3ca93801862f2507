//! All integration tests in one binary, so that what they share is compiled once, and one broker serves all of them.
//!
//! redrive runs against a real Apache Kafka, with Kafka's own tools and plain SQL as witnesses.
#![cfg(test)]

mod admin;
mod architecture;
mod arguments;
mod books;
mod bounded;
mod brokers;
mod connections;
mod copies;
mod delivery_ids;
mod doctor;
mod dry_run;
mod embedded;
mod enabled;
mod examples;
mod faults;
mod full_journal;
mod group;
mod groups;
mod hostile_records;
mod http;
mod journal_file;
mod kills;
mod lanes;
mod limits;
mod mixed;
mod moves;
mod openedx;
mod outages;
mod patterns;
mod poison;
mod policy;
mod readme;
mod real_broker;
mod real_registry;
mod receivers;
mod registry;
mod replay_faults;
mod replay_kills;
mod replay_ranges;
mod replay_receivers;
mod replay_sources;
mod replays;
mod resets;
mod secrets;
mod sinks;
mod starts;
mod startup_guard;
mod stops;
mod support;
mod workers;
mod wrong;
