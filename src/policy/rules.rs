//! The user's rules: which failures each is about, and what it does.
//!
//! A rule whose evaluation goes wrong decides all the same, and the failure is journaled: it must neither be lost nor left to a later
//! rule that was not meant for it.

use std::fmt;
use std::panic::catch_unwind;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use crate::event::TypePattern;
use crate::failure::{Class, Stage, kept_line};
use crate::policy::{Facts, Retry};

/// A regular expression takes no more than this, in bytes: a failure must be decided about quickly.
const LARGEST_PATTERN: usize = 1 << 20;

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

/// A regular expression that is looked for in messages.
#[derive(Clone, Debug)]
pub struct MessagePattern {
    text: String,
    search: Search,
}

#[derive(Clone, Debug)]
enum Search {
    For(Regex),
    /// One that fails when it is used, which no pattern that was accepted is known to do.
    #[cfg(test)]
    Broken,
}

/// A pattern that cannot be looked for.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PatternError(Box<regex::Error>);

/// Which of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub usize);

/// All rules, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl MessagePattern {
    /// # Errors
    /// When it is no regular expression, or one that is too large.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build().map_err(|error| PatternError(Box::new(error)))?;
        Ok(Self { text: text.to_owned(), search: Search::For(regex) })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn is_in(&self, message: &str) -> Fit {
        let found = catch_unwind(|| match &self.search {
            Search::For(regex) => regex.is_match(message),
            #[cfg(test)]
            Search::Broken => std::panic::resume_unwind(Box::new("it cannot be evaluated")),
        });
        match found {
            Ok(true) => Fit::Yes,
            Ok(false) => Fit::No,
            Err(_) => Fit::Unknown,
        }
    }

    #[cfg(test)]
    pub(super) fn broken() -> Self {
        Self { text: "(broken)".to_owned(), search: Search::Broken }
    }
}

/// Whether a rule is about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    /// It could not be evaluated.
    Unknown,
}

impl When {
    fn fits(&self, facts: &Facts<'_>) -> Fit {
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
        let message = kept_line(facts.message);
        let mut fit = Fit::No;
        for pattern in messages {
            match pattern.is_in(&message) {
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
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    #[must_use]
    pub fn get(&self, rule: RuleIx) -> Option<&Rule> {
        self.0.get(rule.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first rule that is about a failure, and what it does.
    #[must_use]
    pub fn first(&self, facts: &Facts<'_>) -> Option<(RuleIx, Then)> {
        (0..).map(RuleIx).zip(&self.0).find_map(|(at, rule)| Some((at, rule.on(facts)?)))
    }

    /// Whether deliveries to this receiver may be tried again by a rule, whatever they failed of.
    #[must_use]
    pub fn may_retry(&self, receiver: &str) -> bool {
        let retries = |rule: &&Rule| matches!(rule.then, Then::Retry(_));
        self.0.iter().filter(retries).any(|rule| is_one_of(&rule.when.receivers, Some(receiver)))
    }
}

impl Rule {
    /// Where it stands, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}, line {}", self.file, self.line)
    }

    /// What it does about a failure; `None`: it is not about it.
    fn on(&self, facts: &Facts<'_>) -> Option<Then> {
        if self.then.is_of_deliveries() && facts.stage != Stage::Receive {
            return None;
        }
        match self.when.fits(facts) {
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
