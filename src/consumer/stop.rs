//! How a program stops its consumer, from any task or thread.

use crate::engine::report::StopLevel;
use crate::engine::stop::StopToken;

/// Stops every run that was given it, or a clone of it. Asking twice changes nothing.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(StopToken);

impl StopHandle {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fetch no more, let what is in flight settle for at most the drain timeout (10 s), commit, leave the group. What did not finish
    /// is delivered again by the next run.
    pub fn drain(&self) {
        self.0.ask(StopLevel::Drain);
    }

    /// Drop what is in flight, commit nothing more, and leave the group.
    pub fn now(&self) {
        self.0.ask(StopLevel::Now);
    }

    /// For one run: stops with this handle, and may be stopped alone.
    pub(super) fn of_one_run(&self) -> StopToken {
        self.0.branch()
    }
}
