//! What the brokers say of partitions: what the group has committed, where their logs begin and end, whether a topic is a new one.
//!
//! Each call blocks until it is answered or out of time. Each partition has an answer of its own, so that one without a leader keeps
//! nobody waiting.

use std::collections::BTreeSet;

use rdkafka::Offset as RawOffset;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::types::RDKafkaRespErr;
use thiserror::Error;

use crate::engine::source::Committed;
use crate::engine::start::StartFrom;
use crate::kafka::cluster;
use crate::kafka::native::{self, At};
use crate::record::{NextOffset, Slot};

/// A partition that is asked about.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct Wanted {
    pub(in crate::kafka) slot: Slot,
    pub(in crate::kafka) topic: String,
    pub(in crate::kafka) partition: i32,
}

/// What was found out about a partition.
#[derive(Debug)]
pub(in crate::kafka) struct Seen {
    pub(in crate::kafka) low: NextOffset,
    pub(in crate::kafka) end: NextOffset,
    pub(in crate::kafka) committed: Option<Committed>,
    /// What `--from` means for it.
    pub(in crate::kafka) from: Option<NextOffset>,
    /// The group has committed something for its topic.
    pub(in crate::kafka) is_known_to_group: bool,
    pub(in crate::kafka) uuid: Option<String>,
}

/// Why nothing is known of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::kafka) enum Unseen {
    /// A broker that was asked for its topic says that there is none, or none with this partition.
    #[error("{0}")]
    NotThere(String),
    #[error("{0}")]
    Unanswered(String),
}

/// A topic's name, and its uuid where the broker has one.
pub(super) type TopicUuid = (String, Option<String>);

/// The answers to the questions, as they came.
struct Answers {
    committed: Vec<At>,
    lows: Vec<At>,
    ends: Vec<At>,
    times: Vec<At>,
    topics: Vec<TopicSeen>,
}

struct TopicSeen {
    name: String,
    uuid: Result<Option<String>, String>,
    is_known_to_group: bool,
}

/// Finds out about partitions; in the order of `wanted`.
pub(in crate::kafka) fn look<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    wanted: &[Wanted],
    from: Option<StartFrom>,
) -> Vec<Result<Seen, Unseen>> {
    let names: Vec<&str> = wanted.iter().map(|wanted| wanted.topic.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let one = if let [name] = names[..] { Some(name) } else { None };
    let metadata = match consumer.fetch_metadata(one, cluster::ANSWER) {
        Ok(metadata) => metadata,
        Err(error) => return wanted.iter().map(|_| Err(Unseen::Unanswered(error.to_string()))).collect(),
    };
    let unknown: Vec<&str> = names.into_iter().filter(|name| is_unknown(consumer, &metadata, name)).collect();
    let led: Vec<Result<(&str, i32), Unseen>> = wanted.iter().map(|wanted| led(&metadata, &unknown, wanted)).collect();
    let of: Vec<(&str, i32)> = led.iter().flatten().copied().collect();
    let answers = if of.is_empty() { Err(String::new()) } else { Answers::gather(consumer, &of, from, &metadata) };
    let seen = |at: (&str, i32)| answers.as_ref().map_err(Clone::clone)?.of(at, from);
    led.into_iter().map(|led| seen(led?).map_err(Unseen::Unanswered)).collect()
}

/// Whether a broker says that there is no such topic. It is asked for each by its name: a list of all leaves out what the user may not see.
fn is_unknown<C: ConsumerContext>(consumer: &BaseConsumer<C>, metadata: &Metadata, name: &str) -> bool {
    let says_so = |of: &MetadataTopic| of.error() == Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    if let Some(listed) = metadata.topics().iter().find(|of| of.name() == name) {
        return says_so(listed);
    }
    let asked = consumer.fetch_metadata(Some(name), cluster::ANSWER);
    asked.is_ok_and(|metadata| metadata.topics().iter().any(|of| of.name() == name && says_so(of)))
}

/// The topics' uuids as they are now, from a broker that has just answered; what is not known is left out.
pub(super) fn uuids<C: ConsumerContext>(consumer: &BaseConsumer<C>, topics: &BTreeSet<String>, broker: i32) -> Vec<TopicUuid> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Vec::new();
    }
    match native::topic_uuids(consumer.client(), &names, broker, cluster::ANSWER) {
        Ok(uuids) => topics.iter().zip(uuids).filter_map(|(name, uuid)| Some((name.clone(), uuid.ok()?))).collect(),
        Err(error) => {
            tracing::debug!(error, "topics are not described");
            Vec::new()
        }
    }
}

/// A partition that has a leader, without which nobody can say anything about its log.
fn led<'w>(metadata: &Metadata, unknown: &[&str], wanted: &'w Wanted) -> Result<(&'w str, i32), Unseen> {
    let Wanted { topic, partition, .. } = wanted;
    let listed = metadata.topics().iter().find(|of| of.name() == topic);
    let others = listed.map_or(&[][..], |of| of.partitions());
    match others.iter().find(|of| of.id() == *partition) {
        Some(found) if found.leader() >= 0 => Ok((topic, *partition)),
        Some(_) => Err(Unseen::Unanswered(format!("{topic}/{partition} has no leader"))),
        // A topic of which some partitions are listed has no others.
        None if !others.is_empty() || unknown.contains(&topic.as_str()) => {
            Err(Unseen::NotThere(format!("{topic}/{partition} is not there")))
        }
        None => Err(Unseen::Unanswered(format!("{topic}/{partition} is not listed"))),
    }
}

impl Answers {
    fn gather<C: ConsumerContext>(
        consumer: &BaseConsumer<C>,
        of: &[(&str, i32)],
        from: Option<StartFrom>,
        metadata: &Metadata,
    ) -> Result<Self, String> {
        let committed = cluster::committed(consumer, of)?;
        let lows = cluster::list_offsets(consumer, of, RawOffset::Beginning)?;
        let ends = cluster::list_offsets(consumer, of, RawOffset::End)?;
        let times = match from {
            Some(StartFrom::Time(at)) => cluster::list_offsets(consumer, of, RawOffset::Offset(at.as_millisecond()))?,
            Some(StartFrom::Earliest | StartFrom::Latest) | None => Vec::new(),
        };
        let names: Vec<&str> = of.iter().map(|(topic, _)| *topic).collect::<BTreeSet<_>>().into_iter().collect();
        let uuids = native::topic_uuids(consumer.client(), &names, cluster::a_broker(metadata), cluster::ANSWER)?;
        let topics = names.into_iter().zip(uuids).map(|(name, uuid)| {
            let is_known_to_group = is_known_to_group(consumer, name, &committed, metadata)?;
            Ok(TopicSeen { name: name.to_owned(), uuid, is_known_to_group })
        });
        let topics = topics.collect::<Result<_, String>>()?;
        Ok(Self { committed, lows, ends, times, topics })
    }

    fn of(&self, (topic, partition): (&str, i32), from: Option<StartFrom>) -> Result<Seen, String> {
        let find = |list: &[At]| element(list, topic, partition);
        let silent = |what: &str| format!("{topic}/{partition}: the broker does not say where its log {what}");
        let low = NextOffset::new(find(&self.lows)?.offset).ok_or_else(|| silent("begins"))?;
        let end = NextOffset::new(find(&self.ends)?.offset).ok_or_else(|| silent("ends"))?;
        let committed = find(&self.committed)?;
        let seen = self.topics.iter().find(|seen| seen.name == topic).ok_or_else(|| silent("is"))?;
        Ok(Seen {
            low,
            end,
            from: match from {
                Some(StartFrom::Earliest) => Some(low),
                Some(StartFrom::Latest) => Some(end),
                Some(StartFrom::Time(_)) => Some(NextOffset::new(find(&self.times)?.offset).unwrap_or(end)),
                None => None,
            },
            committed: NextOffset::new(committed.offset).map(|next| Committed { next, metadata: committed.metadata }),
            is_known_to_group: seen.is_known_to_group,
            uuid: seen.uuid.clone()?,
        })
    }
}

/// Whether the group has committed anything for a topic. All its partitions are asked only when those at hand say nothing.
fn is_known_to_group<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    committed: &[At],
    metadata: &Metadata,
) -> Result<bool, String> {
    if committed.iter().any(|at| at.topic == topic && at.offset >= 0) {
        return Ok(true);
    }
    let partitions = metadata.topics().iter().filter(|of| of.name() == topic).flat_map(|of| of.partitions());
    let of: Vec<(&str, i32)> = partitions.map(|partition| (topic, partition.id())).collect();
    Ok(cluster::committed(consumer, &of)?.iter().any(|at| at.offset >= 0))
}

fn element(list: &[At], topic: &str, partition: i32) -> Result<At, String> {
    let found = list.iter().find(|at| at.topic == topic && at.partition == partition);
    let found = found.ok_or_else(|| format!("{topic}/{partition}: the broker says nothing about it"))?;
    found.error.map_err(|error| format!("{topic}/{partition}: {error}"))?;
    Ok(found.clone())
}
