//! The CloudEvents view of a record: what receivers are handed.
//!
//! An [`Event`] owns a counted handle to its record and remembers *where* in it the attributes lie, so cloning one for each receiver
//! copies no text. Attributes that a record does not carry are made up from its position and are listed as synthesized.

mod type_pattern;

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::codec::framing::SchemaId;
use crate::record::{Record, Span};

pub use type_pattern::{TypePattern, TypePatternError};

/// One attribute's text.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// In the record's own bytes, checked to be UTF-8.
    Span(Span),
    /// Decoded from the record (JSON escapes), so it needs its own memory.
    Owned(Arc<str>),
    /// Not in the record: made from its position.
    Synthesized,
}

/// How the record carries its event.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// CloudEvents binary mode: attributes in `ce_` headers.
    Binary,
    /// CloudEvents structured mode: a JSON envelope; these are its members other than `data`, `data_base64` and the four of
    /// [`Attributes`].
    Structured(Arc<Map<String, Value>>),
    /// Not CloudEvents: a type from elsewhere, the rest made up.
    Plain,
}

/// The attributes that every event has.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub(crate) id: Text,
    pub(crate) source: Text,
    pub(crate) event_type: Text,
    /// RFC 3339, as it was written.
    pub(crate) time: Text,
    pub(crate) form: Form,
}

/// The event's data.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// The record's value was null (a tombstone), or a structured envelope has no data.
    None,
    /// The record's value is the data.
    Value,
    /// A part of the record's value: the `data` member of a structured envelope.
    Part(Span),
    /// Decoded from the value (`data_base64`).
    Owned(Arc<[u8]>),
    /// What a schema made of the value: JSON, in the event's [`Decoding`].
    Decoded,
}

/// What schemas made of a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoding {
    /// The schema that the value names.
    pub(crate) schema: Option<SchemaId>,
    /// The value in JSON, for [`Data::Decoded`].
    pub(crate) value: Vec<u8>,
    /// The key in JSON, when it names a schema and could be read.
    pub(crate) key: Option<Vec<u8>>,
    /// Why the value is handed on as it is, although it names a schema.
    pub(crate) undecoded: Option<String>,
}

/// What is known of the data's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Checked to be one JSON document.
    Json,
    /// Not looked at, because nobody needed it.
    Unchecked,
    /// Bytes that are not to be read as JSON.
    Bytes,
}

/// An event, identified and decoded as far as its receivers need it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Event {
    record: Record,
    attributes: Attributes,
    data: Data,
    content: Content,
    decoding: Option<Arc<Decoding>>,
}

/// The attributes of an event that the journal keeps for lists and filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFacts {
    pub id: Option<String>,
    pub source: Option<String>,
    pub event_type: Option<String>,
    pub time: Option<String>,
}

/// The event's data is not the JSON that was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JsonError {
    #[error("the event has no data (its value is null)")]
    NoData,
    #[error("the record has no key (it is null)")]
    NoKey,
    #[error("the event's data is not the JSON that was expected: {0}")]
    Parse(#[source] serde_json::Error),
    #[error("the record's key is not the JSON that was expected: {0}")]
    ParseKey(#[source] serde_json::Error),
}

impl Event {
    /// What the stages make. `attributes` spans must be of `record`.
    pub(crate) fn new(record: Record, attributes: Attributes, data: Data, content: Content) -> Self {
        Self { record, attributes, data, content, decoding: None }
    }

    /// Bytes that it takes beside its record.
    pub(crate) fn decoded_size(&self) -> usize {
        self.decoding.as_ref().map_or(0, |decoding| decoding.value.len() + decoding.key.as_ref().map_or(0, Vec::len))
    }

    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Unique together with [`Event::source`]; `TOPIC/PARTITION/OFFSET` when the record has none.
    #[must_use]
    pub fn id(&self) -> Cow<'_, str> {
        self.text(&self.attributes.id).unwrap_or_else(|| Cow::Owned(self.record.place()))
    }

    /// Where it happened; `kafka:CLUSTER/TOPIC` when the record has none.
    #[must_use]
    pub fn source(&self) -> Cow<'_, str> {
        self.text(&self.attributes.source)
            .unwrap_or_else(|| Cow::Owned(format!("kafka:{}/{}", self.record.partition().topic.cluster_id, self.record.topic())))
    }

    /// What happened: the type that receivers are chosen by.
    #[must_use]
    pub fn event_type(&self) -> Cow<'_, str> {
        self.text(&self.attributes.event_type).unwrap_or_else(|| Cow::Borrowed(self.record.topic()))
    }

    /// When it happened, RFC 3339 as it was written; the record's own time when it carries none, `None` when that has none either.
    #[must_use]
    pub fn time(&self) -> Option<Cow<'_, str>> {
        self.text(&self.attributes.time).or_else(|| self.record.timestamp().rfc_3339().map(Cow::Owned))
    }

    /// The data as bytes; `None` for a tombstone. JSON when [`Event::content`] says so: Avro is decoded. The record has the bytes as they
    /// came: [`Record::value`].
    #[must_use]
    pub fn data(&self) -> Option<&[u8]> {
        match &self.data {
            Data::None => None,
            Data::Value => self.record.value(),
            Data::Part(span) => Some(self.record.span(*span)),
            Data::Owned(bytes) => Some(bytes),
            Data::Decoded => self.decoding.as_ref().map(|decoding| decoding.value.as_slice()),
        }
    }

    /// The schema that the value names, when it was looked at.
    #[must_use]
    pub fn schema_id(&self) -> Option<SchemaId> {
        self.decoding.as_ref()?.schema
    }

    /// Why the value is handed on as it is, although it names a schema: that cannot be used.
    #[must_use]
    pub fn undecoded(&self) -> Option<&str> {
        self.decoding.as_ref()?.undecoded.as_deref()
    }

    /// The record's key in JSON, when it names a schema, was looked at and could be read.
    #[must_use]
    pub fn decoded_key(&self) -> Option<&[u8]> {
        self.decoding.as_ref()?.key.as_deref()
    }

    /// The version of CloudEvents that the record says it follows; 1.0 when it says none.
    #[must_use]
    pub fn specversion(&self) -> Cow<'_, str> {
        let said = match &self.attributes.form {
            Form::Binary => self.header("ce_specversion"),
            Form::Structured(members) => members.get("specversion").and_then(Value::as_str).map(Cow::Borrowed),
            Form::Plain => None,
        };
        said.unwrap_or(Cow::Borrowed("1.0"))
    }

    /// The media type of the data, as the record says it; that of JSON when it was decoded.
    #[must_use]
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        if matches!(self.data, Data::Decoded) {
            return Some(Cow::Borrowed("application/json"));
        }
        match &self.attributes.form {
            Form::Structured(members) => members.get("datacontenttype").and_then(Value::as_str).map(Cow::Borrowed),
            Form::Binary | Form::Plain => self.header("content-type"),
        }
    }

    /// All other attributes, in the order of their names.
    #[must_use]
    pub fn extensions(&self) -> Vec<(String, Value)> {
        let mut extensions: Vec<_> = match &self.attributes.form {
            Form::Plain => Vec::new(),
            Form::Binary => self.extension_headers().collect(),
            Form::Structured(members) => {
                let others = members.iter().filter(|(name, _)| !matches!(name.as_str(), "specversion" | "datacontenttype"));
                others.map(|(name, value)| (name.clone(), value.clone())).collect()
            }
        };
        extensions.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        extensions
    }

    fn extension_headers(&self) -> impl Iterator<Item = (String, Value)> {
        self.record.headers().iter().filter_map(|header| {
            let name = std::str::from_utf8(header.name).ok()?.strip_prefix("ce_")?;
            let is_known = matches!(name, "type" | "id" | "source" | "time" | "specversion");
            (!is_known).then(|| (name.to_owned(), String::from_utf8_lossy(header.value.unwrap_or_default()).into()))
        })
    }

    /// The first header of this name, in any case.
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut headers = self.record.headers().iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name.as_bytes()))?;
        header.value.map(String::from_utf8_lossy)
    }

    #[must_use]
    pub fn content(&self) -> Content {
        self.content
    }

    /// The data, parsed.
    ///
    /// # Errors
    /// When there is no data, or it is not a `T` in JSON. In a receiver `?` turns that into a permanent `invalid_json` failure.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        let data = self.data().ok_or(JsonError::NoData)?;
        serde_json::from_slice(data).map_err(JsonError::Parse)
    }

    /// The record's key, parsed: decoded when it names a schema, else as JSON.
    ///
    /// # Errors
    /// As [`Event::json`].
    pub fn key_json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        let key = self.decoded_key().or_else(|| self.record.key()).ok_or(JsonError::NoKey)?;
        serde_json::from_slice(key).map_err(JsonError::ParseKey)
    }

    /// The names of the attributes that were made up because the record does not carry them.
    pub fn synthesized(&self) -> impl Iterator<Item = &'static str> {
        let Attributes { id, source, event_type, time, .. } = &self.attributes;
        [("id", id), ("source", source), ("type", event_type), ("time", time)]
            .into_iter()
            .filter_map(|(name, text)| matches!(text, Text::Synthesized).then_some(name))
    }

    /// The same event with its data checked or decoded further.
    #[must_use]
    pub(crate) fn with_content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// The same event with its value read as JSON.
    #[must_use]
    pub(crate) fn with_value(self, decoding: Decoding) -> Self {
        Self { data: Data::Decoded, content: Content::Json, decoding: Some(Arc::new(decoding)), ..self }
    }

    /// The same event with what else schemas made of it.
    #[must_use]
    pub(crate) fn with_decoding(self, decoding: Decoding) -> Self {
        Self { decoding: Some(Arc::new(decoding)), ..self }
    }

    /// The same event over a copy of its record, so that keeping it does not keep the record's whole batch.
    #[must_use]
    pub fn detach(mut self) -> Self {
        self.record = self.record.detach();
        self
    }

    /// The attributes for the journal: those that the record carries, and those made up.
    pub(crate) fn facts(&self) -> EventFacts {
        EventFacts {
            id: Some(self.id().into_owned()),
            source: Some(self.source().into_owned()),
            event_type: Some(self.event_type().into_owned()),
            time: self.time().map(Cow::into_owned),
        }
    }

    fn text<'a>(&'a self, text: &'a Text) -> Option<Cow<'a, str>> {
        match text {
            Text::Span(span) => Some(String::from_utf8_lossy(self.record.span(*span))),
            Text::Owned(text) => Some(Cow::Borrowed(text)),
            Text::Synthesized => None,
        }
    }
}
