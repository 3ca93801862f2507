//! From an assignment to an offer: what the brokers say of each partition is asked, again and again until they answer.
//!
//! A partition that ran out of its log, or whose topic was made again, takes the same way: what the brokers say now decides.

use std::time::{Duration, Instant};

use crate::engine::UntilEnd;
use crate::engine::source::{Appeared, Gap, Notice, Offer, SourceError};
use crate::kafka::reading::asking::Answer;
use crate::kafka::reading::looking::{Seen, TopicUuid, Unseen, Wanted};
use crate::kafka::reading::{Reading, Told};
use crate::kafka::slots::State;
use crate::record::Slot;

const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Partitions that wait to be offered, or to be judged.
#[derive(Default)]
pub(super) struct Offering {
    /// Those whose answer is still to come. An answer for another one, of an older epoch say, is dropped.
    waiting: Vec<Slot>,
    /// An assignment came that the engine was told nothing of; even an empty one must be answered.
    is_owed: bool,
    is_asked: bool,
    ask_at: Option<Instant>,
    /// Slots that the client library still fetches, which are offered anew once the engine has let go of them.
    again: Vec<Slot>,
    reoffered: Vec<Slot>,
}

impl Offering {
    pub(super) fn add(&mut self, slots: Vec<Slot>) {
        self.is_owed = true;
        self.wait_for(slots);
    }

    /// Waits for what the brokers say of these; those that wait already keep their place.
    pub(super) fn wait_for(&mut self, slots: Vec<Slot>) {
        self.ask_at = None;
        let new: Vec<Slot> = slots.into_iter().filter(|slot| !self.waiting.contains(slot)).collect();
        self.waiting.extend(new);
    }

    fn forget(&mut self, slots: &[Slot]) {
        self.waiting.retain(|slot| !slots.contains(slot));
        self.is_owed &= !self.waiting.is_empty();
        self.again.retain(|slot| !slots.contains(slot));
    }

    pub(super) fn is_again(&self, slot: Slot) -> bool {
        self.again.contains(&slot)
    }

    /// True when this slot was offered anew, once: the client library has its partition already.
    pub(super) fn take_reoffered(&mut self, slot: Slot) -> bool {
        let at = self.reoffered.iter().position(|reoffered| *reoffered == slot);
        at.map(|at| self.reoffered.swap_remove(at)).is_some()
    }

    /// An assignment, or a part of one, has no answer yet.
    fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.again.is_empty() || self.is_owed
    }
}

impl Reading {
    /// These are ours if the engine wants them; even an empty assignment is answered.
    pub(in crate::kafka) fn given(&mut self, partitions: &[(&str, i32)]) {
        self.offering.add(partitions.iter().map(|(topic, partition)| self.slots.offer(topic, *partition)).collect());
    }

    /// Takes in what was answered, and asks for what is not known yet.
    pub(super) fn keep_asking(&mut self) -> Result<(), SourceError> {
        match self.asking.answer() {
            Some(Answer::Looked(seen)) => self.looked(seen),
            Some(Answer::Heard { uuids, there }) => {
                let notice = self.away.heard();
                self.tell_notice(notice);
                self.compare(&uuids);
                self.doubt_those_unheard_of(&uuids);
                self.there = there.or(self.there.take());
            }
            Some(Answer::Silent(error)) => {
                let notice = self.away.silent(&error);
                self.tell_notice(notice);
            }
            None => {}
        }
        if self.offering.has_work() { self.ask() } else { Ok(()) }
    }

    fn ask(&mut self) -> Result<(), SourceError> {
        if self.offering.is_asked || self.offering.ask_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        if self.untold.is_empty() {
            self.reoffer();
        }
        // One that was started anew waits under its next epoch.
        self.offering.waiting.retain(|slot| self.slots.get(*slot).is_some());
        let wanted: Vec<Wanted> = self.offering.waiting.iter().filter_map(|slot| self.wanted(*slot)).collect();
        if wanted.is_empty() {
            self.looked(Vec::new());
            return Ok(());
        }
        self.offering.is_asked = true;
        self.asking.look(wanted)
    }

    fn wanted(&self, slot: Slot) -> Option<Wanted> {
        let place = self.slots.get(slot)?;
        Some(Wanted { slot, topic: place.topic.clone(), partition: place.partition })
    }

    fn reoffer(&mut self) {
        let again = std::mem::take(&mut self.offering.again);
        let places: Vec<_> =
            again.iter().filter_map(|slot| self.slots.get(*slot)).map(|at| (at.topic.clone(), at.partition)).collect();
        let slots: Vec<_> = places.iter().map(|(topic, partition)| self.slots.offer(topic, *partition)).collect();
        self.offering.reoffered.extend(&slots);
        self.offering.wait_for(slots);
    }

    /// Nobody asks about these any more: that one of them has no answer is no trouble of ours.
    pub(super) fn forget(&mut self, slots: &[Slot]) {
        self.offering.forget(slots);
        if self.offering.waiting.is_empty() {
            let notice = self.away.answered();
            self.tell_notice(notice);
        }
    }

    /// What is read of these is left: nobody waits for a judgement any more.
    pub(super) fn judge_no_more(&mut self, slots: &[Slot]) {
        self.absence.doubt_no_more(slots);
        self.offering.waiting.retain(|slot| !slots.contains(slot));
        for place in slots.iter().filter_map(|slot| self.slots.get(*slot)) {
            self.absence.forget(&(place.topic.clone(), place.partition));
        }
    }

    /// These are read, and may not be there any more: the brokers are asked.
    pub(in crate::kafka) fn doubt(&mut self, slots: Vec<Slot>) {
        let is_read = |slot: &Slot| self.slots.get(*slot).is_some_and(|place| place.state == State::Flowing);
        let is_new = |slot: &Slot| is_read(slot) && !self.offering.waiting.contains(slot) && self.absence.doubt(*slot);
        let new: Vec<Slot> = slots.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            self.offering.wait_for(new);
        }
    }

    /// The client library says only once, if at all, that a topic is gone.
    fn doubt_those_unheard_of(&mut self, heard: &[TopicUuid]) {
        if self.absence.is_told_of() {
            let is_unheard_of = |topic: &str| heard.iter().all(|(name, _)| name != topic);
            let assigned = self.slots.assigned();
            let slots = assigned.filter(|(_, place)| is_unheard_of(&place.topic)).map(|(slot, _)| slot).collect();
            self.doubt(slots);
        }
    }

    /// Tells of what has not been there for too long. What was read of it is lost; it is waited for like all that is offered.
    fn note_absence(&mut self, seen: &[(Slot, Result<Seen, Unseen>)]) {
        for (slot, seen) in seen {
            let Some(place) = self.slots.get(*slot) else { continue };
            let (topic, partition, state) = (place.topic.clone(), place.partition, place.state);
            if !self.absence.note((topic.clone(), partition), seen, Instant::now()) {
                continue;
            }
            if state == State::Flowing {
                self.absence.doubt_no_more(&[*slot]);
                self.offering.waiting.retain(|waiting| waiting != slot);
                self.start_anew(*slot);
            }
            self.untold.push_back(Told::NotThere(topic, partition));
        }
    }

    /// Offers what was answered; what was not is asked again.
    fn looked(&mut self, mut seen: Vec<(Slot, Result<Seen, Unseen>)>) {
        self.offering.is_asked = false;
        seen.retain(|(slot, _)| self.offering.waiting.contains(slot));
        self.note_absence(&seen);
        let failed = seen.iter().find_map(|(_, seen)| seen.as_ref().err());
        let notice = match failed {
            Some(error) => {
                tracing::debug!(%error, "a partition has no answer");
                self.offering.ask_at = Some(Instant::now() + ASK_AGAIN);
                self.away.unanswered(&error.to_string(), Instant::now())
            }
            None => self.away.answered(),
        };
        self.tell_notice(notice);
        // A run to the end must know each end before it begins, or it would be done too early.
        if failed.is_some() && self.subscription.until_end == UntilEnd::Yes {
            return;
        }
        let mut offers = Vec::new();
        for (slot, seen) in seen {
            let Ok(seen) = seen else { continue };
            self.offering.waiting.retain(|waiting| *waiting != slot);
            match self.slots.get(slot).map(|place| place.state) {
                Some(State::Offered) => offers.extend(self.offer(slot, seen)),
                Some(State::Flowing) if self.absence.take_doubt(slot) => self.judge_doubted(slot, &seen),
                Some(State::Flowing) => self.judge(slot, &seen),
                Some(State::Held | State::Away) | None => {}
            }
        }
        let is_nothing_left = self.offering.waiting.is_empty();
        if !offers.is_empty() || (self.offering.is_owed && is_nothing_left) {
            self.offering.is_owed = false;
            self.untold.push_back(Told::Offered(offers));
        }
    }

    fn offer(&mut self, slot: Slot, seen: Seen) -> Option<Offer> {
        let place = self.slots.get(slot)?;
        let is_there = self.subscription.there.contains(&place.topic);
        Some(Offer {
            slot,
            topic: self.topics.get(&self.cluster_id, &place.topic, seen.uuid),
            partition: place.partition,
            committed: seen.committed,
            low: seen.low,
            end: seen.end,
            topic_known_to_group: seen.is_known_to_group,
            from: seen.from,
            appeared: if is_there { Appeared::BeforeTheRun } else { Appeared::DuringTheRun },
        })
    }

    /// A partition's position is no longer in its log: either records were deleted, or the log was cut, or it is another topic's.
    fn judge(&mut self, slot: Slot, seen: &Seen) {
        let Some(place) = self.slots.get(slot) else { return };
        let (expected, low) = (place.position, seen.low);
        if low > expected && self.topics.is_same(&place.topic, seen.uuid.as_deref()) {
            self.untold.push_back(Told::Notice(Notice::Gap(Gap { slot, expected, low })));
        } else {
            self.start_anew(slot);
        }
    }

    /// It is there all the same, and the client library goes on with it by itself, unless it has changed.
    fn judge_doubted(&mut self, slot: Slot, seen: &Seen) {
        let Some(place) = self.slots.get(slot) else { return };
        if seen.low > place.position || !self.topics.is_same(&place.topic, seen.uuid.as_deref()) {
            self.judge(slot, seen);
        }
    }

    /// A topic whose uuid has changed is another one of the same name: what was read of it is not its beginning.
    fn compare(&mut self, topics: &[TopicUuid]) {
        let others: Vec<&str> = topics
            .iter()
            .filter(|(name, uuid)| !self.topics.is_same(name, uuid.as_deref()))
            .map(|(name, _)| name.as_str())
            .collect();
        let of_them = self.slots.assigned().filter(|(_, place)| others.contains(&place.topic.as_str()));
        let slots: Vec<Slot> = of_them.map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.start_anew(slot));
    }

    /// As a new assignment it is judged by the table of starts.
    fn start_anew(&mut self, slot: Slot) {
        if !self.offering.is_again(slot) {
            self.untold.push_back(Told::Lost(vec![slot]));
            self.offering.again.push(slot);
        }
    }

    fn tell_notice(&mut self, notice: Option<Notice>) {
        self.untold.extend(notice.map(Told::Notice));
    }
}
