//! Descriptions of the cluster and of topics, with what we may do there, and what a topic takes.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};

use super::ask::{Refusal, ask, name};
use super::{checked, line, text};

/// Operations that a broker allows us on something; a bit for each number of Kafka's. `None`: it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Option<u32>);

/// An operation, with Kafka's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Describe = 8,
}

impl Operation {
    /// As Kafka's tools call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Describe => "Describe",
        }
    }
}

impl Allowed {
    /// `None` where the broker does not say.
    #[must_use]
    pub fn has(self, operation: Operation) -> Option<bool> {
        Some(self.0? & (1 << (operation as u32)) != 0)
    }

    #[cfg(test)]
    pub(crate) fn of(operations: &[Operation]) -> Self {
        Self(Some(operations.iter().fold(0, |bits, operation| bits | 1 << (*operation as u32))))
    }
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub address: String,
}

/// What the cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    pub id: String,
    pub nodes: Vec<Node>,
    pub allowed: Allowed,
}

/// A topic that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: String,
    /// Why it cannot be described.
    pub trouble: Option<TopicTrouble>,
    pub allowed: Allowed,
}

/// Why a topic cannot be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicTrouble {
    /// There is none of that name, or none that we may see.
    Unknown,
    /// In Kafka's words.
    Other(String),
}

/// Asks one broker: by itself the client library would wait for the controller.
pub(in crate::kafka) fn cluster<C: ClientContext>(client: &Client<C>, broker: i32) -> Result<ClusterDescription, Refusal> {
    let event = ask(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, Some(broker), |options, queue| {
        // SAFETY: client, options and queue are alive during the call.
        unsafe { sys::rd_kafka_DescribeCluster(client.native_ptr(), options, queue) };
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DescribeCluster_result(event.0.as_ptr());
        let mut count = 0;
        let nodes = sys::rd_kafka_DescribeCluster_result_nodes(result, &raw mut count);
        let nodes = (0..count).map(|at| node(*nodes.add(at))).collect();
        let mut count = 0;
        let operations = sys::rd_kafka_DescribeCluster_result_authorized_operations(result, &raw mut count);
        let id = text(sys::rd_kafka_DescribeCluster_result_cluster_id(result));
        Ok(ClusterDescription { id, nodes, allowed: allowed(operations, count) })
    }
}

/// One description for each topic that the broker knows of; it says itself what is wrong with one.
pub(in crate::kafka) fn topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    broker: i32,
) -> Result<Vec<TopicDescription>, Refusal> {
    let names: Vec<_> = names.iter().filter_map(|topic| name(topic).ok()).collect();
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let event = ask(client, operation, Some(broker), |options, queue| {
        // SAFETY: all are alive during the call, which copies the names; the collection is destroyed once.
        unsafe {
            let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            sys::rd_kafka_DescribeTopics(client.native_ptr(), collection, options, queue);
            sys::rd_kafka_TopicCollection_destroy(collection);
        }
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        let mut count = 0;
        let described = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let topic = |at| {
            let of: *const sys::rd_kafka_TopicDescription_t = *described.add(at);
            let mut count = 0;
            let operations = sys::rd_kafka_TopicDescription_authorized_operations(of, &raw mut count);
            TopicDescription {
                name: text(sys::rd_kafka_TopicDescription_name(of)),
                trouble: Refusal::read(sys::rd_kafka_TopicDescription_error(of)).map(|refusal| match refusal.code {
                    Refusal::UNKNOWN_PARTITION | Refusal::UNKNOWN_TOPIC => TopicTrouble::Unknown,
                    _ => TopicTrouble::Other(refusal.message),
                }),
                allowed: allowed(operations, count),
            }
        };
        Ok((0..count).map(topic).collect())
    }
}

/// The settings of a topic, by name.
pub(in crate::kafka) fn settings<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    broker: i32,
) -> Result<BTreeMap<String, String>, String> {
    let name = name(topic)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
    let event = ask(client, operation, Some(broker), |options, queue| {
        // SAFETY: all are alive during the call, which copies the resource; the resource is destroyed once.
        unsafe {
            let mut resource =
                sys::rd_kafka_ConfigResource_new(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr());
            sys::rd_kafka_DescribeConfigs(client.native_ptr(), &raw mut resource, 1, options, queue);
            sys::rd_kafka_ConfigResource_destroy(resource);
        }
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConfigs_result(event.0.as_ptr());
        let mut count = 0;
        let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if count == 0 {
            return Err(Refusal::unnamed().message);
        }
        let of: *const sys::rd_kafka_ConfigResource_t = *resources;
        if checked(sys::rd_kafka_ConfigResource_error(of)).is_err() {
            return Err(line(sys::rd_kafka_ConfigResource_error_string(of)));
        }
        let entries = sys::rd_kafka_ConfigResource_configs(of, &raw mut count);
        let entry =
            |at| (text(sys::rd_kafka_ConfigEntry_name(*entries.add(at))), text(sys::rd_kafka_ConfigEntry_value(*entries.add(at))));
        Ok((0..count).map(entry).collect())
    }
}

/// The largest batch of records that a topic takes, in bytes.
pub(in crate::kafka) fn largest_batch(settings: &BTreeMap<String, String>) -> Option<usize> {
    settings.get("max.message.bytes")?.parse().ok()
}

/// How long a topic keeps its records; `None`: without a limit of time, or the broker does not say.
pub(in crate::kafka) fn kept_for(settings: &BTreeMap<String, String>) -> Option<Duration> {
    let is_deleted = settings.get("cleanup.policy")?.split(',').any(|policy| policy.trim() == "delete");
    // -1: for ever.
    let ms: u64 = settings.get("retention.ms")?.parse().ok()?;
    is_deleted.then(|| Duration::from_millis(ms))
}

// SAFETY of the callers: `node` is null or alive.
unsafe fn node(node: *const sys::rd_kafka_Node_t) -> Node {
    if node.is_null() {
        return Node { id: -1, address: String::new() };
    }
    // SAFETY: as above; the text is copied.
    unsafe {
        let address = format!("{}:{}", text(sys::rd_kafka_Node_host(node)), sys::rd_kafka_Node_port(node));
        Node { id: sys::rd_kafka_Node_id(node), address }
    }
}

// SAFETY of the callers: null, or `count` operations that are alive. They are read as numbers: a newer broker may have more of them.
pub(super) unsafe fn allowed(operations: *const sys::rd_kafka_AclOperation_t, count: usize) -> Allowed {
    if operations.is_null() {
        return Allowed::default();
    }
    // SAFETY: as above; the type is a C enum of 32 bits.
    let numbers = unsafe { slice::from_raw_parts(operations.cast::<u32>(), count) };
    Allowed(Some(numbers.iter().filter(|number| **number < u32::BITS).fold(0, |bits, number| bits | 1 << number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_keeps_its_records_for_a_time_only_if_it_deletes_them() {
        let kept = |policy: &str, ms: &str| {
            let settings =
                [("cleanup.policy", policy), ("retention.ms", ms)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            kept_for(&BTreeMap::from(settings))
        };
        let week = Some(Duration::from_millis(604_800_000));
        assert_eq!((kept("delete", "604800000"), kept("compact,delete", "604800000")), (week, week));
        assert_eq!((kept("compact", "604800000"), kept("delete", "-1"), kept("", "x")), (None, None, None));
        assert_eq!(kept_for(&BTreeMap::new()), None);
    }
}
