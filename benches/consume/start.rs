//! Start: from the start of the process to the first delivery, where an earlier process of the group has stopped cleanly.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::numbers::median;
use crate::support::Folder;
use crate::task::Role;
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Result, child};

/// The median must be below this.
const SECONDS: f64 = 1.0;
/// What each process reads before it stops.
const EVENTS: u64 = 1_000;

pub(crate) fn measure(events: &Events, rounds: u32) -> Result<Verdict> {
    let folder = Folder::new();
    let task = events.task(Role::Ours, EVENTS);
    // Not measured: the group and its journal come into being.
    child::run(&task, &folder)?;
    let mut all = Vec::new();
    for _ in 0..rounds {
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        all.push(child::run(&task, &folder)?.first_at - began);
    }
    let each = all.iter().map(|seconds| format!("{seconds:.2}")).collect::<Vec<_>>().join(" ");
    let median = median(all.into_iter());
    println!("\nstart   from process start to first delivery, s: {each} · median {median:.2}");
    let verdict = Verdict::below(SECONDS, median);
    println!("the line: a median below {SECONDS:.0} s · {verdict}");
    Ok(verdict)
}
