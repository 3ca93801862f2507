//! What a body can do wrong: each says where it is, what was expected and what came.

use super::super::{AvroFault, AvroSchema};

fn fault(schema: &str, body: &[u8]) -> AvroFault {
    AvroSchema::parse(schema, &[]).unwrap().to_json(body).unwrap_err()
}

const ORDER: &str = r#"{"type":"record","name":"O","fields":[{"name":"id","type":"string"},{"name":"lines","type":{"type":"array","items":
    {"type":"record","name":"L","fields":[{"name":"n","type":"int"},{"name":"tags","type":{"type":"map","values":["null","boolean"]}}]}}}]}"#;

#[test]
fn a_fault_says_where_it_is() {
    let body = |inside: &[u8]| [&[2, b'x', 4, 2, 0, 4, 2, 4, b'a', b'/'][..], inside].concat();
    let said = |inside: &[u8]| fault(ORDER, &body(inside)).to_string();
    assert_eq!(said(&[2, 7]), "at /lines/1/tags/a~1: a boolean is 7: expected 0 or 1 (before byte 12)");
    assert_eq!(said(&[4]), "at /lines/1/tags/a~1: the branch of a union is number 2, and there are 2 (before byte 11)");
    assert_eq!(said(&[2]), "at /lines/1/tags/a~1: it ends at byte 11, and 1 more are wanted");
    assert_eq!(fault("\"string\"", &[0x40, b'a']).to_string(), "it ends at byte 2, and 31 more are wanted");
}

#[test]
fn every_fault_has_its_code() {
    let nested = |levels: usize| {
        let schema = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
        let body = [vec![2; levels], vec![0]].concat();
        AvroSchema::parse(schema, &[]).unwrap().to_json(&body).map_err(|fault| fault.code())
    };
    assert!(nested(63).is_ok(), "64 objects");
    assert_eq!(nested(64), Err("too_large"));
    assert_eq!(nested(1_000_000), Err("too_large"));
    let unions = format!("{}\"null\"{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(AvroSchema::parse(&unions, &[]).unwrap().to_json(&[0; 60]).unwrap(), b"null");
    for (schema, body, code) in [
        ("\"int\"", &[2, 0][..], "trailing_bytes"),
        ("\"null\"", &[0], "trailing_bytes"),
        ("\"int\"", &[], "schema_mismatch"),
        ("\"int\"", &[0x80], "schema_mismatch"),
        ("\"int\"", &[0x80, 0x80, 0x80, 0x80, 0x20], "schema_mismatch"),
        ("\"long\"", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "schema_mismatch"),
        ("\"long\"", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], "schema_mismatch"),
        ("\"string\"", &[1], "schema_mismatch"),
        ("\"string\"", &[2, 0xff], "schema_mismatch"),
        ("\"string\"", &[0x80, 0x80, 0x80, 0x80, 0x80, 0x40], "schema_mismatch"),
        ("\"bytes\"", &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "schema_mismatch"),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, &[2], "schema_mismatch"),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, &[1], "schema_mismatch"),
        (r#"{"type":"fixed","name":"F","size":4}"#, &[1, 2, 3], "schema_mismatch"),
        (r#"{"type":"array","items":"int"}"#, &[2, 2], "schema_mismatch"),
        (r#"{"type":"array","items":"int"}"#, &[1, 1, 2, 0], "schema_mismatch"),
        (r#"{"type":"array","items":"int"}"#, &[1, 40, 2, 0], "schema_mismatch"),
    ] {
        assert_eq!(fault(schema, body).code(), code, "{schema} {body:?}");
    }
}

#[test]
fn what_is_claimed_and_not_there_costs_nothing() {
    // 2^40 items that take no byte: they end at the bound of what is written.
    let nulls = fault(r#"{"type":"array","items":"null"}"#, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    assert_eq!((nulls.code(), nulls.to_string()), ("too_large", "at /13421773: as JSON it has more than 67108864 bytes".into()));
    let records = r#"{"type":"array","items":{"type":"record","name":"E","fields":[]}}"#;
    assert_eq!(fault(records, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).code(), "too_large");
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    assert_eq!(fault(decimal, &[vec![0x80, 0x7d], vec![1; 8_000]].concat()).code(), "too_large");
}
