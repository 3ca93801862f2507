//! The type from the value: a JSON pointer, followed without building the document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::codec::json;
use crate::failure::Refusal;
use crate::stage::identify::{Unidentified, unidentified};

/// The text at `pointer` in a record's value.
///
/// # Errors
/// `missing_type`, `invalid_type`, `invalid_json`.
pub(super) fn event_type(value: Option<&[u8]>, pointer: &str) -> Result<String, Box<Unidentified>> {
    read(value, pointer).map_err(unidentified)
}

fn read(value: Option<&[u8]>, pointer: &str) -> Result<String, Refusal> {
    let Some(value) = value else {
        return Err(Refusal::permanent("missing_type", format!("the value is null, so it has no field {pointer}")));
    };
    json::check(value).map_err(|fault| {
        Refusal::permanent("invalid_json", format!("the value is not JSON, so its type cannot be read from {pointer}: {fault}"))
    })?;
    let path: Vec<String> = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let mut reader = serde_json::Deserializer::from_slice(value);
    let found = At(&path)
        .deserialize(&mut reader)
        .map_err(|error| Refusal::permanent("invalid_json", format!("the value cannot be read: {error}")))?;
    match found {
        Found::Text(text) if !text.is_empty() => Ok(text),
        Found::Text(_) => Err(Refusal::permanent("invalid_type", format!("the field {pointer} is empty"))),
        Found::Other => Err(Refusal::permanent("invalid_type", format!("the field {pointer} is not a text"))),
        Found::Nothing => Err(Refusal::permanent("missing_type", format!("the value has no field {pointer}"))),
    }
}

#[derive(Debug)]
enum Found {
    Text(String),
    Other,
    Nothing,
}

/// Looks at what lies at the rest of a path; whatever does not is skipped without being built.
#[derive(Clone, Copy)]
struct At<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl At<'_> {
    fn scalar(self) -> Found {
        if self.0.is_empty() { Found::Other } else { Found::Nothing }
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(if self.0.is_empty() { Found::Text(text.to_owned()) } else { Found::Nothing })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(self.scalar())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(self.scalar())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(self.scalar())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(self.scalar())
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(self.scalar())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = self.scalar();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((first, rest)) if *first == name => found = map.next_value_seed(At(rest))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
        let mut found = self.scalar();
        let wanted = self.0.split_first().and_then(|(first, rest)| Some((first.parse::<usize>().ok()?, rest)));
        let mut at = 0usize;
        loop {
            let element = match wanted {
                Some((index, rest)) if index == at => list.next_element_seed(At(rest))?.map(|inner| found = inner),
                _ => list.next_element::<IgnoredAny>()?.map(drop),
            };
            if element.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }
}
