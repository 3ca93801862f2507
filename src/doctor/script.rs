//! The script of exchanges for workers: well formed events, and hostile ones, as a topic may hold them.
//!
//! The events go the way of all records, through `identify` and `decode`, so a worker gets what `consume` would hand it.

use std::sync::Arc;

use crate::codec::naming::Frames;
use crate::event::Event;
use crate::receiver::{Address, Delivery, Exchange, Mode, Needs};
use crate::record::{
    Arena, Debts, HeadersBuf, Meant, NextOffset, Offset, Partition, RawRecord, Seq, Slot, Suspects, Timestamp, TimestampKind, Topic,
};
use crate::stage::{Format, Manner, TypeFrom, decode, identify};

/// Where the events are said to come from: no topic of anybody's.
pub(super) const TOPIC: &str = "redrive-doctor";
/// 2026-01-01T00:00:00Z
const AT_MS: i64 = 1_767_225_600_000;
/// From this offset on records are not late.
const LATE_BELOW: i64 = 1_000;
const LARGE: usize = 1024 * 1024;
const LONG_HEADER: usize = 64 * 1024;
/// Below the 64 levels at which `decode` gives up.
const DEEP: usize = 60;
/// At most so many are handed over at once.
const MOST_AT_ONCE: usize = 64;

/// One event of the script.
struct Scene {
    name: &'static str,
    /// What follows `redrive.doctor.` in its type.
    event_type: &'static str,
    headers: Vec<(&'static str, Option<Vec<u8>>)>,
    key: Option<&'static [u8]>,
    value: Option<Vec<u8>>,
    attempt: u32,
    mode: Mode,
    offset: Place,
}

/// Where a scene's record lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Next,
    /// Where the one before it lay: it is delivered again.
    Same,
    Late,
}

impl Scene {
    fn json(name: &'static str, event_type: &'static str, value: &str) -> Self {
        Self {
            name,
            event_type,
            headers: Vec::new(),
            key: Some(b"redrive-doctor"),
            value: Some(value.as_bytes().to_vec()),
            attempt: 1,
            mode: Mode::Live,
            offset: Place::Next,
        }
    }

    fn bytes(name: &'static str, event_type: &'static str, value: Option<Vec<u8>>) -> Self {
        Self { value, ..Self::json(name, event_type, "") }
    }
}

/// The whole script. `window`: deliveries that the worker may hold at once.
pub(super) fn exchanges(group: &str, receiver: &str, window: usize) -> Vec<Exchange> {
    let to = Arc::new(Address { group: group.to_owned(), receiver: receiver.to_owned() });
    let mut stage = Stage { to, partition: partition(), next: LATE_BELOW, last: LATE_BELOW };
    let mut exchanges: Vec<Exchange> = Vec::new();
    for scene in well_formed().into_iter().chain(hostile()) {
        let deliveries = stage.delivery(&scene).into_iter().collect();
        exchanges.push(Exchange { name: scene.name.to_owned(), deliveries });
    }
    let at_once = window.min(MOST_AT_ONCE);
    if at_once > 1 {
        let scene = Scene::json("", "order", ORDER);
        let deliveries = (0..at_once).filter_map(|_| stage.delivery(&scene)).collect();
        exchanges.push(Exchange { name: format!("{at_once} at once, answered in any order"), deliveries });
    }
    exchanges
}

const ORDER: &str = r#"{"id":"redrive-doctor","total_cents":100,"lines":[{"sku":"a","count":1}]}"#;

fn well_formed() -> Vec<Scene> {
    let json = |name, event_type, value| Scene::json(name, event_type, value);
    vec![
        json("JSON data", "order", ORDER),
        Scene { attempt: 2, offset: Place::Same, ..json("a second attempt, same deliveryid", "order", ORDER) },
        Scene { mode: Mode::Replay(1), offset: Place::Same, ..json("a replay of it, same deliveryid", "order", ORDER) },
        Scene { offset: Place::Late, ..json("late", "order", ORDER) },
        Scene::bytes("bytes, in data_base64", "bytes", Some(vec![0, 159, 146, 150, 255])),
        Scene::bytes("a tombstone, without data", "deleted", None),
        Scene::bytes("an empty value", "empty", Some(Vec::new())),
        json("unicode", "order", r#"{"id":"réd-ö-日本-🚚\u0000\u2028","name":"\ud83d\ude9a"}"#),
        Scene { headers: plain(), key: None, ..json("source and time made up, no key", "order", ORDER) },
        Scene { headers: extended(), ..json("more attributes and headers", "order", ORDER) },
        Scene::bytes("1 MiB of data", "large", Some(format!("\"{}\"", "x".repeat(LARGE)).into_bytes())),
    ]
}

fn hostile() -> Vec<Scene> {
    let json = |name, event_type, value| Scene::json(name, event_type, value);
    let long = vec![("long", Some("x".repeat(LONG_HEADER).into_bytes()))];
    vec![
        json("a type that it does not know", "unknown.\u{1f4a5}", ORDER),
        json("data of another shape: a list", "order", "[1,null,[]]"),
        json("data of another shape: null", "order", "null"),
        json("data of another shape: a text", "order", "\"order\""),
        Scene { headers: long, ..json("a header of 64 KiB", "order", ORDER) },
        Scene { headers: odd(), ..json("headers without value, twice, not UTF-8", "order", ORDER) },
        Scene::bytes("JSON 60 levels deep", "deep", Some([vec![b'['; DEEP], vec![b']'; DEEP]].concat())),
        json("numbers at the limits", "numbers", NUMBERS),
        json("names that are there twice", "order", r#"{"id":"a","id":"b","":null,"__proto__":{"x":1}}"#),
    ]
}

const NUMBERS: &str = "[9223372036854775807,-9223372036854775808,18446744073709551616,1e308,-1e-308,0.1,-0,\
                       123456789012345678901234567890.123456789]";

/// An id and nothing else.
fn plain() -> Vec<(&'static str, Option<Vec<u8>>)> {
    vec![("ce_source", None)]
}

fn extended() -> Vec<(&'static str, Option<Vec<u8>>)> {
    let header = |name, value: &str| (name, Some(value.as_bytes().to_vec()));
    vec![
        header("ce_subject", "a subject"),
        header("ce_time", "2026-01-01T00:00:00.123456789+05:45"),
        header("content-type", "application/vnd.redrive+json"),
        header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ]
}

fn odd() -> Vec<(&'static str, Option<Vec<u8>>)> {
    vec![("twice", Some(b"1".to_vec())), ("twice", None), ("", Some(Vec::new())), ("bytes", Some(vec![255, 0, 10]))]
}

/// Makes deliveries of scenes, one record after the other.
struct Stage {
    to: Arc<Address>,
    partition: Arc<Partition>,
    next: i64,
    last: i64,
}

impl Stage {
    fn delivery(&mut self, scene: &Scene) -> Option<Delivery> {
        let at = match scene.offset {
            Place::Same => self.last,
            Place::Late => LATE_BELOW - 1,
            Place::Next => {
                self.next += 1;
                self.next
            }
        };
        self.last = at;
        let event = self.event(scene, at)?;
        Some(Delivery { event, attempt: scene.attempt, mode: scene.mode, to: Arc::clone(&self.to), noting: None })
    }

    fn event(&self, scene: &Scene, at: i64) -> Option<Event> {
        let mut headers = HeadersBuf::default();
        headers.push(b"ce_type", Some(format!("redrive.doctor.{}", scene.event_type).as_bytes()));
        headers.push(b"ce_id", Some(format!("doctor-{at}").as_bytes()));
        if !scene.headers.iter().any(|(name, _)| *name == "ce_source") {
            headers.push(b"ce_source", Some(b"/redrive/doctor"));
        }
        let more = scene.headers.iter().filter(|(name, _)| *name != "ce_source");
        more.for_each(|(name, value)| headers.push(name.as_bytes(), value.as_deref()));
        let raw = RawRecord {
            slot: self.partition.slot,
            offset: Offset::new(at)?,
            leader_epoch: Some(0),
            timestamp: Timestamp { ms: Some(AT_MS), kind: TimestampKind::Create },
            key: scene.key,
            value: scene.value.as_deref(),
            headers: headers.finish(),
            meant: Meant::ALL,
        };
        let mut arena = Arena::default();
        arena.push(&raw, &self.partition, Seq(0), 0);
        let event = identify(&arena.freeze().next()?, &TypeFrom::CloudEvents).ok()?;
        // Bytes that are no JSON are handed on as bytes, as with `--format raw`.
        let read = |event, format| decode(event, Manner { needs: Needs::ValidJson, format, frames: Frames::Ignored }, |_, _| None);
        read(event.clone(), Format::Json).or_else(|_| read(event, Format::Raw)).ok()?.ready()
    }
}

fn partition() -> Arc<Partition> {
    let topic = Topic { cluster_id: TOPIC.to_owned(), name: TOPIC.to_owned(), uuid: None };
    Arc::new(Partition {
        slot: Slot { index: 0, epoch: 1 },
        topic: Arc::new(topic),
        number: 0,
        late_below: NextOffset::new(LATE_BELOW).unwrap_or(NextOffset::ZERO),
        debts: Debts::default(),
        suspects: Suspects::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_is_an_event_of_ours() {
        for exchange in exchanges("shop", "billing", 8) {
            let expected = if exchange.name.starts_with("8 at once") { 8 } else { 1 };
            assert_eq!(exchange.deliveries.len(), expected, "{}", exchange.name);
            for Delivery { event, .. } in exchange.deliveries {
                assert!(event.event_type().starts_with("redrive.doctor."), "{}", exchange.name);
                assert_eq!(event.record().topic(), TOPIC);
            }
        }
    }

    #[test]
    fn one_at_a_time_where_the_window_is_one() {
        assert!(exchanges("shop", "billing", 1).iter().all(|exchange| exchange.deliveries.len() == 1));
    }

    #[test]
    fn scenes_show_what_they_say() {
        let all = exchanges("shop", "billing", 1);
        let of = |name: &str| &all.iter().find(|exchange| exchange.name.starts_with(name)).unwrap().deliveries[0];
        assert!(of("late").event.record().is_late() && !of("JSON data").event.record().is_late());
        assert_eq!(of("a second attempt").event.record().offset(), of("JSON data").event.record().offset());
        assert_eq!((of("a tombstone").event.data(), of("an empty value").event.data()), (None, Some(&b""[..])));
        assert_eq!(of("source and time").event.synthesized().collect::<Vec<_>>(), ["source", "time"]);
        assert!(of("1 MiB").event.data().unwrap().len() > LARGE);
    }
}
