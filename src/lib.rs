//! redrive runs the consumer side of an event bus on Apache Kafka and makes every failure recoverable.

pub mod cli;
pub mod codec;
pub mod consumer;
pub mod engine;
pub mod event;
pub mod failure;
pub mod journal;
pub mod kafka;
pub mod policy;
pub mod receiver;
pub mod record;
pub mod settings;
pub mod stage;

pub use event::{Event, JsonError};
pub use failure::Class;
pub use receiver::{ALL_TYPES, Receiver, ReceiverError, Receivers};
