//! Numbers for people.

/// `182,044`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 open incident`, `2 open incidents`
pub(super) fn counted(number: u64, of: &str) -> String {
    format!("{} {of}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (182_044, "182,044"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 1_000].map(|number| counted(number, "byte")), ["0 bytes", "1 byte", "1,000 bytes"]);
    }
}
