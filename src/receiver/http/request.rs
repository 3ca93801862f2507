//! An event as a request: the CloudEvents HTTP binding, in binary or structured mode.
//!
//! Whatever bytes a record has, it is one request: attributes are percent-encoded as the binding says, and what no header can carry is
//! left out.

use std::borrow::Cow;
use std::io;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::codec::json;
use crate::event::{Content, Event};
use crate::failure::{Class, Code, kept};
use crate::receiver::http::Encoding;
use crate::receiver::{Delivery, Mode, Needs, ReceiverError, line};

/// What the binding wants encoded in an attribute, beside all that is not ASCII.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Far more than any server takes, and far fewer than a header map can hold.
const MOST_HEADERS: usize = 4096;

/// As much as is said about data that could not be decoded, in bytes.
const LONGEST_REASON: usize = 1_000;

/// Headers of the tracing context, passed on whether they are named or not.
const TRACING: [HeaderName; 2] = [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// Headers that are ours to write, or whose meaning is the connection's: a record must not say them.
const RESERVED: [&str; 16] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// How requests are made of events.
pub(super) struct Form {
    encoding: Encoding,
    forwarded: Vec<HeaderName>,
}

/// What a request is made of, beside its address.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
}

impl Form {
    /// `names`: of record headers that are passed on.
    ///
    /// # Errors
    /// When a name is none, or must not be passed on.
    pub(super) fn new(encoding: Encoding, names: &[String]) -> io::Result<Self> {
        let mut forwarded = TRACING.to_vec();
        for name in names {
            let refused = |why: &str| {
                let error = format!("forward_headers: {name:?} {why}");
                Err(io::Error::new(io::ErrorKind::InvalidInput, error))
            };
            let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else { return refused("is no name of an HTTP header") };
            if RESERVED.contains(&header.as_str()) || header.as_str().starts_with("ce-") {
                return refused("cannot be passed on: redrive or the connection writes it");
            }
            if !forwarded.contains(&header) {
                forwarded.push(header);
            }
        }
        Ok(Self { encoding, forwarded })
    }

    pub(super) fn needs(&self) -> Needs {
        match self.encoding {
            Encoding::Binary => Needs::Value,
            Encoding::Structured => Needs::ValidJson,
        }
    }

    /// # Errors
    /// When the event has more headers than any request can have.
    pub(super) fn parts(&self, delivery: &Delivery) -> Result<Parts, ReceiverError> {
        let event = &delivery.event;
        let mut headers = HeaderMap::with_capacity(32);
        delivery_attributes(&mut headers, delivery);
        let body = match self.encoding {
            Encoding::Binary => {
                attributes(&mut headers, event)?;
                if let Some(content_type) = content_type(event) {
                    headers.insert(CONTENT_TYPE, content_type);
                }
                event.data().map(<[u8]>::to_vec)
            }
            Encoding::Structured => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=UTF-8"));
                let mut body = Vec::new();
                line::cloud_event(&mut body, event);
                Some(body)
            }
        };
        if body.as_ref().is_none_or(Vec::is_empty) {
            // The client leaves it out, and some servers then wait for a body.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        self.forward(&mut headers, event)?;
        Ok(Parts { headers, body })
    }

    /// Repeats stay repeats; a null value is no header, and neither is one with line breaks or other control characters.
    fn forward(&self, headers: &mut HeaderMap, event: &Event) -> Result<(), ReceiverError> {
        for header in event.record().headers().iter() {
            let is_named = |name: &&HeaderName| name.as_str().as_bytes().eq_ignore_ascii_case(header.name);
            let Some(name) = self.forwarded.iter().find(is_named) else { continue };
            let Some(Ok(value)) = header.value.map(HeaderValue::from_bytes) else { continue };
            check_room(headers)?;
            headers.append(name, value);
        }
        Ok(())
    }
}

/// What the line protocol says beside the event.
fn delivery_attributes(headers: &mut HeaderMap, delivery: &Delivery) {
    let record = delivery.event.record();
    let mut put = |name, text: &str| put(headers, HeaderName::from_static(name), text);
    put("ce-deliveryid", &line::delivery_id(delivery));
    put("ce-deliveryattempt", &delivery.attempt.to_string());
    match delivery.mode {
        Mode::Live => put("ce-deliverymode", "live"),
        Mode::Replay(id) => {
            put("ce-deliverymode", "replay");
            put("ce-replayid", &id.to_string());
        }
    }
    put("ce-deliverylate", if record.is_late() { "true" } else { "false" });
    put("ce-kafkatopic", record.topic());
    put("ce-kafkapartition", &record.partition().number.to_string());
    put("ce-kafkaoffset", &record.offset().to_string());
    if let Some(timestamp) = record.timestamp().rfc_3339() {
        put("ce-kafkatimestamp", &timestamp);
    }
    if let Some(why) = delivery.event.undecoded() {
        put("ce-undecoded", kept(why, LONGEST_REASON));
    }
}

/// The event's own attributes. Of two names that HTTP cannot tell apart the first one counts, and ours count before the record's.
fn attributes(headers: &mut HeaderMap, event: &Event) -> Result<(), ReceiverError> {
    put(headers, HeaderName::from_static("ce-specversion"), &event.specversion());
    put(headers, HeaderName::from_static("ce-id"), &event.id());
    put(headers, HeaderName::from_static("ce-source"), &event.source());
    put(headers, HeaderName::from_static("ce-type"), &event.event_type());
    if let Some(time) = event.time() {
        put(headers, HeaderName::from_static("ce-time"), &time);
    }
    for (name, value) in event.extensions() {
        let Ok(header) = HeaderName::from_bytes(format!("ce-{name}").as_bytes()) else { continue };
        if line::is_attribute(&name.to_ascii_lowercase()) || headers.contains_key(&header) {
            continue;
        }
        let text = match &value {
            Value::Null => continue,
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_string()),
        };
        check_room(headers)?;
        put(headers, header, &text);
    }
    Ok(())
}

/// As the record says it; where it says nothing, what the line protocol would say. A tombstone has none.
fn content_type(event: &Event) -> Option<HeaderValue> {
    let data = event.data()?;
    match event.content_type() {
        Some(said) => HeaderValue::from_str(&said).ok(),
        None => {
            let is_json = match event.content() {
                Content::Json => true,
                Content::Unchecked => json::check(data).is_ok(),
                Content::Bytes => false,
            };
            is_json.then(|| HeaderValue::from_static("application/json"))
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let encoded = Cow::from(utf8_percent_encode(text, UNSAFE)).into_owned();
    // Nothing that is encoded is refused.
    if let Ok(value) = HeaderValue::try_from(encoded) {
        headers.insert(name, value);
    }
}

fn check_room(headers: &HeaderMap) -> Result<(), ReceiverError> {
    if headers.len() < MOST_HEADERS {
        return Ok(());
    }
    let message = format!("the event has more headers than a request can have: at most {MOST_HEADERS} are sent");
    Err(ReceiverError::known(Class::Permanent, const { Code::known("too_many_headers") }, message))
}
