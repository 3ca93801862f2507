//! Which receivers are down, and when one of their deliveries is to find out whether they are back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::record::ReceiverIx;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Outages {
    down: BTreeMap<ReceiverIx, Down>,
}

#[derive(Debug)]
struct Down {
    next: Next,
    wait: Duration,
    /// The shard that is asked next, and how many had nothing that could ask.
    shard: usize,
    tried: usize,
    /// How many found it still down.
    in_vain: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    AskAt(Instant),
    /// One is out.
    Asked,
    /// Its events are delivered all the same, and each of them asks.
    Never,
}

impl Outages {
    pub(super) fn is_down(&self, receiver: ReceiverIx) -> bool {
        self.down.contains_key(&receiver)
    }

    /// Nobody is down.
    pub(super) fn is_empty(&self) -> bool {
        self.down.is_empty()
    }

    /// A receiver is down, and asked for no delivery for so long; true when that is new.
    pub(super) fn fell(&mut self, receiver: ReceiverIx, quiet: Option<Duration>, now: Instant) -> bool {
        let is_new = !self.is_down(receiver);
        let wait = FIRST_WAIT;
        let down =
            self.down.entry(receiver).or_insert(Down { next: Next::AskAt(now + wait), wait, shard: 0, tried: 0, in_vain: 0 });
        if let (Next::AskAt(at), Some(quiet)) = (&mut down.next, quiet) {
            *at = (*at).max(now + quiet);
        }
        is_new
    }

    /// As `fell`, where nothing is held back.
    pub(super) fn fell_unasked(&mut self, receiver: ReceiverIx) -> bool {
        let down = Down { next: Next::Never, wait: FIRST_WAIT, shard: 0, tried: 0, in_vain: 0 };
        self.down.insert(receiver, down).is_none()
    }

    /// The one that was out says that it is not back: the next one waits twice as long. Returns how many said so.
    pub(super) fn is_still_down(&mut self, receiver: ReceiverIx, quiet: Option<Duration>, now: Instant) -> u32 {
        let Some(down) = self.down.get_mut(&receiver) else { return 0 };
        down.wait = (down.wait * 2).min(LONGEST_WAIT);
        down.next = Next::AskAt(now + down.wait.max(quiet.unwrap_or_default()));
        down.tried = 0;
        down.in_vain = down.in_vain.saturating_add(1);
        down.in_vain
    }

    /// The shard that was to ask has nothing of the receiver: another one may.
    pub(super) fn nobody_asked(&mut self, receiver: ReceiverIx, shards: usize, now: Instant) {
        if let Some(down) = self.down.get_mut(&receiver) {
            down.shard = (down.shard + 1) % shards.max(1);
            down.tried += 1;
            let is_round = down.tried >= shards;
            down.next = Next::AskAt(if is_round { now + FIRST_WAIT } else { now });
            if is_round {
                down.tried = 0;
            }
        }
    }

    /// It is back; true when it was down.
    pub(super) fn rose(&mut self, receiver: ReceiverIx) -> bool {
        self.down.remove(&receiver).is_some()
    }

    /// Who is to be asked now, by which shard.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(ReceiverIx, usize)> {
        let is_due = |down: &Down| matches!(down.next, Next::AskAt(at) if at <= now);
        let due = self.down.iter_mut().filter(|(_, down)| is_due(down));
        due.map(|(receiver, down)| {
            down.next = Next::Asked;
            (*receiver, down.shard)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILLING: ReceiverIx = ReceiverIx(3);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_asks_at_a_time_and_ever_more_seldom() {
        let (mut outages, mut now, mut in_vain) = (Outages::default(), Instant::now(), 0);
        assert!(outages.fell(BILLING, None, now) && !outages.fell(BILLING, None, now));
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(outages.due(now + wait * SECOND - Duration::from_millis(1)), []);
            now += wait * SECOND;
            assert_eq!(outages.due(now), [(BILLING, 0)]);
            assert_eq!(outages.due(now + 60 * SECOND), [], "one is out");
            in_vain += 1;
            assert_eq!(outages.is_still_down(BILLING, None, now), in_vain);
        }
        assert!(outages.rose(BILLING) && !outages.rose(BILLING) && !outages.is_down(BILLING));
        assert_eq!(outages.due(now + 60 * SECOND), []);
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        outages.fell(BILLING, Some(90 * SECOND), now);
        assert_eq!(outages.due(now + 89 * SECOND), []);
        let now = now + 90 * SECOND;
        assert_eq!(outages.due(now), [(BILLING, 0)]);
        outages.is_still_down(BILLING, Some(60 * SECOND), now);
        assert_eq!(outages.due(now + 59 * SECOND), []);
        assert_eq!(outages.due(now + 60 * SECOND), [(BILLING, 0)]);
    }

    #[test]
    fn every_shard_is_asked_whether_it_has_one_that_can_ask() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        outages.fell(BILLING, None, now);
        let now = now + SECOND;
        assert_eq!(outages.due(now), [(BILLING, 0)]);
        outages.nobody_asked(BILLING, 2, now);
        assert_eq!(outages.due(now), [(BILLING, 1)]);
        outages.nobody_asked(BILLING, 2, now);
        assert_eq!(outages.due(now), [], "nowhere: in a moment");
        assert_eq!(outages.due(now + SECOND), [(BILLING, 0)]);
    }

    #[test]
    fn where_everything_is_delivered_nobody_is_asked() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        assert!(outages.fell_unasked(BILLING) && !outages.fell_unasked(BILLING));
        assert_eq!(outages.due(now + 60 * SECOND), []);
        assert!(outages.rose(BILLING));
    }
}
