//! Which event is a record? Its attributes, from where the user says they are.
//!
//! Only `ce_` headers are looked at (or the one that `header:` names); whatever else a record carries never fails it.

mod binary;
mod field;
mod structured;
mod time;

use std::fmt;

use crate::event::{Attributes, Content, Data, Event, EventFacts, Form, Text};
use crate::failure::Refusal;
use crate::record::Record;

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

impl TypeFrom {
    /// `cloudevents`, `header:NAME`, `field:/json/pointer` or `topic`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "cloudevents" => Some(Self::CloudEvents),
            None if text == "topic" => Some(Self::Topic),
            Some(("header", name)) if !name.is_empty() => Some(Self::Header(name.to_owned())),
            Some(("field", pointer)) if pointer.starts_with('/') => Some(Self::Field(pointer.to_owned())),
            _ => None,
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
            Carriage::Body => structured::read(record),
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

#[cfg(test)]
mod tests;
