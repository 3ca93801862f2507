//! redrive runs the consumer side of an event bus on Apache Kafka and makes every failure recoverable.
//!
//! A consumer meets events that cannot be fetched, cannot be parsed, have no usable type, or make a receiver fail. redrive catches all
//! of it, writes each failure with its whole context into a journal (one SQLite file) *before* the offset is committed, and goes on
//! with the next event.
//!
//! A program with receivers of its own, and with all of redrive's commands, is this long:
//!
//! ```no_run
//! use redrive::{Event, ReceiverError, Receivers};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     id: String,
//!     total_cents: u64,
//! }
//!
//! async fn bill(event: Event) -> Result<(), ReceiverError> {
//!     let order: Order = event.json()?; // not an order: this receiver's failure, permanent
//!     if order.total_cents == 0 {
//!         return Err(ReceiverError::permanent("empty_order", format!("order {} has no total", order.id)));
//!     }
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     redrive::cli::main_with(Receivers::new().on("billing", ["order.placed"], bill))
//! }
//! ```
//!
//! A program that has a `main` of its own embeds a [`Consumer`]:
//!
//! ```no_run
//! # use redrive::{ALL_TYPES, Consumer, ConsumerError, Receivers, StartFrom, StopHandle};
//! # async fn embedded(receivers: Receivers) -> Result<(), ConsumerError> {
//! let consumer = Consumer::builder()
//!     .bootstrap_servers("localhost:9092")
//!     .topic("orders")
//!     .group("shop")
//!     .from(StartFrom::Earliest)
//!     .receivers(receivers)
//!     .build()?;
//! let summary = consumer.run(StopHandle::new()).await?;
//! println!("{} delivered, {} failed: see {:?}", summary.counts.delivered, summary.counts.failed, summary.journal_path);
//! # Ok(())
//! # }
//! ```
//!
//! # The walk of a record
//!
//! ```text
//! kafka thread                     shards (tokio tasks)                             journal thread      kafka thread
//! poll → copy into arena → batch ─► identify → route → decode → lanes → deliver ─┬─ ok ───────────────► tracker → mark
//!   (admission by budget)            (receiver, order key)                       └─ failure → group ──► settled → progress → commit
//!                                                                                   commit
//! ```
//!
//! 1. [`kafka`]'s group source lends a record; the [`engine`]'s coordinator admits it when there is room and copies it once.
//! 2. A shard walks it through [`stage`]: which event is it, who takes its type, is it what they need?
//! 3. Each receiver gets it on its own lane, so that a slow or failing [`receiver`] costs only its own deliveries. [`policy`] says
//!    whether a failed delivery is tried again.
//! 4. What failed goes to the [`journal`]'s one writer; only when its transaction is on disk is the record settled.
//! 5. The tracker's mark is the first unsettled offset. With each commit the journal gets the progress first, then Kafka the offset.
//!
//! # What always holds
//!
//! - **Journal before commit.** An offset is committed only when every record below it is settled; a failure settles when the
//!   journal's transaction, synced to disk, has returned. When the journal cannot be written, nothing more is committed.
//! - **Nothing is only logged.** Every failure is an entry, every trouble of the consumer an incident.
//! - **One receiver never stops another**, whether it fails, panics, dies or hangs.
//! - **Order.** Deliveries of one lane that are made keep offset order. A failure that was journaled leaves that order.
//! - **Bytes are sacred.** Key, value and headers come out of the journal exactly as they came in.
//! - **Bounded.** Every record counts from poll until settled; that count is the only bound, and nothing grows beyond it.
//! - **Hostile input is input.** No bytes panic, loop, run away in memory or reach a terminal unescaped.
//! - **Never a flood by mistake.** While nothing of a topic has worked yet, its failures are held back, and twenty stop the run.
//!
//! # The map
//!
//! In reading order. Dependencies point one way, held by a test: [`engine`] owns the traits that [`kafka`] and [`journal`] implement,
//! and only [`consumer`], [`replay`], [`doctor`] and [`cli`] know all three. Only what is named at this level, and [`cli::main_with`], is meant for other
//! programs; the modules are public so that their documentation can be read and their tests can be written.

pub mod record;

pub mod event;

pub mod failure;

pub mod engine;

pub mod stage;

pub mod codec;

pub mod http;

pub mod receiver;

pub mod policy;

pub mod kafka;

pub mod offsets;

pub mod journal;

pub mod secrets;

pub mod settings;

pub mod consumer;

pub mod replay;

pub mod doctor;

pub mod cli;

pub use codec::framing::SchemaId;
pub use consumer::{
    Consumer, ConsumerBuilder, ConsumerError, FailureSeen, IncidentSeen, IncidentStage, Preview, StopHandle, Summary, WouldDeliver,
    WouldFail, WouldSkip,
};
pub use engine::Order;
pub use engine::ledger::Counts;
pub use engine::report::StopReason;
pub use engine::start::StartFrom;
pub use event::{Content, Event, JsonError};
pub use failure::{Class, Code, Stage};
pub use receiver::{ALL_TYPES, Delivery, Mode, Needs, Receiver, ReceiverError, Receivers, Runs, Step, Timekeeper};
