//! How a run is asked to stop, from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::engine::report::StopLevel;

/// Shared by whoever may stop the run. Asking twice, or for less, changes nothing.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicU8>);

impl StopToken {
    pub fn ask(&self, level: StopLevel) {
        let level = match level {
            StopLevel::Drain => 1,
            StopLevel::Now => 2,
        };
        self.0.fetch_max(level, Ordering::Relaxed);
    }

    #[must_use]
    pub fn level(&self) -> Option<StopLevel> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(StopLevel::Drain),
            _ => Some(StopLevel::Now),
        }
    }
}
