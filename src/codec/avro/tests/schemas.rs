//! What is read as a schema, what is refused, and what texts that are meant to do harm cost.

use std::time::{Duration, Instant};

use super::super::AvroSchema;

/// No schema within the bound of its text may take longer, in a debug build either.
const LONGEST: Duration = Duration::from_secs(5);

fn json(schema: &str, body: &[u8]) -> String {
    let schema = AvroSchema::parse(schema, &[]).unwrap();
    String::from_utf8(schema.to_json(body).unwrap()).unwrap()
}

fn refused(schema: &str) -> String {
    let said = AvroSchema::parse(schema, &[]).unwrap_err().to_string();
    let reason = said.strip_prefix("it is no Avro schema that can be read with: ").unwrap();
    assert!(reason.len() <= 400, "{reason}");
    reason.to_owned()
}

#[test]
fn names_that_break_the_rules_are_read_all_the_same() {
    let schema = r#"{"type":"record","name":"subsidy-redemption","namespace":"org.open-edx.enterprise","fields":[
        {"name":"a-b","type":{"type":"enum","name":"1st","symbols":["in-progress"]}},{"name":"c","type":["null","1st"]}]}"#;
    assert_eq!(json(schema, &[0, 2, 0]), r#"{"a-b":"in-progress","c":"in-progress"}"#);
}

#[test]
fn references_are_resolved() {
    let main = r#"{"type":"record","name":"a.Order","fields":[{"name":"who","type":"b.Customer"},{"name":"at","type":"b.Place"}]}"#;
    let references = [
        r#"{"type":"record","name":"b.Place","fields":[{"name":"zip","type":"string"}]}"#.to_owned(),
        r#"{"type":"record","name":"b.Customer","fields":[{"name":"home","type":"b.Place"}]}"#.to_owned(),
    ];
    let body = [2, b'1', 2, b'2'];
    let expected = br#"{"who":{"home":{"zip":"1"}},"at":{"zip":"2"}}"#;
    assert_eq!(AvroSchema::parse(main, &references).unwrap().to_json(&body).unwrap(), expected);
    let reversed = [references[1].clone(), references[0].clone()];
    assert_eq!(AvroSchema::parse(main, &reversed).unwrap().to_json(&body).unwrap(), expected, "in any order");
    let only_a_name = AvroSchema::parse("\"b.Customer\"", &references).unwrap();
    assert_eq!(only_a_name.to_json(&[2, b'1']).unwrap(), br#"{"home":{"zip":"1"}}"#);
    let said = AvroSchema::parse(main, &references[..1]).unwrap_err().to_string();
    assert!(said.ends_with("nothing defines b.Customer"), "{said}");
    let of_another = r#"{"type":"record","name":"c.D","namespace":"c","fields":[]}"#.to_owned();
    assert!(AvroSchema::parse("\"D\"", &[of_another]).is_err(), "a text does not have the namespace of another");
}

#[test]
fn a_name_means_what_its_namespace_says() {
    let of = |definition: &str, namespace: &str, reference: &str| {
        let schema = format!(
            r#"{{"type":"record","name":"{namespace}","fields":[{{"name":"d","type":{definition}}},{{"name":"r","type":"{reference}"}}]}}"#
        );
        AvroSchema::parse(&schema, &[]).map(|schema| schema.to_json(&[1, 2]).unwrap()).is_ok()
    };
    let fixed = |name: &str| format!(r#"{{"type":"fixed","size":1,{name}}}"#);
    for (name, outer, reference, is_there) in [
        (r#""name":"F""#, "a.R", "F", true),
        (r#""name":"F""#, "a.R", "a.F", true),
        (r#""name":"F""#, "a.R", ".F", false),
        (r#""name":"b.F""#, "a.R", "b.F", true),
        (r#""name":"b.F""#, "a.R", "F", false),
        (r#""name":"b.F","namespace":"c""#, "a.R", "b.F", true),
        (r#""name":"F","namespace":"b.c""#, "a.R", "b.c.F", true),
        (r#""name":"F","namespace":"""#, "a.R", ".F", true),
        // As in Java: what has no namespace is known in each.
        (r#""name":"F","namespace":"""#, "a.R", "F", true),
        (r#""name":".F""#, "a.R", "F", true),
        (r#""name":"F","namespace":null"#, "a.R", "a.F", true),
        (r#""name":"F","aliases":["G"]"#, "a.R", "G", false),
        (r#""name":"F""#, "R", "F", true),
        (r#""name":"long","namespace":"a""#, "a.R", "a.long", true),
    ] {
        assert_eq!(of(&fixed(name), outer, reference), is_there, "{name} in {outer} called {reference}");
    }
    let both = r#"[{"type":"fixed","name":"F","size":1},{"type":"record","name":"a.R","fields":[
        {"name":"x","type":{"type":"fixed","name":"F","size":2}},{"name":"y","type":"F"}]}]"#;
    assert_eq!(json(both, &[2, 1, 2, 3, 4]), r#"{"x":"AQI=","y":"AwQ="}"#, "the one of its own namespace is nearer");
    let inner = r#"{"type":"record","name":"R","namespace":"a","fields":[
        {"name":"b","type":{"type":"record","name":"b.S","fields":[{"name":"x","type":{"type":"fixed","name":"F","size":1}}]}},
        {"name":"y","type":"b.F"}]}"#;
    assert_eq!(json(inner, &[1, 2]), r#"{"b":{"x":"AQ=="},"y":"Ag=="}"#, "a name with a dot sets the namespace of what is in it");
    let primitive = r#"{"type":"record","name":"a.R","fields":[{"name":"x","type":{"type":"fixed","name":"long","size":1}},
        {"name":"y","type":"long"}]}"#;
    assert_eq!(json(primitive, &[1, 2]), r#"{"x":"AQ==","y":1}"#, "what is primitive cannot be named anew");
}

#[test]
fn what_other_libraries_take_for_a_schema_is_one() {
    let named = r#"{"type":"record","name":"a.A","fields":[{"name":"x","type":{"type":"error","name":"M","fields":[]}},
        {"name":"y","type":{"type":"M","doc":"again"}},{"name":"z","type":{"type":{"type":"long","logicalType":"timestamp-millis"}}},
        {"name":"w","type":{"type":["null","a.M"]}},{"name":"v","type":{"type":"string","size":"large","items":7}}]}"#;
    assert_eq!(json(named, &[0, 2, 2, b'v']), r#"{"x":{},"y":{},"z":"1970-01-01T00:00:00.000Z","w":{},"v":"v"}"#);
    let later = r#"["B",{"type":"record","name":"A","fields":[]},{"type":"record","name":"n.C","fields":[{"name":"a","type":"A"}]},
        {"type":"fixed","name":"B","size":1}]"#;
    assert_eq!((json(later, &[0, 7]), json(later, &[4])), ("\"Bw==\"".into(), r#"{"a":{}}"#.into()));
    for surrounded in [
        r#"{"type":{"type":{"type":"int"}}}"#,
        r#"{"type":"int","logicalType":7}"#,
        r#"{"type":"int","logicalType":"fortnight"}"#,
        r#"{"type":{"type":"int"},"logicalType":"date"}"#,
        r#"{"type":"int","logicalType":"timestamp-millis"}"#,
    ] {
        assert_eq!(json(surrounded, &[2]), "1", "{surrounded}");
    }
    let unions = |levels: usize| format!("{}\"null\"{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(json(&unions(127), &[0; 127]), "null");
    assert!(refused(&unions(128)).starts_with("recursion limit exceeded"));
    let of_a_field = r#"{"type":"record","name":"R","fields":[{"name":"t","type":"long","logicalType":"timestamp-millis"}]}"#;
    assert_eq!(json(of_a_field, &[2]), r#"{"t":1}"#, "a logical type of a field is none");
}

#[test]
fn a_type_can_be_defined_again_in_the_same_words() {
    let place = r#"{"type":"record","name":"Place","fields":[{"name":"zip","type":"int"}]}"#;
    let twice = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{place}}},{{"name":"b","type":{place}}}]}}"#);
    assert_eq!(json(&twice, &[2, 4]), r#"{"a":{"zip":1},"b":{"zip":2}}"#);
    assert_eq!(refused(&twice.replacen("\"int\"", "\"long\"", 1)), "Place is defined twice, differently, in field b of R");
    let schema = AvroSchema::parse(&twice, &[place.to_owned()]).unwrap();
    assert_eq!(schema.to_json(&[2, 4]).unwrap(), br#"{"a":{"zip":1},"b":{"zip":2}}"#);
}

#[test]
fn decimals_that_the_specification_calls_invalid_are_the_bytes_that_they_are() {
    let bytes = |attributes: &str| json(&format!(r#"{{"type":"bytes","logicalType":"decimal",{attributes}}}"#), &[2, 7]);
    for valid in ["\"precision\":4", "\"precision\":4,\"scale\":0", "\"precision\":1"] {
        assert_eq!(bytes(valid), "\"7\"", "{valid}");
    }
    assert_eq!(bytes("\"precision\":2,\"scale\":2"), "\"0.07\"");
    for ignored in [
        "\"scale\":0",
        "\"precision\":0",
        "\"precision\":\"4\"",
        "\"precision\":4,\"scale\":5",
        "\"precision\":4,\"scale\":-1",
        "\"precision\":4,\"scale\":\"x\"",
        "\"precision\":4,\"scale\":null",
        "\"precision\":3000000,\"scale\":2000000",
    ] {
        assert_eq!(bytes(ignored), "\"Bw==\"", "{ignored}");
    }
    let fixed = |size: usize, precision: u64| {
        let schema =
            format!(r#"{{"type":"fixed","name":"D","size":{size},"logicalType":"decimal","precision":{precision},"scale":0}}"#);
        json(&schema, &vec![0; size]) == "\"0\""
    };
    for (size, most) in [(1, 2), (2, 4), (4, 9), (8, 18), (16, 38), (1_024, 2_465)] {
        assert!(fixed(size, most) && !fixed(size, most + 1), "{size} bytes have room for {most} digits");
    }
    assert!(!fixed(0, 1) && !fixed(8, u64::MAX));
}

#[test]
fn what_is_no_schema_is_refused() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(10_000), "}".repeat(10_000));
    let long = format!("\"{}\"", "é".repeat(100_000));
    for text in ["", "{", "7", "{}", "[7]", "\"strin\"", "\"record\"", r#"{"type":null}"#, r#"{"type":"record"}"#, &deep, &long] {
        assert!(!refused(text).is_empty());
    }
    assert!(refused(&" ".repeat(9 << 20)).starts_with("it has 9437184 bytes"));
    for (text, expected) in [
        (r#"{"type":"array"}"#, r#"a type is "array" and has no "items""#),
        (r#"{"type":"map","values":true}"#, "a type is true: expected a name, an object or an array of types"),
        (r#"{"type":"record","name":"a.R"}"#, r#"a.R is a record and has no "fields""#),
        (r#"{"type":"record","name":"a.R","fields":[7]}"#, "a.R has no name for field 1"),
        (r#"{"type":"record","name":"a.R","fields":[{"name":"x"}]}"#, "a.R has no type for its field x"),
        (
            r#"{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"},{"name":"x","type":"int"}]}"#,
            "a.R has two fields named x",
        ),
        (
            r#"{"type":"record","name":"a.R","fields":[{"name":"x","type":{"type":"enum","name":"E"}}]}"#,
            r#"a.E is an enum and has no "symbols", in field x of a.R"#,
        ),
        (r#"{"type":"enum","name":"E","symbols":[1]}"#, "E has a symbol that is no text"),
        (r#"{"type":"fixed","name":"F","size":-1}"#, r#"F is "fixed" and has no "size", or one that is no number of bytes"#),
    ] {
        assert_eq!(refused(text), expected);
    }
}

#[test]
fn a_record_that_holds_itself_must_have_a_way_out() {
    let of = |inner: &str| format!(r#"{{"type":"record","name":"A","fields":[{{"name":"a","type":{inner}}}]}}"#);
    let around = of(r#"{"type":"record","name":"B","fields":[{"name":"b","type":"A"}]}"#);
    for endless in [of("\"A\""), of(r#"{"type":"A"}"#), around] {
        assert_eq!(refused(&endless), "a record has itself in it, whatever its values are");
    }
    assert_eq!(json(&of(r#"["null","A"]"#), &[2, 2, 0]), r#"{"a":{"a":{"a":null}}}"#);
    assert_eq!(json(&of(r#"{"type":"array","items":"A"}"#), &[4, 0, 0, 0]), r#"{"a":[{"a":[]},{"a":[]}]}"#);
    assert_eq!(json(&of(r#"{"type":"map","values":"A"}"#), &[2, 2, b'k', 0, 0]), r#"{"a":{"k":{"a":{}}}}"#);
}

/// Records by name: the first has the second in it as often as `times` says, and so on.
fn chain(length: usize, times: usize) -> String {
    let record = |at: usize| {
        let fields: Vec<_> = (0..times).map(|field| format!(r#"{{"name":"f{field}","type":"R{}"}}"#, at + 1)).collect();
        format!(r#"{{"type":"record","name":"R{at}","fields":[{}]}}"#, fields.join(","))
    };
    let records: Vec<_> = (0..length).map(record).collect();
    format!(r#"["null",{},{{"type":"record","name":"R{length}","fields":[]}}]"#, records.join(","))
}

#[test]
fn a_schema_of_many_records_neither_overflows_the_stack_nor_runs_away() {
    for (length, times) in [(100_000, 1), (40, 2), (60, 2), (1_000, 30)] {
        let (text, began) = (chain(length, times), Instant::now());
        let schema = AvroSchema::parse(&text, &[]).unwrap();
        let parsed = began.elapsed();
        assert_eq!(schema.to_json(&[0]).unwrap(), b"null");
        assert_eq!(schema.to_json(&[2]).unwrap_err().code(), "too_large");
        drop(schema);
        println!("{length} records with {times} each: parsed in {parsed:?}, all in {:?}", began.elapsed());
        assert!(began.elapsed() < LONGEST, "{length} records with {times} each: {:?}", began.elapsed());
    }
    let at_the_end =
        chain(100_000, 1).replace(r#""name":"R100000","fields":[]"#, r#""name":"R100000","fields":[{"name":"f","type":"R0"}]"#);
    let began = Instant::now();
    assert_eq!(refused(&at_the_end), "a record has itself in it, whatever its values are");
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
}

#[test]
fn long_names_cost_no_more_wherever_they_hold() {
    let names: Vec<_> = (0..300_000).map(|at| format!("\"N{at}\"")).collect();
    let space = "n".repeat(4_000_000);
    let unions =
        format!(r#"{{"type":"record","name":"R","namespace":"{space}","fields":[{{"name":"u","type":[{}]}}]}}"#, names.join(","));
    let began = Instant::now();
    let said = refused(&unions);
    assert!(said.starts_with("nothing defines nnn") && said.ends_with(".N0"), "{said}");
    println!("{:?}", began.elapsed());
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
}
