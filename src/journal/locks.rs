//! Locks: how long one who wants to write waits for another.
//!
//! A replay's claims and its writer take turns many times a second, and so do the processes that share a journal. SQLite's own waiting
//! would let each turn cost tens of milliseconds.

use std::thread;
use std::time::Duration;

use rusqlite::Connection;

const PAUSE: Duration = Duration::from_millis(1);
/// About half a second, so that a run that is asked to stop is not held up by a lock.
const PAUSES: i32 = 500;

/// From now on the connection waits for about half a second, no longer.
pub(super) fn wait_briefly(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait_again))
}

#[expect(clippy::disallowed_methods, reason = "SQLite has no condition to wait for: it asks whether to try again")]
fn wait_again(pauses: i32) -> bool {
    if pauses < PAUSES {
        thread::sleep(PAUSE);
    }
    pauses < PAUSES
}
