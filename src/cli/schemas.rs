//! The JSON Schema files, for tests: whatever is written as JSON must fit them, and have no field that they do not describe.

use serde_json::Value;

const FILES: [(&str, &str); 15] = [
    ("document", include_str!("../../schemas/document.json")),
    ("error", include_str!("../../schemas/error.json")),
    ("failure", include_str!("../../schemas/failure.json")),
    ("failure-detail", include_str!("../../schemas/failure-detail.json")),
    ("explained", include_str!("../../schemas/explained.json")),
    ("finding", include_str!("../../schemas/finding.json")),
    ("group", include_str!("../../schemas/group.json")),
    ("group-move", include_str!("../../schemas/group-move.json")),
    ("group-partition", include_str!("../../schemas/group-partition.json")),
    ("incident", include_str!("../../schemas/incident.json")),
    ("planned-move", include_str!("../../schemas/planned-move.json")),
    ("replay", include_str!("../../schemas/replay.json")),
    ("replay-plan", include_str!("../../schemas/replay-plan.json")),
    ("rule", include_str!("../../schemas/rule.json")),
    ("run", include_str!("../../schemas/run.json")),
];

fn schema(name: &str) -> Value {
    let (_, text) = FILES.iter().find(|(of, _)| *of == name).unwrap();
    serde_json::from_str(text).unwrap()
}

/// Panics where `value` does not fit.
pub(super) fn check(name: &str, value: &Value) {
    let mut options = jsonschema::options();
    for (name, _) in FILES {
        let resource = jsonschema::Resource::from_contents(schema(name)).unwrap();
        options = options.with_resource(schema(name)["$id"].as_str().unwrap(), resource);
    }
    let validator = options.build(&schema(name)).unwrap();
    let faults: Vec<_> = validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(faults.is_empty(), "{name}: {faults:?}\n{value:#}");
    let mut described = schema(name)["properties"].as_object().unwrap().clone();
    if name == "failure-detail" {
        described.extend(schema("failure")["properties"].as_object().unwrap().clone());
    }
    let unknown: Vec<_> = value.as_object().unwrap().keys().filter(|field| !described.contains_key(*field)).collect();
    assert!(unknown.is_empty(), "{name} does not describe {unknown:?}");
}
