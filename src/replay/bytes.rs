//! Where the bytes of entries come from, when not from the journal: the logs of their topics, as far as these still have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journal::SelectedPartition;
use crate::kafka::PartitionLog;
use crate::record::NextOffset;
use crate::replay::error::ReplayError;
use crate::replay::prepare::{Draft, Reads};
use crate::replay::ranges::{Wanted, joined};
use crate::replay::request::{SourceChoice, What};
use crate::replay::source::Span;

/// Records of a log that lie no further apart than this are read in one go.
const NEAR: i64 = 500;

impl Draft {
    /// Entries whose bytes are to come from the topic, or cannot come from anywhere else.
    pub(super) fn read_from_topics(&mut self) -> Result<(), ReplayError> {
        if matches!(self.request.what, What::Records(_)) || self.request.source == SourceChoice::Journal {
            return Ok(());
        }
        let all = self.request.source == SourceChoice::Topic;
        let mut lacking = Vec::new();
        for of in self.partitions()? {
            let mut spans = Vec::new();
            self.each_row(&of, |row| {
                if all || !row.has_payload {
                    spans.push(Span { from: NextOffset::before(row.offset), to: row.offset.next() });
                }
            })?;
            if !spans.is_empty() {
                lacking.push((of, spans));
            }
        }
        let (lacking, spans): (Vec<_>, Vec<_>) = lacking.into_iter().unzip();
        let logs = self.logs_of(&lacking)?;
        for ((of, spans), log) in lacking.into_iter().zip(spans).zip(logs) {
            let Some(log) = log else { continue };
            let mut wanted = Wanted { log, spans: joined(spans, NEAR) };
            wanted.drop_from(wanted.log.end);
            let spans = wanted.parted().in_log;
            if !spans.is_empty() {
                self.reads.insert((of.topic.name.clone(), of.number), Reads { topic: Arc::clone(&of.topic), spans });
            }
        }
        Ok(())
    }

    /// The log of each partition; `None` when its topic is not there any more, or another one of that name is.
    pub(super) fn logs_of(&self, partitions: &[SelectedPartition]) -> Result<Vec<Option<PartitionLog>>, ReplayError> {
        let Some(logs) = &self.logs else { return Ok(partitions.iter().map(|_| None).collect()) };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for of in partitions.iter().filter(|of| of.topic.cluster_id == logs.cluster().id()) {
            if !counts.contains_key(of.topic.name.as_str()) {
                counts.insert(&of.topic.name, logs.cluster().topic(&of.topic.name)?.map_or(0, |topic| topic.partitions));
            }
        }
        let is_there = |of: &SelectedPartition| {
            let count = counts.get(of.topic.name.as_str()).filter(|_| of.topic.cluster_id == logs.cluster().id());
            count.is_some_and(|count| usize::try_from(of.number).is_ok_and(|number| number < *count))
        };
        let there: Vec<(&str, i32)> =
            partitions.iter().filter(|of| is_there(of)).map(|of| (of.topic.name.as_str(), of.number)).collect();
        let mut looked = logs.look(&there).into_iter();
        let log = |of: &SelectedPartition| {
            let Some(log) = is_there(of).then(|| looked.next()).flatten() else { return Ok(None) };
            let place = format!("{}/{}", of.topic.name, of.number);
            let log = log.map_err(|message| ReplayError::Unanswered { place, message })?;
            let is_another = log.uuid.is_some() && of.topic.uuid.is_some() && log.uuid != of.topic.uuid;
            Ok((!is_another).then_some(log))
        };
        partitions.iter().map(log).collect()
    }
}
