//! Selection: five entries of millions, in each way that `replay` has to name them, from the opening of the journal to the counts of the
//! plan.

use std::time::Instant;

use jiff::Timestamp;
use redrive::journal::{FailureSelection, FailureState, PlaceRange, Selected};
use redrive::offsets::Bounds;
use redrive::record::{NextOffset, Offset};

use crate::Result;
use crate::numbers::{grouped, median};
use crate::replay::entries::{Entries, GROUP, RARE, RARE_CODE, RARE_FINGERPRINT, RARE_RECEIVER, TOPIC};
use crate::verdict::Verdict;

/// Each way's median must be below this.
const MILLISECONDS: f64 = 50.0;
const TIMES: u32 = 9;
const PARTITION: i32 = 3;

/// A way to name entries, as the command line has it.
type Way<'w> = (&'static str, &'w dyn Fn(&mut Selected) -> Result<()>);

pub(super) fn measure(count: u64) -> Result<Verdict> {
    let began = Instant::now();
    let entries = Entries::make(count)?;
    println!("\nselect  {RARE} of {} entries, made in {:.0} s   ms", grouped(entries.count), began.elapsed().as_secs_f64());
    let ids = entries.rare_ids();
    let open = || FailureSelection { states: vec![FailureState::Open], ..FailureSelection::default() };
    let fingerprints = || vec![RARE_FINGERPRINT.to_owned()];
    let codes = || vec![RARE_CODE.to_owned()];
    let receivers = || vec![RARE_RECEIVER.to_owned()];
    let since = Timestamp::from_microsecond(entries.failed_at_us(RARE - 1))?;
    let ways: [Way<'_>; 5] = [
        ("ID…", &|selected| Ok(selected.select_ids(&ids).map(drop)?)),
        ("--fingerprint", &|selected| Ok(selected.select(&FailureSelection { fingerprints: fingerprints(), ..open() })?)),
        ("--code --receiver", &|selected| {
            Ok(selected.select(&FailureSelection { codes: codes(), receivers: receivers(), ..open() })?)
        }),
        ("--since", &|selected| Ok(selected.select(&FailureSelection { since: Some(since), ..open() })?)),
        ("--offset", &|selected| by_offset(selected, entries.middle())),
    ];
    let mut slowest: f64 = 0.0;
    for way in &ways {
        let all = (0..TIMES).map(|_| once(&entries, way)).collect::<Result<Vec<f64>>>()?;
        let each = all.iter().map(|ms| format!("{ms:.1}")).collect::<Vec<_>>().join(" ");
        let median = median(all.into_iter());
        println!("        {:<18}{each} · median {median:.1}", way.0);
        slowest = slowest.max(median);
    }
    let verdict = Verdict::below(MILLISECONDS, slowest);
    println!("the line: each median below {MILLISECONDS:.0} ms · {verdict}");
    Ok(verdict)
}

/// All that a replay asks the journal before it has a plan, in milliseconds.
fn once(entries: &Entries, (name, select): &Way<'_>) -> Result<f64> {
    let began = Instant::now();
    let mut selected = Selected::open(&entries.place())?;
    select(&mut selected)?;
    let groups = selected.groups()?;
    selected.drop_resolved()?;
    let counted: u64 = selected.entries()?.iter().map(|entries| entries.count).sum();
    let partitions = selected.partitions()?;
    let took = began.elapsed();
    if counted != RARE || groups != [GROUP] || partitions.is_empty() {
        return Err(format!("{name} selects {counted} entries of {groups:?}, expected {RARE} of {GROUP}").into());
    }
    Ok(took.as_secs_f64() * 1e3)
}

fn by_offset(selected: &mut Selected, from: i64) -> Result<()> {
    let known = selected.reader().topics_called(TOPIC)?;
    let topic = known.first().ok_or("the journal does not know its topic")?.row;
    let from = Offset::new(from).ok_or("an offset is not below 0")?;
    let bounds = Bounds::Offsets { from, to: NextOffset::new(from.get() + RARE.cast_signed()) };
    Ok(selected.select_places(Some(GROUP), &[PlaceRange { topic, partition: Some(PARTITION), bounds }])?)
}
