//! Items as JSON: the fields, their names and their order are the contract's; `schemas/` describes them.

use serde::Serialize;
use serde_json::Value;

use crate::cli::errors::{Decoded, DecodedJson};
use crate::cli::times;
use crate::codec::bytes::{BytesJson, HeaderJson};
use crate::journal::{AttemptItem, Bytes, FailureDetail, FailureItem, IncidentItem, Neighbour, ProgressItem};

/// A failure. What is skipped when it is `None` is only for one that is shown.
#[derive(Serialize)]
pub(super) struct FailureJson<'i> {
    id: i64,
    state: &'static str,
    replaying: bool,
    regressed: bool,
    cluster_id: &'i str,
    group: &'i str,
    topic: &'i str,
    topic_id: Option<&'i str>,
    partition: i32,
    offset: i64,
    leader_epoch: Option<i32>,
    timestamp: Option<String>,
    timestamp_type: &'static str,
    stage: &'static str,
    receiver: Option<&'i str>,
    class: &'static str,
    code: &'i str,
    message: &'i str,
    causes: &'i [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'i str>,
    fingerprint: &'i str,
    rule: Option<&'i str>,
    event: EventJson<'i>,
    key: Option<BytesJson<'i>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Option<ValueJson<'i>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<HeaderJson<'i>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<DecodedJson<'i>>,
    attempts: u32,
    first_failed_at: String,
    last_failed_at: String,
    resolved_at: Option<String>,
    resolved_by: Option<&'i str>,
    host: &'i str,
    client_id: &'i str,
    redrive_version: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_to: Option<&'i [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<AttemptJson<'i>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<AroundJson<'i>>,
}

#[derive(Serialize)]
struct EventJson<'i> {
    id: Option<&'i str>,
    source: Option<&'i str>,
    #[serde(rename = "type")]
    event_type: Option<&'i str>,
    time: Option<&'i str>,
}

/// A value that is not null.
#[derive(Serialize)]
#[serde(untagged)]
enum ValueJson<'i> {
    Bytes(BytesJson<'i>),
    /// The journal does not have them any more.
    Gone {
        size: u64,
        gone: bool,
    },
}

#[derive(Serialize)]
struct AttemptJson<'i> {
    attempt: u32,
    at: String,
    mode: &'static str,
    replay_id: Option<i64>,
    outcome: &'static str,
    class: Option<&'i str>,
    code: Option<&'i str>,
    message: Option<&'i str>,
    duration_ms: Option<i64>,
}

#[derive(Serialize)]
struct AroundJson<'i> {
    failures: Vec<NeighbourJson<'i>>,
    progress: Vec<ProgressJson>,
}

#[derive(Serialize)]
struct NeighbourJson<'i> {
    id: i64,
    offset: i64,
    stage: &'i str,
    receiver: Option<&'i str>,
    code: &'i str,
    state: &'static str,
    message: &'i str,
}

#[derive(Serialize)]
struct ProgressJson {
    run: i64,
    from_offset: i64,
    to_offset: i64,
    records: i64,
    delivered: i64,
    failed: i64,
    skipped: i64,
    deferred: i64,
    updated_at: String,
}

impl<'i> FailureJson<'i> {
    /// As a list has it.
    pub(super) fn listed(item: &'i FailureItem) -> Self {
        Self {
            id: item.id,
            state: item.state.as_str(),
            replaying: item.is_replaying,
            regressed: item.is_regressed,
            cluster_id: &item.cluster_id,
            group: &item.group,
            topic: &item.topic,
            topic_id: item.topic_uuid.as_deref(),
            partition: item.partition,
            offset: item.offset,
            leader_epoch: item.leader_epoch,
            timestamp: item.timestamp.rfc_3339(),
            timestamp_type: item.timestamp.kind.as_str(),
            stage: item.stage.as_str(),
            receiver: item.receiver.as_deref(),
            class: item.class.as_str(),
            code: &item.code,
            message: &item.message,
            causes: &item.causes,
            detail: None,
            fingerprint: &item.fingerprint,
            rule: item.rule.as_deref(),
            event: EventJson {
                id: item.event.id.as_deref(),
                source: item.event.source.as_deref(),
                event_type: item.event.event_type.as_deref(),
                time: item.event.time.as_deref(),
            },
            key: item.key.as_ref().map(|key| BytesJson::new(&key.0)),
            value: None,
            headers: None,
            decoded: None,
            attempts: item.attempts,
            first_failed_at: times::microsecond(item.first_failed_at_us),
            last_failed_at: times::microsecond(item.last_failed_at_us),
            resolved_at: item.settled_at_us.map(times::microsecond),
            resolved_by: item.settled_by.as_deref(),
            host: &item.host,
            client_id: &item.client_id,
            redrive_version: &item.redrive_version,
            delivered_to: None,
            history: None,
            around: None,
        }
    }

    /// With all that the journal has of it.
    pub(super) fn whole(failure: &'i FailureDetail) -> Self {
        let value = match (&failure.value, failure.value_size) {
            (Some(value), _) => Some(ValueJson::Bytes(BytesJson::new(&value.0))),
            (None, Some(size)) if failure.is_value_gone => Some(ValueJson::Gone { size, gone: true }),
            (None, _) => None,
        };
        let header =
            |(name, value): &'i (Bytes, Option<Bytes>)| HeaderJson::new(&name.0, value.as_ref().map(|value| value.0.as_slice()));
        Self {
            detail: Some(&failure.detail),
            value: Some(value),
            headers: Some(failure.headers.iter().map(header).collect()),
            delivered_to: Some(&failure.delivered_to),
            history: Some(failure.history.iter().map(AttemptJson::of).collect()),
            ..Self::listed(&failure.item)
        }
    }

    /// With what its bytes mean.
    pub(super) fn decoded(self, decoded: &'i Decoded) -> Self {
        Self { decoded: decoded.json(), ..self }
    }

    /// With what lies around it in its partition.
    pub(super) fn around(self, failures: &'i [Neighbour], progress: &[ProgressItem]) -> Self {
        let failures = failures.iter().map(NeighbourJson::of).collect();
        Self { around: Some(AroundJson { failures, progress: progress.iter().map(ProgressJson::of).collect() }), ..self }
    }
}

impl<'i> AttemptJson<'i> {
    fn of(attempt: &'i AttemptItem) -> Self {
        Self {
            attempt: attempt.number,
            at: times::microsecond(attempt.at_us),
            mode: attempt.mode(),
            replay_id: attempt.replay_id,
            outcome: attempt.outcome(),
            class: attempt.class.as_deref(),
            code: attempt.code.as_deref(),
            message: attempt.message.as_deref(),
            duration_ms: attempt.duration_us.map(|us| us / 1_000),
        }
    }
}

impl<'i> NeighbourJson<'i> {
    fn of(near: &'i Neighbour) -> Self {
        let Neighbour { id, offset, stage, receiver, code, state, message } = near;
        Self { id: *id, offset: *offset, stage, receiver: receiver.as_deref(), code, state: state.as_str(), message }
    }
}

impl ProgressJson {
    fn of(progress: &ProgressItem) -> Self {
        let ProgressItem { run, from, to, records, delivered, failed, skipped, deferred, updated_at_us } = *progress;
        let updated_at = times::microsecond(updated_at_us);
        Self { run, from_offset: from, to_offset: to, records, delivered, failed, skipped, deferred, updated_at }
    }
}

/// An incident.
#[derive(Serialize)]
pub(super) struct IncidentJson<'i> {
    id: i64,
    kind: &'i str,
    state: &'static str,
    group: &'i str,
    topic: Option<&'i str>,
    partition: Option<i32>,
    from_offset: Option<i64>,
    to_offset: Option<i64>,
    receiver: Option<&'i str>,
    message: &'i str,
    data: &'i Value,
    count: u64,
    first_at: String,
    last_at: String,
    ended_at: Option<String>,
}

impl<'i> IncidentJson<'i> {
    pub(super) fn of(item: &'i IncidentItem) -> Self {
        Self {
            id: item.id,
            kind: &item.kind,
            state: item.state.as_str(),
            group: &item.group,
            topic: item.topic.as_deref(),
            partition: item.partition,
            from_offset: item.from_offset,
            to_offset: item.to_offset,
            receiver: item.receiver.as_deref(),
            message: &item.message,
            data: &item.data,
            count: item.count,
            first_at: times::microsecond(item.first_at_us),
            last_at: times::microsecond(item.last_at_us),
            ended_at: item.ended_at_us.map(times::microsecond),
        }
    }
}
