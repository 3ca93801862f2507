//! Logical types as text. What has no such text says so, and is written as the type alone.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{Span, civil};
use num_bigint::BigInt;

use crate::codec::avro::schema::{Unit, Zone};

/// The longest decimal, in bytes: some 2,466 digits.
pub(super) const MAX_DECIMAL: usize = 1_024;
/// A decimal of more digits behind its point is shown as the bytes that it is.
pub(super) const MAX_SCALE: u32 = 1_024;

const SECONDS_PER_DAY: i64 = 86_400;

/// `2026-11-28`
pub(super) fn date(out: &mut Vec<u8>, days: i32) -> Option<()> {
    let date = day(days)?;
    put(out, format_args!("\"{:04}-{:02}-{:02}\"", date.year(), date.month(), date.day()))
}

/// So many days after 1970-01-01, in the years 0 to 9999.
fn day(days: i32) -> Option<civil::Date> {
    let since = Span::new().try_days(days).ok()?;
    civil::date(1970, 1, 1).checked_add(since).ok().filter(|date| date.year() >= 0)
}

/// `12:34:56.789`
pub(super) fn time_millis(out: &mut Vec<u8>, ms: i32) -> Option<()> {
    let ms = i64::from(ms);
    (0..SECONDS_PER_DAY * 1_000).contains(&ms).then_some(())?;
    let (hour, minute, second) = clock(ms / 1_000);
    put(out, format_args!("\"{hour:02}:{minute:02}:{second:02}.{:03}\"", ms % 1_000))
}

/// `12:34:56.789012`
pub(super) fn time_micros(out: &mut Vec<u8>, us: i64) -> Option<()> {
    (0..SECONDS_PER_DAY * 1_000_000).contains(&us).then_some(())?;
    let (hour, minute, second) = clock(us / 1_000_000);
    put(out, format_args!("\"{hour:02}:{minute:02}:{second:02}.{:06}\"", us % 1_000_000))
}

fn clock(seconds: i64) -> (i64, i64, i64) {
    (seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// `2026-11-28T12:34:56.789Z`
///
/// By days and what is left of one: the last day of the year 9999 is beyond what jiff takes for a moment.
pub(super) fn timestamp(out: &mut Vec<u8>, value: i64, unit: Unit, zone: Zone) -> Option<()> {
    let (per_second, digits) = match unit {
        Unit::Millis => (1_000, 3),
        Unit::Micros => (1_000_000, 6),
        Unit::Nanos => (1_000_000_000, 9),
    };
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let date = day(i32::try_from(seconds.div_euclid(SECONDS_PER_DAY)).ok()?)?;
    let (hour, minute, second) = clock(seconds.rem_euclid(SECONDS_PER_DAY));
    let end = match zone {
        Zone::Utc => "Z",
        Zone::Local => "",
    };
    put(
        out,
        format_args!(
            "\"{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:0digits$}{end}\"",
            date.year(),
            date.month(),
            date.day()
        ),
    )
}

/// `P1M2DT3.004S`, of 12 bytes: months, days and milliseconds.
pub(super) fn duration(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let mut parts = bytes.chunks_exact(4).filter_map(|part| part.try_into().ok().map(u32::from_le_bytes));
    let (months, days, ms) = (parts.next()?, parts.next()?, parts.next()?);
    if (months, days, ms) == (0, 0, 0) {
        return put(out, format_args!("\"PT0S\""));
    }
    put(out, format_args!("\"P"))?;
    if months > 0 {
        put(out, format_args!("{months}M"))?;
    }
    if days > 0 {
        put(out, format_args!("{days}D"))?;
    }
    match (ms / 1_000, ms % 1_000) {
        (0, 0) => {}
        (seconds, 0) => put(out, format_args!("T{seconds}S"))?,
        (seconds, ms) => put(out, format_args!("T{seconds}.{ms:03}S"))?,
    }
    put(out, format_args!("\""))
}

/// `00112233-4455-6677-8899-aabbccddeeff`, of 16 bytes.
pub(super) fn uuid(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let uuid = uuid::Uuid::from_slice(bytes).ok()?;
    put(out, format_args!("\"{uuid}\""))
}

/// `-12.30`, of a number's two's complement, largest byte first. At most [`MAX_DECIMAL`] bytes; none are 0.
pub(super) fn decimal(out: &mut Vec<u8>, bytes: &[u8], scale: u32) {
    let number = match small(bytes) {
        Some(number) => number.to_string(),
        None => BigInt::from_signed_bytes_be(bytes).to_string(),
    };
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let scale = scale as usize;
    out.push(b'"');
    out.extend_from_slice(sign.as_bytes());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale.saturating_sub(fraction.len()), b'0');
        out.extend_from_slice(fraction.as_bytes());
    }
    out.push(b'"');
}

fn small(bytes: &[u8]) -> Option<i128> {
    let first = bytes.first().copied().unwrap_or_default();
    (bytes.len() <= 16).then(|| {
        let sign = if first & 0x80 == 0 { 0 } else { -1 };
        bytes.iter().fold(sign, |number: i128, byte| (number << 8) | i128::from(*byte))
    })
}

pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let most = base64::encoded_len(bytes.len(), true).unwrap_or_default();
    out.resize(start + most, 0);
    let written = out.get_mut(start..).and_then(|space| STANDARD.encode_slice(bytes, space).ok());
    out.truncate(start + written.unwrap_or_default());
    out.push(b'"');
}

/// Text at the end of bytes.
struct Appended<'o>(&'o mut Vec<u8>);

impl fmt::Write for Appended<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Memory takes every write.
fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) -> Option<()> {
    Appended(out).write_fmt(text).ok()
}
