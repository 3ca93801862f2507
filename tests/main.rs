//! All integration tests in one binary, so that what they share is compiled once, and one broker serves all of them.
//!
//! redrive runs against a real Apache Kafka, with Kafka's own tools and plain SQL as witnesses.
#![cfg(test)]

mod architecture;
mod books;
mod group;
mod kills;
mod lanes;
mod real_broker;
mod starts;
mod stops;
mod support;
mod workers;
