//! A range of a topic: that a replay reads it, and no more of the topic than that.

use crate::numbers::{grouped, medians};
use crate::support::{Broker, Folder};
use crate::task::{Role, Task};
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child, process};

/// What may be fetched for each byte of the keys, headers and values in the range; Kafka's format and the network's add a little to each.
const FETCHED: f64 = 1.1;
/// What the client library may have fetched beyond the end of the range when that is reached.
const AHEAD: f64 = 8.0 * 1024.0 * 1024.0;

/// The columns of the table, from left to right.
type Row = [f64; 4];

pub(super) fn measure(broker: &Broker, records: u64, rounds: u32) -> Result<Verdict> {
    // As much before the range as after it.
    let beside = records / 8;
    let events = Events::produce_in_a_row(broker, records + 2 * beside);
    let offset = format!("{}:0:{beside}..{}", events.topic(), beside + records);
    let bytes = events.bytes_of(records);
    println!(
        "\nrange   {} records of {}, {:.0} MB   thousand a second   fetched, MB   fetched / range   peak memory, MB",
        grouped(records),
        grouped(events.count()),
        bytes / 1e6,
    );
    let mut rows = Vec::new();
    for round in 1..=rounds {
        let row = row(&Task { offset: Some(offset.clone()), ..events.task(Role::Replay, records) }, bytes)?;
        print(&round.to_string(), &row);
        rows.push(row);
    }
    let medians: Row = medians(&rows);
    print("median", &medians);
    let most = rows.iter().map(|[_, fetched, ..]| (fetched * 1e6 - AHEAD) / bytes).fold(0.0, f64::max);
    let verdict = Verdict::below(FETCHED, most);
    println!(
        "the line: less than {FETCHED:.1} times the range and {:.0} MB ahead are fetched, in each round · {verdict}",
        AHEAD / 1e6
    );
    Ok(verdict)
}

fn row(task: &Task, bytes: f64) -> Result<Row> {
    let before = process::sent()?;
    let replayed = child::run(task, &Folder::new())?;
    let fetched = (process::sent()? - before) as f64;
    Ok([replayed.events_per_second() / 1e3, fetched / 1e6, fetched / bytes, replayed.peak_bytes as f64 / 1e6])
}

fn print(name: &str, row: &Row) {
    let [rate, fetched, ratio, peak] = row;
    println!("{name:6}{rate:>60.1}{fetched:>14.0}{ratio:>18.3}{peak:>18.0}");
}
