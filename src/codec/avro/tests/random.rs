//! Random schemas and values: encoded by another library, decoded by it, and projected by a second implementation that shares nothing
//! with ours but the table in the module's documentation.

use apache_avro::types::Value as Avro;
use apache_avro::{BigDecimal, Days, Decimal, Duration, Millis, Months, Schema};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::AvroSchema;

/// A schema with a value of it.
type Pair = (Value, Avro);

fn logical(base: &str, name: &str) -> Value {
    json!({ "type": base, "logicalType": name })
}

fn leaf() -> impl Strategy<Value = Pair> {
    let decimal = json!({ "type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 7 });
    prop_oneof![
        Just((json!("null"), Avro::Null)),
        any::<bool>().prop_map(|value| (json!("boolean"), Avro::Boolean(value))),
        any::<i32>().prop_map(|value| (json!("int"), Avro::Int(value))),
        any::<i64>().prop_map(|value| (json!("long"), Avro::Long(value))),
        any::<f32>().prop_map(|value| (json!("float"), Avro::Float(value))),
        any::<f64>().prop_map(|value| (json!("double"), Avro::Double(value))),
        any::<Vec<u8>>().prop_map(|value| (json!("bytes"), Avro::Bytes(value))),
        any::<String>().prop_map(|value| (json!("string"), Avro::String(value))),
        any::<u128>().prop_map(|value| (logical("string", "uuid"), Avro::Uuid(apache_avro::Uuid::from_u128(value)))),
        (-1_000_000..3_000_000i32).prop_map(|days| (logical("int", "date"), Avro::Date(days))),
        (-10..86_400_010i32).prop_map(|ms| (logical("int", "time-millis"), Avro::TimeMillis(ms))),
        (-10..86_400_000_010i64).prop_map(|us| (logical("long", "time-micros"), Avro::TimeMicros(us))),
        any::<i64>().prop_map(|at| (logical("long", "timestamp-millis"), Avro::TimestampMillis(at % 300_000_000_000_000))),
        any::<i64>().prop_map(|at| (logical("long", "timestamp-micros"), Avro::TimestampMicros(at))),
        any::<i64>().prop_map(|at| (logical("long", "timestamp-nanos"), Avro::TimestampNanos(at))),
        any::<i64>().prop_map(|at| (logical("long", "local-timestamp-micros"), Avro::LocalTimestampMicros(at))),
        prop::collection::vec(any::<u8>(), 1..24).prop_map(move |bytes| (decimal.clone(), Avro::Decimal(Decimal::from(bytes)))),
    ]
}

/// Named types get a name of their own by where they stand; see `named`.
fn pair() -> impl Strategy<Value = Pair> {
    let fixed = prop::collection::vec(any::<u8>(), 0..20)
        .prop_map(|bytes| (json!({ "type": "fixed", "name": "?", "size": bytes.len() }), Avro::Fixed(bytes.len(), bytes)));
    let duration = any::<[u32; 3]>().prop_map(|[months, days, ms]| {
        let value = Avro::Duration(Duration::new(Months::new(months), Days::new(days), Millis::new(ms)));
        (json!({ "type": "fixed", "name": "?", "size": 12, "logicalType": "duration" }), value)
    });
    let symbols = (1..5usize).prop_flat_map(|count| (Just(count), 0..count)).prop_map(|(count, chosen)| {
        let symbols: Vec<String> = (0..count).map(|at| format!("S{at}")).collect();
        let value = Avro::Enum(u32::try_from(chosen).unwrap(), symbols[chosen].clone());
        (json!({ "type": "enum", "name": "?", "symbols": symbols }), value)
    });
    prop_oneof![8 => leaf(), 1 => fixed, 1 => duration, 1 => symbols].prop_recursive(5, 48, 5, |inner| {
        let record = prop::collection::vec(inner.clone(), 0..5).prop_map(|fields| {
            let name = |at: usize| format!("f{at}");
            let schema: Vec<Value> =
                fields.iter().enumerate().map(|(at, (of, _))| json!({ "name": name(at), "type": of })).collect();
            let values = fields.into_iter().enumerate().map(|(at, (_, value))| (name(at), value)).collect();
            (json!({ "type": "record", "name": "?", "fields": schema }), Avro::Record(values))
        });
        let array = (inner.clone(), 0..4usize)
            .prop_map(|((of, value), count)| (json!({ "type": "array", "items": of }), Avro::Array(vec![value; count])));
        let map = (inner.clone(), "[ -~é]{0,6}").prop_map(|((of, value), key)| {
            (json!({ "type": "map", "values": of }), Avro::Map([(key, value)].into_iter().collect()))
        });
        let union = (inner, any::<bool>()).prop_filter_map("no union in a union, and no second null", |((of, value), is_null)| {
            let fits = !of.is_array() && of != json!("null");
            let union = if is_null { Avro::Union(0, Box::new(Avro::Null)) } else { Avro::Union(1, Box::new(value)) };
            fits.then(|| (json!(["null", of]), union))
        });
        prop_oneof![3 => record, 1 => array, 1 => map, 2 => union]
    })
}

/// Gives each named type its name.
fn named(schema: &mut Value, next: &mut usize) {
    match schema {
        Value::Array(variants) => variants.iter_mut().for_each(|variant| named(variant, next)),
        Value::Object(members) => {
            if members.contains_key("name") && members["name"] == "?" {
                *next += 1;
                members["name"] = format!("N{next}").into();
            }
            for part in ["items", "values", "type"] {
                members.get_mut(part).into_iter().for_each(|part| named(part, next));
            }
            if let Some(Value::Array(fields)) = members.get_mut("fields") {
                fields.iter_mut().for_each(|field| named(&mut field["type"], next));
            }
        }
        _ => {}
    }
}

/// The second implementation, over a tree of values.
fn projected(value: &Avro) -> Value {
    let number = |value: f64| match value {
        _ if value.is_nan() => json!("NaN"),
        _ if value.is_infinite() => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
        _ => json!(value),
    };
    match value {
        Avro::Null => Value::Null,
        Avro::Boolean(value) => json!(value),
        Avro::Int(value) => json!(value),
        Avro::Long(value) => json!(value),
        // As the shortest text of its own precision; where two are as short, both read back the same, and serde_json's is taken.
        Avro::Float(value) if value.is_finite() => serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap(),
        Avro::Float(value) => number(f64::from(*value)),
        Avro::Double(value) => number(*value),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => json!(STANDARD.encode(bytes)),
        Avro::String(text) | Avro::Enum(_, text) => json!(text),
        Avro::Uuid(uuid) => json!(uuid.to_string()),
        Avro::Union(_, value) => projected(value),
        Avro::Array(values) => values.iter().map(projected).collect(),
        Avro::Map(values) => {
            values.iter().map(|(key, value)| (key.clone(), projected(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Avro::Record(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), projected(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Avro::Date(days) => moment(i128::from(*days) * 86_400_000_000_000).map_or(json!(days), |text| json!(text[..10])),
        Avro::TimeMillis(ms) => time(i128::from(*ms) * 1_000_000).map_or(json!(ms), |text| json!(text[..12])),
        Avro::TimeMicros(us) => time(i128::from(*us) * 1_000).map_or(json!(us), |text| json!(text[..15])),
        Avro::TimestampMillis(at) => {
            moment(i128::from(*at) * 1_000_000).map_or(json!(at), |text| json!(format!("{}Z", &text[..23])))
        }
        Avro::TimestampMicros(at) => moment(i128::from(*at) * 1_000).map_or(json!(at), |text| json!(format!("{}Z", &text[..26]))),
        Avro::TimestampNanos(at) => moment(i128::from(*at)).map_or(json!(at), |text| json!(format!("{text}Z"))),
        Avro::LocalTimestampMicros(at) => moment(i128::from(*at) * 1_000).map_or(json!(at), |text| json!(text[..26])),
        Avro::Duration(duration) => {
            let part = |count: u32, name: &str| match count {
                0 => String::new(),
                count => format!("{count}{name}"),
            };
            let ms = u32::from(duration.millis());
            let seconds = match (ms / 1_000, ms % 1_000) {
                (0, 0) => String::new(),
                (whole, 0) => format!("T{whole}S"),
                (whole, rest) => format!("T{whole}.{rest:03}S"),
            };
            let text = format!("P{}{}{seconds}", part(u32::from(duration.months()), "M"), part(u32::from(duration.days()), "D"));
            json!(if text == "P" { "PT0S".to_owned() } else { text })
        }
        Avro::Decimal(decimal) => {
            let bytes: Vec<u8> = decimal.try_into().unwrap();
            let unscaled = num_bigint::BigInt::from_signed_bytes_be(&bytes);
            json!(BigDecimal::new(unscaled, 7).to_plain_string())
        }
        other => panic!("{other:?}"),
    }
}

/// Nanoseconds since 1970 as `2026-11-28T12:34:56.123456789`; `None` outside of the years 0 to 9999. By days from civil dates, counted.
fn moment(nanos: i128) -> Option<String> {
    let (days, of_day) = (nanos.div_euclid(86_400_000_000_000), nanos.rem_euclid(86_400_000_000_000));
    let days = i64::try_from(days).ok().filter(|days| (-719_528..2_932_897).contains(days))? + 719_528;
    // Eras of 400 years, from the first of March of the year 0.
    let days = days - 60;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400 + i64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    Some(format!("{year:04}-{month:02}-{day:02}T{}", time(of_day)?))
}

fn time(nanos: i128) -> Option<String> {
    (0..86_400_000_000_000).contains(&nanos).then(|| {
        let seconds = nanos / 1_000_000_000;
        format!("{:02}:{:02}:{:02}.{:09}", seconds / 3_600, seconds / 60 % 60, seconds % 60, nanos % 1_000_000_000)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("REDRIVE_TEST_FULL").is_some() { 100_000 } else { 2_000 }))]

    #[test]
    #[expect(deprecated, reason = "what stands in its place is not in this version's documentation yet")]
    fn what_another_library_wrote_reads_as_it_reads_it((mut schema, value) in pair()) {
        named(&mut schema, &mut 0);
        let text = schema.to_string();
        let theirs = Schema::parse_str(&text).unwrap();
        let body = apache_avro::to_avro_datum(&theirs, value).unwrap();
        let read = apache_avro::from_avro_datum(&theirs, &mut body.as_slice(), None).unwrap();
        let json = AvroSchema::parse(&text, &[]).unwrap().to_json(&body).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(json, projected(&read), "{}", text);
        prop_assert_eq!(AvroSchema::parse(&text, &[]).unwrap().to_json(&[&body[..], &[0]].concat()).unwrap_err().code(), "trailing_bytes");
    }
}
