//! The event that is produced in Avro: an order of a shop, with its customer as a record of its own, of exactly [`BYTES`] with its frame.

use std::iter::repeat_n;

use serde::{Deserialize, Serialize};
use serde_avro_fast::ser::SerializerConfig;
use serde_avro_fast::{Schema, from_datum_slice, to_datum};

use super::loops::transcode;
use crate::Result;
use crate::event::KEYS;
use crate::support::Sample;
use crate::topic::PARTITIONS;

pub(crate) const BYTES: usize = 300;
/// Before each value: 0x00 and the number of its schema.
pub(crate) const FRAME: [u8; 5] = [0, 0, 0, 0, 7];

pub(crate) const SCHEMA: &str = r#"{"type":"record","name":"OrderPlaced","namespace":"shop","fields":[
{"name":"id","type":"string"},{"name":"placed_at","type":"string"},{"name":"total_cents","type":"long"},
{"name":"currency","type":"string"},{"name":"is_gift","type":"boolean"},
{"name":"customer","type":{"type":"record","name":"Customer","fields":[
{"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"email","type":"string"},
{"name":"language","type":["null","string"]},{"name":"latitude","type":"double"}]}},
{"name":"tags","type":{"type":"array","items":"string"}},{"name":"coupon","type":["null","string"]},{"name":"note","type":"string"}]}"#;

/// Everything that an event says; texts are those in its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order<'e> {
    id: &'e str,
    placed_at: &'e str,
    total_cents: i64,
    currency: &'e str,
    is_gift: bool,
    #[serde(borrow)]
    customer: Customer<'e>,
    #[serde(borrow)]
    tags: Vec<&'e str>,
    coupon: Option<&'e str>,
    note: &'e str,
}

#[derive(Debug, Serialize, Deserialize)]
struct Customer<'e> {
    id: i64,
    name: &'e str,
    email: &'e str,
    language: Option<&'e str>,
    latitude: f64,
}

/// The event of this number. Keys and partitions are those of the events in JSON.
pub(crate) fn sample(number: u64) -> Sample {
    let key = number.wrapping_mul(7_919) % KEYS;
    let partition = i32::try_from(key % u64::from(PARTITIONS)).unwrap_or_default();
    Sample::event("order.placed", &format!("{number:016x}"), value(number, key))
        .header("ce_time", "2026-11-23T05:00:00.123Z")
        .header("content-type", "application/avro")
        .key(format!("customer-{key}"))
        .to(partition)
}

/// Empty when it cannot be encoded, which [`check`] finds.
fn value(number: u64, key: u64) -> Vec<u8> {
    let Ok(schema) = SCHEMA.parse::<Schema>() else { return Vec::new() };
    let encoded = |note: &str| {
        let (id, email) = (format!("A-{number:010}"), format!("ada{key}@shop.example"));
        let order = Order {
            id: &id,
            placed_at: "2026-11-23T05:00:00.123Z",
            total_cents: (1_990 + number % 50_000).cast_signed(),
            currency: "EUR",
            is_gift: false,
            customer: Customer {
                id: key.cast_signed(),
                name: "Ada Example",
                email: &email,
                language: Some("en"),
                latitude: 52.3702,
            },
            tags: vec!["new", "blue"],
            coupon: None,
            note,
        };
        to_datum(&order, FRAME.to_vec(), &mut SerializerConfig::new(&schema)).unwrap_or_default()
    };
    // A note of 64 and more takes a second byte for its length, as the empty one does not.
    let room = (BYTES - 1).saturating_sub(encoded("").len());
    encoded(&repeat_n('n', room).collect::<String>())
}

/// Whether the events are what this benchmark says of them: their size, and one text in JSON from every decoder.
pub(super) fn check() -> Result<()> {
    let schema: Schema = SCHEMA.parse()?;
    for number in [0, 123_456_789] {
        let value = sample(number).value.unwrap_or_default();
        let body = value.get(FRAME.len()..).unwrap_or_default();
        let from_struct = serde_json::to_vec(&from_datum_slice::<Order<'_>>(body, &schema)?)?;
        let mut json = Vec::new();
        transcode(body, &schema, &mut json)?;
        let ours = redrive::codec::avro::AvroSchema::parse(SCHEMA, &[])?.to_json(body)?;
        if value.len() != BYTES || json != from_struct || json != ours {
            let [json, ours] = [&json, &ours].map(|json| String::from_utf8_lossy(json));
            return Err(format!("event {number} of {} bytes is {json} and {ours}", value.len()).into());
        }
    }
    Ok(())
}
