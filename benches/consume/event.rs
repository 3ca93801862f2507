//! The event that is produced and parsed: an order of a shop, as JSON of exactly [`BYTES`].
//!
//! A consumer usually wants a few fields of many, so [`Order`] names three. The parser still reads all of the text, as it does in the bare
//! loop; a struct with every field would take longer to parse, and hide what redrive adds.

use std::iter::repeat_n;

use serde::Deserialize;

use crate::support::Sample;
use crate::topic::PARTITIONS;

pub(crate) const BYTES: usize = 1024;
pub(crate) const KEYS: u64 = 10_000;

/// What both loops parse each event into.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    /// Read by nobody: parsing it is the work that is measured.
    #[expect(dead_code, reason = "as the line above says")]
    total_cents: u64,
    pub(crate) fail: bool,
}

/// The event of this number. Keys follow each other in an order that looks random, and each has its partition.
pub(crate) fn sample(number: u64) -> Sample {
    let key = number.wrapping_mul(7_919) % KEYS;
    let partition = i32::try_from(key % u64::from(PARTITIONS)).unwrap_or_default();
    Sample::event("order.placed", &format!("{number:016x}"), json(number, key))
        .header("ce_time", "2026-11-23T05:00:00.123Z")
        .header("content-type", "application/json")
        .key(format!("customer-{key}"))
        .to(partition)
}

fn json(number: u64, key: u64) -> String {
    let customer = format!(r#"{{"id":{key},"name":"Ada Example","email":"ada{key}@shop.example","is_new":false,"language":"en"}}"#);
    let ship_to = r#"{"street":"1 Long Street","city":"Springfield","code":"12345","country":"NL","geo":[52.3702,4.8952]}"#;
    let items = (1..=4).map(|quantity| item(number, quantity)).collect::<Vec<_>>().join(",");
    let mut text = format!(
        r#"{{"id":"A-{number:010}","placed_at":"2026-11-23T05:00:00.123Z","fail":false,"total_cents":{total},"currency":"EUR","#,
        total = 1_990 + number % 50_000,
    );
    text.push_str(&format!(r#""customer":{customer},"ship_to":{ship_to},"items":[{items}],"note":""#));
    let end = r#""}"#;
    text.extend(repeat_n('n', BYTES.saturating_sub(text.len() + end.len())));
    text + end
}

fn item(number: u64, quantity: u64) -> String {
    let (sku, price) = (number % 90_000 + quantity, 1_000 + number % 9_000);
    format!(
        r#"{{"sku":"SKU-{sku:08}","name":"A thing","quantity":{quantity},"price_cents":{price},"tags":["new","blue"],"gift":null}}"#
    )
}
