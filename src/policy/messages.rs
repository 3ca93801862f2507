//! Patterns that rules look for in messages.
//!
//! A message is read once for the patterns of all rules together, and only when a rule asks: with many rules and a long message, one
//! after the other takes longer than all else that a failure costs.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::panic::catch_unwind;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder, SetMatches};
use thiserror::Error;

use crate::failure::kept_line;

/// A regular expression takes no more than this, in bytes: a failure must be decided about quickly.
const LARGEST_PATTERN: usize = 1 << 20;
/// All of them together, in bytes; where they take more, each is looked for by itself.
const ALL_PATTERNS: usize = 16 << 20;

/// A regular expression that is looked for in messages.
#[derive(Clone, Debug)]
pub struct MessagePattern {
    text: String,
    search: Search,
    /// Which of all patterns it is, where they are looked for together.
    at: Option<usize>,
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

/// Whether a rule is about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No,
    /// It could not be evaluated.
    Unknown,
}

impl MessagePattern {
    /// # Errors
    /// When it is no regular expression, or one that is too large.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build().map_err(|error| PatternError(Box::new(error)))?;
        Ok(Self { text: text.to_owned(), search: Search::For(regex), at: None })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn is_sound(&self) -> bool {
        matches!(self.search, Search::For(_))
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
        Self { text: "(broken)".to_owned(), search: Search::Broken, at: None }
    }
}

/// The patterns of all rules, to be looked for together.
#[derive(Clone, Debug, Default)]
pub(super) struct AllPatterns(Option<RegexSet>);

impl AllPatterns {
    pub(super) fn of<'p>(patterns: impl Iterator<Item = &'p mut MessagePattern>) -> Self {
        let patterns: Vec<_> = patterns.filter(|pattern| pattern.is_sound()).collect();
        let texts = patterns.iter().map(|pattern| pattern.as_str());
        let together = RegexSetBuilder::new(texts).size_limit(ALL_PATTERNS).dfa_size_limit(ALL_PATTERNS).build().ok();
        let is_together = together.is_some();
        for (at, pattern) in patterns.into_iter().enumerate() {
            pattern.at = is_together.then_some(at);
        }
        Self(together)
    }

    fn are_in(&self, message: &str) -> Option<SetMatches> {
        let Self(together) = self;
        catch_unwind(|| together.as_ref().map(|set| set.matches(message))).unwrap_or_default()
    }
}

/// The message of a failure, and what is in it.
pub(super) struct Message<'m> {
    whole: &'m str,
    patterns: &'m AllPatterns,
    kept: OnceCell<Cow<'m, str>>,
    found: OnceCell<Option<SetMatches>>,
}

impl<'m> Message<'m> {
    pub(super) fn new(whole: &'m str, patterns: &'m AllPatterns) -> Self {
        Self { whole, patterns, kept: OnceCell::new(), found: OnceCell::new() }
    }

    pub(super) fn has(&self, pattern: &MessagePattern) -> Fit {
        let message = self.kept.get_or_init(|| kept_line(self.whole));
        let found = self.found.get_or_init(|| self.patterns.are_in(message));
        if let (Some(found), Some(at)) = (found, pattern.at) {
            return if found.matched(at) { Fit::Yes } else { Fit::No };
        }
        pattern.is_in(message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATTERNS: [&str; 8] = ["^a", "b+$", "(?i)Ca", r"\bab", ".", "", r"\w+ \w+", "ü"];

    proptest! {
        #[test]
        fn what_is_looked_for_together_is_found_as_by_itself(
            texts in prop::collection::vec(prop::sample::select(&PATTERNS[..]), 0..12), message in "[abcAC ü\n]{0,12}",
        ) {
            let mut patterns: Vec<_> = texts.iter().map(|text| MessagePattern::parse(text).unwrap()).collect();
            patterns.insert(patterns.len() / 2, MessagePattern::broken());
            let alone = AllPatterns::default();
            let by_itself: Vec<Fit> = patterns.iter().map(|pattern| Message::new(&message, &alone).has(pattern)).collect();
            let together = AllPatterns::of(patterns.iter_mut());
            let message = Message::new(&message, &together);
            prop_assert_eq!(patterns.iter().map(|pattern| message.has(pattern)).collect::<Vec<_>>(), by_itself);
        }
    }
}
