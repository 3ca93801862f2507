//! Troubles of the consumer itself: each becomes an incident.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::engine::coordinator::{Coordinator, Phase, write};
use crate::engine::guard::NothingWorks;
use crate::engine::halt::RuleHalt;
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::engine::report::{Action, StopReason};
use crate::engine::source::{Basis, Gap, Notice, Start, StartAt};
use crate::engine::start::{self, Finding, OnGap, Place};
use crate::record::Partition;

impl Coordinator {
    pub(super) fn notice(&mut self, notice: Notice, now: Instant, actions: &mut Vec<Action>) {
        let key = IncidentKey::of(IncidentKind::BrokerAway);
        match notice {
            Notice::BrokerAway(message) => {
                actions.push(Action::Journal(write(vec![Entry::Incident(Incident::new(key, message))])));
            }
            Notice::BrokerBack => actions.push(Action::Journal(write(vec![Entry::IncidentEnded(key)]))),
            Notice::Gap(gap) => self.gap(&gap, now, actions),
        }
    }

    /// Records were deleted under the consumer.
    pub(super) fn gap(&mut self, gap: &Gap, now: Instant, actions: &mut Vec<Action>) {
        let Gap { slot, expected, low } = *gap;
        let Some(partition) = self.tracker.partition(slot).cloned() else { return };
        let finding = start::gap(&Place { topic: partition.topic.name.clone(), partition: partition.number }, expected, low);
        actions.push(Action::Journal(write(vec![incident(finding.clone(), &partition)])));
        match self.options.conduct.on_gap {
            OnGap::Earliest => {
                let start = Start { partition, at: StartAt::At(low), basis: Basis::Gap };
                actions.push(Action::Assign(vec![start]));
            }
            OnGap::Halt => self.begin_drain(StopReason::Halt(Box::new(finding)), now, actions),
        }
    }

    /// A rule ends the run, unless it ends already: then its record is read again all the same.
    pub(super) fn halted(&mut self, halt: Box<RuleHalt>, now: Instant, actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Running | Phase::Draining { deadline: None, .. }) {
            return;
        }
        let at = |partition| IncidentKey::at(IncidentKind::Halt, partition);
        let key = self.tracker.partition(halt.slot).map_or_else(|| IncidentKey::of(IncidentKind::Halt), at);
        actions.push(Action::Journal(write(vec![Entry::Incident(halt.incident(key))])));
        self.begin_drain(StopReason::HaltRule(halt), now, actions);
    }

    pub(super) fn nothing_works(&mut self, found: Box<NothingWorks>, actions: &mut Vec<Action>) {
        let NothingWorks { topic, stage, codes, at, sample, message, .. } = &*found;
        let advice = found.advice(&self.options.conduct.type_from);
        let partition = at.and_then(|slot| self.tracker.partition(slot));
        let key = partition.map(|partition| IncidentKey::at(IncidentKind::NothingWorks, partition));
        let incident = Incident {
            data: json!({ "topic": topic, "stage": stage.as_str(), "codes": codes, "sample": sample, "said": message, "advice": advice }),
            ..Incident::new(key.unwrap_or_else(|| IncidentKey::of(IncidentKind::NothingWorks)), format!("{found}; {advice}"))
        };
        actions.push(Action::Journal(write(vec![Entry::Incident(incident)])));
        self.give_up(StopReason::Guard(found), actions);
    }
}

pub(super) fn incident(finding: Finding, partition: &Arc<Partition>) -> Entry {
    let Finding { kind, from, to, message, data } = finding;
    Entry::Incident(Incident { from, to, data, ..Incident::new(IncidentKey::at(kind, partition), message) })
}

/// A held partition lasts until somebody decides: that is an incident of its own.
pub(super) fn held(finding: &Finding, partition: &Arc<Partition>) -> Entry {
    let key = IncidentKey::at(IncidentKind::PartitionHeld, partition);
    let message = format!("{partition} is held, the other partitions go on: {}", finding.message);
    let data = json!({ "because": finding.kind.as_str() });
    Entry::Incident(Incident { from: finding.from, to: finding.to, data, ..Incident::new(key, message) })
}
