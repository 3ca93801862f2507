//! Code that ends its own process, for some events: what becomes of them when the program is started again, and again.
//!
//! ```sh
//! until cargo run --release --example poison -- consume -b localhost:9092 -t orders -g shop --from earliest --until-end; do sleep 1; done
//! cargo run --release --example poison -- errors list
//! ```
//!
//! What it took is in the file `got`. A file `mended` makes it harmless.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use redrive::{Event, ReceiverError, Receivers};

/// On the event loop.
async fn bill(event: Event) -> Result<(), ReceiverError> {
    // Polled for a second time.
    tokio::task::yield_now().await;
    if event.event_type() == "order.abort" {
        abort();
    }
    note("billing", &event)
}

/// On threads of its own, of which two are busy when the process ends for the first time. The second time they would be so again, if they
/// were not kept apart.
fn index(event: &Event) -> Result<(), ReceiverError> {
    let is_first_time = !exists("died");
    match event.event_type().as_ref() {
        "index.abort" if is_first_time => {
            wait_for("innocent", Duration::MAX);
            touch("died");
            abort();
        }
        "index.abort" => {
            wait_for("innocent-again", Duration::from_millis(300));
            abort();
        }
        "index.innocent" if is_first_time => {
            touch("innocent");
            wait_for("never", Duration::MAX);
        }
        "index.innocent" => {
            touch("innocent-again");
            wait_for("never", Duration::from_millis(600));
        }
        _ => {}
    }
    note("search", event)
}

#[expect(clippy::disallowed_methods, reason = "it stands for whatever ends a process: a double free, a full stack, no memory")]
fn abort() {
    if !exists("mended") {
        std::process::abort();
    }
}

fn note(receiver: &str, event: &Event) -> Result<(), ReceiverError> {
    let line = format!("{receiver} {} {}\n", event.record().partition().number, event.record().offset());
    let written = OpenOptions::new().append(true).create(true).open("got").and_then(|mut got| got.write_all(line.as_bytes()));
    written.map_err(ReceiverError::unknown)
}

fn exists(name: &str) -> bool {
    Path::new(name).exists()
}

fn touch(name: &str) {
    let made: io::Result<File> = File::create(name);
    drop(made);
}

fn wait_for(name: &str, within: Duration) {
    let began = Instant::now();
    while !exists(name) && !exists("mended") && began.elapsed() < within {
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn main() -> ExitCode {
    redrive::cli::main_with(Receivers::new().on("billing", ["order.*"], bill).on_blocking(
        "search",
        ["order.placed", "index.*"],
        index,
    ))
}
