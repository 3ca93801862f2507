//! What a record is taken for: by its schema-id header, its frame, its content type, in this order; and what its key means.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::codec::framing::{KEY_HEADER, VALUE_HEADER};
use crate::codec::schema::{SchemaKind, SchemaText};
use crate::record::samples::{partition_of, record_keyed};
use crate::stage::{TypeFrom, identify};

type Headers<'a> = &'a [(&'a str, Option<&'a [u8]>)];

const AUTO: Manner = Manner { needs: Needs::ValidJson, format: Format::Auto, frames: Frames::Heeded };
const NO_REGISTRY: Manner = Manner { frames: Frames::Ignored, ..AUTO };
const ONLY_KEPT: Manner = Manner { frames: Frames::Kept, ..AUTO };
const AVRO: Manner = Manner { format: Format::Avro, ..NO_REGISTRY };

/// 1 is a text in Avro, 2 JSON's, 3 Protobuf's, 4 cannot be used, 5 is nowhere, 6 is not kept, 7 is known to be none only of keys.
fn known() -> HashMap<u32, Known> {
    let read = |kind, text: &str| {
        let text = SchemaText { kind, text: text.to_owned(), references: Vec::new() };
        Known::Schema(Arc::new(text.read()))
    };
    HashMap::from([
        (1, read(SchemaKind::Avro, "\"string\"")),
        (2, read(SchemaKind::Json, "{}")),
        (3, read(SchemaKind::Protobuf, "")),
        (4, read(SchemaKind::Avro, "what is this?")),
        (5, Known::Unknown("it has none".into())),
        (6, Known::NotKept("it is not kept".into())),
        (7, Known::Unknown("it has none for a key".into())),
    ])
}

/// What comes of a record, in a few words.
fn comes(key: Option<&[u8]>, headers: Headers<'_>, value: Option<&[u8]>, manner: Manner) -> String {
    let known = known();
    let look = |id, part| match id {
        SchemaId::Number(7) if part == Part::Value => None,
        SchemaId::Number(number) => known.get(&number),
        SchemaId::Guid(_) => None,
    };
    let record = record_keyed(&partition_of("orders"), key, headers, value);
    let event = identify(&record, &TypeFrom::Topic).unwrap();
    let missing = missing(&event, manner, look);
    match decode(event, manner, look) {
        Ok(Decoded::Needs(needs)) => {
            assert_eq!(missing, needs);
            let name = |id: Option<SchemaId>| id.map(|id| id.to_string()).unwrap_or_default();
            format!("needs {}/{}", name(needs.key), name(needs.value))
        }
        other => {
            assert!(missing.is_empty(), "{missing:?}");
            match other.map(Decoded::ready) {
                Ok(event) => said(&event.expect("it needs nothing")),
                Err(refusal) => refusal.code.as_str().to_owned(),
            }
        }
    }
}

fn said(event: &Event) -> String {
    let content = match event.content() {
        Content::Json => "json",
        Content::Unchecked => "unchecked",
        Content::Bytes => "bytes",
    };
    let data = event.data().map_or("none".into(), String::from_utf8_lossy);
    let key = event.decoded_key().map(|key| format!(" key {}", String::from_utf8_lossy(key))).unwrap_or_default();
    format!("{content} {}{key}{}", data.escape_default(), if event.undecoded().is_some() { " undecoded" } else { "" })
}

fn framed(id: u8, body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, id], body].concat()
}

const TEXT: &[u8] = b"\x02a";

#[test]
fn a_value_is_what_its_header_its_frame_or_its_content_type_says() {
    let id = |number: u8| [0, 0, 0, 0, number];
    let (one, two, nine) = (id(1), id(2), id(9));
    let by_header: Headers<'_> = &[(VALUE_HEADER, Some(&one))];
    let avro: Headers<'_> = &[("content-type", Some(b"application/vnd.shop+avro"))];
    let json: Headers<'_> = &[("Content-Type", Some(b"application/json; charset=utf-8"))];
    let image: Headers<'_> = &[("content-type", Some(b"image/png"))];
    let xml: Headers<'_> = &[("content-type", Some(b"application/xml"))];
    let rows: &[(Headers<'_>, Vec<u8>, Manner, &str)] = &[
        (&[], b"{}".to_vec(), AUTO, "json {}"),
        (&[], framed(1, TEXT), AUTO, "json \\\"a\\\""),
        (json, framed(1, TEXT), AUTO, "json \\\"a\\\""),
        (by_header, TEXT.to_vec(), AUTO, "json \\\"a\\\""),
        (by_header, TEXT.to_vec(), NO_REGISTRY, "json \\\"a\\\""),
        (&[(VALUE_HEADER, Some(&two))], framed(1, TEXT), AUTO, "invalid_json"),
        (&[(VALUE_HEADER, Some(&nine))], TEXT.to_vec(), AUTO, "needs /9"),
        (&[(VALUE_HEADER, Some(b"1"))], TEXT.to_vec(), AUTO, "bad_frame"),
        (&[(VALUE_HEADER, None)], b"{}".to_vec(), NO_REGISTRY, "bad_frame"),
        (&[], framed(2, b"{\"a\": 1}"), AUTO, "json {\\\"a\\\": 1}"),
        (&[], framed(3, TEXT), AUTO, "unsupported_schema_type"),
        (&[], framed(4, TEXT), AUTO, "bytes \\u{0}\\u{0}\\u{0}\\u{0}\\u{4}\\u{2}a undecoded"),
        (&[], framed(5, TEXT), AUTO, "unknown_schema"),
        (&[], framed(9, TEXT), AUTO, "needs /9"),
        (&[], [&[1], [7; 16].as_slice()].concat(), AUTO, "needs /07070707-0707-0707-0707-070707070707"),
        (&[], framed(1, b"\x02ab"), AUTO, "trailing_bytes"),
        (&[], framed(1, b"\x04a"), AUTO, "schema_mismatch"),
        (&[], vec![0, 0], AUTO, "bad_frame"),
        // Without a registry nothing begins with a frame, unless its own words say that it is Avro.
        (&[], framed(1, TEXT), NO_REGISTRY, "invalid_json"),
        (image, framed(1, TEXT), NO_REGISTRY, "bytes \\u{0}\\u{0}\\u{0}\\u{0}\\u{1}\\u{2}a"),
        (avro, framed(1, TEXT), NO_REGISTRY, "json \\\"a\\\""),
        (avro, framed(6, TEXT), NO_REGISTRY, "unknown_schema"),
        (avro, TEXT.to_vec(), AUTO, "bad_frame"),
        (xml, b"<a/>".to_vec(), AUTO, "unsupported_content_type"),
        // Of a registry that is known from the journal alone, only what that keeps.
        (&[], framed(1, TEXT), ONLY_KEPT, "json \\\"a\\\""),
        (&[], framed(9, TEXT), ONLY_KEPT, "needs /9"),
        (&[], framed(6, TEXT), ONLY_KEPT, "invalid_json"),
        (image, framed(6, TEXT), ONLY_KEPT, "bytes \\u{0}\\u{0}\\u{0}\\u{0}\\u{6}\\u{2}a"),
        (&[], vec![0, 0], ONLY_KEPT, "invalid_json"),
        // Whoever insists on Avro takes nothing else.
        (&[], framed(1, TEXT), AVRO, "json \\\"a\\\""),
        (by_header, TEXT.to_vec(), AVRO, "json \\\"a\\\""),
        (json, b"{}".to_vec(), AVRO, "bad_frame"),
        // Nor does the others' insisting mind a schema.
        (&[], framed(9, TEXT), Manner { format: Format::Json, ..AUTO }, "invalid_json"),
        (&[], framed(9, TEXT), Manner { format: Format::Raw, ..AUTO }, "bytes \\u{0}\\u{0}\\u{0}\\u{0}\\t\\u{2}a"),
        (&[], framed(9, TEXT), Manner { needs: Needs::Bytes, ..AUTO }, "unchecked \\u{0}\\u{0}\\u{0}\\u{0}\\t\\u{2}a"),
        (&[], framed(1, TEXT), Manner { needs: Needs::Value, ..AUTO }, "json \\\"a\\\""),
        (&[], b"{".to_vec(), Manner { needs: Needs::Value, ..AUTO }, "unchecked {"),
    ];
    for (headers, value, manner, expected) in rows {
        assert_eq!(comes(None, headers, Some(value), *manner), *expected, "{headers:?} {value:?} {manner:?}");
    }
}

#[test]
fn a_key_is_read_where_it_can_be_and_fails_no_record() {
    let one = [0, 0, 0, 0, 1];
    let by_header: Headers<'_> = &[(KEY_HEADER, Some(&one))];
    let (avro, plain) = (framed(1, TEXT), b"{}".to_vec());
    // A number of 8 bytes begins like a frame.
    let number = 9u64.to_be_bytes().to_vec();
    type Row<'a> = (&'a [u8], Headers<'a>, Option<&'a [u8]>, &'a str);
    let rows: &[Row<'_>] = &[
        (&framed(1, b"\x02k"), &[], Some(&avro), "json \\\"a\\\" key \"k\""),
        (b"\x02k", by_header, Some(&avro), "json \\\"a\\\" key \"k\""),
        (b"\x02k", by_header, Some(&plain), "json {} key \"k\""),
        (b"plain", &[], Some(&avro), "json \\\"a\\\""),
        (&framed(9, TEXT), &[], Some(&avro), "needs 9/"),
        (&framed(9, TEXT), &[], Some(&framed(9, TEXT)), "needs 9/9"),
        (&framed(9, TEXT), &[], Some(&framed(5, TEXT)), "needs 9/"),
        (&framed(1, b"\x04k"), &[], Some(&avro), "json \\\"a\\\""),
        (&framed(3, TEXT), &[], Some(&avro), "json \\\"a\\\""),
        (&framed(5, TEXT), &[], Some(&avro), "json \\\"a\\\""),
        // That no key has it says nothing of values.
        (&framed(7, TEXT), &[], Some(&avro), "json \\\"a\\\""),
        (&framed(7, TEXT), &[], Some(&framed(7, TEXT)), "needs /7"),
        // Beside a value that names no schema it is only a number.
        (&framed(9, TEXT), &[], Some(&plain), "json {}"),
        (&number, &[], Some(&plain), "json {}"),
        (&framed(1, b"\x02k"), &[], None, "unchecked none key \"k\""),
        (&framed(9, TEXT), &[], None, "needs 9/"),
        (&[0, 0], &[], Some(&avro), "json \\\"a\\\""),
    ];
    for (key, headers, value, expected) in rows {
        assert_eq!(comes(Some(key), headers, *value, AUTO), *expected, "{key:?} {headers:?} {value:?}");
    }
    assert_eq!(comes(Some(&framed(9, TEXT)), &[], Some(b"{}"), NO_REGISTRY), "json {}");
    assert_eq!(comes(Some(&framed(9, TEXT)), &[], None, Manner { format: Format::Json, ..AUTO }), "unchecked none");
}
