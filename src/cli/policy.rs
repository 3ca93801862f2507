//! `redrive policy`: the rules that decide about failures, as they stand, and on what the journal has.

mod check;
mod explain;
mod explained;
mod listing;

use clap::{Args, Subcommand};

use crate::cli::error::CommandError;
use crate::cli::session::Session;
use crate::settings::Given;

#[derive(Args, Debug)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand, Debug)]
enum PolicyCommand {
    /// Check the rules of a settings file, and list them
    #[command(after_help = check::HELP)]
    Check(check::CheckArgs),
    /// List all rules in the order in which they are asked; of entries, which rule decided and which one would
    #[command(after_help = explain::HELP)]
    Explain(explain::ExplainArgs),
}

impl PolicyArgs {
    /// The words that name it in documents.
    pub(super) fn name(&self) -> &'static str {
        match self.command {
            PolicyCommand::Check(_) => check::NAME,
            PolicyCommand::Explain(_) => explain::NAME,
        }
    }

    /// Which settings file is read.
    pub(super) fn settings(&self) -> Given {
        match &self.command {
            PolicyCommand::Check(args) => args.settings(),
            PolicyCommand::Explain(_) => Given::default(),
        }
    }

    /// Returns the exit code.
    pub(super) fn run(self, session: &Session<'_>) -> Result<u8, CommandError> {
        match self.command {
            PolicyCommand::Check(args) => check::run(&args, session),
            PolicyCommand::Explain(args) => explain::run(&args, session),
        }
    }
}

#[cfg(test)]
mod screens;
