//! What is asked of the journal before a group is moved: open entries, progress, the record of an entry.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension as _;

use crate::journal::reader::{ReadError, Reader, rows};
use crate::journal::sql;
use crate::offsets::{EntryPlace, MissedRange, OpenErrors, Recall};
use crate::record::{NextOffset, Offset, Topic};

impl Recall for Reader {
    type Error = ReadError;

    fn open_errors(&self, group: &str, topic: &Topic) -> Result<BTreeMap<i32, OpenErrors>, ReadError> {
        let read = || {
            let mut open: BTreeMap<i32, OpenErrors> = BTreeMap::new();
            let Some(topic) = self.topic_id(topic)? else { return Ok(open) };
            let mut select = self.connection().prepare_cached(sql::OPEN_OF_TOPIC)?;
            let entries = select.query_map((topic, group), |row| Ok((row.get::<_, i32>(0)?, row.get::<_, i64>(1)?)))?;
            for entry in entries {
                let (partition, offset) = entry?;
                let Some(offset) = Offset::new(offset) else { continue };
                let errors = open.entry(partition).or_insert(OpenErrors { count: 0, oldest: offset });
                *errors = OpenErrors { count: errors.count + 1, oldest: errors.oldest.min(offset) };
            }
            Ok(open)
        };
        read().map_err(|error| self.failed(error))
    }

    fn missed(&self, group: &str, topic: &Topic) -> Result<BTreeMap<i32, Vec<MissedRange>>, ReadError> {
        let read = || {
            let mut missed: BTreeMap<i32, Vec<MissedRange>> = BTreeMap::new();
            let Some(topic) = self.topic_id(topic)? else { return Ok(missed) };
            if !self.knows_missed()? {
                return Ok(missed);
            }
            let mut select = self.connection().prepare_cached(sql::MISSED_OF_TOPIC)?;
            let mut rows = select.query((group, topic))?;
            while let Some(row) = rows.next()? {
                let (from, to): (i64, i64) = (row.get(2)?, row.get(3)?);
                let (Some(from), Some(to)) = (NextOffset::new(from), NextOffset::new(to)) else { continue };
                let events = row.get::<_, i64>(4)?.cast_unsigned();
                missed.entry(row.get(0)?).or_default().push(MissedRange { receiver: row.get(1)?, from, to, events });
            }
            Ok(missed)
        };
        read().map_err(|error| self.failed(error))
    }

    fn progress(&self, group: &str, topic: &Topic, partition: i32) -> Result<Option<NextOffset>, ReadError> {
        let Some(topic) = self.topic(topic)? else { return Ok(None) };
        Ok(self.reached(group, topic, partition)?.last.map(|progress| progress.to))
    }

    fn entry(&self, id: i64) -> Result<Option<EntryPlace>, ReadError> {
        let mut select = self.connection().prepare_cached(sql::ENTRY_PLACE).map_err(|error| self.failed(error))?;
        let entry = select.query_row([id], |row| {
            let topic = Topic { cluster_id: row.get(1)?, name: row.get(2)?, uuid: rows::filled(row.get(3)?) };
            let (group, partition) = (row.get(0)?, row.get(4)?);
            // The schema allows none below 0.
            Ok(Offset::new(row.get(5)?).map(|offset| EntryPlace { group, topic, partition, offset }))
        });
        entry.optional().map(Option::flatten).map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::ledger::Ledger as _;
    use crate::journal::samples::Scene;
    use crate::offsets::doubles::next;
    use crate::offsets::{MissedRange, Recall as _};
    use crate::record::{Offset, Topic};

    #[test]
    fn open_entries_are_counted_by_partition_and_the_oldest_is_known() {
        let scene = Scene::new();
        let topic = &scene.partition.topic;
        let failed = [(9, "billing"), (5, "billing"), (5, "audit"), (7, "audit")];
        scene.writer().append(&failed.map(|(offset, receiver)| scene.failed(offset, receiver, &["no"]))).unwrap();
        scene.writer().append(&[scene.delivered(5, "billing"), scene.delivered(5, "audit")]).unwrap();
        scene.writer_of("other", Vec::new()).append(&[scene.failed(1, "billing", &["no"])]).unwrap();
        let reader = scene.reader();
        let open = reader.open_errors("shop", topic).unwrap();
        let number = scene.partition.number;
        assert_eq!(open.get(&number).map(|open| (open.count, open.oldest.get())), Some((2, 7)), "of the group, and open");
        assert_eq!(open.len(), 1);
        let again = Topic { uuid: Some("made again".into()), ..Topic::clone(topic) };
        assert!(reader.open_errors("shop", &again).unwrap().is_empty(), "a topic that was made again has none");
        let entry = reader.entry(1).unwrap().unwrap();
        assert_eq!((entry.group.as_str(), &entry.topic, entry.partition), ("shop", &**topic, number));
        assert_eq!((entry.offset, reader.entry(99).unwrap()), (Offset::new(9).unwrap(), None));
    }

    #[test]
    fn what_is_missed_is_counted_as_far_as_it_is_known() {
        let scene = Scene::new();
        let (topic, number) = (&scene.partition.topic, scene.partition.number);
        scene.writer().append(&[scene.deferred("billing", (10, 30), 12), scene.deferred("audit", (50, 60), 10)]).unwrap();
        scene.writer_of("other", Vec::new()).append(&[scene.deferred("billing", (1, 2), 1)]).unwrap();
        let missed = || {
            let missed = scene.reader().missed("shop", topic).unwrap();
            let of = |of: &MissedRange| (of.receiver.clone(), of.from.get(), of.to.get(), of.events);
            missed.get(&number).map_or_else(Vec::new, |all| all.iter().map(of).collect())
        };
        assert_eq!(missed(), [("audit".to_owned(), 50, 60, 10), ("billing".to_owned(), 10, 30, 12)]);
        let connection = rusqlite::Connection::open(scene.place().path).unwrap();
        connection.execute("UPDATE deferred SET delivered_to = 25 WHERE from_offset = 10", []).unwrap();
        connection.execute("UPDATE deferred SET delivered_to = to_offset WHERE from_offset = 50", []).unwrap();
        assert_eq!(missed(), [("billing".to_owned(), 25, 30, 5)], "at most one for each offset that is left");
        // As a journal that an older version has made.
        connection.execute_batch("DROP TABLE deferred; PRAGMA user_version = 2").unwrap();
        assert_eq!(missed(), []);
    }

    #[test]
    fn progress_is_where_the_group_was_seen_last() {
        let scene = Scene::new();
        let (topic, number) = (&scene.partition.topic, scene.partition.number);
        let seen = || scene.reader().progress("shop", topic, number).unwrap();
        scene.writer().append(&[]).unwrap();
        assert_eq!(seen(), None);
        scene.writer().append(&[scene.progress(0, 90)]).unwrap();
        scene.writer().append(&[scene.progress(20, 40)]).unwrap();
        assert_eq!(seen(), Some(next(40)), "the newest, and not the highest");
        assert_eq!(scene.reader().progress("other", topic, number).unwrap(), None);
    }
}
