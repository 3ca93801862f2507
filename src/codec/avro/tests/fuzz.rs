//! Bytes that nobody meant: bodies, frames and schemas that were tampered with are refused or read, within bounds.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::super::AvroSchema;
use crate::codec::framing::from_frame;
use crate::codec::json;

/// How long: in CI, and when `REDRIVE_TEST_FULL=1` asks for a full run.
const LASTS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// No body of a few kilobytes may take longer, whatever it claims.
const LONGEST: Duration = Duration::from_secs(10);

/// Schemas with every type, beside the real ones.
const ALL_TYPES: [&str; 2] = [
    r#"{"type":"record","name":"A","fields":[{"name":"n","type":["null","A"]},{"name":"m","type":{"type":"map","values":{"type":"array","items":["null","long","string","A"]}}},
       {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"b","type":{"type":"bytes","logicalType":"big-decimal"}},
       {"name":"u","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}},{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},
       {"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"]}},{"name":"f","type":"float"},{"name":"g","type":"double"},{"name":"x","type":"bytes"}]}"#,
    r#"{"type":"array","items":{"type":"record","name":"Z","fields":[]}}"#,
];

fn real(name: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/openedx/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Flips, cuts, repeats and overwrites with what breaks parsers.
fn tampered(random: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
            3 => drop(bytes.splice(at..at, [0xff; 9])),
            4 => {
                let part = bytes[at..bytes.len().min(at + 64)].to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => bytes.insert(at, random.random()),
        }
    }
}

fn one_of<'a>(random: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

/// A schema of anything: types that are named and not there, that hold themselves, that are there twice, that lack what they need.
fn generated(random: &mut StdRng, depth: usize) -> Value {
    const NAMES: [&str; 7] = ["A", "A", "B", "a.A", ".B", "a-b.C", "long"];
    const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    const LOGICAL: [&str; 8] =
        ["decimal", "big-decimal", "uuid", "date", "time-micros", "timestamp-millis", "local-timestamp-nanos", "duration"];
    let inner = |random: &mut StdRng| generated(random, depth - 1);
    match random.random_range(if depth == 0 { 6..11 } else { 0..11 }) {
        0 => json!({ "type": "array", "items": inner(random) }),
        1 => json!({ "type": "map", "values": inner(random) }),
        2 => (0..random.random_range(0..4)).map(|_| inner(random)).collect(),
        3 => json!({ "type": inner(random), "logicalType": one_of(random, &LOGICAL) }),
        4 | 5 => {
            let field = |at: usize, random: &mut StdRng| json!({ "name": format!("f{}", at % 4), "type": inner(random) });
            let fields: Vec<Value> = (0..random.random_range(0..5)).map(|at| field(at, random)).collect();
            json!({ "type": one_of(random, &["record", "error"]), "name": one_of(random, &NAMES), "fields": fields })
        }
        6 => json!({ "type": "enum", "name": one_of(random, &NAMES), "namespace": "a", "symbols": ["X", "\u{0}", ""] }),
        7 => {
            let size = [0, 12, 16, u64::MAX][random.random_range(0..4)];
            json!({ "type": "fixed", "name": one_of(random, &NAMES), "size": size, "logicalType": one_of(random, &LOGICAL), "precision": 9 })
        }
        8 => one_of(random, &NAMES).into(),
        9 => one_of(random, &PRIMITIVES).into(),
        _ => {
            let (of, logical) = (one_of(random, &PRIMITIVES), one_of(random, &LOGICAL));
            json!({ "type": of, "logicalType": logical, "precision": random.random_range(-1..9), "scale": random.random_range(-1..9) })
        }
    }
}

#[test]
fn hostile_bytes_are_refused_or_read() {
    let schemas: serde_json::Map<String, Value> = serde_json::from_str(&real("schemas.json")).unwrap();
    let mut texts: Vec<String> = schemas.values().map(|schema| schema["schema"].as_str().unwrap().to_owned()).collect();
    texts.extend(ALL_TYPES.map(str::to_owned));
    let parsed: Vec<AvroSchema> = texts.iter().map(|text| AvroSchema::parse(text, &[]).unwrap()).collect();
    let bodies: Vec<Vec<u8>> = real("events.jsonl")
        .lines()
        .map(|line| STANDARD.decode(serde_json::from_str::<Value>(line).unwrap()["value"].as_str().unwrap()).unwrap())
        .collect();
    let lasts = if std::env::var_os("REDRIVE_TEST_FULL").is_some() { LASTS.1 } else { LASTS.0 };
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let (mut random, began, mut counts) = (StdRng::seed_from_u64(seed), Instant::now(), [0u64; 5]);
    while began.elapsed() < lasts {
        let mut bytes = bodies[random.random_range(0..bodies.len())].clone();
        tampered(&mut random, &mut bytes);
        let framed = from_frame(&bytes);
        counts[0] += u64::from(framed.is_err());
        let body = framed.ok().flatten().map_or(bytes.as_slice(), |(_, body)| body);
        let started = Instant::now();
        match parsed[random.random_range(0..parsed.len())].to_json(body) {
            Ok(text) => {
                json::check(&text).unwrap_or_else(|fault| panic!("{fault} of seed {seed}: {}", String::from_utf8_lossy(&text)));
                counts[1] += 1;
            }
            Err(fault) => {
                assert!(
                    ["schema_mismatch", "trailing_bytes", "too_large"].contains(&fault.code()) && fault.to_string().len() < 1_000
                );
                counts[2] += 1;
            }
        }
        assert!(started.elapsed() < LONGEST, "seed {seed}: {:?}", started.elapsed());
        let mut text = texts[random.random_range(0..texts.len())].clone().into_bytes();
        tampered(&mut random, &mut text);
        if let Ok(schema) = AvroSchema::parse(&String::from_utf8_lossy(&text), &[]) {
            drop(schema.to_json(body));
            counts[3] += 1;
        }
        let references: Vec<String> = (0..random.random_range(0..3)).map(|_| generated(&mut random, 2).to_string()).collect();
        if let Ok(schema) = AvroSchema::parse(&generated(&mut random, 5).to_string(), &references) {
            if let Ok(text) = schema.to_json(body) {
                json::check(&text).unwrap_or_else(|fault| panic!("{fault} of seed {seed}: {}", String::from_utf8_lossy(&text)));
            }
            counts[4] += 1;
        }
        assert!(started.elapsed() < LONGEST, "seed {seed}: {:?}", started.elapsed());
    }
    println!("{counts:?}: broken frames, read, refused, schemas that are some: tampered, generated; in {:?}", began.elapsed());
    assert!(counts.iter().skip(1).all(|count| *count > 0), "{counts:?}");
}
