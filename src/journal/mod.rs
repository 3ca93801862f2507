//! The journal: a SQLite file in which every failure is on disk before its offset is committed. The only module that names SQLite.
//!
//! `open` decides what is a journal; `Writer` is the engine's ledger and the log of moves, `PreviewLedger` the ledger of a dry run; `Reader`
//! answers the listings, and what is asked before a group is moved. `Selected` holds the entries of a replay, and `Claims` keeps other
//! replays from them. Every statement is in `sql`.

mod claims;
mod examination;
mod fingerprint;
mod holders;
mod host;
mod in_hand;
mod items;
mod locks;
mod open;
mod plain;
mod preview;
mod reader;
#[cfg(test)]
pub(crate) mod samples;
mod selected;
mod selection;
mod sql;
mod writer;

pub use claims::{Claim, Claims};
pub use examination::{Disk, ExamineError, Examined, LiveRun};
pub use fingerprint::Fingerprint;
pub use host::{Beginning, ReceiverDefinition};
pub use items::{
    AttemptItem, Bytes, FailureDetail, FailureItem, FailureState, IncidentItem, IncidentState, Neighbour, ProgressItem, StateCounts,
};
pub use open::{OpenError, Place, Safety};
pub use preview::PreviewLedger;
pub use reader::{KnownTopic, MissedInAll, MissedOf, Named, Page, Reached, ReadError, Reader, TopicRow, Window};
pub use selected::{PlaceRange, Selected, SelectedEntries, SelectedPartition, SelectedRow, StoredRecord};
pub use selection::{FailureSelection, IncidentSelection, Sort};
pub use writer::{Taken, Writer};
