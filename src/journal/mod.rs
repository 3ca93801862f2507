//! The journal: a SQLite file in which every failure is on disk before its offset is committed. The only module that names SQLite.
//!
//! `open` decides what is a journal; `Writer` is the engine's ledger, `PreviewLedger` that of a dry run; `Reader` answers the listings. Every statement is in `sql`.

mod examination;
mod fingerprint;
mod host;
mod items;
mod open;
mod plain;
mod preview;
mod reader;
#[cfg(test)]
pub(crate) mod samples;
mod selection;
mod sql;
mod writer;

pub use examination::{Disk, ExamineError, Examined, LiveRun};
pub use fingerprint::Fingerprint;
pub use host::{Beginning, ReceiverDefinition};
pub use items::{
    AttemptItem, Bytes, FailureDetail, FailureItem, FailureState, IncidentItem, IncidentState, Neighbour, ProgressItem, StateCounts,
};
pub use open::{OpenError, Place, Safety};
pub use preview::PreviewLedger;
pub use reader::{Page, ReadError, Reader, Window};
pub use selection::{FailureSelection, IncidentSelection, Sort};
pub use writer::Writer;
