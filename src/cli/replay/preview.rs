//! What a replay would do, before it does it: for people as a few tables, for programs as an item.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::escape::escape;
use crate::cli::numbers::{counted, grouped};
use crate::cli::replay::needs_yes;
use crate::cli::replay::skipped::{self, SkippedJson};
use crate::cli::replay::typed::Typed;
use crate::cli::screen::Screen;
use crate::cli::sheet::{INDENT, Sheet};
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::{heading, times};
use crate::engine::Order;
use crate::replay::{Plan, PlannedEntries, PlannedMissed, PlannedRange, Request, SourceChoice, To, What};

/// Rows of each table that are shown to people; programs get all.
const MOST: usize = 40;
/// Names in a sentence.
const NAMED: usize = 3;

const NARROWING: &[Give] = &[
    Give::Column("TOPIC", 24),
    Give::All("LAST-WRITTEN"),
    Give::Names(8),
    Give::All("FIRST-WRITTEN"),
    Give::Column("RECEIVER", 10),
    Give::Column("TOPIC", 10),
    Give::Column("TOPIC/PARTITION", 14),
    Give::Column("CODE", 10),
];

/// A plan, and what was asked for.
pub(super) struct Preview<'p> {
    pub(super) plan: &'p Plan,
    pub(super) request: &'p Request,
    pub(super) order: Order,
    pub(super) typed: &'p Typed<'p>,
}

/// Entries of one topic.
#[derive(Default)]
struct OfTopic {
    partitions: BTreeSet<i32>,
    from_offset: Option<i64>,
    to_offset: Option<i64>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    count: u64,
    late: u64,
}

impl OfTopic {
    fn add(&mut self, of: &PlannedEntries) {
        self.partitions.insert(of.partition);
        self.from_offset = Some(self.from_offset.map_or(of.from_offset, |from| from.min(of.from_offset)));
        self.to_offset = self.to_offset.max(Some(of.to_offset));
        self.from_ms = [self.from_ms, of.from_ms].into_iter().flatten().min();
        self.to_ms = self.to_ms.max(of.to_ms);
        self.count += of.count;
        self.late += of.late;
    }
}

impl<'p> Preview<'p> {
    /// Fit for a screen.
    pub(super) fn lines(&self, screen: Screen) -> Vec<String> {
        let group = format!("group {}", escape(&self.plan.group));
        let mut lines = screen.join([heading::journal(self.typed.journal()), group]);
        lines.extend(screen.join(self.sentence("would deliver")));
        for table in [self.topics(), self.codes(), self.ranges(), self.missed()].into_iter().flatten() {
            lines.push(String::new());
            lines.extend(table.lines(screen));
        }
        lines.push(String::new());
        lines.extend(self.rest(screen));
        lines
    }

    /// `deliver 9,412 entries to billing`, and how, in parts.
    pub(super) fn sentence(&self, verb: &str) -> Vec<String> {
        let of = &self.plan;
        let what = match (of.deliveries(), of.ranges.is_empty() && of.missed.is_empty()) {
            (0, _) => return vec![format!("{verb} nothing")],
            (1, true) => "1 entry".to_owned(),
            (count, true) => format!("{} entries", grouped(count)),
            (count, false) => format!("at most {}", counted(count, "event")),
        };
        vec![format!("{verb} {what} to {}", self.whom()), self.source().to_owned(), order(self.order).to_owned()]
    }

    fn whom(&self) -> String {
        let entries = &self.plan.entries;
        let names: BTreeSet<&str> = match &self.request.to {
            To::All => BTreeSet::new(),
            To::Names(names) => names.iter().map(String::as_str).collect(),
            To::Failed => {
                let missed = self.plan.missed.iter().map(|of| of.receiver.as_str());
                entries.iter().filter_map(|of| of.receiver.as_deref()).chain(missed).collect()
            }
        };
        let is_to_all = match self.request.to {
            To::All => true,
            To::Names(_) => false,
            To::Failed => entries.iter().any(|of| of.receiver.is_none()),
        };
        let mut named: Vec<String> = match names.len() {
            0..=NAMED => names.into_iter().map(|name| self.who_gets_it(name)).collect(),
            many => vec![counted(many as u64, "receiver")],
        };
        named.extend(is_to_all.then(|| "whoever takes it".to_owned()));
        match named.split_last() {
            None => "those that do not have it".to_owned(),
            Some((only, [])) => only.clone(),
            Some((last, before)) => format!("{} and {last}", before.join(", ")),
        }
    }

    /// Who gets what is a receiver's, now.
    fn who_gets_it(&self, name: &str) -> String {
        match self.request.map.iter().find(|(old, _)| old == name) {
            Some((old, new)) => format!("{} (for {})", escape(new), escape(old)),
            None => escape(name).into_owned(),
        }
    }

    fn source(&self) -> &'static str {
        match (self.plan.ranges.is_empty() && self.plan.missed.is_empty(), &self.request.what, self.request.source) {
            (true, ..) => "from the journal",
            (false, What::Records(_), _) | (false, _, SourceChoice::Topic) => "from the topic",
            (false, ..) => "from the journal and the topic",
        }
    }

    fn topics(&self) -> Option<Table> {
        let mut topics: BTreeMap<&str, OfTopic> = BTreeMap::new();
        for of in &self.plan.entries {
            topics.entry(&of.topic).or_default().add(of);
        }
        let names = ["PARTITIONS", "OFFSETS", "ENTRIES", "LATE", "FIRST-WRITTEN", "LAST-WRITTEN"];
        let columns = std::iter::once(Column::cut_in_the_middle("TOPIC")).chain(names.map(Column::new));
        let rows = topics.into_iter().map(|(topic, of)| {
            let time = |ms: Option<i64>| ms.map_or_else(String::new, |ms| times::second(ms.saturating_mul(1_000)));
            let offsets = match (of.from_offset, of.to_offset) {
                (Some(from), Some(to)) => span(from, to.saturating_add(1)),
                _ => String::new(),
            };
            vec![
                Cell::new(topic),
                Cell::new(grouped(of.partitions.len() as u64)),
                Cell::new(offsets),
                Cell::new(grouped(of.count)),
                Cell::new(grouped(of.late)),
                Cell::new(time(of.from_ms)),
                Cell::new(time(of.to_ms)),
            ]
        });
        table(columns.collect(), rows)
    }

    /// By what they failed of, the most frequent first.
    fn codes(&self) -> Option<Table> {
        let mut codes: BTreeMap<(&str, Option<&str>, &str), u64> = BTreeMap::new();
        for of in &self.plan.entries {
            *codes.entry((of.stage.as_str(), of.receiver.as_deref(), &of.code)).or_default() += of.count;
        }
        let mut codes: Vec<_> = codes.into_iter().collect();
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rows = codes.into_iter().map(|((stage, receiver, code), count)| {
            vec![Cell::new(stage), Cell::new(receiver.unwrap_or_default()), Cell::new(code), Cell::new(grouped(count))]
        });
        table(["STAGE", "RECEIVER", "CODE", "ENTRIES"].map(Column::new).to_vec(), rows)
    }

    /// What is read from topics.
    fn ranges(&self) -> Option<Table> {
        let columns = [Column::cut_in_the_middle("TOPIC/PARTITION"), Column::new("OFFSETS"), Column::new("DELIVERIES")];
        let rows = self.plan.ranges.iter().map(|of| {
            let PlannedRange { topic, partition, from_offset, to_offset, at_most } = of;
            let place = Cell::new(format!("{topic}/{partition}"));
            vec![place, Cell::new(span(*from_offset, *to_offset)), Cell::new(format!("at most {}", grouped(*at_most)))]
        });
        table(columns.to_vec(), rows)
    }

    /// What receivers missed while they were down.
    fn missed(&self) -> Option<Table> {
        let receiver = Column::cut_in_the_middle("RECEIVER");
        let columns = [receiver, Column::cut_in_the_middle("TOPIC/PARTITION"), Column::new("OFFSETS"), Column::new("DEFERRED")];
        let rows = self.plan.missed.iter().map(|of| {
            let PlannedMissed { topic, partition, receiver, from_offset, to_offset, at_most } = of;
            let place = Cell::new(format!("{topic}/{partition}"));
            let count = Cell::new(format!("at most {}", grouped(*at_most)));
            vec![Cell::new(receiver.as_str()), place, Cell::new(span(*from_offset, *to_offset)), count]
        });
        table(columns.to_vec(), rows)
    }

    fn rest(&self, screen: Screen) -> Vec<String> {
        let plan = self.plan;
        let inner = screen.indented(INDENT);
        let mut sheet = Sheet::default();
        let late = late(plan);
        let why = (late > 0).then(|| "later events of their partition were delivered before them".to_owned());
        sheet.part("late", inner.join([grouped(late)].into_iter().chain(why)));
        sheet.part("skipped", skipped::lines(&plan.skipped, inner));
        let gone = (plan.gone > 0).then(|| format!("{} · neither in the log nor in the journal", grouped(plan.gone)));
        sheet.part("gone", gone);
        sheet.into_lines()
    }

    /// How to go on from here.
    pub(super) fn next(&self, screen: Screen) -> Vec<String> {
        let mut parts = vec!["nothing was delivered".to_owned()];
        if self.plan.deliveries() > 0 {
            parts.push(format!(
                "to go on: {}",
                if needs_yes(self.plan) { self.typed.with_switch("--yes") } else { self.typed.again() }
            ));
            parts.push("carefully: --rate 50/s --max-failures 1".to_owned());
        }
        screen.join(parts)
    }

    pub(super) fn item(&self) -> PlanJson<'p> {
        let plan = self.plan;
        PlanJson {
            dry_run: true,
            group: &plan.group,
            source: self.request.source.as_str(),
            deliveries: plan.deliveries(),
            late: late(plan),
            entries: plan.entries.iter().map(EntriesJson::of).collect(),
            ranges: plan.ranges.iter().map(RangeJson::of).collect(),
            deferred: plan.missed.iter().map(MissedJson::of).collect(),
            skipped: skipped::items(&plan.skipped),
            gone: plan.gone,
        }
    }
}

fn late(plan: &Plan) -> u64 {
    plan.entries.iter().map(|of| of.late).sum()
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Partition => "in offset order per partition",
        Order::Key => "in offset order per key",
        Order::None => "in no order",
    }
}

/// As `--offset` takes it: the end is excluded.
fn span(from: i64, to: i64) -> String {
    if to == from.saturating_add(1) { from.to_string() } else { format!("{from}..{to}") }
}

/// `None` without rows. Of many, only the first ones; how many there are is the last.
fn table(columns: Vec<Column>, rows: impl ExactSizeIterator<Item = Vec<Cell>>) -> Option<Table> {
    let more = rows.len().saturating_sub(MOST);
    let count = columns.len();
    let mut table = (rows.len() > 0).then(|| Table::new(columns, NARROWING))?;
    rows.take(MOST).for_each(|row| table.push(row));
    if more > 0 {
        let mut last = vec![Cell::new(format!("… {} more", grouped(more as u64)))];
        last.resize(count, Cell::new(""));
        table.push(last);
    }
    Some(table)
}

#[derive(Serialize)]
pub(super) struct PlanJson<'p> {
    dry_run: bool,
    group: &'p str,
    source: &'static str,
    deliveries: u64,
    late: u64,
    entries: Vec<EntriesJson<'p>>,
    ranges: Vec<RangeJson<'p>>,
    deferred: Vec<MissedJson<'p>>,
    skipped: Vec<SkippedJson<'p>>,
    gone: u64,
}

#[derive(Serialize)]
struct EntriesJson<'p> {
    topic: &'p str,
    partition: i32,
    stage: &'static str,
    receiver: Option<&'p str>,
    code: &'p str,
    count: u64,
    /// The first one and the last one.
    from_offset: i64,
    to_offset: i64,
    from_time: Option<String>,
    to_time: Option<String>,
    late: u64,
}

impl<'p> EntriesJson<'p> {
    fn of(entries: &'p PlannedEntries) -> Self {
        let time = |ms: Option<i64>| ms.map(|ms| times::millisecond(ms.saturating_mul(1_000)));
        let PlannedEntries { topic, partition, stage, receiver, code, count, from_offset, to_offset, from_ms, to_ms, late } =
            entries;
        Self {
            topic,
            partition: *partition,
            stage: stage.as_str(),
            receiver: receiver.as_deref(),
            code,
            count: *count,
            from_offset: *from_offset,
            to_offset: *to_offset,
            from_time: time(*from_ms),
            to_time: time(*to_ms),
            late: *late,
        }
    }
}

#[derive(Serialize)]
struct RangeJson<'p> {
    topic: &'p str,
    partition: i32,
    from_offset: i64,
    /// Excluded.
    to_offset: i64,
    at_most: u64,
}

impl<'p> RangeJson<'p> {
    fn of(range: &'p PlannedRange) -> Self {
        let PlannedRange { topic, partition, from_offset, to_offset, at_most } = range;
        Self { topic, partition: *partition, from_offset: *from_offset, to_offset: *to_offset, at_most: *at_most }
    }
}

#[derive(Serialize)]
struct MissedJson<'p> {
    receiver: &'p str,
    topic: &'p str,
    partition: i32,
    from_offset: i64,
    /// Excluded.
    to_offset: i64,
    at_most: u64,
}

impl<'p> MissedJson<'p> {
    fn of(missed: &'p PlannedMissed) -> Self {
        let PlannedMissed { topic, partition, receiver, from_offset, to_offset, at_most } = missed;
        Self { receiver, topic, partition: *partition, from_offset: *from_offset, to_offset: *to_offset, at_most: *at_most }
    }
}
