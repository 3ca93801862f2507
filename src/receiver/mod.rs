//! Receivers: the named destinations of events. The trait, and one file for each kind that is built in.
//!
//! A receiver is called from a shard of the engine. What it does there is bounded by its timeout, and nothing it does, a panic
//! included, reaches another receiver.

mod discard;
mod exec;
mod file;
mod function;
mod groups;
mod http;
pub mod in_hand;
mod kafka;
mod last_words;
mod line;
mod opening;
mod program;
mod run;
#[cfg(test)]
mod samples;
mod stdout;
mod target;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::event::{Event, JsonError};
use crate::failure::{Class, Code};
use crate::receiver::in_hand::Noting;

pub use discard::Discard;
pub use exec::{Exchange, Exchanged, Exec, ExecOptions, Idle, Outcome, converse, start_and_end};
pub use file::{File, FileFound, probe_file};
pub use function::{ALL_TYPES, Receivers, Registered};
pub use http::{Answered, CertificateDates, Encoding, Endpoint, Http, ProbeStep, Unanswered, certificate, options, reach};
pub use kafka::{Kafka, ProduceError, Producer};
pub use opening::{MadeOf, OpenReceiverError, OpenTopic, Specification};
pub use program::check_program;
pub use run::{Run, RunOptions, VARIABLES};
pub use stdout::Stdout;
pub use target::{FORMS, Target, TargetError};

/// One attempt to hand one event to one receiver.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event: Event,
    /// Tries of this delivery in this process, from 1.
    pub attempt: u32,
    pub mode: Mode,
    /// The group and the receiver's name, for the delivery id.
    pub to: Arc<Address>,
    /// For a receiver that calls code of the program on threads of its own.
    pub(crate) noting: Option<Noting>,
}

/// Who is delivered to, in whose name.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    pub group: String,
    pub receiver: String,
}

/// Why the event is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Live,
    /// By the replay of this number.
    Replay(i64),
}

/// A delivery that failed: what the journal will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverError {
    pub class: Class,
    pub code: Code,
    pub message: String,
    /// Outermost first.
    pub causes: Vec<String>,
    pub detail: String,
    /// The receiver asks to be left alone for this long; heeded for a transient failure.
    pub retry_after: Option<Duration>,
}

/// What came of asking a receiver.
pub enum Step {
    /// It answered at once.
    Done(Result<(), ReceiverError>),
    /// It will answer; dropping the future gives up on the delivery.
    Pending(BoxFuture<'static, Result<(), ReceiverError>>),
}

/// How far the event must be decoded before this receiver can have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The record's bytes.
    Bytes,
    /// The value: of a record that names a schema the JSON that it stands for, of any other its bytes.
    Value,
    /// As `Value`, and bytes are checked to be JSON, unless the format is raw.
    ValidJson,
}

/// Who gives up on a delivery that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timekeeper {
    /// The engine drops the future.
    Engine,
    /// The receiver itself, because a delivery may wait in it for its turn, which is nobody's fault.
    Receiver,
}

/// Where a receiver runs code of the program that brings it along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// It is called, and its futures are polled, on the engine's event loop.
    OnTheLoop,
    /// Nothing but the handing over happens on the loop.
    OnThreads,
    /// There is none: it is one of redrive's own.
    Nowhere,
}

/// A destination of events.
pub trait Receiver: Send + Sync + 'static {
    /// One delivery. `Ok` means: durable as far as this target promises. A panic is caught by the caller; a timeout drops the future.
    fn deliver(&self, delivery: Delivery) -> Step;

    /// How far an event is read before it is delivered. What cannot be read so far is a failure of its record, for all receivers.
    fn needs(&self) -> Needs {
        Needs::Value
    }

    /// Deliveries of one lane that may be out at once; more than one only if they are applied in the order given.
    fn window(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    /// Who watches the timeout of a delivery.
    fn timekeeper(&self) -> Timekeeper {
        Timekeeper::Engine
    }

    /// Where its code runs: what holds up a loop there, or ends the process, is laid at its door.
    fn runs(&self) -> Runs {
        Runs::OnTheLoop
    }

    /// The engine delivers nothing more: let go of processes and files. The future ends when that is done.
    fn stop(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What becomes of a receiver's events while it is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// The others go on; what it missed is delivered when it is back, before it goes on with the others.
    Defer,
    /// They wait for it, and so does, once there is no more room, all that is read.
    Wait,
    /// Each is a failure.
    Journal,
}

impl OnOutage {
    pub const ALL: [Self; 3] = [Self::Defer, Self::Wait, Self::Journal];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Defer => "defer",
            Self::Wait => "wait",
            Self::Journal => "journal",
        }
    }
}

/// A receiver with its name and its settings, as the engine runs it.
#[derive(Clone)]
pub struct Binding {
    pub name: String,
    /// What it is, for people and for the journal: the target with secrets masked.
    pub definition: String,
    /// The event types it takes: exact, or a prefix followed by `.*`. Empty: all.
    pub types: Vec<String>,
    pub timeout: Duration,
    /// Tries after the first one, for transient failures.
    pub retries: u32,
    pub on_outage: OnOutage,
    pub receiver: Arc<dyn Receiver>,
}

impl ReceiverError {
    /// A failure that another try can mend. `code` is kept when it is `[a-z0-9_]{1,64}`, else it becomes `rejected`.
    pub fn transient(code: &str, message: impl std::fmt::Display) -> Self {
        Self::new(Class::Transient, code, message)
    }

    /// A failure of this event with this code. `code` as in [`ReceiverError::transient`].
    pub fn permanent(code: &str, message: impl std::fmt::Display) -> Self {
        Self::new(Class::Permanent, code, message)
    }

    /// Any error, when it is not known whether another try can mend it; code `rejected`.
    pub fn unknown(error: impl std::fmt::Display) -> Self {
        Self::new(Class::Unknown, "rejected", error)
    }

    fn new(class: Class, code: &str, message: impl std::fmt::Display) -> Self {
        Self::known(class, Code::parse(code).unwrap_or(const { Code::known("rejected") }), message)
    }

    /// A failure with a code of ours.
    pub(crate) fn known(class: Class, code: Code, message: impl std::fmt::Display) -> Self {
        Self { class, code, message: message.to_string(), causes: Vec::new(), detail: String::new(), retry_after: None }
    }

    /// No answer in time.
    pub(crate) fn timed_out(timeout: Duration) -> Self {
        Self::known(Class::Transient, const { Code::known("timeout") }, format!("no answer within {timeout:?}"))
    }

    /// Nobody is there who could take it.
    pub(crate) fn unreachable(message: impl std::fmt::Display) -> Self {
        Self::known(Class::Transient, const { Code::known("unreachable") }, message)
    }

    /// Adds what it was caused by: `error`, and whatever caused that.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        self.causes.extend(chain.map(ToString::to_string));
        self
    }

    /// Adds text for whoever debugs it: a stack trace, an answer's body.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Asks for no other try before this much time is over. A wait that does not fit into the time for retries ends them.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<JsonError> for ReceiverError {
    fn from(error: JsonError) -> Self {
        Self::permanent("invalid_json", error)
    }
}

/// The failure of a receiver that panicked, with the panic's own words.
#[must_use]
pub fn panicked(payload: &(dyn std::any::Any + Send)) -> ReceiverError {
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = format!("the receiver panicked: {}", said.unwrap_or("(no message)"));
    ReceiverError::known(Class::Unknown, const { Code::known("panicked") }, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_kept_outermost_first() {
        let data = serde_json::from_str::<u32>("x").map_err(JsonError::Parse).unwrap_err();
        let error = ReceiverError::transient("bank_down", "the bank did not answer").caused_by(&data);
        let [outer, inner] = error.causes.as_slice() else { panic!("{:?}", error.causes) };
        assert!(outer.starts_with("the event's data is not the JSON") && inner.starts_with("expected value"), "{outer}, {inner}");
    }

    #[test]
    fn a_code_that_is_none_is_rejected() {
        let code = |code: &str| ReceiverError::permanent(code, "no").code.to_string();
        assert_eq!(
            (code("empty_order"), code("Empty order"), code("")),
            ("empty_order".into(), "rejected".into(), "rejected".into())
        );
    }
}
