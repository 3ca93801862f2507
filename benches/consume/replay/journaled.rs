//! Journaled failures: live and replay in turn, and their ratio round by round, so that what changes on the machine meanwhile meets both.

use std::time::Instant;

use crate::numbers::{grouped, medians};
use crate::support::Folder;
use crate::task::{Measured, Role, Task};
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child};

const EVENTS: u64 = 100_000;
/// The least that the median ratio may be: to the live run that fails every event.
const RATIO: f64 = 0.5;
/// Resident memory of a replay must stay below this.
const MEGABYTES: f64 = 150.0;

/// The columns of the table, from left to right.
type Row = [f64; 8];

pub(super) fn measure(events: &Events, rounds: u32) -> Result<Verdict> {
    let count = events.count().min(EVENTS);
    println!("\nreplay  of {} journaled failures   thousand a second         ratio to live   whole        peak", grouped(count));
    println!("round   live: all taken  all failing  replay   failing    taken   s      failing, MB  replay, MB");
    let mut rows = Vec::new();
    for round in 1..=rounds {
        let row = row(events, count)?;
        print(&round.to_string(), &row);
        rows.push(row);
    }
    let medians: Row = medians(&rows);
    print("median", &medians);
    let [_, _, _, ratio, ..] = medians;
    let peak = rows.iter().map(|[.., peak]| *peak).fold(0.0, f64::max);
    let (fast, small) = (Verdict::at_least(RATIO, ratio), Verdict::below(MEGABYTES, peak));
    println!("the line: a median ratio to the failing live run of at least {RATIO:.2} · {fast}");
    println!("the line: a replay's memory below {MEGABYTES:.0} MB in each round · {small}");
    Ok(fast.and(small))
}

/// One round. The replay is of what the failing run of the same round has journaled.
fn row(events: &Events, count: u64) -> Result<Row> {
    let taken = child::run(&events.task(Role::Ours, count), &Folder::new())?;
    let folder = Folder::new();
    let failing = events.task(Role::Failing, count);
    let failed = child::run(&failing, &folder)?;
    let began = Instant::now();
    let replayed = child::run(&Task { role: Role::Replay, ..failing }, &folder)?;
    let whole = began.elapsed().as_secs_f64();
    let [taken_rate, failed_rate, rate] = [&taken, &failed, &replayed].map(|of| of.events_per_second());
    let peak = |of: &Measured| of.peak_bytes as f64 / 1e6;
    Ok([
        taken_rate / 1e3,
        failed_rate / 1e3,
        rate / 1e3,
        rate / failed_rate,
        rate / taken_rate,
        whole,
        peak(&failed),
        peak(&replayed),
    ])
}

fn print(name: &str, row: &Row) {
    let [taken, failed, replay, to_failed, to_taken, whole, failed_peak, peak] = row;
    println!(
        "{name:6}{taken:>17.1}{failed:>13.1}{replay:>8.1}{to_failed:>10.2}{to_taken:>9.2}{whole:>7.2}{failed_peak:>14.0}{peak:>12.0}"
    );
}
