//! Failures and incidents for tests of screens: nothing in them depends on the clock or the machine.

use serde_json::json;

use crate::cli::hint::Journal;
use crate::engine::detached::Range;
use crate::event::EventFacts;
use crate::failure::{Class, Stage};
use crate::journal::{
    AttemptItem, Bytes, FailureDetail, FailureItem, FailureState, IncidentItem, IncidentState, MissedInAll, Neighbour, ProgressItem,
};
use crate::record::{NextOffset, Timestamp, TimestampKind};

/// 2026-11-23T14:05:02.003Z
const AT_US: i64 = 1_795_442_702_003_000;
pub(super) const JOURNAL: Journal<'_> =
    Journal { program: "redrive", path: "./redrive.db", id: "7c1f09aa-0000-4000-8000-000000000000" };

/// Of partition 3 of `orders`.
pub(super) fn missed_by(receiver: &str, ranges: u64, events: u64) -> MissedInAll {
    let at = |offset| NextOffset::new(offset).unwrap_or(NextOffset::ZERO);
    let first = ("orders".to_owned(), 3, Range { from: at(1_220), to: at(1_300) });
    MissedInAll { group: "shop".to_owned(), receiver: receiver.to_owned(), ranges, events, first }
}

pub(super) fn failure(id: i64) -> FailureItem {
    FailureItem {
        id,
        state: FailureState::Open,
        is_replaying: false,
        is_regressed: false,
        cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
        group: "shop".into(),
        topic: "orders".into(),
        topic_uuid: Some("GivPxHS0T4Sx-9eBCxOXOQ".into()),
        partition: 3,
        offset: 1_301,
        leader_epoch: Some(4),
        timestamp: Timestamp { ms: Some(AT_US / 1_000 - 883), kind: TimestampKind::Create },
        stage: Stage::Receive,
        receiver: Some("billing".into()),
        class: Class::Permanent,
        code: "http_422".into(),
        message: "order has no total".into(),
        causes: vec!["422 Unprocessable Content".into()],
        fingerprint: "9f2c41d0a86d4f8b9f2c41d0a86d4f8b".into(),
        rule: None,
        event: EventFacts {
            id: Some("0f5c".into()),
            source: Some("/shop/web".into()),
            event_type: Some("order.placed".into()),
            time: Some("2026-11-23T14:05:01Z".into()),
        },
        key: Some(Bytes(b"A-1301".to_vec())),
        attempts: 1,
        first_failed_at_us: AT_US,
        last_failed_at_us: AT_US,
        settled_at_us: None,
        settled_by: None,
        host: "shop-0".into(),
        client_id: "shop".into(),
        redrive_version: "0.1.0".into(),
    }
}

/// A failure as a user meets it, one before the receivers, one with long names, and one whose every text is hostile.
pub(super) fn failures() -> Vec<FailureItem> {
    let decode = FailureItem {
        partition: 7,
        offset: 977,
        stage: Stage::Decode,
        receiver: None,
        class: Class::Consumer,
        code: "unknown_schema".into(),
        message: "schema 412 is not in the registry http://registry.internal:8081, which answered 404".into(),
        last_failed_at_us: AT_US - 4_000_000,
        ..failure(9_430)
    };
    let long = FailureItem {
        topic: "production.eu-west-1.customer-orders.v2".into(),
        partition: 127,
        offset: 98_765_432_109,
        receiver: Some("warehouse-stock-reservation".into()),
        class: Class::Transient,
        code: "process_died".into(),
        attempts: 1_204,
        message: "注文が処理できませんでした: the worker was killed by signal 9 while it held this event".into(),
        event: EventFacts { event_type: Some("com.example.customer.order.placed.v2".into()), ..EventFacts::default() },
        last_failed_at_us: AT_US - 86_400_000_000,
        ..failure(9_429)
    };
    let hostile = FailureItem {
        receiver: Some("audit".into()),
        class: Class::Unknown,
        code: "failed".into(),
        message: "\u{1b}[2J\u{1b}]0;owned\u{7}first line\nsecond \u{202e}line\u{202c} pay\u{200b}pal \u{9b}31m".into(),
        event: EventFacts { event_type: Some("order\u{1b}[31m.placed\r\n".into()), ..EventFacts::default() },
        state: FailureState::Resolved,
        ..failure(17)
    };
    vec![failure(9_431), decode, long, hostile]
}

pub(super) fn detail() -> FailureDetail {
    let item = failure(9_431);
    let attempt = AttemptItem {
        number: 1,
        at_us: AT_US,
        replay_id: None,
        is_delivered: false,
        class: Some("permanent".into()),
        code: Some("http_422".into()),
        message: Some(item.message.clone()),
        duration_us: Some(12_345),
    };
    let text = |text: &str| Bytes(text.as_bytes().to_vec());
    FailureDetail {
        item,
        detail: "{\"error\":\"order has no total\",\"order\":\"A-1301\"}".into(),
        headers: vec![
            (text("ce_type"), Some(text("order.placed"))),
            (text("ce_id"), Some(text("0f5c"))),
            (text("traceparent"), None),
        ],
        value: Some(text(r#"{"order":"A-1301","items":[{"sku":"X1","count":2}],"total":null}"#)),
        value_size: Some(64),
        is_value_gone: false,
        delivered_to: vec!["audit".into()],
        history: vec![attempt],
        alike: 9_412,
        alike_since_us: AT_US - 42_600_000_000,
        receiver_definition: Some(json!({ "target": "http://127.0.0.1:8080/events", "retries": 2 })),
    }
}

/// A failure with more than one attempt, in which every byte that can come from outside is hostile.
pub(super) fn hostile() -> FailureDetail {
    const EVIL: &str = "\u{1b}[2Jevil\u{7}\u{202e}txt\u{200b}\n\tnext";
    let whole = detail();
    let attempt = |number: u32, is_delivered| AttemptItem {
        number,
        at_us: AT_US + i64::from(number) * 1_000_000,
        replay_id: (number > 1).then_some(3),
        is_delivered,
        message: (!is_delivered).then(|| EVIL.to_owned()),
        code: (!is_delivered).then(|| "failed".to_owned()),
        ..whole.history[0].clone()
    };
    let evil = || Some(EVIL.to_owned());
    FailureDetail {
        item: FailureItem {
            state: FailureState::Resolved,
            settled_at_us: Some(AT_US + 60_000_000),
            settled_by: Some("replay".into()),
            is_regressed: true,
            attempts: 120,
            cluster_id: EVIL.into(),
            client_id: EVIL.into(),
            causes: vec![EVIL.into()],
            event: EventFacts { id: evil(), source: evil(), event_type: evil(), time: evil() },
            key: Some(Bytes(b"\x00key\xff".to_vec())),
            timestamp: Timestamp { ms: Some(i64::MAX), kind: TimestampKind::Create },
            message: "the last one".into(),
            ..whole.item
        },
        detail: EVIL.into(),
        headers: vec![
            (Bytes(b"\xff\x1b[0m".to_vec()), Some(Bytes(EVIL.as_bytes().to_vec()))),
            (Bytes(Vec::new()), Some(Bytes(Vec::new()))),
        ],
        value: Some(Bytes(b"\x1b[2J\x00\xff binary".to_vec())),
        delivered_to: vec!["audit".into(), "search".into()],
        history: vec![attempt(1, false), attempt(2, false), attempt(3, true)],
        receiver_definition: Some(json!({ "function": EVIL })),
        ..whole
    }
}

pub(super) fn around() -> (Vec<Neighbour>, Vec<ProgressItem>) {
    let near = |id, offset, message: &str| Neighbour {
        id,
        offset,
        stage: "receive".into(),
        receiver: Some("billing".into()),
        code: "http_422".into(),
        state: FailureState::Open,
        message: message.into(),
    };
    let failures =
        vec![near(9_420, 1_290, "order has no total"), near(9_431, 1_301, "order has no total"), near(9_440, 1_302, "\u{7}")];
    let progress = ProgressItem {
        run: 12,
        from: 1_200,
        to: 1_350,
        records: 150,
        delivered: 140,
        failed: 8,
        skipped: 2,
        deferred: 0,
        updated_at_us: AT_US + 2_000_000,
    };
    (failures, vec![progress])
}

pub(super) fn incident(id: i64) -> IncidentItem {
    IncidentItem {
        id,
        kind: "gap".into(),
        state: IncidentState::Open,
        group: "shop".into(),
        topic: Some("orders".into()),
        partition: Some(4),
        from_offset: Some(1_200),
        to_offset: Some(1_350),
        receiver: None,
        message: "150 offsets were lost to retention before the group read them".into(),
        data: json!({}),
        count: 1,
        first_at_us: AT_US,
        last_at_us: AT_US,
        ended_at_us: None,
    }
}

pub(super) fn incidents() -> Vec<IncidentItem> {
    let away = IncidentItem {
        kind: "broker_away".into(),
        state: IncidentState::Ended,
        topic: None,
        partition: None,
        from_offset: None,
        to_offset: None,
        message: "broker localhost:9092: \u{1b}[31mconnection refused\n".into(),
        data: json!({ "brokers": ["localhost:9092"] }),
        count: 31,
        first_at_us: AT_US - 60_000_000,
        ended_at_us: Some(AT_US + 1_000_000),
        ..incident(2)
    };
    vec![incident(3), away]
}
