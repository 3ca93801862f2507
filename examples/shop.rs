//! A program with receivers of its own and all of redrive's subcommands.
//!
//! ```sh
//! cargo run --release --example shop -- consume -b localhost:9092 -t orders -g shop --from earliest
//! cargo run --release --example shop -- errors list
//! ```
//!
//! Receivers of the command line or the settings file come beside these two: `--receiver audit=file:audit.jsonl`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use redrive::{Event, ReceiverError, Receivers};

#[derive(serde::Deserialize)]
struct Order {
    id: String,
    total_cents: u64,
}

/// Runs on the event loop. What it returns is what the journal says.
async fn bill(event: Event) -> Result<(), ReceiverError> {
    let order: Order = event.json()?; // not JSON, or not an order: permanent, and this receiver's failure alone
    if order.total_cents == 0 {
        return Err(ReceiverError::permanent("empty_order", format!("order {} has no total", order.id)));
    }
    charge(&order).await.map_err(|error| ReceiverError::transient("bank_down", error))
}

/// Stands for the bank, which a real program would ask over the network: for large sums it is down.
async fn charge(order: &Order) -> io::Result<()> {
    if order.total_cents > 1_000_000 { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
}

/// Blocking code has threads of its own. Events come at least once, so writing the same file again must be harmless, and is.
fn index(event: &Event) -> Result<(), ReceiverError> {
    let folder = Path::new("shop-index");
    let name: String = event.id().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(folder.join(name), event.data().unwrap_or_default()))
        .map_err(ReceiverError::unknown)
}

fn main() -> ExitCode {
    let receivers = Receivers::new().on("billing", ["order.placed"], bill).on_blocking("search", ["order.*"], index);
    redrive::cli::main_with(receivers)
}
