//! Each type and logical type, with the bytes that Avro's own specification gives them.

use super::super::AvroSchema;

fn json(schema: &str, body: &[u8]) -> String {
    let schema = AvroSchema::parse(schema, &[]).unwrap();
    String::from_utf8(schema.to_json(body).unwrap()).unwrap()
}

/// What comes before bytes.
fn length(of: &[u8]) -> Vec<u8> {
    long(i64::try_from(of.len()).unwrap())
}

/// A zigzag varint.
fn long(value: i64) -> Vec<u8> {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    loop {
        let byte = (zigzag & 0x7f) as u8;
        zigzag >>= 7;
        if zigzag == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

#[test]
fn primitive_types() {
    assert_eq!(json("\"null\"", b""), "null");
    assert_eq!((json("\"boolean\"", &[0]), json("\"boolean\"", &[1])), ("false".into(), "true".into()));
    for value in [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN] {
        assert_eq!(json("\"long\"", &long(value)), value.to_string());
    }
    for value in [i32::MAX, i32::MIN] {
        assert_eq!(json("\"int\"", &long(i64::from(value))), value.to_string());
    }
    for (value, text) in [(0.1f32, "0.1"), (1.0, "1.0"), (-0.0, "-0.0"), (16_777_216.0, "16777216.0"), (f32::NAN, "\"NaN\"")] {
        assert_eq!(json("\"float\"", &value.to_le_bytes()), text);
    }
    for (value, text) in [(0.1f64, "0.1"), (1e300, "1e300"), (f64::INFINITY, "\"Infinity\""), (f64::NEG_INFINITY, "\"-Infinity\"")]
    {
        assert_eq!(json("\"double\"", &value.to_le_bytes()), text);
    }
    assert_eq!(json("\"bytes\"", &[4, 0, 255]), "\"AP8=\"");
    assert_eq!(json("\"bytes\"", &[0]), "\"\"");
    let text = "a\"\\\n\t\u{1}\u{7f}é\u{0}";
    let body = [length(text.as_bytes()), text.as_bytes().to_vec()].concat();
    assert_eq!(json("\"string\"", &body), serde_json::to_string(text).unwrap());
}

#[test]
fn complex_types() {
    let record = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b \"x","type":"string"}]}"#;
    assert_eq!(json(record, &[2, 2, b'x']), r#"{"a":1,"b \"x":"x"}"#);
    assert_eq!(json(r#"{"type":"record","name":"R","fields":[]}"#, &[]), "{}");
    let suit = r#"{"type":"enum","name":"S","symbols":["SPADES","HEARTS"]}"#;
    assert_eq!(json(suit, &[2]), "\"HEARTS\"");
    let ints = r#"{"type":"array","items":"int"}"#;
    assert_eq!((json(ints, &[0]), json(ints, &[4, 2, 4, 2, 6, 0])), ("[]".into(), "[1,2,3]".into()));
    assert_eq!(json(ints, &[3, 4, 2, 4, 0]), "[1,2]", "a negative count with the size of its block");
    let map = r#"{"type":"map","values":"long"}"#;
    assert_eq!(json(map, &[4, 2, b'b', 2, 2, b'a', 4, 0]), r#"{"b":1,"a":2}"#, "in the order of the bytes");
    let union = r#"["null","string",{"type":"array","items":"null"}]"#;
    assert_eq!(
        (json(union, &[0]), json(union, &[2, 2, b'x']), json(union, &[4, 4, 0])),
        ("null".into(), "\"x\"".into(), "[null,null]".into())
    );
    assert_eq!(json(r#"{"type":"fixed","name":"F","size":3}"#, &[1, 2, 3]), "\"AQID\"");
    let list = r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}"#;
    assert_eq!(json(list, &[2, 2, 4, 0]), r#"{"v":1,"next":{"v":2,"next":null}}"#);
    let aliased =
        r#"{"type":"record","name":"n.R","aliases":["Old"],"fields":[{"name":"a","aliases":["z"],"type":"int","default":3}]}"#;
    assert_eq!(json(aliased, &[2]), r#"{"a":1}"#);
}

#[test]
fn decimals_keep_all_digits_of_their_scale() {
    let bytes = |scale: i32| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":40,"scale":{scale}}}"#);
    for (number, scale, text) in [
        (&[0x04, 0xce][..], 2, "\"12.30\""),
        (&[0xfb, 0x32], 2, "\"-12.30\""),
        (&[5], 3, "\"0.005\""),
        (&[0xfb], 3, "\"-0.005\""),
        (&[0], 2, "\"0.00\""),
        (&[], 1, "\"0.0\""),
        (&[12], 0, "\"12\""),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, "\"340282366920938463463374607431768211456\""),
        (&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, "\"-170141183460469231731687303715884105728\""),
    ] {
        assert_eq!(json(&bytes(scale), &[length(number), number.to_vec()].concat()), text);
    }
    let fixed = r#"{"type":"fixed","name":"D","size":2,"logicalType":"decimal","precision":4,"scale":1}"#;
    assert_eq!(json(fixed, &[0xff, 0xff]), "\"-0.1\"");
    assert_eq!(json(r#"{"type":"bytes","logicalType":"decimal","precision":4}"#, &[2, 7]), "\"7\"", "no scale is 0");
    assert_eq!(json(r#"{"type":"bytes","logicalType":"big-decimal"}"#, &[8, 4, 4, 0xce, 4]), "\"12.30\"");
    assert_eq!(json(r#"{"type":"bytes","logicalType":"big-decimal"}"#, &[2, 7]), "\"Bw==\"", "it holds none");
}

#[test]
fn times() {
    let of =
        |base: &str, logical: &str, value: i64| json(&format!(r#"{{"type":"{base}","logicalType":"{logical}"}}"#), &long(value));
    let moment = 1_795_869_296_789;
    assert_eq!(of("int", "date", 20_785), "\"2026-11-28\"");
    assert_eq!((of("int", "date", 0), of("int", "date", -719_528)), ("\"1970-01-01\"".into(), "\"0000-01-01\"".into()));
    assert_eq!((of("int", "date", -719_529), of("int", "date", i64::from(i32::MAX))), ("-719529".into(), i32::MAX.to_string()));
    assert_eq!(of("int", "time-millis", 45_296_789), "\"12:34:56.789\"");
    assert_eq!((of("int", "time-millis", -1), of("int", "time-millis", 86_400_000)), ("-1".into(), "86400000".into()));
    assert_eq!(of("long", "time-micros", 45_296_000_012), "\"12:34:56.000012\"");
    assert_eq!(of("long", "timestamp-millis", moment), "\"2026-11-28T12:34:56.789Z\"");
    assert_eq!(of("long", "timestamp-micros", moment * 1_000 + 12), "\"2026-11-28T12:34:56.789012Z\"");
    assert_eq!(of("long", "timestamp-nanos", moment * 1_000_000 + 12), "\"2026-11-28T12:34:56.789000012Z\"");
    assert_eq!(of("long", "timestamp-millis", -1), "\"1969-12-31T23:59:59.999Z\"");
    assert_eq!(of("long", "timestamp-millis", i64::MAX), i64::MAX.to_string());
    // The first and the last moment of the years 0 to 9999, and what is next to them.
    let (first, end) = (-62_167_219_200, 253_402_300_800);
    for (unit, per_second, nines) in [("millis", 1_000, "999"), ("micros", 1_000_000, "999999")] {
        let zeros = nines.replace('9', "0");
        for (logical, zone) in [(format!("timestamp-{unit}"), "Z"), (format!("local-timestamp-{unit}"), "")] {
            let of = |value: i64| of("long", &logical, value);
            assert_eq!(of(first * per_second), format!("\"0000-01-01T00:00:00.{zeros}{zone}\""));
            assert_eq!(of(end * per_second - 1), format!("\"9999-12-31T23:59:59.{nines}{zone}\""));
            assert_eq!(of((end - 7_200) * per_second), format!("\"9999-12-31T22:00:00.{zeros}{zone}\""));
            assert_eq!(of((end - 93_600) * per_second), format!("\"9999-12-30T22:00:00.{zeros}{zone}\""));
            for value in [first * per_second - 1, end * per_second, i64::MIN, i64::MAX] {
                assert_eq!(of(value), value.to_string());
            }
        }
    }
    assert_eq!(of("long", "timestamp-nanos", i64::MAX), "\"2262-04-11T23:47:16.854775807Z\"");
    assert_eq!(of("long", "timestamp-nanos", i64::MIN), "\"1677-09-21T00:12:43.145224192Z\"");
    assert_eq!((of("int", "date", 2_932_896), of("int", "date", 2_932_897)), ("\"9999-12-31\"".into(), "2932897".into()));
    assert_eq!(of("long", "local-timestamp-millis", moment), "\"2026-11-28T12:34:56.789\"");
    assert_eq!(of("long", "local-timestamp-micros", moment * 1_000), "\"2026-11-28T12:34:56.789000\"");
    assert_eq!(
        (of("long", "date", 7), of("int", "timestamp-millis", 7), of("long", "fortnight", 7)),
        ("7".into(), "7".into(), "7".into())
    );
    let duration = |parts: [u32; 3]| {
        let body = parts.map(u32::to_le_bytes).concat();
        json(r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#, &body)
    };
    assert_eq!(duration([1, 2, 3_004]), "\"P1M2DT3.004S\"");
    assert_eq!(
        (duration([0, 0, 0]), duration([0, 0, 1_000]), duration([14, 0, 0])),
        ("\"PT0S\"".into(), "\"PT1S\"".into(), "\"P14M\"".into())
    );
}

#[test]
fn uuids() {
    let text = "00112233-4455-6677-8899-aabbccddeeff";
    let body = [long(36), text.as_bytes().to_vec()].concat();
    assert_eq!(json(r#"{"type":"string","logicalType":"uuid"}"#, &body), format!("\"{text}\""));
    let bytes: Vec<u8> = (0..16).map(|at: u8| at * 0x11).collect();
    assert_eq!(json(r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#, &bytes), format!("\"{text}\""));
}
