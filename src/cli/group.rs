//! `redrive group`: looks at consumer groups, moves their offsets, and takes moves back.

mod describe;
mod history;
mod keeping;
mod list;
mod moving;
mod plan;
mod refusals;
mod reset;
mod target;
mod undo;

use std::ops::Deref;
use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::error::CommandError;
use crate::cli::escape::escape;
use crate::cli::heading;
use crate::cli::session::Session;
use crate::journal::Reader;
use crate::offsets::{GroupAdmin, GroupProtocol};
use crate::settings::Given;

#[derive(Args, Debug)]
pub(super) struct GroupArgs {
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Subcommand, Debug)]
enum GroupCommand {
    /// List consumer groups: state, protocol, members, lag
    #[command(after_help = list::EXAMPLES)]
    List,
    /// Show where a group stands, partition by partition
    #[command(after_help = describe::EXAMPLES)]
    Describe(describe::DescribeArgs),
    /// Move a group's committed offsets: shows what would happen, and does it with --execute
    #[command(after_help = reset::EXAMPLES)]
    Reset(Box<reset::ResetArgs>),
    /// Take a move back: the group gets the offsets that it had before it
    #[command(after_help = undo::EXAMPLES)]
    Undo(undo::UndoArgs),
    /// List the moves that were made: when, who, why, from where to where
    #[command(after_help = history::EXAMPLES)]
    History(history::HistoryArgs),
}

/// What a command works with, beside its arguments.
struct Means<'m> {
    session: &'m Session<'m>,
    admin: &'m dyn GroupAdmin,
    /// Where the file of an undo is written.
    folder: &'m Path,
}

impl GroupArgs {
    /// The words that name it in documents.
    pub(super) fn name(&self) -> &'static str {
        match self.command {
            GroupCommand::List => list::NAME,
            GroupCommand::Describe(_) => describe::NAME,
            GroupCommand::Reset(_) => reset::NAME,
            GroupCommand::Undo(_) => undo::NAME,
            GroupCommand::History(_) => history::NAME,
        }
    }

    /// What is given of settings.
    pub(super) fn settings(&self) -> Given {
        match &self.command {
            GroupCommand::List => Given::default(),
            GroupCommand::Describe(args) => args.group.0.clone(),
            GroupCommand::Reset(args) => args.group.0.clone(),
            GroupCommand::Undo(args) => args.group.0.clone(),
            GroupCommand::History(args) => args.group.0.clone(),
        }
    }

    /// Returns the exit code.
    pub(super) fn run(self, session: &Session<'_>) -> Result<u8, CommandError> {
        self.run_with(session, || session.groups().map(Box::new), Path::new("."))
    }

    /// `open`: what is wrong with the arguments is told before anybody is asked.
    fn run_with<G: GroupAdmin, A: Deref<Target = G>>(
        self,
        session: &Session<'_>,
        open: impl FnOnce() -> Result<A, CommandError>,
        folder: &Path,
    ) -> Result<u8, CommandError> {
        match self.command {
            GroupCommand::History(args) => history::run(&args, session),
            GroupCommand::List => list::run(&Means { session, admin: &*open()?, folder }),
            GroupCommand::Describe(args) => {
                let group = args.name(session)?;
                describe::run(&group, &Means { session, admin: &*open()?, folder })
            }
            GroupCommand::Reset(args) => {
                let asked = args.asked(session)?;
                reset::run(&args, &asked, &Means { session, admin: &*open()?, folder })
            }
            GroupCommand::Undo(args) => {
                let (reader, past) = args.past(session)?;
                undo::run(&args, (&reader, &past), &Means { session, admin: &*open()?, folder })
            }
        }
    }
}

/// Which journal was asked, if there is one.
fn journal_part(session: &Session<'_>, reader: Option<&Reader>) -> String {
    match reader {
        Some(reader) => heading::journal(session.output.journal(reader)),
        None => format!("no journal at {}", escape(&session.global.journal.display().to_string())),
    }
}

fn protocol(of: &GroupProtocol) -> &str {
    match of {
        GroupProtocol::Classic => "classic",
        GroupProtocol::Consumer => "consumer",
        GroupProtocol::Share => "share",
        GroupProtocol::Other(name) => name,
    }
}

/// A number where it is known.
fn maybe<T: ToString>(number: Option<T>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
