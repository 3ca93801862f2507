//! A source whose partitions come and go.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::shop::{EACH, Hardship, PARTITIONS, Shop};
use crate::engine::doubles::{self, offer, raw, topic};
use crate::engine::source::{
    CommitError, CommitResult, CommitStarted, Committed, Flow, Mark, Offer, Polled, Source, SourceError, Start, StartAt,
};
use crate::record::Slot;

/// One of so many polls loses a partition.
const STAYS: u32 = 800;

pub(super) struct Wandering {
    shop: Arc<Shop>,
    random: StdRng,
    partitions: Vec<Standing>,
    is_held: bool,
    standing: HashSet<Slot>,
    turn: usize,
    lent: doubles::Record,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Away { until: Instant },
    Offered(Slot),
    Read(Slot, i64),
    Leaving(Slot),
}

impl Wandering {
    pub(super) fn new(shop: Arc<Shop>) -> Self {
        let random = StdRng::seed_from_u64(shop.seed ^ u64::from(shop.epoch.load(Ordering::Relaxed)));
        let partitions = vec![Standing::Away { until: Instant::now() }; PARTITIONS];
        Self { shop, random, partitions, is_held: false, standing: HashSet::new(), turn: 0, lent: (None, None) }
    }

    /// How many records a partition has by now.
    fn end(&self) -> i64 {
        i64::try_from(self.shop.began.elapsed().as_millis()).unwrap().min(EACH)
    }

    fn offered(&mut self) -> Vec<Offer> {
        let (now, end) = (Instant::now(), self.end());
        let mut offers = Vec::new();
        for (index, standing) in (0..).zip(&mut self.partitions) {
            if matches!(standing, Standing::Away { until } if *until <= now) {
                let slot = Slot { index, epoch: self.shop.epoch.fetch_add(1, Ordering::Relaxed) + 1 };
                *standing = Standing::Offered(slot);
                let committed = self.shop.committed.lock().unwrap().get(&index).cloned();
                let offer = offer(slot, &topic("orders"), end);
                offers.push(Offer { committed: committed.or(offer.committed.clone()), ..offer });
            }
        }
        offers
    }

    fn away(&mut self) -> Standing {
        Standing::Away { until: Instant::now() + Duration::from_millis(self.random.random_range(0..300)) }
    }

    /// Takes a partition away, if that is what happens now.
    fn taken_away(&mut self) -> Option<Polled<'static>> {
        if self.shop.hardship == Hardship::OutagesAndStops || self.random.random_range(0..STAYS) > 0 {
            return None;
        }
        let at = self.random.random_range(0..PARTITIONS);
        let Standing::Read(slot, _) = self.partitions[at] else { return None };
        if self.random.random_bool(0.5) {
            self.partitions[at] = Standing::Leaving(slot);
            return Some(Polled::Revoking(vec![slot]));
        }
        self.partitions[at] = self.away();
        Some(Polled::Lost(vec![slot]))
    }

    fn take(&self, mark: &Mark) -> Result<(), CommitError> {
        let is_its =
            |standing: &Standing| matches!(standing, Standing::Read(slot, _) | Standing::Leaving(slot) if *slot == mark.slot);
        if !self.partitions.iter().any(is_its) {
            return Err(CommitError::Unanswered { message: "it is not yours".into() });
        }
        let committed = Committed { next: mark.next, metadata: mark.metadata.clone() };
        self.shop.committed.lock().unwrap().insert(mark.slot.index, committed);
        Ok(())
    }
}

impl Source for Wandering {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        let offers = self.offered();
        if !offers.is_empty() {
            return Ok(Polled::Offered(offers));
        }
        if let Some(polled) = self.taken_away() {
            return Ok(polled);
        }
        let end = self.end();
        for _ in 0..if self.is_held { 0 } else { PARTITIONS } {
            self.turn = (self.turn + 1) % PARTITIONS;
            let Standing::Read(slot, at) = &mut self.partitions[self.turn] else { continue };
            if *at < end && !self.standing.contains(slot) {
                self.lent = self.shop.log[self.turn][usize::try_from(*at).unwrap()].clone();
                *at += 1;
                return Ok(Polled::Record(raw(*slot, *at - 1, self.lent.0.as_deref(), self.lent.1.as_deref())));
            }
        }
        thread::park_timeout(wait);
        Ok(Polled::Idle)
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        for start in starts {
            let slot = start.partition.slot;
            let StartAt::At(at) = start.at else { panic!("nothing is held here: {start:?}") };
            let standing = &mut self.partitions[slot.index as usize];
            if *standing == Standing::Offered(slot) {
                *standing = Standing::Read(slot, at.get());
            }
        }
        Ok(())
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.is_held = flow == Flow::Held;
        Ok(())
    }

    fn flow_of(&mut self, slots: &[Slot], flow: Flow) -> Result<(), SourceError> {
        match flow {
            Flow::Held => self.standing.extend(slots),
            Flow::Open => self.standing.retain(|slot| !slots.contains(slot)),
        }
        Ok(())
    }

    fn commit(&mut self, marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        for mark in marks {
            // What is nobody's any more is committed by nobody.
            drop(self.take(mark));
        }
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        Ok(marks.iter().map(|mark| (mark.clone(), self.take(mark))).collect())
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        for slot in slots {
            let index = slot.index as usize;
            if self.partitions[index] == Standing::Leaving(*slot) {
                self.partitions[index] = self.away();
            }
        }
        Ok(())
    }

    fn close(self: Box<Self>, _deadline: Instant) -> Result<(), SourceError> {
        Ok(())
    }
}
