//! What heads and ends a listing.

use crate::cli::escape::escape;
use crate::cli::hint;
use crate::cli::numbers::counted;

/// Which journal is read.
pub(super) fn journal(path: &str, uuid: &str) -> String {
    format!("journal {} ({})", escape(path), uuid.get(..8).unwrap_or(uuid))
}

/// How many incidents are open, and how to see them.
pub(super) fn open_incidents(open: u64, path: &str) -> String {
    let counted = counted(open, "open incident");
    if open == 0 { counted } else { format!("{counted}: {}", hint::of(path, "incidents list")) }
}
