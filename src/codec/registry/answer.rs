//! What a registry's answer means: pure, of whatever a server can say.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::codec::framing::SchemaId;
use crate::codec::registry::place::{Question, Reference, Reply, too_long};
use crate::codec::schema::SchemaKind;
use crate::failure::kept;
use crate::http::{reason, said};

/// As much of a name is said, in bytes.
const SHOWN: usize = 200;

/// Why there is no schema.
pub(super) enum Lack {
    Unknown(String),
    Unusable(String),
    Away(String),
}

/// What an address of a registry fails a check-up with. Texts are for people and hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckFault {
    /// It does not let us in.
    #[error("{0}")]
    Refused(String),
    /// Something answers, and it is no registry.
    #[error("{0}")]
    NoRegistry(String),
    #[error("{0}")]
    Away(String),
}

/// A schema as one answer has it.
pub(super) struct Served {
    pub(super) kind: SchemaKind,
    pub(super) text: String,
    pub(super) references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Body {
    schema: String,
    /// Missing where there was only one language.
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    references: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Named {
    subject: String,
    version: Version,
}

/// Some registries write numbers as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Number(i64),
    Text(String),
}

/// What registries say when they have something not: Confluent's, Apicurio, Karapace and Redpanda.
#[derive(Deserialize)]
struct No {
    #[serde(rename = "error_code")]
    _code: Number,
}

/// What kind of answer a status is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Success,
    /// It has none, if it is a registry.
    No,
    /// It does not let us in.
    Refusal,
    /// Nothing can be learned from it now.
    Silence,
}

/// # Errors
/// Why there is none of this id, or why that is not known.
pub(super) fn schema(id: SchemaId, reply: &Reply) -> Result<Served, Lack> {
    if is_no(reply) {
        return Err(Lack::Unknown(format!("schema {id} is not in the registry: {}", told(reply))));
    }
    served(reply, &format!("schema {id}"))
}

/// # Errors
/// As [`schema`]; `whose`: which schema refers to it.
pub(super) fn reference(whose: SchemaId, of: &Reference, reply: &Reply) -> Result<Served, Lack> {
    let of = format!("subject {} version {}", kept(&of.subject, SHOWN), kept(&of.version, SHOWN));
    if is_no(reply) {
        return Err(Lack::Unknown(format!("schema {whose} refers to {of}, which is not in the registry: {}", told(reply))));
    }
    served(reply, &format!("{of}, which schema {whose} refers to,"))
}

/// True for a "no" that does not show itself whose it is.
///
/// Registries explain what they do not have. Where the body is empty, the path may be no registry's: so answer Apicurio beside its API, and
/// proxies. And what a registry that knows only numbers says of a GUID it says of any path that it does not know, each in its own way.
pub(super) fn is_doubtful(question: &Question<'_>, reply: &Reply) -> bool {
    let may_be_path = match (question, reply.status) {
        (_, StatusCode::NOT_FOUND) if is_empty(reply) => true,
        (Question::Schema(SchemaId::Guid(_)), status) => {
            [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED].contains(&status)
        }
        _ => false,
    };
    may_be_path && no(reply).is_err()
}

/// True when a registry says that it has none.
fn is_no(reply: &Reply) -> bool {
    meaning(reply.status) == Meaning::No && (reply.is_of_registry || no(reply).is_ok())
}

fn no(reply: &Reply) -> serde_json::Result<No> {
    serde_json::from_slice(&reply.body)
}

fn is_empty(reply: &Reply) -> bool {
    reply.body.trim_ascii().is_empty()
}

fn served(reply: &Reply, what: &str) -> Result<Served, Lack> {
    match meaning(reply.status) {
        Meaning::Success if reply.is_cut => {
            return Err(Lack::Unusable(format!("{what} is too long: {}: {}", reply.asked, too_long())));
        }
        Meaning::Success => {}
        Meaning::No => return Err(Lack::Away(nobodys(reply))),
        Meaning::Refusal | Meaning::Silence => return Err(Lack::Away(told(reply))),
    }
    let Body { schema: text, kind, references } =
        serde_json::from_slice(&reply.body).map_err(|error| Lack::Away(no_registry(reply, &error, "a text \"schema\"")))?;
    let kind = kind.map_or(SchemaKind::Avro, |kind| SchemaKind::named(&kind));
    let named: Option<Vec<Named>> = match (&kind, references) {
        (SchemaKind::Avro, Some(references)) => serde_json::from_str(references.get())
            .map_err(|_| Lack::Unusable(format!("{what} has references without subject and version: {}", reply.asked)))?,
        // Values of the other languages are read without.
        _ => None,
    };
    let references = named.into_iter().flatten().map(Reference::from).collect();
    Ok(Served { kind, text, references })
}

/// The languages that it takes.
///
/// # Errors
/// When it lets us not in, is no registry, or does not say.
pub(super) fn kinds(reply: &Reply) -> Result<Vec<String>, CheckFault> {
    match meaning(reply.status) {
        Meaning::Success => serde_json::from_slice(&reply.body)
            .map_err(|error| CheckFault::NoRegistry(no_registry(reply, &error, "a list of schema types"))),
        Meaning::Refusal => Err(CheckFault::Refused(told(reply))),
        Meaning::Silence => Err(CheckFault::Away(told(reply))),
        // Old ones do not know the question, and say so as a registry does.
        Meaning::No => no(reply).map(|_| Vec::new()).map_err(|_| CheckFault::NoRegistry(told(reply))),
    }
}

fn meaning(status: StatusCode) -> Meaning {
    match status.as_u16() {
        200..=299 => Meaning::Success,
        401 | 403 | 407 => Meaning::Refusal,
        408 | 425 | 429 => Meaning::Silence,
        400..=499 | 501 => Meaning::No,
        _ => Meaning::Silence,
    }
}

/// `503 Service Unavailable`
pub(super) fn status(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), reason(status)).trim_end().to_owned()
}

/// What was asked and what came.
fn told(reply: &Reply) -> String {
    let mut text = format!("{}: {}", reply.asked, status(reply.status));
    let mut add = |more: &str| text.push_str(more);
    if let Some(words) = said(&String::from_utf8_lossy(&reply.body), reason(reply.status)) {
        add(": ");
        add(&words);
    }
    if meaning(reply.status) == Meaning::Refusal {
        add(" (schema-registry-basic-auth or schema-registry-bearer-token)");
        if let Some(trouble) = &reply.trouble {
            add("; ");
            add(trouble);
        }
    }
    text
}

/// A success that is no registry's. Nothing of it is quoted: it is not for us, and may be anything.
fn no_registry(reply: &Reply, error: &serde_json::Error, expected: &str) -> String {
    let why = unlike(reply, error, expected);
    format!("{}: {}, and that is no registry's answer: {why}", reply.asked, status(reply.status))
}

/// A "no" that nobody shows to be a registry's.
fn nobodys(reply: &Reply) -> String {
    let why = no(reply).err().map(|error| unlike(reply, &error, "a number \"error_code\"")).unwrap_or_default();
    format!("{}, and that is no registry's answer: {why}; --schema-registry may name the wrong address", told(reply))
}

/// How an answer differs from a registry's.
fn unlike(reply: &Reply, error: &serde_json::Error, expected: &str) -> String {
    if is_empty(reply) {
        "it is empty".to_owned()
    } else if error.is_data() {
        format!("it is JSON without {expected}")
    } else {
        let of_type = reply.content_type.as_deref().unwrap_or("no content type");
        format!("it is not JSON ({})", kept(of_type, SHOWN))
    }
}

impl From<Named> for Reference {
    fn from(Named { subject, version }: Named) -> Self {
        let version = match version {
            Version::Number(number) => number.to_string(),
            Version::Text(text) => text,
        };
        Self { subject, version }
    }
}
