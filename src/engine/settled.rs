//! How records end, told in runs of those that end alike.

use crate::engine::ledger::Counts;
use crate::engine::missed::Missed;
use crate::record::{Seq, Slot};

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Every receiver it was routed to has it.
    Delivered,
    /// At least one receiver failed, and the journal has it.
    Failed,
    /// Nobody failed, and what at least one receiver missed of it goes into the journal with the progress.
    Deferred,
    Skipped,
    /// Given up on because of a stop or a revocation: never settles, so it is never committed and will be delivered again.
    Abandoned,
}

impl Settled {
    pub(super) fn count(self, counts: &mut Counts) {
        match self {
            Self::Delivered => counts.delivered += 1,
            Self::Failed => counts.failed += 1,
            Self::Deferred => counts.deferred += 1,
            Self::Skipped => counts.skipped += 1,
            Self::Abandoned => {}
        }
    }
}

/// Records of one slot that were admitted one after the other and ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledRun {
    pub slot: Slot,
    pub first: Seq,
    pub len: u32,
    pub how: Settled,
    pub missed: Missed,
}

impl SettledRun {
    /// Of one record, which nobody missed.
    #[must_use]
    pub fn of_one(slot: Slot, seq: Seq, how: Settled) -> Self {
        Self { slot, first: seq, len: 1, how, missed: Missed::BY_NOBODY }
    }

    /// Takes another one in when it follows; says whether it did.
    pub fn extend(&mut self, next: &Self) -> bool {
        let is_alike = self.slot == next.slot && self.how == next.how && self.missed == next.missed;
        let follows = is_alike && self.first.0 + u64::from(self.len) == next.first.0;
        if follows {
            self.len += next.len;
        }
        follows
    }
}
