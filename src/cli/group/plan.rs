//! The plan of a move, on a screen or as JSON.

use std::path::Path;

use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::escape::escape;
use crate::cli::group::maybe;
use crate::cli::heading;
use crate::cli::hint::Journal;
use crate::cli::numbers::{counted, grouped};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Give, Table};
use crate::offsets::{Beyond, Counts, MoveId, Outside, PlannedRow, Prepared, TopicPartition, called};
use crate::settings::OutputFormat;

/// More partitions are not named in a warning.
const NAMED: usize = 8;

const NARROWING: &[Give] =
    &[Give::Column("TOPIC/PARTITION", 24), Give::Names(8), Give::Column("TOPIC/PARTITION", 12), Give::Names(4)];

/// What became of a plan.
pub(super) enum Told<'t> {
    Preview,
    /// `file`: where the old offsets are.
    Done {
        id: MoveId,
        file: &'t Path,
    },
}

#[derive(Serialize)]
struct RowJson<'i> {
    topic: &'i str,
    partition: i32,
    current: Option<i64>,
    new: Option<i64>,
    delivered_again: u64,
    skipped: u64,
    open_errors: Option<u64>,
    /// The end of the log that was taken for an offset outside of it.
    clamped: Option<&'static str>,
    /// `None`: nothing was changed.
    move_id: Option<i64>,
}

impl<'i> RowJson<'i> {
    fn of(row: &'i PlannedRow, told: &Told<'_>) -> Self {
        let PlannedRow { at, current, to, counts, outside, open_errors, .. } = row;
        Self {
            topic: &at.topic,
            partition: at.partition,
            current: current.as_ref().map(|offset| offset.next.get()),
            new: to.next().map(|next| next.get()),
            delivered_again: counts.delivered_again,
            skipped: counts.skipped,
            open_errors: *open_errors,
            clamped: outside.map(|outside| if matches!(outside, Outside::Below { .. }) { "start" } else { "end" }),
            move_id: match told {
                Told::Preview => None,
                Told::Done { id, .. } => Some(id.0),
            },
        }
    }
}

/// Warns of what goes elsewhere than it was to go, or nowhere.
pub(super) fn warn(prepared: &Prepared) {
    let outside: Vec<_> = prepared.rows.iter().filter_map(|row| Some((&row.at, row.outside?))).collect();
    for (at, outside) in outside.iter().take(NAMED) {
        tracing::warn!("{}", outside_of(at, *outside, Beyond::Clamp));
    }
    if outside.len() > NAMED {
        tracing::warn!("and {} more partitions go to an end of their log", outside.len() - NAMED);
    }
    if !prepared.unknown.is_empty() {
        let named = prepared.unknown.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more = prepared.unknown.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        tracing::warn!("the journal has nothing to go by for {named}{more}: left where it is");
    }
}

/// What was asked for, and what is taken instead, or would be.
pub(super) fn outside_of(at: &TopicPartition, outside: Outside, beyond: Beyond) -> String {
    let (what, bound) = match outside {
        Outside::Below { wanted, start } => {
            (format!("offset {} is below the log, which begins at {start}", wanted.get()), start.to_string())
        }
        Outside::Above { wanted, end } => {
            (format!("offset {} is above the log, which ends at {end}", wanted.get()), end.to_string())
        }
        Outside::Since { time, end } => (format!("no record is as young as {time}"), format!("the end of the log, {end},")),
    };
    match beyond {
        Beyond::Clamp => format!("{at}: {what}: {bound} is taken"),
        Beyond::Refuse => format!("{at}: {what}: without --strict {bound} would be taken"),
    }
}

pub(super) fn show(
    name: &'static str,
    prepared: &Prepared,
    (journal, told): (Option<Journal<'_>>, &Told<'_>),
    session: &Session<'_>,
) -> Result<(), CommandError> {
    let output = &session.output;
    if output.format() != OutputFormat::Table {
        let items: Vec<_> = prepared.rows.iter().map(|row| RowJson::of(row, told)).collect();
        return output.items(name, journal, &items, None);
    }
    let screen = output.screen();
    let path = session.global.journal.display().to_string();
    let journal = journal.map_or_else(|| format!("no journal at {}", escape(&path)), heading::journal);
    let mut lines = screen.join([journal, format!("group {}", escape(&called(&prepared.group)))]);
    lines.extend(table(&prepared.rows).lines(screen));
    lines.extend(screen.join(sums(prepared)));
    lines.extend(screen.join(ending(prepared, told, session)));
    output.lines(lines)
}

fn table(rows: &[PlannedRow]) -> Table {
    let columns = [
        Column::cut_in_the_middle("TOPIC/PARTITION"),
        Column::new("CURRENT"),
        Column::new("NEW"),
        Column::new("DELIVERED-AGAIN"),
        Column::new("SKIPPED"),
        Column::new("OPEN-ERRORS"),
    ];
    let mut table = Table::new(columns.to_vec(), NARROWING);
    for PlannedRow { at, current, to, counts, open_errors, .. } in rows {
        table.push(vec![
            Cell::new(at.to_string()),
            Cell::new(maybe(current.as_ref().map(|offset| offset.next))),
            Cell::new(maybe(to.next())),
            Cell::new(grouped(counts.delivered_again)),
            Cell::new(grouped(counts.skipped)),
            Cell::new(open_errors.map(grouped).unwrap_or_default()),
        ]);
    }
    table
}

fn sums(prepared: &Prepared) -> Vec<String> {
    let sum = |of: fn(&Counts) -> u64| prepared.rows.iter().map(|row| of(&row.counts)).fold(0, u64::saturating_add);
    let again = counted(sum(|counts| counts.delivered_again), "offset");
    let state = match prepared.state.as_str() {
        "Dead" => "group is not there (state Dead)".to_owned(),
        state => format!("group is empty (state {})", escape(state)),
    };
    let undoes = prepared.undoes.map(|id| format!("takes move {} back", id.0));
    let moved = format!("{again} delivered again, {} skipped", grouped(sum(|counts| counts.skipped)));
    [Some(counted(prepared.rows.len() as u64, "partition")), Some(moved), undoes, Some(state)].into_iter().flatten().collect()
}

fn ending(prepared: &Prepared, told: &Told<'_>, session: &Session<'_>) -> Vec<String> {
    match told {
        Told::Preview => vec!["nothing was changed".to_owned(), "to do it: add --execute (undo is kept)".to_owned()],
        Told::Done { id, file } => {
            let undo = session.command(&["group", "undo", &id.0.to_string(), "-g", &prepared.group, "--execute"]);
            vec![
                format!("done and read back: move {}", id.0),
                format!("to take it back: {undo}"),
                format!("the old offsets are in {}, too", escape(&file.display().to_string())),
            ]
        }
    }
}
