//! `redrive errors`: the failures in the journal.

mod decoded;
mod list;
mod parts;
mod payload;
mod show;

use clap::{Args, Subcommand};

pub(super) use decoded::{Decoded, DecodedJson};

use crate::cli::error::CommandError;
use crate::cli::output::Output;
use crate::journal::Place;

#[derive(Args, Debug)]
pub(super) struct ErrorsArgs {
    #[command(subcommand)]
    command: ErrorsCommand,
}

#[derive(Subcommand, Debug)]
enum ErrorsCommand {
    /// List failures: what failed where, and why
    #[command(after_help = list::EXAMPLES)]
    List(Box<list::ListArgs>),
    /// Show one failure with all that is known of it: causes, attempts, headers, value
    #[command(after_help = show::EXAMPLES)]
    Show(show::ShowArgs),
}

impl ErrorsArgs {
    /// The words that name it in documents.
    pub(super) fn name(&self) -> &'static str {
        match self.command {
            ErrorsCommand::List(_) => list::NAME,
            ErrorsCommand::Show(_) => show::NAME,
        }
    }

    /// Returns the exit code.
    pub(super) fn run(self, place: &Place, output: &Output) -> Result<u8, CommandError> {
        match self.command {
            ErrorsCommand::List(args) => list::run(&args, place, output),
            ErrorsCommand::Show(args) => show::run(&args, place, output),
        }
    }
}

#[cfg(test)]
mod screens;
#[cfg(test)]
mod tests;
