//! The registry of the tests is the one that the fixtures come from: it serves each schema under its id, byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{Language, Registry, unique};

#[test]
fn it_begins_with_the_schemas_of_the_fixtures_and_goes_on_with_others() {
    let registry = Registry::shared();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openedx/schemas.json");
    let schemas: BTreeMap<u32, Value> = serde_json::from_str(&std::fs::read_to_string(fixtures).unwrap()).unwrap();
    assert_eq!(schemas.len(), 41);
    for (id, schema) in &schemas {
        assert_eq!(registry.schema(*id).as_deref(), schema["schema"].as_str(), "schema {id}");
    }
    let text = format!(r#"{{"type":"record","name":"{}","fields":[]}}"#, unique("real").replace('-', "_"));
    let id = registry.register(&unique("real"), Language::Avro, &text);
    assert!(!schemas.contains_key(&id), "{id} is new");
    assert_eq!(registry.schema(id), Some(text.clone()));
    assert_eq!(registry.register(&unique("real"), Language::Avro, &text), id, "one id for one text");
    let referring = format!(r#"{{"type":"record","name":"A{id}","fields":[{{"name":"b","type":"{}"}}]}}"#, "B");
    let subject = unique("real");
    registry.register(&subject, Language::Avro, r#"{"type":"record","name":"B","fields":[]}"#);
    let referred = registry.register_with(&unique("real"), Language::Avro, &referring, &[("B", &subject)]);
    assert_eq!(registry.schema(referred), Some(referring));
    let id = registry.register(&unique("real"), Language::Protobuf, "syntax = \"proto3\"; message A { int32 a = 1; }");
    assert!(registry.schema(id).is_some_and(|text| text.starts_with("syntax")));
}

#[test]
fn it_comes_back_on_its_port_with_what_it_began_with() {
    let registry = Registry::own();
    let id = registry.register("own", Language::Avro, r#"{"type":"record","name":"Own","fields":[]}"#);
    registry.stop();
    assert_eq!(registry.schema(37), None, "nobody answers");
    registry.start();
    assert!(registry.schema(37).is_some() && registry.schema(id).is_none());
}
