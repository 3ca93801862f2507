//! What a run says on stderr while it goes on: a banner, the first failure of each kind, its incidents, its end.
//!
//! The engine's threads must not wait for whoever reads stderr: lines go through a thread of their own, and are dropped when it is
//! behind. Nothing is lost by that: the journal has it all.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::json;

use crate::cli::escape::escape;
use crate::cli::hint::Journal;
use crate::cli::numbers::{counted, grouped};
use crate::cli::session::Session;
use crate::consumer::{Began, Ended};
use crate::engine::ledger::{Entry, FailedDelivery, Incident, IncidentKind};
use crate::engine::observer::Observer;
use crate::engine::report::StopReason;
use crate::engine::source::{Basis, Start, StartAt};
use crate::engine::tracker::Load;
use crate::receiver::Specification;
use crate::settings::{ConsumeSettings, LogFormat, Verbosity};

/// Lines that may wait to be written.
const WAITING: usize = 1_000;
/// Kinds of failures that are told apart; beyond that only the journal does.
const MOST_KINDS: usize = 1_000;

/// The lines of one run.
pub(super) struct Lines {
    said: Arc<Said>,
    writer: JoinHandle<()>,
}

struct Said {
    program: String,
    format: LogFormat,
    verbosity: Verbosity,
    to_writer: SyncSender<Line>,
    known: Mutex<Known>,
    receivers: Vec<String>,
    group: String,
    order: &'static str,
    is_from_said: bool,
}

/// What was said already.
#[derive(Default)]
struct Known {
    has_begun: bool,
    kinds: HashSet<(Option<String>, &'static str, String)>,
    incidents: HashSet<(IncidentKind, Option<String>)>,
}

enum Line {
    Text(String),
    End,
}

impl Lines {
    pub(super) fn start(session: &Session<'_>, settings: &ConsumeSettings) -> io::Result<Self> {
        let (to_writer, lines) = sync_channel(WAITING);
        let writer = thread::Builder::new().name("redrive-lines".to_owned()).spawn(move || write(&lines))?;
        let said = Said {
            program: session.output.program().to_owned(),
            format: session.global.log_format,
            verbosity: session.global.verbosity,
            to_writer,
            known: Mutex::default(),
            receivers: settings.receivers.iter().map(describe(settings)).collect(),
            group: settings.group.clone(),
            order: settings.order.as_str(),
            is_from_said: settings.from.is_some(),
        };
        Ok(Self { said: Arc::new(said), writer })
    }

    /// Says who runs, and gives the engine its observer.
    pub(super) fn observe(&self, began: &Began) -> Arc<dyn Observer> {
        self.said.banner(began);
        Arc::clone(&self.said) as Arc<dyn Observer>
    }

    pub(super) fn stopped_early(&self) {
        self.said.line("stopped", "stopped before a broker answered");
    }

    pub(super) fn stopped(&self, ended: &Ended) {
        let Ended { began, summary, .. } = ended;
        let counts = &summary.counts;
        let mut text = format!(
            "stopped: {} delivered, {} failed, {} skipped",
            grouped(counts.delivered),
            grouped(counts.failed),
            grouped(counts.skipped)
        );
        if summary.unsettled > 0 {
            text.push_str(&format!(" · {} not finished, delivered again next time", grouped(summary.unsettled as u64)));
        }
        if counts.failed > 0 {
            text.push_str(&format!(" · {}", self.said.errors_list(began)));
        }
        self.said.line("stopped", &text);
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) {
        let Self { said, writer } = self;
        if said.to_writer.send(Line::End).is_ok() && writer.join().is_err() {
            tracing::debug!("the lines of this run could not all be written");
        }
    }
}

fn describe(settings: &ConsumeSettings) -> impl Fn(&Specification) -> String {
    let width = |of: fn(&Specification) -> &str| {
        settings.receivers.iter().map(|receiver| of(receiver).chars().count()).max().unwrap_or_default()
    };
    let (name, target) = (width(|receiver| &receiver.name), width(|receiver| &receiver.definition).min(48));
    move |receiver| {
        let types = if receiver.types.is_empty() { "all types".to_owned() } else { receiver.types.join(", ") };
        format!("  {:name$}  {:target$}  {types} · retries {}", receiver.name, escape(&receiver.definition), receiver.retries)
    }
}

fn write(lines: &Receiver<Line>) {
    while let Ok(Line::Text(line)) = lines.recv() {
        // Nobody may be listening any more; the journal has it all.
        if writeln!(io::stderr().lock(), "{line}").is_err() {
            return;
        }
    }
}

impl Said {
    fn put(&self, text: String) {
        if self.to_writer.try_send(Line::Text(text)).is_err() {
            tracing::debug!("stderr is not read fast enough: a line was dropped");
        }
    }

    /// One thing that happened.
    fn line(&self, kind: &str, text: &str) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let now = jiff::Timestamp::now();
        match self.format {
            LogFormat::Text => self.put(format!("{}  {}", now.strftime("%H:%M:%SZ"), escape(text))),
            LogFormat::Json => self.put(json!({ "timestamp": format!("{now:.6}"), "kind": kind, "message": text }).to_string()),
        }
    }

    /// How to see what failed.
    fn errors_list(&self, began: &Began) -> String {
        Journal { program: &self.program, path: &began.journal_path, id: &began.journal_uuid }.hint("errors list")
    }

    fn banner(&self, began: &Began) {
        let topics: Vec<_> = began.topics.iter().map(|(name, partitions)| format!("{name} ({partitions} partitions)")).collect();
        let topics = if topics.is_empty() { "no topic yet".to_owned() } else { topics.join(", ") };
        let uuid = began.journal_uuid.get(..8).unwrap_or(&began.journal_uuid);
        let version = env!("CARGO_PKG_VERSION");
        let first = format!("redrive {version} · group {} · {topics} · journal {} ({uuid})", self.group, began.journal_path);
        if self.format == LogFormat::Json {
            return self.line("began", &first);
        }
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        self.put(escape(&first).into_owned());
        self.receivers.iter().for_each(|receiver| self.put(receiver.clone()));
        let mut order = format!("  order {}", self.order);
        if began.failures.open > 0 {
            let open = counted(began.failures.open, "open failure");
            order.push_str(&format!(" · {open} from before: {}", self.errors_list(began)));
        }
        self.put(order);
    }

    fn failed(&self, failed: &FailedDelivery, known: &mut Known) {
        let FailedDelivery { record, receiver, failure, .. } = failed;
        let kind = (receiver.clone(), failure.stage.as_str(), failure.code.to_string());
        if known.kinds.len() >= MOST_KINDS || !known.kinds.insert(kind) {
            return;
        }
        let receiver = receiver.as_deref().unwrap_or("-");
        let (place, stage, code) = (record.place(), failure.stage.as_str(), &failure.code);
        self.line("failed", &format!("{stage}  {place}  {receiver}  {code}  {}  (first of its kind)", failure.message));
    }

    fn incident(&self, incident: &Incident, known: &mut Known) {
        if known.incidents.insert((incident.key.kind, incident.key.receiver.clone())) {
            self.line("incident", &format!("{}: {}", incident.key.kind.as_str(), incident.message));
        }
    }
}

impl Observer for Said {
    fn assigned(&self, starts: &[Start]) {
        // What a gap begins anew is said by its incident.
        if starts.iter().any(|start| start.basis == Basis::Gap) {
            return;
        }
        let held = starts.iter().filter(|start| start.at == StartAt::Held).count();
        let committed = starts.iter().filter(|start| start.basis == Basis::Commit).count();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if starts.is_empty() && known.has_begun {
            return;
        }
        known.has_begun = true;
        let held = if held > 0 { format!(", {held} of them held") } else { String::new() };
        self.line("assigned", &format!("{} partitions assigned{held}", starts.len()));
        if self.is_from_said && committed > 0 {
            self.line("assigned", &format!("--from is ignored for {committed} of them: the group has committed offsets there"));
        }
    }

    fn written(&self, entries: &[Entry]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            match entry {
                Entry::Failed(failed) => self.failed(failed, &mut known),
                Entry::Incident(incident) => self.incident(incident, &mut known),
                Entry::IncidentEnded(key) => {
                    if known.incidents.remove(&(key.kind, key.receiver.clone())) {
                        self.line("incident", &format!("{} is over", key.kind.as_str()));
                    }
                }
                Entry::Delivered(_) | Entry::Passed { .. } | Entry::Progress(_) => {}
            }
        }
    }

    fn stopping(&self, reason: &StopReason, in_flight: Load) {
        if *reason == StopReason::Asked {
            self.line("stopping", &format!("stopping: {} in flight", grouped(in_flight.records as u64)));
        }
    }
}
