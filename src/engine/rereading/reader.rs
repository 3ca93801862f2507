//! The reader of one receiver: a source, and what is read of each of its partitions.
//!
//! The source calls a partition by a slot of its own, the inner one; what comes goes by the slot of the range that is read.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::rereading::{Again, Came};
use crate::engine::source::{Basis, Notice, Offer, Polled, Source, SourceError, Start, StartAt};
use crate::record::{Meant, NextOffset, Partition, RawRecord, ReceiverIx, ReceiverSet, Slot, Topic};

/// Ranges of which not all is there, and where what is there begins, if anything is.
type Gone = VecDeque<(Slot, Option<NextOffset>)>;

pub(super) struct Reader {
    source: Box<dyn Source>,
    places: Vec<Place>,
    /// Looked into for each record.
    by_inner: foldhash::HashMap<Slot, usize>,
    /// Not told yet.
    gone: Gone,
    /// What the source does not have any more.
    lost: Vec<Slot>,
    is_to_begin: bool,
    /// Since when nothing was read here.
    idle_since: Option<Instant>,
}

/// What one reader leaves to the next one of its receiver, which has more partitions.
#[derive(Default)]
pub(super) struct Left {
    places: Vec<Place>,
    gone: Gone,
}

/// A partition of one reader.
struct Place {
    topic: Arc<Topic>,
    number: i32,
    /// What is read of it now; it begins where it was not read yet.
    again: Option<Again>,
    is_begun: bool,
    /// As the source calls it, and where its log begins, once that is known.
    inner: Option<(Slot, NextOffset)>,
    /// It is not there any more, or another topic has its name.
    is_gone: bool,
}

impl Left {
    pub(super) fn with(mut self, more: &[&Again]) -> Self {
        for again in more {
            if !self.places.iter().any(|place| place.is_of(again)) {
                self.places.push(Place::new(again));
            }
        }
        self
    }

    /// Each by its name once: of two topics of one name, one is gone.
    pub(super) fn partitions(&self) -> Vec<(&str, i32)> {
        let names: BTreeSet<_> = self.places.iter().map(|place| (place.topic.name.as_str(), place.number)).collect();
        names.into_iter().collect()
    }

    pub(super) fn read_from(self, source: Box<dyn Source>) -> Reader {
        let Self { places, gone } = self;
        let by_inner = foldhash::HashMap::default();
        Reader { source, places, by_inner, gone, lost: Vec::new(), is_to_begin: false, idle_since: None }
    }
}

impl Reader {
    pub(super) fn has(&self, again: &Again) -> bool {
        self.places.iter().any(|place| place.is_of(again))
    }

    pub(super) fn want(&mut self, again: &Again) {
        if let Some(place) = self.places.iter_mut().find(|place| place.is_of(again)) {
            place.again = Some(again.clone());
            place.is_begun = false;
        }
    }

    /// Begins with what is wanted and was not begun, where its partition was offered.
    pub(super) fn begin(&mut self) -> Result<(), SourceError> {
        let gone = &mut self.gone;
        let starts: Vec<Start> = self.places.iter_mut().filter_map(|place| place.start(gone)).collect();
        if starts.is_empty() { Ok(()) } else { self.source.assign(&starts) }
    }

    pub(super) fn leave(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.gone.retain(|(slot, _)| !slots.contains(slot));
        let left = self.places.iter_mut().filter(|place| place.slot().is_some_and(|slot| slots.contains(&slot)));
        let inner: Vec<Slot> = left.filter_map(Place::leave).collect();
        if inner.is_empty() { Ok(()) } else { self.source.release(&inner) }
    }

    /// Since when nothing is read here, if that is so, as far as is known from asking now and then.
    pub(super) fn idle_since(&mut self, now: Instant) -> Option<Instant> {
        let is_idle = self.gone.is_empty() && self.places.iter().all(|place| place.again.is_none());
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        self.idle_since
    }

    pub(super) fn poll(&mut self, receiver: ReceiverIx) -> Result<Came<'_>, SourceError> {
        self.catch_up_on_work()?;
        if let Some((slot, low)) = self.gone.pop_front() {
            return Ok(Came::Gone(slot, low));
        }
        let Self { source, places, by_inner, gone, lost, is_to_begin, .. } = self;
        let at = |inner: Slot| by_inner.get(&inner).copied();
        Ok(match source.poll(Duration::ZERO)? {
            Polled::Record(raw) => {
                let place = at(raw.slot).and_then(|at| places.get_mut(at));
                let slot = place.and_then(|place| place.brought(raw.offset.next()));
                let meant = Meant::These(ReceiverSet::NONE.with(receiver));
                slot.map_or(Came::Nothing, |slot| Came::Record(RawRecord { slot, meant, ..raw }))
            }
            Polled::AtEnd(inner, position) => {
                let slot = at(inner).and_then(|at| places.get_mut(at)).and_then(|place| place.brought(position));
                slot.map_or(Came::Nothing, |slot| Came::UpTo(slot, position))
            }
            Polled::Notice(Notice::Gap(gap)) => {
                if let Some(place) = at(gap.slot).and_then(|at| places.get_mut(at)) {
                    (place.inner, place.is_begun) = (Some((gap.slot, gap.low)), false);
                }
                *is_to_begin = true;
                Came::Nothing
            }
            Polled::Lost(inner) | Polled::Revoking(inner) => {
                for inner in &inner {
                    let place = by_inner.remove(inner).and_then(|at| places.get_mut(at));
                    place.into_iter().for_each(|place| place.lose(gone));
                }
                lost.extend(inner);
                Came::Nothing
            }
            Polled::NotThere(topic, number) => {
                for place in places.iter_mut().filter(|place| place.is_named(&topic, number)) {
                    place.is_gone = true;
                    place.lose(gone);
                }
                Came::Nothing
            }
            Polled::Offered(offers) => {
                offers.iter().for_each(|offer| offered(offer, places, by_inner, gone));
                *is_to_begin = true;
                Came::Nothing
            }
            // Of brokers that are away, the source of what is new tells.
            Polled::Notice(_) | Polled::Idle | Polled::Opened(_) | Polled::Committed(_) | Polled::End => Came::Nothing,
        })
    }

    /// What the last poll brought about: what it lends must be back first.
    fn catch_up_on_work(&mut self) -> Result<(), SourceError> {
        if !self.lost.is_empty() {
            self.source.release(&std::mem::take(&mut self.lost))?;
        }
        if std::mem::take(&mut self.is_to_begin) { self.begin() } else { Ok(()) }
    }

    /// Its source, which is still to be closed, and the rest, for whoever reads on.
    pub(super) fn end(self) -> (Box<dyn Source>, Left) {
        let Self { source, mut places, gone, .. } = self;
        places.iter_mut().for_each(|place| (place.inner, place.is_begun) = (None, false));
        (source, Left { places, gone })
    }
}

/// A topic that was made again is another one. Both may be places here.
fn offered(offer: &Offer, places: &mut [Place], by_inner: &mut foldhash::HashMap<Slot, usize>, gone: &mut Gone) {
    let named = places.iter_mut().enumerate().filter(|(_, place)| place.is_named(&offer.topic.name, offer.partition));
    for (at, place) in named {
        place.is_gone = !place.topic.is_same(&offer.topic);
        // The log was cut. That is the end of this range, and not of the place: what is missed later is in the log that goes on.
        let is_beyond = place.again.as_ref().is_some_and(|again| again.from > offer.end);
        if is_beyond || place.is_gone {
            place.lose(gone);
        }
        if !place.is_gone {
            (place.inner, place.is_begun) = (Some((offer.slot, offer.low)), false);
            by_inner.insert(offer.slot, at);
        }
    }
}

impl Place {
    fn new(again: &Again) -> Self {
        let Partition { topic, number, .. } = &*again.partition;
        Self { topic: Arc::clone(topic), number: *number, again: None, inner: None, is_begun: false, is_gone: false }
    }

    fn is_of(&self, again: &Again) -> bool {
        self.number == again.partition.number && *self.topic == *again.partition.topic
    }

    fn is_named(&self, topic: &str, number: i32) -> bool {
        self.number == number && self.topic.name == topic
    }

    fn slot(&self) -> Option<Slot> {
        self.again.as_ref().map(|again| again.partition.slot)
    }

    /// It was read up to here; as which slot.
    fn brought(&mut self, position: NextOffset) -> Option<Slot> {
        let again = self.again.as_mut().filter(|_| self.is_begun)?;
        again.from = position;
        Some(again.partition.slot)
    }

    /// Nothing of it is wanted now; the slot under which the source reads it, if it does.
    fn leave(&mut self) -> Option<Slot> {
        self.again = None;
        let is_begun = std::mem::take(&mut self.is_begun);
        self.inner.filter(|_| is_begun).map(|(inner, _)| inner)
    }

    /// What is wanted of it is not there, and what is wanted next waits until the source offers it again.
    fn lose(&mut self, gone: &mut Gone) {
        gone.extend(self.again.take().map(|again| (again.partition.slot, None)));
        (self.inner, self.is_begun) = (None, false);
    }

    /// Where it is to begin, when that is known, wanted and was not said before.
    fn start(&mut self, gone: &mut Gone) -> Option<Start> {
        if self.is_gone {
            self.lose(gone);
        }
        let (again, (inner, low)) = self.again.as_mut().filter(|_| !self.is_begun).zip(self.inner)?;
        if low > again.from {
            gone.push_back((again.partition.slot, Some(low)));
            again.from = low;
        }
        let (topic, at) = (Arc::clone(&self.topic), StartAt::At(again.from));
        self.is_begun = true;
        Some(Start { partition: Arc::new(Partition::unknown(inner, topic, self.number)), at, basis: Basis::Choice })
    }
}
