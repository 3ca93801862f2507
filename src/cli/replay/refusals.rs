//! From why a replay cannot be, or did not end well, to what a user reads, with the command that helps.

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::heading;
use crate::cli::refusals::{halted, of_source, other_action};
use crate::cli::replay::typed::Typed;
use crate::engine::detached::Range;
use crate::engine::ledger::LedgerError;
use crate::engine::report::StopReason;
use crate::journal::MissedInAll;
use crate::replay::{Extent, ReplayError};
use crate::settings::{ReplaySettings, SettingsError, nearest};

/// More names than these are not listed.
const LISTED: usize = 8;

/// As for `consume`; but what a replay hands to a receiver of this name counts as delivered.
pub(super) fn of_settings(error: SettingsError) -> CommandError {
    match error {
        SettingsError::NoReceiver => CommandError::usage("there is no receiver, so nobody would get anything")
            .hint("name those of the consumer: --receiver NAME=TARGET, or [[receiver]] in redrive.toml"),
        other => other.into(),
    }
}

/// Why it did not begin, or had nothing to do.
pub(super) fn of_error(error: ReplayError, typed: &Typed<'_>) -> CommandError {
    let told = CommandError::usage(error.to_string());
    match error {
        ReplayError::NothingSelected { missed } => of_missed(told, &missed, typed).hint(what_there_is(typed)),
        ReplayError::UnknownEntries { .. } => told.hint(what_there_is(typed)),
        ReplayError::NothingLeft { .. } => told
            .hint(format!("once more, to all who take it: {}", typed.with("--to", "all")))
            .hint(format!("or to one of them: {}", typed.with("--to", "NAME"))),
        ReplayError::SeveralGroups { groups } | ReplayError::OtherGroup { groups, .. } => for_each(told, &groups, typed),
        ReplayError::GroupUnknown { .. } => told.hint(format!("say in whose name: {}", typed.with("-g", "GROUP"))),
        ReplayError::UnknownReceiver { name, known } => told.hint(instead("--to ", &name, &known)),
        ReplayError::UnknownGroup { group, known, .. } => told.hint(instead("-g ", &group, &known)),
        ReplayError::MapOfNobody { old, known, .. } => told.hint(instead("--map ", &old, &known)),
        ReplayError::MapToNobody { old, new, known } => told.hint(instead(&format!("--map {old}="), &new, &known)),
        ReplayError::UnknownTopic { name, there } => told.hint(instead("", &name, &there)),
        ReplayError::PastEnd { place, .. } => told.hint(whole(&place)),
        ReplayError::NoRecords { extent, .. } => extent.iter().map(whole).fold(told, CommandError::hint),
        ReplayError::Gone { extent, has_journal, .. } => {
            let journal = (!has_journal).then(|| format!("what the journal has of it: {}", typed.with("--source", "auto")));
            extent.iter().map(whole).chain(journal).fold(told, CommandError::hint)
        }
        ReplayError::NoBroker { .. } => {
            told.hint("for example: -b localhost:9092").hint("entries that are in the journal need none with --include-uncommitted")
        }
        ReplayError::UnknownPartition { .. } | ReplayError::TooManyReceivers => told,
        ReplayError::Stopped => CommandError { kind: ErrorKind::StillFailing, ..told },
        ReplayError::Engine(_) | ReplayError::Unanswered { .. } => CommandError { kind: ErrorKind::CannotGoOn, ..told },
        ReplayError::Write(error) => of_ledger(&error, typed),
        ReplayError::Begin(error) => error.into(),
        ReplayError::Cluster(error) => error.into(),
        ReplayError::Journal(error) => error.into(),
        ReplayError::Read(error) => error.into(),
    }
}

fn what_there_is(typed: &Typed<'_>) -> String {
    format!("what there is: {}", typed.journal().hint("errors list --state open,resolved,ignored"))
}

/// What receivers missed has no entries: it is selected by its offsets.
fn of_missed(told: CommandError, missed: &[MissedInAll], typed: &Typed<'_>) -> CommandError {
    let (Some(first), Some(line)) = (missed.first(), heading::missed(missed, typed.journal())) else { return told };
    let (topic, partition, Range { from, to }) = &first.first;
    let is_all = missed.len() == 1 && first.ranges == 1;
    let what = if is_all { "to deliver that" } else { "to deliver the first of it" };
    let command = typed.records(&format!("{topic}:{partition}:{from}..{to}"), &first.group);
    told.hint(line).hint(format!("{what}: {command}"))
}

fn for_each(told: CommandError, groups: &[String], typed: &Typed<'_>) -> CommandError {
    groups.iter().take(LISTED).map(|group| format!("for {group}: {}", typed.with("-g", group))).fold(told, CommandError::hint)
}

fn whole(place: &Extent) -> String {
    let Extent { topic, partition, low, end } = place;
    if low >= end {
        return format!("{topic}/{partition} is empty: its log begins and ends at offset {end}");
    }
    format!("what is there: --offset {topic}:{partition}:{low}..{end}")
}

/// The name that was meant, or those that there are.
fn instead(before: &str, name: &str, there: &[String]) -> String {
    match nearest(name, there.iter().map(String::as_str)) {
        Some(like) => format!("did you mean {before}{like}?"),
        None if there.is_empty() => "there is none".to_owned(),
        None if there.len() <= LISTED => format!("there is {}", there.join(", ")),
        None => format!("there are {} others", there.len()),
    }
}

/// Why it did not end well; `None` when it did.
pub(super) fn of_end(reason: &StopReason, settings: &ReplaySettings, typed: &Typed<'_>) -> Option<CommandError> {
    let error = match reason {
        StopReason::Asked | StopReason::Done => return None,
        StopReason::Guard(found) => CommandError::new(ErrorKind::Stopped, found.to_string())
            .hint(found.advice(&settings.conduct.type_from))
            .hint(format!("if all of that is as it should be: {}", typed.with_switch("--no-startup-guard"))),
        StopReason::HaltRule(halt) => halted(halt, "it stays as it was, and the replay ended there")
            .hint(format!("once that is mended, say it again: {}", typed.again()))
            .hint(other_action(halt))
            .hint(format!("its incident: {}", typed.journal().hint("incidents list"))),
        StopReason::Source(error) => of_source(error),
        StopReason::Journal(error) => of_ledger(error, typed),
        StopReason::Limit(_)
        | StopReason::Halt(_)
        | StopReason::Refused(_)
        | StopReason::NotCommitted(_)
        | StopReason::Defect(_) => CommandError::new(ErrorKind::CannotGoOn, reason.to_string()),
    };
    Some(error)
}

/// Whatever was delivered and could not be written down is delivered once more.
pub(super) fn of_ledger(error: &LedgerError, typed: &Typed<'_>) -> CommandError {
    let told = CommandError::new(ErrorKind::CannotGoOn, error.to_string());
    told.hint(format!("mend that and say it again: what is written down as delivered is left out: {}", typed.again()))
}

#[cfg(test)]
mod tests;
