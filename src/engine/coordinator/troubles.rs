//! Troubles of the consumer itself: each becomes an incident.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::engine::coordinator::{Coordinator, write};
use crate::engine::guard::NothingWorks;
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
                let incident = Incident { key, from: None, to: None, message, data: Value::Null };
                actions.push(Action::Journal(write(vec![Entry::Incident(incident)])));
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
        match self.options.on_gap {
            OnGap::Earliest => {
                let start = Start { partition, at: StartAt::At(low), basis: Basis::Gap };
                actions.push(Action::Assign(vec![start]));
            }
            OnGap::Halt => self.begin_drain(StopReason::Halt(Box::new(finding)), now, actions),
        }
    }

    pub(super) fn nothing_works(&mut self, found: Box<NothingWorks>, actions: &mut Vec<Action>) {
        let NothingWorks { topic, stage, codes, sample, message } = &*found;
        let advice = found.advice();
        let incident = Incident {
            key: IncidentKey::of(IncidentKind::NothingWorks),
            from: None,
            to: None,
            message: format!("{found}; {advice}"),
            data: json!({ "topic": topic, "stage": stage.as_str(), "codes": codes, "sample": sample, "said": message, "advice": advice }),
        };
        actions.push(Action::Journal(write(vec![Entry::Incident(incident)])));
        self.give_up(StopReason::Guard(found), actions);
    }
}

pub(super) fn incident(finding: Finding, partition: &Arc<Partition>) -> Entry {
    let Finding { kind, from, to, message, data } = finding;
    Entry::Incident(Incident { key: IncidentKey::at(kind, partition), from, to, message, data })
}

/// A held partition lasts until somebody decides: that is an incident of its own.
pub(super) fn held(finding: &Finding, partition: &Arc<Partition>) -> Entry {
    Entry::Incident(Incident {
        key: IncidentKey::at(IncidentKind::PartitionHeld, partition),
        from: finding.from,
        to: finding.to,
        message: format!("{}/{} is held, the other partitions go on: {}", partition.topic.name, partition.number, finding.message),
        data: json!({ "because": finding.kind.as_str() }),
    })
}
