//! `redrive replay`: delivers again what is asked for, after it has said what that is, and sums up.

mod arguments;
mod preview;
mod progress;
mod refusals;
#[cfg(test)]
mod screens;
mod skipped;
mod summary;
mod typed;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::confirm;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint::Journal;
use crate::cli::refusals::of_output;
use crate::cli::screen::Screen;
use crate::cli::session::Session;
use crate::cli::signals::Signals;
use crate::engine::stop::StopToken;
use crate::kafka::Connection;
use crate::receiver::{MadeOf, Target};
use crate::replay::{self, Outcome, Place, Plan, Prepared, Request};
use crate::settings::{ConnectionSettings, OutputFormat, ReplaySettings, SettingsError};

pub(super) use arguments::ReplayArgs;
use preview::Preview;
use progress::Progress;
use summary::{Reason, Summary};
use typed::Typed;

pub(super) const NAME: &str = "replay";
pub(super) const HELP: &str = "\
Delivers entries of the journal, or records by their offsets, to those that do
not have them. It joins no group and moves no offset. Receivers come from
--receiver NAME=TARGET or from redrive.toml; --receiver NAME selects entries.
What a receiver missed while it was down has no entries: --offset delivers it,
and `redrive group describe` shows where it is.
Examples:
  redrive replay 42
  redrive replay --fingerprint 9f2c41d0 --dry-run
  redrive replay --receiver billing --since 2h --rate 50/s --max-failures 1
  redrive replay --receiver old-billing --map old-billing=billing
  redrive replay --offset orders:3:1200..1300 --to all -g shop
  redrive replay --offset 'orders:*:@2026-11-23T05:00:00Z..' --dry-run
Exit status: 0 done, 1 could not go on, 2 usage, or nothing to deliver,
3 something still fails or was not delivered, 4 stopped by --max-failures, the
start-up guard or a rule that halts, 5 not confirmed.";

/// More deliveries than these are asked about.
const UNASKED: u64 = 1_000;

fn needs_yes(plan: &Plan) -> bool {
    plan.deliveries() > UNASKED
}

/// Returns the exit code of a replay that ended as it should, whatever it delivered.
pub(super) fn run(args: &ReplayArgs, session: &Session<'_>) -> Result<u8, CommandError> {
    // What is wrong with the selection is told first: without one, no setting matters.
    let mut request = args.request(Timestamp::now())?;
    let settings = ReplaySettings::read(&session.layers, &session.receivers).map_err(refusals::of_settings)?;
    request.group.clone_from(&settings.group);
    if !args.step.dry_run {
        of_output(session.output.format(), &settings.receivers).map_or(Ok(()), Err)?;
    }
    let place = Place { connection: connection(session)?, journal: session.journal() };
    let stop = StopToken::default();
    let signals = Signals::listen(&stop).map_err(|error| cannot("signals cannot be listened to", error))?;
    let named = session.global.journal.display().to_string();
    let journal = Journal { program: session.output.program(), path: &named, id: "" };
    let typed = Typed::new(args, &session.layers, &settings, journal);
    let prepared = replay::prepare(place, settings.clone(), request.clone(), &stop);
    let prepared = prepared.map_err(|error| refusals::of_error(error, &typed))?;
    let (path, id) = (named.clone(), prepared.journal_uuid().unwrap_or_default().to_owned());
    let asked =
        Asked { session, settings: &settings, request: &request, typed: &typed.on(Journal { path: &path, id: &id, ..journal }) };
    if args.step.dry_run {
        asked.show(&prepared)?;
        return Ok(0);
    }
    if !args.step.yes && needs_yes(prepared.plan()) {
        asked.confirm(&prepared, &stop)?;
    }
    asked.deliver(prepared, &stop, &signals)
}

/// Not every replay needs a broker: whether one has to be named shows when it is known what there is to do.
fn connection(session: &Session<'_>) -> Result<Option<Connection>, CommandError> {
    match ConnectionSettings::read(&session.layers) {
        Err(SettingsError::Missing { .. }) => Ok(None),
        _ => session.connection().map(Some),
    }
}

fn cannot(what: &str, error: std::io::Error) -> CommandError {
    CommandError::new(ErrorKind::CannotGoOn, what).cause(error)
}

/// What was asked for, and how it speaks.
struct Asked<'a> {
    session: &'a Session<'a>,
    settings: &'a ReplaySettings,
    request: &'a Request,
    typed: &'a Typed<'a>,
}

impl Asked<'_> {
    fn preview<'p>(&'p self, prepared: &'p Prepared) -> Preview<'p> {
        Preview { plan: prepared.plan(), request: self.request, order: self.settings.conduct.order, typed: self.typed }
    }

    /// Shows what would be done, and how to do it.
    fn show(&self, prepared: &Prepared) -> Result<(), CommandError> {
        let (output, preview) = (&self.session.output, self.preview(prepared));
        match output.format() {
            OutputFormat::Table => {
                let screen = output.screen();
                output.lines(preview.lines(screen).into_iter().chain(preview.next(screen)))
            }
            OutputFormat::Json | OutputFormat::Jsonl => self.item(&preview.item()),
        }
    }

    fn item(&self, item: &impl Serialize) -> Result<(), CommandError> {
        let journal = self.typed.journal();
        self.session.output.items(NAME, (!journal.id.is_empty()).then_some(journal), &[item], None)
    }

    /// Shows what would be done, and asks for it; where nobody can answer, that is a refusal.
    fn confirm(&self, prepared: &Prepared, stop: &StopToken) -> Result<(), CommandError> {
        let (output, preview) = (&self.session.output, self.preview(prepared));
        let question = preview.sentence("deliver").into_iter().next().unwrap_or_default();
        let refused = |why: &str| CommandError::new(ErrorKind::Refused, format!("{question}: {why}; nothing was delivered"));
        if confirm::can_be_asked() {
            output.note(&preview.lines(Screen::of_stderr()).join("\n"))?;
            let is_confirmed = confirm::ask(&format!("{question}?"), stop)?;
            return if is_confirmed { Ok(()) } else { Err(refused("this was not confirmed")) };
        }
        match output.format() {
            OutputFormat::Table => output.lines(preview.lines(output.screen()))?,
            OutputFormat::Jsonl => self.item(&preview.item())?,
            // There is one document, and it is the error.
            OutputFormat::Json => {}
        }
        let told = refused("nobody is there to confirm this");
        Err(told.hint(format!("to do it without being asked: {}", self.typed.with_switch("--yes"))))
    }

    fn deliver(&self, prepared: Prepared, stop: &StopToken, signals: &Signals) -> Result<u8, CommandError> {
        let group = prepared.plan().group.clone();
        let progress = Progress::start(self.session, prepared.plan().deliveries());
        let progress = progress.map_err(|error| cannot("the progress bar's thread could not be started", error))?;
        let ended = prepared.run(stop, progress.watcher());
        progress.finish();
        let ended = ended.map_err(|error| refusals::of_error(error, self.typed))?;
        let id = ended.journal_uuid.clone();
        let typed = self.typed.on(Journal { id: &id, ..self.typed.journal() });
        let refused = ended.refusal(self.typed.selection()).map(|error| refusals::of_error(error, &typed));
        let is_refused = refused.is_some();
        let error = refused.or_else(|| refusals::of_end(&ended.reason, self.settings, &typed));
        let (outcome, reason) = (ended.outcome.clone(), Reason::of(&ended));
        let code = signals.exit_code().unwrap_or_else(|| exit_code(reason, &outcome, error.as_ref()));
        let closed = ended.close(code).map_err(|error| refusals::of_ledger(&error, &typed));
        let error = error.or(closed.err());
        if !is_refused {
            self.sum_up(&Summary { outcome: &outcome, group: &group, reason, typed: &typed }, error.as_ref())?;
        }
        error.map_or(Ok(code), Err)
    }

    /// An error is a document of its own, so there is no other one beside it.
    fn sum_up(&self, summary: &Summary<'_>, error: Option<&CommandError>) -> Result<(), CommandError> {
        let output = &self.session.output;
        let has_stdout = self.settings.receivers.iter().any(|of| matches!(of.made_of, MadeOf::Target(Target::Stdout)));
        match output.format() {
            // Standard output is the receiver's.
            OutputFormat::Table if has_stdout => output.note(&summary.lines(Screen::of_stderr()).join("\n")),
            OutputFormat::Table => output.lines(summary.lines(output.screen())),
            OutputFormat::Json | OutputFormat::Jsonl if error.is_some() => Ok(()),
            OutputFormat::Json | OutputFormat::Jsonl => self.item(&summary.item()),
        }
    }
}

fn exit_code(reason: Reason, outcome: &Outcome, error: Option<&CommandError>) -> u8 {
    match error {
        Some(error) => error.kind.exit_code(),
        None if reason == Reason::Limit => ErrorKind::Stopped.exit_code(),
        None if outcome.leaves_undone() => ErrorKind::StillFailing.exit_code(),
        None => 0,
    }
}
