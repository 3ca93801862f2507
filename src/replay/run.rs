//! One replay, from its plan to its end: the receivers, the journal and the engine between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::codec::registry::Registry;
use crate::consumer::{BeginError, receivers, run_end, schemas};
use crate::engine::ledger::{Ledger, LedgerError, RunEnd};
use crate::engine::limit::Probation;
use crate::engine::report::StopReason;
use crate::engine::rereading::NothingAgain;
use crate::engine::source::Source;
use crate::engine::stop::StopToken;
use crate::engine::{self, Summary};
use crate::journal::{Beginning, Claims, Reader, Selected, SelectedPartition, Writer};
use crate::kafka::{Connection, Logs, TargetTopic, TopicChoice, UnjoinedSource};
use crate::policy::Rules;
use crate::receiver::{Binding, Discard, Mode, Specification, in_hand};
use crate::record::{Debts, Meant, NextOffset, Partition, ReceiverIx, ReceiverSet, Slot, Suspects, Topic};
use crate::replay::error::{Extent, ReplayError};
use crate::replay::missed::{self, Missed, MissedHere, TakenMissed};
use crate::replay::plan::{Outcome, Plan, SkipReason, Skipped};
use crate::replay::prepare::{Place, Reads};
use crate::replay::ranges::Spot;
use crate::replay::request::{Request, SourceChoice, What};
use crate::replay::roster::Roster;
use crate::replay::source::{Asked, Bytes, Entries, Itinerary, Pace, ReplaySource, Rule, Span};
use crate::replay::tally::{Counter, Counts};
use crate::replay::watching::{Watcher, Watching};
use crate::settings::ReplaySettings;
use crate::stage::Router;

/// What was made of a request.
pub(super) struct Drawn {
    pub(super) request: Request,
    pub(super) roster: Roster,
    pub(super) rule: Rule,
    pub(super) bytes: Bytes,
    pub(super) selected: Option<Selected>,
    pub(super) journal_uuid: Option<String>,
    pub(super) reads: BTreeMap<Spot, Reads>,
    pub(super) missed: Vec<Missed>,
    pub(super) plan: Plan,
}

/// A replay that may begin.
pub struct Prepared {
    place: Place,
    settings: ReplaySettings,
    drawn: Drawn,
    /// Which of the roster get anything.
    needed: ReceiverSet,
    targets: Vec<TargetTopic>,
    router: Router,
    registry: Option<Registry>,
}

/// A replay that has ended; its run in the journal is still open.
pub struct Ended {
    pub outcome: Outcome,
    pub reason: StopReason,
    /// `--max-failures` was reached.
    pub hit_limit: bool,
    pub journal_uuid: String,
    extent: Option<Extent>,
    ledger: Box<dyn Ledger>,
}

impl Drawn {
    /// Checks the receivers that are needed, and none of the others.
    pub(super) fn prepared(self, place: Place, settings: ReplaySettings, logs: Option<&Logs>) -> Result<Prepared, ReplayError> {
        let needed = self.needed();
        let specifications: Vec<Specification> = of_set(&self.roster.receivers, needed).cloned().collect();
        receivers::check(&specifications, &place.journal).map_err(BeginError::from)?;
        let targets = match logs {
            Some(logs) => receivers::targets(&specifications, logs.cluster(), &self.topics()?)?,
            None => Vec::new(),
        };
        let types = self.roster.receivers.iter().map(|receiver| receiver.types.as_slice());
        let router = Router::new(types, settings.unrecognized).map_err(BeginError::from)?;
        let registry = schemas::registry(settings.registry.as_ref())?;
        Ok(Prepared { place, settings, drawn: self, needed, targets, router, registry })
    }

    fn needed(&self) -> ReceiverSet {
        let by_name = match &self.rule {
            Rule::Given(Meant::AllBut(_)) => return self.roster.all(),
            Rule::Given(Meant::These(receivers)) => return *receivers,
            Rule::Failed(by_name) => by_name,
        };
        let mut needed = ReceiverSet::NONE;
        for entries in &self.plan.entries {
            match &entries.receiver {
                None => needed = needed.union(self.roster.all()),
                Some(name) => needed = by_name.get(name).map_or(needed, |receiver| needed.with(*receiver)),
            }
        }
        let missed = self.plan.missed.iter().filter_map(|missed| by_name.get(&missed.receiver));
        missed.fold(needed, |needed, receiver| needed.with(*receiver))
    }

    /// The topics that are replayed: what is delivered to one of them would come back.
    fn topics(&self) -> Result<TopicChoice, BeginError> {
        let mut topics: Vec<String> = self.plan.entries.iter().map(|entries| entries.topic.clone()).collect();
        topics.extend(self.reads.keys().map(|(topic, _)| topic.clone()));
        topics.sort();
        topics.dedup();
        Ok(TopicChoice::parse(&topics)?)
    }

    fn said(&self) -> Value {
        let what = match &self.request.what {
            What::Ids(ids) => json!({ "ids": ids }),
            What::Entries(_) => json!({ "filters": self.request.words }),
            What::Records(_) => json!({ "offsets": self.request.words }),
        };
        json!({ "what": what, "to": self.request.to.words(), "map": self.request.map, "source": self.request.source.as_str() })
    }
}

fn of_set<T>(all: &[T], set: ReceiverSet) -> impl Iterator<Item = &T> {
    (0u8..).map(ReceiverIx).zip(all).filter(move |(at, _)| set.contains(*at)).map(|(_, of)| of)
}

impl Prepared {
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.drawn.plan
    }

    /// The id of the journal; `None`: there is none yet.
    #[must_use]
    pub fn journal_uuid(&self) -> Option<&str> {
        self.drawn.journal_uuid.as_deref()
    }

    /// Delivers what was planned, until it is done, stopped, or cannot go on; `reason` says which.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn run(self, stop: &StopToken, watcher: Arc<dyn Watcher>) -> Result<Ended, ReplayError> {
        let Self { place, settings, drawn, needed, targets, router, registry } = self;
        let bindings = bindings(&drawn.roster, needed, &targets, (place.connection.as_ref(), &settings.rules))?;
        let beginning = Beginning {
            command: "replay",
            group: drawn.plan.group.clone(),
            client_id: place.connection.as_ref().map_or("redrive", Connection::client_id).to_owned(),
            receivers: Vec::new(),
            hands: in_hand::wanted(&bindings),
        };
        let mut writer = Writer::open(&place.journal, &beginning)?;
        let replay_id = writer.begin_replay(&drawn.said())?;
        let run = writer.run().clone();
        let claims = Claims::open(&place.journal, run.run)?;
        let schemas = {
            let reader = Reader::open(&place.journal)?;
            schemas::known(registry, |names| reader.schemas(names))?
        };
        let tally = Arc::new(Counter::default());
        let missed = missed::take(&mut writer, &drawn.missed, &drawn.rule, &tally)?;
        let limit = stop.branch();
        let max_failures = drawn.request.max_failures;
        let watching = Watching::new(Arc::clone(&tally), watcher, max_failures, limit.clone());
        let watching = Arc::new(watching.of_missed(missed.clone()));
        let mut conduct = settings.conduct.clone();
        if let Some(most) = max_failures {
            // No more is out than may fail.
            let most = usize::try_from(most.get()).unwrap_or(usize::MAX);
            conduct.budget.records = conduct.budget.records.min(most);
        }
        let plan = engine::Plan {
            group: drawn.plan.group.clone(),
            run: run.clone(),
            bindings,
            by_name_only: drawn.roster.by_name_only(),
            router,
            rules: Arc::clone(&settings.rules),
            format: settings.format,
            schemas,
            open_again: Box::new(NothingAgain),
            mode: Mode::Replay(replay_id),
            guard: settings.guard,
            probation: Probation::No,
            concurrency: settings.concurrency,
            conduct,
            hands: writer.hands(),
        };
        let (planned, asked_source) = (drawn.plan.clone(), drawn.request.source);
        let source = source(&place, drawn, (claims, &missed), Arc::clone(&tally))?;
        let observer: Arc<dyn engine::observer::Observer> = Arc::<Watching>::clone(&watching);
        let finished = engine::run(source, Box::new(writer), plan, &limit, &observer)?;
        let extent = planned.extent.clone();
        let outcome = outcome((replay_id, asked_source), planned, tally.counts(), &finished.summary);
        Ok(Ended {
            outcome,
            reason: finished.summary.reason,
            hit_limit: watching.has_hit_limit(),
            journal_uuid: run.journal_uuid,
            extent,
            ledger: finished.ledger,
        })
    }
}

/// All of the roster: those that get nothing are not opened, and stand only for the types that they take.
fn bindings(
    roster: &Roster,
    needed: ReceiverSet,
    targets: &[TargetTopic],
    with: (Option<&Connection>, &Rules),
) -> Result<Vec<Binding>, ReplayError> {
    let (connection, rules) = with;
    let specifications: Vec<Specification> = of_set(&roster.receivers, needed).cloned().collect();
    let mut opened = receivers::open(&specifications, targets, connection, rules).map_err(BeginError::from)?.into_iter();
    let binding = |(at, receiver): (ReceiverIx, &Specification)| {
        if needed.contains(at) { opened.next() } else { Some(receiver.clone().stand_in(Arc::new(Discard))) }
    };
    Ok((0u8..).map(ReceiverIx).zip(&roster.receivers).filter_map(binding).collect())
}

fn source(
    place: &Place,
    drawn: Drawn,
    taking: (Claims, &TakenMissed),
    tally: Arc<Counter>,
) -> Result<Box<dyn Source>, ReplayError> {
    let Drawn { request, rule, bytes, selected, reads, plan, .. } = drawn;
    let (claims, missed) = taking;
    let selected = match selected {
        Some(selected) => selected,
        None => Selected::open(&place.journal)?,
    };
    let mut spans: BTreeMap<Spot, Reads> = reads;
    let mut itineraries = Vec::new();
    let mut rows: Vec<Option<SelectedPartition>> = Vec::new();
    let of_topics: Vec<Spot> = spans.keys().cloned().collect();
    let late_below = |topic: &Topic, partition| -> Result<NextOffset, ReplayError> {
        let Some(row) = selected.reader().topic(topic)? else { return Ok(NextOffset::ZERO) };
        Ok(selected.reader().reached(&plan.group, row, partition)?.highest)
    };
    let mut add = |topic: Arc<Topic>, number: i32, of: Option<SelectedPartition>, spans: Vec<Span>| -> Result<(), ReplayError> {
        let slot = Slot { index: u32::try_from(rows.len()).unwrap_or(u32::MAX), epoch: 1 };
        let late_below = late_below(&topic, number)?;
        // A replay delivers whatever it is asked for: the receiver has been mended since, or is to be tried.
        let suspects = Suspects::default();
        let partition = Arc::new(Partition { slot, topic, number, late_below, debts: Debts::unknown(), suspects });
        let missed = if spans.is_empty() { MissedHere::default() } else { missed.here(&partition.topic, number) };
        itineraries.push(Itinerary { partition, spans, missed });
        rows.push(of);
        Ok(())
    };
    for of in selected.partitions()? {
        let spot = (of.topic.name.clone(), of.number);
        // Rows of a topic that was made again are another topic's.
        let is_it = spans.get(&spot).is_some_and(|reads| *reads.topic == *of.topic);
        let spans = if is_it { spans.remove(&spot).map(|reads| reads.spans) } else { None };
        add(Arc::clone(&of.topic), of.number, Some(of), spans.unwrap_or_default())?;
    }
    for ((_, number), Reads { topic, spans }) in spans {
        add(topic, number, None, spans)?;
    }
    let topic: Option<Box<dyn Source>> = match &place.connection {
        Some(connection) if !of_topics.is_empty() => {
            let of: Vec<(&str, i32)> = of_topics.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
            let cluster_id = itineraries.iter().map(|of| of.partition.topic.cluster_id.clone()).next_back().unwrap_or_default();
            let source = UnjoinedSource::of_partitions(connection, &cluster_id, &plan.group, &of).map_err(BeginError::from)?;
            Some(Box::new(source))
        }
        _ => None,
    };
    let asked = if matches!(request.what, What::Records(_)) { Asked::Records } else { Asked::Entries };
    let entries = Entries::new(selected, claims, rows, rule, bytes).of_group(&plan.group);
    Ok(Box::new(ReplaySource::new(itineraries, entries, topic, asked, tally).at_pace(Pace::new(request.rate))))
}

fn outcome(of: (i64, SourceChoice), plan: Plan, counts: Counts, summary: &Summary) -> Outcome {
    let (replay_id, source) = of;
    let planned: u64 = plan.entries.iter().map(|entries| entries.count).sum();
    let reads_all = plan.ranges.iter().any(|range| range.at_most > 0);
    let left = if reads_all { counts.left } else { 0 };
    let failed = counts.failed();
    let failures = counts.failures.into_iter().map(|((receiver, code), count)| (receiver, code, count)).collect();
    let mut skipped = plan.skipped;
    for ((reason, receiver), count) in counts.skipped {
        match skipped.iter_mut().find(|skipped| skipped.reason == reason && skipped.receiver == receiver) {
            Some(skipped) => skipped.count += count,
            None => skipped.push(Skipped { reason, count, receiver, definition: None }),
        }
    }
    skipped.sort_by(|one, other| (one.reason, &one.receiver).cmp(&(other.reason, &other.receiver)));
    Outcome {
        replay_id,
        delivered: counts.delivered,
        failed,
        failures,
        skipped,
        gone: plan.gone + counts.gone,
        not_reached: planned.saturating_sub(counts.reached) + left + counts.missed + summary.unsettled as u64,
        is_cut: plan.is_cut || counts.is_cut,
        source,
    }
}

impl Ended {
    /// What there is to say instead, when nothing at all could be delivered: it was not there, or has been delivered before.
    #[must_use]
    pub fn refusal(&self, what: String) -> Option<ReplayError> {
        let Outcome { delivered, failed, skipped, gone, not_reached, .. } = &self.outcome;
        let count = |reason: SkipReason| skipped.iter().filter(|of| of.reason == reason).map(|of| of.count).sum::<u64>();
        let (already, lost) = (count(SkipReason::AlreadyDelivered), count(SkipReason::GoneFromTopic));
        let is_all = skipped.iter().map(|of| of.count).sum::<u64>() == already + lost;
        if delivered + failed + not_reached > 0 || !is_all || !self.reason.is_well() {
            return None;
        }
        match (already, gone + lost) {
            (0, 0) => None,
            (0, _) => Some(ReplayError::Gone { what, extent: self.extent.clone(), has_journal: lost == 0 }),
            (already, _) => Some(ReplayError::NothingLeft { already }),
        }
    }

    /// Writes down how the replay ended, and closes the journal.
    ///
    /// # Errors
    /// When the journal cannot be written, and nothing else was wrong.
    pub fn close(mut self, exit_code: u8) -> Result<(), LedgerError> {
        let end = if self.hit_limit { RunEnd::Limit } else { run_end(&self.reason) };
        match self.ledger.end(end, Some(exit_code)) {
            Err(untold) if !self.reason.is_well() || matches!(untold, LedgerError::Locked { .. }) => {
                tracing::warn!(error = %untold, "how the replay ended could not be written down");
                Ok(())
            }
            closed => closed,
        }
    }
}
