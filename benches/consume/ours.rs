//! redrive as a program embeds it: a consumer group, a journal on disk, settings at their defaults, and one receiver in Rust.

use std::future::pending;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use redrive::consumer::{self, Ended, Place};
use redrive::engine::ledger::Entry;
use redrive::engine::observer::{Observer, Unobserved};
use redrive::engine::report::StopReason;
use redrive::engine::stop::StopToken;
use redrive::journal::{self, Safety};
use redrive::kafka::Connection;
use redrive::settings::table::{self, Setting};
use redrive::settings::{ConsumeSettings, Given, Layers};
use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};

use crate::Result;
use crate::event::Order;
use crate::meter::Meter;
use crate::task::{Measured, Task};

/// What the receiver is called, live and in a replay.
pub(crate) const RECEIVER: &str = "parsing";

/// Reads as many events as the task says, commits them, and leaves the group.
pub(crate) fn run(task: &Task) -> Result<Measured> {
    let meter = Meter::for_ever(task.count);
    let parsing = Receivers::new().on(RECEIVER, ALL_TYPES, move |event: Event| async move { parse(&event, || meter.count()) });
    deliver(task, &parsing, meter, &[])
}

/// Fails as many events as the task says, each with a message of its own. An event is done when its failure is on disk.
pub(crate) fn fail(task: &Task) -> Result<Measured> {
    let meter = Meter::for_ever(task.count);
    let failing = Receivers::new().on(RECEIVER, ALL_TYPES, move |event: Event| async move {
        meter.begin();
        let order: Order = event.json()?;
        Err(ReceiverError::permanent("no_address", format!("order {} has no address", order.id)))
    });
    // Nothing works here, and that is meant.
    let ended = consume(task, &failing, &[(&table::NO_STARTUP_GUARD, "true")], Arc::new(Journaled(meter)), &StopToken::default())?;
    if !matches!(ended.summary.reason, StopReason::Done) || ended.summary.counts.failed != task.count {
        return Err(format!("redrive ended early: {:?}", ended.summary).into());
    }
    let measured = meter.read()?;
    ended.close(None)?;
    Ok(measured)
}

/// Counts failures once they are on disk.
struct Journaled(&'static Meter);

impl Observer for Journaled {
    fn written(&self, entries: &[Entry]) {
        entries.iter().filter(|entry| matches!(entry, Entry::Failed(_))).for_each(|_| self.0.count());
    }
}

/// Delivers as many events as the task says to receivers that count them, with these settings beside the defaults.
pub(crate) fn deliver(task: &Task, receivers: &Receivers, meter: &Meter, more: &[(&Setting, &str)]) -> Result<Measured> {
    let ended = consume(task, receivers, more, Arc::new(Unobserved), &StopToken::default())?;
    if !matches!(ended.summary.reason, StopReason::Done) || ended.summary.counts.delivered != task.count {
        return Err(format!("redrive ended early: {:?}", ended.summary).into());
    }
    let measured = meter.read()?;
    ended.close(None)?;
    Ok(measured)
}

/// What [`hang`] says on standard error when its receiver has the first event.
pub(crate) const HANGS: &str = "the receiver hangs";

/// Hands events to a receiver that never answers, until the process is ended.
pub(crate) fn hang(task: &Task) -> Result<()> {
    let first = Once::new();
    let hanging = Receivers::new().on("hanging", ALL_TYPES, move |event: Event| {
        first.call_once(|| eprintln!("{HANGS}"));
        async move {
            let answer = pending().await;
            drop(event);
            answer
        }
    });
    let ended = consume(task, &hanging, &[], Arc::new(Unobserved), &StopToken::default())?;
    Err(format!("redrive ended although its receiver never answers: {:?}", ended.summary).into())
}

/// What the receiver does with an event; then it is `done`.
pub(crate) fn parse(event: &Event, done: impl Fn()) -> Result<(), ReceiverError> {
    let order: Order = event.json()?;
    if black_box(order).fail {
        return Err(ReceiverError::permanent("asked_to_fail", "the event says so"));
    }
    done();
    Ok(())
}

/// Reads as many events as the task says, with these settings beside the defaults, unless it is stopped before.
pub(crate) fn consume(
    task: &Task,
    receivers: &Receivers,
    more: &[(&Setting, &str)],
    observer: Arc<dyn Observer>,
    stop: &StopToken,
) -> Result<Ended> {
    let mut given = Given::default();
    given.set(&table::TOPIC, vec![task.topic.clone()]);
    given.set(&table::GROUP, vec![task.group.clone()]);
    given.set(&table::FROM, vec!["earliest".to_owned()]);
    given.set(&table::MAX_RECORDS, vec![task.count.to_string()]);
    for (setting, value) in more {
        given.set(setting, vec![(*value).to_owned()]);
    }
    let settings = ConsumeSettings::read(&Layers::without_file(given, &|_| None), receivers)?;
    let place = Place { connection: Connection::new(&task.bootstrap, Vec::new())?, journal: journal(), command: "consume" };
    Ok(consumer::run(&place, settings, stop, |_| observer)?)
}

/// In the folder that the process was started in.
pub(crate) fn journal() -> journal::Place {
    journal::Place { path: PathBuf::from("redrive.db"), safety: Safety::Safe }
}
