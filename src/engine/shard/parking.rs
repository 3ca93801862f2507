//! Records that wait for a schema, and whatever is behind them of the same order key. Others go on.
//!
//! What waits counts towards the budget like all that is in flight; the coordinator learns how much of each slot it is, so that one
//! that waits for long does not take the room of all.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::codec::framing::SchemaId;
use crate::codec::schema::Known;
use crate::engine::ledger::WhyNot;
use crate::engine::report::Parked;
use crate::engine::schemas::{Answer, Ask, Found, Part, UNKNOWN_FOR};
use crate::engine::shard::Shard;
use crate::engine::tracker::Settled;
use crate::event::Event;
use crate::failure::Stage;
use crate::record::{ReceiverSet, Record, Slot};
use crate::stage::{Decoded, Manner, Missing, decode, missing};

/// What one shard knows of schemas, and what waits for more.
pub(super) struct Parking {
    asks: UnboundedSender<Ask>,
    known: HashMap<SchemaId, Believed>,
    asked: HashSet<SchemaId>,
    /// By order key; never an empty one.
    queues: HashMap<u64, VecDeque<Waits>>,
    /// What the coordinator was not told yet.
    changes: HashMap<Slot, Parked>,
}

struct Believed {
    known: Known,
    /// `None`: for good.
    until: Option<Instant>,
}

/// An event on its way to its receivers.
struct Waits {
    event: Event,
    to: ReceiverSet,
    manner: Manner,
}

impl Parking {
    pub(super) fn new(asks: UnboundedSender<Ask>) -> Self {
        Self { asks, known: HashMap::new(), asked: HashSet::new(), queues: HashMap::new(), changes: HashMap::new() }
    }

    pub(super) fn look(&self, id: SchemaId) -> Option<&Known> {
        self.known.get(&id).map(|believed| &believed.known)
    }

    /// True when something of this order key waits: what comes after it must wait, too.
    pub(super) fn blocks(&self, order_key: u64) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&order_key)
    }

    /// What was believed for a while is asked for again.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.known.retain(|_, believed| believed.until.is_none_or(|until| now < until));
    }

    /// Says whether the desk is gone, and the run over.
    fn ask(&mut self, missing: Missing) -> bool {
        let parts = [(missing.value, Part::Value), (missing.key, Part::Key)];
        let Self { asks, asked, .. } = self;
        let new = parts.into_iter().filter_map(|(id, of)| id.filter(|id| asked.insert(*id)).map(|id| Ask { id, of }));
        new.fold(false, |is_gone, ask| is_gone | asks.send(ask).is_err())
    }

    fn park(&mut self, waits: Waits) {
        let record = waits.event.record();
        self.count(record, 1);
        self.queues.entry(record.order_key()).or_default().push_back(waits);
    }

    fn count(&mut self, record: &Record, sign: i64) {
        let change = self.changes.entry(record.slot()).or_default();
        change.records += sign;
        change.bytes += sign * i64::try_from(record.size()).unwrap_or(i64::MAX);
    }

    /// What changed since the last time.
    pub(super) fn take_changes(&mut self) -> Vec<(Slot, Parked)> {
        self.changes.drain().filter(|(_, change)| *change != Parked::default()).collect()
    }

    fn take(&mut self, is_such: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut taken = Vec::new();
        self.queues.retain(|_, queue| {
            queue.retain(|waits| {
                let is_kept = !is_such(waits.event.record());
                if !is_kept {
                    taken.push(waits.event.record().clone());
                }
                is_kept
            });
            !queue.is_empty()
        });
        taken.iter().for_each(|record| self.count(record, -1));
        taken
    }
}

impl Shard {
    /// Decodes and delivers, or parks.
    pub(super) fn decode(&mut self, event: Event, to: ReceiverSet, manner: Manner) {
        if self.parking.blocks(event.record().order_key()) {
            // Asked for now, so that it is there when its turn comes.
            let missing = missing(&event, manner, |id| self.parking.look(id));
            return self.wait_for(missing, Waits { event, to, manner });
        }
        if let Some((waits, missing)) = self.try_to_decode(Waits { event, to, manner }) {
            self.wait_for(missing, waits);
        }
    }

    /// Gives an event back that waits for schemas.
    fn try_to_decode(&mut self, waits: Waits) -> Option<(Waits, Missing)> {
        let Waits { event, to, manner } = waits;
        match decode(event.clone(), manner, |id| self.parking.look(id)) {
            Ok(Decoded::Ready(event)) => {
                self.pass(event.record(), Stage::Decode);
                self.deliver(&event, to);
            }
            Ok(Decoded::Needs(missing)) => return Some((Waits { event, to, manner }, missing)),
            Err(refusal) => self.refuse(event.record(), event.facts(), Stage::Decode, refusal),
        }
        None
    }

    fn wait_for(&mut self, missing: Missing, waits: Waits) {
        if self.level.is_some() {
            return self.settle(waits.event.record(), Settled::Abandoned);
        }
        self.is_over |= self.parking.ask(missing);
        self.parking.park(Waits { event: waits.event.detach(), ..waits });
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        let Answer { id, found } = answer;
        self.parking.asked.remove(&id);
        let (known, until) = match found {
            Found::Known(known) => (known, None),
            Found::ForNow(known) => (known, Some(self.now + UNKNOWN_FOR)),
            Found::Away => return self.pass_over_parked(id),
        };
        self.parking.known.insert(id, Believed { known, until });
        let keys: Vec<u64> = self.parking.queues.keys().copied().collect();
        keys.into_iter().for_each(|key| self.go_on(key));
    }

    /// Goes on with what waits of one order key, as far as its schemas are known.
    fn go_on(&mut self, key: u64) {
        let mut queue = self.parking.queues.remove(&key).unwrap_or_default();
        while let Some(waits) = queue.pop_front() {
            let record = waits.event.record().clone();
            if let Some((waits, missing)) = self.try_to_decode(waits) {
                self.is_over |= self.parking.ask(missing);
                queue.push_front(waits);
                break;
            }
            self.parking.count(&record, -1);
        }
        if !queue.is_empty() {
            self.parking.queues.insert(key, queue);
        }
    }

    /// A replay does not wait for a registry that is away.
    fn pass_over_parked(&mut self, id: SchemaId) {
        let keys: Vec<u64> = self.parking.queues.keys().copied().collect();
        for key in keys {
            let queue = self.parking.queues.remove(&key).unwrap_or_default();
            for waits in queue {
                self.parking.count(waits.event.record(), -1);
                let missing = missing(&waits.event, waits.manner, |id| self.parking.look(id));
                if missing.value == Some(id) || missing.key == Some(id) {
                    self.pass_over(waits.event.record(), waits.to, WhyNot::RegistryAway);
                    self.settle_with_job(waits.event.record(), Settled::Skipped);
                } else {
                    self.decode(waits.event, waits.to, waits.manner);
                }
            }
        }
    }

    /// Lets go of what waits for a schema: it is read again by whoever reads on.
    pub(super) fn abandon_parked(&mut self, is_such: impl Fn(&Record) -> bool) {
        for record in self.parking.take(is_such) {
            self.settle(&record, Settled::Abandoned);
        }
    }
}
