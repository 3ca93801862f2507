//! The rules that are always there, behind those of the user. They have names and words, so that they can be shown as what they are.

use std::time::Duration;

use crate::failure::{Class, Stage};
use crate::policy::{Facts, Outages, RETRY_WINDOW, vigil};

/// The code of a receiver that was not reached.
const UNREACHABLE: &str = "unreachable";

/// In the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuiltIn {
    Unreachable,
    AskedToWait,
    Transient,
    AnythingElse,
    /// Not of one failure: it watches how deliveries end, one after the other.
    InARow,
}

/// Whether one failure is enough to say that its receiver is down.
#[must_use]
pub fn says_down(class: Class, code: &str) -> bool {
    code == UNREACHABLE || class == Class::Consumer
}

impl BuiltIn {
    pub const ALL: [Self; 5] = [Self::Unreachable, Self::AskedToWait, Self::Transient, Self::AnythingElse, Self::InARow];

    /// The one that decides about a failure that no rule of the user does.
    #[must_use]
    pub fn of(facts: &Facts<'_>, retry_after: Option<Duration>, outages: Outages) -> Self {
        if facts.stage != Stage::Receive {
            return Self::AnythingElse;
        }
        let is_transient = facts.class == Class::Transient;
        if outages == Outages::Heeded {
            if says_down(facts.class, facts.code) {
                return Self::Unreachable;
            }
            if is_transient && retry_after.is_some_and(|asked| asked > RETRY_WINDOW) {
                return Self::AskedToWait;
            }
        }
        if is_transient { Self::Transient } else { Self::AnythingElse }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "built-in: unreachable or refused",
            Self::AskedToWait => "built-in: asked to wait",
            Self::Transient => "built-in: transient",
            Self::AnythingElse => "built-in: anything else",
            Self::InARow => "built-in: five in a row",
        }
    }

    /// What it is about.
    #[must_use]
    pub fn when(self) -> String {
        match self {
            Self::Unreachable => format!("code {UNREACHABLE}, or class consumer"),
            Self::AskedToWait => "class transient, with a Retry-After beyond 10s".to_owned(),
            Self::Transient => "class transient".to_owned(),
            Self::AnythingElse => "all that is left".to_owned(),
            Self::InARow => format!("{} deliveries in a row that end in {}", vigil::IN_A_ROW, vigil::SIGNS.join(", ")),
        }
    }

    /// What it does, in a word or two.
    #[must_use]
    pub fn then(self) -> &'static str {
        match self {
            Self::Unreachable | Self::InARow => "outage",
            Self::AskedToWait => "outage for so long",
            Self::Transient => "retry, then journal",
            Self::AnythingElse => "journal",
        }
    }

    /// What it does.
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Unreachable => "outage of the receiver, unless its on_outage is journal",
            Self::AskedToWait => "outage for so long, 1h at most, unless its on_outage is journal",
            Self::Transient => "retry as often as the receiver's retries say, 200ms to 5s apart, within 10s; then journal",
            Self::AnythingElse => "journal",
            Self::InARow => "outage of the receiver, unless its on_outage is journal; those five stay entries",
        }
    }
}
