//! The receivers of a replay: those of the settings, and for each entry's receiver who gets it now.
//!
//! A receiver that has another name now stands under its old name, too: what comes of its entries is theirs, and the id of a delivery
//! stays the one that it had live.

use std::collections::HashMap;

use crate::receiver::Specification;
use crate::record::{ReceiverIx, ReceiverSet};
use crate::replay::error::ReplayError;
use crate::replay::request::{Request, To};

/// Everybody who may get something.
#[derive(Clone)]
pub(super) struct Roster {
    /// Those of the settings first, then one for each `--map`.
    pub(super) receivers: Vec<Specification>,
    /// Of the settings.
    configured: usize,
}

/// Whom the selected records go to.
pub(super) struct Whom {
    /// Those of `--to` that are configured.
    pub(super) given: ReceiverSet,
    /// Those that are not, but are known to the journal.
    pub(super) missing: Vec<String>,
}

impl Roster {
    pub(super) fn new(configured: Vec<Specification>, request: &Request) -> Result<Self, ReplayError> {
        let mut receivers = configured;
        let count = receivers.len();
        for (old, new) in &request.map {
            let known = || receivers.iter().take(count).map(|receiver| receiver.name.clone()).collect();
            let Some(found) = receivers.iter().take(count).find(|receiver| receiver.name == *new) else {
                return Err(ReplayError::MapToNobody { old: old.clone(), new: new.clone(), known: known() });
            };
            let renamed = Specification { name: old.clone(), ..found.clone() };
            receivers.push(renamed);
        }
        if receivers.len() > ReceiverSet::MAX {
            return Err(ReplayError::TooManyReceivers);
        }
        Ok(Self { receivers, configured: count })
    }

    /// Nobody renames what was never there. `known`: the names that the journal has seen.
    pub(super) fn check_renamed(&self, map: &[(String, String)], known: &[String]) -> Result<(), ReplayError> {
        let configured: Vec<&String> = self.receivers.iter().take(self.configured).map(|receiver| &receiver.name).collect();
        match map.iter().find(|(old, _)| !known.contains(old) && !configured.contains(&old)) {
            None => Ok(()),
            Some((old, new)) => Err(ReplayError::MapOfNobody { old: old.clone(), new: new.clone(), known: known.to_vec() }),
        }
    }

    /// Who gets the entries of a name: whoever stands there now goes first.
    pub(super) fn by_name(&self) -> HashMap<String, ReceiverIx> {
        (0u8..).map(ReceiverIx).zip(&self.receivers).map(|(at, receiver)| (receiver.name.clone(), at)).collect()
    }

    /// The receivers of the settings.
    pub(super) fn all(&self) -> ReceiverSet {
        (0u8..).take(self.configured).fold(ReceiverSet::NONE, |set, at| set.with(ReceiverIx(at)))
    }

    /// Those that get only what is meant for them by name.
    pub(super) fn by_name_only(&self) -> ReceiverSet {
        (0u8..).take(self.receivers.len()).fold(ReceiverSet::NONE, |set, at| set.with(ReceiverIx(at))).minus(self.all())
    }

    /// The names of `--to`; `None`: it names none. `known`: the names that the journal has seen.
    pub(super) fn whom(&self, to: &To, known: &[String]) -> Result<Option<Whom>, ReplayError> {
        let To::Names(names) = to else { return Ok(None) };
        let by_name = self.by_name();
        let mut whom = Whom { given: ReceiverSet::NONE, missing: Vec::new() };
        for name in names {
            match by_name.get(name) {
                Some(receiver) => whom.given = whom.given.with(*receiver),
                None if known.contains(name) => whom.missing.push(name.clone()),
                None => {
                    let mut known = known.to_vec();
                    known.extend(by_name.into_keys());
                    known.sort();
                    known.dedup();
                    return Err(ReplayError::UnknownReceiver { name: name.clone(), known });
                }
            }
        }
        Ok(Some(whom))
    }
}
