//! Sizes as users write them. Pure.

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
    fn sizes() {
        for (text, expected) in [("0", 0), ("10", 10), ("10B", 10), ("4KiB", 4096), ("8MiB", 8 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(size(text), Some(expected), "{text}");
        }
        for text in ["", "MiB", "1MB", "1.5MiB", "-1", "1 MiB", "99999999999999GiB", "5%"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
