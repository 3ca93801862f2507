//! What every command starts from: its settings, how it speaks, and how its error is told.

use std::ffi::OsString;

use crate::cli::error::CommandError;
use crate::cli::logs;
use crate::cli::output::Output;
use crate::journal::{Place, Safety};
use crate::kafka::Connection;
use crate::receiver::Receivers;
use crate::settings::{self, ConnectionSettings, Environment, Given, GlobalSettings, Layers, SettingsError};

/// Who runs a command line.
pub(super) struct Caller<'c> {
    /// How the program is called.
    pub(super) program: String,
    /// Those that the program brings along.
    pub(super) receivers: Receivers,
    pub(super) environment: Environment<'c>,
}

/// One command's surroundings.
pub(super) struct Session<'s> {
    pub(super) layers: Layers<'s>,
    pub(super) global: GlobalSettings,
    pub(super) output: Output,
    /// Those that the program brings along.
    pub(super) receivers: Receivers,
}

impl Session<'_> {
    pub(super) fn connection(&self) -> Result<Connection, CommandError> {
        let ConnectionSettings { bootstrap, properties } = ConnectionSettings::read(&self.layers)?;
        Ok(Connection::new(bootstrap, properties)?)
    }

    pub(super) fn journal(&self) -> Place {
        let safety = if self.global.allow_unsafe_journal { Safety::AnyFileSystem } else { Safety::Safe };
        Place { path: self.global.journal.clone(), safety }
    }
}

/// Runs a command, tells its error, and returns the exit code.
pub(super) fn with(
    name: &str,
    given: Given,
    caller: Caller<'_>,
    command: impl FnOnce(&Session<'_>) -> Result<u8, CommandError>,
) -> u8 {
    let Caller { program, receivers, environment } = caller;
    let output = match screen(&program, &Layers::without_file(given.clone(), environment)) {
        Ok(output) => output,
        Err(error) => return plain(&program).error(name, &error.into()),
    };
    let layers = match Layers::read(given, environment) {
        Ok(layers) => layers,
        Err(error) => return output.error(name, &error.into()),
    };
    let read = || Ok::<_, SettingsError>((screen(&program, &layers)?, GlobalSettings::read(&layers)?));
    let (output, global) = match read() {
        Ok(read) => read,
        Err(error) => return output.error(name, &CommandError::from(error)),
    };
    logs::start(global.verbosity, global.log_format);
    let session = Session { layers, global, output, receivers };
    match command(&session) {
        Ok(code) => code,
        Err(error) => session.output.error(name, &error),
    }
}

fn screen(program: &str, layers: &Layers<'_>) -> Result<Output, SettingsError> {
    let (format, color) = settings::screen(layers)?;
    Ok(Output::new(program, format, color))
}

fn plain(program: &str) -> Output {
    Output::new(program, settings::OutputFormat::Table, settings::Color::Never)
}

/// Tells what clap says of arguments that it did not understand, or prints the help that was asked for.
pub(super) fn not_understood(command: &str, arguments: &[OsString], error: &clap::Error, caller: &Caller<'_>) -> u8 {
    if !error.use_stderr() {
        // Help and version; a reader that has gone away wanted no more of it.
        return u8::from(error.print().is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe));
    }
    let text = error.render().to_string();
    let mut parts = text.trim().split("\n\n").map(str::trim);
    let first = parts.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let told = CommandError::usage(message.split_whitespace().collect::<Vec<_>>().join(" "));
    let told = parts.fold(told, |told, part| {
        let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
        told.hint(part.strip_prefix("tip: ").unwrap_or(&part))
    });
    asked_output(arguments, caller).error(command, &told)
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
