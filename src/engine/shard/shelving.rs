//! Records that wait for a schema, or for room for what would be decoded, and whatever is behind them of the same order key. Others go on.
//!
//! What waits counts towards the budget like all that is in flight; the coordinator learns how much of each slot it is, so that one
//! that waits for long does not take the room of all.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::codec::framing::SchemaId;
use crate::codec::naming::Part;
use crate::codec::schema::Known;
use crate::engine::ledger::WhyNot;
use crate::engine::report::Shelved;
use crate::engine::schemas::{Answer, Ask, Found, UNKNOWN_FOR};
use crate::engine::settled::Settled;
use crate::engine::shard::Shard;
use crate::event::Event;
use crate::failure::Stage;
use crate::record::{ReceiverSet, Record, Slot};
use crate::stage::{Decoded, Manner, Missing, decode, missing};

/// What was decoded and waits for receivers has no more bytes than this in one shard, or is one record: a few bytes can mean many.
const MOST_DECODED: usize = 32 * 1024 * 1024;

/// What takes so long to decode that no receiver is to be blamed for it, in bytes of JSON.
const LARGE: usize = 64 * 1024;

/// What one shard knows of schemas, and what waits for more.
pub(super) struct Shelving {
    asks: UnboundedSender<Ask>,
    /// Looked into for each record that names a schema.
    known: foldhash::HashMap<SchemaId, Believed>,
    /// What is believed for a while, and until when: the oldest first.
    doubts: VecDeque<(Instant, SchemaId)>,
    asked: HashMap<SchemaId, Part>,
    /// The order keys whose queues wait for a schema.
    wanted: HashMap<SchemaId, HashSet<u64>>,
    /// By order key; never an empty one.
    queues: HashMap<u64, VecDeque<Waits>>,
    /// Some of it waits for room.
    wants_room: bool,
    /// What the coordinator was not told yet.
    changes: HashMap<Slot, Shelved>,
}

struct Believed {
    known: Known,
    /// Of a key: that a value has no such schema is not known yet.
    of: Part,
    /// `None`: for good.
    until: Option<Instant>,
}

/// An event on its way to its receivers.
struct Waits {
    event: Event,
    to: ReceiverSet,
    manner: Manner,
}

impl Shelving {
    pub(super) fn new(asks: UnboundedSender<Ask>) -> Self {
        Self {
            asks,
            known: foldhash::HashMap::default(),
            doubts: VecDeque::new(),
            asked: HashMap::new(),
            wanted: HashMap::new(),
            queues: HashMap::new(),
            wants_room: false,
            changes: HashMap::new(),
        }
    }

    pub(super) fn look(&self, id: SchemaId, part: Part) -> Option<&Known> {
        self.known.get(&id).filter(|believed| believed.of >= part).map(|believed| &believed.known)
    }

    /// True when something of this order key waits: what comes after it must wait, too.
    pub(super) fn blocks(&self, order_key: u64) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&order_key)
    }

    /// What was believed for a while is asked for again.
    pub(super) fn forget_old(&mut self, now: Instant) {
        while let Some((_, id)) = self.doubts.pop_front_if(|(until, _)| *until <= now) {
            if self.known.get(&id).is_some_and(|believed| believed.until.is_some_and(|until| until <= now)) {
                self.known.remove(&id);
            }
        }
    }

    fn believe(&mut self, id: SchemaId, believed: Believed) {
        self.doubts.extend(believed.until.map(|until| (until, id)));
        self.known.insert(id, believed);
    }

    /// Asks for what one of this order key misses. Says whether the desk is gone, and the run over.
    fn ask(&mut self, missing: Missing, order_key: u64) -> bool {
        let mut is_gone = false;
        for (id, of) in [(missing.value, Part::Value), (missing.key, Part::Key)] {
            let Some(id) = id else { continue };
            self.wanted.entry(id).or_default().insert(order_key);
            if self.asked.get(&id).is_none_or(|asked| *asked < of) {
                self.asked.insert(id, of);
                is_gone |= self.asks.send(Ask { id, of }).is_err();
            }
        }
        is_gone
    }

    fn shelve(&mut self, waits: Waits) {
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
    pub(super) fn take_changes(&mut self) -> Vec<(Slot, Shelved)> {
        self.changes.drain().filter(|(_, change)| *change != Shelved::default()).collect()
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
        if self.queues.is_empty() {
            self.wanted.clear();
        }
        taken.iter().for_each(|record| self.count(record, -1));
        taken
    }
}

impl Shard {
    /// Decodes and delivers, or shelves.
    pub(super) fn decode(&mut self, event: Event, to: ReceiverSet, manner: Manner) {
        let waits = Waits { event, to, manner };
        if self.shelving.blocks(waits.event.record().order_key()) || self.lacks_room(&waits) {
            // Asked for now, so that it is there when its turn comes.
            let missing = missing(&waits.event, manner, |id, part| self.shelving.look(id, part));
            return self.wait_for(missing, waits);
        }
        if let Some((waits, missing)) = self.try_to_decode(waits) {
            self.wait_for(missing, waits);
        }
    }

    /// Gives an event back that waits for schemas.
    fn try_to_decode(&mut self, waits: Waits) -> Option<(Waits, Missing)> {
        let Waits { event, to, manner } = waits;
        match decode(event.clone(), manner, |id, part| self.shelving.look(id, part)) {
            Ok(Decoded::Ready(event)) => {
                self.pass(event.record(), Stage::Decode);
                if event.decoded_size() > LARGE {
                    self.now = Instant::now();
                }
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
        self.is_over |= self.shelving.ask(missing, waits.event.record().order_key());
        self.shelving.shelve(Waits { event: waits.event.detach(), ..waits });
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        let Answer { id, of, found } = answer;
        // A question that is wider than what was answered is still out.
        if self.shelving.asked.get(&id).is_some_and(|asked| *asked <= of) {
            self.shelving.asked.remove(&id);
        }
        let (known, until) = match found {
            Found::Known(known) => (known, None),
            Found::ForNow(known) => (known, Some(self.now + UNKNOWN_FOR)),
            Found::Away => return self.pass_over_shelved(id),
        };
        self.shelving.believe(id, Believed { known, of, until });
        self.go_on_with(id);
    }

    /// What names no schema takes no room.
    fn lacks_room(&mut self, waits: &Waits) -> bool {
        let lacks_room = self.decoded >= MOST_DECODED && !missing(&waits.event, waits.manner, |_, _| None).is_empty();
        self.shelving.wants_room |= lacks_room;
        lacks_room
    }

    /// What waited for room goes on when half of it is free.
    pub(super) fn go_on_with_room(&mut self) {
        if self.shelving.wants_room && self.decoded < MOST_DECODED / 2 {
            self.shelving.wants_room = false;
            let keys: Vec<u64> = self.shelving.queues.keys().copied().collect();
            keys.into_iter().for_each(|key| self.go_on(key));
        }
    }

    fn go_on_with(&mut self, id: SchemaId) {
        let keys = self.shelving.wanted.remove(&id).unwrap_or_default();
        keys.into_iter().for_each(|key| self.go_on(key));
    }

    /// Goes on with what waits of one order key, as far as its schemas are known and there is room.
    fn go_on(&mut self, key: u64) {
        let mut queue = self.shelving.queues.remove(&key).unwrap_or_default();
        while let Some(waits) = queue.pop_front() {
            if self.lacks_room(&waits) {
                queue.push_front(waits);
                break;
            }
            let record = waits.event.record().clone();
            if let Some((waits, missing)) = self.try_to_decode(waits) {
                self.is_over |= self.shelving.ask(missing, key);
                queue.push_front(waits);
                break;
            }
            self.shelving.count(&record, -1);
        }
        if !queue.is_empty() {
            self.shelving.queues.insert(key, queue);
        }
    }

    /// A replay does not wait for a registry that is away: what has its value in this schema is passed over, and a key in it stays bytes.
    fn pass_over_shelved(&mut self, id: SchemaId) {
        let keys = self.shelving.wanted.get(&id).cloned().unwrap_or_default();
        for key in keys {
            let queue = self.shelving.queues.remove(&key).unwrap_or_default();
            let (over, left): (VecDeque<_>, VecDeque<_>) = queue.into_iter().partition(|waits| {
                let missing = missing(&waits.event, waits.manner, |id, part| self.shelving.look(id, part));
                missing.value == Some(id)
            });
            for waits in over {
                self.shelving.count(waits.event.record(), -1);
                self.pass_over(waits.event.record(), waits.to, WhyNot::RegistryAway);
                self.settle_with_job(waits.event.record(), Settled::Skipped);
            }
            if !left.is_empty() {
                self.shelving.queues.insert(key, left);
            }
        }
        // Nothing is left whose value needs it. Believed for this moment only: the next one asks again.
        let unknown = Known::Unknown("the registry is away".into());
        self.shelving.known.insert(id, Believed { known: unknown, of: Part::Key, until: None });
        self.go_on_with(id);
        self.shelving.known.remove(&id);
    }

    /// Lets go of what waits: it is read again by whoever reads on.
    pub(super) fn abandon_shelved(&mut self, is_such: impl Fn(&Record) -> bool) {
        for record in self.shelving.take(is_such) {
            self.settle(&record, Settled::Abandoned);
        }
    }
}
