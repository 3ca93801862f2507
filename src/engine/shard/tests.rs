//! One shard, message by message, where what it does hangs on what others do at the same moment.

use std::sync::mpsc::{Receiver, channel};

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::engine::conduct::Conduct;
use crate::engine::doubles::{self, conduct};
use crate::engine::report::Signal;
use crate::engine::wiring::walk;
use crate::receiver::{OnOutage, Step};
use crate::record::NextOffset;
use crate::record::samples::{partition_of, record_in_lane};

const BILLING: ReceiverIx = ReceiverIx(0);

/// It can be reached when the value says so.
struct Moody;

impl crate::receiver::Receiver for Moody {
    fn deliver(&self, delivery: Delivery) -> Step {
        let is_there = delivery.event.record().value() == Some(b"\"there\"");
        Step::Done(if is_there { Ok(()) } else { Err(ReceiverError::unreachable("nobody listens")) })
    }
}

fn shared(on_outage: OnOutage) -> Arc<Walk> {
    let binding = Binding { on_outage, retries: 0, ..doubles::binding("billing", Arc::new(Moody)) };
    let conduct = Conduct { type_from: TypeFrom::Topic, ..conduct() };
    Arc::new(walk(doubles::plan(vec![binding], conduct), 1).0)
}

fn shard(walk: &Arc<Walk>) -> (Shard, Receiver<Report>) {
    let ((kafka, reports), (journal, _), (desk, _), (_, inbox)) = (channel(), channel(), unbounded_channel(), unbounded_channel());
    (Shard::new(Arc::clone(walk), inbox, Peers { kafka, journal, desk, watched: None }), reports)
}

fn record(slot: Slot, value: &[u8]) -> Record {
    let partition = Arc::new(partition_of("orders").at_slot(slot));
    record_in_lane(&partition, 0, u64::from(slot.index), value)
}

fn slot(index: u32) -> Slot {
    Slot { index, epoch: 1 }
}

/// What was kept once waited with the others that were held, for the receiver to be back, and took up room until then.
#[test]
fn what_was_kept_for_one_that_fell_in_another_slot_is_deferred() {
    let (mut shard, reports) = shard(&shared(OnOutage::Defer));
    shard.take_in(ToShard::Detach(BILLING, vec![slot(0)]));
    shard.take_in(ToShard::Keep(BILLING, slot(0), NextOffset::ZERO));
    shard.walk(&record(slot(0), b"\"there\""));
    shard.flush();
    assert!(reports.try_recv().is_err(), "it is kept");
    shard.walk(&record(slot(1), b"\"away\""));
    shard.take_in(ToShard::Attach(BILLING, slot(0)));
    shard.flush();
    let settled = reports.try_iter().filter_map(|report| if let Report::Settled(runs) = report { Some(runs) } else { None });
    let mut settled: Vec<_> = settled.flatten().map(|run| (run.slot.index, run.how)).collect();
    settled.sort_by_key(|(slot, _)| *slot);
    assert_eq!(settled, [(0, Settled::Deferred), (1, Settled::Deferred)]);
}

/// Where every event asks, one shard finds out that the receiver is back before another one has told that it was away.
#[test]
fn an_outage_that_is_told_after_its_end_has_ended() {
    let walk = shared(OnOutage::Journal);
    let ((mut first, reports), (mut second, _)) = (shard(&walk), shard(&walk));
    second.reports.clone_from(&first.reports);
    first.walk(&record(slot(0), b"\"away\""));
    second.walk(&record(slot(1), b"\"there\""));
    second.flush();
    first.flush();
    let signals = reports.try_iter().filter_map(|report| if let Report::Signal(_, signal) = report { Some(signal) } else { None });
    let signals: Vec<_> = signals.collect();
    assert!(matches!(&signals[..], [Signal::Up, Signal::Down(_), Signal::Up]), "{signals:?}");
}
