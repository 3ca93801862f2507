//! CloudEvents binary mode: attributes in `ce_` headers, read in one pass.

use crate::event::{Attributes, Content, Data, Event, EventFacts, Form, Text};
use crate::failure::Refusal;
use crate::record::{Header, Record};
use crate::stage::identify::{Unidentified, time, unidentified};

/// One attribute as the headers carry it.
#[derive(Clone, Copy, Default)]
enum Seen<'a> {
    #[default]
    Nothing,
    Once(Option<&'a [u8]>),
    Twice,
}

impl<'a> Seen<'a> {
    fn add(&mut self, value: Option<&'a [u8]>) {
        *self = match self {
            Self::Nothing => Self::Once(value),
            Self::Once(_) | Self::Twice => Self::Twice,
        };
    }

    /// The text, when it is there once, and is one.
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Once(Some(value)) => std::str::from_utf8(value).ok().filter(|text| !text.is_empty()),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Seens<'a> {
    event_type: Seen<'a>,
    id: Seen<'a>,
    source: Seen<'a>,
    time: Seen<'a>,
    specversion: Seen<'a>,
    /// Extensions.
    others: Vec<Header<'a>>,
}

/// The event of a record whose attributes are headers.
///
/// # Errors
/// With the code of the first attribute that is missing, repeated or malformed: the type before the id before the others.
pub(super) fn read(record: &Record) -> Result<Event, Box<Unidentified>> {
    let mut seen = Seens::default();
    for header in record.headers().iter() {
        match header.name {
            b"ce_type" => seen.event_type.add(header.value),
            b"ce_id" => seen.id.add(header.value),
            b"ce_source" => seen.source.add(header.value),
            b"ce_time" => seen.time.add(header.value),
            b"ce_specversion" => seen.specversion.add(header.value),
            name if name.starts_with(b"ce_") => seen.others.push(header),
            _ => {}
        }
    }
    attributes(record, &mut seen).map_err(|refusal| Box::new(Unidentified { refusal, facts: seen.facts() })).map(|attributes| {
        let data = if record.value().is_some() { Data::Value } else { Data::None };
        Event::new(record.clone(), attributes, data, Content::Unchecked)
    })
}

impl Seens<'_> {
    fn facts(&self) -> EventFacts {
        let owned = |seen: Seen<'_>| seen.text().map(str::to_owned);
        EventFacts { id: owned(self.id), source: owned(self.source), event_type: owned(self.event_type), time: owned(self.time) }
    }
}

fn attributes(record: &Record, seen: &mut Seens<'_>) -> Result<Attributes, Refusal> {
    let event_type = required(seen.event_type, "ce_type", ["missing_type", "multiple_type", "invalid_type"])?;
    let id = required(seen.id, "ce_id", ["missing_id", "multiple_id", "invalid_id"])?;
    let source = optional(seen.source, "ce_source")?.filter(|source| !source.is_empty());
    let event_time = optional(seen.time, "ce_time")?;
    event_time.map_or(Ok(()), time::check)?;
    if let Some(version) = optional(seen.specversion, "ce_specversion")?
        && !matches!(version, "1.0" | "0.3")
    {
        return Err(Refusal::permanent("invalid_header", format!("header ce_specversion is \"{version}\": expected 1.0 or 0.3")));
    }
    extensions(&mut seen.others)?;
    let span = |text: &str| record.span_of(text.as_bytes()).map_or_else(|| Text::Owned(text.into()), Text::Span);
    let maybe = |text: Option<&str>| text.map_or(Text::Synthesized, span);
    Ok(Attributes {
        id: span(id),
        source: maybe(source),
        event_type: span(event_type),
        time: maybe(event_time),
        form: Form::Binary,
    })
}

fn required<'a>(seen: Seen<'a>, name: &str, codes: [&'static str; 3]) -> Result<&'a str, Refusal> {
    let [missing, multiple, invalid] = codes;
    match seen {
        Seen::Nothing => Err(Refusal::permanent(missing, format!("header {name} is missing"))),
        Seen::Twice => Err(Refusal::permanent(multiple, format!("header {name} is there more than once"))),
        Seen::Once(None) => Err(Refusal::permanent(invalid, format!("header {name} is null"))),
        Seen::Once(Some([])) => Err(Refusal::permanent(invalid, format!("header {name} is empty"))),
        Seen::Once(Some(value)) => {
            std::str::from_utf8(value).map_err(|error| Refusal::permanent(invalid, format!("header {name} is not UTF-8: {error}")))
        }
    }
}

fn optional<'a>(seen: Seen<'a>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match seen {
        Seen::Nothing => Ok(None),
        Seen::Twice => Err(multiple(name)),
        Seen::Once(value) => text(value, name).map(Some),
    }
}

fn text<'a>(value: Option<&'a [u8]>, name: &str) -> Result<&'a str, Refusal> {
    let value = value.ok_or_else(|| Refusal::permanent("invalid_header", format!("header {name} is null")))?;
    std::str::from_utf8(value).map_err(|error| Refusal::permanent("invalid_header", format!("header {name} is not UTF-8: {error}")))
}

fn multiple(name: &str) -> Refusal {
    Refusal::permanent("multiple_header", format!("header {name} is there more than once"))
}

/// Sorted, so that a repeated name is found without comparing each with each.
fn extensions(others: &mut [Header<'_>]) -> Result<(), Refusal> {
    others.sort_unstable_by_key(|header| header.name);
    for pair in others.windows(2) {
        if let [one, next] = pair
            && one.name == next.name
        {
            return Err(multiple(&String::from_utf8_lossy(one.name)));
        }
    }
    others.iter().try_for_each(|header| text(header.value, &String::from_utf8_lossy(header.name)).map(drop))
}

/// The type in a header of the user's choice.
///
/// # Errors
/// `missing_type`, `multiple_type`, `invalid_type`.
pub(super) fn type_header(record: &Record, name: &str) -> Result<Text, Box<Unidentified>> {
    let mut seen = Seen::Nothing;
    record.headers().named(name).for_each(|header| seen.add(header.value));
    let text = required(seen, name, ["missing_type", "multiple_type", "invalid_type"]).map_err(unidentified)?;
    Ok(record.span_of(text.as_bytes()).map_or_else(|| Text::Owned(text.into()), Text::Span))
}
