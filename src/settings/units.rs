//! Sizes and durations as users write them. Pure.

use std::time::Duration;

/// `500ms`, `10s`, `5m`, `2h`, `7d`; `None` for anything else.
#[must_use]
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Bytes, or `KiB`, `MiB`, `GiB`; `None` for anything else.
#[must_use]
pub(super) fn size(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: usize = number.parse().ok()?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = Duration::from_millis;
        for (text, expected) in
            [("500ms", ms(500)), ("10s", ms(10_000)), ("5m", ms(300_000)), ("2h", ms(7_200_000)), ("7d", ms(604_800_000))]
        {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 s", "1w", "99999999999999999999s", "300000000000000d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [("0", 0), ("10", 10), ("10B", 10), ("4KiB", 4096), ("8MiB", 8 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(size(text), Some(expected), "{text}");
        }
        for text in ["", "MiB", "1MB", "1.5MiB", "-1", "1 MiB", "99999999999999GiB", "5%"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
