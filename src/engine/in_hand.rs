//! What a shard has in hand while it runs code of the program, and how hands name it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use crate::engine::watchdog::{Named, ToWatchdog};
use crate::receiver::in_hand::{Hands, Item, Noting, Taken};
use crate::receiver::{Address, Runs};
use crate::record::{Partition, ReceiverIx, Record, Slot};

/// The hands of a run, and who watches them.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) hands: Arc<dyn Hands>,
    pub(super) watchdog: mpsc::Sender<ToWatchdog>,
}

/// Those of one shard.
pub(super) struct InHand {
    watched: Option<Watched>,
    /// The hand of the loop; `None`, too, when there is none left.
    own: Option<Arc<Taken>>,
    /// For each receiver.
    runs: Vec<Runs>,
    /// For each receiver the name of what it got last: the next one is mostly of the same partition.
    last: Vec<Option<Name>>,
    /// Of each receiver and slot's index.
    names: foldhash::HashMap<(ReceiverIx, u32), Name>,
    /// What is called next, or was called last, on the loop.
    item: Option<Item>,
    turn: Option<Turn>,
}

/// Holds for one epoch of a slot: a topic that is made again is another one.
#[derive(Clone, Copy)]
struct Name {
    slot: Slot,
    /// `None`: it could not be given.
    name: Option<NonZeroU32>,
}

impl InHand {
    pub(super) fn new(watched: Option<Watched>, runs: Vec<Runs>) -> Self {
        let has_loop = runs.contains(&Runs::OnTheLoop);
        let own = watched.as_ref().filter(|_| has_loop).and_then(|watched| Taken::one_of(&watched.hands)).map(Arc::new);
        let (last, names) = (vec![None; runs.len()], foldhash::HashMap::default());
        Self { watched, own, last, names, runs, item: None, turn: None }
    }

    /// Prepares a call of a receiver; what it has to note itself is for the delivery.
    pub(super) fn prepare(&mut self, record: &Record, receiver: ReceiverIx, to: &Address) -> Option<Noting> {
        self.item = None;
        let runs = self.runs.get(usize::from(receiver.0)).copied().filter(|runs| *runs != Runs::Nowhere)?;
        let name = self.name(record.partition(), receiver, to)?;
        let item = Item { name, offset: record.offset() };
        if runs == Runs::OnTheLoop {
            self.item = Some(item);
            return None;
        }
        self.watched.as_ref().map(|watched| Noting { hands: Arc::clone(&watched.hands), item })
    }

    /// Calls it, with what was prepared in hand.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        match (&self.own, self.item) {
            (Some(own), Some(item)) => own.during(item, call),
            _ => call(),
        }
    }

    /// It did not answer at once: whenever it is polled, it is in hand again.
    pub(super) fn goes_out(&mut self) -> Out {
        Out { hand: self.own.clone().zip(self.item.take()), turn: self.turn.take() }
    }

    pub(super) fn set_turn(&mut self, turn: Option<Turn>) {
        self.turn = turn;
    }

    fn name(&mut self, partition: &Arc<Partition>, receiver: ReceiverIx, to: &Address) -> Option<NonZeroU32> {
        let slot = partition.slot;
        let last = self.last.get_mut(usize::from(receiver.0))?;
        if let Some(last) = last.filter(|last| last.slot == slot) {
            return last.name;
        }
        let known = self.names.get(&(receiver, slot.index)).copied().filter(|known| known.slot == slot);
        let name = match known {
            Some(known) => known,
            None => Name { slot, name: self.watched.as_ref().and_then(|watched| watched.name(partition, to)) },
        };
        *last = Some(name);
        self.names.insert((receiver, slot.index), name);
        name.name
    }
}

impl Watched {
    fn name(&self, partition: &Arc<Partition>, to: &Address) -> Option<NonZeroU32> {
        let name = self.hands.name(partition, to)?;
        let named = Named { name, partition: Arc::clone(partition), receiver: to.receiver.clone() };
        if self.watchdog.send(ToWatchdog::Named(named)).is_err() {
            tracing::debug!("the run is over: nobody watches any more");
        }
        Some(name)
    }
}

/// What goes with a delivery that is out.
pub(super) struct Out {
    hand: Option<(Arc<Taken>, Item)>,
    /// Somebody else's when it came back.
    #[expect(dead_code, reason = "it is held until it is dropped")]
    turn: Option<Turn>,
}

impl Out {
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        match &self.hand {
            Some((taken, item)) => taken.during(*item, call),
            None => call(),
        }
    }
}

static IS_SOMEBODYS: AtomicBool = AtomicBool::new(false);

/// Of all suspects in this process one is in hand at a time, so that an innocent one is never there when another one ends it once more.
pub(super) struct Turn(());

impl Turn {
    pub(super) fn take() -> Option<Self> {
        let is_ours = IS_SOMEBODYS.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        // Made only when it is: its drop gives the turn away.
        is_ours.then(|| Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        IS_SOMEBODYS.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::in_hand::samples::MemoryHands;
    use crate::record::samples::{partition_of, record_at};

    /// What is read again has slots from the highest number down: a list by number once took all memory there was.
    #[test]
    fn a_slot_of_any_number_has_a_name_for_each_of_its_epochs() {
        let hands = MemoryHands::new(1);
        let (watchdog, named) = mpsc::channel();
        let watched = Watched { hands: Arc::<MemoryHands>::clone(&hands), watchdog };
        let mut in_hand = InHand::new(Some(watched), vec![Runs::OnTheLoop]);
        let to = Address { group: "shop".into(), receiver: "billing".into() };
        let mut held = |index, epoch, offset| {
            let partition = Arc::new(partition_of("orders").at_slot(Slot { index, epoch }));
            in_hand.prepare(&record_at(&partition, offset, &[], None), ReceiverIx(0), &to);
            let held = in_hand.during(|| hands.held());
            (held, hands.names.lock().unwrap().len())
        };
        let it = |offset: i64| vec![format!("billing orders/0/{offset}")];
        assert_eq!(held(u32::MAX, 1, 5), (it(5), 1));
        assert_eq!(held(0, 1, 6), (it(6), 2));
        assert_eq!(held(u32::MAX, 1, 7), (it(7), 2), "it has one");
        assert_eq!(held(u32::MAX, 2, 8), (it(8), 3), "it may be of another topic by now");
        assert_eq!(named.try_iter().count(), 3);
    }

    #[test]
    fn a_turn_is_somebodys_until_it_is_let_go_of() {
        // Another test of this process may have it for a moment.
        let turn = std::iter::repeat_with(Turn::take).find_map(|turn| turn).unwrap();
        assert!(Turn::take().is_none() && Turn::take().is_none(), "asking in vain takes it from nobody");
        drop(turn);
    }
}
