//! A schema as a registry serves it, and what can be done with it.

use std::sync::Arc;

use thiserror::Error;

use crate::codec::avro::{AvroFault, AvroSchema};
use crate::codec::json::{self, JsonFault};

/// The language that a schema is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    Avro,
    Json,
    Protobuf,
    /// As the registry calls it.
    Other(String),
}

/// A schema as a registry serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaText {
    pub kind: SchemaKind,
    pub text: String,
    /// The texts of the schemas that it names, and that those name: each stands behind all that it names itself.
    pub references: Vec<String>,
}

/// A schema, ready to read bodies with.
#[derive(Debug)]
pub enum Schema {
    Avro(AvroSchema),
    /// The bodies are JSON.
    Json,
    /// Bodies of this kind are not read.
    Unsupported(SchemaKind),
    /// It should be readable and is not, for this reason: bodies are handed on as they are.
    Unreadable(String),
}

/// What is known of a schema id.
#[derive(Clone, Debug)]
pub enum Known {
    Schema(Arc<Schema>),
    /// No registry has it; why, for people.
    Unknown(Arc<str>),
    /// There is no registry to ask, and it is not kept; for people.
    NotKept(Arc<str>),
}

/// What came of asking a registry for a schema. Texts are for people and hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    Found(SchemaText),
    /// It has none of this id.
    Unknown(String),
    /// It has one, and that cannot be had whole.
    Unusable(String),
    /// What it has is not known: it does not answer, or not as a registry.
    Away(String),
}

impl Known {
    /// A schema that cannot be used, for this reason.
    #[must_use]
    pub fn unreadable(why: String) -> Self {
        Self::Schema(Arc::new(Schema::Unreadable(why)))
    }
}

impl SchemaKind {
    /// As a registry calls it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
            Self::Other(name) => name,
        }
    }

    /// What a registry calls it, in any case.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "AVRO" => Self::Avro,
            "JSON" => Self::Json,
            "PROTOBUF" => Self::Protobuf,
            _ => Self::Other(name.to_owned()),
        }
    }
}

/// Why a body is not handed on as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyFault {
    #[error("it is not what the schema says: {0}")]
    Avro(#[from] AvroFault),
    #[error("it is not JSON: {0}")]
    Json(#[from] JsonFault),
    #[error("the schema is {}: bodies in Avro and JSON can be read", .0.as_str())]
    Unsupported(SchemaKind),
    /// What is wrong is wrong with the schema.
    #[error("the schema cannot be used: {0}")]
    Unreadable(String),
}

impl Schema {
    /// A body as one JSON document.
    ///
    /// # Errors
    /// When it does not fit, or the schema is none that can be read with.
    pub fn json(&self, body: &[u8]) -> Result<Vec<u8>, BodyFault> {
        match self {
            Self::Avro(schema) => Ok(schema.to_json(body)?),
            Self::Json => {
                json::check(body)?;
                Ok(body.to_vec())
            }
            Self::Unsupported(kind) => Err(BodyFault::Unsupported(kind.clone())),
            Self::Unreadable(why) => Err(BodyFault::Unreadable(why.clone())),
        }
    }
}

impl SchemaText {
    /// Makes the most of it; never fails.
    #[must_use]
    pub fn read(&self) -> Schema {
        match &self.kind {
            SchemaKind::Avro => match AvroSchema::parse(&self.text, &self.references) {
                Ok(schema) => Schema::Avro(schema),
                Err(fault) => Schema::Unreadable(fault.to_string()),
            },
            SchemaKind::Json => Schema::Json,
            other => Schema::Unsupported(other.clone()),
        }
    }
}
