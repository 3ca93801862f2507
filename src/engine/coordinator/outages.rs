//! Receivers that are down: one incident that counts, gates that close and open, and one delivery at a time that asks.

use std::time::Instant;

use serde_json::json;

use crate::engine::coordinator::{Coordinator, write};
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::engine::report::{Action, Dispatch, FoundDown, Gate, Signal, ToShard};
use crate::receiver::OnOutage;
use crate::record::ReceiverIx;

/// A receiver that is down is asked so often with what it missed of one partition before it is asked with another one's.
const TIMES_WITH_ONE: u32 = 3;

/// A receiver, as far as the coordinator is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub on_outage: OnOutage,
}

impl Coordinator {
    pub(super) fn signal(&mut self, receiver: ReceiverIx, signal: Signal, now: Instant, actions: &mut Vec<Action>) {
        match signal {
            Signal::Down(found) => self.fell(receiver, &found, now, actions),
            Signal::StillDown(found) => {
                let times = self.outages.is_still_down(receiver, found.quiet, now);
                self.tell_outage(receiver, &found, actions);
                // Perhaps it is only that record.
                if times.is_multiple_of(TIMES_WITH_ONE) {
                    self.ask_with_another(receiver, actions);
                }
            }
            Signal::NobodyToAsk => self.outages.nobody_asked(receiver, self.options.shards, now),
            Signal::Up => self.rose(receiver, actions),
        }
    }

    fn fell(&mut self, receiver: ReceiverIx, found: &FoundDown, now: Instant, actions: &mut Vec<Action>) {
        let Some(on_outage) = self.receiver(receiver).map(|of| of.on_outage) else { return };
        match on_outage {
            OnOutage::Journal => drop(self.outages.fell_unasked(receiver)),
            OnOutage::Wait | OnOutage::Defer if self.outages.fell(receiver, found.quiet, now) => {
                self.each_shard(actions, || ToShard::Gate(receiver, Gate::Held));
                if on_outage == OnOutage::Defer {
                    self.detach(receiver, actions);
                }
            }
            OnOutage::Wait | OnOutage::Defer => {}
        }
        self.tell_outage(receiver, found, actions);
    }

    fn rose(&mut self, receiver: ReceiverIx, actions: &mut Vec<Action>) {
        if !self.outages.rose(receiver) {
            return;
        }
        self.each_shard(actions, || ToShard::Gate(receiver, Gate::Open));
        let key = self.receiver(receiver).map(|of| down(&of.name));
        actions.extend(key.map(|key| Action::Journal(write(vec![Entry::IncidentEnded(key)]))));
    }

    fn tell_outage(&self, receiver: ReceiverIx, found: &FoundDown, actions: &mut Vec<Action>) {
        let Some(Named { name, on_outage }) = self.receiver(receiver) else { return };
        let FoundDown { count, code, message, quiet, rule } = found;
        let by_rule = rule.as_ref().map_or_else(String::new, |rule| format!("; rule `{rule}`"));
        let left_alone = quiet.map_or_else(String::new, |quiet| format!("; it asks to be left alone for {}s", quiet.as_secs()));
        let then = match on_outage {
            OnOutage::Defer => "its events are deferred, the others go on",
            OnOutage::Wait => "its events wait for it",
            OnOutage::Journal => "each of its events is a failure in the journal",
        };
        let incident = Incident {
            data: json!({ "code": code.as_str(), "on_outage": on_outage.as_str(), "rule": rule, "retry_after_s": quiet.map(|of| of.as_secs()) }),
            count: *count,
            ..Incident::new(down(name), format!("receiver {name} is down ({code}: {message}{by_rule}); {then}{left_alone}"))
        };
        actions.push(Action::Journal(write(vec![Entry::Incident(incident)])));
    }

    /// Lets those ask whose time has come.
    pub(super) fn ask_receivers(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let due = self.outages.due(now).into_iter();
        actions.extend(due.map(|(receiver, shard)| Action::Dispatch(shard, Dispatch(ToShard::Probe(receiver)))));
    }

    pub(super) fn receiver(&self, receiver: ReceiverIx) -> Option<&Named> {
        self.options.receivers.get(usize::from(receiver.0))
    }
}

fn down(name: &str) -> IncidentKey {
    IncidentKey { receiver: Some(name.to_owned()), ..IncidentKey::of(IncidentKind::ReceiverDown) }
}
