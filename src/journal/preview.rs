//! The ledger of a dry run: it knows what the journal knows, if there is one, and writes nothing down.

use std::collections::HashMap;

use crate::codec::framing::SchemaId;
use crate::codec::schema::SchemaText;
use crate::engine::ledger::{Entry, Known, Ledger, LedgerError, RunEnd, RunId};
use crate::engine::source::Offer;
use crate::journal::items::StateCounts;
use crate::journal::open::{OpenError, Place};
use crate::journal::reader::{ReadError, Reader};
use crate::journal::writer::knowledge;
use crate::record::{Debts, NextOffset, Suspects};

pub struct PreviewLedger {
    reader: Option<Reader>,
    group: String,
}

impl PreviewLedger {
    /// # Errors
    /// When what is there is no journal, or none could be made there.
    pub fn open(place: &Place, group: &str) -> Result<Self, OpenError> {
        let reader = match Reader::open(place) {
            Ok(reader) => Some(reader),
            Err(OpenError::Missing(_)) => {
                place.check_place()?;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { reader, group: group.to_owned() })
    }

    /// The journal's uuid; `None` when there is no journal.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.reader.as_ref().map(Reader::uuid)
    }

    /// What a run would call itself, but for its number: nothing is committed by that name. Without a journal nothing in Kafka is its own.
    #[must_use]
    pub fn run(&self) -> RunId {
        RunId { journal_uuid: self.uuid().unwrap_or_default().to_owned(), run: 0 }
    }

    /// As [`Reader::schemas`]; none without a journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn schemas(&self, names: &[&str]) -> Result<HashMap<SchemaId, SchemaText>, ReadError> {
        self.reader.as_ref().map_or(Ok(HashMap::new()), |reader| reader.schemas(names))
    }

    /// # Errors
    /// When the journal cannot be read.
    pub fn counts(&self) -> Result<StateCounts, ReadError> {
        self.reader.as_ref().map_or(Ok(StateCounts::default()), Reader::counts)
    }
}

fn unknown(offer: &Offer) -> Known {
    Known {
        deferred: Vec::new(),
        slot: offer.slot,
        topic_known: false,
        other_uuid: false,
        progress: None,
        highest: NextOffset::ZERO,
        debts: Debts::default(),
        suspects: Suspects::default(),
    }
}

impl Ledger for PreviewLedger {
    fn append(&mut self, _entries: &[Entry]) -> Result<(), LedgerError> {
        Ok(())
    }

    fn know(&mut self, offers: &[Offer]) -> Result<Vec<Known>, LedgerError> {
        let Some(reader) = &self.reader else { return Ok(offers.iter().map(unknown).collect()) };
        let mut known = knowledge::know(reader.connection(), &self.group, offers).map_err(|error| {
            let (path, message) = (reader.path().to_owned(), reader.failed(error).to_string());
            LedgerError::Read { path, message }
        })?;
        // What was missed before is not what is looked at.
        known.iter_mut().for_each(|known| known.deferred.clear());
        Ok(known)
    }

    fn beat(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn end(&mut self, _end: RunEnd, _exit_code: Option<u8>) -> Result<(), LedgerError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::doubles::{offer, topic};
    use crate::journal::{Beginning, Safety, Writer};
    use crate::record::Slot;

    #[test]
    fn nothing_is_made_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { path: folder.path().join("redrive.db"), safety: Safety::Safe };
        let offers = [offer(Slot { index: 0, epoch: 1 }, &topic("orders"), 7)];
        let files = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let mut none = PreviewLedger::open(&place, "shop").unwrap();
        assert_eq!((none.uuid(), none.counts().unwrap()), (None, StateCounts::default()));
        assert_eq!(none.know(&offers).unwrap().len(), 1);
        assert!(files().is_empty(), "{:?}", files());

        let beginning =
            Beginning { command: "consume", group: "shop".into(), client_id: "c".into(), receivers: Vec::new(), hands: 0 };
        let mut writer = Writer::open(&place, &beginning).unwrap();
        let uuid = writer.run().journal_uuid.clone();
        writer.end(RunEnd::Done, Some(0)).unwrap();
        drop(writer);
        let before = fs::read(&place.path).unwrap();
        let mut there = PreviewLedger::open(&place, "shop").unwrap();
        assert_eq!(there.uuid(), Some(uuid.as_str()));
        assert_eq!(there.run(), RunId { journal_uuid: uuid, run: 0 });
        assert!(!there.know(&offers).unwrap()[0].topic_known);
        there.end(RunEnd::Done, Some(0)).unwrap();
        drop(there);
        assert!(fs::read(&place.path).unwrap() == before, "not a byte");
        assert_eq!(files(), ["redrive.db"]);

        fs::remove_file(&place.path).unwrap();
        fs::write(folder.path().join("redrive.db-wal"), "left").unwrap();
        assert!(matches!(PreviewLedger::open(&place, "shop"), Err(OpenError::LeftBehind { .. })), "as a run would say");
    }
}
