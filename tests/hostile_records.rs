//! Hostile records: each is handled, or a failure with its code, kept byte for byte; the run goes on and commits.

use crate::support::{Broker, Folder, Sample, unique};

/// A record, and the stage and code that it fails with; `None`: it is delivered.
type Case = (Sample, Option<(&'static str, &'static str)>);

fn event() -> Sample {
    Sample::event("order.placed", "1", "{}")
}

/// An event of which one header is another.
fn with(name: &str, value: Option<&[u8]>) -> Sample {
    let mut sample = event();
    sample.headers.retain(|(of, _)| of != name.as_bytes());
    sample.headers.push((name.into(), value.map(<[u8]>::to_vec)));
    sample
}

fn without(name: &str) -> Sample {
    let mut sample = event();
    sample.headers.retain(|(of, _)| of != name.as_bytes());
    sample
}

fn cases() -> Vec<Case> {
    let json = |value: &[u8]| Sample { value: Some(value.to_vec()), ..event() };
    let hundred = (0..100).fold(event(), |sample, n| sample.header(format!("h{n}"), "v"));
    let unnamed = event().header(b"\xff\xfe".as_slice(), b"\xfd".as_slice());
    vec![
        (event(), None),
        (Sample { value: None, ..event() }, None),
        (json(b""), None),
        (Sample { key: None, ..event() }, None),
        (event().key(""), None),
        (event().null_header("x"), None),
        (event().header("x", "1").header("x", "2"), None),
        (unnamed.clone(), None),
        (hundred, None),
        (json(&[b"\"".as_slice(), &vec![b'x'; 900_000], b"\""].concat()), None),
        (without("ce_source"), None),
        (with("ce_source", Some(b"")), None),
        (with("ce_time", Some(b"2026-11-23 05:00:00+02:00")), None),
        (without("ce_type"), Some(("identify", "missing_type"))),
        (event().header("ce_type", "x"), Some(("identify", "multiple_type"))),
        (with("ce_type", None), Some(("identify", "invalid_type"))),
        (with("ce_type", Some(b"")), Some(("identify", "invalid_type"))),
        (with("ce_type", Some(b"\xff")), Some(("identify", "invalid_type"))),
        (without("ce_id"), Some(("identify", "missing_id"))),
        (event().header("ce_id", "x"), Some(("identify", "multiple_id"))),
        (with("ce_id", None), Some(("identify", "invalid_id"))),
        (with("ce_source", Some(b"\xff")), Some(("identify", "invalid_header"))),
        (with("ce_specversion", Some(b"9")), Some(("identify", "invalid_header"))),
        (event().null_header("ce_subject"), Some(("identify", "invalid_header"))),
        (with("ce_time", Some(b"yesterday")), Some(("identify", "invalid_time"))),
        (event().header("ce_subject", "a").header("ce_subject", "b"), Some(("identify", "multiple_header"))),
        (json(b"{\"a\":"), Some(("decode", "invalid_json"))),
        (json(b"\xff\x00"), Some(("decode", "invalid_json"))),
        (json(&vec![b'['; 100_000]), Some(("decode", "too_large"))),
        (event().header("content-type", "application/x-thing"), Some(("decode", "unsupported_content_type"))),
        // What fails keeps every byte of it.
        (Sample { value: Some(b"\x00\xff".to_vec()), key: Some(b"\xfe".to_vec()), ..unnamed }, Some(("decode", "invalid_json"))),
    ]
}

/// Headers as Kafka has them on the wire: zigzag varints for the count and each length, -1 for null.
fn wire(headers: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    let length = |bytes: &[u8]| i64::try_from(bytes.len()).unwrap();
    let mut out = Vec::new();
    number(&mut out, i64::try_from(headers.len()).unwrap());
    for (name, value) in headers {
        number(&mut out, length(name));
        out.extend(name);
        match value {
            Some(value) => {
                number(&mut out, length(value));
                out.extend(value);
            }
            None => number(&mut out, -1),
        }
    }
    out
}

#[test]
fn each_record_is_handled_or_fails_with_its_code_and_keeps_its_bytes() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("hostile"));
    let topic = broker.topic("hostile", 1);
    let cases = cases();
    topic.produce(&cases.iter().map(|(sample, _)| sample.clone()).collect::<Vec<_>>());
    let bootstrap = broker.bootstrap();
    let consume = ["consume", "-b", &bootstrap, "-t", topic.name(), "-g", &group, "--from", "earliest", "--until-end"];
    folder.redrive(consume).args(["--receiver", "all=file:all.jsonl"]).run().expect_code(0);

    let journal = folder.journal();
    let failures = journal.failures();
    for (offset, (sample, expected)) in (0..).zip(&cases) {
        let found = failures.iter().find(|row| row.offset == offset).map(|row| (row.stage.as_str(), row.code.as_str()));
        assert_eq!(found, *expected, "offset {offset}: {sample:?}");
        if expected.is_some() {
            let record = journal.record(topic.name(), 0, offset);
            assert_eq!((&record.key, &record.value), (&sample.key, &sample.value), "offset {offset}");
            assert_eq!(record.headers, wire(&sample.headers), "offset {offset}");
        }
    }
    let delivered = cases.iter().filter(|(_, expected)| expected.is_none()).count();
    assert_eq!(folder.lines("all.jsonl").len(), delivered);
    assert_eq!(failures.len(), cases.len() - delivered);
    assert_eq!(broker.witness().lag(&group), 0);
}
