//! All integration tests in one binary, so that what they share is compiled once, and one broker serves all of them.
//!
//! redrive runs against a real Apache Kafka, with Kafka's own tools and plain SQL as witnesses.
#![cfg(test)]

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
mod hostile_records;
mod http;
mod journal_file;
mod kills;
mod lanes;
mod mixed;
mod patterns;
mod readme;
mod real_broker;
mod receivers;
mod secrets;
mod sinks;
mod starts;
mod startup_guard;
mod stops;
mod support;
mod workers;
mod wrong;
