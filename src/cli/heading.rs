//! What heads and ends a listing.

use crate::cli::escape::escape;
use crate::cli::hint::Journal;
use crate::cli::numbers::counted;

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

/// That nothing is listed, and what was asked for.
pub(super) fn nothing_fits(what: &str, filters: &[(&str, String)]) -> String {
    let named: Vec<_> = filters.iter().map(|(flag, value)| format!("{} {value}", flag.trim_start_matches('-'))).collect();
    format!("no {what} fits: {}", escape(&named.join(" · ")))
}
