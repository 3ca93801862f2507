//! Which event is a record? Its attributes, from where the user says they are.
//!
//! Only `ce_` headers are looked at (or the one that `header:` names); whatever else a record carries never fails it.

mod binary;
mod field;
mod time;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::codec::json;
use crate::event::{Attributes, Content, Data, Event, EventFacts, Form, Text};
use crate::failure::Refusal;
use crate::record::Record;
use crate::stage::structured::{self, EnvelopeFault};

/// Where the type of an event comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TypeFrom {
    /// `ce_` headers, or a structured CloudEvents body.
    #[default]
    CloudEvents,
    /// A header of this name.
    Header(String),
    /// A JSON pointer into the value (RFC 6901).
    Field(String),
    /// Every record of a topic has the topic's name as its type.
    Topic,
}

/// A place of types that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` says no place of the event type: expected cloudevents, topic, header:NAME or field:/json/pointer")]
pub struct TypeFromError(String);

impl FromStr for TypeFrom {
    type Err = TypeFromError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "cloudevents" => Ok(Self::CloudEvents),
            None if text == "topic" => Ok(Self::Topic),
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            Some(("field", pointer)) if pointer.starts_with('/') => Ok(Self::Field(pointer.to_owned())),
            _ => Err(TypeFromError(text.to_owned())),
        }
    }
}

impl fmt::Display for TypeFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudEvents => f.write_str("cloudevents"),
            Self::Topic => f.write_str("topic"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Field(pointer) => write!(f, "field:{pointer}"),
        }
    }
}

/// Why a record is no event, and what was found out before that.
#[derive(Clone, Debug)]
pub struct Unidentified {
    pub refusal: Refusal,
    pub facts: EventFacts,
}

/// Finds out which event a record is.
///
/// # Errors
/// When the record is no event, with one of the codes of the stage `identify`.
pub fn identify(record: &Record, how: &TypeFrom) -> Result<Event, Box<Unidentified>> {
    match how {
        TypeFrom::CloudEvents => match carriage(record) {
            Carriage::Headers => binary::read(record),
            Carriage::Body => from_envelope(record),
        },
        TypeFrom::Header(name) => binary::type_header(record, name).map(|event_type| plain(record, event_type, Content::Unchecked)),
        TypeFrom::Field(pointer) => {
            field::event_type(record.value(), pointer).map(|text| plain(record, Text::Owned(text.into()), Content::Json))
        }
        TypeFrom::Topic => Ok(plain(record, Text::Synthesized, Content::Unchecked)),
    }
}

/// An event of which the record only carries the type.
fn plain(record: &Record, event_type: Text, content: Content) -> Event {
    let attributes =
        Attributes { id: Text::Synthesized, source: Text::Synthesized, event_type, time: Text::Synthesized, form: Form::Plain };
    let data = if record.value().is_some() { Data::Value } else { Data::None };
    Event::new(record.clone(), attributes, data, content)
}

fn unidentified(refusal: Refusal) -> Box<Unidentified> {
    Box::new(Unidentified { refusal, facts: EventFacts::default() })
}

enum Carriage {
    Headers,
    Body,
}

/// A record is structured when its content type says so, or when it has no `ce_` header and its body looks like an envelope.
fn carriage(record: &Record) -> Carriage {
    let mut has_attributes = false;
    for header in record.headers().iter() {
        if header.name.eq_ignore_ascii_case(b"content-type") {
            let value = header.value.unwrap_or_default();
            if value.get(..ENVELOPE_TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(ENVELOPE_TYPE)) {
                return Carriage::Body;
            }
        }
        has_attributes |= header.name.starts_with(b"ce_");
    }
    if !has_attributes && record.value().is_some_and(looks_like_an_envelope) { Carriage::Body } else { Carriage::Headers }
}

const ENVELOPE_TYPE: &[u8] = b"application/cloudevents";

/// `specversion` is the one member that every envelope has and hardly anything else.
fn looks_like_an_envelope(value: &[u8]) -> bool {
    const NAME: &[u8] = b"\"specversion\"";
    value.trim_ascii_start().first() == Some(&b'{') && value.windows(NAME.len()).any(|window| window == NAME)
}

fn from_envelope(record: &Record) -> Result<Event, Box<Unidentified>> {
    let Some(body) = record.value() else {
        return Err(unidentified(Refusal::permanent("missing_type", "the value is null, and no ce_type header says what it is")));
    };
    let mut envelope = structured::read(body).map_err(|fault| unidentified(envelope_refusal(fault)))?;
    let mut take = |name: &str| envelope.members.remove(name);
    let (event_type, id, source, event_time) = (take("type"), take("id"), take("source"), take("time"));
    let text_of = |value: &Option<json::Value>| value.as_ref().and_then(json::Value::as_str).map(str::to_owned);
    let facts =
        EventFacts { id: text_of(&id), source: text_of(&source), event_type: text_of(&event_type), time: text_of(&event_time) };
    let checked = (|| {
        let event_type = required(event_type, "type", ("missing_type", "invalid_type"))?;
        let id = required(id, "id", ("missing_id", "invalid_id"))?;
        let source = optional(source, "source")?.filter(|source| !source.is_empty());
        let event_time = optional(event_time, "time")?;
        if let Some(text) = &event_time {
            time::check(text)?;
        }
        match envelope.members.get("specversion").map(json::Value::as_str) {
            Some(Some("1.0" | "0.3")) => {}
            _ => return Err(Refusal::permanent("invalid_header", "specversion is neither 1.0 nor 0.3")),
        }
        let data = envelope.data(record).map_err(|why| Refusal::permanent("invalid_json", format!("no CloudEvent: {why}")))?;
        Ok((event_type, id, source, event_time, data))
    })();
    let (event_type, id, source, event_time, (data, content)) =
        checked.map_err(|refusal| Box::new(Unidentified { refusal, facts }))?;
    let attributes = Attributes {
        id: Text::Owned(id.into()),
        source: maybe(source),
        event_type: Text::Owned(event_type.into()),
        time: maybe(event_time),
        form: Form::Structured(Arc::new(envelope.members)),
    };
    Ok(Event::new(record.clone(), attributes, data, content))
}

fn maybe(text: Option<String>) -> Text {
    text.map_or(Text::Synthesized, |text| Text::Owned(text.into()))
}

fn required(value: Option<json::Value>, name: &str, codes: (&'static str, &'static str)) -> Result<String, Refusal> {
    let (missing, invalid) = codes;
    match value {
        None => Err(Refusal::permanent(missing, format!("the CloudEvent has no {name}"))),
        Some(json::Value::String(text)) if !text.is_empty() => Ok(text),
        Some(other) => Err(Refusal::permanent(invalid, format!("the CloudEvent's {name} is {}: expected a text", kind(&other)))),
    }
}

fn optional(value: Option<json::Value>, name: &str) -> Result<Option<String>, Refusal> {
    match value {
        None | Some(json::Value::Null) => Ok(None),
        Some(json::Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Refusal::permanent(
            if name == "time" { "invalid_time" } else { "invalid_header" },
            format!("the CloudEvent's {name} is {}: expected a text", kind(&other)),
        )),
    }
}

/// What a value is, in a word for people.
fn kind(value: &json::Value) -> &'static str {
    match value {
        json::Value::Null => "null",
        json::Value::Bool(_) => "true or false",
        json::Value::Number(_) => "a number",
        json::Value::String(_) => "empty",
        json::Value::Array(_) => "a list",
        json::Value::Object(_) => "an object",
    }
}

fn envelope_refusal(fault: EnvelopeFault) -> Refusal {
    match fault {
        EnvelopeFault::Json(why) => Refusal::permanent("invalid_json", format!("the value is not a CloudEvent in JSON: {why}")),
        EnvelopeFault::Twice(name) => {
            let code = match name.as_str() {
                "type" => "multiple_type",
                "id" => "multiple_id",
                _ => "multiple_header",
            };
            Refusal::permanent(code, format!("the CloudEvent has its member \"{name}\" more than once"))
        }
    }
}

#[cfg(test)]
mod tests;
