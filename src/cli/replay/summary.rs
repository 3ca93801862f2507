//! What a replay did: for people as a sheet, for programs as an item.

use serde::Serialize;

use crate::cli::escape::escape;
use crate::cli::heading;
use crate::cli::numbers::grouped;
use crate::cli::replay::skipped::{self, SkippedJson};
use crate::cli::replay::typed::Typed;
use crate::cli::screen::{Paint, Screen};
use crate::cli::table::{Cell, Column, Give, Table};
use crate::engine::report::StopReason;
use crate::replay::{Ended, Outcome};

/// The widest label, and what parts it from the number.
const LABEL: usize = 13;
/// Rows that are shown to people; programs get all.
const MOST: usize = 40;
/// Names in a command: more of them would be no help.
const NAMED: usize = 8;

const NARROWING: &[Give] = &[Give::Column("RECEIVER", 12), Give::Names(6), Give::Column("CODE", 12)];

/// How a replay ended.
pub(super) struct Summary<'s> {
    pub(super) outcome: &'s Outcome,
    pub(super) group: &'s str,
    pub(super) reason: Reason,
    pub(super) typed: &'s Typed<'s>,
}

/// Why it ended, in the words of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Done,
    Signal,
    /// `--max-failures`
    Limit,
    /// What went wrong is told apart.
    Error,
}

impl Reason {
    pub(super) fn of(ended: &Ended) -> Self {
        match ended.reason {
            _ if ended.hit_limit => Self::Limit,
            StopReason::Asked => Self::Signal,
            StopReason::Done => Self::Done,
            _ => Self::Error,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Signal => "signal",
            Self::Limit => "limit",
            Self::Error => "error",
        }
    }

    fn told(self) -> Option<&'static str> {
        match self {
            Self::Done => None,
            Self::Signal => Some("stopped by a signal"),
            Self::Limit => Some("stopped by --max-failures"),
            Self::Error => Some("stopped before its end"),
        }
    }
}

impl<'s> Summary<'s> {
    /// Fit for a screen.
    pub(super) fn lines(&self, screen: Screen) -> Vec<String> {
        let Self { outcome, group, reason, typed } = self;
        let parts = [format!("replay {}", outcome.replay_id), format!("group {}", escape(group))];
        let mut lines =
            screen.join([heading::journal(typed.journal())].into_iter().chain(parts).chain(reason.told().map(str::to_owned)));
        lines.push(row("delivered", &grouped(outcome.delivered)));
        let failed = grouped(outcome.failed);
        lines.push(row("failed", &screen.paint(&failed, (outcome.failed > 0).then_some(Paint::Red))));
        let mut label = "skipped";
        for line in skipped::lines(&outcome.skipped, screen.indented(LABEL)) {
            lines.push(row(label, &line));
            label = "";
        }
        lines.push(row("gone", &self.gone()));
        lines.push(row("not reached", &grouped(outcome.not_reached)));
        lines.extend(self.failures(screen));
        lines.extend(screen.join(self.next()));
        lines
    }

    fn gone(&self) -> String {
        let Outcome { gone, is_cut, .. } = self.outcome;
        match (gone, is_cut) {
            (0, _) => grouped(0),
            (gone, true) => format!("{} · below the start of the log, and not in the journal", grouped(*gone)),
            (gone, false) => format!("{} · holes in the log: compacted, markers or expired", grouped(*gone)),
        }
    }

    fn failures(&self, screen: Screen) -> Vec<String> {
        let failures = &self.outcome.failures;
        if failures.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(["RECEIVER", "CODE", "FAILED"].map(Column::new).to_vec(), NARROWING);
        for (receiver, code, count) in failures.iter().take(MOST) {
            table.push(vec![Cell::new(receiver.as_deref().unwrap_or_default()), Cell::new(code), Cell::new(grouped(*count))]);
        }
        let mut lines = vec![String::new()];
        lines.extend(table.lines(screen));
        let more = failures.len().saturating_sub(MOST);
        lines.extend((more > 0).then(|| format!("… {} more: -o json has them", grouped(more as u64))));
        lines.push(String::new());
        lines
    }

    fn next(&self) -> Vec<String> {
        let Self { outcome, typed, .. } = self;
        let failed = (outcome.failed > 0).then(|| format!("what failed: {}", typed.journal().command(&self.listing())));
        let rest = (outcome.not_reached > 0).then(|| format!("the rest: {}", typed.again()));
        failed.into_iter().chain(rest).collect()
    }

    /// The words that list what failed.
    fn listing(&self) -> Vec<String> {
        let failures = &self.outcome.failures;
        let distinct = |names: Vec<&str>| {
            let mut names = names;
            names.sort_unstable();
            names.dedup();
            (1..=NAMED).contains(&names.len()).then(|| names.join(","))
        };
        let receivers: Option<Vec<&str>> = failures.iter().map(|(receiver, ..)| receiver.as_deref()).collect();
        let receivers = receivers.and_then(distinct).map(|names| ["--receiver".to_owned(), names]);
        let codes = distinct(failures.iter().map(|(_, code, _)| code.as_str()).collect());
        let codes = codes.map(|names| ["--code".to_owned(), names]);
        let words = ["errors", "list", "--group", self.group].map(str::to_owned);
        words.into_iter().chain(receivers.into_iter().flatten()).chain(codes.into_iter().flatten()).collect()
    }

    pub(super) fn item(&self) -> OutcomeJson<'s> {
        let Outcome { replay_id, delivered, failed, failures, skipped, gone, not_reached, is_cut: _, source } = self.outcome;
        OutcomeJson {
            dry_run: false,
            replay_id: *replay_id,
            group: self.group,
            source: source.as_str(),
            reason: self.reason.as_str(),
            delivered: *delivered,
            failed: *failed,
            failures: failures.iter().map(FailuresJson::of).collect(),
            skipped: skipped::items(skipped),
            gone: *gone,
            not_reached: *not_reached,
        }
    }
}

fn row(label: &str, text: &str) -> String {
    format!("{label:LABEL$}{text}").trim_end().to_owned()
}

#[derive(Serialize)]
pub(super) struct OutcomeJson<'s> {
    dry_run: bool,
    replay_id: i64,
    group: &'s str,
    source: &'static str,
    reason: &'static str,
    delivered: u64,
    failed: u64,
    failures: Vec<FailuresJson<'s>>,
    skipped: Vec<SkippedJson<'s>>,
    gone: u64,
    not_reached: u64,
}

/// Failures of one receiver and code.
#[derive(Serialize)]
struct FailuresJson<'s> {
    receiver: Option<&'s str>,
    code: &'s str,
    count: u64,
}

impl<'s> FailuresJson<'s> {
    fn of((receiver, code, count): &'s (Option<String>, String, u64)) -> Self {
        Self { receiver: receiver.as_deref(), code, count: *count }
    }
}
