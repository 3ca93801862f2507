//! Which partitions are ours: offers that wait for the journal's word, starts, revocations that drain, losses.

use std::sync::Arc;
use std::time::Instant;

use crate::engine::conduct::UntilEnd;
use crate::engine::coordinator::troubles::{held, incident};
use crate::engine::coordinator::{Coordinator, Revocation, write};
use crate::engine::ledger::Known;
use crate::engine::report::{Action, StopReason, Ticket, ToShard};
use crate::engine::source::{Basis, Offer, Start, StartAt};
use crate::engine::start::{self, StartDecision, StartOptions};
use crate::engine::tracker::Fresh;
use crate::record::{NextOffset, Partition, Slot};

impl Coordinator {
    pub(super) fn offered(&mut self, offers: Vec<Offer>, actions: &mut Vec<Action>) {
        if self.admission.is_closed() {
            return;
        }
        self.offers.extend(offers.iter().map(|offer| (offer.slot, offer.clone())));
        actions.push(Action::Look(offers));
    }

    pub(super) fn opened(&mut self, partitions: &[(Arc<Partition>, NextOffset)], now: Instant) {
        for (partition, from) in partitions {
            self.tracker.open_unaccounted(partition, *from);
            self.assigned.insert(partition.slot);
        }
        self.has_started = true;
        self.busy_at = now;
    }

    pub(super) fn known(&mut self, all: &[Known], now: Instant, actions: &mut Vec<Action>) {
        // A run that ends starts nothing more; what is wrong with an offer, the next run finds out.
        if self.admission.is_closed() {
            return;
        }
        let mut starts = Vec::new();
        let mut findings = Vec::new();
        for known in all {
            if let Some(offer) = self.withdrawn.remove(&known.slot) {
                self.let_go_of_missed(assigned(&offer, known), known, actions);
            }
            let Some(offer) = self.offers.remove(&known.slot) else { continue };
            let basis = if offer.committed.is_some() { Basis::Commit } else { Basis::Choice };
            match start::start(&offer, known, &self.start_options()) {
                StartDecision::At { at, fresh, finding } => {
                    let partition = assigned(&offer, known);
                    findings.extend(finding.map(|finding| incident(finding, &partition)));
                    self.open(&offer, &partition, at, fresh);
                    self.begin_detached(&partition, at, known, actions);
                    starts.push(Start { partition, at: StartAt::At(at), basis });
                }
                StartDecision::Held(finding) => {
                    let partition = assigned(&offer, known);
                    self.let_go_of_missed(Arc::clone(&partition), known, actions);
                    findings.push(held(&finding, &partition));
                    findings.push(incident(finding, &partition));
                    starts.push(Start { partition, at: StartAt::Held, basis });
                }
                StartDecision::Halt(finding) => {
                    let partition = assigned(&offer, known);
                    findings.push(incident(finding.clone(), &partition));
                    actions.push(Action::Journal(write(findings)));
                    return self.begin_drain(StopReason::Halt(Box::new(finding)), now, actions);
                }
                StartDecision::Refuse(refusal) => return self.give_up(StopReason::Refused(Box::new(refusal)), actions),
            }
        }
        self.has_started = true;
        self.assigned.extend(starts.iter().map(|start| start.partition.slot));
        self.had_any |= !starts.is_empty();
        self.busy_at = now;
        if !findings.is_empty() {
            actions.push(Action::Journal(write(findings)));
        }
        actions.push(Action::Assign(starts));
        // A member that joins may get nothing at first, until others have given back what it is to have.
        if self.options.conduct.until_end == UntilEnd::Yes && self.had_any {
            self.note_ends(actions);
        }
    }

    pub(super) fn open(&mut self, offer: &Offer, partition: &Arc<Partition>, at: NextOffset, fresh: Fresh) {
        self.tracker.open(partition, at, fresh);
        if self.options.conduct.until_end == UntilEnd::Yes {
            self.ends.set(offer.slot, at, offer.end);
        }
    }

    fn start_options(&self) -> StartOptions {
        StartOptions {
            journal_uuid: self.options.run.journal_uuid.clone(),
            on_gap: self.options.conduct.on_gap,
            on_truncation: self.options.conduct.on_truncation,
        }
    }

    pub(super) fn revoking(&mut self, mut slots: Vec<Slot>, now: Instant, actions: &mut Vec<Action>) {
        self.batches.flush(actions);
        slots.extend(self.leave_again(&slots, actions));
        self.forget_offers(&slots);
        self.drop_parked(|slot| slots.contains(&slot));
        let held = self.guard.take_of(|slot| slots.contains(&slot));
        self.abandon(held);
        self.give_up_held(|slot| slots.contains(&slot));
        self.each_shard(actions, || ToShard::LetGo(slots.clone()));
        self.revoked += 1;
        let deadline = now + self.options.conduct.drain_timeout;
        self.revocations.push(Revocation { number: self.revoked, slots, deadline, is_closing: false });
    }

    pub(super) fn is_revoking(&self, slot: Slot) -> bool {
        !self.revocations.is_empty() && self.revocations.iter().any(|revocation| revocation.slots.contains(&slot))
    }

    pub(super) fn lost(&mut self, slots: &[Slot], actions: &mut Vec<Action>) {
        self.forget_offers(slots);
        self.drop_parked(|slot| slots.contains(&slot));
        let held = self.guard.take_of(|slot| slots.contains(&slot));
        self.abandon(held);
        self.give_up_held(|slot| slots.contains(&slot));
        // A revocation of nothing but these is answered by this release.
        self.revocations.retain_mut(|revocation| {
            let was_empty = revocation.slots.is_empty();
            revocation.slots.retain(|slot| !slots.contains(slot));
            was_empty || revocation.slots.iter().any(|slot| !Self::is_slot_again(*slot))
        });
        let again = self.leave_again(slots, actions);
        self.each_shard(actions, || ToShard::Abandon([slots, &again].concat()));
        self.let_go(slots.to_vec(), actions);
    }

    /// What receivers missed of these slots is not read any more; returns under which slots it was.
    fn leave_again(&mut self, slots: &[Slot], actions: &mut Vec<Action>) -> Vec<Slot> {
        let again = self.reread_of(slots);
        if !again.is_empty() {
            actions.push(Action::LeaveAgain(again.clone()));
        }
        again
    }

    fn let_go(&mut self, mut slots: Vec<Slot>, actions: &mut Vec<Action>) {
        slots.retain(|slot| !Self::is_slot_again(*slot));
        self.forget_detached(&slots, actions);
        for slot in &slots {
            self.refusal_is_over(*slot, actions);
            self.assigned.remove(slot);
            self.standing.forget(*slot);
            self.tracker.close(*slot);
        }
        actions.push(Action::Release(slots));
    }

    pub(super) fn forget_offers(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.withdrawn.extend(self.offers.remove_entry(slot));
            self.ends.forget(*slot);
        }
    }

    /// Closes the revocations that are drained, or out of time.
    pub(super) fn drain_revocations(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let (mut drained, mut overdue) = (Vec::new(), Vec::new());
        for revocation in self.revocations.iter_mut().filter(|revocation| !revocation.is_closing) {
            let is_drained = revocation.slots.iter().all(|slot| self.tracker.is_drained(*slot));
            if !is_drained && now < revocation.deadline {
                continue;
            }
            if !is_drained {
                overdue.extend_from_slice(&revocation.slots);
            }
            revocation.is_closing = true;
            drained.push(Ticket::Revoke(revocation.number));
        }
        for ticket in drained {
            self.tell_last(ticket, actions);
        }
        if !overdue.is_empty() {
            self.each_shard(actions, || ToShard::Abandon(overdue.clone()));
        }
    }

    pub(super) fn give_back(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(at) = self.revocations.iter().position(|revocation| revocation.number == number) else { return };
        let revocation = self.revocations.swap_remove(at);
        self.let_go(revocation.slots, actions);
    }
}

fn assigned(offer: &Offer, known: &Known) -> Arc<Partition> {
    Arc::new(Partition {
        slot: offer.slot,
        topic: Arc::clone(&offer.topic),
        number: offer.partition,
        late_below: known.highest,
        debts: known.debts.clone(),
        suspects: known.suspects.clone(),
    })
}
