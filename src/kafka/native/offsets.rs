//! Offsets through the admin interface: where logs begin and end, and what groups have committed, read, changed and taken away.
//!
//! The client library takes one group at a time, and answers for each partition alone.

use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};

use super::ask::{Place, Refusal, ask, name};
use crate::offsets::{GroupOffset, TopicPartition};

/// An offset that a log is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Point {
    Earliest,
    /// Behind the last record, whether or not its transaction is over.
    Latest,
    /// Of the first record at or after a time, in milliseconds since 1970.
    Time(i64),
    /// Of the record with the highest timestamp.
    Newest,
}

/// The client library's mark in place of an offset, where a leader has not answered.
const SILENT: i64 = -1001;

/// A list of partitions of our own.
struct List(NonNull<sys::rd_kafka_topic_partition_list_t>);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) };
    }
}

impl List {
    fn new() -> Result<Self, Refusal> {
        // SAFETY: any capacity is taken.
        let list = NonNull::new(unsafe { sys::rd_kafka_topic_partition_list_new(0) });
        list.map(Self).ok_or_else(|| Refusal::of(Refusal::INVALID))
    }

    /// The new element, good until the next one is added.
    fn add(&self, topic: &str, partition: i32) -> Result<*mut sys::rd_kafka_topic_partition_t, Refusal> {
        let topic = name(topic)?;
        // SAFETY: the list is alive, and the name is copied.
        Ok(unsafe { sys::rd_kafka_topic_partition_list_add(self.0.as_ptr(), topic.as_ptr(), partition) })
    }

    fn of(partitions: &[TopicPartition]) -> Result<Self, Refusal> {
        let list = Self::new()?;
        for TopicPartition { topic, partition } in partitions {
            list.add(topic, *partition)?;
        }
        Ok(list)
    }

    fn to_commit<C: ClientContext>(client: &Client<C>, offsets: &[GroupOffset]) -> Result<Self, Refusal> {
        let list = Self::new()?;
        for GroupOffset { at, next, metadata, leader_epoch } in offsets {
            let element = list.add(&at.topic, at.partition)?;
            // SAFETY: the element is alive until the next one is added; its metadata is allocated as the library frees it, with the list.
            unsafe {
                (*element).offset = next.get();
                if let Some(epoch) = leader_epoch {
                    sys::rd_kafka_topic_partition_set_leader_epoch(element, *epoch);
                }
                if !metadata.is_empty() {
                    let copy = sys::rd_kafka_mem_malloc(client.native_ptr(), metadata.len());
                    ptr::copy_nonoverlapping(metadata.as_ptr(), copy.cast::<u8>(), metadata.len());
                    (*element).metadata = copy;
                    (*element).metadata_size = metadata.len();
                }
            }
        }
        Ok(list)
    }
}

/// A place for each partition asked for, with the timestamp of the record there in milliseconds (negative: none). Its offset is negative
/// where there is no such record. All leaders are asked at once.
pub(in crate::kafka) fn log_offsets<C: ClientContext>(
    client: &Client<C>,
    of: &[(&str, i32)],
    point: Point,
) -> Result<Vec<(Place, i64)>, Refusal> {
    let spec = match point {
        Point::Earliest => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i64,
        Point::Latest => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i64,
        Point::Newest => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_MAX_TIMESTAMP as i64,
        Point::Time(ms) => ms.max(0),
    };
    let list = List::new()?;
    for (topic, partition) in of {
        let element = list.add(topic, *partition)?;
        // SAFETY: the element is alive until the next one is added.
        unsafe { (*element).offset = spec };
    }
    let event = ask(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, None, |options, queue| {
        // SAFETY: all are alive during the call, which copies the list.
        unsafe { sys::rd_kafka_ListOffsets(client.native_ptr(), list.0.as_ptr(), options, queue) };
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_ListOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        let found = (0..count).map(|at| {
            let info: *const sys::rd_kafka_ListOffsetsResultInfo_t = *infos.add(at);
            let mut place = Place::read(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info));
            // A leader that was lost on the way leaves its partitions as they were, without an error.
            if place.refusal.is_none() && place.offset == SILENT {
                place.refusal = Some(Refusal::of(Refusal::NO_ANSWER));
            }
            (place, sys::rd_kafka_ListOffsetsResultInfo_timestamp(info))
        });
        Ok(found.collect())
    }
}

/// All that a group has committed; its coordinator is asked. A group that is not there has nothing.
pub(in crate::kafka) fn committed<C: ClientContext>(client: &Client<C>, group: &str) -> Result<Vec<Place>, Refusal> {
    let group = name(group)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
    let event = ask(client, operation, None, |options, queue| {
        // SAFETY: all are alive during the call, which copies the request; no list means all partitions; the request is destroyed once.
        unsafe {
            let mut request = sys::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null());
            sys::rd_kafka_ListConsumerGroupOffsets(client.native_ptr(), &raw mut request, 1, options, queue);
            sys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
        }
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        of_one_group(groups, count)
    }
}

/// Commits for a group. Each place of the answer says whether it was taken.
pub(in crate::kafka) fn alter<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    to: &[GroupOffset],
) -> Result<Vec<Place>, Refusal> {
    let (group, list) = (name(group)?, List::to_commit(client, to)?);
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS;
    let event = ask(client, operation, None, |options, queue| {
        // SAFETY: all are alive during the call, which copies the request; the request is destroyed once.
        unsafe {
            let mut request = sys::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.0.as_ptr());
            sys::rd_kafka_AlterConsumerGroupOffsets(client.native_ptr(), &raw mut request, 1, options, queue);
            sys::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
        }
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let groups = sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
        of_one_group(groups, count)
    }
}

/// Takes away what a group has committed. Each place of the answer says whether it is gone.
pub(in crate::kafka) fn forget<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    of: &[TopicPartition],
) -> Result<Vec<Place>, Refusal> {
    let (group, list) = (name(group)?, List::of(of)?);
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS;
    let event = ask(client, operation, None, |options, queue| {
        // SAFETY: all are alive during the call, which copies the request; the request is destroyed once.
        unsafe {
            let mut request = sys::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), list.0.as_ptr());
            sys::rd_kafka_DeleteConsumerGroupOffsets(client.native_ptr(), &raw mut request, 1, options, queue);
            sys::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
        }
    })?;
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DeleteConsumerGroupOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let groups = sys::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &raw mut count);
        of_one_group(groups, count)
    }
}

// SAFETY of the callers: `groups` has `count` elements, all alive.
unsafe fn of_one_group(groups: *const *const sys::rd_kafka_group_result_t, count: usize) -> Result<Vec<Place>, Refusal> {
    if count == 0 {
        return Err(Refusal::unnamed());
    }
    // SAFETY: as above.
    unsafe {
        let group: *const sys::rd_kafka_group_result_t = *groups;
        match Refusal::read(sys::rd_kafka_group_result_error(group)) {
            Some(refusal) => Err(refusal),
            None => Ok(Place::read_all(sys::rd_kafka_group_result_partitions(group))),
        }
    }
}
