//! A program that does other things as well, and runs a consumer beside them.
//!
//! ```sh
//! cargo run --release --example embedded -- localhost:9092 orders shop
//! ```
//!
//! It ends when no order came for two seconds, or with Ctrl-C. What failed is in `shop.db`: `redrive errors list --journal shop.db`.
#![expect(clippy::print_stdout, reason = "what it prints is the program's own business")]

use std::error::Error;
use std::time::Duration;

use redrive::{Consumer, Event, ReceiverError, Receivers, StartFrom, StopHandle};

#[derive(serde::Deserialize)]
struct Order {
    id: String,
    total_cents: u64,
}

async fn bill(event: Event) -> Result<(), ReceiverError> {
    let order: Order = event.json()?; // not JSON, or not an order: permanent, and this receiver's failure alone
    if order.total_cents == 0 {
        return Err(ReceiverError::permanent("empty_order", format!("order {} has no total", order.id)));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing: BOOTSTRAP_SERVERS TOPIC GROUP"));
    let consumer = Consumer::builder()
        .bootstrap_servers(&next("BOOTSTRAP_SERVERS")?)
        .topic(&next("TOPIC")?)
        .group(&next("GROUP")?)
        .from(StartFrom::Earliest)
        .journal("shop.db")
        .receivers(Receivers::new().on("billing", ["order.placed"], bill))
        .idle_exit(Duration::from_secs(2))
        .setting("unrecognized", "skip") // any setting of the command line, by its name
        .on_failure(|failure| println!("failed: {}/{}/{} {}", failure.topic, failure.partition, failure.offset, failure.message))
        .build()?;

    // Any clone of the handle stops the run, from any task or thread.
    let stop = StopHandle::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.drain();
        }
    });

    let summary = consumer.run(stop).await?;
    let counts = summary.counts;
    println!("{} delivered, {} failed, {} skipped", counts.delivered, counts.failed, counts.skipped);
    Ok(())
}
