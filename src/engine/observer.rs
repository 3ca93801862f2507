//! Who watches a run: the lines on a terminal, later the metrics.

use crate::engine::flow::Load;
use crate::engine::ledger::Entry;
use crate::engine::report::StopReason;
use crate::engine::source::Start;

/// Told what happens, on the engine's own threads: it must be quick and must not block.
pub trait Observer: Send + Sync {
    /// These partitions were assigned.
    fn assigned(&self, _starts: &[Start]) {}

    /// The group gave us nothing yet, not even the answer that there is nothing for us. Told once.
    fn waiting(&self) {}

    /// These entries are on disk.
    fn written(&self, _entries: &[Entry]) {}

    /// This receiver has all that it missed, and goes on with the others.
    fn caught_up(&self, _receiver: &str) {}

    /// The run admits nothing more.
    fn stopping(&self, _reason: &StopReason, _in_flight: Load) {}
}

/// Nobody watches.
#[derive(Debug)]
pub struct Unobserved;

impl Observer for Unobserved {}
