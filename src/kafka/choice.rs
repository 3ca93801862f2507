//! Which topics are read: names, and patterns that begin with `^`.
//!
//! Patterns are matched here and nowhere else: the client library and the brokers each have a dialect of their own, and all who read a
//! group must mean the same topics.

use std::collections::BTreeMap;

use rdkafka::metadata::Metadata;
use regex::Regex;
use thiserror::Error;

/// What the topics of Kafka itself begin with. A name may be one of them; a pattern never means them.
pub(super) const INTERNAL: &str = "__";

#[derive(Clone, Debug)]
pub struct TopicChoice {
    names: Vec<String>,
    patterns: Vec<Regex>,
}

/// It begins with `^`, and is no regular expression.
#[derive(Debug, Error)]
#[error("{pattern} is no pattern of topics")]
pub struct PatternError {
    pub pattern: String,
    pub source: Box<regex::Error>,
}

/// Topics with the numbers of their partitions.
pub(super) type There = BTreeMap<String, Vec<i32>>;

impl TopicChoice {
    /// # Errors
    /// When a pattern cannot be read.
    pub fn parse(topics: &[String]) -> Result<Self, PatternError> {
        let (patterns, names): (Vec<_>, Vec<_>) = topics.iter().cloned().partition(|topic| topic.starts_with('^'));
        let read = |pattern: String| {
            Regex::new(&pattern).map_err(|source| PatternError { pattern: pattern.clone(), source: Box::new(source) })
        };
        Ok(Self { names, patterns: patterns.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Of topics that are known by their names.
    pub(super) fn of_names(names: Vec<String>) -> Self {
        Self { names, patterns: Vec::new() }
    }

    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    #[must_use]
    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    #[must_use]
    pub fn has(&self, topic: &str) -> bool {
        self.chosen_by(topic).is_some()
    }

    /// The name or the pattern that means the topic.
    #[must_use]
    pub fn chosen_by(&self, topic: &str) -> Option<&str> {
        let named = self.names.iter().map(String::as_str).find(|name| *name == topic);
        let matching = || self.patterns.iter().find(|pattern| pattern.is_match(topic)).map(Regex::as_str);
        if topic.starts_with(INTERNAL) { named } else { named.or_else(matching) }
    }

    /// The one topic that there is to ask about; `None`: all of them.
    pub(super) fn only(&self) -> Option<&str> {
        match self.names.as_slice() {
            [name] if self.patterns.is_empty() => Some(name),
            _ => None,
        }
    }

    /// Those of the topics that a broker lists.
    pub(super) fn among(&self, listed: &Metadata) -> There {
        let chosen = listed.topics().iter().filter(|topic| !topic.partitions().is_empty() && self.has(topic.name()));
        let numbers = |topic: &rdkafka::metadata::MetadataTopic| topic.partitions().iter().map(|of| of.id()).collect();
        chosen.map(|topic| (topic.name().to_owned(), numbers(topic))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(topics: &[&str]) -> Result<TopicChoice, PatternError> {
        TopicChoice::parse(&topics.iter().map(|&topic| topic.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_exact_and_patterns_leave_kafkas_own_topics_alone() {
        let of = choice(&["orders", "__consumer_offsets", r"^user-\d+$", "^.*late"]).unwrap();
        for (topic, expected) in [
            ("orders", true),
            ("orders-1", false),
            ("user-12", true),
            ("user-x", false),
            ("too-late", true),
            ("__consumer_offsets", true),
            ("__late", false),
        ] {
            assert_eq!(of.has(topic), expected, "{topic}");
        }
        assert_eq!((of.only(), choice(&["orders"]).unwrap().only()), (None, Some("orders")));
        assert!(!choice(&["^.*"]).unwrap().has("__transaction_state"));
        assert_eq!(choice(&["^(a"]).unwrap_err().to_string(), "^(a is no pattern of topics");
    }
}
