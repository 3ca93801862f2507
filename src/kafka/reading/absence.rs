//! Partitions that are not there. For a moment that means nothing: a broker may not have heard of one yet.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::kafka::reading::looking::{Seen, Unseen};
use crate::record::Slot;

type Name = (String, i32);

/// Since when which partitions are not there. Whoever reads as a member of a group waits for them: the group takes them away.
#[derive(Default)]
pub(super) struct Absence {
    /// After this time it is told; `None`: never.
    patience: Option<Duration>,
    since: HashMap<Name, Since>,
    /// Partitions that are read and may not be there any more.
    doubted: Vec<Slot>,
}

struct Since {
    at: Instant,
    is_told: bool,
}

impl Absence {
    pub(super) fn tell_after(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    pub(super) fn is_told_of(&self) -> bool {
        self.patience.is_some()
    }

    /// Takes in what was seen of a partition; true once, when it was not there for so long that it does not exist. An answer that did not
    /// come counts as none: a cluster that is just coming back may know nothing yet.
    pub(super) fn note(&mut self, name: Name, seen: &Result<Seen, Unseen>, now: Instant) -> bool {
        let Some(patience) = self.patience else { return false };
        if !matches!(seen, Err(Unseen::NotThere(_))) {
            self.since.remove(&name);
            return false;
        }
        let since = self.since.entry(name).or_insert(Since { at: now, is_told: false });
        now.saturating_duration_since(since.at) >= patience && !std::mem::replace(&mut since.is_told, true)
    }

    /// False when it was doubted before.
    pub(super) fn doubt(&mut self, slot: Slot) -> bool {
        let is_new = !self.doubted.contains(&slot);
        if is_new {
            self.doubted.push(slot);
        }
        is_new
    }

    /// It is known what became of it; true when it was doubted.
    pub(super) fn take_doubt(&mut self, slot: Slot) -> bool {
        let at = self.doubted.iter().position(|doubted| *doubted == slot);
        at.map(|at| self.doubted.swap_remove(at)).is_some()
    }

    /// Other questions are open about these, or none.
    pub(super) fn doubt_no_more(&mut self, slots: &[Slot]) {
        self.doubted.retain(|slot| !slots.contains(slot));
    }

    /// Nobody asks about it for a while: it counts anew.
    pub(super) fn forget(&mut self, name: &Name) {
        self.since.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn not_there() -> Result<Seen, Unseen> {
        Err(Unseen::NotThere("orders/0 is not there".to_owned()))
    }

    fn name() -> Name {
        ("orders".to_owned(), 0)
    }

    #[test]
    fn it_is_told_once_and_only_when_every_answer_in_that_time_said_so() {
        let (mut absence, now) = (Absence::default(), Instant::now());
        assert!(!absence.note(name(), &not_there(), now) && !absence.note(name(), &not_there(), now + PATIENCE), "nobody asked");
        absence.tell_after(PATIENCE);
        assert!(!absence.note(name(), &not_there(), now));
        assert!(!absence.note(name(), &Err(Unseen::Unanswered("timed out".to_owned())), now + PATIENCE / 2));
        assert!(!absence.note(name(), &not_there(), now + PATIENCE), "counted anew");
        assert!(!absence.note(("orders".to_owned(), 1), &not_there(), now + 2 * PATIENCE), "each on its own");
        assert!(absence.note(name(), &not_there(), now + 2 * PATIENCE));
        assert!(!absence.note(name(), &not_there(), now + 3 * PATIENCE), "told already");
    }
}
