//! `redrive incidents`: the troubles of the consumer itself.

mod list;
mod show;

use clap::{Args, Subcommand};

use crate::cli::error::CommandError;
use crate::cli::output::Output;
use crate::cli::screen::Paint;
use crate::engine::ledger::IncidentKind;
use crate::journal::{IncidentItem, IncidentState, Place};

#[derive(Args, Debug)]
pub(super) struct IncidentsArgs {
    #[command(subcommand)]
    command: IncidentsCommand,
}

#[derive(Subcommand, Debug)]
enum IncidentsCommand {
    /// List incidents: a broker away, a receiver down, a gap, a moved offset
    #[command(after_help = list::EXAMPLES)]
    List(list::ListArgs),
    /// Show one incident with its data
    Show(show::ShowArgs),
}

impl IncidentsArgs {
    /// The words that name it in documents.
    pub(super) fn name(&self) -> &'static str {
        match self.command {
            IncidentsCommand::List(_) => list::NAME,
            IncidentsCommand::Show(_) => show::NAME,
        }
    }

    /// Returns the exit code.
    pub(super) fn run(self, place: &Place, output: &Output) -> Result<u8, CommandError> {
        match self.command {
            IncidentsCommand::List(args) => list::run(&args, place, output),
            IncidentsCommand::Show(args) => show::run(&args, place, output),
        }
    }
}

fn paint(state: IncidentState) -> Option<Paint> {
    Some(match state {
        IncidentState::Open => Paint::Red,
        IncidentState::Ended => Paint::Green,
        IncidentState::Acked => Paint::Dim,
    })
}

/// `TOPIC/PARTITION`, or nothing where it is of the whole consumer.
fn place_of(item: &IncidentItem) -> String {
    match (&item.topic, item.partition) {
        (Some(topic), Some(partition)) => format!("{topic}/{partition}"),
        (Some(topic), None) => topic.clone(),
        (None, _) => String::new(),
    }
}

/// Two offsets. Of a gap they are the range that is lost, without its end; else where the group was, and where it is or could go on.
fn offsets_of(item: &IncidentItem) -> String {
    match (item.from_offset, item.to_offset) {
        (Some(from), Some(to)) if item.kind == IncidentKind::Gap.as_str() => format!("[{from},{to})"),
        (Some(from), Some(to)) => format!("{from}→{to}"),
        (Some(from), None) => from.to_string(),
        (None, Some(to)) => to.to_string(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod screens;
#[cfg(test)]
mod tests;
