//! What a run says on stderr while it goes on: a banner, the first failure of each kind, its incidents, its end.
//!
//! The engine's threads must not wait for whoever reads stderr: lines go through a thread of their own, and are dropped when it is
//! behind. Nothing is lost by that: the journal has it all.

mod known;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;

use crate::cli::consume::preview;
use crate::cli::escape::escape;
use crate::cli::hint::Journal;
use crate::cli::line::{Level, Line, bounded, shortened};
use crate::cli::numbers::{counted, grouped};
use crate::cli::session::Session;
use crate::cli::times;
use crate::consumer::{Began, Ended, Preview};
use crate::engine::flow::Load;
use crate::engine::ledger::{Counts, Entry, FailedDelivery, Incident, IncidentKey};
use crate::engine::observer::Observer;
use crate::engine::report::StopReason;
use crate::engine::source::{Basis, Start, StartAt};
use crate::engine::{Summary, UntilEnd};
use crate::receiver::Specification;
use crate::settings::{ConsumeSettings, Doing, Enabled, LogFormat, Verbosity};

use known::Known;

/// Lines that may wait to be written.
const WAITING: usize = 1_000;

/// The lines of one run.
pub(super) struct Lines {
    said: Arc<Said>,
    writer: JoinHandle<()>,
}

struct Said {
    program: String,
    format: LogFormat,
    verbosity: Verbosity,
    to_writer: SyncSender<ToWriter>,
    known: Mutex<Known>,
    has_assigned: AtomicBool,
    /// Path and uuid, once it has begun and if there is one.
    journal: OnceLock<(String, String)>,
    doing: Doing,
    receivers: Vec<String>,
    group: String,
    order: &'static str,
    is_from_said: bool,
    is_until_end: bool,
}

enum ToWriter {
    Line(String),
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
            has_assigned: AtomicBool::new(false),
            journal: OnceLock::new(),
            doing: settings.doing,
            receivers: settings.receivers.iter().map(describe(settings)).collect(),
            group: settings.group.clone(),
            order: settings.conduct.order.as_str(),
            is_from_said: settings.from.is_some(),
            is_until_end: settings.conduct.until_end == UntilEnd::Yes,
        };
        Ok(Self { said: Arc::new(said), writer })
    }

    /// Says who runs, and gives the engine its observer.
    pub(super) fn observe(&self, began: &Began) -> Arc<dyn Observer> {
        self.said.begin(began);
        Arc::clone(&self.said) as Arc<dyn Observer>
    }

    /// Said once: whoever looks at a consumer that does nothing must find out why.
    pub(super) fn not_enabled(&self, enabled: Enabled) {
        let text = match enabled {
            Enabled::Exit => "not enabled (`enabled` is exit): nothing is read, and this is the end",
            _ => "not enabled (`enabled` is false): nothing is read and no group is joined, until a signal ends this",
        };
        self.said.line(&Line::new("not_enabled", text).at(Level::Warn));
    }

    pub(super) fn stopped_early(&self) {
        self.said.line(&Line::new("stopped", "stopped before a broker answered"));
    }

    pub(super) fn stopped(&self, ended: &Ended) {
        if let Some(preview) = &ended.preview {
            return self.said.looked(&ended.summary, preview);
        }
        let summary = &ended.summary;
        let counts = &summary.counts;
        let open = self.said.known().open_incidents();
        let (delivered, failed, skipped) = (grouped(counts.delivered), grouped(counts.failed), grouped(counts.skipped));
        let mut text = format!("stopped: {delivered} delivered, {failed} failed, {skipped} skipped");
        if counts.deferred > 0 {
            text.push_str(&format!(", {} deferred", grouped(counts.deferred)));
        }
        let missed = summary.missed;
        if missed.records() > 0 {
            let (delivered, failed) = (grouped(missed.delivered), grouped(missed.failed));
            text.push_str(&format!("; of what receivers had missed, {delivered} delivered and {failed} failed"));
        }
        text.push_str(&left(summary));
        let others = ended.began.topics.iter().map(|(_, partitions)| partitions).sum::<usize>().saturating_sub(summary.partitions);
        if self.said.is_until_end && others > 0 && matches!(summary.reason, StopReason::Done) {
            text.push_str(&format!(" · {} not read: other members of the group have them", counted(others as u64, "partition")));
        }
        if counts.failed + missed.failed > 0 {
            text.push_str(&format!(" · {}", self.said.hint("errors list")));
        }
        if open > 0 {
            text.push_str(&format!(" · {}: {}", counted(open, "open incident"), self.said.hint("incidents list")));
        }
        let line = Line::new("stopped", text).with("delivered", counts.delivered).with("failed", counts.failed);
        let line = line.with("skipped", counts.skipped).with("deferred", counts.deferred).with("unsettled", summary.unsettled);
        let line = line.with("missed_delivered", missed.delivered).with("missed_failed", missed.failed);
        self.said.line(&line.with("open_incidents", open));
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) {
        let Self { said, writer } = self;
        if said.to_writer.send(ToWriter::End).is_ok() && writer.join().is_err() {
            tracing::debug!("the lines of this run could not all be written");
        }
    }
}

/// What comes again, if anything does.
fn left(Summary { reason, counts, unsettled, .. }: &Summary) -> String {
    let is_committed = matches!(
        reason,
        StopReason::Asked | StopReason::Done | StopReason::Halt(_) | StopReason::HaltRule(_) | StopReason::Limit(_)
    );
    match reason {
        _ if *unsettled == 0 && (is_committed || counts.records() == 0) => String::new(),
        _ if is_committed => format!(" · {} not finished, delivered again next time", grouped(*unsettled as u64)),
        StopReason::Guard(_) => " · nothing is committed, all is read again next time".to_owned(),
        _ => " · not all of it is committed, the rest is delivered again next time".to_owned(),
    }
}

fn describe(settings: &ConsumeSettings) -> impl Fn(&Specification) -> String {
    let width = |of: fn(&Specification) -> &str| {
        settings.receivers.iter().map(|receiver| of(receiver).chars().count()).max().unwrap_or_default()
    };
    let (name, target) = (width(|receiver| &receiver.name), width(|receiver| &receiver.definition).min(48));
    move |receiver| {
        let types = if receiver.types.is_empty() { "all types".to_owned() } else { receiver.types.join(", ") };
        let (definition, down) = (escape(&receiver.definition), receiver.on_outage.as_str());
        format!("  {:name$}  {definition:target$}  {types} · retries {} · down: {down}", receiver.name, receiver.retries)
    }
}

fn write(lines: &Receiver<ToWriter>) {
    while let Ok(ToWriter::Line(line)) = lines.recv() {
        // Nobody may be listening any more; the journal has it all.
        if writeln!(io::stderr().lock(), "{line}").is_err() {
            return;
        }
    }
}

impl Said {
    fn put(&self, text: String) {
        if self.to_writer.try_send(ToWriter::Line(text)).is_err() {
            tracing::debug!("stderr is not read fast enough: a line was dropped");
        }
    }

    /// One thing that happened.
    fn line(&self, line: &Line) {
        if self.verbosity != Verbosity::Quiet {
            self.put(line.told(self.format));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The command of these words, on the journal of this run.
    fn hint(&self, words: &str) -> String {
        let (path, id) = self.journal.get().map_or(("", ""), |(path, id)| (path, id));
        Journal { program: &self.program, path, id }.hint(words)
    }

    fn is_dry_run(&self) -> bool {
        self.doing == Doing::DryRun
    }

    /// The end of a dry run.
    fn looked(&self, summary: &Summary, preview: &Preview) {
        let Counts { delivered, failed, skipped, .. } = summary.counts;
        let (would_be_delivered, would_fail) = (grouped(delivered), grouped(failed));
        let mut text = format!(
            "dry run ended: {would_be_delivered} would be delivered, {would_fail} would fail, {} would be skipped",
            grouped(skipped)
        );
        if summary.unsettled > 0 {
            text.push_str(&format!(" · {} read and not looked at", grouped(summary.unsettled as u64)));
        }
        text.push_str(" · nothing was delivered, committed or journaled");
        let line = Line::new("looked", text).with("delivered", delivered).with("failed", failed).with("skipped", skipped);
        self.line(&line.with("preview", preview::item(preview)));
        if self.format == LogFormat::Text && self.verbosity != Verbosity::Quiet {
            preview::lines(preview).into_iter().for_each(|line| self.put(shortened(&line, "")));
        }
    }

    fn begin(&self, began: &Began) {
        let Began { journal_path: path, journal_uuid: id, topics, failures } = began;
        if let Some(id) = id {
            self.journal.get_or_init(|| (path.clone(), id.clone()));
        }
        let counted_topics =
            topics.iter().map(|(name, partitions)| format!("{name} ({})", counted(*partitions as u64, "partition")));
        let there = if topics.is_empty() { "no topic yet".to_owned() } else { counted_topics.collect::<Vec<_>>().join(", ") };
        let journal = match id {
            Some(id) => format!("journal {path} ({})", id.get(..8).unwrap_or(id)),
            None => format!("no journal at {path}"),
        };
        let (version, dry) = (env!("CARGO_PKG_VERSION"), if self.is_dry_run() { "dry run · " } else { "" });
        let first = format!("redrive {version} · {dry}group {} · {there} · {journal}", self.group);
        if self.format == LogFormat::Json {
            let names: Vec<&str> = topics.iter().map(|(name, _)| name.as_str()).collect();
            let line = Line::new("began", first).with("group", self.group.as_str()).with("topics", names);
            let line = line.with("journal", path.as_str()).with("order", self.order).with("open_failures", failures.open);
            return self.line(&line.with("dry_run", self.is_dry_run()));
        }
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        self.put(escape(&first).into_owned());
        self.receivers.iter().for_each(|receiver| self.put(receiver.clone()));
        let mut order = format!("  order {}", self.order);
        if failures.open > 0 {
            order.push_str(&format!(" · {} from before: {}", counted(failures.open, "open failure"), self.hint("errors list")));
        }
        self.put(order);
    }

    fn failed(&self, failed: &FailedDelivery) {
        let FailedDelivery { record, receiver, failure, .. } = failed;
        let (stage, code) = (failure.stage.as_str(), failure.code.as_str());
        let shown = receiver.as_deref().unwrap_or("-");
        let (what, would) = if self.is_dry_run() { ("would_fail", "would fail  ") } else { ("failed", "") };
        let text = format!("{would}{stage}  {}  {shown}  {code}  {}", record.place(), failure.message);
        let line = Line::new(what, failure.message.as_str()).at(Level::Warn).with("topic", record.topic());
        let line = line.with("partition", record.partition().number).with("offset", record.offset().get());
        let line = line.with("stage", stage).with("receiver", receiver.clone());
        let line = line.with("class", failure.class.as_str()).with("code", code);
        self.line(&line.shown_as(shortened(&text, "  (first of its kind in this run)")));
    }

    /// Incidents that were written together. People read of the first one of each kind, and how many more there are.
    fn began(&self, incidents: &[&Incident]) {
        if self.format == LogFormat::Json {
            return incidents.iter().for_each(|incident| {
                self.line(&incident_line(&incident.key, incident.message.clone(), "open").at(Level::Warn));
            });
        }
        let mut rest = incidents.to_vec();
        while let Some(first) = rest.first().copied() {
            let of_its_kind: Vec<_> = rest.extract_if(.., |incident| incident.key.kind == first.key.kind).collect();
            let kind = first.key.kind;
            let mut text = bounded(&format!("{}: {}", kind.as_str(), first.message));
            if let more @ 1.. = of_its_kind.len() - 1 {
                text.push_str(&format!(" · and {} more", grouped(more as u64)));
            }
            // Of a dry run no journal has any.
            if !self.is_dry_run() && (of_its_kind.len() > 1 || !kind.ends_by_itself()) {
                text.push_str(&format!(" · {}", self.hint("incidents list")));
            }
            self.line(&Line::new("incident", first.message.clone()).shown_as(text));
        }
    }

    fn over(&self, key: &IncidentKey, lasted: jiff::SignedDuration) {
        let at = key.partition.as_ref().map(ToString::to_string).or_else(|| key.receiver.clone()).map(|of| format!(" of {of}"));
        let text = format!("{}{} is over after {}", key.kind.as_str(), at.unwrap_or_default(), times::lasted(lasted));
        self.line(&incident_line(key, text, "ended"));
    }
}

fn incident_line(key: &IncidentKey, message: String, state: &str) -> Line {
    let partition = key.partition.as_ref();
    let line = Line::new("incident", message).with("kind", key.kind.as_str()).with("state", state);
    let line = line.with("topic", partition.map(|partition| partition.topic.name.clone()));
    line.with("partition", partition.map(|partition| partition.number)).with("receiver", key.receiver.clone())
}

impl Observer for Said {
    fn assigned(&self, starts: &[Start]) {
        // What a gap begins anew is said by its incident.
        if starts.iter().any(|start| start.basis == Basis::Gap) {
            return;
        }
        if self.has_assigned.swap(true, Ordering::Relaxed) && starts.is_empty() {
            return;
        }
        let held = starts.iter().filter(|start| start.at == StartAt::Held).count();
        let committed = starts.iter().filter(|start| start.basis == Basis::Commit).count();
        let mut text = format!("{} assigned", counted(starts.len() as u64, "partition"));
        if held > 0 {
            text.push_str(&format!(", {held} of them held"));
        }
        self.line(&Line::new("assigned", text).with("partitions", starts.len()).with("held", held));
        if self.is_from_said && committed > 0 {
            let text = format!("--from is ignored for {committed} of them: the group has committed offsets there");
            self.line(&Line::new("from_ignored", text).with("partitions", committed));
        }
    }

    fn waiting(&self) {
        let text = if self.is_dry_run() {
            "no partitions yet: waiting for the brokers or the journal"
        } else {
            "no partitions yet: waiting for the group, the brokers or the journal; what a member that died had is free when its session times out"
        };
        self.line(&Line::new("waiting", text));
    }

    fn written(&self, entries: &[Entry]) {
        let mut known = self.known();
        let mut begun = Vec::new();
        for entry in entries {
            match entry {
                Entry::Failed(failed) if known.is_new(failed) => self.failed(failed),
                Entry::Incident(incident) if known.begins(incident, Timestamp::now()) => begun.push(incident),
                Entry::IncidentEnded(key) => {
                    // In the order in which they were written.
                    self.began(&std::mem::take(&mut begun));
                    if let Some(lasted) = known.ends(key, Timestamp::now()) {
                        self.over(key, lasted);
                    }
                }
                Entry::Failed(_)
                | Entry::Incident(_)
                | Entry::Delivered(_)
                | Entry::Passed { .. }
                | Entry::PassedOver(_)
                | Entry::Progress(_)
                | Entry::Deferred(_)
                | Entry::CaughtUp(_)
                | Entry::NotDeferred(_)
                | Entry::LetGo(_)
                | Entry::Schema(_) => {}
            }
        }
        self.began(&begun);
    }

    fn caught_up(&self, receiver: &str) {
        let text = format!("{receiver} has what it missed, and goes on with the others");
        self.line(&Line::new("caught_up", text).with("receiver", receiver));
    }

    fn stopping(&self, reason: &StopReason, in_flight: Load) {
        if *reason == StopReason::Asked {
            let text = format!("stopping: {} in flight", grouped(in_flight.records as u64));
            self.line(&Line::new("stopping", text).with("in_flight", in_flight.records));
        }
    }
}
