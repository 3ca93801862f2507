//! A kind of receiver, as the checks see it: how it is told what to do, and what it got.

use redrive::Class;

use super::scene::{Place, Scene};
use crate::support::Sample;

/// What every kind is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// All of it is delivered.
    Ok,
    /// Each class of failure is what the journal says, and costs only its own event.
    Failures,
    /// It hangs: given up at the timeout.
    Timeout,
    /// What does the work dies.
    Death,
    /// It takes a while before it does anything.
    SlowStart,
    /// Its answers are larger than anybody wants to read.
    HugeAnswers,
    /// More waits for it than may be held.
    Memory,
    /// A stop while it hangs: nothing runs on, nothing is settled.
    Cancellation,
    /// A stop while it works: what is in flight settles, the rest comes again.
    Drain,
    /// Events of one partition come in order, those that were tried again included.
    Order,
}

impl Check {
    pub(super) const ALL: [Self; 10] = [
        Self::Ok,
        Self::Failures,
        Self::Timeout,
        Self::Death,
        Self::SlowStart,
        Self::HugeAnswers,
        Self::Memory,
        Self::Cancellation,
        Self::Drain,
        Self::Order,
    ];
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// With this class and code.
    Fails(Class, &'static str),
}

pub(super) trait Kind {
    /// `TARGET` of `--receiver it=TARGET`; none: the program brings the receiver along.
    fn target(&self) -> Option<String>;

    /// Why this kind cannot be asked that. No wildcard: a new check is decided about for every kind.
    fn excuse(&self, check: Check) -> Option<&'static str>;

    /// The code of a failure of this class, or why there is none. No wildcard.
    fn failure(&self, class: Class) -> Result<&'static str, &'static str>;

    /// What becomes of an event of which the receiver's process dies.
    fn death(&self) -> Outcome {
        Outcome::Delivered
    }

    /// What becomes of an event of the type `huge`.
    fn huge(&self) -> Outcome {
        Outcome::Delivered
    }

    /// An event that tells it what to do.
    fn sample(&self, what: &str, id: usize) -> Sample {
        Sample::event(what, &id.to_string(), "{}")
    }

    /// What it got and took, in the order in which it did.
    fn got(&self, scene: &Scene) -> Vec<Place> {
        scene.noted()
    }

    /// Whether an event can tell it to take its time, to hang, or to fail once.
    fn can_wait(&self) -> bool;
}
