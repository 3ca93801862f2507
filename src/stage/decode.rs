//! Is the data what the receivers need? Runs once per record, and only as far as they need it.

use crate::codec::json::{self, JsonFault};
use crate::event::{Content, Event};
use crate::failure::Refusal;
use crate::receiver::Needs;

/// How the data is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As the content type says, JSON when there is none.
    #[default]
    Auto,
    Json,
    /// Bytes, handed on as they are.
    Raw,
}

/// Checks the data as far as `needs` asks for it, and says in the event what was found.
///
/// A tombstone and an empty value always pass.
///
/// # Errors
/// When the data is not what its format says.
pub fn decode(event: Event, needs: Needs, format: Format) -> Result<Event, Refusal> {
    let Some(data) = event.data() else { return Ok(event) };
    if event.content() != Content::Unchecked {
        return Ok(event);
    }
    if data.is_empty() || format == Format::Raw {
        return Ok(event.with_content(Content::Bytes));
    }
    if needs == Needs::Bytes {
        return Ok(event);
    }
    if format == Format::Auto {
        match kind(event.content_type().as_deref()) {
            Kind::Json => {}
            Kind::Bytes => return Ok(event.with_content(Content::Bytes)),
            Kind::Unsupported(content_type) => return Err(unsupported(&content_type)),
        }
    }
    match json::check(data) {
        Ok(()) => Ok(event.with_content(Content::Json)),
        Err(fault @ JsonFault::Invalid(_)) => Err(Refusal::permanent("invalid_json", format!("the value is not JSON: {fault}"))),
        Err(fault) => Err(Refusal::permanent("too_large", format!("the value cannot be decoded: {fault}"))),
    }
}

enum Kind {
    Json,
    Bytes,
    Unsupported(String),
}

/// What a content type means; parameters do not matter.
fn kind(content_type: Option<&str>) -> Kind {
    let Some(content_type) = content_type else { return Kind::Json };
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.split_once('/') {
        _ if media.is_empty() || media.ends_with("/json") || media.ends_with("+json") => Kind::Json,
        Some(("application", "octet-stream") | ("text" | "image" | "audio" | "video", _)) => Kind::Bytes,
        _ => Kind::Unsupported(content_type.to_owned()),
    }
}

fn unsupported(content_type: &str) -> Refusal {
    Refusal::permanent(
        "unsupported_content_type",
        format!("content type \"{content_type}\" cannot be read: expected JSON or bytes; --format raw hands values on as they are"),
    )
}
