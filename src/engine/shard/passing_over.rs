//! What a replay does not deliver, and why: it must say so, because whoever holds an entry lets go of it then.
//!
//! A live run passes nothing over: what it does not deliver, it writes down.

use std::sync::Arc;

use crate::engine::ledger::{Entry, PassedOver, WhyNot};
use crate::engine::settled::Settled;
use crate::engine::shard::Shard;
use crate::policy::Vigil;
use crate::receiver::Mode;
use crate::record::{Meant, ReceiverIx, ReceiverSet, Record};

impl Shard {
    pub(super) fn is_replay(&self) -> bool {
        matches!(self.walk.mode, Mode::Replay(_))
    }

    /// Those of the receivers that the record is routed to for whom it is meant. `None`: for none of them, and it has ended.
    pub(super) fn meant(&mut self, record: &Record, routed: ReceiverSet) -> Option<ReceiverSet> {
        let these = match record.meant() {
            Meant::AllBut(others) => return Some(routed.minus(self.walk.by_name_only).minus(others)),
            Meant::These(these) => these,
        };
        let others = these.minus(routed);
        if !others.is_empty() {
            self.pass_over(record, others, WhyNot::NotRouted);
        }
        let to = these.intersect(routed);
        if to.is_empty() {
            match self.is_replay() {
                true => self.settle_with_job(record, Settled::Skipped),
                false => self.settle_skipped(record),
            }
            return None;
        }
        Some(to)
    }

    /// Of a record that is for all of its receivers there is one thing to say, however many they are.
    pub(super) fn pass_over(&mut self, record: &Record, receivers: ReceiverSet, why: WhyNot) {
        if !self.is_replay() {
            return;
        }
        let passed_over = |receiver| {
            let partition = Arc::clone(record.partition());
            Entry::PassedOver(PassedOver { partition, offset: record.offset(), receiver, why })
        };
        if matches!(record.meant(), Meant::AllBut(_)) || receivers.is_empty() {
            self.job.entries.push(passed_over(None));
            return;
        }
        let names = receivers.iter().filter_map(|receiver| self.walk.bindings.get(usize::from(receiver.0)));
        self.job.entries.extend(names.map(|binding| passed_over(Some(binding.name.clone()))));
    }

    /// A receiver that a replay does not wait for.
    pub(super) fn is_given_up(&self, receiver: ReceiverIx) -> bool {
        self.is_replay() && self.vigil(receiver).is_some_and(Vigil::is_down)
    }
}
