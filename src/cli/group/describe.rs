//! `redrive group describe`.

use clap::Args;
use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::escape::escape;
use crate::cli::flags::GroupFlag;
use crate::cli::group::{Means, journal_part, maybe, protocol, refusals};
use crate::cli::numbers::{counted, grouped};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Give, Table};
use crate::journal::Reader;
use crate::offsets::{self, GroupStanding, StandingRow, called};
use crate::settings::{self, OutputFormat};

pub(super) const NAME: &str = "group describe";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive group describe -g shop
  redrive group describe -g shop -o jsonl | jq -c 'select(.lag > 0)'
OPEN-ERRORS and DEFERRED are what the journal knows of the group; without one they are -.
Exit status: 0 done, 1 the brokers do not answer, 2 usage or no such group,
5 a share group.";

const NARROWING: &[Give] = &[
    Give::Column("METADATA", 24),
    Give::Column("MEMBER", 24),
    Give::Column("METADATA", 8),
    Give::Column("TOPIC/PARTITION", 24),
    Give::Column("MEMBER", 8),
    Give::Names(6),
    Give::Column("TOPIC/PARTITION", 12),
    Give::All("METADATA"),
    Give::All("MEMBER"),
];

#[derive(Args, Debug)]
pub(super) struct DescribeArgs {
    #[command(flatten)]
    pub(super) group: GroupFlag,
}

impl DescribeArgs {
    pub(super) fn name(&self, session: &Session<'_>) -> Result<String, CommandError> {
        Ok(settings::group(&session.layers)?)
    }
}

#[derive(Serialize)]
struct StandingJson<'i> {
    topic: &'i str,
    partition: i32,
    committed: Option<i64>,
    start: Option<i64>,
    end: Option<i64>,
    lag: Option<u64>,
    member: Option<&'i str>,
    host: Option<&'i str>,
    open_errors: Option<u64>,
    deferred: Option<u64>,
    metadata: Option<&'i str>,
}

/// What receivers that are down have missed. No receiver defers yet: there is none where a journal is asked.
fn deferred(row: &StandingRow) -> Option<u64> {
    row.open_errors.map(|_| 0)
}

impl<'i> StandingJson<'i> {
    fn of(row: &'i StandingRow) -> Self {
        let StandingRow { at, committed, bounds, lag, member, open_errors } = row;
        Self {
            topic: &at.topic,
            partition: at.partition,
            committed: committed.as_ref().map(|offset| offset.next.get()),
            start: bounds.map(|bounds| bounds.start.get()),
            end: bounds.map(|bounds| bounds.end.get()),
            lag: *lag,
            member: member.as_ref().map(|member| member.id.as_str()),
            host: member.as_ref().map(|member| member.host.as_str()),
            open_errors: *open_errors,
            deferred: deferred(row),
            metadata: committed.as_ref().map(|offset| offset.metadata.as_str()),
        }
    }
}

pub(super) fn run(group: &str, means: &Means<'_>) -> Result<u8, CommandError> {
    let session = means.session;
    let reader = session.reader()?;
    let standing = offsets::standing(means.admin, reader.as_ref(), group).map_err(|error| refusals::of_look(error, session))?;
    let output = &session.output;
    if output.format() != OutputFormat::Table {
        let items: Vec<_> = standing.rows.iter().map(StandingJson::of).collect();
        return output.items(NAME, reader.as_ref().map(|reader| output.journal(reader)), &items, None).map(|()| 0);
    }
    output.lines(lines(group, &standing, reader.as_ref(), session)).map(|()| 0)
}

fn lines(group: &str, standing: &GroupStanding, reader: Option<&Reader>, session: &Session<'_>) -> Vec<String> {
    let GroupStanding { view, rows, idle, lag } = standing;
    let screen = session.output.screen();
    let mut lines = screen.join([
        journal_part(session, reader),
        format!("group {}", escape(&called(group))),
        format!("state {}", escape(&view.state)),
        format!("protocol {}", escape(protocol(&view.protocol))),
        counted(view.members.len() as u64, "member"),
        format!("lag {}", lag.map_or("unknown".to_owned(), grouped)),
    ]);
    if !rows.is_empty() {
        lines.extend(table(rows).lines(screen));
    }
    let mut parts = vec![counted(rows.len() as u64, "partition")];
    let without = |member: &offsets::GroupMember| escape(&format!("{} ({})", member.id, member.host)).into_owned();
    if !idle.is_empty() {
        let named = idle.iter().map(without).collect::<Vec<_>>().join(", ");
        parts.push(format!("{} without partitions: {named}", counted(idle.len() as u64, "member")));
    }
    parts.push(format!("its moves: {}", session.command(&["group", "history", "-g", group])));
    lines.extend(screen.join(parts));
    lines
}

fn table(rows: &[StandingRow]) -> Table {
    let columns = [
        Column::cut_in_the_middle("TOPIC/PARTITION"),
        Column::new("COMMITTED"),
        Column::new("START"),
        Column::new("END"),
        Column::new("LAG"),
        Column::new("OPEN-ERRORS"),
        Column::new("DEFERRED"),
        Column::cut_in_the_middle("MEMBER"),
        Column::new("HOST"),
        Column::cut_in_the_middle("METADATA"),
    ];
    let mut table = Table::new(columns.to_vec(), NARROWING);
    for row in rows {
        let member = row.member.as_ref();
        table.push(vec![
            Cell::new(row.at.to_string()),
            Cell::new(maybe(row.committed.as_ref().map(|offset| offset.next))),
            Cell::new(maybe(row.bounds.map(|bounds| bounds.start))),
            Cell::new(maybe(row.bounds.map(|bounds| bounds.end))),
            Cell::new(row.lag.map(grouped).unwrap_or_default()),
            Cell::new(row.open_errors.map(grouped).unwrap_or_default()),
            Cell::new(deferred(row).map(grouped).unwrap_or_default()),
            Cell::new(member.map(|member| member.id.as_str()).unwrap_or_default()),
            Cell::new(member.map(|member| member.host.as_str()).unwrap_or_default()),
            Cell::new(row.committed.as_ref().map(|offset| offset.metadata.as_str()).unwrap_or_default()),
        ]);
    }
    table
}
