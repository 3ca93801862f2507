//! The stages that a record walks before its receivers: identify, route, decode.
//!
//! So far the type of an event is its topic, every receiver takes all, and nothing is decoded.

use crate::event::{Attributes, Content, Data, Event, EventFacts, Form, Text};
use crate::failure::Refusal;
use crate::receiver::Needs;
use crate::record::{ReceiverIx, ReceiverSet, Record};

/// Where the type of an event comes from.
#[derive(Clone, Debug)]
pub enum TypeFrom {
    Topic,
}

/// How the value is read.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    Auto,
}

/// What becomes of a type that nobody takes.
#[derive(Clone, Copy, Debug)]
pub enum Unrecognized {
    Journal,
}

/// Which receivers take which type.
#[derive(Clone, Debug)]
pub struct Router(ReceiverSet);

/// Where an event goes.
#[derive(Clone, Debug)]
pub enum Routed {
    To(ReceiverSet),
    Skipped,
    Unrecognized(Refusal),
}

/// Why a record is no event, and what was found out before that.
#[derive(Clone, Debug)]
pub struct Unidentified {
    pub refusal: Refusal,
    pub facts: EventFacts,
}

impl Router {
    /// `types`: for each receiver the types it takes.
    pub fn new<'a>(types: impl Iterator<Item = &'a [String]>, _unrecognized: Unrecognized) -> Self {
        let receivers = (0u8..64).map(ReceiverIx).zip(types);
        Self(receivers.fold(ReceiverSet::NONE, |set, (receiver, _)| set.with(receiver)))
    }

    #[must_use]
    pub fn route(&self, _event_type: &str) -> Routed {
        Routed::To(self.0)
    }
}

/// Finds out which event a record is.
///
/// # Errors
/// When the record is no event; the type from the topic never fails.
pub fn identify(record: &Record, how: &TypeFrom) -> Result<Event, Box<Unidentified>> {
    let TypeFrom::Topic = how;
    let attributes = Attributes {
        id: Text::Synthesized,
        source: Text::Synthesized,
        event_type: Text::Synthesized,
        time: Text::Synthesized,
        form: Form::Plain,
    };
    Ok(Event::new(record.clone(), attributes, Data::Value, Content::Unchecked))
}

/// Decodes an event as far as its receivers need it.
///
/// # Errors
/// When its data is not what they need.
pub fn decode(event: Event, _needs: Needs, _format: Format) -> Result<Event, Refusal> {
    Ok(event)
}
