//! Arguments that were not understood: what is said of them, and the help.
//!
//! What clap says is told as any other error is, so that it is a document where documents are asked for.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::cli::error::CommandError;
use crate::cli::output::Output;
use crate::cli::session::{Caller, plain, screen};
use crate::settings::{self, Given, Layers, OutputFormat};

/// Tells what clap says of arguments that it did not understand, or prints the help that was asked for.
pub(super) fn not_understood(command: &str, arguments: &[OsString], error: &clap::Error, caller: &Caller<'_>) -> u8 {
    if !error.use_stderr() {
        // Help and version; a reader that has gone away wanted no more of it.
        return u8::from(error.print().is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe));
    }
    let output = asked_output(arguments, caller);
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return command_missing(command, error, &output);
    }
    let text = error.render().to_string();
    let mut parts = text.trim().split("\n\n").map(str::trim);
    let first = parts.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let told = match arguments.iter().find(|argument| argument.to_str().is_none()) {
        Some(argument) if error.kind() == ErrorKind::InvalidUtf8 => {
            CommandError::usage(format!("the argument `{}` is not UTF-8", argument.display()))
        }
        _ => CommandError::usage(message.split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    let more = parts.filter(|part| !OF_NO_HELP.iter().any(|start| part.starts_with(start)));
    let told = more.fold(told, |told, part| {
        let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
        told.hint(part.strip_prefix("tip: ").unwrap_or(&part))
    });
    output.error(command, &told.hint(help_of(command, output.program())))
}

/// What clap adds without naming the command, and what it thinks that a negative number may have meant.
const OF_NO_HELP: [&str; 2] = ["For more information, try", "tip: to pass"];

fn help_of(command: &str, program: &str) -> String {
    let words = if command == "redrive" { String::new() } else { format!(" {command}") };
    format!("all that it takes: {program}{words} --help")
}

/// Nothing says what is to be done: that is a question for the help.
fn command_missing(command: &str, error: &clap::Error, output: &Output) -> u8 {
    let told = CommandError::usage("no command is given").hint(help_of(command, output.program()));
    if output.format() != OutputFormat::Table || error.kind() == ErrorKind::MissingSubcommand {
        return output.error(command, &told);
    }
    if let Err(untold) = error.print() {
        tracing::debug!(%untold, "the help could not be written");
    }
    told.kind.exit_code()
}

/// How to speak when the arguments could not be parsed: as far as they can be read.
fn asked_output(arguments: &[OsString], caller: &Caller<'_>) -> Output {
    let Caller { program, environment, .. } = caller;
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let mut given = Given::default();
    for (at, text) in texts.iter().enumerate() {
        let next = texts.get(at + 1).copied();
        let value = match *text {
            "-o" | "--output" => next,
            _ => text.strip_prefix("--output=").or_else(|| text.strip_prefix("-o")),
        };
        if let Some(value) = value {
            given.set(&settings::table::OUTPUT, vec![value.trim_start_matches('=').to_owned()]);
        }
    }
    screen(program, &Layers::without_file(given, *environment)).unwrap_or_else(|_| plain(program))
}
