//! What is done with an event in Avro: read into a struct, made JSON by a schema from a registry, or delivered by redrive.

use std::hint::black_box;

use rdkafka::Message as _;
use redrive::settings::table;
use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};
use serde_avro_fast::Schema;
use serde_avro_fast::de::DeserializerState;

use super::event::{FRAME, Order, SCHEMA};
use crate::meter::Meter;
use crate::task::{Measured, Task};
use crate::{Result, bare, ours};

/// The bare loop, into a struct with every field.
pub(crate) fn to_struct(task: &Task) -> Result<Measured> {
    let schema: Schema = SCHEMA.parse()?;
    each(task, |body| {
        black_box(serde_avro_fast::from_datum_slice::<Order<'_>>(body, &schema)?);
        Ok(())
    })
}

/// The bare loop, into JSON. One buffer serves all events.
pub(crate) fn to_json(task: &Task) -> Result<Measured> {
    let (schema, mut json) = (SCHEMA.parse()?, Vec::new());
    each(task, |body| {
        json.clear();
        transcode(body, &schema, &mut json)?;
        black_box(&json);
        Ok(())
    })
}

/// From the decoder to the writer of JSON, without a value in between.
pub(super) fn transcode(body: &[u8], schema: &Schema, json: &mut Vec<u8>) -> Result<()> {
    let mut decoder = DeserializerState::from_slice(body, schema);
    serde_transcode::transcode(decoder.deserializer(), &mut serde_json::Serializer::new(json))?;
    Ok(())
}

fn each(task: &Task, mut read: impl FnMut(&[u8]) -> Result<()>) -> Result<Measured> {
    let consumer = bare::consumer(task)?;
    let meter = Meter::for_ever(task.count);
    while !meter.is_done() {
        let message = consumer.poll(bare::ANSWERS_WITHIN).ok_or("the broker has sent nothing for 10 s")??;
        let value = message.payload().unwrap_or_default();
        read(value.strip_prefix(&FRAME).ok_or("a value without its frame")?)?;
        meter.count();
    }
    meter.read()
}

/// redrive, with a receiver that is handed JSON, and looks at no more than its ends.
pub(crate) fn ours(task: &Task) -> Result<Measured> {
    let meter = Meter::for_ever(task.count);
    let taking = Receivers::new().on("taking", ALL_TYPES, move |event: Event| async move {
        match event.data() {
            Some([b'{', .., b'}']) => meter.count(),
            _ => return Err(ReceiverError::permanent("no_json", "expected an event in JSON")),
        }
        Ok(())
    });
    let url = task.url.as_deref().ok_or("the task has no URL")?;
    ours::deliver(task, &taking, meter, &[(&table::SCHEMA_REGISTRY, url)])
}
