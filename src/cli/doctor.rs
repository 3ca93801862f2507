//! `redrive doctor`: gathers what is to be looked at, and shows what was found.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::cli::cut::{cut_end, width};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::escape::escape;
use crate::cli::numbers::counted;
use crate::cli::screen::{Paint, Screen};
use crate::cli::session::Session;
use crate::doctor::{self, Checkup, Finding, Found, Section, Verdict};
use crate::journal::ExamineError;
use crate::receiver::{MadeOf, Target};
use crate::settings::table::RECEIVER;
use crate::settings::{self, CheckedSettings, Given, OutputFormat, Verbosity, nearest};

pub(super) const NAME: &str = "doctor";

pub(super) const HELP: &str = "\
Takes the flags, the file and the environment of `consume`, and looks at what it would meet. Nothing is needed: what is missing is \
skipped. It joins no group, commits nothing, and makes nothing that stays. Receivers get no event, with one exception: an exec: worker \
that is named on the command line, with --receiver NAME or --receiver NAME=exec:…, is handed a script of test events (topic \
redrive-doctor, types redrive.doctor.…), and its answers are checked.
Examples:
  redrive doctor -b localhost:9092 -t orders -g shop
  redrive doctor --receiver 'billing=exec:python3 worker.py'
Exit status: 0 no problem (there may be warnings), 2 the settings cannot be read, 6 a problem.";

/// What is given of settings: a receiver's name alone only selects it.
pub(super) fn settings(given: Given) -> Given {
    given.retain(&RECEIVER, |receiver| receiver.contains('='))
}

pub(super) fn run(given: &Given, session: &Session<'_>) -> Result<u8, CommandError> {
    let checked = CheckedSettings::read(&session.layers, &session.receivers)?;
    let scripted = scripted(given, &checked)?;
    let connection = checked.connection.is_some().then(|| session.connection()).transpose()?;
    let checkup = Checkup {
        effective: settings::effective(&session.layers, &session.receivers)?,
        connection,
        journal: session.journal(),
        output: session.output.format(),
        search: settings::environment("PATH"),
        settings: checked,
        scripted,
    };
    let handed = handed(&checkup);
    if !handed.is_empty() && session.global.verbosity != Verbosity::Quiet {
        let names = handed.join(", ");
        session.output.note(&format!("test events of the topic redrive-doctor are handed to {names}, as --receiver says"))?;
    }
    let told: Vec<Told> = doctor::examine(&checkup).into_iter().map(Told::of).collect();
    if session.output.format() == OutputFormat::Table {
        session.output.lines(lines(&told, session.output.screen()))?;
    } else {
        session.output.items(NAME, None, &told, None)?;
    }
    let has_problem = told.iter().any(|told| told.verdict == Verdict::Problem.as_str());
    Ok(if has_problem { ErrorKind::Found.exit_code() } else { 0 })
}

/// The receivers that the command line names.
fn scripted(given: &Given, checked: &CheckedSettings) -> Result<Vec<String>, CommandError> {
    let there: Vec<&str> = checked.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    let named = given.values(&RECEIVER).iter().map(|receiver| receiver.split_once('=').map_or(receiver.as_str(), |(name, _)| name));
    named
        .map(|name| {
            if there.contains(&name) {
                return Ok(name.to_owned());
            }
            let told = CommandError::usage(format!("there is no receiver {name} in the settings"));
            Err(match nearest(name, there.iter().copied()) {
                Some(like) => told.hint(format!("did you mean {like}?")),
                None => told.hint(format!("say what it is: --receiver {name}=exec:PROGRAM ARGS…")),
            })
        })
        .collect()
}

/// Those of them that have a worker.
fn handed(checkup: &Checkup) -> Vec<&str> {
    let named = checkup.settings.receivers.iter().filter(|receiver| checkup.scripted.contains(&receiver.name));
    named
        .filter(|receiver| matches!(receiver.made_of, MadeOf::Target(Target::Exec(_))))
        .map(|receiver| receiver.name.as_str())
        .collect()
}

/// A finding in words; as JSON it is an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Told {
    section: &'static str,
    subject: String,
    verdict: &'static str,
    found: String,
    causes: Vec<String>,
    mends: Vec<String>,
    sent: Option<String>,
    origin: Option<String>,
}

impl Told {
    fn of(finding: Finding) -> Self {
        let Finding { section, subject, verdict, found, mut mends, sent, origin } = finding;
        let error = match found {
            Found::Said(found) => Err(found),
            Found::Cluster(error) => Ok(CommandError::from(error)),
            Found::Journal(ExamineError::Open(error)) => Ok(error.into()),
            Found::Journal(ExamineError::Read(error)) => Ok(error.into()),
        };
        let (found, causes) = match error {
            Err(found) => (found, Vec::new()),
            Ok(CommandError { message, causes, hints, .. }) => {
                mends.extend(hints);
                (message, causes)
            }
        };
        let origin = origin.map(|origin| origin.to_string());
        Self { section: section.as_str(), subject, verdict: verdict.as_str(), found, causes, mends, sent, origin }
    }

    fn paint(&self) -> Option<Paint> {
        match self.verdict {
            "problem" => Some(Paint::Red),
            "warning" => Some(Paint::Yellow),
            "skipped" => Some(Paint::Dim),
            _ => None,
        }
    }
}

/// As wide as the longest verdict.
const VERDICT: usize = 7;
/// A longer subject pushes its own line only.
const SUBJECT: usize = 56;
/// As much of a line that was sent as a screen shows, in columns.
const SENT: usize = 200;

/// Sections one under the other, and how many findings of each kind there are.
fn lines(all: &[Told], screen: Screen) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = "";
    let widest = |of: &str| {
        let subjects = all.iter().filter(|told| told.section == of).map(|told| width(&escape(&told.subject)));
        subjects.filter(|wide| *wide <= SUBJECT).max().unwrap_or_default()
    };
    let mut subject = 0;
    for told in all {
        if told.section != section {
            section = told.section;
            subject = widest(section);
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(section.to_owned());
        }
        if section == Section::Settings.as_str() {
            lines.push(setting(told, subject, screen));
        } else {
            lines.extend(finding(told, subject, screen));
        }
    }
    lines.push(String::new());
    lines.extend(screen.join(counts(all)));
    lines
}

fn setting(told: &Told, subject: usize, screen: Screen) -> String {
    let name = padded(&escape(&told.subject), subject);
    let value = escape(&told.found);
    let line = match &told.origin {
        Some(origin) => format!("  {name}  {value}  ({})", escape(origin)),
        None => format!("  {name}  {value}"),
    };
    fitting(&line, screen)
}

fn finding(told: &Told, subject: usize, screen: Screen) -> Vec<String> {
    let verdict = screen.paint(told.verdict, told.paint()).into_owned() + &" ".repeat(VERDICT.saturating_sub(told.verdict.len()));
    let rest = screen.indented(2 + VERDICT + 2);
    let text = format!("{}  {}", padded(&escape(&told.subject), subject), escape(&told.found));
    let mut lines = vec![format!("  {verdict}  {}", fitting(&text, rest))];
    let indent = " ".repeat(2 + VERDICT + 2);
    lines.extend(told.causes.iter().map(|cause| format!("{indent}cause: {}", escape(cause))));
    if told.verdict == Verdict::Problem.as_str() {
        lines.extend(told.sent.iter().map(|sent| format!("{indent}sent: {}", cut_end(&escape(sent), SENT))));
    }
    lines.extend(told.mends.iter().map(|mend| format!("{indent}hint: {}", escape(mend))));
    lines
}

fn counts(all: &[Told]) -> Vec<String> {
    let count = |of: Verdict| {
        let checks = all.iter().filter(|told| told.section != Section::Settings.as_str());
        checks.filter(|told| told.verdict == of.as_str()).count() as u64
    };
    let ok = format!("{} ok", count(Verdict::Ok));
    let skipped = format!("{} skipped", count(Verdict::Skipped));
    vec![counted(count(Verdict::Problem), "problem"), counted(count(Verdict::Warning), "warning"), ok, skipped]
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Cut where a screen ends; whole where there is none.
fn fitting(text: &str, screen: Screen) -> String {
    screen.width.map_or_else(|| text.to_owned(), |most| cut_end(text, most).into_owned())
}
