//! Every way in which a Rust function can end, one for each type of event: to see what becomes of it in the journal.
//!
//! ```sh
//! cargo run --release --example outcomes -- consume -b localhost:9092 -t orders -g shop --from earliest
//! cargo run --release --example outcomes -- errors list
//! ```
//!
//! What it took is in the file `got`, what hangs in `hangs`; a file `released` lets go of what hangs.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};
use tokio::sync::OnceCell;

#[expect(clippy::panic, reason = "one way to end is to panic")]
async fn receive(event: Event) -> Result<(), ReceiverError> {
    static STARTED: OnceCell<()> = OnceCell::const_new();
    STARTED.get_or_init(start).await;
    match event.event_type().as_ref() {
        // Tried again, for a while.
        "transient" => return Err(ReceiverError::transient("busy", "come back later")),
        "busy_once" if is_first_try(&event) => return Err(ReceiverError::transient("busy", "come back later")),
        // Never tried again.
        "permanent" => return Err(ReceiverError::permanent("empty_order", "the order has no total")),
        // Any error will do.
        "unknown" => return Err(ReceiverError::unknown(io::Error::other("something is wrong"))),
        "die" => panic!("a panic is the failure of its own event"),
        // Given up at the receiver's timeout.
        "hang" if !Path::new("released").exists() => {
            note("hangs", "0").map_err(ReceiverError::unknown)?;
            std::future::pending::<()>().await;
        }
        // As much of it is kept as the journal has room for.
        "huge" => return Err(ReceiverError::permanent("huge", "too much").with_detail("x".repeat(5_000_000))),
        "slow" => tokio::time::sleep(Duration::from_millis(50)).await,
        _ => {}
    }
    let record = event.record();
    note("got", &format!("{} {}", record.partition().number, record.offset())).map_err(ReceiverError::unknown)
}

/// What is slow to start is waited for with its first event.
async fn start() {
    if Path::new("slow-start").exists() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A function is not told how often it was called for an event; one that must know writes it down.
fn is_first_try(event: &Event) -> bool {
    let place = event.record().place().replace('/', "-");
    OpenOptions::new().write(true).create_new(true).open(format!("try-{place}")).is_ok()
}

fn note(file: &str, line: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(file)?.write_all(format!("{line}\n").as_bytes())
}

fn main() -> ExitCode {
    redrive::cli::main_with(Receivers::new().on("it", ALL_TYPES, receive))
}
