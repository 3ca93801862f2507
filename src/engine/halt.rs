//! A rule of the user halted the run: which one, at which record, and of what. That record is not settled, so it comes again.

use std::fmt;

use serde_json::json;

use crate::engine::ledger::{Incident, IncidentKey};
use crate::failure::{Stage, kept_line};
use crate::policy::{Facts, Rule};
use crate::record::{NextOffset, Offset, Record, Slot};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHalt {
    pub rule: String,
    /// File and line of the rule.
    pub rule_at: String,
    pub slot: Slot,
    pub topic: String,
    pub partition: i32,
    pub offset: Offset,
    /// `None`: it was not identified.
    pub event_type: Option<String>,
    pub stage: Stage,
    /// `None` before `Receive`.
    pub receiver: Option<String>,
    pub code: String,
    pub message: String,
}

impl RuleHalt {
    pub(super) fn new(rule: &Rule, record: &Record, facts: &Facts<'_>) -> Self {
        Self {
            rule: rule.name.clone(),
            rule_at: rule.place(),
            slot: record.slot(),
            topic: record.topic().to_owned(),
            partition: record.partition().number,
            offset: record.offset(),
            event_type: facts.event_type.map(|of| kept_line(of).into_owned()),
            stage: facts.stage,
            receiver: facts.receiver.map(str::to_owned),
            code: facts.code.to_owned(),
            message: kept_line(facts.message).into_owned(),
        }
    }

    /// `key`: of its kind and place.
    pub(super) fn incident(&self, key: IncidentKey) -> Incident {
        let Self { rule, rule_at, offset, event_type, stage, receiver, code, message, .. } = self;
        let data = json!({
            "rule": rule, "rule_at": rule_at, "stage": stage.as_str(), "code": code, "said": message, "type": event_type,
        });
        let key = IncidentKey { receiver: receiver.clone(), ..key };
        Incident { from: NextOffset::new(offset.get()), to: Some(offset.next()), data, ..Incident::new(key, self.to_string()) }
    }
}

impl fmt::Display for RuleHalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, rule_at, topic, partition, offset, stage, receiver, code, message, .. } = self;
        let of = receiver.as_ref().map_or_else(String::new, |receiver| format!(" of receiver {receiver}"));
        write!(f, "rule `{rule}` ({rule_at}) halts at {topic}/{partition}/{offset}: {}/{code}{of}: {message}", stage.as_str())
    }
}
