//! Entries that another replay holds: waited for once there is nothing else to do, and given up after a while.

use std::time::{Duration, Instant};

use crate::engine::source::SourceError;
use crate::replay::plan::SkipReason;
use crate::replay::source::entries::{Page, Trouble};
use crate::replay::source::{Found, ReplaySource};

/// How long they are waited for: as long as it takes until the claim of one that was killed is void, and a little longer.
const WAITS_FOR_ANOTHER: Duration = Duration::from_secs(35);
const LOOKS_AGAIN_EVERY: Duration = Duration::from_millis(500);

impl ReplaySource {
    /// Everything else is done. An entry that becomes free is ours in a new assignment of its partition: offsets only rise in one.
    pub(super) fn wait_for_another(&mut self, wait: Duration) -> Result<Found, SourceError> {
        if !self.entries.has_aside() {
            return Ok(Found::End);
        }
        let now = Instant::now();
        let (until, look_at) = *self.patience.get_or_insert((now + WAITS_FOR_ANOTHER, now));
        if now < look_at {
            return self.rest(wait.min(look_at.saturating_duration_since(now)));
        }
        if now >= until {
            let held = self.entries.give_up_aside();
            self.tally.reached(held);
            self.tally.skip(SkipReason::HeldByAnother, held);
            return Ok(Found::End);
        }
        self.patience = Some((until, now + LOOKS_AGAIN_EVERY));
        for at in 0..self.parts.len() {
            let Page { due, already, .. } = match self.entries.look_again(at) {
                Ok(page) => page,
                Err(Trouble::Locked) => return Ok(Found::Nothing),
                Err(Trouble::Failed(error)) => return Err(error),
            };
            self.tally.skip(SkipReason::AlreadyDelivered, already);
            self.tally.reached(already);
            if due.is_empty() {
                continue;
            }
            if let Some(part) = self.parts.get_mut(at) {
                part.begin_again(due);
                self.opening.push(at);
            }
        }
        Ok(Found::Progress)
    }
}
