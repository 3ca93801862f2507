//! `redrive group describe`.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::escape::escape;
use crate::cli::flags::GroupFlag;
use crate::cli::group::{Means, journal_part, maybe, protocol, refusals};
use crate::cli::numbers::{counted, grouped};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::times;
use crate::journal::Reader;
use crate::offsets::{self, Behind, GroupStanding, Retention, StandingRow, called};
use crate::settings::{self, OutputFormat};

pub(super) const NAME: &str = "group describe";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive group describe -g shop
  redrive group describe -g shop -o jsonl | jq -c 'select(.lag > 0)'
OPEN-ERRORS and DEFERRED are what the journal knows of the group; without one they are -.
Receivers that missed something while they were down are shown by themselves: where each stands,
how far from the end, and how long retention leaves what it is to read next in the log.
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

const NARROWING_OF_BEHIND: &[Give] = &[
    Give::Column("TOPIC/PARTITION", 24),
    Give::Column("RECEIVER", 24),
    Give::Names(6),
    Give::Column("TOPIC/PARTITION", 12),
    Give::Column("RECEIVER", 8),
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
    receivers: Vec<BehindJson<'i>>,
}

/// A receiver that misses something.
#[derive(Serialize)]
struct BehindJson<'i> {
    receiver: &'i str,
    position: i64,
    lag: Option<u64>,
    deferred: u64,
    retention_ms: Option<u64>,
}

impl<'i> BehindJson<'i> {
    fn of(behind: &'i Behind) -> Self {
        let Behind { receiver, position, lag, deferred, retention } = behind;
        let retention_ms = match retention {
            Retention::Unknown => None,
            Retention::Left(left) => Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            Retention::Gone => Some(0),
        };
        Self { receiver, position: position.get(), lag: *lag, deferred: *deferred, retention_ms }
    }
}

impl<'i> StandingJson<'i> {
    fn of(row: &'i StandingRow) -> Self {
        let StandingRow { at, committed, bounds, lag, member, open_errors, receivers } = row;
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
            deferred: row.deferred(),
            metadata: committed.as_ref().map(|offset| offset.metadata.as_str()),
            receivers: receivers.iter().map(BehindJson::of).collect(),
        }
    }
}

pub(super) fn run(group: &str, means: &Means<'_>) -> Result<u8, CommandError> {
    let session = means.session;
    let reader = session.reader()?;
    let standing = offsets::standing(means.admin, reader.as_ref(), group, Timestamp::now())
        .map_err(|error| refusals::of_look(error, session))?;
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
    if rows.iter().any(|row| !row.receivers.is_empty()) {
        lines.push(String::new());
        lines.extend(behind(rows).lines(screen));
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
            Cell::new(row.deferred().map(grouped).unwrap_or_default()),
            Cell::new(member.map(|member| member.id.as_str()).unwrap_or_default()),
            Cell::new(member.map(|member| member.host.as_str()).unwrap_or_default()),
            Cell::new(row.committed.as_ref().map(|offset| offset.metadata.as_str()).unwrap_or_default()),
        ]);
    }
    table
}

/// Of the other receivers there is nothing to say: they stand where the group does.
fn behind(rows: &[StandingRow]) -> Table {
    let columns = [
        Column::cut_in_the_middle("RECEIVER"),
        Column::cut_in_the_middle("TOPIC/PARTITION"),
        Column::new("POSITION"),
        Column::new("LAG"),
        Column::new("DEFERRED"),
        Column::new("RETENTION"),
    ];
    let mut table = Table::new(columns.to_vec(), NARROWING_OF_BEHIND);
    for row in rows {
        for Behind { receiver, position, lag, deferred, retention } in &row.receivers {
            table.push(vec![
                Cell::new(receiver.as_str()),
                Cell::new(row.at.to_string()),
                Cell::new(position.to_string()),
                Cell::new(lag.map(grouped).unwrap_or_default()),
                Cell::new(grouped(*deferred)),
                Cell::new(match retention {
                    Retention::Unknown => String::new(),
                    Retention::Left(left) => times::lasted(SignedDuration::try_from(*left).unwrap_or(SignedDuration::MAX)),
                    Retention::Gone => "gone".to_owned(),
                }),
            ]);
        }
    }
    table
}
