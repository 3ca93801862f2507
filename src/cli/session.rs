//! What every command starts from: its settings, how it speaks, and how its error is told.

use std::time::Duration;

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint::Journal;
use crate::cli::line::{Level, Line};
use crate::cli::logs;
use crate::cli::output::Output;
use crate::engine::stop::StopToken;
use crate::journal::{OpenError, Place, Reader, Safety};
use crate::kafka::{Connection, Groups};
use crate::receiver::Receivers;
use crate::settings::{
    self, ConnectionSettings, Environment, Given, GlobalSettings, Layers, LogFormat, OutputFormat, SettingsError, UnknownVariable,
    table,
};

/// Until a broker has answered once.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

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

    /// Who answers questions about groups, and moves them.
    pub(super) fn groups(&self) -> Result<Groups, CommandError> {
        let opened = Groups::open(&self.connection()?, FIRST_ANSWER, &StopToken::default())?;
        // Nobody asks the token that was made here to stop.
        opened.ok_or_else(|| CommandError::new(ErrorKind::CannotGoOn, "it was asked to stop before a broker answered"))
    }

    /// The journal, where there is one.
    pub(super) fn reader(&self) -> Result<Option<Reader>, CommandError> {
        match Reader::open(&self.journal()) {
            Ok(reader) => Ok(Some(reader)),
            Err(OpenError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The words of the command line that say where brokers and settings are, but for properties, which may be secrets.
    pub(super) fn brokers(&self) -> Vec<String> {
        let flags = [("-b", &table::BOOTSTRAP_SERVER), ("--command-config", &table::COMMAND_CONFIG), ("--config", &table::CONFIG)];
        let given = flags.iter().filter_map(|(flag, setting)| Some([*flag, self.layers.flag(setting)?]));
        given.flatten().map(str::to_owned).collect()
    }

    /// A command of this program to run next, on the same brokers and the same journal.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).chain(self.brokers()).collect();
        let path = self.global.journal.display().to_string();
        Journal { program: self.output.program(), path: &path, id: "" }.command(&words)
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
