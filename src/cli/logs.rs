//! Logs on stderr: what the library and the Kafka client say beside the lines of a command.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Verbosity};

/// Starts logging for this process. A program that logs already keeps its own.
pub(super) fn start(verbosity: Verbosity, format: LogFormat) {
    let filter = EnvFilter::new(match verbosity {
        Verbosity::Quiet => "error",
        Verbosity::Normal => "warn",
        Verbosity::Verbose => "info",
        Verbosity::VeryVerbose => "info,redrive=debug,librdkafka=debug",
    });
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("this program logs in its own way");
    }
}
