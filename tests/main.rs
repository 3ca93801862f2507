//! The end-to-end tests: redrive against a real Apache Kafka, with Kafka's own tools and plain SQL as witnesses.
//!
//! One test binary, so that one broker serves all of them.

#[cfg(test)]
mod real_broker;
#[cfg(test)]
mod support;
