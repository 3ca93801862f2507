//! Rules that can never match, because one before them is about all that they are about.
//!
//! Only what is certain counts: values are compared as they are written, and nobody guesses what two patterns have in common.

use crate::failure::Stage;
use crate::policy::rules::{Rule, Rules, When};

/// A rule that nothing is left for.
#[derive(Clone, Copy, Debug)]
pub struct Shadowed<'r> {
    pub rule: &'r Rule,
    /// The first one before it that takes all of it.
    pub by: &'r Rule,
}

impl Rules {
    /// In their order.
    #[must_use]
    pub fn shadowed(&self) -> Vec<Shadowed<'_>> {
        let takes_all = |before: usize, rule| self.iter().take(before).find(|by| covers(by, rule));
        self.iter().enumerate().filter_map(|(at, rule)| Some(Shadowed { rule, by: takes_all(at, rule)? })).collect()
    }
}

/// Whether whatever fits `rule` fits `by`.
fn covers(by: &Rule, rule: &Rule) -> bool {
    let (stages, wide) = (stages(rule), stages(by));
    let (narrow, by) = (&rule.when, &by.when);
    let texts = |of: &When| -> [Vec<String>; 2] {
        let messages = of.messages.iter().map(|message| message.as_str().to_owned());
        [of.types.iter().map(ToString::to_string).collect(), messages.collect()]
    };
    let ([types, messages], [wide_types, wide_messages]) = (texts(narrow), texts(by));
    stages.iter().all(|stage| wide.contains(stage))
        && are_within(&narrow.topics, &by.topics)
        && are_within(&types, &wide_types)
        && are_within(&narrow.receivers, &by.receivers)
        && are_within(&narrow.classes, &by.classes)
        && are_within(&narrow.codes, &by.codes)
        && are_within(&messages, &wide_messages)
}

/// No value at all is every value.
fn are_within<T: PartialEq>(narrow: &[T], wide: &[T]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|value| wide.contains(value)))
}

/// Where a rule can match: only a delivery can be tried again or held, and before the receivers there is none.
fn stages(of: &Rule) -> Vec<Stage> {
    let is_of_deliveries = of.then.is_of_deliveries() || !of.when.receivers.is_empty();
    let says = |stage: &Stage| of.when.stages.is_empty() || of.when.stages.contains(stage);
    let can = |stage: &Stage| !is_of_deliveries || *stage == Stage::Receive;
    Stage::ALL.into_iter().filter(says).filter(can).collect()
}
