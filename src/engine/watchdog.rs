//! The watchdog: tells which receiver holds up an event loop, while it does.
//!
//! It looks at the hands of all shards a few times a second; one that still holds the same thing after a second has not come back. That
//! costs a receiver nothing, and needs no loop to go on.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::engine::report::{JournalJob, StopLevel, ToJournal};
use crate::engine::stop::StopToken;
use crate::receiver::in_hand::{Hand, Hands, Held};
use crate::record::Topic;

const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// A receiver's code that holds its thread this long holds up every other receiver of the shard.
const BLOCKED: Duration = Duration::from_secs(1);
/// One that blocks again within this time has not stopped to: its incident counts on.
const QUIET: Duration = Duration::from_secs(10);

/// To the watchdog.
#[derive(Debug)]
pub(super) enum ToWatchdog {
    /// From now on hands name this.
    Named(Named),
    /// The run is over.
    End,
}

/// What a name in a hand stands for. It is kept to the end of the run.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: NonZeroU32,
    pub(super) topic: Arc<Topic>,
    pub(super) partition: i32,
    pub(super) receiver: String,
}

pub(super) struct Watchdog {
    pub(super) hands: Arc<dyn Hands>,
    pub(super) inbox: Receiver<ToWatchdog>,
    pub(super) journal: Sender<ToJournal>,
    pub(super) stop: StopToken,
}

impl Watchdog {
    /// Looks until it is told to end.
    pub(super) fn run(self) {
        let mut sight = Sight::default();
        let mut look_at = Instant::now() + LOOKS_EVERY;
        loop {
            let is_over = match self.inbox.recv_timeout(look_at.saturating_duration_since(Instant::now())) {
                Ok(ToWatchdog::Named(named)) => {
                    sight.names.insert(named.name, named);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => false,
                Ok(ToWatchdog::End) | Err(RecvTimeoutError::Disconnected) => true,
            };
            let now = Instant::now();
            look_at = now + LOOKS_EVERY;
            let held = self.hands.all().iter().map(Hand::look).enumerate();
            self.tell(sight.look(held.filter_map(|(at, held)| Some((at, held?))), now));
            if is_over {
                return self.tell(sight.end());
            }
            // Whoever ends the process now was asked to.
            if self.stop.level() == Some(StopLevel::Now) {
                self.hands.disown();
            }
        }
    }

    fn tell(&self, entries: Vec<Entry>) {
        let job = JournalJob { entries, ..JournalJob::default() };
        if !job.entries.is_empty() && self.journal.send(ToJournal::Job(job)).is_err() {
            tracing::debug!("the run is over: nobody writes down any more what blocks");
        }
    }
}

/// What was seen so far.
#[derive(Default)]
struct Sight {
    names: HashMap<NonZeroU32, Named>,
    /// By hand.
    holding: HashMap<usize, Holding>,
    /// By receiver, when it was last seen to block.
    blocking: HashMap<String, Instant>,
}

struct Holding {
    held: Held,
    since: Instant,
    /// It is told when it has lasted so long, then when it has lasted twice as long.
    tell_after: Duration,
}

impl Holding {
    fn is_told(&self) -> bool {
        self.tell_after > BLOCKED
    }
}

impl Sight {
    /// What there is to tell of the hands that are not empty.
    fn look(&mut self, hands: impl Iterator<Item = (usize, Held)>, now: Instant) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut before = std::mem::take(&mut self.holding);
        for (at, held) in hands {
            // Of threads, and of other runs in this process, it has no names.
            let Some(named) = self.names.get(&held.name) else { continue };
            let mut holding = before.remove(&at).filter(|before| before.held == held).unwrap_or(Holding {
                held,
                since: now,
                tell_after: BLOCKED,
            });
            let lasted = now.duration_since(holding.since);
            if lasted >= BLOCKED {
                self.blocking.insert(named.receiver.clone(), now);
            }
            if lasted >= holding.tell_after {
                // It happened once, however long it lasts.
                entries.push(blocked(named, held.offset, lasted, u64::from(!holding.is_told())));
                while holding.tell_after <= lasted {
                    holding.tell_after *= 2;
                }
            }
            self.holding.insert(at, holding);
        }
        self.let_go(|seen| now.duration_since(seen) >= QUIET, &mut entries);
        entries
    }

    /// What has ended with the run. One that blocks still does not end by that.
    fn end(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for holding in self.holding.values().filter(|holding| holding.is_told()) {
            if let Some(named) = self.names.get(&holding.held.name) {
                self.blocking.remove(&named.receiver);
            }
        }
        self.let_go(|_| true, &mut entries);
        entries
    }

    fn let_go(&mut self, is_over: impl Fn(Instant) -> bool, entries: &mut Vec<Entry>) {
        let over = self.blocking.extract_if(|_, seen| is_over(*seen));
        entries.extend(over.map(|(receiver, _)| Entry::IncidentEnded(key(receiver))));
    }
}

fn key(receiver: String) -> IncidentKey {
    IncidentKey { receiver: Some(receiver), ..IncidentKey::of(IncidentKind::LoopBlocked) }
}

fn blocked(named: &Named, offset: i64, lasted: Duration, count: u64) -> Entry {
    let Named { receiver, topic, partition, .. } = named;
    let topic = &topic.name;
    let message = format!(
        "receiver {receiver} holds an event loop, for {:.1} s so far, with {topic}/{partition}/{offset} in hand: blocking code belongs in on_blocking",
        lasted.as_secs_f64()
    );
    let data = serde_json::json!({
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "held_ms": u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX),
    });
    Entry::Incident(Incident { data, count, began_ago: lasted, ..Incident::new(key(receiver.clone()), message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::partition_of;

    fn sight() -> Sight {
        let name = |name: u32, receiver: &str| {
            let name = NonZeroU32::new(name).unwrap();
            (name, Named { name, topic: Arc::clone(&partition_of("orders").topic), partition: 0, receiver: receiver.into() })
        };
        Sight { names: [name(1, "billing"), name(2, "search")].into(), ..Sight::default() }
    }

    fn held(name: u32, times: u32) -> Held {
        Held { name: NonZeroU32::new(name).unwrap(), offset: 7, times }
    }

    /// What was told: the receiver with the count and the seconds of a message, or that it is over.
    fn told(entries: &[Entry]) -> Vec<String> {
        let told = |entry: &Entry| match entry {
            Entry::Incident(incident) => {
                let lasted = incident.message.split("for ").nth(1).and_then(|rest| rest.split(" so").next()).unwrap();
                format!("{} {} {lasted}", incident.key.receiver.clone().unwrap(), incident.count)
            }
            Entry::IncidentEnded(key) => format!("{} over", key.receiver.clone().unwrap()),
            other => panic!("{other:?}"),
        };
        let mut told: Vec<_> = entries.iter().map(told).collect();
        told.sort();
        told
    }

    #[test]
    fn one_that_blocks_is_told_while_it_does_ever_less_often() {
        let (mut sight, start) = (sight(), Instant::now());
        let mut look =
            |at_ms: u64, hands: &[(usize, Held)]| told(&sight.look(hands.iter().copied(), start + Duration::from_millis(at_ms)));
        assert_eq!(look(0, &[(0, held(1, 1))]), [""; 0]);
        assert_eq!(look(999, &[(0, held(1, 1))]), [""; 0]);
        assert_eq!(look(1_000, &[(0, held(1, 1)), (1, held(2, 5))]), ["billing 1 1.0 s"]);
        assert_eq!(look(1_750, &[(0, held(1, 1)), (1, held(2, 6))]), [""; 0], "search holds something else by now");
        assert_eq!(look(2_100, &[(0, held(1, 1))]), ["billing 0 2.1 s"], "the same is not counted again");
        assert_eq!(look(3_900, &[(0, held(1, 1))]), [""; 0]);
        assert_eq!(look(8_000, &[(0, held(1, 1))]), ["billing 0 8.0 s"]);
        assert_eq!(look(8_250, &[]), [""; 0], "it went on just now");
        assert_eq!(look(9_000, &[(0, held(1, 9))]), [""; 0]);
        assert_eq!(look(10_000, &[(0, held(1, 9))]), ["billing 1 1.0 s"], "and again");
        assert_eq!(look(19_999, &[]), [""; 0]);
        assert_eq!(look(20_000, &[]), ["billing over"]);
    }

    #[test]
    fn what_it_has_no_name_for_is_not_its_business() {
        let (mut sight, start) = (sight(), Instant::now());
        for at in 0..20 {
            assert!(sight.look([(0, held(3, 1))].into_iter(), start + Duration::from_secs(at)).is_empty());
        }
    }

    #[test]
    fn what_blocks_still_does_not_end_with_the_run() {
        let (mut sight, start) = (sight(), Instant::now());
        let all = [(0, held(1, 1)), (1, held(2, 1))];
        sight.look(all.into_iter(), start);
        assert_eq!(sight.look(all.into_iter(), start + BLOCKED).len(), 2);
        sight.look([all[0]].into_iter(), start + BLOCKED * 2);
        assert_eq!(told(&sight.end()), ["search over"]);
    }
}
