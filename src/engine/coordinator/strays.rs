//! Strays: what receivers missed of partitions that somebody else reads by now. Whoever has it in the journal delivers it, late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::coordinator::{Coordinator, Phase};
use crate::engine::detached::Detached;
use crate::engine::missed::Stray;
use crate::engine::report::Action;
use crate::receiver::OnOutage;
use crate::record::{Debts, NextOffset, Partition, ReceiverIx, Slot};

/// Long enough for a partition that changes hands: who reads it now takes what was missed of it as well, if the journal is shared.
pub(super) const STRAYS_EVERY: Duration = Duration::from_secs(10);

impl Coordinator {
    pub(super) fn look_for_strays(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_settled = self.had_any && self.offers.is_empty() && self.revocations.is_empty();
        if !is_settled || !matches!(self.phase, Phase::Running) {
            self.next_strays = now + STRAYS_EVERY;
        }
        if now < self.next_strays {
            return;
        }
        self.next_strays = now + STRAYS_EVERY;
        let deferring = self.options.receivers.iter().filter(|named| named.on_outage == OnOutage::Defer);
        let names: Vec<String> = deferring.map(|named| named.name.clone()).collect();
        if !names.is_empty() {
            actions.push(Action::TakeStrays(names));
        }
    }

    pub(super) fn strays(&mut self, strays: Vec<Stray>) {
        for Stray { topic, partition, missed, suspects } in strays {
            let receiver = (0..).map(ReceiverIx).zip(&self.options.receivers).find(|(_, named)| named.name == missed.receiver);
            let Some(receiver) = receiver.map(|(receiver, _)| receiver) else { continue };
            let is_it = |detached: &&mut Detached| detached.receiver == receiver && detached.is_stray_of(&topic, partition);
            if let Some(detached) = self.detached.iter_mut().find(is_it) {
                detached.add(missed.range);
                continue;
            }
            let slot = self.slot_again();
            let late_below = NextOffset::new(i64::MAX).unwrap_or(NextOffset::ZERO);
            let debts = Debts::default().and(suspects.offsets());
            let partition = Arc::new(Partition { late_below, debts, suspects, ..Partition::unknown(slot, topic, partition) });
            self.detached.push(Detached::stray(receiver, &partition, missed.range));
        }
    }

    /// The partition is read here again: what was missed of it is delivered in its order.
    pub(super) fn leave_strays_of(&mut self, partition: &Partition, actions: &mut Vec<Action>) {
        let is_it = |detached: &mut Detached| detached.is_stray_of(&partition.topic, partition.number);
        let strays: Vec<Detached> = self.detached.extract_if(.., is_it).collect();
        let slots: Vec<Slot> = strays.iter().filter_map(Detached::slot_again).collect();
        slots.iter().for_each(|slot| self.tracker.close(*slot));
        self.give_up_again(slots, actions);
    }
}
