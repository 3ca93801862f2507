//! What a shard has in hand while it runs code of the program, and how hands name it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use crate::engine::watchdog::{Named, ToWatchdog};
use crate::receiver::in_hand::{Hands, Item, Noting, Taken};
use crate::receiver::{Address, Runs};
use crate::record::{Partition, ReceiverIx, Record};

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
    /// For each receiver the names of its partitions, by the index of their slots.
    names: Vec<Vec<Option<Name>>>,
    /// What is called next, or was called last, on the loop.
    item: Option<Item>,
    turn: Option<Turn>,
}

/// Holds for one epoch of a slot: a topic that is made again is another one.
#[derive(Clone, Copy)]
struct Name {
    epoch: u32,
    /// `None`: it could not be given.
    name: Option<std::num::NonZeroU32>,
}

impl InHand {
    pub(super) fn new(watched: Option<Watched>, runs: Vec<Runs>) -> Self {
        let has_loop = runs.contains(&Runs::OnTheLoop);
        let own = watched.as_ref().filter(|_| has_loop).and_then(|watched| Taken::one_of(&watched.hands)).map(Arc::new);
        Self { watched, own, names: vec![Vec::new(); runs.len()], runs, item: None, turn: None }
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

    fn name(&mut self, partition: &Arc<Partition>, receiver: ReceiverIx, to: &Address) -> Option<std::num::NonZeroU32> {
        let watched = self.watched.as_ref()?;
        let of_receiver = self.names.get_mut(usize::from(receiver.0))?;
        let (at, epoch) = (partition.slot.index as usize, partition.slot.epoch);
        if let Some(Some(name)) = of_receiver.get(at).filter(|name| name.is_some_and(|name| name.epoch == epoch)) {
            return name.name;
        }
        let name = watched.hands.name(partition, to);
        if of_receiver.len() <= at {
            of_receiver.resize(at + 1, None);
        }
        if let Some(place) = of_receiver.get_mut(at) {
            *place = Some(Name { epoch, name });
        }
        if let Some(name) = name {
            let named = Named { name, partition: Arc::clone(partition), receiver: to.receiver.clone() };
            if watched.watchdog.send(ToWatchdog::Named(named)).is_err() {
                tracing::debug!("the run is over: nobody watches any more");
            }
        }
        name
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
