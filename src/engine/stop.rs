//! How a run is asked to stop, from any thread.
//!
//! When it was asked is kept with it: whoever notices late must not begin to count then.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::engine::report::StopLevel;

/// Shared by whoever may stop the run. Asking twice, or for less, changes nothing.
#[derive(Clone, Debug, Default)]
pub struct StopToken {
    asked: Arc<Asked>,
    /// Whoever stops this stops us, too.
    trunk: Option<Arc<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    level: AtomicU8,
    first_at: OnceLock<Instant>,
}

impl StopToken {
    /// One that is stopped together with this one, and may be stopped alone.
    #[must_use]
    pub fn branch(&self) -> Self {
        Self { asked: Arc::default(), trunk: Some(Arc::clone(&self.asked)) }
    }

    pub fn ask(&self, level: StopLevel) {
        let level = match level {
            StopLevel::Drain => 1,
            StopLevel::Now => 2,
        };
        self.asked.first_at.get_or_init(Instant::now);
        self.asked.level.fetch_max(level, Ordering::Relaxed);
    }

    #[must_use]
    pub fn level(&self) -> Option<StopLevel> {
        let level = |of: &Arc<Asked>| of.level.load(Ordering::Relaxed);
        match level(&self.asked).max(self.trunk.as_ref().map_or(0, level)) {
            0 => None,
            1 => Some(StopLevel::Drain),
            _ => Some(StopLevel::Now),
        }
    }

    /// When it was asked for the first time.
    #[must_use]
    pub fn asked_at(&self) -> Option<Instant> {
        let of_trunk = self.trunk.as_ref().and_then(|trunk| trunk.first_at.get());
        self.asked.first_at.get().into_iter().chain(of_trunk).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_stops_with_its_trunk_and_the_trunk_not_with_it() {
        let trunk = StopToken::default();
        let (one, other) = (trunk.branch(), trunk.branch());
        one.ask(StopLevel::Now);
        assert_eq!((one.level(), other.level(), trunk.level()), (Some(StopLevel::Now), None, None));
        assert!(one.asked_at().is_some() && other.asked_at().is_none());
        trunk.ask(StopLevel::Drain);
        assert_eq!((one.level(), other.level()), (Some(StopLevel::Now), Some(StopLevel::Drain)));
        assert_eq!(other.asked_at(), trunk.asked_at());
        assert!(one.asked_at() < trunk.asked_at(), "what was asked first counts");
    }
}
