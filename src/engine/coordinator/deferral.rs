//! What receivers missed while they were down: told with the progress, read again, and delivered before they go on with the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::engine::coordinator::{Coordinator, Named, write};
use crate::engine::detached::{Detached, Here, Range, Rereading};
use crate::engine::flow::{Budget, Load};
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind, Known, Progress};
use crate::engine::missed::{CaughtUp, Deferral, Deferred, LetGo, NotDeferred};
use crate::engine::report::{Action, ToShard};
use crate::engine::rereading::{Again, Came};
use crate::engine::tracker::{Advance, Whose};
use crate::receiver::OnOutage;
use crate::record::{Meant, NextOffset, Partition, RawRecord, ReceiverIx, ReceiverSet, Slot};

/// What is read again takes at most this part of what may be in flight, beside what is new: that is how those who catch up share the
/// processor with the others when there is not enough of it.
const PART_OF_BUDGET: usize = 2;
/// Records up to this size, in bytes, are counted with the next tick.
const LARGE: usize = 16 * 1024;
/// Slots that no source comes near.
const HIGHEST_SLOTS: u32 = 1 << 30;

/// What is to be brought of what is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedAgain {
    /// From the readers of these receivers: there is room, or one of them is to find out whether it is back.
    Of(ReceiverSet),
    /// There is no room, but there will be.
    Soon,
    Nothing,
}

impl Coordinator {
    // --- who is detached

    /// A receiver whose events are deferred is down: it goes on with the others nowhere.
    pub(super) fn detach(&mut self, receiver: ReceiverIx, actions: &mut Vec<Action>) {
        let live: Vec<Slot> = self.assigned.iter().copied().filter(|slot| !self.is_revoking(*slot)).collect();
        for slot in &live {
            match self.detached.iter_mut().find(|detached| detached.is_of(receiver, *slot)) {
                Some(detached) => detached.keeping_from = None,
                None => {
                    let partition = self.tracker.partition(*slot);
                    self.detached.extend(partition.map(|partition| Detached::new(receiver, partition, [])));
                }
            }
        }
        self.each_shard(actions, || ToShard::Detach(receiver, live.clone()));
    }

    /// A partition begins at `at`: what receivers missed of it before that goes before what comes. What they missed from there on comes
    /// to all again.
    pub(super) fn begin_detached(&mut self, partition: &Arc<Partition>, at: NextOffset, known: &Known, actions: &mut Vec<Action>) {
        self.leave_strays_of(partition, actions);
        self.let_go_of_strangers(partition, known, actions);
        let is_read_once_more = known.highest > at;
        if known.deferred.is_empty() && self.outages.is_empty() && !is_read_once_more {
            return;
        }
        for (receiver, named) in (0..).map(ReceiverIx).zip(self.options.receivers.clone()) {
            let of_it = || known.deferred.iter().filter(|deferred| deferred.receiver == named.name);
            // Also what it got since: what it misses the next time must not go on with that.
            let defers = named.on_outage == OnOutage::Defer;
            if (defers && is_read_once_more) || of_it().any(|deferred| deferred.range.to > at) {
                let (partition, receiver) = (Arc::clone(partition), named.name.clone());
                actions.push(Action::Journal(write(vec![Entry::NotDeferred(NotDeferred { partition, receiver, from: at })])));
            }
            let before = of_it().map(|deferred| Range { to: deferred.range.to.min(at), ..deferred.range });
            let ranges: Vec<Range> = before.filter(|range| range.from < range.to).collect();
            let is_down = defers && self.outages.is_down(receiver);
            if !ranges.is_empty() || is_down {
                self.detached.push(Detached::new(receiver, partition, ranges));
                self.each_shard(actions, || ToShard::Detach(receiver, vec![partition.slot]));
            }
        }
    }

    /// The slots under which what is missed of these is read again.
    pub(super) fn reread_of(&self, slots: &[Slot]) -> Vec<Slot> {
        let of_them = self.detached.iter().filter(|detached| slots.contains(&detached.partition.slot));
        of_them.filter_map(Detached::slot_again).collect()
    }

    /// These are somebody else's; what was missed of them is in the journal, for whoever takes it.
    pub(super) fn forget_detached(&mut self, slots: &[Slot], actions: &mut Vec<Action>) {
        for slot in self.reread_of(slots) {
            self.tracker.close(slot);
        }
        let had = self.detached.len();
        self.detached.retain(|detached| !slots.contains(&detached.partition.slot));
        // Also what was deferred at the very end, when nobody was detached any more.
        let defers = |named: &Named| named.on_outage == OnOutage::Defer;
        if self.detached.len() < had || self.options.receivers.iter().any(defers) {
            let partitions: Vec<_> = slots.iter().filter_map(|slot| self.tracker.partition(*slot).cloned()).collect();
            partitions.into_iter().for_each(|partition| let_go(partition, None, actions));
        }
    }

    /// What receivers missed that this run does not have is for a run that has them.
    fn let_go_of_strangers(&self, partition: &Arc<Partition>, known: &Known, actions: &mut Vec<Action>) {
        let is_ours = |name: &str| self.options.receivers.iter().any(|named| named.name == name);
        let strangers: BTreeSet<&str> = known.deferred.iter().map(|deferred| deferred.receiver.as_str()).collect();
        for name in strangers.into_iter().filter(|name| !is_ours(name)) {
            let_go(Arc::clone(partition), Some(name.to_owned()), actions);
        }
    }

    /// The journal has taken for this run what was missed of a partition that it does not read.
    pub(super) fn let_go_of_missed(&self, partition: Arc<Partition>, known: &Known, actions: &mut Vec<Action>) {
        if !known.deferred.is_empty() {
            let_go(partition, None, actions);
        }
    }

    // --- what the journal is told, and has

    /// What the journal is told of how far a partition came.
    pub(super) fn told(&mut self, advance: Advance) -> Vec<Entry> {
        let Advance { whose, progress, deferred } = advance;
        if whose == Whose::OneReceivers {
            return self.told_again(progress).into_iter().collect();
        }
        let mut entries: Vec<Entry> = Vec::new();
        for Deferral { receiver, from, to, events } in deferred {
            let partition = &progress.partition;
            let detached = self.detached.iter_mut().find(|detached| detached.is_of(receiver, partition.slot));
            detached.into_iter().for_each(|detached| detached.tell(Range { from, to }));
            let Some(named) = self.receiver(receiver) else { continue };
            let (partition, receiver) = (Arc::clone(partition), named.name.clone());
            entries.push(Entry::Deferred(Deferred { partition, receiver, from, to, events }));
        }
        entries.push(Entry::Progress(progress));
        entries
    }

    fn told_again(&self, Progress { partition, from, to, .. }: Progress) -> Option<Entry> {
        let detached = self.detached.iter().find(|detached| detached.is_read_as(partition.slot))?;
        let receiver = self.receiver(detached.receiver)?.name.clone();
        Some(Entry::CaughtUp(CaughtUp { partition, receiver, ranges: detached.missed_between(from, to), to }))
    }

    /// The journal has the progress of a slot up to here.
    pub(super) fn missed_is_journaled(&mut self, slot: Slot, to: NextOffset, actions: &mut Vec<Action>) {
        for detached in &mut self.detached {
            if detached.partition.slot == slot {
                detached.journaled(to);
            } else if detached.is_read_as(slot) {
                detached.caught_up(to);
                if detached.rereading.is_none() {
                    self.tracker.close(slot);
                    actions.push(Action::LeaveAgain(vec![slot]));
                }
            }
        }
    }

    // --- what is read again

    pub(super) fn reread(&mut self, came: &Came<'_>, actions: &mut Vec<Action>) {
        match came {
            Came::Nothing => self.batches.flush(actions),
            Came::Record(raw) => {
                let Some(detached) = self.detached.iter_mut().find(|detached| detached.is_read_as(raw.slot)) else { return };
                if !detached.has(raw.offset) {
                    return self.reread_up_to(raw.slot, raw.offset.next());
                }
                let Some(seq) = self.tracker.admit(raw.slot, raw.offset, raw.size()) else { return };
                let Some(partition) = self.tracker.partition(raw.slot).cloned() else { return };
                self.batches.push(raw, &partition, seq, actions);
                self.reread_up_to(raw.slot, raw.offset.next());
                self.note_taken_again(raw);
            }
            Came::UpTo(slot, position) => {
                self.batches.flush(actions);
                self.reread_up_to(*slot, *position);
            }
            Came::Gone(slot, low) => self.missed_is_gone(*slot, *low, actions),
        }
    }

    /// What cannot wait for the next tick: one that is down has one delivery at a time, and a large record may have taken all the room.
    fn note_taken_again(&mut self, raw: &RawRecord<'_>) {
        if raw.size() > LARGE {
            self.find_wanted_again();
        }
        if let (WantedAgain::Of(wanted), Meant::These(receivers)) = (self.wanted_again, raw.meant) {
            let down =
                receivers.iter().filter(|receiver| self.outages.is_down(*receiver)).fold(ReceiverSet::NONE, ReceiverSet::with);
            self.wanted_again = WantedAgain::Of(wanted.minus(down));
        }
    }

    fn reread_up_to(&mut self, slot: Slot, position: NextOffset) {
        let Some(detached) = self.detached.iter_mut().find(|detached| detached.is_read_as(slot)) else { return };
        let Some(rereading) = &mut detached.rereading else { return };
        rereading.is_read |= position >= rereading.to;
        self.tracker.read_up_to(slot, position.min(rereading.to));
    }

    /// What a receiver missed is not in the log any more, up to `low` or all of it.
    fn missed_is_gone(&mut self, slot: Slot, low: Option<NextOffset>, actions: &mut Vec<Action>) {
        let Some(detached) = self.detached.iter().find(|detached| detached.is_read_as(slot)) else { return };
        let Some((rereading, read)) = detached.rereading.zip(self.tracker.admitted_to(slot)) else { return };
        let end = low.map_or(rereading.to, |low| low.min(rereading.to));
        let name = self.receiver(detached.receiver).map_or_else(String::new, |named| named.name.clone());
        for Range { from, to } in detached.missed_between(read, end) {
            let message = format!(
                "{} lost the offsets {from} to {to} (excluded) before {name}, which was down, got them: they are no longer in the log",
                detached.partition
            );
            let key = IncidentKey { receiver: Some(name.clone()), ..IncidentKey::at(IncidentKind::Gap, &detached.partition) };
            let data = json!({ "lost": to.get() - from.get() });
            let incident = Incident { from: Some(from), to: Some(to), data, ..Incident::new(key, message) };
            actions.push(Action::Journal(write(vec![Entry::Incident(incident)])));
        }
        self.reread_up_to(slot, end);
    }

    /// What may come now of what is read again: found out with each tick, and not for each record.
    #[must_use]
    pub fn wants_again(&self) -> WantedAgain {
        self.wanted_again
    }

    pub(super) fn find_wanted_again(&mut self) {
        self.wanted_again = if self.detached.is_empty() || !self.may_wait() { WantedAgain::Nothing } else { self.room_again() };
    }

    fn room_again(&self) -> WantedAgain {
        let reading = |detached: &&Detached| detached.rereading.is_some_and(|rereading| !rereading.is_read);
        let receivers = self.detached.iter().filter(reading).fold(ReceiverSet::NONE, |set, of| set.with(of.receiver));
        let Budget { records, bytes } = self.options.conduct.budget;
        let parts = PART_OF_BUDGET * receivers.len().max(1) as usize;
        let has_room = |receiver: &ReceiverIx| {
            let load = self.load_again(*receiver);
            let may_be_more = !self.outages.is_down(*receiver) && load.records < records / parts && load.bytes < bytes / parts;
            load.records == 0 || may_be_more
        };
        let with_room = receivers.iter().filter(has_room).fold(ReceiverSet::NONE, ReceiverSet::with);
        match with_room.is_empty() {
            false => WantedAgain::Of(with_room),
            true if receivers.iter().any(|receiver| !self.outages.is_down(receiver)) => WantedAgain::Soon,
            true => WantedAgain::Nothing,
        }
    }

    fn load_again(&self, receiver: ReceiverIx) -> Load {
        let its = self.detached.iter().filter(|detached| detached.receiver == receiver).filter_map(Detached::slot_again);
        its.map(|slot| self.tracker.load_of(slot))
            .fold(Load::default(), |all, of| Load { records: all.records + of.records, bytes: all.bytes + of.bytes })
    }

    /// The end of what is read: nobody waits here for receivers that are down, and what they missed is in the journal.
    pub(super) fn leave_missed(&mut self, actions: &mut Vec<Action>) {
        let slots = self.detached.iter_mut().filter_map(Detached::leave).collect();
        self.give_up_again(slots, actions);
    }

    /// Reads these again no more, and lets go of what of them waits.
    pub(super) fn give_up_again(&self, slots: Vec<Slot>, actions: &mut Vec<Action>) {
        if !slots.is_empty() {
            self.each_shard(actions, || ToShard::LetGo(slots.clone()));
            actions.push(Action::LeaveAgain(slots));
        }
    }

    /// True while somebody who is there is still to have what it missed.
    pub(super) fn is_catching_up(&self) -> bool {
        let is_up = |detached: &&Detached| !self.outages.is_down(detached.receiver);
        self.detached.iter().filter(is_up).any(Detached::is_missing_something)
    }

    /// Where somebody who goes on with the others waits for the journal to have what came before.
    pub(super) fn kept(&self) -> Vec<Slot> {
        self.detached.iter().filter(|detached| detached.keeping_from.is_some()).map(|detached| detached.partition.slot).collect()
    }

    // --- how it goes on

    /// Begins with ranges that nobody reads, and lets receivers go on with the others that have all that they missed.
    pub(super) fn go_on_with_missed(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.detached.is_empty() || !self.may_wait() {
            return;
        }
        self.read_missed(actions);
        self.keep_for_those_nearly_there(actions);
        self.attach(actions);
        // Whoever waits for the journal to be told waits no longer than it takes.
        let is_waited_for = |detached: &Detached| {
            let live = detached.keeping_from.map(|from| (detached.partition.slot, from));
            let again = detached.rereading.filter(|of| of.is_read).map(|of| (of.slot, of.to));
            live.into_iter().chain(again).any(|(slot, to)| self.tracker.mark(slot) >= Some(to))
        };
        if self.detached.iter().any(is_waited_for) {
            self.next_commit = self.next_commit.min(now);
        }
    }

    fn read_missed(&mut self, actions: &mut Vec<Action>) {
        let mut begun = Vec::new();
        for at in 0..self.detached.len() {
            let Some(detached) = self.detached.get(at) else { continue };
            let (receiver, partition) = (detached.receiver, Arc::clone(&detached.partition));
            let Some(Range { from, to }) = detached.unread().filter(|_| !self.is_revoking(partition.slot)) else { continue };
            // One that is down is asked with what it missed first; and a reader is at one place of a partition.
            let is_down = self.outages.is_down(receiver);
            let is_beside = |other: &Detached| is_down || other.is_in(&partition.topic, partition.number);
            let is_read = |other: &Detached| other.receiver == receiver && other.rereading.is_some();
            if self.detached.iter().any(|other| is_read(other) && is_beside(other)) {
                continue;
            }
            let slot = self.slot_again();
            let again = Arc::new(partition.at_slot(slot));
            self.tracker.open_again(&again, from);
            if let Some(detached) = self.detached.get_mut(at) {
                detached.rereading = Some(Rereading { slot, from, to, is_read: false, is_left: false });
            }
            begun.push(Again { receiver, partition: again, from });
        }
        if !begun.is_empty() {
            actions.push(Action::ReadAgain(begun));
        }
    }

    /// What a receiver that is down is asked with may be what it cannot take: it is asked with what it missed of another partition.
    pub(super) fn ask_with_another(&mut self, receiver: ReceiverIx, actions: &mut Vec<Action>) {
        let is_its = |detached: &Detached| detached.receiver == receiver;
        let Some(at) = self.detached.iter().position(|of| is_its(of) && of.rereading.is_some()) else { return };
        if !self.detached.iter().any(|of| is_its(of) && of.unread().is_some()) {
            return;
        }
        let mut asked = self.detached.remove(at);
        let slots: Vec<Slot> = asked.end_reading().into_iter().map(|rereading| rereading.slot).collect();
        self.detached.push(asked);
        slots.iter().for_each(|slot| self.tracker.close(*slot));
        self.give_up_again(slots, actions);
    }

    /// One that no source gives.
    pub(super) fn slot_again(&mut self) -> Slot {
        self.reread = self.reread.wrapping_add(1);
        Slot { index: u32::MAX - self.reread % HIGHEST_SLOTS, epoch: self.reread }
    }

    /// Whether something is, or was, read again under this slot.
    pub(super) fn is_slot_again(slot: Slot) -> bool {
        slot.index > u32::MAX - HIGHEST_SLOTS
    }

    fn keep_for_those_nearly_there(&mut self, actions: &mut Vec<Action>) {
        for at in 0..self.detached.len() {
            let Some(detached) = self.detached.get(at) else { continue };
            let (receiver, slot) = (detached.receiver, detached.partition.slot);
            let may_go_on = detached.keeping_from.is_none() && !self.outages.is_down(receiver) && !self.is_revoking(slot);
            if !may_go_on || !detached.is_nearly_there() {
                continue;
            }
            // Of what nobody reads here, there is nobody to go on with.
            let Some(from) = self.tracker.admitted_to(slot) else { continue };
            self.each_shard(actions, || ToShard::Keep(receiver, slot, from));
            if let Some(detached) = self.detached.get_mut(at) {
                detached.keeping_from = Some(from);
            }
        }
    }

    fn attach(&mut self, actions: &mut Vec<Action>) {
        let is_there = |detached: &mut Detached| {
            let Some(from) = detached.keeping_from else { return false };
            !detached.is_missing_something() && self.tracker.is_journaled(detached.partition.slot, from)
        };
        let attached: Vec<Detached> = self.detached.extract_if(.., is_there).collect();
        self.detached.retain(|detached| detached.here == Here::Read || detached.is_missing_something());
        for Detached { receiver, partition, .. } in attached {
            self.each_shard(actions, || ToShard::Attach(receiver, partition.slot));
            if self.detached.iter().all(|other| other.receiver != receiver) {
                actions.extend(self.receiver(receiver).map(|named| Action::CaughtUp(named.name.clone())));
            }
        }
    }
}

/// `receiver`: `None` for all.
fn let_go(partition: Arc<Partition>, receiver: Option<String>, actions: &mut Vec<Action>) {
    actions.push(Action::Journal(write(vec![Entry::LetGo(LetGo { partition, receiver })])));
}
