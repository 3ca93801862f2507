//! `redrive consume`: runs the consumer, says what happens on stderr, and sums up.

mod lines;
mod preview;

use serde_json::{Value, json};

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint::Journal;
use crate::cli::signals::Signals;
use crate::cli::{Session, refusals};
use crate::consumer::{self, BeginError, Place, Preview};
use crate::engine::Summary;
use crate::engine::report::StopReason;
use crate::engine::stop::StopToken;
use crate::settings::{ConsumeSettings, Enabled, OutputFormat};

use lines::Lines;

/// Returns the exit code of a run that ended as it should.
pub(super) fn run(session: &Session<'_>) -> Result<u8, CommandError> {
    let settings = ConsumeSettings::read(&session.layers, &session.receivers)?;
    refusals::of_output(session.output.format(), &settings.receivers).map_or(Ok(()), Err)?;
    let place = Place { connection: session.connection()?, journal: session.journal(), command: "consume" };
    let stop = StopToken::default();
    let signals = Signals::listen(&stop)
        .map_err(|error| CommandError::new(ErrorKind::CannotGoOn, "signals cannot be listened to").cause(error))?;
    let lines = Lines::start(session, &settings)
        .map_err(|error| CommandError::new(ErrorKind::CannotGoOn, "stderr cannot be written").cause(error))?;
    if settings.enabled != Enabled::Yes {
        lines.not_enabled(settings.enabled);
    }
    let ended = match consumer::run(&place, settings.clone(), &stop, |began| lines.observe(began)) {
        Err(BeginError::Stopped) => {
            lines.stopped_early();
            return nothing_to_sum_up(session, &signals, lines);
        }
        Err(BeginError::NotEnabled) => return nothing_to_sum_up(session, &signals, lines),
        Err(error) => {
            // What was said before comes before the error.
            lines.finish();
            return Err(error.into());
        }
        Ok(ended) => ended,
    };
    let error = refusals::of_run(&ended.summary.reason, &settings, session);
    let code = signals.exit_code().unwrap_or_else(|| match &error {
        Some(error) => error.kind.exit_code(),
        None if settings.fail_on_errors && has_failed(&ended.summary) => ErrorKind::StillFailing.exit_code(),
        None => 0,
    });
    lines.stopped(&ended);
    let (began, summary) = (ended.began.clone(), summary(&ended.summary, ended.preview.as_ref(), &settings));
    let closed = ended.close(Some(code));
    lines.finish();
    if let Some(error) = error {
        return Err(error);
    }
    closed?;
    if session.output.format() != OutputFormat::Table {
        let path = &began.journal_path;
        let journal = began.journal_uuid.as_ref().map(|id| Journal { program: session.output.program(), path, id });
        session.output.items("consume", journal, &[summary], None)?;
    }
    Ok(code)
}

/// Nothing was read: there is no run to sum up.
fn nothing_to_sum_up(session: &Session<'_>, signals: &Signals, lines: Lines) -> Result<u8, CommandError> {
    lines.finish();
    if session.output.format() != OutputFormat::Table {
        session.output.items::<Value>("consume", None, &[], None)?;
    }
    Ok(signals.exit_code().unwrap_or(0))
}

/// Also of what receivers had missed before.
fn has_failed(Summary { counts, missed, .. }: &Summary) -> bool {
    counts.failed + missed.failed > 0
}

/// The run as an item. Counts are of records.
fn summary(summary: &Summary, preview: Option<&Preview>, settings: &ConsumeSettings) -> Value {
    let (counts, missed) = (&summary.counts, &summary.missed);
    let reason = match summary.reason {
        StopReason::Asked => "signal",
        _ => "done",
    };
    let mut item = json!({
        "group": settings.group,
        "topics": settings.topics,
        "reason": reason,
        "partitions": summary.partitions,
        "records": counts.records(),
        "delivered": counts.delivered,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "deferred": counts.deferred,
        "missed": { "delivered": missed.delivered, "failed": missed.failed, "skipped": missed.skipped },
        "unsettled": summary.unsettled,
    });
    if let (Some(fields), Some(preview)) = (item.as_object_mut(), preview) {
        fields.insert("preview".to_owned(), preview::item(preview));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::schemas;
    use crate::consumer::samples::preview;
    use crate::engine::ledger::Counts;
    use crate::receiver::Receivers;
    use crate::settings::{Given, Layers, table};

    #[test]
    fn the_summary_of_a_run_and_of_a_dry_run_fits_its_schema() {
        let mut given = Given::default();
        for (setting, value) in [(&table::TOPIC, "orders"), (&table::GROUP, "shop"), (&table::RECEIVER, "all=discard:")] {
            given.set(setting, vec![value.to_owned()]);
        }
        let settings = ConsumeSettings::read(&Layers::without_file(given, &|_| None), &Receivers::new()).unwrap();
        let counts = Counts { delivered: 1_207, failed: 3, skipped: 12, deferred: 0 };
        let missed = Counts::default();
        let ended = Summary { reason: StopReason::Done, counts, missed, partitions: 1, unsettled: 0 };
        let run = summary(&ended, None, &settings);
        schemas::check("run", &run);
        assert_eq!((&run["records"], &run["reason"], run.get("preview")), (&json!(1_222), &json!("done"), None));
        let dry = summary(&Summary { reason: StopReason::Asked, ..ended }, Some(&preview()), &settings);
        schemas::check("run", &dry);
        assert_eq!((&dry["reason"], dry["preview"]["skipped"][0]["count"].as_u64()), (&json!("signal"), Some(12)));
    }
}
