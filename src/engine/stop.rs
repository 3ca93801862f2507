//! How a run is asked to stop, from any thread.
//!
//! When it was asked is kept with it: whoever notices late must not begin to count then.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::engine::report::StopLevel;

/// Shared by whoever may stop the run. Asking twice, or for less, changes nothing.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    level: AtomicU8,
    first_at: OnceLock<Instant>,
}

impl StopToken {
    pub fn ask(&self, level: StopLevel) {
        let level = match level {
            StopLevel::Drain => 1,
            StopLevel::Now => 2,
        };
        self.0.first_at.get_or_init(Instant::now);
        self.0.level.fetch_max(level, Ordering::Relaxed);
    }

    #[must_use]
    pub fn level(&self) -> Option<StopLevel> {
        match self.0.level.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(StopLevel::Drain),
            _ => Some(StopLevel::Now),
        }
    }

    /// When it was asked for the first time.
    #[must_use]
    pub fn asked_at(&self) -> Option<Instant> {
        self.0.first_at.get().copied()
    }
}
