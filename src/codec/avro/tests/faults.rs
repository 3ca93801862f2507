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
    let said = "at /13261: as JSON it has more than 66304 bytes, and is made of 6";
    assert_eq!((nulls.code(), nulls.to_string()), ("too_large", said.into()));
    let records = r#"{"type":"array","items":{"type":"record","name":"E","fields":[]}}"#;
    assert_eq!(fault(records, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).code(), "too_large");
}

/// `bytes` behind their length, of 64 to 8,191 bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let zigzag = 2 * u16::try_from(bytes.len()).unwrap();
    [&[(zigzag & 0x7f) as u8 | 0x80, (zigzag >> 7) as u8], bytes].concat()
}

#[test]
fn a_decimal_has_at_most_1024_bytes() {
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    let big = r#"{"type":"bytes","logicalType":"big-decimal"}"#;
    let in_big = |number: &[u8]| sized(&[sized(number), vec![4]].concat());
    let fixed =
        |size: usize| format!(r#"{{"type":"fixed","name":"F","size":{size},"logicalType":"decimal","precision":4,"scale":2}}"#);
    let number = [1; 1_025];
    for (schema, fits, beyond) in [
        ([decimal.to_owned(), decimal.to_owned()], sized(&number[1..]), sized(&number)),
        ([big.to_owned(), big.to_owned()], in_big(&number[1..]), in_big(&number)),
        ([fixed(1_024), fixed(1_025)], number[1..].to_vec(), number.to_vec()),
    ] {
        let text = AvroSchema::parse(&schema[0], &[]).unwrap().to_json(&fits).unwrap();
        assert_eq!((text.len(), text[text.len() - 4]), (2 + 2_464 + 1, b'.'), "{}", schema[0]);
        let fault = fault(&schema[1], &beyond);
        assert_eq!((fault.code(), fault.to_string()), ("too_large", "a decimal has 1025 bytes, and at most 1024 are read".into()));
    }
    assert_eq!(fault(decimal, &sized(&[1; 8_000])).code(), "too_large");
    let none = sized(&[0xff; 2_000]);
    assert!(AvroSchema::parse(big, &[]).unwrap().to_json(&none).unwrap().starts_with(b"\"////"), "what is no number has no digits");
}

#[test]
fn the_documented_message_is_the_one_that_is_said() {
    let inner =
        |name: &str, of: &str| format!(r#"{{"type":"record","name":"{name}_","fields":[{{"name":"{name}","type":{of}}}]}}"#);
    let schema = inner("enrollment", &inner("user", &inner("id", "\"long\"")));
    let said = fault(&schema, &[0xff; 10]).to_string();
    let documented = std::fs::read_to_string(format!("{}/docs/avro.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let documented = documented.lines().last().unwrap();
    assert!(documented.ends_with(&format!("`the value is not what schema 37 says: {said}`.")), "{said}");
}

#[test]
fn large_text_has_little_room_to_spare() {
    let longs = AvroSchema::parse(r#"{"type":"array","items":"long"}"#, &[]).unwrap();
    let text = AvroSchema::parse("\"bytes\"", &[]).unwrap();
    for count in [1, 63, 64, 1_000, 5_000, 8_191] {
        let values = vec![0x7f; count];
        let array = [&sized(&values)[..], &[0]].concat();
        for json in [longs.to_json(&array).unwrap(), text.to_json(&sized(&values)).unwrap()] {
            assert!(json.capacity() - json.len() <= 4_096.max(json.len() / 2), "{} in {}", json.len(), json.capacity());
        }
    }
    let nulls = AvroSchema::parse(r#"{"type":"array","items":["null"]}"#, &[]).unwrap();
    let json = nulls.to_json(&[&sized(&[0; 8_000])[..], &[0]].concat()).unwrap();
    assert!(json.capacity() - json.len() <= json.len() / 2, "{} in {}", json.len(), json.capacity());
}
