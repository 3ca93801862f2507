//! What receivers missed, read from the topics again: one reader for each receiver, beside the source of all that is new.
//!
//! The coordinator says which ranges are read, each under a slot of its own; nothing here knows how far they are settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::source::{Basis, Notice, Offer, Polled, Source, SourceError, Start, StartAt};
use crate::record::{Meant, NextOffset, Partition, RawRecord, ReceiverIx, ReceiverSet, Slot, Topic};

/// What a reader that is not needed any more may take to end.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// Opens a source of these partitions, which reads those that are assigned and is a member of no group.
pub trait OpenAgain: Send {
    /// # Errors
    /// When the client library refuses.
    fn open_again(&self, partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError>;
}

/// For runs that defer nothing.
#[derive(Debug)]
pub struct NothingAgain;

impl OpenAgain for NothingAgain {
    fn open_again(&self, partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError> {
        let what = format!(
            "{} cannot be read again",
            partitions.iter().map(|(topic, of)| format!("{topic}/{of}")).collect::<Vec<_>>().join(", ")
        );
        Err(SourceError::Request { what, message: "this run has no way to do so: that is a defect of redrive".to_owned() })
    }
}

/// A range that is to be read again.
#[derive(Clone, Debug)]
pub struct Again {
    pub receiver: ReceiverIx,
    /// With a slot of its own.
    pub partition: Arc<Partition>,
    pub from: NextOffset,
}

/// What one look at a reader brought.
#[derive(Debug)]
pub enum Came<'a> {
    Record(RawRecord<'a>),
    /// Of this slot there is nothing before this position that was not brought.
    UpTo(Slot, NextOffset),
    /// Of this slot nothing below this position is in the log any more; all of it, where there is none.
    Gone(Slot, Option<NextOffset>),
    Nothing,
}

/// All readers.
pub(super) struct Rereaders {
    open: Box<dyn OpenAgain>,
    readers: BTreeMap<ReceiverIx, Reader>,
    /// Whose turn it is.
    next: u8,
}

struct Reader {
    source: Box<dyn Source>,
    places: Vec<Place>,
    /// Looked into for each record.
    by_inner: foldhash::HashMap<Slot, usize>,
    /// Ranges of which not all is there, and where what is there begins.
    gone: VecDeque<(Slot, Option<NextOffset>)>,
    /// What the source does not have any more.
    lost: Vec<Slot>,
    is_to_begin: bool,
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
}

impl Rereaders {
    pub(super) fn new(open: Box<dyn OpenAgain>) -> Self {
        Self { open, readers: BTreeMap::new(), next: 0 }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.readers.is_empty()
    }

    /// Reads these ranges. Partitions that their receiver's reader does not have take a new one.
    pub(super) fn read(&mut self, all: &[Again], now: Instant) -> Result<(), SourceError> {
        let receivers: BTreeSet<ReceiverIx> = all.iter().map(|again| again.receiver).collect();
        for receiver in receivers {
            let its: Vec<&Again> = all.iter().filter(|again| again.receiver == receiver).collect();
            let reader = self.readers.remove(&receiver);
            let mut reader = match reader {
                Some(reader) if its.iter().all(|again| reader.place_of(again).is_some()) => reader,
                other => self.widened(other, &its, now)?,
            };
            its.into_iter().for_each(|again| reader.want(again));
            reader.begin()?;
            self.readers.insert(receiver, reader);
        }
        Ok(())
    }

    /// A reader of more partitions than there were. What the old one had in hand is read once more.
    fn widened(&self, old: Option<Reader>, more: &[&Again], now: Instant) -> Result<Reader, SourceError> {
        let mut places = old.map_or_else(Vec::new, |old| old.end(now));
        places.iter_mut().for_each(|place| (place.inner, place.is_begun) = (None, false));
        for again in more {
            let Partition { topic, number, .. } = &*again.partition;
            if !places.iter().any(|place| place.is_of(topic, *number)) {
                places.push(Place::new(again));
            }
        }
        let partitions: Vec<_> = places.iter().map(|place| (place.topic.name.as_str(), place.number)).collect();
        let source = self.open.open_again(&partitions)?;
        let (by_inner, gone) = (foldhash::HashMap::default(), VecDeque::new());
        Ok(Reader { source, places, by_inner, gone, lost: Vec::new(), is_to_begin: false })
    }

    /// Reads these slots no more; a reader that reads nothing ends.
    pub(super) fn leave(&mut self, slots: &[Slot], now: Instant) -> Result<(), SourceError> {
        for reader in self.readers.values_mut() {
            reader.leave(slots)?;
        }
        let idle = self.readers.extract_if(.., |_, reader| reader.places.iter().all(|place| place.again.is_none()));
        idle.for_each(|(_, reader)| drop(reader.end(now)));
        Ok(())
    }

    /// Looks at the next reader of those that are wanted.
    pub(super) fn poll(&mut self, wanted: ReceiverSet) -> Result<Came<'_>, SourceError> {
        let next = ReceiverIx(self.next);
        let turns = self.readers.range(next..).chain(self.readers.range(..next));
        let turn = turns.map(|(receiver, _)| *receiver).find(|receiver| wanted.contains(*receiver));
        let Some(receiver) = turn else { return Ok(Came::Nothing) };
        self.next = receiver.0.wrapping_add(1);
        self.readers.get_mut(&receiver).map_or(Ok(Came::Nothing), |reader| reader.poll(receiver))
    }

    pub(super) fn close(self, now: Instant) {
        self.readers.into_values().for_each(|reader| drop(reader.end(now)));
    }
}

impl Reader {
    fn place_of(&self, again: &Again) -> Option<usize> {
        self.places.iter().position(|place| place.is_of(&again.partition.topic, again.partition.number))
    }

    fn want(&mut self, again: &Again) {
        if let Some(place) = self.place_of(again).and_then(|at| self.places.get_mut(at)) {
            place.again = Some(again.clone());
            place.is_begun = false;
        }
    }

    /// Begins with what is wanted and was not begun, where its partition was offered.
    fn begin(&mut self) -> Result<(), SourceError> {
        let gone = &mut self.gone;
        let starts: Vec<Start> = self.places.iter_mut().filter_map(|place| place.start(gone)).collect();
        if starts.is_empty() { Ok(()) } else { self.source.assign(&starts) }
    }

    fn leave(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        let left = self.places.iter_mut().filter(|place| place.slot().is_some_and(|slot| slots.contains(&slot)));
        let inner: Vec<Slot> = left
            .filter_map(|place| {
                place.again = None;
                place.inner.map(|(inner, _)| inner)
            })
            .collect();
        if inner.is_empty() { Ok(()) } else { self.source.release(&inner) }
    }

    fn poll(&mut self, receiver: ReceiverIx) -> Result<Came<'_>, SourceError> {
        self.catch_up_on_work()?;
        if let Some((slot, low)) = self.gone.pop_front() {
            return Ok(Came::Gone(slot, low));
        }
        let Self { source, places, by_inner, gone, lost, is_to_begin } = self;
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
                let slots = inner.iter().filter_map(|inner| places.get(at(*inner)?)?.slot());
                gone.extend(slots.map(|slot| (slot, None)));
                lost.extend(inner);
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

    /// Its partitions are left, for whoever reads on.
    fn end(self, now: Instant) -> Vec<Place> {
        let Self { source, places, .. } = self;
        if let Err(error) = source.close(now + CLOSES_WITHIN) {
            tracing::debug!(%error, "a reader of what was missed was not closed in time");
        }
        places
    }
}

/// A topic that was made again is another one.
fn offered(
    offer: &Offer,
    places: &mut [Place],
    by_inner: &mut foldhash::HashMap<Slot, usize>,
    gone: &mut VecDeque<(Slot, Option<NextOffset>)>,
) {
    let is_it = |place: &Place| place.topic.name == offer.topic.name && place.number == offer.partition;
    let Some((at, place)) = places.iter_mut().enumerate().find(|(_, place)| is_it(place)) else { return };
    let is_beyond = place.again.as_ref().is_some_and(|again| again.from > offer.end);
    if is_beyond || !place.topic.is_same(&offer.topic) {
        return gone.extend(place.slot().map(|slot| (slot, None)));
    }
    place.inner = Some((offer.slot, offer.low));
    by_inner.insert(offer.slot, at);
}

impl Place {
    fn new(again: &Again) -> Self {
        let Partition { topic, number, .. } = &*again.partition;
        Self { topic: Arc::clone(topic), number: *number, again: None, inner: None, is_begun: false }
    }

    fn is_of(&self, topic: &Topic, number: i32) -> bool {
        self.number == number && *self.topic == *topic
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

    /// Where it is to begin, when that is known, wanted and was not said before.
    fn start(&mut self, gone: &mut VecDeque<(Slot, Option<NextOffset>)>) -> Option<Start> {
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
