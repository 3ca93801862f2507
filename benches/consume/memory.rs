//! Memory: a receiver that never answers, and a whole topic that waits for it. What is in flight fills the budget, and nothing grows.

use std::time::{Duration, Instant};

use crate::numbers::grouped;
use crate::ours::HANGS;
use crate::support::{Folder, wait};
use crate::task::Role;
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child, process};

/// Resident memory must stay below this.
const MEGABYTES: f64 = 100.0;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// Long enough for the consumer to be paused and to poll on.
const STANDS_STILL_FOR: Duration = Duration::from_secs(10);
const STANDS_STILL_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn measure(events: &Events) -> Result<Verdict> {
    let folder = Folder::new();
    let mut hanging = child::spawn(&events.task(Role::Hanging, events.count()), &folder)?;
    hanging.line(HANGS, STARTS_WITHIN);
    let peak = settled_peak(hanging.id())? as f64 / 1e6;
    println!("\nmemory  a receiver hangs, {} events wait: {peak:.0} MB at the peak", grouped(events.count()));
    let verdict = Verdict::below(MEGABYTES, peak);
    println!("the line: below {MEGABYTES:.0} MB · {verdict}");
    Ok(verdict)
}

/// The peak of a process's memory once it has stood still for a while.
fn settled_peak(process: u32) -> Result<u64> {
    let (mut peak, mut since) = (0, Instant::now());
    let settled = wait::at_most(STANDS_STILL_WITHIN, || match process::peak_memory(process) {
        Ok(now) if now == peak => (since.elapsed() >= STANDS_STILL_FOR).then_some(Ok(peak)),
        Ok(now) => {
            (peak, since) = (now, Instant::now());
            None
        }
        Err(error) => Some(Err(error)),
    });
    settled
        .unwrap_or_else(|| Err(format!("after {STANDS_STILL_WITHIN:?} its memory still grows, at {} bytes", grouped(peak)).into()))
}
