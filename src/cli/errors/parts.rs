//! One failure on a screen, part by part. Whatever comes from a record or a receiver is escaped here.

use crate::cli::cut::{cut_end, width};
use crate::cli::errors::decoded::{Decoded, Meaning};
use crate::cli::errors::list::{paint_of_class, paint_of_state};
use crate::cli::errors::payload::{self, Payload};
use crate::cli::escape::{escape, escape_bytes, escape_lines};
use crate::cli::hint::Journal;
use crate::cli::numbers::{counted, grouped};
use crate::cli::screen::Screen;
use crate::cli::sheet::{INDENT, Sheet};
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::times;
use crate::journal::{AttemptItem, Bytes, FailureDetail, FailureItem, FailureState, Neighbour, ProgressItem};

/// What of a value is shown when nobody said how, in columns.
const MOST_OF_A_VALUE: usize = 16 * 1024;

const NARROWING_AROUND: &[Give] = &[
    Give::Column("MESSAGE", 20),
    Give::Column("RECEIVER", 8),
    Give::Names(4),
    Give::Column("CODE", 10),
    Give::Column("MESSAGE", 8),
];

/// A failure that is shown.
pub(super) struct Shown<'s> {
    pub(super) failure: &'s FailureDetail,
    pub(super) decoded: &'s Decoded,
    pub(super) around: Option<&'s (Vec<Neighbour>, Vec<ProgressItem>)>,
    pub(super) payload: Option<Payload>,
    pub(super) journal: Journal<'s>,
}

impl Shown<'_> {
    pub(super) fn lines(&self, screen: Screen) -> Vec<String> {
        let failure = self.failure;
        let item = &failure.item;
        let inner = screen.indented(INDENT);
        let mut sheet = Sheet::headed(screen.join(heading(failure, screen)));
        sheet.part("where", inner.join(place(item)));
        sheet.part("event", inner.join(event(item)));
        sheet.part("receiver", inner.join(receivers(failure)));
        sheet.part("why", why(failure));
        sheet.part("rule", item.rule.as_ref().map(|rule| escape(rule).into_owned()));
        sheet.part("attempts", attempts(failure, inner));
        sheet.part("key", [item.key.as_ref().map_or_else(|| "null".to_owned(), |key| self.key(key))]);
        sheet.part("headers", headers(failure));
        sheet.part("value", self.value());
        if let Some((failures, progress)) = self.around {
            sheet.part("around", around(failures, item.id, inner));
            sheet.part("progress", settled(progress, inner));
        }
        sheet.part("next", inner.join(self.next()));
        sheet.into_lines()
    }

    fn value(&self) -> Vec<String> {
        let FailureDetail { item, value, value_size, is_value_gone, .. } = self.failure;
        let Some(Bytes(value)) = value else {
            let gone = || format!("{}, not in the journal any more", counted(value_size.unwrap_or_default(), "byte"));
            return vec![if *is_value_gone { gone() } else { "null: a tombstone".to_owned() }];
        };
        let payload::Shown { form, lines } = self.payload_of(value);
        let form = if form.is_empty() { String::new() } else { format!(", {form}") };
        let mut shown = vec![format!("{}{form}", counted(value.len() as u64, "byte"))];
        let (lines, is_cut) = if self.payload.is_none() { beginning(lines) } else { (lines, false) };
        shown.extend(lines);
        if is_cut {
            let whole = self.journal.hint(&format!("errors show {} --raw", item.id));
            shown.push(format!("… the whole value: {whole} > FILE"));
        }
        shown
    }

    /// As its schema says, where that is kept and nobody asked for the bytes.
    fn payload_of(&self, value: &[u8]) -> payload::Shown {
        let meaning = self.decoded.value.as_ref().filter(|_| matches!(self.payload, None | Some(Payload::Json)));
        let plain = || payload::show(value, self.payload);
        let Some(Meaning { schema, kind, json }) = meaning else { return plain() };
        let by = format!("{} by schema {schema}", escape(kind));
        match json {
            Ok(json) => payload::Shown { form: format!("{by}, as JSON"), ..payload::show(json, Some(Payload::Json)) },
            Err(fault) => {
                let payload::Shown { form, lines } = plain();
                payload::Shown { form: format!("{by} ({}), as {form}", escape(fault)), lines }
            }
        }
    }

    /// As its schema says, too.
    fn key(&self, key: &Bytes) -> String {
        match &self.decoded.key {
            Some(Meaning { schema, kind, json: Ok(json) }) => {
                let size = counted(key.0.len() as u64, "byte");
                format!("{size}, {} by schema {schema}  {}", escape(kind), text(&Bytes(json.clone())))
            }
            _ => sized(key),
        }
    }

    fn next(&self) -> Vec<String> {
        let FailureDetail { item, alike, .. } = self.failure;
        let mut commands = Vec::new();
        if item.state == FailureState::Open {
            commands.push(self.journal.hint(&format!("replay {}", item.id)));
        }
        if self.around.is_none() {
            commands.push(self.journal.hint(&format!("errors show {} --around 5", item.id)));
        }
        if *alike > 1 {
            commands.push(self.journal.hint(&format!("errors list --fingerprint {}", short(&item.fingerprint))));
        }
        commands
    }
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..8).unwrap_or(fingerprint)
}

fn heading(failure: &FailureDetail, screen: Screen) -> Vec<String> {
    let item = &failure.item;
    let mut parts = vec![format!("failure {}", item.id)];
    parts.push(screen.paint(item.state.as_str(), paint_of_state(item.state)).into_owned());
    if let (FailureState::Resolved, Some(by)) = (item.state, &item.settled_by) {
        let at = item.settled_at_us.map(times::second).unwrap_or_default();
        parts.push(format!("by {} at {at}", escape(by)));
    }
    if item.is_regressed {
        parts.push("regressed: it was resolved before".to_owned());
    }
    if item.is_replaying {
        parts.push("a replay holds it".to_owned());
    }
    parts.push(format!("{}/{}", item.stage.as_str(), escape(&item.code)));
    parts.push(screen.paint(item.class.as_str(), paint_of_class(item.class)).into_owned());
    let alike = format!("{} open, since {}", grouped(failure.alike), times::second(failure.alike_since_us));
    parts.push(format!("fingerprint {} ({alike})", short(&item.fingerprint)));
    parts
}

fn place(item: &FailureItem) -> Vec<String> {
    let mut parts = vec![escape(&item.place()).into_owned()];
    parts.extend(item.leader_epoch.map(|epoch| format!("epoch {epoch}")));
    parts.push(format!("group {}", escape(&item.group)));
    parts.push(format!("cluster {}", escape(&item.cluster_id)));
    parts.extend(item.topic_uuid.as_ref().map(|uuid| format!("topic id {}", escape(uuid))));
    let kind = item.timestamp.kind.as_str();
    parts.push(match item.timestamp.ms {
        Some(ms) => format!("written {} ({kind})", item.timestamp.rfc_3339().unwrap_or_else(|| format!("{ms} ms"))),
        None => "no timestamp".to_owned(),
    });
    parts
}

/// As far as it was identified.
fn event(item: &FailureItem) -> Vec<String> {
    let facts = &item.event;
    let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {}", escape(value)));
    let event_type = facts.event_type.as_ref().map(|name| escape(name).into_owned());
    let parts = [event_type, named("id", &facts.id), named("source", &facts.source), named("time", &facts.time)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { vec!["not identified".to_owned()] } else { parts }
}

fn receivers(failure: &FailureDetail) -> Vec<String> {
    let mut parts = Vec::new();
    match (&failure.item.receiver, &failure.receiver_definition) {
        (None, _) => parts.push("none was reached".to_owned()),
        (Some(name), Some(definition)) => {
            let target = definition.get("target").and_then(serde_json::Value::as_str);
            let target = target.map_or_else(|| definition.to_string(), str::to_owned);
            parts.push(format!("{} = {}", escape(name), escape(&target)));
        }
        (Some(name), None) => parts.push(escape(name).into_owned()),
    }
    parts.extend(failure.delivered_to.iter().map(|name| format!("{} got it", escape(name))));
    parts
}

fn why(failure: &FailureDetail) -> Vec<String> {
    let mut lines: Vec<String> = escape_lines(&failure.item.message).collect();
    lines.extend(failure.item.causes.iter().map(|cause| format!("caused by: {}", escape(cause))));
    lines.extend(escape_lines(&failure.detail));
    lines
}

fn attempts(failure: &FailureDetail, screen: Screen) -> Vec<String> {
    let FailureDetail { item, history, .. } = failure;
    let message = |attempt: &AttemptItem| attempt.message.clone().unwrap_or_default();
    let differ = history.iter().any(|attempt| !attempt.is_delivered && message(attempt) != item.message);
    // The columns' names are not shown.
    let columns = vec![Column::new(""); if differ { 6 } else { 5 }];
    let mut table = Table::new(columns, &[]);
    for attempt in history {
        let code = if attempt.is_delivered { attempt.outcome() } else { attempt.code.as_deref().unwrap_or_default() };
        let duration = attempt.duration_us.map(|us| format!("{} ms", grouped((us / 1_000).unsigned_abs())));
        let mut row = vec![
            Cell::new(attempt.number.to_string()),
            Cell::new(attempt.replay_id.map_or_else(|| attempt.mode().to_owned(), |id| format!("replay {id}"))),
            Cell::new(times::millisecond(attempt.at_us)),
            Cell::new(code),
            Cell::new(duration.unwrap_or_default()),
        ];
        if differ {
            row.push(Cell::new(message(attempt)));
        }
        table.push(row);
    }
    let mut lines: Vec<String> = table.lines(screen).skip(1).collect();
    if history.len() < item.attempts as usize {
        lines.push(format!("… of {} only the first and the last are kept", counted(u64::from(item.attempts), "attempt")));
    }
    let FailureItem { host, client_id, redrive_version, .. } = item;
    let parts = [("host", host), ("client", client_id), ("redrive", redrive_version)];
    lines.extend(screen.join(parts.map(|(name, value)| format!("{name} {}", escape(value)))));
    lines
}

/// `5 bytes  order`
fn sized(bytes: &Bytes) -> String {
    format!("{}  {}", counted(bytes.0.len() as u64, "byte"), text(bytes))
}

/// On one line, and not more of it than of a value.
fn text(Bytes(bytes): &Bytes) -> String {
    if bytes.is_empty() { "(empty)".to_owned() } else { cut_end(&escape_bytes(bytes), MOST_OF_A_VALUE).into_owned() }
}

fn headers(failure: &FailureDetail) -> Vec<String> {
    let header = |(name, value): &(Bytes, Option<Bytes>)| {
        format!("{}: {}", text(name), value.as_ref().map_or_else(|| "(null)".to_owned(), text))
    };
    if failure.headers.is_empty() { vec!["none".to_owned()] } else { failure.headers.iter().map(header).collect() }
}

/// The first lines of a value, and whether there are more.
fn beginning(lines: Vec<String>) -> (Vec<String>, bool) {
    let mut left = MOST_OF_A_VALUE;
    let mut shown = Vec::new();
    for line in lines {
        if left == 0 {
            return (shown, true);
        }
        let wide = width(&line);
        if wide > left {
            shown.push(cut_end(&line, left).into_owned());
            return (shown, true);
        }
        left -= wide.max(1).min(left);
        shown.push(line);
    }
    (shown, false)
}

fn around(failures: &[Neighbour], id: i64, screen: Screen) -> Vec<String> {
    let names = [" ", "ID", "OFFSET", "STATE", "STAGE", "RECEIVER", "CODE", "MESSAGE"];
    let mut table = Table::new(names.map(Column::new).to_vec(), NARROWING_AROUND);
    for near in failures {
        table.push(vec![
            Cell::new(if near.id == id { ">" } else { " " }),
            Cell::new(near.id.to_string()),
            Cell::new(near.offset.to_string()),
            Cell::new(near.state.as_str()).painted(paint_of_state(near.state)),
            Cell::new(&near.stage),
            Cell::new(near.receiver.as_deref().unwrap_or_default()),
            Cell::new(&near.code),
            Cell::new(&near.message),
        ]);
    }
    table.lines(screen).collect()
}

/// The ranges that are accounted for where these failures lie.
fn settled(progress: &[ProgressItem], screen: Screen) -> Vec<String> {
    if progress.is_empty() {
        return vec!["no range is settled here yet".to_owned()];
    }
    let range = |range: &ProgressItem| {
        let ProgressItem { run, from, to, records, delivered, failed, skipped, deferred, updated_at_us } = *range;
        let whose = format!("[{from}, {to}) settled by run {run} until {}", times::second(updated_at_us));
        let ends = [(delivered, "delivered"), (failed, "failed"), (skipped, "skipped"), (deferred, "deferred")];
        let ends = ends.into_iter().filter(|(count, _)| *count > 0);
        let ends = ends.map(|(count, end)| format!("{} {end}", grouped(count.unsigned_abs())));
        screen.join([whose, counted(records.unsigned_abs(), "record")].into_iter().chain(ends))
    };
    progress.iter().flat_map(range).collect()
}
