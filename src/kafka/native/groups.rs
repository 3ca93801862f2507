//! Groups through the admin interface: which there are, and how their coordinators describe them.
//!
//! The client library knows the types `classic` and `consumer`, and leaves groups of other types out of its list. What it calls its old
//! interface lists all of them, and describes those that are no consumers at all, such as Kafka Connect's workers.

use std::ffi::{c_char, c_int};
use std::ptr;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};

use super::ask::{ANSWER, Refusal, ask, name};
use super::describe::{Allowed, allowed};
use super::text;
use crate::offsets::{GroupMember, TopicPartition};

unsafe extern "C" {
    // The code as a number, as in `ask`.
    fn rd_kafka_list_groups(
        client: *mut sys::rd_kafka_t,
        group: *const c_char,
        list: *mut *const sys::rd_kafka_group_list,
        wait_ms: c_int,
    ) -> c_int;
}

/// A consumer group that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// As Kafka's tools call it; `Dead` for a group that is not there.
    pub state: String,
    /// `Classic` or `Consumer`; `Unknown` where the broker does not say.
    pub protocol: String,
    pub members: Vec<GroupMember>,
    pub allowed: Allowed,
}

/// A group as the old interface lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct AnyGroup {
    pub(in crate::kafka) group: String,
    /// `Dead` where the broker describes only groups of type `classic`, and this is another.
    pub(in crate::kafka) state: String,
    /// `consumer`, `connect`, …; empty where nobody has said, or the broker describes no such group.
    pub(in crate::kafka) kind: String,
    /// Without what is assigned to them.
    pub(in crate::kafka) members: Vec<GroupMember>,
}

/// The group's coordinator is asked. A group that is not there is described as one that is dead; so is one that is not of type `classic`
/// or `consumer`.
pub(in crate::kafka) fn describe<C: ClientContext>(client: &Client<C>, group: &str) -> Result<GroupDescription, Refusal> {
    let name = name(group)?;
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
            return Err(Refusal::unnamed());
        }
        let of: *const sys::rd_kafka_ConsumerGroupDescription_t = *groups;
        match Refusal::read(sys::rd_kafka_ConsumerGroupDescription_error(of)) {
            Some(Refusal { code: Refusal::NO_SUCH_GROUP, .. }) => {
                let (state, protocol) = ("Dead".to_owned(), String::new());
                return Ok(GroupDescription { state, protocol, members: Vec::new(), allowed: Allowed::default() });
            }
            Some(refusal) => return Err(refusal),
            None => {}
        }
        let mut count = 0;
        let operations = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(of, &raw mut count);
        let members = 0..sys::rd_kafka_ConsumerGroupDescription_member_count(of);
        let kind = sys::rd_kafka_ConsumerGroupDescription_type(of);
        Ok(GroupDescription {
            state: state(sys::rd_kafka_ConsumerGroupDescription_state(of), kind),
            protocol: text(sys::rd_kafka_consumer_group_type_name(kind)),
            members: members.map(|at| member(sys::rd_kafka_ConsumerGroupDescription_member(of, at))).collect(),
            allowed: allowed(operations, count),
        })
    }
}

/// Name, state and type of all groups of type `classic` and `consumer`, but those that are no consumers. Every broker is asked, and each
/// must answer.
pub(in crate::kafka) fn list<C: ClientContext>(client: &Client<C>) -> Result<Vec<(String, String, String)>, Refusal> {
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS;
    let event = ask(client, operation, None, |options, queue| {
        // SAFETY: all are alive during the call.
        unsafe { sys::rd_kafka_ListConsumerGroups(client.native_ptr(), options, queue) };
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_ListConsumerGroups_result(event.0.as_ptr());
        let mut count = 0;
        let errors = sys::rd_kafka_ListConsumerGroups_result_errors(result, &raw mut count);
        if let Some(refusal) = (0..count).find_map(|at| Refusal::read(*errors.add(at))) {
            return Err(refusal);
        }
        let groups = sys::rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count);
        let group = |at| {
            let of: *const sys::rd_kafka_ConsumerGroupListing_t = *groups.add(at);
            let kind = sys::rd_kafka_ConsumerGroupListing_type(of);
            (
                text(sys::rd_kafka_ConsumerGroupListing_group_id(of)),
                state(sys::rd_kafka_ConsumerGroupListing_state(of), kind),
                text(sys::rd_kafka_consumer_group_type_name(kind)),
            )
        };
        Ok((0..count).map(group).collect())
    }
}

/// Groups of all types, or the one of that name, through the old interface. Every broker is asked, and each must answer.
pub(in crate::kafka) fn any<C: ClientContext>(client: &Client<C>, group: Option<&str>) -> Result<Vec<AnyGroup>, Refusal> {
    let group = group.map(name).transpose()?;
    let pointer = group.as_ref().map_or(ptr::null(), |name| name.as_ptr());
    let wait_ms = i32::try_from(ANSWER.as_millis()).unwrap_or(i32::MAX);
    let mut list = ptr::null();
    // SAFETY: all are alive during the call; a list, which comes with some errors, too, is ours to destroy, once, after it was copied.
    unsafe {
        let code = rd_kafka_list_groups(client.native_ptr(), pointer, &raw mut list, wait_ms);
        let groups = list.as_ref().map_or_else(Vec::new, |list: &sys::rd_kafka_group_list| {
            let count = usize::try_from(list.group_cnt).unwrap_or(0);
            (0..count).map(|at| any_group(list.groups.add(at))).collect()
        });
        if !list.is_null() {
            sys::rd_kafka_group_list_destroy(list);
        }
        if code == Refusal::NONE { Ok(groups) } else { Err(Refusal::of(code)) }
    }
}

// SAFETY of the callers: `of` is alive.
unsafe fn any_group(of: *const sys::rd_kafka_group_info) -> AnyGroup {
    // SAFETY: as above; a group has as many members as it says, and the texts are copied.
    unsafe {
        let count = usize::try_from((*of).member_cnt).unwrap_or(0);
        let member = |at| {
            let of: *const sys::rd_kafka_group_member_info = (*of).members.add(at);
            GroupMember {
                id: text((*of).member_id),
                static_id: None,
                client_id: text((*of).client_id),
                host: host(&text((*of).client_host)),
                assigned: Vec::new(),
            }
        };
        AnyGroup {
            group: text((*of).group),
            state: text((*of).state),
            kind: text((*of).protocol_type),
            members: (0..count).map(member).collect(),
        }
    }
}

// SAFETY of the callers: `of` is alive.
unsafe fn member(of: *const sys::rd_kafka_MemberDescription_t) -> GroupMember {
    // SAFETY: as above; the texts are copied, and a member without an assignment has none to be read.
    unsafe {
        let assignment = sys::rd_kafka_MemberDescription_assignment(of);
        let assigned = if assignment.is_null() { ptr::null() } else { sys::rd_kafka_MemberAssignment_partitions(assignment) };
        let assigned = super::ask::Place::read_all(assigned).into_iter();
        GroupMember {
            id: text(sys::rd_kafka_MemberDescription_consumer_id(of)),
            static_id: Some(text(sys::rd_kafka_MemberDescription_group_instance_id(of))).filter(|id| !id.is_empty()),
            client_id: text(sys::rd_kafka_MemberDescription_client_id(of)),
            host: host(&text(sys::rd_kafka_MemberDescription_host(of))),
            assigned: assigned.map(|place| TopicPartition { topic: place.topic, partition: place.partition }).collect(),
        }
    }
}

/// Java writes a slash before an address that has no name.
fn host(text: &str) -> String {
    text.trim_start_matches('/').to_owned()
}

/// The client library does not know the states that only KIP-848 has: `Assigning`, which passes at once, and `Reconciling`.
fn state(state: sys::rd_kafka_consumer_group_state_t, kind: sys::rd_kafka_consumer_group_type_t) -> String {
    use sys::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_UNKNOWN as UNKNOWN;
    use sys::rd_kafka_consumer_group_type_t::RD_KAFKA_CONSUMER_GROUP_TYPE_CONSUMER as CONSUMER;
    match (state, kind) {
        (UNKNOWN, CONSUMER) => "Reconciling".to_owned(),
        // SAFETY: the name of a state that the library knows is a text that stays.
        _ => unsafe { text(sys::rd_kafka_consumer_group_state_name(state)) },
    }
}
