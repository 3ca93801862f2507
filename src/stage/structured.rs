//! Structured CloudEvents: the whole event is one JSON object, its data a member of it.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::codec::json::{self, JsonFault};
use crate::event::{Content, Data};
use crate::record::Record;

/// The members of an envelope, each at most once.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    pub(super) data: Option<&'a RawValue>,
    pub(super) data_base64: Option<String>,
    /// All other members.
    pub(super) members: Map<String, Value>,
}

/// Why a body is no envelope.
#[derive(Debug)]
pub(super) enum EnvelopeFault {
    /// Not JSON, or not an object.
    Json(String),
    /// A member of this name stands there twice.
    Twice(String),
}

/// Reads a body as an envelope.
pub(super) fn read(body: &[u8]) -> Result<Envelope<'_>, EnvelopeFault> {
    json::check(body).map_err(|fault| {
        EnvelopeFault::Json(match fault {
            JsonFault::Invalid(why) => why,
            JsonFault::TooDeep => format!("nested deeper than {} levels", json::MAX_DEPTH),
            JsonFault::TooLarge(bytes) => format!("{bytes} bytes are too many"),
        })
    })?;
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix(TWICE).and_then(|rest| rest.split('\u{0}').next()) {
            Some(name) => EnvelopeFault::Twice(name.to_owned()),
            None => EnvelopeFault::Json(text),
        }
    })
}

/// Marks the one error of ours in the parser's text.
const TWICE: &str = "twice\u{0}";

impl Envelope<'_> {
    /// The data as an event carries it; the error is a text for people.
    pub(super) fn data(&self, record: &Record) -> Result<(Data, Content), String> {
        match (self.data, &self.data_base64) {
            (Some(_), Some(_)) => Err("it has both data and data_base64".to_owned()),
            (Some(data), None) if data.get() == "null" => Ok((Data::None, Content::Bytes)),
            (Some(data), None) => {
                let text = data.get().as_bytes();
                let data = record.span_of(text).map_or_else(|| Data::Owned(Arc::from(text)), Data::Part);
                Ok((data, Content::Json))
            }
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text).map_err(|error| format!("its data_base64 is not base64: {error}"))?;
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
