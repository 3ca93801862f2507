//! What happens after a failure: one pure function, asked once for each failed try of a delivery, and for each record that a stage
//! before the receivers refuses.
//!
//! The rules of the user go first, in their order; the first one that matches decides. What they leave is decided by the built-in ones:
//! fail fast and move on, try again what may heal by itself, for a short while only, because a retry holds its lane, and hold what fails
//! for every event.

mod built_in;
mod messages;
mod retry;
mod rules;
mod shadow;
mod vigil;

use std::time::Duration;

use crate::failure::{Class, Stage};

pub use built_in::{BuiltIn, says_down};
pub use messages::{MessagePattern, PatternError};
pub use retry::{FIRST_WAIT, LONGEST_WAIT, RETRY_WINDOW, Retry, may_follow_a_timeout};
pub use rules::{Rule, RuleIx, Rules, Then, When};
pub use shadow::Shadowed;
pub use vigil::{Verdict, Vigil, is_sign};

/// The longest time that a receiver is left alone at its own word; then it is asked again.
pub const LONGEST_QUIET: Duration = Duration::from_secs(60 * 60);

/// What a rule can look at: of a try that failed just now as of an entry in the journal.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    pub topic: &'f str,
    /// `None`: the event was not identified.
    pub event_type: Option<&'f str>,
    /// `None` before `Receive`.
    pub receiver: Option<&'f str>,
    pub stage: Stage,
    pub class: Class,
    pub code: &'f str,
    /// As much of it as the journal keeps is looked at.
    pub message: &'f str,
}

/// The circumstances of a failed try.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The tries that were made, this one included.
    pub attempts: u32,
    /// Tries that the receiver allows after the first one.
    pub retries: u32,
    /// Since the first try started.
    pub elapsed: Duration,
    /// The receiver asked to be left alone for this long.
    pub retry_after: Option<Duration>,
    /// Uniform in `0.0..1.0`; drawn by the caller, so that this stays pure.
    pub jitter: f64,
    pub outages: Outages,
}

/// What becomes of the events of a receiver that is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outages {
    /// They have not failed: they wait, or are deferred.
    #[default]
    Heeded,
    /// Each is an entry, as if it were its own failure.
    Journaled,
}

/// What is to be done about a failed try.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write it down and go on.
    Journal(Basis),
    /// The event is done with, and nothing is written down.
    Skip(RuleIx),
    /// Try again after this long; the lane waits.
    RetryAfter(Duration),
    /// The receiver is down: this event has not failed, and the try does not count. Never where outages are journaled.
    Outage(Outage, Basis),
    /// Nothing more is settled behind this record: the run ends, and the next one begins with it.
    Halt(RuleIx),
}

/// How a receiver that is down is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Soon, and then again and again.
    Now,
    /// It asked to be left alone for so long.
    For(Duration),
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    BuiltIn,
    /// This rule, and it knows better than a guess: what it journals is the event's own failure, and no sign that its receiver is down.
    Rule(RuleIx),
    /// This rule, as far as it went: its tries are used up, or its receiver's outages are journaled, and what was left to decide was left
    /// to the built-in rules. It counts as any failure does towards finding out that the receiver is down.
    AfterRule(RuleIx),
}

impl Basis {
    /// The user's rule that decided; it is kept with the entry.
    #[must_use]
    pub fn rule(self) -> Option<RuleIx> {
        match self {
            Self::BuiltIn => None,
            Self::Rule(rule) | Self::AfterRule(rule) => Some(rule),
        }
    }

    /// Whether a failure that was decided so may be a sign that its receiver is down.
    #[must_use]
    pub fn may_be_a_sign(self) -> bool {
        !matches!(self, Self::Rule(_))
    }
}

/// Who decides about a failure, as far as that can be told without its circumstances.
#[derive(Clone, Copy, Debug)]
pub enum Ruling<'r> {
    /// What the rule does about it.
    Rule(&'r Rule, Then),
    BuiltIn(BuiltIn),
}

impl Situation {
    /// Of a record that never reached a receiver: nothing is tried again.
    #[must_use]
    pub fn before_receivers() -> Self {
        Self { attempts: 1, retries: 0, elapsed: Duration::ZERO, retry_after: None, jitter: 0.0, outages: Outages::Journaled }
    }
}

/// Decides about a failed try.
pub fn decide(facts: &Facts<'_>, situation: &Situation, rules: &Rules) -> Decision {
    let Some((rule, then)) = rules.first(facts) else { return by_built_in(facts, situation, Basis::BuiltIn) };
    match then {
        Then::Journal => Decision::Journal(Basis::Rule(rule)),
        Then::Skip => Decision::Skip(rule),
        Then::Halt => Decision::Halt(rule),
        Then::Hold if situation.outages == Outages::Heeded => {
            let outage = situation.retry_after.filter(|asked| *asked > RETRY_WINDOW).map_or(Outage::Now, quiet);
            Decision::Outage(outage, Basis::Rule(rule))
        }
        Then::Hold => by_built_in(facts, situation, Basis::AfterRule(rule)),
        Then::Retry(retry) => match retry.next(situation) {
            Some(wait) => Decision::RetryAfter(wait),
            // It stands in the place of the receiver's own retries.
            None => by_built_in(facts, &Situation { retries: 0, ..*situation }, Basis::AfterRule(rule)),
        },
    }
}

/// Who decides about such a failure. What is not in the journal counts as if it were not there: a Retry-After, and how often it was tried.
#[must_use]
pub fn ruling<'r>(facts: &Facts<'_>, rules: &'r Rules, outages: Outages) -> Ruling<'r> {
    let decides = rules.first(facts).and_then(|(at, then)| Some(Ruling::Rule(rules.get(at)?, then)));
    decides.unwrap_or_else(|| Ruling::BuiltIn(BuiltIn::of(facts, None, outages)))
}

fn by_built_in(facts: &Facts<'_>, situation: &Situation, basis: Basis) -> Decision {
    match (BuiltIn::of(facts, situation.retry_after, situation.outages), situation.retry_after) {
        (BuiltIn::Unreachable, _) => Decision::Outage(Outage::Now, basis),
        (BuiltIn::AskedToWait, Some(asked)) => Decision::Outage(quiet(asked), basis),
        (BuiltIn::Transient, _) => retry::in_window(situation).map_or(Decision::Journal(basis), Decision::RetryAfter),
        _ => Decision::Journal(basis),
    }
}

fn quiet(asked: Duration) -> Outage {
    Outage::For(asked.min(LONGEST_QUIET))
}

#[cfg(test)]
mod tests;
