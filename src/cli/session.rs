//! What every command starts from: its settings, how it speaks, and how its error is told.

use crate::cli::error::CommandError;
use crate::cli::line::{Level, Line};
use crate::cli::logs;
use crate::cli::output::Output;
use crate::journal::{Place, Safety};
use crate::kafka::Connection;
use crate::receiver::Receivers;
use crate::settings::{
    self, ConnectionSettings, Environment, Given, GlobalSettings, Layers, LogFormat, OutputFormat, SettingsError, UnknownVariable,
};

/// Who runs a command line.
pub(super) struct Caller<'c> {
    /// How the program is called.
    pub(super) program: String,
    /// Those that the program brings along.
    pub(super) receivers: Receivers,
    pub(super) environment: Environment<'c>,
    /// The names of our own variables that are set in it.
    pub(super) variables: Vec<String>,
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

    /// Tells why a command did not do what was asked, and returns its exit code. Where stderr speaks JSON, so does its error.
    fn tell(&self, name: &str, error: &CommandError) -> u8 {
        let is_line = self.global.log_format == LogFormat::Json && self.output.format() == OutputFormat::Table;
        if !is_line {
            return self.output.error(name, error);
        }
        let CommandError { kind, message, causes, hints } = error;
        let line = Line::new("error", message.as_str()).at(Level::Error).with("kind", kind.as_str());
        let line = line.with("command", name).with("causes", causes.clone()).with("hints", hints.clone());
        if let Err(untold) = self.output.note(&line.told(LogFormat::Json)) {
            tracing::debug!(untold = untold.message, message, "an error could not be told");
        }
        kind.exit_code()
    }
}

/// Runs a command, tells its error, and returns the exit code.
pub(super) fn with(
    name: &str,
    given: Given,
    caller: Caller<'_>,
    command: impl FnOnce(&Session<'_>) -> Result<u8, CommandError>,
) -> u8 {
    let Caller { program, receivers, environment, variables } = caller;
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
    for UnknownVariable { name, nearest } in settings::unknown_variables(&variables) {
        let meant = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
        tracing::warn!("the environment variable {name} is no setting{meant}");
    }
    let session = Session { layers, global, output, receivers };
    match command(&session) {
        Ok(code) => code,
        Err(error) => session.tell(name, &error),
    }
}

pub(super) fn screen(program: &str, layers: &Layers<'_>) -> Result<Output, SettingsError> {
    let (format, color) = settings::screen(layers)?;
    Ok(Output::new(program, format, color))
}

pub(super) fn plain(program: &str) -> Output {
    Output::new(program, settings::OutputFormat::Table, settings::Color::Never)
}
