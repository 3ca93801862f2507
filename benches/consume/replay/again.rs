//! A replay as a program makes it: through the library, with settings at their defaults, and one receiver in Rust that takes everything.

use std::sync::Arc;

use jiff::Timestamp;
use redrive::engine::report::StopReason;
use redrive::engine::stop::StopToken;
use redrive::journal::{FailureSelection, FailureState};
use redrive::kafka::Connection;
use redrive::offsets::OffsetRange;
use redrive::replay::{self, Place, Request, SourceChoice, Tally, To, Uncommitted, Watcher, What};
use redrive::settings::table;
use redrive::settings::{Given, Layers, ReplaySettings};
use redrive::{ALL_TYPES, Event, Receivers};

use crate::Result;
use crate::meter::Meter;
use crate::ours::{self, RECEIVER};
use crate::task::{Measured, Task};

/// Replays what the task says. An event is done when the journal says on disk that it was delivered.
pub(crate) fn run(task: &Task) -> Result<Measured> {
    let meter = Meter::for_ever(task.count);
    let parsing = Receivers::new().on(RECEIVER, ALL_TYPES, move |event: Event| async move {
        meter.begin();
        ours::parse(&event, || ())
    });
    let mut given = Given::default();
    given.set(&table::GROUP, vec![task.group.clone()]);
    let settings = ReplaySettings::read(&Layers::without_file(given, &|_| None), &parsing)?;
    let place = Place { connection: Some(Connection::new(&task.bootstrap, Vec::new())?), journal: ours::journal() };
    let stop = StopToken::default();
    let ended = replay::prepare(place, settings, request(task)?, &stop)?.run(&stop, Arc::new(Done(meter)))?;
    if !matches!(ended.reason, StopReason::Done) || ended.outcome.delivered != task.count {
        return Err(format!("the replay ended early: {:?}, {:?}", ended.reason, ended.outcome).into());
    }
    let measured = meter.read()?;
    ended.close(0)?;
    Ok(measured)
}

/// `--offset RANGE --to all --include-uncommitted`, or `--all`.
fn request(task: &Task) -> Result<Request> {
    let (what, to, uncommitted) = match &task.offset {
        Some(range) => (What::Records(vec![OffsetRange::parse(range, Timestamp::now())?]), To::All, Uncommitted::Included),
        None => {
            let open = FailureSelection { states: vec![FailureState::Open], ..FailureSelection::default() };
            (What::Entries(Box::new(open)), To::Failed, Uncommitted::LeftToTheConsumer)
        }
    };
    let group = Some(task.group.clone());
    Ok(Request {
        what,
        words: Vec::new(),
        group,
        to,
        map: Vec::new(),
        source: SourceChoice::Auto,
        uncommitted,
        rate: None,
        max_failures: None,
    })
}

struct Done(&'static Meter);

impl Watcher for Done {
    fn done(&self, so_far: Tally) {
        self.0.count_to(so_far.delivered);
    }
}
