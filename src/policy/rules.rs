//! The user's rules: which failures each is about, and what it does.
//!
//! A rule whose evaluation goes wrong decides all the same, and the failure is journaled: it must neither be lost nor left to a later
//! rule that was not meant for it.

use std::fmt;

use crate::event::TypePattern;
use crate::failure::{Class, Stage};
use crate::policy::messages::{AllPatterns, Fit, Message, MessagePattern};
use crate::policy::{Facts, Retry};

/// One `[[rule]]`.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: String,
    /// Where it stands.
    pub file: String,
    pub line: usize,
    pub when: When,
    pub then: Then,
}

/// Which failures. Of each key that is there one value must fit; without any it is about all.
#[derive(Clone, Debug, Default)]
pub struct When {
    pub topics: Vec<String>,
    pub types: Vec<TypePattern>,
    pub receivers: Vec<String>,
    pub stages: Vec<Stage>,
    pub classes: Vec<Class>,
    pub codes: Vec<String>,
    pub messages: Vec<MessagePattern>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Journal,
    Skip,
    /// An outage of the receiver.
    Hold,
    Halt,
    Retry(Retry),
}

impl Then {
    /// Only a delivery can be tried again, and only a receiver can be down.
    #[must_use]
    pub fn is_of_deliveries(self) -> bool {
        matches!(self, Self::Hold | Self::Retry(_))
    }
}

/// Which of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub usize);

/// All rules, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    patterns: AllPatterns,
}

impl When {
    fn fits(&self, facts: &Facts<'_>, message: &Message<'_>) -> Fit {
        let Self { topics, types, receivers, stages, classes, codes, messages } = self;
        let is_fit = is_one_of(topics, Some(facts.topic))
            && is_one_of(receivers, facts.receiver)
            && is_one_of(codes, Some(facts.code))
            && (stages.is_empty() || stages.contains(&facts.stage))
            && (classes.is_empty() || classes.contains(&facts.class))
            && (types.is_empty() || facts.event_type.is_some_and(|of| types.iter().any(|pattern| pattern.matches(of))));
        if !is_fit {
            return Fit::No;
        }
        if messages.is_empty() {
            return Fit::Yes;
        }
        let mut fit = Fit::No;
        for pattern in messages {
            match message.has(pattern) {
                Fit::Yes => return Fit::Yes,
                Fit::Unknown => fit = Fit::Unknown,
                Fit::No => {}
            }
        }
        fit
    }
}

/// What the failure does not have fits no value.
fn is_one_of(values: &[String], fact: Option<&str>) -> bool {
    values.is_empty() || fact.is_some_and(|fact| values.iter().any(|value| value == fact))
}

impl Rules {
    #[must_use]
    pub fn new(mut rules: Vec<Rule>) -> Self {
        let patterns = AllPatterns::of(rules.iter_mut().flat_map(|rule| &mut rule.when.messages));
        Self { rules, patterns }
    }

    #[must_use]
    pub fn get(&self, rule: RuleIx) -> Option<&Rule> {
        self.rules.get(rule.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that is about a failure, and what it does.
    #[must_use]
    pub fn first(&self, facts: &Facts<'_>) -> Option<(RuleIx, Then)> {
        let message = Message::new(facts.message, &self.patterns);
        (0..).map(RuleIx).zip(&self.rules).find_map(|(at, rule)| Some((at, rule.on(facts, &message)?)))
    }

    /// Whether deliveries to this receiver may be tried again by a rule, whatever they failed of.
    #[must_use]
    pub fn may_retry(&self, receiver: &str) -> bool {
        let retries = |rule: &&Rule| matches!(rule.then, Then::Retry(_));
        self.rules.iter().filter(retries).any(|rule| is_one_of(&rule.when.receivers, Some(receiver)))
    }
}

impl Rule {
    /// Where it stands, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}, line {}", self.file, self.line)
    }

    /// What it does about a failure; `None`: it is not about it.
    fn on(&self, facts: &Facts<'_>, message: &Message<'_>) -> Option<Then> {
        if self.then.is_of_deliveries() && facts.stage != Stage::Receive {
            return None;
        }
        match self.when.fits(facts, message) {
            Fit::Yes => Some(self.then),
            Fit::No => None,
            Fit::Unknown => Some(Then::Journal),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |words: Vec<String>| words.join(" or ");
        let Self { topics, types, receivers, stages, classes, codes, messages } = self;
        let keys = [
            ("topic", words(topics.clone())),
            ("type", words(types.iter().map(ToString::to_string).collect())),
            ("receiver", words(receivers.clone())),
            ("stage", words(stages.iter().map(|stage| stage.as_str().to_owned()).collect())),
            ("class", words(classes.iter().map(|class| class.as_str().to_owned()).collect())),
            ("code", words(codes.clone())),
            ("message", words(messages.iter().map(|message| format!("/{}/", message.as_str())).collect())),
        ];
        let said: Vec<String> =
            keys.into_iter().filter(|(_, values)| !values.is_empty()).map(|(key, values)| format!("{key} {values}")).collect();
        f.write_str(if said.is_empty() { "every failure" } else { "" })?;
        f.write_str(&said.join(", "))
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal => f.write_str("journal"),
            Self::Skip => f.write_str("skip"),
            Self::Hold => f.write_str("hold"),
            Self::Halt => f.write_str("halt"),
            Self::Retry(retry) => write!(f, "retry {retry}"),
        }
    }
}
