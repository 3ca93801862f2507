//! Real Open edX events, against what two independent libraries made of them (fixtures/openedx).

use std::collections::HashMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::AvroSchema;
use crate::codec::framing::{SchemaId, from_frame};

fn fixture(name: &str) -> String {
    fs::read_to_string(format!("{}/fixtures/openedx/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn lines(name: &str) -> Vec<Value> {
    fixture(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The oracle writes what is no number as `{"$double":"NaN"}`.
fn ours(value: &Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("$double") => members["$double"].clone(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), ours(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(ours).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_real_event_equals_the_oracle() {
    let schemas: HashMap<String, Value> = serde_json::from_str(&fixture("schemas.json")).unwrap();
    let schemas: HashMap<SchemaId, AvroSchema> = schemas
        .iter()
        .map(|(id, schema)| (id.parse().unwrap(), AvroSchema::parse(schema["schema"].as_str().unwrap(), &[]).unwrap()))
        .collect();
    let (events, decoded) = (lines("events.jsonl"), lines("decoded.jsonl"));
    assert_eq!((events.len(), decoded.len()), (218, 218));
    for (event, expected) in events.iter().zip(&decoded) {
        for part in ["key", "value"] {
            let bytes = STANDARD.decode(event[part].as_str().unwrap()).unwrap();
            let (id, body) = from_frame(&bytes).unwrap().unwrap();
            assert_eq!(id.to_string(), expected[format!("{part}_schema_id")].to_string());
            let json = schemas[&id].to_json(body).unwrap_or_else(|fault| panic!("{fault}: {expected}"));
            assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), ours(&expected[part]), "{part} of {event}");
        }
    }
}
