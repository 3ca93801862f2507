//! Replay: how fast it is beside the live consumer, how soon it has found a few entries among millions, and what it reads of a topic.

mod again;
mod entries;
mod journaled;
mod range;
mod selection;

pub(crate) use again::run;

use crate::support::Broker;
use crate::topic::Events;
use crate::verdict::Verdict;
use crate::{Arguments, Result};

pub(crate) fn measure(broker: &Broker, events: &Events, arguments: &Arguments) -> Result<Verdict> {
    let Arguments { rounds, entries, records, .. } = arguments;
    let all = [journaled::measure(events, *rounds)?, selection::measure(*entries)?, range::measure(broker, *records, *rounds)?];
    Ok(all.into_iter().fold(Verdict::Holds, Verdict::and))
}
