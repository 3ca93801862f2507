//! HTTP: a bare client loop and redrive in turn, posting to one minimal server over as many connections, and their ratio round by round.
//!
//! Which of one thread and many is the better bare loop changes with the machine; so both are measured, and the faster one counts.

use std::time::Duration;

use crate::numbers::{grouped, medians};
use crate::posting::CONNECTIONS;
use crate::service::LISTENS;
use crate::support::Folder;
use crate::task::{Measured, Role, Task};
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child};

/// The least that the median ratio may be.
const RATIO: f64 = 0.7;
/// What each loop posts.
const EVENTS: u64 = 100_000;
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// The columns of the table, from left to right.
type Row = [f64; 7];

pub(crate) fn measure(events: &Events, rounds: u32) -> Result<Verdict> {
    let folder = Folder::new();
    let count = events.count().min(EVENTS);
    let mut server = child::spawn(&events.task(Role::Service, count), &folder)?;
    let line = server.line(LISTENS, STARTS_WITHIN);
    let url = line.split_once(LISTENS).map(|(_, url)| url.to_owned()).ok_or("the server says no URL")?;
    let run = |role| {
        let task = Task { url: Some(url.clone()), ..events.task(role, count) };
        child::run(&task, &Folder::new())
    };
    // Not measured: it brings the server's code to where it stays.
    run(Role::BarePosts)?;
    println!("\nhttp    {CONNECTIONS} connections, {} events   thousand a second   processor s per million", grouped(count));
    println!("round   bare: one thread  all cores  redrive    ratio   one thread  all cores  redrive");
    let mut rows = Vec::new();
    for round in 1..=rounds {
        let row = row(&[run(Role::BarePosts)?, run(Role::BarePostsOnAllCores)?], &run(Role::OurPosts)?);
        print(&round.to_string(), &row);
        rows.push(row);
    }
    let medians: Row = medians(&rows);
    print("median", &medians);
    let [_, _, _, ratio, ..] = medians;
    let verdict = Verdict::at_least(RATIO, ratio);
    println!("the line: a median ratio of at least {RATIO:.2} · {verdict}");
    Ok(verdict)
}

fn row(bare: &[Measured; 2], ours: &Measured) -> Row {
    let [one, all] = bare;
    [
        one.events_per_second() / 1e3,
        all.events_per_second() / 1e3,
        ours.events_per_second() / 1e3,
        ours.events_per_second() / one.events_per_second().max(all.events_per_second()),
        one.processor_seconds_per_million(),
        all.processor_seconds_per_million(),
        ours.processor_seconds_per_million(),
    ]
}

fn print(name: &str, row: &Row) {
    let [one, all, ours, ratio, one_processor, all_processor, our_processor] = row;
    println!("{name:6}{one:>18.1}{all:>11.1}{ours:>9.1}{ratio:>9.2}{one_processor:>13.1}{all_processor:>11.1}{our_processor:>9.1}");
}
