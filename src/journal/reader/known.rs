//! What the journal knows without a selection: topics, how far groups came in them, and who their receivers were.
//!
//! None of it walks through failures, but for a group that has no progress in a topic: then an index of that topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::Value;

use crate::engine::ledger::KnownProgress;
use crate::journal::reader::{ReadError, Reader};
use crate::journal::sql;
use crate::record::{NextOffset, Topic};

/// Which topic of this journal: one that was made again is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicRow(pub(in crate::journal) i64);

/// A topic that the journal has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTopic {
    pub row: TopicRow,
    pub topic: Arc<Topic>,
}

/// How far a group came in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Where its progress ended the last time it was written.
    pub last: Option<KnownProgress>,
    /// The highest offset that it ever reached: below it deliveries are late.
    pub highest: NextOffset,
}

impl Reader {
    /// The row of exactly this topic.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn topic(&self, topic: &Topic) -> Result<Option<TopicRow>, ReadError> {
        let row = self.topic_id(topic).map_err(|error| self.failed(error))?;
        Ok(row.map(TopicRow))
    }

    /// The topics of this name, the one that the journal saw first last: of other clusters, or made again.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn topics_called(&self, name: &str) -> Result<Vec<KnownTopic>, ReadError> {
        let read = || {
            let mut select = self.connection.prepare(sql::TOPICS_CALLED)?;
            select.query_map([name], known_topic)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.failed(error))
    }

    /// The groups that have progress or failures in topics of this name, in their order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn groups_of_topic(&self, name: &str) -> Result<Vec<String>, ReadError> {
        let read = || {
            let topics = self.topics([name])?;
            let mut groups = BTreeSet::new();
            for group in self.groups_with_progress()? {
                if self.any(sql::TOPIC_HAS_PROGRESS, &group, &topics)? {
                    groups.insert(group);
                }
            }
            let mut failing = self.connection.prepare(sql::FAILING_GROUPS)?;
            for group in failing.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<String>>>()? {
                if !groups.contains(&group) && self.any(sql::TOPIC_HAS_FAILURES, &group, &topics)? {
                    groups.insert(group);
                }
            }
            Ok(groups.into_iter().collect())
        };
        read().map_err(|error| self.failed(error))
    }

    fn groups_with_progress(&self) -> rusqlite::Result<Vec<String>> {
        let mut next = self.connection.prepare(sql::NEXT_GROUP)?;
        let mut groups = Vec::new();
        let mut last = String::new();
        while let Some(group) = next.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
            groups.push(group.clone());
            last = group;
        }
        Ok(groups)
    }

    fn any(&self, exists: &str, group: &str, topics: &[i64]) -> rusqlite::Result<bool> {
        let mut exists = self.connection.prepare_cached(exists)?;
        for topic in topics {
            if exists.query_row((group, topic), |row| row.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How far a group came in a partition of a topic.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn reached(&self, group: &str, topic: TopicRow, partition: i32) -> Result<Reached, ReadError> {
        reached(&self.connection, group, (topic.0, partition)).map_err(|error| self.failed(error))
    }

    /// What a receiver of a group was when it was last run: shown, never executed. Its `target` is how it was written, secrets masked.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn receiver_definition(&self, group: &str, name: &str) -> Result<Option<Value>, ReadError> {
        let text: Option<String> = self
            .connection
            .query_row(sql::DEFINITION_OF, (group, name), |row| row.get(0))
            .optional()
            .map_err(|error| self.failed(error))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The names of all receivers that a group ever had, as far as the journal knows, in their order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn receivers_of(&self, group: &str) -> Result<Vec<String>, ReadError> {
        let read = || {
            let mut select = self.connection.prepare(sql::RECEIVERS_OF)?;
            select.query_map([group], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<String>>>()
        };
        read().map(|names| names.into_iter().collect()).map_err(|error| self.failed(error))
    }
}

/// The columns of `sql::TOPICS_CALLED` and `sql::TOPIC_OF`.
pub(in crate::journal) fn known_topic(row: &Row<'_>) -> rusqlite::Result<KnownTopic> {
    let uuid: String = row.get(3)?;
    let topic = Topic { cluster_id: row.get(1)?, name: row.get(2)?, uuid: (!uuid.is_empty()).then_some(uuid) };
    Ok(KnownTopic { row: TopicRow(row.get(0)?), topic: Arc::new(topic) })
}

pub(in crate::journal) fn reached(connection: &Connection, group: &str, partition: (i64, i32)) -> rusqlite::Result<Reached> {
    let (topic, partition) = partition;
    let last: Option<(i64, i64, bool)> = connection
        .prepare_cached(sql::LAST_PROGRESS)?
        .query_row((group, topic, partition), |row| Ok((row.get(0)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    Ok(Reached {
        last: last.and_then(|(to, _, has_records)| Some(KnownProgress { to: NextOffset::new(to)?, is_empty: !has_records })),
        highest: last.and_then(|(_, highest, _)| NextOffset::new(highest)).unwrap_or(NextOffset::ZERO),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{Entry, Ledger as _};
    use crate::journal::ReceiverDefinition;
    use crate::journal::samples::{Sample, Scene};
    use crate::record::Partition;
    use crate::record::samples::{partition_of, record_at};

    fn failed(partition: &Arc<Partition>) -> Entry {
        Sample::default().of(record_at(partition, 0, &[], None))
    }

    #[test]
    fn groups_are_known_by_their_progress_or_their_failures() {
        let scene = Scene::new();
        scene.writer().append(&[scene.progress(0, 5)]).unwrap();
        scene.writer_of("another", Vec::new()).append(&[scene.progress(0, 1), scene.failed(0, "billing", &["a"])]).unwrap();
        scene.writer_of("no-progress", Vec::new()).append(&[scene.failed(1, "billing", &["a"])]).unwrap();
        scene.writer_of("elsewhere", Vec::new()).append(&[failed(&partition_of("bills"))]).unwrap();
        let reader = scene.reader();
        assert_eq!(reader.groups_of_topic("orders").unwrap(), ["another", "no-progress", "shop"]);
        assert_eq!(reader.groups_of_topic("bills").unwrap(), ["elsewhere"]);
        assert!(reader.groups_of_topic("nothing").unwrap().is_empty());
    }

    #[test]
    fn a_topic_that_was_made_again_is_another_one() {
        let scene = Scene::new();
        let topic = Arc::new(Topic { uuid: None, ..(*scene.partition.topic).clone() });
        let again = Arc::new(Partition { topic: Arc::clone(&topic), ..Arc::into_inner(partition_of("orders")).unwrap() });
        let mut writer = scene.writer();
        writer.append(&[scene.progress(3, 3), failed(&again), failed(&partition_of("bills"))]).unwrap();
        writer.append(&[scene.progress(3, 9)]).unwrap();
        scene.writer().append(&[scene.progress(5, 7)]).unwrap();
        let reader = scene.reader();
        let [last, first] = &reader.topics_called("orders").unwrap()[..] else { panic!("two topics") };
        assert_eq!((&*last.topic, &*first.topic), (&*topic, &*scene.partition.topic));
        assert_eq!(reader.topic(&topic).unwrap(), Some(last.row));
        assert_eq!(reader.topic(&Topic { cluster_id: "other".into(), ..(*topic).clone() }).unwrap(), None);
        let reached = |row| reader.reached("shop", row, 0).unwrap();
        let to = |to| NextOffset::new(to).unwrap();
        let progress = Some(KnownProgress { to: to(7), is_empty: false });
        assert_eq!(reached(first.row), Reached { last: progress, highest: to(9) });
        assert_eq!(reached(last.row), Reached { last: None, highest: NextOffset::ZERO });
    }

    #[test]
    fn receivers_are_known_by_what_they_were_and_by_their_failures() {
        let scene = Scene::new();
        let defined = |name: &str, target: &str| ReceiverDefinition {
            name: name.into(),
            definition: serde_json::json!({ "target": target }),
        };
        scene.writer_of("shop", vec![defined("search", "discard:"), defined("audit", "file:a")]);
        let mut writer = scene.writer_of("shop", vec![defined("search", "stdout:")]);
        writer.append(&[scene.failed(0, "billing", &["a"]), scene.failed(0, "audit", &["a"])]).unwrap();
        scene.writer_of("other", vec![defined("elsewhere", "discard:")]);
        let reader = scene.reader();
        assert_eq!(reader.receivers_of("shop").unwrap(), ["audit", "billing", "search"]);
        let target = |name| reader.receiver_definition("shop", name).unwrap().map(|of| of["target"].clone());
        assert_eq!(target("search"), Some("stdout:".into()));
        assert_eq!((target("billing"), target("elsewhere")), (None, None));
    }
}
