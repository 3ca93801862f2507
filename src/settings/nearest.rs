//! The name that was meant by one that nobody has. Pure.
//!
//! A guess must help and not mislead: where nothing is near, none is made.

/// From how many letters on the beginning of a name means the whole one.
const BEGINNING: usize = 3;

/// The name in `names` that is most like `name`, if any is.
#[must_use]
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let given = plain(name);
    let length = given.chars().count();
    let names: Vec<&str> = names.into_iter().collect();
    let like = |other: &&&str| strsim::damerau_levenshtein(&given, &plain(other));
    // Letters that are all changed are another name.
    let is_near = |other: &&str| {
        let changes = like(&other);
        changes <= 1 + length / 5 && changes < length.min(other.chars().count())
    };
    if let Some(nearest) = names.iter().min_by_key(like).filter(|other| is_near(other)) {
        return Some(nearest);
    }
    let mut beginning = names.into_iter().filter(|other| length >= BEGINNING && plain(other).starts_with(&given));
    beginning.next().filter(|_| beginning.next().is_none())
}

/// The end of a message about a name that nobody has; nothing where the name is right, and something else is wrong.
#[must_use]
pub fn did_you_mean<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let meant = nearest(name, names).filter(|nearest| *nearest != name);
    meant.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// What is often mixed up is the same.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_meant() {
        let names = ["open", "resolved", "ignored", "http", "https", "broker_away", "journal_busy", "journal_low", "dlq.orders"];
        for (given, meant) in [
            ("opn", Some("open")),
            ("OPEN", Some("open")),
            ("resolve", Some("resolved")),
            ("htp", Some("http")),
            ("htpps", Some("https")),
            ("broker-away", Some("broker_away")),
            ("dlq-orders", Some("dlq.orders")),
            ("broker", Some("broker_away")),
        ] {
            assert_eq!(nearest(given, names), meant, "{given}");
        }
        assert_eq!(did_you_mean("opn", names), "; did you mean `open`?");
        assert_eq!(did_you_mean("open", names), "");
    }

    #[test]
    fn nothing_is_guessed_where_nothing_is_near() {
        for (given, names) in [
            ("gone", &["ignored"][..]),
            ("b", &["a"]),
            ("no", &["a"]),
            ("", &["open"]),
            ("journal", &["journal_busy", "journal_low"]),
        ] {
            assert_eq!(did_you_mean(given, names.iter().copied()), "", "{given}");
        }
    }
}
