//! What is counted while a replay goes on. The source and the journal thread add to it, each in its own part; whoever waits looks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::replay::plan::SkipReason;

/// How far a replay is. Counts are of deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub delivered: u64,
    pub failed: u64,
    pub skipped: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counter(Mutex<Counts>);

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) delivered: u64,
    /// By receiver (`None`: before any) and code.
    pub(super) failures: BTreeMap<(Option<String>, String), u64>,
    pub(super) skipped: BTreeMap<(SkipReason, Option<String>), u64>,
    pub(super) gone: u64,
    /// Something of the selection could not be read where it was to be.
    pub(super) is_cut: bool,
    /// Entries that went out, or were left out.
    pub(super) reached: u64,
    /// Offsets of topics that were still to be read in the end.
    pub(super) left: u64,
    /// Offsets that somebody missed, and that did not go out to him.
    pub(super) missed: u64,
}

impl Counts {
    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub(super) fn so_far(&self) -> Tally {
        Tally { delivered: self.delivered, failed: self.failed(), skipped: self.skipped.values().sum() }
    }
}

impl Counter {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    // --- the source

    pub(super) fn skip(&self, reason: SkipReason, count: u64) {
        self.skip_of(reason, None, count);
    }

    pub(super) fn skip_of(&self, reason: SkipReason, receiver: Option<String>, count: u64) {
        if count > 0 {
            *self.lock().skipped.entry((reason, receiver)).or_default() += count;
        }
    }

    pub(super) fn reached(&self, entries: u64) {
        self.lock().reached += entries;
    }

    pub(super) fn gone(&self, offsets: u64) {
        self.lock().gone += offsets;
    }

    pub(super) fn not_gone(&self, offsets: u64) {
        let mut counts = self.lock();
        counts.gone = counts.gone.saturating_sub(offsets);
    }

    /// So many offsets that were to be read are lost.
    pub(super) fn cut(&self, offsets: u64) {
        if offsets > 0 {
            let mut counts = self.lock();
            counts.gone += offsets;
            counts.is_cut = true;
        }
    }

    pub(super) fn left(&self, offsets: u64) {
        self.lock().left += offsets;
    }

    pub(super) fn missed(&self, offsets: u64) {
        self.lock().missed += offsets;
    }

    // --- the journal thread

    pub(super) fn delivered(&self) {
        self.lock().delivered += 1;
    }

    pub(super) fn failed(&self, receiver: Option<&str>, code: &str) {
        let key = (receiver.map(str::to_owned), code.to_owned());
        *self.lock().failures.entry(key).or_default() += 1;
    }
}
