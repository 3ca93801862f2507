//! Groups and what they have committed: asked, changed, and read back, by the admin interface. It joins no group.
//!
//! Which coordinator a group has is remembered by the client library for a quarter of an hour, even when that broker says that it is
//! none: then a new client asks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::client::Client;

use crate::engine::stop::StopToken;
use crate::kafka::cluster::{ANSWER, Cluster, ClusterError, a_broker};
use crate::kafka::connecting::Complaints;
use crate::kafka::connection::Connection;
use crate::kafka::native::ask::{Place, Refusal};
use crate::kafka::native::offsets::{self, Point};
use crate::kafka::native::{self, describe, groups};
use crate::kafka::written;
use crate::offsets::{
    AdminError, Answered, GroupAdmin, GroupListing, GroupOffset, GroupProtocol, GroupView, LogBounds, TopicPartition, called,
    first_ms,
};
use crate::record::{NextOffset, Topic};

/// A coordinator that is not there yet is waited for so long: the first question about a group makes the topic of all commits, and
/// what is in it is loaded after a start.
const COORDINATES: Duration = Duration::from_secs(15);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);

/// Without a group of its own, the client library reads from a null pointer when a coordinator has moved. Nobody joins this one.
const NOBODY: &str = "redrive-groups";

/// How a group that is not there is described.
const DEAD: &str = "Dead";

/// A short-lived client for groups. One for each command.
pub struct Groups {
    connection: Connection,
    cluster: RefCell<Cluster>,
}

impl Groups {
    /// Waits for the first answer of a broker; `None` when the run was asked to stop meanwhile.
    ///
    /// # Errors
    /// When there is none `within` that time, or none can be hoped for, with what is wrong.
    pub fn open(connection: &Connection, within: Duration, stop: &StopToken) -> Result<Option<Self>, ClusterError> {
        let cluster = client(connection, within, stop)?;
        Ok(cluster.map(|cluster| Self { connection: connection.clone(), cluster: RefCell::new(cluster) }))
    }

    /// Of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        self.cluster.borrow().id().to_owned()
    }

    /// Asks, and asks again while a coordinator is not there.
    fn asked<T>(&self, ask: impl Fn(&Client<Complaints>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let deadline = Instant::now() + COORDINATES;
        loop {
            let answer = ask(self.cluster.borrow().client());
            let Err(refusal) = &answer else { return answer };
            if !refusal.is_of_coordinator() || Instant::now() >= deadline {
                return answer;
            }
            tracing::debug!(%refusal, "a coordinator is not there yet");
            self.cluster.borrow().wait(BETWEEN_QUESTIONS);
            if refusal.code == Refusal::NOT_COORDINATOR
                && let Ok(Some(cluster)) = client(&self.connection, ANSWER, &StopToken::default())
            {
                self.cluster.replace(cluster);
            }
        }
    }

    /// As [`Groups::asked`], of something that answers for each partition: a coordinator says there, too, that it is none.
    fn asked_each(&self, ask: impl Fn(&Client<Complaints>) -> Result<Vec<Place>, Refusal>) -> Result<Vec<Place>, Refusal> {
        self.asked(|client| {
            let places = ask(client)?;
            let refused = places.iter().filter_map(|place| place.refusal.as_ref()).find(|refusal| refusal.is_of_coordinator());
            refused.cloned().map_or(Ok(places), Err)
        })
    }

    /// A group that is described as dead, or as no group of consumers: what else it is.
    fn other(&self, found: groups::AnyGroup) -> Result<GroupView, Refusal> {
        let groups::AnyGroup { group, state, kind, members } = found;
        if state != DEAD {
            let protocol = if kind.is_empty() || kind == "consumer" { GroupProtocol::Classic } else { GroupProtocol::Other(kind) };
            return Ok(GroupView { protocol, state, members });
        }
        // It may have been made just now.
        let now = self.asked(|client| groups::describe(client, &group))?;
        if now.state != DEAD {
            return Ok(view(now));
        }
        // Listed, and neither classic nor of KIP-848. Only a group of Kafka Streams has committed offsets.
        let committed = self.asked(|client| offsets::committed(client, &group))?;
        let protocol = if committed.is_empty() { GroupProtocol::Share } else { GroupProtocol::Other("streams".to_owned()) };
        Ok(GroupView { protocol, state: "Unknown".to_owned(), members })
    }

    /// Answers for each partition of `of`, in their order.
    fn log_offsets(&self, of: &[TopicPartition], point: Point) -> Result<Answered<Option<NextOffset>>, Refusal> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = of.iter().map(|at| (at.topic.as_str(), at.partition)).collect();
        let found = match self.asked(|client| offsets::log_offsets(client, &asked, point)) {
            Ok(found) => found,
            Err(Refusal { code: Refusal::NO_LEADER, .. }) => {
                return Ok(of.iter().map(|at| (at.clone(), Err("there is no such partition".to_owned()))).collect());
            }
            Err(refusal) => return Err(refusal),
        };
        let found = found.into_iter().map(|(place, _)| place).collect();
        Ok(in_order(of, found, |place| NextOffset::new(place.offset)))
    }
}

impl GroupAdmin for Groups {
    fn groups(&self) -> Result<Vec<GroupListing>, AdminError> {
        let failed = refused("the groups cannot be listed".to_owned());
        let consumers = self.asked(groups::list).map_err(&failed)?;
        let listing = |(group, state, kind): (String, String, String)| GroupListing { group, protocol: protocol(&kind), state };
        let mut listed: BTreeMap<_, _> = consumers.into_iter().map(listing).map(|of| (of.group.clone(), of)).collect();
        for found in self.asked(|client| groups::any(client, None)).map_err(&failed)? {
            let group = found.group.clone();
            if !listed.contains_key(&group) {
                let GroupView { protocol, state, .. } = self.other(found).map_err(&failed)?;
                listed.insert(group.clone(), GroupListing { group, protocol, state });
            }
        }
        Ok(listed.into_values().collect())
    }

    fn describe(&self, group: &str) -> Result<GroupView, AdminError> {
        let failed = refused(format!("the group {} cannot be described", called(group)));
        match self.asked(|client| groups::describe(client, group)) {
            Ok(found) if found.state != DEAD => return Ok(view(found)),
            Ok(_) | Err(Refusal { code: Refusal::INVALID, .. }) => {}
            Err(refusal) => return Err(failed(refusal)),
        }
        let found = self.asked(|client| groups::any(client, Some(group))).map_err(&failed)?;
        match found.into_iter().find(|of| of.group == group) {
            Some(found) => self.other(found).map_err(failed),
            None => Ok(GroupView { protocol: GroupProtocol::Classic, state: DEAD.to_owned(), members: Vec::new() }),
        }
    }

    fn committed(&self, group: &str) -> Result<Vec<GroupOffset>, AdminError> {
        let failed = refused(format!("what the group {} has committed cannot be read", called(group)));
        let found = self.asked_each(|client| offsets::committed(client, group)).map_err(&failed)?;
        let mut committed = Vec::new();
        for Place { topic, partition, offset, leader_epoch, metadata, refusal } in found {
            if let Some(refusal) = refusal {
                return Err(failed(Refusal { message: format!("{topic}/{partition}: {refusal}"), ..refusal }));
            }
            let at = TopicPartition { topic, partition };
            committed.extend(NextOffset::new(offset).map(|next| GroupOffset { at, next, metadata, leader_epoch }));
        }
        committed.sort_by(|one, other| one.at.cmp(&other.at));
        Ok(committed)
    }

    fn partitions(&self, topic: &str) -> Result<Option<Vec<i32>>, AdminError> {
        let failed = refused(format!("the partitions of {topic} are not known"));
        let cluster = self.cluster.borrow();
        if cluster.topic(topic).map_err(|error| failed(error.to_string()))?.is_none() {
            return Ok(None);
        }
        let metadata = cluster.metadata(Some(topic)).map_err(|error| failed(error.to_string()))?;
        let found = metadata.topics().iter().filter(|found| found.name() == topic);
        let mut numbers: Vec<_> = found.flat_map(|found| found.partitions()).map(|partition| partition.id()).collect();
        numbers.sort_unstable();
        Ok(Some(numbers).filter(|numbers| !numbers.is_empty()))
    }

    fn bounds(&self, of: &[TopicPartition]) -> Result<Answered<LogBounds>, AdminError> {
        let failed = refused("where the logs begin and end is not known".to_owned());
        let starts = self.log_offsets(of, Point::Earliest).map_err(&failed)?;
        let ends = self.log_offsets(of, Point::Latest).map_err(failed)?;
        let bounds = |(start, end): (Result<_, String>, Result<_, String>)| {
            let silent = || "the broker does not say where its log is".to_owned();
            Ok(LogBounds { start: Option::ok_or_else(start?, silent)?, end: Option::ok_or_else(end?, silent)? })
        };
        let pairs = starts.into_iter().zip(ends);
        Ok(pairs.map(|((at, start), (_, end))| (at, bounds((start, end)))).collect())
    }

    fn at_time(&self, of: &[TopicPartition], time: Timestamp) -> Result<Answered<Option<NextOffset>>, AdminError> {
        self.log_offsets(of, Point::Time(first_ms(time))).map_err(refused(format!("the records at {time} are not known")))
    }

    fn kept_for(&self, topic: &str) -> Option<Duration> {
        let cluster = self.cluster.borrow();
        let broker = a_broker(&cluster.metadata(Some(topic)).ok()?);
        let settings = describe::settings(cluster.client(), topic, broker)
            .inspect_err(|error| tracing::debug!(topic, error, "it is not known how long a topic keeps its records"));
        describe::kept_for(&settings.ok()?)
    }

    fn written_at(&self, of: &[(TopicPartition, NextOffset)]) -> Vec<Option<i64>> {
        written::at(&self.connection, &self.cluster_id(), NOBODY, of)
    }

    fn alter(&self, group: &str, to: &[GroupOffset]) -> Result<Answered<()>, AdminError> {
        if to.is_empty() {
            return Ok(Vec::new());
        }
        let failed = refused(format!("the offsets of the group {} cannot be changed", called(group)));
        let changed = self.asked_each(|client| offsets::alter(client, group, to)).map_err(failed)?;
        let of: Vec<_> = to.iter().map(|to| to.at.clone()).collect();
        Ok(in_order(&of, changed, |_| ()))
    }

    fn forget(&self, group: &str, of: &[TopicPartition]) -> Result<Answered<()>, AdminError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let failed = refused(format!("the offsets of the group {} cannot be taken away", called(group)));
        let changed = self.asked_each(|client| offsets::forget(client, group, of)).map_err(failed)?;
        Ok(in_order(of, changed, |_| ()))
    }

    fn identities(&self, names: &[&str]) -> Result<Vec<Option<Topic>>, AdminError> {
        let failed = refused("the topics cannot be described".to_owned());
        let cluster = self.cluster.borrow();
        let metadata = cluster.metadata(None).map_err(|error| failed(error.to_string()))?;
        let is_there = |name: &&str| metadata.topics().iter().any(|of| of.name() == *name && !of.partitions().is_empty());
        let known: Vec<&str> = names.iter().copied().filter(is_there).collect();
        let mut found = BTreeMap::new();
        if !known.is_empty() {
            let uuids = native::topic_uuids(cluster.client(), &known, a_broker(&metadata), ANSWER).map_err(&failed)?;
            for (name, uuid) in known.into_iter().zip(uuids) {
                let uuid = uuid.map_err(&failed)?;
                found.insert(name, Topic { cluster_id: cluster.id().to_owned(), name: name.to_owned(), uuid });
            }
        }
        Ok(names.iter().map(|name| found.get(name).cloned()).collect())
    }

    fn topic_names(&self) -> Result<Vec<String>, AdminError> {
        let failed = refused("the topics cannot be listed".to_owned());
        let topics = self.cluster.borrow().topics().map_err(|error| failed(error.to_string()))?;
        Ok(topics.into_iter().map(|topic| topic.name).collect())
    }
}

fn client(connection: &Connection, within: Duration, stop: &StopToken) -> Result<Option<Cluster>, ClusterError> {
    let mut config = connection.client();
    config.set("group.id", NOBODY);
    Cluster::with(&config, connection, within, stop)
}

/// What cannot be answered, to be said with the reason.
fn refused<M: Into<String>>(what: String) -> impl Fn(M) -> AdminError {
    move |why| AdminError { what: what.clone(), message: why.into() }
}

fn protocol(kind: &str) -> GroupProtocol {
    match kind {
        "Consumer" => GroupProtocol::Consumer,
        // A broker that says no type knows only this one.
        _ => GroupProtocol::Classic,
    }
}

fn view(found: groups::GroupDescription) -> GroupView {
    GroupView { protocol: protocol(&found.protocol), state: found.state, members: found.members }
}

/// The answers in the order of the questions. What was not answered is an error.
fn in_order<T>(of: &[TopicPartition], found: Vec<Place>, read: impl Fn(&Place) -> T) -> Answered<T> {
    let mut found: BTreeMap<_, _> = found.into_iter().map(|place| ((place.topic.clone(), place.partition), place)).collect();
    let answer = |at: &TopicPartition| match found.remove(&(at.topic.clone(), at.partition)) {
        Some(Place { refusal: Some(refusal), .. }) => Err(told(&refusal)),
        Some(place) => Ok(read(&place)),
        None => Err("the broker says nothing about it".to_owned()),
    };
    let answers: Vec<_> = of.iter().map(answer).collect();
    of.iter().cloned().zip(answers).collect()
}

/// What is wrong with one partition, in words that fit what was asked.
fn told(refusal: &Refusal) -> String {
    match refusal.code {
        Refusal::UNKNOWN_PARTITION | Refusal::UNKNOWN_TOPIC | Refusal::UNKNOWN_PARTITION_HERE => {
            "there is no such partition".to_owned()
        }
        // A commit from outside is refused as one of a member that the group does not have.
        Refusal::UNKNOWN_MEMBER => format!("the group has members ({refusal})"),
        _ => refusal.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32, offset: i64, code: i32) -> Place {
        let refusal = (code != Refusal::NONE).then(|| Refusal { code, message: format!("code {code}") });
        Place { topic: "orders".to_owned(), partition, offset, leader_epoch: None, metadata: String::new(), refusal }
    }

    #[test]
    fn each_partition_gets_its_own_answer_in_the_order_of_the_questions() {
        let of: Vec<_> = [3, 1, 2, 0].map(|partition| TopicPartition { topic: "orders".to_owned(), partition }).into();
        let found = vec![place(0, 5, 0), place(1, -1, 0), place(3, 0, Refusal::UNKNOWN_MEMBER)];
        let answers: Vec<_> =
            in_order(&of, found, |place| NextOffset::new(place.offset)).into_iter().map(|(_, answer)| answer).collect();
        let silent = Err("the broker says nothing about it".to_owned());
        let has_members = Err("the group has members (code 25)".to_owned());
        assert_eq!(answers, [has_members, Ok(None), silent, Ok(NextOffset::new(5))]);
    }
}
