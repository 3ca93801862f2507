//! What heads and ends a listing.

use crate::cli::escape::escape;
use crate::cli::hint::Journal;
use crate::cli::numbers::counted;
use crate::journal::MissedInAll;

/// More receivers that missed something are not named.
const NAMED: usize = 3;

/// Which journal is read. Without an id, there is none yet.
pub(super) fn journal(journal: Journal<'_>) -> String {
    let Journal { path, id, .. } = journal;
    if id.is_empty() {
        return format!("no journal yet at {}", escape(path));
    }
    format!("journal {} ({})", escape(path), id.get(..8).unwrap_or(id))
}

/// How many incidents are open, and how to see them.
pub(super) fn open_incidents(open: u64, journal: Journal<'_>) -> String {
    let counted = counted(open, "open incident");
    if open == 0 { counted } else { format!("{counted}: {}", journal.hint("incidents list")) }
}

/// What receivers missed is no failure, and no incident once nobody is down: without this, nothing here would tell of it. Nothing where
/// nobody missed anything.
pub(super) fn missed(all: &[MissedInAll], journal: Journal<'_>) -> Option<String> {
    let first = all.first()?;
    let sum = |of: fn(&MissedInAll) -> u64| all.iter().map(of).fold(0, u64::saturating_add);
    let (events, ranges) = (counted(sum(|of| of.events), "event"), counted(sum(|of| of.ranges), "range"));
    let named = all.iter().take(NAMED).map(|of| escape(&format!("{} of group {}", of.receiver, of.group)).into_owned());
    let mut named = named.collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => {}
        more => named.push_str(&format!(" and {}", counted(more as u64, "other"))),
    }
    let words = ["group", "describe", "-g", &first.group].map(str::to_owned);
    Some(format!("missed while down: up to {events} in {ranges} by {named}: {}", journal.command(&words)))
}

/// That nothing is listed, and what was asked for.
pub(super) fn nothing_fits(what: &str, filters: &[(&str, String)]) -> String {
    let named: Vec<_> = filters.iter().map(|(flag, value)| format!("{} {value}", flag.trim_start_matches('-'))).collect();
    format!("no {what} fits: {}", escape(&named.join(" · ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{JOURNAL, missed_by};

    #[test]
    fn whoever_missed_something_is_named_with_what_shows_it() {
        assert_eq!(missed(&[], JOURNAL), None);
        let one = missed(&[missed_by("billing", 1, 1)], JOURNAL);
        assert_eq!(
            one.unwrap(),
            "missed while down: up to 1 event in 1 range by billing of group shop: redrive group describe -g shop"
        );
        let all = ["a", "b", "c", "d", "e"].map(|receiver| missed_by(receiver, 2, 1_000));
        let many = missed(&all, JOURNAL).unwrap();
        assert!(many.starts_with("missed while down: up to 5,000 events in 10 ranges by a of group shop, b of group shop, c of group shop and 2 others: "), "{many}");
    }
}
