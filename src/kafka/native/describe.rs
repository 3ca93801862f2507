//! Descriptions of the cluster, of topics and of groups, with what we may do there; the newest times of partitions, and what a topic takes.
//!
//! Ask brokers that have just answered: the client library may abort the process when an answer comes after its time (its issue 4605).

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;

use super::{Event, Queue, checked, text};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The client library gives up first, so that nothing comes after we have.
const GIVES_UP: Duration = Duration::from_secs(1);

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

/// A consumer group that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// As Kafka's tools call it; `Dead` for a group that is not there.
    pub state: String,
    /// `Classic` or `Consumer`.
    pub protocol: String,
    pub members: Vec<Member>,
    pub allowed: Allowed,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    /// `group.instance.id`
    pub static_id: Option<String>,
    pub client_id: String,
    pub host: String,
}

/// Asks one broker: by itself the client library would wait for the controller.
pub(in crate::kafka) fn cluster<C: ClientContext>(client: &Client<C>, broker: i32) -> Result<ClusterDescription, String> {
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
) -> Result<Vec<TopicDescription>, String> {
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
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
                trouble: trouble(sys::rd_kafka_TopicDescription_error(of)).map(|(code, what)| match code {
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => TopicTrouble::Unknown,
                    _ => TopicTrouble::Other(what),
                }),
                allowed: allowed(operations, count),
            }
        };
        Ok((0..count).map(topic).collect())
    }
}

/// The group's coordinator is asked. A group that is not there is described as one that is dead.
pub(in crate::kafka) fn group<C: ClientContext>(client: &Client<C>, name: &str) -> Result<GroupDescription, String> {
    let name = CString::new(name).map_err(|_| "its name has a NUL in it".to_owned())?;
    let mut pointers = [name.as_ptr()];
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let event = ask(client, operation, None, |options, queue| {
        // SAFETY: all are alive during the call, which copies the name.
        unsafe { sys::rd_kafka_DescribeConsumerGroups(client.native_ptr(), pointers.as_mut_ptr(), 1, options, queue) };
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.0.as_ptr());
        let mut count = 0;
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if count == 0 {
            return Err("the broker's answer does not name it".to_owned());
        }
        let of: *const sys::rd_kafka_ConsumerGroupDescription_t = *groups;
        match trouble(sys::rd_kafka_ConsumerGroupDescription_error(of)) {
            Some((RDKafkaErrorCode::GroupIdNotFound, _)) => {
                let (state, protocol) = ("Dead".to_owned(), String::new());
                return Ok(GroupDescription { state, protocol, members: Vec::new(), allowed: Allowed::default() });
            }
            Some((_, what)) => return Err(what),
            None => {}
        }
        let mut count = 0;
        let operations = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(of, &raw mut count);
        let members = 0..sys::rd_kafka_ConsumerGroupDescription_member_count(of);
        Ok(GroupDescription {
            state: text(sys::rd_kafka_consumer_group_state_name(sys::rd_kafka_ConsumerGroupDescription_state(of))),
            protocol: text(sys::rd_kafka_consumer_group_type_name(sys::rd_kafka_ConsumerGroupDescription_type(of))),
            members: members.map(|at| member(sys::rd_kafka_ConsumerGroupDescription_member(of, at))).collect(),
            allowed: allowed(operations, count),
        })
    }
}

/// The highest timestamp of each partition's records, in milliseconds since 1970; those without records are left out.
pub(in crate::kafka) fn newest<C: ClientContext>(
    client: &Client<C>,
    partitions: &[(&str, i32)],
) -> Result<Vec<(String, i32, i64)>, String> {
    let event = ask(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, None, |options, queue| {
        // SAFETY: all are alive during the call, which copies the list; the list is destroyed once.
        unsafe {
            let list = sys::rd_kafka_topic_partition_list_new(0);
            for (topic, partition) in partitions {
                let Ok(topic) = CString::new(*topic) else { continue };
                let element = sys::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), *partition);
                (*element).offset = sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_MAX_TIMESTAMP as i64;
            }
            sys::rd_kafka_ListOffsets(client.native_ptr(), list, options, queue);
            sys::rd_kafka_topic_partition_list_destroy(list);
        }
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_ListOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        let newest = (0..count).filter_map(|at| {
            let info: *const sys::rd_kafka_ListOffsetsResultInfo_t = *infos.add(at);
            let of = super::read_element(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info).as_ref()?);
            let at_ms = sys::rd_kafka_ListOffsetsResultInfo_timestamp(info);
            (of.error.is_ok() && at_ms >= 0).then_some((of.topic, of.partition, at_ms))
        });
        Ok(newest.collect())
    }
}

/// The largest batch of records that a topic takes, in bytes: its `max.message.bytes`.
pub(in crate::kafka) fn largest_batch<C: ClientContext>(client: &Client<C>, topic: &str, broker: i32) -> Result<usize, String> {
    let name = CString::new(topic).map_err(|_| "its name has a NUL in it".to_owned())?;
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
            return Err("the broker's answer does not name it".to_owned());
        }
        let of: *const sys::rd_kafka_ConfigResource_t = *resources;
        if checked(sys::rd_kafka_ConfigResource_error(of)).is_err() {
            return Err(text(sys::rd_kafka_ConfigResource_error_string(of)));
        }
        let entries = sys::rd_kafka_ConfigResource_configs(of, &raw mut count);
        let entry =
            |at| (text(sys::rd_kafka_ConfigEntry_name(*entries.add(at))), text(sys::rd_kafka_ConfigEntry_value(*entries.add(at))));
        let found = (0..count).map(entry).find(|(name, _)| name == "max.message.bytes");
        found.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| "the broker does not say".to_owned())
    }
}

/// Asks, and waits for the answer. What goes wrong with the whole question is the error.
fn ask<C: ClientContext>(
    client: &Client<C>,
    operation: sys::rd_kafka_admin_op_t,
    broker: Option<i32>,
    start: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Event, String> {
    let queue = Queue::new(client).ok_or("the client has no queue")?;
    let wait_ms = i32::try_from(ANSWER.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: options and queue live until after the call that copies what it needs; the options are destroyed once. An option that does
    // not fit the operation is refused with an error, which is ours to destroy.
    let event = unsafe {
        let options = sys::rd_kafka_AdminOptions_new(client.native_ptr(), operation);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, ptr::null_mut(), 0);
        if let Some(broker) = broker {
            sys::rd_kafka_AdminOptions_set_broker(options, broker, ptr::null_mut(), 0);
        }
        let refused = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !refused.is_null() {
            sys::rd_kafka_error_destroy(refused);
        }
        start(options, queue.0.as_ptr());
        sys::rd_kafka_AdminOptions_destroy(options);
        queue.poll(ANSWER + GIVES_UP).ok_or("the broker did not answer in time")?
    };
    // SAFETY: the event is alive, and its text is copied.
    match unsafe { checked(sys::rd_kafka_event_error(event.0.as_ptr())) } {
        Ok(()) => Ok(event),
        // SAFETY: as above.
        Err(_) => Err(unsafe { text(sys::rd_kafka_event_error_string(event.0.as_ptr())) }),
    }
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

// SAFETY of the callers: `of` is alive.
unsafe fn member(of: *const sys::rd_kafka_MemberDescription_t) -> Member {
    // SAFETY: as above; the texts are copied.
    unsafe {
        Member {
            id: text(sys::rd_kafka_MemberDescription_consumer_id(of)),
            static_id: Some(text(sys::rd_kafka_MemberDescription_group_instance_id(of))).filter(|id| !id.is_empty()),
            client_id: text(sys::rd_kafka_MemberDescription_client_id(of)),
            host: text(sys::rd_kafka_MemberDescription_host(of)).trim_start_matches('/').to_owned(),
        }
    }
}

// SAFETY of the callers: null, or `count` operations that are alive. They are read as numbers: a newer broker may have more of them.
unsafe fn allowed(operations: *const sys::rd_kafka_AclOperation_t, count: usize) -> Allowed {
    if operations.is_null() {
        return Allowed::default();
    }
    // SAFETY: as above; the type is a C enum of 32 bits.
    let numbers = unsafe { std::slice::from_raw_parts(operations.cast::<u32>(), count) };
    Allowed(Some(numbers.iter().filter(|number| **number < u32::BITS).fold(0, |bits, number| bits | 1 << number)))
}

// SAFETY of the callers: null, or alive.
unsafe fn trouble(error: *const sys::rd_kafka_error_t) -> Option<(RDKafkaErrorCode, String)> {
    if error.is_null() {
        return None;
    }
    // SAFETY: as above; the text is copied.
    unsafe {
        let code = checked(sys::rd_kafka_error_code(error)).err()?;
        Some((code, text(sys::rd_kafka_error_string(error))))
    }
}
