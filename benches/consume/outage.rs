//! Outage: what the others lose while one receiver is down and while it catches up, and how fast it does that.
//!
//! Each round is one process, and what a stretch of it is compared with is the stretch before, when both receivers were well: nothing
//! else on this machine is as close to it in time.

use std::time::Duration;

use crate::ailing::{Illness, Stretches};
use crate::numbers::medians;
use crate::support::Folder;
use crate::task::{Role, Task};
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child};

/// What the others keep of their speed at least, while a receiver is down.
const IN_OUTAGE: f64 = 0.9;
/// The same while it catches up: the topic is read a second time on the same cores.
const IN_CATCH_UP: f64 = 0.6;
/// Of its own speed, what a receiver that others wait for reaches in its catch-up at least.
const OWN_SPEED: f64 = 0.9;
/// What a receiver takes for an event that is no program of this machine.
const FAR_AWAY: Duration = Duration::from_millis(20);

type Row = [f64; 8];

pub(crate) fn measure(events: &Events, rounds: u32) -> Result<Verdict> {
    let verdict = of_others(events, rounds)?;
    Ok(verdict.and(of_its_own(events, rounds)?))
}

/// Both receivers only parse: the processor is all that they wait for.
fn of_others(events: &Events, rounds: u32) -> Result<Verdict> {
    let of = |part: u64| events.count() * part / 20;
    let illness =
        Illness { measured_from: of(1), down_from: of(5), down_until: of(9), enough: u64::MAX, answers_after: Duration::ZERO };
    let rows = rows("of the others, while one is down", events, illness, rounds)?;
    let [.., in_outage, in_catch_up, _] = medians(&rows);
    let (outage, catch_up) = (Verdict::at_least(IN_OUTAGE, in_outage), Verdict::at_least(IN_CATCH_UP, in_catch_up));
    println!("the line: the others keep at least {IN_OUTAGE:.2} of their speed while it is down · {outage}");
    println!("the line: the others keep at least {IN_CATCH_UP:.2} of their speed while it catches up · {catch_up}");
    Ok(outage.and(catch_up))
}

/// The one that ails is slow: while both are well, the other goes at its speed.
fn of_its_own(events: &Events, rounds: u32) -> Result<Verdict> {
    let illness = Illness { measured_from: 20_000, down_from: 40_000, down_until: 60_000, enough: 60_000, answers_after: FAR_AWAY };
    let rows = rows("of one that takes 20 ms for each event", events, illness, rounds)?;
    let [.., own] = medians(&rows);
    let verdict = Verdict::at_least(OWN_SPEED, own);
    println!("the line: it catches up at {OWN_SPEED:.2} of its own speed at least · {verdict}");
    Ok(verdict)
}

fn rows(of_what: &str, events: &Events, illness: Illness, rounds: u32) -> Result<Vec<Row>> {
    println!("\noutage  {of_what} · thousand events per second");
    println!("round        well: each    down: steady    back: steady  ailing    ratios: down  back, steady  back, ailing");
    let mut rows = Vec::new();
    for round in 1..=rounds {
        let task = Task { illness: Some(illness), ..events.task(Role::Ailing, events.count()) };
        let row = row(&child::ask(&task, &Folder::new())?);
        print(&round.to_string(), &row);
        rows.push(row);
    }
    print("median", &medians(&rows));
    Ok(rows)
}

fn row(Stretches { well, down, behind }: &Stretches) -> Row {
    [
        well.steady / 1e3,
        well.ailing / 1e3,
        down.steady / 1e3,
        behind.steady / 1e3,
        behind.ailing / 1e3,
        down.steady / well.steady,
        behind.steady / well.steady,
        behind.ailing / well.ailing,
    ]
}

fn print(name: &str, row: &Row) {
    let [well, _, down, behind, ailing, in_outage, in_catch_up, own] = row;
    println!("{name:6}{well:>17.1}{down:>16.1}{behind:>16.1}{ailing:>8.1}{in_outage:>16.2}{in_catch_up:>14.2}{own:>14.2}");
}
