//! Which schemas a record names for its value and for its key: in headers, or in frames before the bytes. Pure.

use crate::codec::framing::{FrameFault, KEY_HEADER, SchemaId, VALUE_HEADER, from_frame, from_header};

/// Whether what begins like a frame is taken for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// No registry is known, so nobody wrote frames for it.
    #[default]
    Ignored,
    /// What the journal keeps is known, and no registry: only a frame of a schema that is kept is one.
    Kept,
    Heeded,
}

/// What of a record a schema is of. A key that only looks as if it named one is no reason to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Key,
    Value,
}

/// A schema, and where what it describes begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: SchemaId,
    /// Bytes of the frame, 0 when a header names the schema.
    pub body_at: usize,
}

/// What the headers of a record say about its bytes; of several of a name the last one counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'r> {
    pub value_schema: Option<&'r [u8]>,
    pub key_schema: Option<&'r [u8]>,
}

impl<'r> Hints<'r> {
    /// `headers`: names and values, in the order in which the producer wrote them.
    pub fn read(headers: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>) -> Self {
        let mut hints = Self::default();
        for (name, value) in headers {
            // Most names do not begin like these.
            if !name.starts_with(b"__") {
                continue;
            }
            if name == VALUE_HEADER.as_bytes() {
                hints.value_schema = Some(value.unwrap_or_default());
            } else if name == KEY_HEADER.as_bytes() {
                hints.key_schema = Some(value.unwrap_or_default());
            }
        }
        hints
    }

    /// # Errors
    /// When the header, or what begins like a frame, is malformed.
    pub fn of_value(&self, value: &[u8], frames: Frames) -> Result<Option<Named>, FrameFault> {
        named(self.value_schema, value, frames)
    }

    /// # Errors
    /// As [`Hints::of_value`].
    pub fn of_key(&self, key: &[u8], frames: Frames) -> Result<Option<Named>, FrameFault> {
        named(self.key_schema, key, frames)
    }
}

fn named(header: Option<&[u8]>, bytes: &[u8], frames: Frames) -> Result<Option<Named>, FrameFault> {
    match header {
        Some(header) => Ok(Some(Named { id: from_header(header)?, body_at: 0 })),
        None => {
            let framed = match frames {
                Frames::Ignored => None,
                Frames::Kept => from_frame(bytes).ok().flatten(),
                Frames::Heeded => from_frame(bytes)?,
            };
            Ok(framed.map(|(id, body)| Named { id, body_at: bytes.len() - body.len() }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints<'r>(headers: &[(&'r str, &'r [u8])]) -> Hints<'r> {
        Hints::read(headers.iter().map(|(name, value)| (name.as_bytes(), Some(*value))))
    }

    #[test]
    fn a_header_goes_before_a_frame_and_the_last_header_counts() {
        let framed = [0, 0, 0, 0, 9, 1];
        let both = hints(&[(VALUE_HEADER, &[0, 0, 0, 0, 1]), ("x", b"y"), (VALUE_HEADER, &[0, 0, 0, 0, 2])]);
        let named = both.of_value(&framed, Frames::Heeded).unwrap();
        assert_eq!(named, Some(Named { id: SchemaId::Number(2), body_at: 0 }));
        assert_eq!(both.of_key(&framed, Frames::Ignored), Ok(None));
        let named = hints(&[]).of_value(&framed, Frames::Heeded).unwrap();
        assert_eq!(named, Some(Named { id: SchemaId::Number(9), body_at: 5 }));
        assert_eq!(hints(&[]).of_value(&framed, Frames::Ignored), Ok(None));
    }

    #[test]
    fn what_is_malformed_is_said() {
        assert!(hints(&[(KEY_HEADER, &[0, 1])]).of_key(b"key", Frames::Ignored).is_err());
        assert!(hints(&[]).of_value(&[0, 1], Frames::Heeded).is_err());
        assert_eq!(hints(&[]).of_value(&[0, 1], Frames::Kept), Ok(None));
        assert!(Hints::read([(VALUE_HEADER.as_bytes(), None)].into_iter()).of_value(b"{}", Frames::Ignored).is_err());
    }
}
