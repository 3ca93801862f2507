//! What a test needs: a real broker and a real registry, topics with records in them, redrive as a process, and witnesses that share no
//! code with it.
//!
//! The first test that asks for a broker or a registry starts it, and fetches it when it is not there yet. Whatever a test starts ends
//! with the test process, even when that is killed (`guard`). Whatever a test waits for has a deadline (`wait`).

mod broker;
mod certificates;
pub(crate) mod command;
mod daemon;
mod endpoint;
mod folder;
mod gate;
mod guard;
mod java;
mod journal;
pub(crate) mod library;
mod maven;
mod producer;
mod reader;
mod registry;
mod secure;
mod tokens;
mod topic;
pub(crate) mod wait;
mod witness;

pub(crate) use broker::{Broker, SEGMENT_LASTS, unique};
pub(crate) use certificates::{Authority, Valid};
pub(crate) use command::Output;
pub(crate) use endpoint::{Endpoint, Request};
pub(crate) use folder::Folder;
pub(crate) use gate::{GatedBroker, Kind as GateKind};
pub(crate) use java::{console_producer, share_consumer};
pub(crate) use journal::FailureRow;
pub(crate) use producer::{Ending, OpenTransaction, Sample};
pub(crate) use reader::Record;
pub(crate) use registry::{Language, Registry};
pub(crate) use secure::{LIMITED, Listener, PLAIN, SCRAM_256, SCRAM_512, SecureBroker};
pub(crate) use tokens::CLIENT as TOKEN_CLIENT;
pub(crate) use topic::Topic;
pub(crate) use witness::{GroupState, ResetTo};

/// How often, how many or how long: the first in CI, the second when `REDRIVE_TEST_FULL=1` asks for a full run.
pub(crate) fn repetitions<T>((few, full): (T, T)) -> T {
    if std::env::var_os("REDRIVE_TEST_FULL").is_some() { full } else { few }
}
