//! Every key of a rule, once: what it is called and its line of help come from here.

/// One key of a `[[rule]]`, of its `when`, or of its `retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct RuleKey {
    pub(in crate::settings) name: &'static str,
    /// What its value is called.
    pub(in crate::settings) value: &'static str,
    pub(in crate::settings) help: &'static str,
}

const fn key(name: &'static str, value: &'static str, help: &'static str) -> RuleKey {
    RuleKey { name, value, help }
}

pub(in crate::settings) const RULE: [RuleKey; 3] = [
    key("name", "NAME", "What it is called; kept with each entry that it decided about"),
    key("when", "TABLE", "Which failures: of each key that is there one value must fit; without any: all"),
    key("then", "WHAT", "journal, skip, hold, halt, or { retry = { … } }"),
];
pub(in crate::settings) const WHEN: [RuleKey; 7] = [
    key("topic", "TOPIC,…", "The record's topic, as the broker calls it"),
    key("type", "TYPE,…", "The event's type: exact, or a prefix followed by .*"),
    key("receiver", "NAME,…", "The receiver that failed"),
    key("stage", "STAGE,…", "identify, route, decode or receive"),
    key("class", "CLASS,…", "transient, permanent, consumer or unknown"),
    key("code", "CODE,…", "The code of the failure, as `errors list` shows it"),
    key("message", "REGEX,…", "A regular expression that is found in the first 1,000 characters of the message"),
];
pub(in crate::settings) const RETRY: [RuleKey; 3] = [
    key("times", "N", "Tries after the first one, 1 to 1,000"),
    key("first", "DURATION", "Before the second try; then it doubles [default: 200ms]"),
    key("max", "DURATION", "Between two tries, at most 1h [default: 5s, or `first` where that is longer]"),
];
/// What `then` may be beside a table.
pub(in crate::settings) const ACTIONS: [&str; 4] = ["journal", "skip", "hold", "halt"];
