//! Speed: the bare loop and redrive in turn, and their ratio pair by pair, so that what changes on the machine meanwhile meets both.

use crate::numbers::medians;
use crate::support::Folder;
use crate::task::{Measured, Role};
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child};

/// The least that the median ratio may be.
const RATIO: f64 = 0.6;

/// The columns of the table, from left to right.
type Row = [f64; 7];

pub(crate) fn measure(events: &Events, rounds: u32) -> Result<Verdict> {
    // Not measured: it brings the broker's code and the topic's files to where they stay.
    run(events, Role::Bare)?;
    println!("\nspeed   thousand events per second   processor s per million   peak memory, MB");
    println!("round        bare  redrive    ratio           bare  redrive      bare  redrive");
    let mut rows = Vec::new();
    for round in 1..=rounds {
        let (bare, ours) = (run(events, Role::Bare)?, run(events, Role::Ours)?);
        let row = row(&bare, &ours);
        print(&round.to_string(), &row);
        rows.push(row);
    }
    let medians: Row = medians(&rows);
    print("median", &medians);
    let [_, _, ratio, ..] = medians;
    let verdict = Verdict::at_least(RATIO, ratio);
    println!("the line: a median ratio of at least {RATIO:.2} · {verdict}");
    Ok(verdict)
}

/// Reads the whole topic, with a journal and a group that nobody used before.
fn run(events: &Events, role: Role) -> Result<Measured> {
    child::run(&events.task(role, events.count()), &Folder::new())
}

fn row(bare: &Measured, ours: &Measured) -> Row {
    [
        bare.events_per_second() / 1e3,
        ours.events_per_second() / 1e3,
        ours.events_per_second() / bare.events_per_second(),
        bare.processor_seconds_per_million(),
        ours.processor_seconds_per_million(),
        bare.peak_bytes as f64 / 1e6,
        ours.peak_bytes as f64 / 1e6,
    ]
}

fn print(name: &str, row: &Row) {
    let [bare, ours, ratio, bare_processor, our_processor, bare_peak, our_peak] = row;
    println!(
        "{name:6}{bare:>11.0}{ours:>9.0}{ratio:>9.2}{bare_processor:>15.2}{our_processor:>9.2}{bare_peak:>10.0}{our_peak:>9.0}"
    );
}
