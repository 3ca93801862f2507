//! Is the data what the receivers need? Runs once per record, and only as far as they need it.
//!
//! A record that names a schema is read with it; when the schema is not known yet, that is the answer, and the record waits.

#[cfg(test)]
mod tests;

use crate::codec::framing::{FrameFault, SchemaId, from_frame};
use crate::codec::json::{self, JsonFault};
use crate::codec::naming::{Frames, Hints, Named, Part};
use crate::codec::schema::{BodyFault, Known};
use crate::event::{Content, Decoding, Event};
use crate::failure::Refusal;
use crate::receiver::Needs;

/// How the data is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As the schema says that the record names, else as the content type says, JSON when there is none.
    #[default]
    Auto,
    Json,
    /// With the schema that the record names.
    Avro,
    /// Bytes, handed on as they are.
    Raw,
}

/// How far, and as what, an event is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    pub needs: Needs,
    pub format: Format,
    pub frames: Frames,
}

/// What came of decoding.
#[derive(Debug)]
pub enum Decoded {
    Ready(Event),
    /// These schemas must be known first.
    Needs(Missing),
}

impl Decoded {
    /// The event, unless it waits for a schema.
    #[must_use]
    pub fn ready(self) -> Option<Event> {
        match self {
            Self::Ready(event) => Some(event),
            Self::Needs(_) => None,
        }
    }
}

/// The schemas that a record names and nobody knows yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    pub value: Option<SchemaId>,
    pub key: Option<SchemaId>,
}

impl Missing {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.key.is_none()
    }
}

/// What the value is, before it is looked at.
enum Kind {
    Bytes,
    /// Nobody needs to know.
    Unchecked,
    Json,
    Framed(Named),
}

impl Kind {
    fn schema(&self) -> Option<Named> {
        match self {
            Self::Framed(named) => Some(*named),
            Self::Bytes | Self::Unchecked | Self::Json => None,
        }
    }
}

/// The schemas that an event names and `look` does not know. What cannot be read anyway names none.
#[must_use]
pub fn missing<'k>(event: &Event, manner: Manner, look: impl Fn(SchemaId, Part) -> Option<&'k Known>) -> Missing {
    if manner.needs == Needs::Bytes || matches!(manner.format, Format::Raw | Format::Json) {
        return Missing::default();
    }
    let hints = hints(event);
    let Ok(kind) = kind(event, manner, &hints, &look) else { return Missing::default() };
    let unknown = |named: Named, part| look(named.id, part).is_none().then_some(named.id);
    Missing {
        key: key_schema(event, manner, &hints, &kind).and_then(|named| unknown(named, Part::Key)),
        value: kind.schema().and_then(|named| unknown(named, Part::Value)),
    }
}

/// Reads the data as far as `manner` asks for it, and says in the event what was found. `look`: what is known of the schema of a part.
///
/// A tombstone and an empty value always pass.
///
/// # Errors
/// When the data is not what its format says.
pub fn decode<'k>(event: Event, manner: Manner, look: impl Fn(SchemaId, Part) -> Option<&'k Known>) -> Result<Decoded, Refusal> {
    if manner.needs == Needs::Bytes {
        return Ok(Decoded::Ready(event));
    }
    let hints = hints(&event);
    let value = kind(&event, manner, &hints, &look)?;
    let key = key_schema(&event, manner, &hints, &value).map(|named| (named, look(named.id, Part::Key)));
    let unknown_key = key.and_then(|(named, known)| known.is_none().then_some(named.id));
    if let Kind::Framed(named) = value {
        return match look(named.id, Part::Value) {
            Some(known) if unknown_key.is_none() => read(event, named, known, key).map(Decoded::Ready),
            known => Ok(Decoded::Needs(Missing { value: known.is_none().then_some(named.id), key: unknown_key })),
        };
    }
    if unknown_key.is_some() {
        return Ok(Decoded::Needs(Missing { value: None, key: unknown_key }));
    }
    let event = match value {
        Kind::Bytes => event.with_content(Content::Bytes),
        Kind::Json => checked(event, manner.frames)?,
        Kind::Unchecked | Kind::Framed(_) => event,
    };
    let key = key.and_then(|(named, known)| read_key(&event, named, known?));
    Ok(Decoded::Ready(match key {
        Some(key) => event.with_decoding(Decoding { key: Some(key), ..Decoding::default() }),
        None => event,
    }))
}

fn hints(event: &Event) -> Hints<'_> {
    Hints::read(event.record().headers().iter().map(|header| (header.name, header.value)))
}

fn kind<'k>(
    event: &Event,
    manner: Manner,
    hints: &Hints<'_>,
    look: impl Fn(SchemaId, Part) -> Option<&'k Known>,
) -> Result<Kind, Refusal> {
    let Some(data) = event.data() else { return Ok(Kind::Unchecked) };
    if event.content() != Content::Unchecked {
        return Ok(Kind::Unchecked);
    }
    if data.is_empty() {
        return Ok(Kind::Bytes);
    }
    let as_checked = if manner.needs == Needs::ValidJson { Kind::Json } else { Kind::Unchecked };
    match manner.format {
        Format::Raw => Ok(Kind::Bytes),
        Format::Json => Ok(as_checked),
        Format::Avro => framed(hints, data, Frames::Heeded)?.map(Kind::Framed).ok_or_else(|| no_frame("--format avro")),
        Format::Auto => {
            // Bytes that only look like a frame, where no registry is set.
            let is_chance = |named: &Named| named.body_at > 0 && matches!(look(named.id, Part::Value), Some(Known::NotKept(_)));
            if let Some(named) = framed(hints, data, manner.frames)?.filter(|named| !is_chance(named)) {
                return Ok(Kind::Framed(named));
            }
            match Media::of(event.content_type().as_deref()) {
                Media::Json => Ok(as_checked),
                Media::Bytes => Ok(if manner.needs == Needs::ValidJson { Kind::Bytes } else { Kind::Unchecked }),
                Media::Avro(said) => framed(hints, data, Frames::Heeded)?
                    .map(Kind::Framed)
                    .ok_or_else(|| no_frame(&format!("the content type \"{said}\""))),
                Media::Unsupported(said) if manner.needs == Needs::ValidJson => Err(unsupported(&said)),
                Media::Unsupported(_) => Ok(Kind::Unchecked),
            }
        }
    }
}

fn framed(hints: &Hints<'_>, data: &[u8], frames: Frames) -> Result<Option<Named>, Refusal> {
    hints.of_value(data, frames).map_err(|fault: FrameFault| Refusal::permanent("bad_frame", format!("the value: {fault}")))
}

fn no_frame(by: &str) -> Refusal {
    Refusal::permanent(
        "bad_frame",
        format!("the value names no schema, and is Avro by {by}: expected a schema-id header or a frame (0x00 and a 4-byte id)"),
    )
}

/// A key is read where it can be: what cannot be stays bytes, and no record fails of it. Many begin like a frame and have none, as
/// numbers of 8 bytes do: they are taken for one beside a value that names a schema, and beside none.
fn key_schema(event: &Event, manner: Manner, hints: &Hints<'_>, value: &Kind) -> Option<Named> {
    let key = event.record().key().filter(|key| !key.is_empty())?;
    if matches!(manner.format, Format::Raw | Format::Json) {
        return None;
    }
    let is_likely = value.schema().is_some() || event.record().value().is_none();
    hints.of_key(key, if is_likely { manner.frames } else { Frames::Ignored }).ok().flatten()
}

fn read_key(event: &Event, named: Named, known: &Known) -> Option<Vec<u8>> {
    let body = event.record().key()?.get(named.body_at..)?;
    match known {
        Known::Schema(schema) => schema.json(body).ok(),
        Known::Unknown(_) | Known::NotKept(_) => None,
    }
}

/// Reads the value with its schema.
fn read(event: Event, named: Named, known: &Known, key: Option<(Named, Option<&Known>)>) -> Result<Event, Refusal> {
    let schema = match known {
        Known::Schema(schema) => schema,
        Known::Unknown(why) | Known::NotKept(why) => return Err(Refusal::permanent("unknown_schema", &**why)),
    };
    let key = key.and_then(|(named, known)| read_key(&event, named, known?));
    let decoding = Decoding { schema: Some(named.id), key, ..Decoding::default() };
    let body = event.data().and_then(|data| data.get(named.body_at..)).unwrap_or_default();
    match schema.json(body) {
        Ok(value) => Ok(event.with_value(Decoding { value, ..decoding })),
        Err(fault @ BodyFault::Unreadable(_)) => {
            let undecoded = Some(format!("schema {}: {fault}", named.id));
            Ok(event.with_content(Content::Bytes).with_decoding(Decoding { undecoded, ..decoding }))
        }
        Err(fault) => Err(refusal(named.id, &fault)),
    }
}

fn refusal(id: SchemaId, fault: &BodyFault) -> Refusal {
    match fault {
        BodyFault::Avro(avro) => Refusal::permanent(avro.code(), format!("the value is not what schema {id} says: {avro}")),
        BodyFault::Json(json) => not_json(json),
        BodyFault::Unsupported(_) | BodyFault::Unreadable(_) => {
            Refusal::permanent("unsupported_schema_type", format!("schema {id}: {fault}; --format raw hands values on as they are"))
        }
    }
}

fn checked(event: Event, frames: Frames) -> Result<Event, Refusal> {
    let data = event.data().unwrap_or_default();
    match json::check(data) {
        Ok(()) => Ok(event.with_content(Content::Json)),
        Err(fault) => {
            let mut refusal = not_json(&fault);
            if frames != Frames::Heeded && matches!(from_frame(data), Ok(Some(_))) {
                refusal.message.push_str("; it begins like a value for a schema registry: see --schema-registry");
            }
            Err(refusal)
        }
    }
}

fn not_json(fault: &JsonFault) -> Refusal {
    match fault {
        JsonFault::Invalid(_) => Refusal::permanent("invalid_json", format!("the value is not JSON: {fault}")),
        _ => Refusal::permanent("too_large", format!("the value cannot be decoded: {fault}")),
    }
}

/// What a content type means; parameters do not matter.
enum Media {
    Json,
    Bytes,
    Avro(String),
    Unsupported(String),
}

impl Media {
    fn of(content_type: Option<&str>) -> Self {
        // Nearly all that say something say this.
        let Some(content_type) = content_type.filter(|said| *said != "application/json") else { return Self::Json };
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.split_once('/') {
            _ if media.is_empty() || media.ends_with("/json") || media.ends_with("+json") => Self::Json,
            _ if media.contains("avro") => Self::Avro(content_type.to_owned()),
            Some(("application", "octet-stream") | ("text" | "image" | "audio" | "video", _)) => Self::Bytes,
            _ => Self::Unsupported(content_type.to_owned()),
        }
    }
}

fn unsupported(content_type: &str) -> Refusal {
    Refusal::permanent(
        "unsupported_content_type",
        format!(
            "content type \"{content_type}\" cannot be read: expected JSON, Avro or bytes; --format raw hands values on as they are"
        ),
    )
}

/// An event that no schema is needed for.
#[cfg(test)]
pub(crate) fn decoded(event: Event, needs: Needs, format: Format) -> Result<Event, Refusal> {
    let manner = Manner { needs, format, frames: Frames::Ignored };
    decode(event, manner, |_, _| None).map(|decoded| decoded.ready().expect("it names no schema"))
}
