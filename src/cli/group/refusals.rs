//! From what the library says of groups to what a user reads: kind, message, and the commands that help.

use std::collections::BTreeMap;

use crate::cli::cut::width;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::escape::escape;
use crate::cli::group::keeping::KeepError;
use crate::cli::group::plan::outside_of;
use crate::cli::hint;
use crate::cli::session::Session;
use crate::journal::ReadError;
use crate::offsets::{
    AdminError, Beyond, CsvError, CsvRow, Ended, Found, GroupMember, GroupOffset, GuardError, Intent, LeftAlone, LookError, MoveId,
    MoveState, PastItem, ResetError, TopicPartition, UndoError, called,
};
use crate::settings::nearest;

/// More lines of one kind tell no more.
const LISTED: usize = 20;

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        Self::new(ErrorKind::CannotGoOn, error.to_string())
    }
}

fn of_guard(error: &GuardError, session: &Session<'_>) -> CommandError {
    let told = |kind| CommandError::new(kind, error.to_string());
    match error {
        GuardError::Members { members, .. } => {
            let told = CommandError::new(ErrorKind::Refused, format!("{error}\n{}", lines_of(members)));
            let told = told.hint("stop them, or wait for it: add --wait-empty 5m");
            match members.iter().any(|member| member.static_id.is_some()) {
                true => told.hint("a member with a static id that was stopped stays until its session times out"),
                false => told,
            }
        }
        GuardError::NotEmpty { .. } => told(ErrorKind::Refused).hint("wait for it: add --wait-empty 5m"),
        GuardError::Share { .. } => {
            told(ErrorKind::Refused).hint("with Kafka's own tool: kafka-share-groups.sh --bootstrap-server …")
        }
        GuardError::Unknown { group, there } => {
            let told = told(ErrorKind::Usage);
            match nearest(group, there.iter().map(String::as_str)) {
                Some(meant) => told.hint(format!("did you mean {meant}?")),
                None => told.hint(format!("see which there are: {}", session.command(&["group", "list"]))),
            }
        }
        GuardError::NoOffsets { .. } => told(ErrorKind::Usage),
    }
}

/// As `of_guard`; a group without offsets can be made.
fn of_move_guard(error: &GuardError, session: &Session<'_>) -> CommandError {
    let can_be_made = matches!(error, GuardError::Unknown { .. } | GuardError::NoOffsets { .. });
    let told = of_guard(error, session);
    if can_be_made { told.hint("to give it its first offsets: add --create") } else { told }
}

pub(super) fn of_look(error: LookError<ReadError>, session: &Session<'_>) -> CommandError {
    match error {
        LookError::Guard(error) => of_guard(&error, session),
        LookError::Admin(error) => error.into(),
        LookError::Journal(error) => error.into(),
    }
}

pub(super) fn of_file(name: &str, error: &CsvError) -> CommandError {
    CommandError::usage(format!("--from-file: {name}, {error}"))
}

/// `file`: what was read of `--from-file`, to name the line that is wrong.
pub(super) fn of_reset(
    error: ResetError<ReadError>,
    file: Option<(&str, &BTreeMap<TopicPartition, CsvRow>)>,
    session: &Session<'_>,
) -> CommandError {
    let line = |is: &dyn Fn(&TopicPartition) -> bool| {
        let (name, rows) = file?;
        let line = rows.iter().filter(|(at, _)| is(at)).map(|(_, row)| row.line).min()?;
        Some(format!("--from-file: {name}, line {line}: "))
    };
    let told = |line: Option<String>| CommandError::usage(format!("{}{error}", line.unwrap_or_default()));
    match error {
        ResetError::Guard(error) => of_move_guard(&error, session),
        ResetError::Admin(error) => error.into(),
        ResetError::Journal(error) => error.into(),
        ResetError::UnknownTopic { ref topic, ref there } => {
            let told = told(line(&|at| at.topic == *topic));
            match nearest(topic, there.iter().map(String::as_str)) {
                Some(meant) => told.hint(format!("did you mean {meant}?")),
                None => told,
            }
        }
        ResetError::UnknownPartition { ref at, .. } => told(line(&|of| of == at)),
        ResetError::Outside(ref rows) => {
            let lines = rows.iter().map(|(at, outside)| outside_of(at, *outside, Beyond::Refuse));
            CommandError::new(ErrorKind::Refused, format!("{error}\n{}", listed(lines, rows.len())))
                .hint("to move them to the nearest end of their log: leave --strict away")
        }
        ResetError::NoBounds { .. } => CommandError::new(ErrorKind::CannotGoOn, error.to_string()),
        ResetError::NothingToShift(_) => told(None).hint("name only the partitions that have an offset: -t TOPIC:P,P"),
        ResetError::NoEntry(_) => told(None).hint(format!("see which there are: {}", session.command(&["errors", "list"]))),
        ResetError::EntryOfGroup { ref group, .. } => told(None).hint(format!("name its group: {}", hint::flag("-g", group))),
        ResetError::NoProgress(_) => {
            told(None).hint(format!("see which group and which topic it knows: {}", session.command(&["errors", "list"])))
        }
        ResetError::Nothing => match file {
            Some((name, rows)) if rows.is_empty() => CommandError::usage(format!("--from-file: {name} names no partition"))
                .hint("one line of it for each partition: topic,partition,offset"),
            Some((name, _)) => {
                CommandError::usage(format!("--from-file: {name} names none of the partitions that were asked for with --topic"))
                    .hint("to move all that it names: leave --topic away")
            }
            None => told(None),
        },
        ResetError::NothingCommitted(_) => told(None).hint("name the topics: -t TOPIC"),
        _ => told(None),
    }
}

pub(super) fn of_undo(error: UndoError<ReadError>, session: &Session<'_>) -> CommandError {
    match error {
        UndoError::Guard(error) => of_guard(&error, session),
        UndoError::Admin(error) => error.into(),
        UndoError::Journal(error) => error.into(),
        UndoError::MovedOn { ref partitions, .. } => {
            let lines = partitions.iter().map(|(item, now)| moved_on(item, now.as_ref()));
            CommandError::new(ErrorKind::Refused, format!("{error}\n{}", listed(lines, partitions.len())))
                .hint("to put the old offsets back all the same: add --force")
        }
        UndoError::Nothing { id, ref group } => {
            let history = session.command(&["group", "history", "-g", group]);
            CommandError::usage(error.to_string())
                .hint(format!("to take another move back, name it: {history}"))
                .cause(format!("move {} did not come about, or was taken back already", id.0))
        }
        error => CommandError::usage(error.to_string()),
    }
}

fn moved_on(item: &PastItem, now: Option<&GroupOffset>) -> String {
    let (set, now) = match (item.new.as_ref(), now) {
        (Some(set), Some(now)) if set.next == now.next => {
            return format!("{}: offset {} was committed again, with the metadata `{}`", item.at, now.next, now.metadata);
        }
        pair => pair,
    };
    let told = |offset: Option<&GroupOffset>| offset.map_or("nothing".to_owned(), |offset| format!("offset {}", offset.next));
    format!("{}: the move set {}, and now {} is committed", item.at, told(set), told(now))
}

/// A move that was written down, and not tried.
fn of_left_alone(why: &LeftAlone, session: &Session<'_>) -> CommandError {
    let told = match why {
        LeftAlone::Guard(error) => of_guard(error, session),
        LeftAlone::Committed { group, changes } => {
            let lines = changes.iter().map(|(at, change)| format!("{at}: {change}"));
            let told = CommandError::new(ErrorKind::Refused, format!("{why}\n{}", listed(lines, changes.len())));
            told.hint(format!("look again: {}", session.command(&["group", "describe", "-g", group])))
        }
        why => CommandError::new(ErrorKind::CannotGoOn, why.to_string()),
    };
    told.cause("the group was looked at once more before the change, and nothing was changed")
}

/// What is wrong with how a move ended; `None`: nothing.
pub(super) fn of_end(ended: &Ended<KeepError>, intent: &Intent, session: &Session<'_>) -> Option<CommandError> {
    let Ended { id, state, found, left_alone, members, unsaid } = ended;
    let group = &intent.group;
    if let Some(why) = left_alone {
        let told = of_left_alone(why, session);
        return Some(match unsaid {
            Some(unsaid) => told.cause(still_planned(*id, unsaid)),
            None => told,
        });
    }
    let wrong: Vec<_> = found.iter().filter_map(|found| Some((found, found.error.as_ref()?))).collect();
    let told = match (state, unsaid) {
        (MoveState::Done, None) => return None,
        (MoveState::Done, Some(_)) => format!("group {} was moved and read back, but the journal does not say so", called(group)),
        _ => {
            let line = |(found, error): &(&Found, &String)| format!("{}: {error}", found.at);
            let lines = listed(wrong.iter().map(line), wrong.len());
            format!(
                "group {} is not where it was to go: move {} {} in {} of {} partitions\n{lines}",
                called(group),
                id.0,
                state.as_str(),
                wrong.len(),
                found.len()
            )
        }
    };
    let mut error = CommandError::new(ErrorKind::CannotGoOn, told);
    if !members.is_empty() {
        error = error.cause(format!("it has members again, and Kafka moves no group that has:\n{}", lines_of(members)));
        error = error.hint("stop them, and try again: add --wait-empty 5m");
    }
    if let Some(unsaid) = unsaid {
        error = error.cause(still_planned(*id, unsaid));
    }
    let number = id.0.to_string();
    let error = error.hint(format!("what was written down: {}", session.command(&["group", "history", "-g", group])));
    Some(error.hint(format!("to take back what was moved: {}", session.command(&["group", "undo", &number, "--execute"]))))
}

fn still_planned(id: MoveId, why: &KeepError) -> String {
    format!("the journal still has move {} as planned: {why}", id.0)
}

fn listed(lines: impl Iterator<Item = String>, count: usize) -> String {
    let mut shown: Vec<String> = lines.take(LISTED).map(|line| escape(&line).into_owned()).collect();
    if count > LISTED {
        shown.push(format!("and {} more", count - LISTED));
    }
    shown.join("\n")
}

/// Each member on a line: id, host, client, static id, partitions.
fn lines_of(members: &[GroupMember]) -> String {
    let rows: Vec<[String; 3]> = members
        .iter()
        .take(LISTED)
        .map(|member| {
            let static_id = member.static_id.as_ref().map(|id| format!("  static id {id}")).unwrap_or_default();
            let rest = format!("client {}{static_id}  {}", member.client_id, spans(&member.assigned));
            [member.id.as_str(), member.host.as_str(), rest.trim_end()].map(|text| escape(text).into_owned())
        })
        .collect();
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| width(text)).max().unwrap_or_default();
    let (id, host) = (widest(0), widest(1));
    let padded = |text: &str, to: usize| format!("{text}{}", " ".repeat(to.saturating_sub(width(text))));
    let mut lines: Vec<String> =
        rows.iter().map(|[of, at, rest]| format!("{}  {}  {rest}", padded(of, id), padded(at, host))).collect();
    if members.len() > LISTED {
        lines.push(format!("and {} more", members.len() - LISTED));
    }
    lines.join("\n")
}

/// `orders/0-5,7 payments/3`
fn spans(of: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in of {
        topics.entry(topic).or_default().push(*partition);
    }
    let told = |(topic, mut partitions): (&str, Vec<i32>)| {
        partitions.sort_unstable();
        let mut spans: Vec<(i32, i32)> = Vec::new();
        for partition in partitions {
            match spans.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(partition) => *last = partition,
                _ => spans.push((partition, partition)),
            }
        }
        let spans: Vec<String> = spans
            .into_iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        format!("{topic}/{}", spans.join(","))
    };
    topics.into_iter().map(told).collect::<Vec<_>>().join(" ")
}
