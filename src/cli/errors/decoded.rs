//! What a failure's bytes mean by the schemas that they name, as far as the journal keeps them: no registry is asked.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::codec::framing::{FrameFault, SchemaId};
use crate::codec::naming::{Frames, Hints, Named};
use crate::codec::schema::SchemaText;
use crate::journal::{Bytes, FailureDetail, ReadError, Reader};

/// What was made of the bytes of a record. All of it is missing when nothing names a schema that is kept.
#[derive(Debug, Default)]
pub(in crate::cli) struct Decoded {
    pub(super) value: Option<Meaning>,
    pub(super) key: Option<Meaning>,
}

/// What a schema made of bytes.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) schema: SchemaId,
    /// As the registry calls the schema's language.
    pub(super) kind: String,
    /// JSON, or why it is none.
    pub(super) json: Result<Vec<u8>, String>,
}

/// As documents have it.
#[derive(Serialize)]
pub(in crate::cli) struct DecodedJson<'d> {
    key: Option<MeaningJson<'d>>,
    value: Option<MeaningJson<'d>>,
}

#[derive(Serialize)]
struct MeaningJson<'d> {
    schema_id: String,
    schema_type: &'d str,
    json: Option<&'d RawValue>,
    /// Why there is no JSON.
    fault: Option<&'d str>,
}

impl Decoded {
    /// # Errors
    /// When the journal cannot be read.
    pub(super) fn of(failure: &FailureDetail, reader: &Reader) -> Result<Self, ReadError> {
        let headers = failure.headers.iter();
        let hints = Hints::read(headers.map(|(name, value)| (name.0.as_slice(), value.as_ref().map(|value| value.0.as_slice()))));
        let value = failure.value.as_ref().and_then(|bytes| body(bytes, hints.of_value(&bytes.0, Frames::Heeded)));
        let key = failure.item.key.as_ref().and_then(|bytes| body(bytes, hints.of_key(&bytes.0, Frames::Heeded)));
        if value.is_none() && key.is_none() {
            return Ok(Self::default());
        }
        let kept = reader.schemas(&[])?;
        let meaning = |named: Option<(SchemaId, &[u8])>| named.and_then(|(id, body)| Some(Meaning::of(id, kept.get(&id)?, body)));
        Ok(Self { value: meaning(value), key: meaning(key) })
    }

    /// `None` when there is nothing to say.
    pub(in crate::cli) fn json(&self) -> Option<DecodedJson<'_>> {
        let said = self.value.is_some() || self.key.is_some();
        said.then(|| DecodedJson { key: self.key.as_ref().map(Meaning::view), value: self.value.as_ref().map(Meaning::view) })
    }
}

/// The schema that bytes name, and what it describes. What is malformed names nothing.
fn body(bytes: &Bytes, named: Result<Option<Named>, FrameFault>) -> Option<(SchemaId, &[u8])> {
    let Named { id, body_at } = named.ok().flatten()?;
    Some((id, bytes.0.get(body_at..)?))
}

impl Meaning {
    fn of(schema: SchemaId, text: &SchemaText, body: &[u8]) -> Self {
        let json = text.read().json(body).map_err(|fault| fault.to_string());
        Self { schema, kind: text.kind.as_str().to_owned(), json }
    }

    fn view(&self) -> MeaningJson<'_> {
        let json = self.json.as_ref().ok().and_then(|json| serde_json::from_slice(json).ok());
        let fault = self.json.as_ref().err().map(String::as_str);
        MeaningJson { schema_id: self.schema.to_string(), schema_type: &self.kind, json, fault }
    }
}
