//! `redrive consume`: runs the consumer, says what happens on stderr, and sums up.

mod lines;

use serde_json::{Value, json};

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint::Journal;
use crate::cli::signals::Signals;
use crate::cli::{Session, refusals};
use crate::consumer::{self, BeginError, Ended, Place};
use crate::engine::ledger::LedgerError;
use crate::engine::report::StopReason;
use crate::engine::stop::StopToken;
use crate::settings::{ConsumeSettings, OutputFormat};

use lines::Lines;

/// Returns the exit code of a run that ended as it should.
pub(super) fn run(session: &Session<'_>) -> Result<u8, CommandError> {
    let settings = ConsumeSettings::read(&session.layers, &session.receivers)?;
    refusals::of_output(session.output.format(), &settings).map_or(Ok(()), Err)?;
    let place = Place { connection: session.connection()?, journal: session.journal(), command: "consume" };
    let stop = StopToken::default();
    let signals = Signals::listen(&stop)
        .map_err(|error| CommandError::new(ErrorKind::CannotGoOn, "signals cannot be listened to").cause(error))?;
    let lines = Lines::start(session, &settings)
        .map_err(|error| CommandError::new(ErrorKind::CannotGoOn, "stderr cannot be written").cause(error))?;
    let ended = match consumer::run(&place, settings.clone(), &stop, |began| lines.observe(began)) {
        Err(BeginError::Stopped) => return stopped_early(session, &signals, lines),
        ended => ended?,
    };
    let error = refusals::of_run(&ended.summary.reason, &settings);
    let code = signals.exit_code().unwrap_or_else(|| match &error {
        Some(error) => error.kind.exit_code(),
        None if settings.fail_on_errors && ended.summary.counts.failed > 0 => ErrorKind::StillFailing.exit_code(),
        None => 0,
    });
    lines.stopped(&ended);
    let (began, summary) = (ended.began.clone(), summary(&ended, &settings));
    let closed = ended.close(code);
    lines.finish();
    if let Some(error) = error {
        // The error that stopped the run is the one to mend.
        if let Err(untold) = closed {
            tracing::warn!(error = %untold, "how the run ended could not be written down");
        }
        return Err(error);
    }
    match closed {
        // All is settled and committed; the next run takes one without an end for one that was killed.
        Err(untold @ LedgerError::Locked { .. }) => tracing::warn!(error = %untold, "how the run ended could not be written down"),
        closed => closed?,
    }
    if session.output.format() != OutputFormat::Table {
        let journal = Journal { program: session.output.program(), path: &began.journal_path, id: &began.journal_uuid };
        session.output.items("consume", Some(journal), &[summary], None)?;
    }
    Ok(code)
}

/// A signal came while no broker had answered yet: there is no run to sum up.
fn stopped_early(session: &Session<'_>, signals: &Signals, lines: Lines) -> Result<u8, CommandError> {
    lines.stopped_early();
    lines.finish();
    if session.output.format() != OutputFormat::Table {
        session.output.items::<Value>("consume", None, &[], None)?;
    }
    Ok(signals.exit_code().unwrap_or(0))
}

/// The run as an item. Counts are of records.
fn summary(ended: &Ended, settings: &ConsumeSettings) -> Value {
    let summary = &ended.summary;
    let counts = &summary.counts;
    let reason = match summary.reason {
        StopReason::Asked => "signal",
        _ => "done",
    };
    json!({
        "group": settings.group,
        "topics": settings.topics,
        "reason": reason,
        "partitions": summary.partitions,
        "records": counts.records(),
        "delivered": counts.delivered,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "deferred": counts.deferred,
        "unsettled": summary.unsettled,
    })
}
