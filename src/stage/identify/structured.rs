//! CloudEvents structured mode: the whole event is one JSON object, its data a member of it.
//!
//! The attributes are taken out before any of them is judged, so that a refusal still says what the event called itself.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::codec::json;
use crate::event::{Attributes, Content, Data, Event, EventFacts, Form, Text};
use crate::failure::Refusal;
use crate::record::Record;
use crate::stage::identify::{Unidentified, time, unidentified};

/// The members of an envelope, each at most once.
#[derive(Debug, Default)]
struct Envelope<'a> {
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
    /// All other members.
    members: Map<String, Value>,
}

/// The attributes that every event has, as they were found.
struct Found {
    event_type: Option<Value>,
    id: Option<Value>,
    source: Option<Value>,
    time: Option<Value>,
}

/// The event of a record whose value is an envelope.
///
/// # Errors
/// With the code of the first attribute that is missing or malformed: the type before the id before the others.
pub(super) fn read(record: &Record) -> Result<Event, Box<Unidentified>> {
    let Some(body) = record.value() else {
        return Err(unidentified(Refusal::permanent("missing_type", "the value is null, and no ce_type header says what it is")));
    };
    let mut envelope = parse(body).map_err(unidentified)?;
    let found = envelope.take_attributes();
    let facts = found.facts();
    event(record, envelope, found).map_err(|refusal| Box::new(Unidentified { refusal, facts }))
}

fn parse(body: &[u8]) -> Result<Envelope<'_>, Refusal> {
    let no_envelope =
        |why: &dyn fmt::Display| Refusal::permanent("invalid_json", format!("the value is not a CloudEvent in JSON: {why}"));
    json::check(body).map_err(|fault| no_envelope(&fault))?;
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        text.strip_prefix(TWICE).and_then(|rest| rest.split('\u{0}').next()).map_or_else(|| no_envelope(&text), twice)
    })
}

/// Marks the one error of ours in the parser's text.
const TWICE: &str = "twice\u{0}";

fn twice(name: &str) -> Refusal {
    let code = match name {
        "type" => "multiple_type",
        "id" => "multiple_id",
        _ => "multiple_header",
    };
    Refusal::permanent(code, format!("the CloudEvent has its member \"{name}\" more than once"))
}

fn event(record: &Record, envelope: Envelope<'_>, found: Found) -> Result<Event, Refusal> {
    let event_type = required(found.event_type, "type", ["missing_type", "invalid_type"])?;
    let id = required(found.id, "id", ["missing_id", "invalid_id"])?;
    let source = optional(found.source, "source", "invalid_header")?.filter(|source| !source.is_empty());
    let event_time = optional(found.time, "time", "invalid_time")?;
    event_time.as_deref().map_or(Ok(()), time::check)?;
    check_version(envelope.members.get("specversion"))?;
    let (data, content) = envelope.data(record)?;
    let maybe = |text: Option<String>| text.map_or(Text::Synthesized, |text| Text::Owned(text.into()));
    let attributes = Attributes {
        id: Text::Owned(id.into()),
        source: maybe(source),
        event_type: Text::Owned(event_type.into()),
        time: maybe(event_time),
        form: Form::Structured(Arc::new(envelope.members)),
    };
    Ok(Event::new(record.clone(), attributes, data, content))
}

fn required(value: Option<Value>, name: &str, [missing, invalid]: [&'static str; 2]) -> Result<String, Refusal> {
    match value {
        None => Err(Refusal::permanent(missing, format!("the CloudEvent has no {name}"))),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(other) => Err(no_text(&other, name, invalid)),
    }
}

fn optional(value: Option<Value>, name: &str, invalid: &'static str) -> Result<Option<String>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(no_text(&other, name, invalid)),
    }
}

fn no_text(value: &Value, name: &str, code: &'static str) -> Refusal {
    let what = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "empty",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Refusal::permanent(code, format!("the CloudEvent's {name} is {what}: expected a text"))
}

fn check_version(version: Option<&Value>) -> Result<(), Refusal> {
    match version {
        Some(Value::String(version)) if matches!(version.as_str(), "1.0" | "0.3") => Ok(()),
        other => {
            let got = other.map_or_else(|| "missing".to_owned(), Value::to_string);
            Err(Refusal::permanent("invalid_header", format!("the CloudEvent's specversion is {got}: expected 1.0 or 0.3")))
        }
    }
}

impl Found {
    fn facts(&self) -> EventFacts {
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        EventFacts { id: text(&self.id), source: text(&self.source), event_type: text(&self.event_type), time: text(&self.time) }
    }
}

impl Envelope<'_> {
    fn take_attributes(&mut self) -> Found {
        let mut take = |name: &str| self.members.remove(name);
        Found { event_type: take("type"), id: take("id"), source: take("source"), time: take("time") }
    }

    /// The data as an event carries it.
    fn data(&self, record: &Record) -> Result<(Data, Content), Refusal> {
        let no_event = |why: &str| Refusal::permanent("invalid_json", format!("the value is no CloudEvent: {why}"));
        match (self.data, &self.data_base64) {
            (Some(_), Some(_)) => Err(no_event("it has both data and data_base64")),
            (Some(data), None) if data.get() == "null" => Ok((Data::None, Content::Bytes)),
            (Some(data), None) => {
                let text = data.get().as_bytes();
                let data = record.span_of(text).map_or_else(|| Data::Owned(Arc::from(text)), Data::Part);
                Ok((data, Content::Json))
            }
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text).map_err(|error| no_event(&format!("its data_base64 is not base64: {error}")))?;
                Ok((Data::Owned(Arc::from(bytes)), Content::Bytes))
            }
            (None, None) => Ok((Data::None, Content::Bytes)),
        }
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(name) = map.next_key::<String>()? {
            let is_twice = match name.as_str() {
                "data" => envelope.data.replace(map.next_value()?).is_some(),
                "data_base64" => envelope.data_base64.replace(map.next_value()?).is_some(),
                _ => envelope.members.insert(name.clone(), map.next_value()?).is_some(),
            };
            if is_twice {
                return Err(A::Error::custom(format!("{TWICE}{name}\u{0}")));
            }
        }
        Ok(envelope)
    }
}
