//! Avro: a bare loop over Kafka's client library and the fastest decoder there is, and redrive with a Rust receiver that gets JSON; in turn,
//! and their ratio round by round.
//!
//! The decoder is measured twice. Into a struct that names every field, which the program knew when it was compiled: that is the least that
//! reading an event costs. And into JSON by a schema that came from a registry, which is the work that redrive does; the line is about that.

mod event;
mod loops;

use std::io::Write as _;

use crate::numbers::{grouped, medians};
use crate::support::{Broker, Endpoint, Folder};
use crate::task::{Measured, Role, Task};
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child};

pub(crate) use loops::{ours, to_json, to_struct};

/// The least that the median ratio may be.
const RATIO: f64 = 0.7;

/// The columns of the table, from left to right.
type Row = [f64; 8];

pub(crate) fn measure(broker: &Broker, count: u64, rounds: u32) -> Result<Verdict> {
    println!();
    event::check()?;
    let events = Events::produce_sampled(broker, count, event::sample);
    let registry = registry();
    let url = format!("http://{}", registry.address());
    let run = |role| {
        let task = Task { url: Some(url.clone()), ..events.task(role, count) };
        child::run(&task, &Folder::new())
    };
    // Not measured: it brings the broker's code and the topic's files to where they stay.
    run(Role::AvroToStruct)?;
    println!(
        "\navro    {} events of {} bytes   thousand events per second   processor s per million",
        grouped(count),
        event::BYTES
    );
    println!("round    bare: struct     JSON  redrive    ratio  to struct    struct     JSON  redrive");
    let mut rows = Vec::new();
    for round in 1..=rounds {
        let row = row(&[run(Role::AvroToStruct)?, run(Role::AvroToJson)?], &run(Role::OurAvro)?);
        print(&round.to_string(), &row);
        rows.push(row);
    }
    let medians: Row = medians(&rows);
    print("median", &medians);
    let [_, _, _, ratio, ..] = medians;
    let verdict = Verdict::at_least(RATIO, ratio);
    println!("the line: a median ratio of at least {RATIO:.2} to the loop that makes JSON · {verdict}");
    Ok(verdict)
}

/// It has one schema, whatever it is asked for.
fn registry() -> Endpoint {
    let body = serde_json::json!({"schema": event::SCHEMA}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    Endpoint::start(move |_, stream| stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())))
}

fn row([to_struct, to_json]: &[Measured; 2], ours: &Measured) -> Row {
    [
        to_struct.events_per_second() / 1e3,
        to_json.events_per_second() / 1e3,
        ours.events_per_second() / 1e3,
        ours.events_per_second() / to_json.events_per_second(),
        ours.events_per_second() / to_struct.events_per_second(),
        to_struct.processor_seconds_per_million(),
        to_json.processor_seconds_per_million(),
        ours.processor_seconds_per_million(),
    ]
}

fn print(name: &str, row: &Row) {
    let [to_struct, to_json, ours, ratio, struct_ratio, struct_processor, json_processor, our_processor] = row;
    println!(
        "{name:6}{to_struct:>15.0}{to_json:>9.0}{ours:>9.0}{ratio:>9.2}{struct_ratio:>11.2}{struct_processor:>10.2}{json_processor:>9.2}\
        {our_processor:>9.2}"
    );
}
