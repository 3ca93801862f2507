//! What a shard has in hand while it runs code of the program, and how hands name it.

use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};

use crate::engine::watchdog::{Named, ToWatchdog};
use crate::receiver::in_hand::{Hands, Item, Noting, Taken, Turn};
use crate::receiver::{Address, Runs};
use crate::record::{Partition, ReceiverIx, Record, Slot, Topic};

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
    /// In their order.
    receivers: Vec<OfReceiver>,
    /// What is called next, or was called last, on the loop.
    item: Option<Item>,
    leave: Leave,
}

struct OfReceiver {
    runs: Runs,
    /// The name of what it got last: the next one is mostly of the same partition.
    last: Option<(Slot, Name)>,
    names: Names,
}

/// By what they name, whatever slots that has: what is read again has another one each time. A topic that is made again is another one.
type Names = foldhash::HashMap<Arc<Topic>, foldhash::HashMap<i32, Name>>;

/// `None`: it could not be given.
type Name = Option<NonZeroU32>;

/// How the next call may be made.
#[derive(Default)]
pub(super) enum Leave {
    #[default]
    Always,
    /// Of a suspect, whose turn it is.
    InTurn(Turn),
    /// Of a suspect, while another one is left behind in some thread: that one is to blame for what happens.
    Unnoted,
}

impl InHand {
    pub(super) fn new(watched: Option<Watched>, runs: Vec<Runs>) -> Self {
        let has_loop = runs.contains(&Runs::OnTheLoop);
        let own = watched.as_ref().filter(|_| has_loop).and_then(|watched| Taken::one_of(&watched.hands)).map(Arc::new);
        let receivers = runs.into_iter().map(|runs| OfReceiver { runs, last: None, names: Names::default() }).collect();
        Self { watched, own, receivers, item: None, leave: Leave::Always }
    }

    /// Prepares a call of a receiver; what it has to note itself is for the delivery.
    pub(super) fn prepare(&mut self, record: &Record, receiver: ReceiverIx, to: &Address) -> Option<Noting> {
        self.item = None;
        let turn = match &self.leave {
            Leave::Always => None,
            Leave::InTurn(turn) => Some(turn),
            Leave::Unnoted => return None,
        };
        let of = self.receivers.get_mut(usize::from(receiver.0)).filter(|of| of.runs != Runs::Nowhere)?;
        let watched = self.watched.as_ref()?;
        let name = of.name(record.partition(), |partition| watched.name(partition, to))?;
        let item = Item { name, offset: record.offset() };
        if of.runs == Runs::OnTheLoop {
            self.item = Some(item);
            return None;
        }
        Some(Noting { hands: Arc::clone(&watched.hands), item, turn: turn.map(Turn::keep) })
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
        Out { hand: self.own.clone().zip(self.item.take()), leave: std::mem::take(&mut self.leave) }
    }

    pub(super) fn set_leave(&mut self, leave: Leave) {
        self.leave = leave;
    }
}

impl OfReceiver {
    fn name(&mut self, partition: &Partition, give: impl FnOnce(&Partition) -> Name) -> Name {
        if let Some((_, name)) = self.last.filter(|(slot, _)| *slot == partition.slot) {
            return name;
        }
        let known = self.names.get(&*partition.topic).and_then(|of_topic| of_topic.get(&partition.number)).copied();
        let name = known.unwrap_or_else(|| {
            let name = give(partition);
            self.names.entry(Arc::clone(&partition.topic)).or_default().insert(partition.number, name);
            name
        });
        self.last = Some((partition.slot, name));
        name
    }
}

impl Watched {
    fn name(&self, partition: &Partition, to: &Address) -> Name {
        let name = self.hands.name(partition, to)?;
        let Partition { topic, number, .. } = partition;
        let named = Named { name, topic: Arc::clone(topic), partition: *number, receiver: to.receiver.clone() };
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
    leave: Leave,
}

impl Out {
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        match &self.hand {
            Some((taken, item)) => taken.during(*item, call),
            None => call(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::in_hand::samples::MemoryHands;
    use crate::record::samples::{partition_of, record_at};

    /// What is read again has another slot each time: those once made the names of a long run grow without end.
    #[test]
    fn what_is_named_has_one_name_whatever_its_slot_is() {
        let hands = MemoryHands::new(1);
        let (watchdog, named) = mpsc::channel();
        let watched = Watched { hands: Arc::<MemoryHands>::clone(&hands), watchdog };
        let mut in_hand = InHand::new(Some(watched), vec![Runs::OnTheLoop, Runs::OnTheLoop]);
        let to = [
            Address { group: "shop".into(), receiver: "billing".into() },
            Address { group: "shop".into(), receiver: "search".into() },
        ];
        let mut held = |receiver: u8, partition: Partition, offset| {
            let record = record_at(&Arc::new(partition), offset, &[], None);
            in_hand.prepare(&record, ReceiverIx(receiver), &to[usize::from(receiver)]);
            in_hand.during(|| hands.held()).join(" ")
        };
        let orders = || Partition::unknown(Slot { index: 0, epoch: 1 }, Arc::clone(&partition_of("orders").topic), 0);
        for again in 1..100 {
            let slot = Slot { index: u32::MAX - again, epoch: again };
            assert_eq!(held(0, orders().at_slot(slot), 5), "billing orders/0/5");
            assert_eq!(held(0, orders(), 6), "billing orders/0/6");
        }
        assert_eq!((hands.names.lock().unwrap().len(), named.try_iter().count()), (1, 1));
        assert_eq!(held(1, orders(), 7), "search orders/0/7");
        assert_eq!(held(0, Partition { number: 3, slot: Slot { index: 1, epoch: 1 }, ..orders() }, 8), "billing orders/3/8");
        let made_again = Topic { uuid: Some("another".into()), ..Topic::clone(&orders().topic) };
        let made_again = Partition { topic: Arc::new(made_again), slot: Slot { index: 0, epoch: 2 }, ..orders() };
        assert_eq!(held(0, made_again, 9), "billing orders/0/9");
        assert_eq!(
            (hands.names.lock().unwrap().len(), named.try_iter().count()),
            (4, 3),
            "of another receiver, partition and topic"
        );
    }
}
