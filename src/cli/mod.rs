//! The commands: build the inputs, call one library function, render what it returns.

mod confirm;
mod consume;
mod cut;
mod demo;
mod doctor;
mod error;
mod errors;
mod escape;
mod filters;
mod flags;
mod group;
mod heading;
mod hint;
mod incidents;
mod json;
mod line;
mod logs;
mod misread;
mod mistyped;
mod numbers;
mod output;
mod policy;
mod refusals;
mod replay;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schemas;
mod screen;
mod session;
mod sheet;
mod signals;
mod table;
mod times;
mod window;
mod word;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cli::error::CommandError;
use crate::cli::errors::ErrorsArgs;
use crate::cli::flags::{ConsumeFlags, GlobalFlags};
use crate::cli::group::GroupArgs;
use crate::cli::incidents::IncidentsArgs;
use crate::cli::policy::PolicyArgs;
use crate::cli::replay::ReplayArgs;
use crate::cli::session::{Caller, Session};
use crate::receiver::Receivers;
use crate::settings;

/// Replay and recovery for Apache Kafka consumers: every failure in a SQLite journal.
#[derive(Parser)]
#[command(name = "redrive", version, max_term_width = 100, args_override_self = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(flatten)]
    global: GlobalFlags,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Every setting can also come from the environment (REDRIVE_ and its name) or from redrive.toml; flags go first.
To see everything work, without any set-up:
  redrive demo";

#[derive(Subcommand)]
enum Command {
    /// Run the consumer: deliver events to receivers, and write every failure into the journal
    #[command(after_help = CONSUME_EXAMPLES)]
    Consume(ConsumeFlags),
    /// Look at the failures in the journal
    Errors(ErrorsArgs),
    /// Look at the troubles of the consumer itself
    Incidents(IncidentsArgs),
    /// Deliver again: entries of the journal, or records by their offsets
    #[command(after_help = replay::HELP)]
    Replay(Box<ReplayArgs>),
    /// Look at consumer groups, and move their offsets with a way back
    Group(GroupArgs),
    /// Look at the rules that decide about failures, and at what they did and would do
    Policy(PolicyArgs),
    /// Check broker, topics, group, receivers, journal and settings, and say what mends what is not well
    #[command(after_help = doctor::HELP)]
    Doctor(ConsumeFlags),
    /// See it all work on an embedded broker, without any set-up
    Demo(demo::DemoArgs),
}

const CONSUME_EXAMPLES: &str = "\
Examples:
  redrive consume -b localhost:9092 -t orders -g shop --from earliest \\
      --receiver audit=file:audit.jsonl
  redrive consume -t orders -g shop --order key \\
      --receiver 'billing=exec:python3 worker.py'
  redrive consume -t orders -g shop --dry-run --until-end \\
      --receiver audit=file:audit.jsonl
Exit status: 0 done or stopped by a signal, 1 could not go on, 2 usage, 3 with --fail-on-errors,
4 stopped by the start-up guard, --on-gap halt, --max-consecutive-errors or a rule that halts.";

impl Command {
    /// The words that name it in documents.
    fn name(&self) -> &'static str {
        match self {
            Self::Consume(_) => "consume",
            Self::Errors(args) => args.name(),
            Self::Incidents(args) => args.name(),
            Self::Replay(_) => replay::NAME,
            Self::Group(args) => args.name(),
            Self::Policy(args) => args.name(),
            Self::Doctor(_) => doctor::NAME,
            Self::Demo(_) => "demo",
        }
    }
}

/// Runs the command that the process was started with, with the receivers that this program brings along beside those of the
/// settings. The whole of `main`:
///
/// ```no_run
/// # use redrive::{Event, ReceiverError, Receivers};
/// async fn bill(_: Event) -> Result<(), ReceiverError> {
///     Ok(())
/// }
///
/// fn main() -> std::process::ExitCode {
///     redrive::cli::main_with(Receivers::new().on("billing", ["order.placed"], bill))
/// }
/// ```
#[must_use]
pub fn main_with(receivers: Receivers) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let program = arguments.first().and_then(|path| Path::new(path).file_name()).and_then(OsStr::to_str).unwrap_or("redrive");
    let caller =
        Caller { program: program.to_owned(), receivers, environment: &settings::environment, variables: settings::variables() };
    ExitCode::from(execute(&arguments, caller))
}

/// Runs one command line, and returns its exit code.
fn execute(arguments: &[OsString], caller: Caller<'_>) -> u8 {
    let matched = named(Arguments::command(), &caller.program).try_get_matches_from(arguments);
    let parsed = match matched.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(parsed) => parsed,
        Err(error) => return misread::not_understood(arguments, &error, &caller),
    };
    let name = parsed.command.name();
    let given = match &parsed.command {
        Command::Consume(ConsumeFlags(given)) => parsed.global.0.and(given.clone()),
        Command::Doctor(ConsumeFlags(given)) => parsed.global.0.and(doctor::settings(given.clone())),
        Command::Replay(args) => parsed.global.0.and(args.settings()),
        Command::Group(args) => parsed.global.0.and(args.settings()),
        Command::Policy(args) => parsed.global.0.and(args.settings()),
        Command::Errors(_) | Command::Incidents(_) | Command::Demo(_) => parsed.global.0,
    };
    session::with(name, given, caller, |session| dispatch(parsed.command, session))
}

/// The same commands, their examples as they are typed where the program has another name. A number below zero is a value, which is
/// then refused as one, and no flag.
fn named(command: clap::Command, program: &str) -> clap::Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(as_typed(&text, program)),
        None => command,
    };
    let command = command.mut_args(|arg| match arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    });
    command.mut_subcommands(|command| named(command, program))
}

/// Commands in a text of help: an example that begins with one, the next one on its line, and one within a sentence.
fn as_typed(text: &str, program: &str) -> String {
    let commands = ["  ", "&& ", "`"];
    commands.iter().fold(text.to_owned(), |text, before| text.replace(&format!("{before}redrive "), &format!("{before}{program} ")))
}

fn dispatch(command: Command, session: &Session<'_>) -> Result<u8, CommandError> {
    match command {
        Command::Consume(_) => consume::run(session),
        Command::Errors(args) => args.run(&session.journal(), &session.output),
        Command::Incidents(args) => args.run(&session.journal(), &session.output),
        Command::Replay(args) => replay::run(&args, session),
        Command::Group(args) => args.run(session),
        Command::Policy(args) => args.run(session),
        Command::Doctor(ConsumeFlags(given)) => doctor::run(&given, session),
        Command::Demo(arguments) => demo::run(&arguments, session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &clap::Command, commands: &[String]) {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for name in commands {
            assert!(!text.contains(&format!("redrive {name}")), "{}: {text}", command.get_name());
        }
        command.get_subcommands().for_each(|of| check(of, commands));
    }

    #[test]
    fn every_example_names_the_program_as_it_is_called() {
        let root = named(Arguments::command(), "shop");
        check(&root, &root.get_subcommands().map(|of| of.get_name().to_owned()).collect::<Vec<_>>());
        let text = "  redrive policy check a && redrive policy explain; `redrive demo` reads redrive.toml";
        assert_eq!(as_typed(text, "shop"), "  shop policy check a && shop policy explain; `shop demo` reads redrive.toml");
    }
}
