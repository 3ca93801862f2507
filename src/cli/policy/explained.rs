//! Entries with who decided about each and who would: one by one, and counted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::numbers::grouped;
use crate::cli::screen::{Paint, Screen};
use crate::cli::table::{Cell, Column, Give, Table};
use crate::journal::FailureItem;
use crate::policy::{BuiltIn, Facts, Outages, Rules, Ruling, ruling};

/// The place and the message give way first; what is asked for, last.
const NARROWING: &[Give] = &[
    Give::Column("MESSAGE", 24),
    Give::Column("TOPIC/PARTITION/OFFSET", 24),
    Give::Column("MESSAGE", 12),
    Give::All("MESSAGE"),
    Give::Column("RECEIVER", 8),
    Give::Column("TOPIC/PARTITION/OFFSET", 12),
    Give::Column("CODE", 10),
    Give::Column("THEN", 14),
    Give::Column("DECIDED-BY", 12),
    Give::Column("WOULD-DECIDE", 12),
    Give::Column("THEN", 7),
];
const NARROWING_SUMMARY: &[Give] = &[Give::Column("THEN", 14), Give::Column("DECIDED-BY", 16), Give::Column("WOULD-DECIDE", 16)];

/// A rule by its name, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    name: String,
    is_built_in: bool,
}

struct One<'e> {
    entry: &'e FailureItem,
    decided: Who,
    would: Who,
    then: String,
}

/// Entries, each explained.
pub(super) struct Explained<'e>(Vec<One<'e>>);

impl<'e> Explained<'e> {
    pub(super) fn new(entries: &'e [FailureItem], rules: &Rules) -> Self {
        Self(entries.iter().map(|entry| One::new(entry, rules)).collect())
    }

    /// The entries, then how many there are of each kind.
    pub(super) fn lines(&self, screen: Screen) -> Vec<String> {
        if self.0.is_empty() {
            return vec!["0 entries".to_owned()];
        }
        let mut lines: Vec<String> = self.table().lines(screen).collect();
        lines.push(String::new());
        lines.extend(self.summary().lines(screen));
        lines
    }

    fn table(&self) -> Table {
        let names = ["ID", "TOPIC/PARTITION/OFFSET", "RECEIVER", "CODE", "DECIDED-BY", "WOULD-DECIDE", "THEN", "MESSAGE"];
        let column = |name| if name == "TOPIC/PARTITION/OFFSET" { Column::cut_in_the_middle(name) } else { Column::new(name) };
        let mut table = Table::new(names.map(column).to_vec(), NARROWING);
        for One { entry, decided, would, then } in &self.0 {
            let change = (decided != would).then_some(Paint::Yellow);
            table.push(vec![
                Cell::new(entry.id.to_string()),
                Cell::new(entry.place()),
                Cell::new(entry.receiver.as_deref().unwrap_or_default()),
                Cell::new(&entry.code),
                Cell::new(decided.short()),
                Cell::new(would.short()).painted(change),
                Cell::new(then),
                Cell::new(&entry.message),
            ]);
        }
        table
    }

    fn summary(&self) -> Table {
        let mut counts: BTreeMap<(&Who, &Who, &str), u64> = BTreeMap::new();
        for One { decided, would, then, .. } in &self.0 {
            *counts.entry((decided, would, then)).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut table = Table::new(["ENTRIES", "DECIDED-BY", "WOULD-DECIDE", "THEN"].map(Column::new).to_vec(), NARROWING_SUMMARY);
        for ((decided, would, then), count) in counts {
            let change = (decided != would).then_some(Paint::Yellow);
            table.push(vec![
                Cell::new(grouped(count)),
                Cell::new(&decided.name),
                Cell::new(&would.name).painted(change),
                Cell::new(then),
            ]);
        }
        table
    }

    pub(super) fn items(&self) -> impl Iterator<Item = ExplainedJson<'_>> {
        self.0.iter().map(ExplainedJson::of)
    }
}

impl<'e> One<'e> {
    fn new(entry: &'e FailureItem, rules: &Rules) -> Self {
        let facts = Facts {
            topic: &entry.topic,
            event_type: entry.event.event_type.as_deref(),
            receiver: entry.receiver.as_deref(),
            stage: entry.stage,
            class: entry.class,
            code: &entry.code,
            message: &entry.message,
        };
        let decided = match &entry.rule {
            Some(name) => Who { name: name.clone(), is_built_in: false },
            // It was journaled, so it was no outage to whoever decided.
            None => Who::built_in(BuiltIn::of(&facts, None, Outages::Journaled)),
        };
        let (would, then) = match ruling(&facts, rules, Outages::Heeded) {
            Ruling::Rule(rule, then) => (Who { name: rule.name.clone(), is_built_in: false }, then.to_string()),
            Ruling::BuiltIn(rule) => (Who::built_in(rule), rule.then().to_owned()),
        };
        Self { entry, decided, would, then }
    }
}

impl Who {
    /// Where there is little room, as what no rule of the user is called.
    fn short(&self) -> String {
        match self.name.strip_prefix("built-in: ") {
            Some(name) if self.is_built_in => format!("({name})"),
            _ => self.name.clone(),
        }
    }

    fn built_in(rule: BuiltIn) -> Self {
        Self { name: rule.name().to_owned(), is_built_in: true }
    }
}

#[derive(Serialize)]
pub(super) struct ExplainedJson<'e> {
    id: i64,
    state: &'static str,
    group: &'e str,
    topic: &'e str,
    partition: i32,
    offset: i64,
    #[serde(rename = "type")]
    event_type: Option<&'e str>,
    stage: &'static str,
    receiver: Option<&'e str>,
    class: &'static str,
    code: &'e str,
    message: &'e str,
    decided: WhoJson<'e>,
    would: WouldJson<'e>,
}

#[derive(Serialize)]
struct WhoJson<'e> {
    name: &'e str,
    built_in: bool,
}

#[derive(Serialize)]
struct WouldJson<'e> {
    name: &'e str,
    built_in: bool,
    then: &'e str,
}

impl<'e> ExplainedJson<'e> {
    fn of(one: &'e One<'_>) -> Self {
        let One { entry, decided, would, then } = one;
        Self {
            id: entry.id,
            state: entry.state.as_str(),
            group: &entry.group,
            topic: &entry.topic,
            partition: entry.partition,
            offset: entry.offset,
            event_type: entry.event.event_type.as_deref(),
            stage: entry.stage.as_str(),
            receiver: entry.receiver.as_deref(),
            class: entry.class.as_str(),
            code: &entry.code,
            message: &entry.message,
            decided: WhoJson { name: &decided.name, built_in: decided.is_built_in },
            would: WouldJson { name: &would.name, built_in: would.is_built_in, then },
        }
    }
}
