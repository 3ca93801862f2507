//! The safe face over the C interface of the client library, for what the crate lacks or reads with a panic: one queue that brings
//! records, rebalances, commits and errors as values; headers and commit metadata as bytes; topic uuids.
#![expect(unsafe_code, reason = "this file is the border to C; everything behind it is safe")]

pub(super) mod ask;
pub(super) mod describe;
pub(super) mod groups;
pub(super) mod offsets;

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::record::{HeadersBuf, Timestamp, TimestampKind};

/// A queue of events of one client. It must be dropped before its client.
pub(super) struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

/// One event, and whatever it lends.
pub(super) struct Event(NonNull<sys::rd_kafka_event_t>);

// SAFETY: an event is plain memory of its own; nothing in librdkafka ties it to a thread.
unsafe impl Send for Event {}

/// What an event says that is no record.
pub(super) enum What {
    /// Nothing is left to read right now: the position of the partition.
    EndOfPartition(At),
    Assign(Vec<At>),
    Revoke(Vec<At>),
    /// The answer to a commit, with what the broker said of each partition.
    Committed(Result<(), RDKafkaErrorCode>, Vec<At>),
    Error {
        code: RDKafkaErrorCode,
        is_fatal: bool,
        reason: String,
        at: Option<At>,
    },
    Log {
        level: i32,
        text: String,
    },
    Other,
}

/// An element of a list of partitions, as C has it: `offset` may be one of its negative marks.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Commit metadata; bytes that are not UTF-8 are replaced, because no metadata of ours has any.
    pub(super) metadata: String,
    pub(super) error: Result<(), RDKafkaErrorCode>,
}

/// A record, lent by its event.
#[derive(Clone, Copy)]
pub(super) struct Message<'e> {
    raw: &'e sys::rd_kafka_message_t,
}

impl Queue {
    /// The queue that brings all of a consumer's events.
    pub(super) fn of_consumer<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the client is alive; null means that it is no member of a group.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_consumer(client.native_ptr()) }).map(Self)
    }

    /// A queue of its own, for answers.
    pub(super) fn new<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the client is alive.
        NonNull::new(unsafe { sys::rd_kafka_queue_new(client.native_ptr()) }).map(Self)
    }

    /// The next event, waiting at most `wait`.
    pub(super) fn poll(&self, wait: Duration) -> Option<Event> {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is ours and destroyed when dropped.
        NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.0.as_ptr(), wait_ms) }).map(Event)
    }

    /// Starts a commit; a [`What::Committed`] on this queue answers.
    pub(super) fn commit<C: ClientContext>(
        &self,
        client: &Client<C>,
        offsets: &TopicPartitionList,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: all three are alive during the call, which copies the list; without a callback the answer is an event.
        let error =
            unsafe { sys::rd_kafka_commit_queue(client.native_ptr(), offsets.ptr(), self.0.as_ptr(), None, ptr::null_mut()) };
        checked(error)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once; what it lent ended with the borrow.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

impl Event {
    pub(super) fn is_record(&self) -> bool {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_type(self.0.as_ptr()) == sys::RD_KAFKA_EVENT_FETCH }
    }

    /// Reads the event; for a record see [`Event::message`].
    pub(super) fn what(&self) -> What {
        let event = self.0.as_ptr();
        // SAFETY: the event is alive for as long as `self` is borrowed, and each accessor is called for its own type of event.
        unsafe {
            match sys::rd_kafka_event_type(event) {
                sys::RD_KAFKA_EVENT_REBALANCE => {
                    let partitions = read_list(sys::rd_kafka_event_topic_partition_list(event));
                    if sys::rd_kafka_event_error(event) == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
                        What::Assign(partitions)
                    } else {
                        What::Revoke(partitions)
                    }
                }
                sys::RD_KAFKA_EVENT_OFFSET_COMMIT => What::Committed(
                    checked(sys::rd_kafka_event_error(event)),
                    read_list(sys::rd_kafka_event_topic_partition_list(event)),
                ),
                sys::RD_KAFKA_EVENT_ERROR => self.error(),
                sys::RD_KAFKA_EVENT_LOG => self.log(),
                _ => What::Other,
            }
        }
    }

    /// The record that the event carries, once.
    pub(super) fn message(&self) -> Option<Message<'_>> {
        // SAFETY: the message belongs to the event and lives as long as it does.
        unsafe { sys::rd_kafka_event_message_next(self.0.as_ptr()).as_ref() }.map(|raw| Message { raw })
    }

    fn error(&self) -> What {
        let event = self.0.as_ptr();
        // SAFETY: called for an error event, which is alive; the partition, if there is one, is ours to destroy.
        unsafe {
            let place = sys::rd_kafka_event_topic_partition(event);
            let at = place.as_ref().map(|place| read_element(place));
            if !place.is_null() {
                sys::rd_kafka_topic_partition_destroy(place);
            }
            let error = sys::rd_kafka_event_error(event);
            if let (sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF, Some(at)) = (error, &at) {
                return What::EndOfPartition(at.clone());
            }
            What::Error {
                code: RDKafkaErrorCode::from(error),
                is_fatal: sys::rd_kafka_event_error_is_fatal(event) != 0,
                reason: line(sys::rd_kafka_event_error_string(event)),
                at,
            }
        }
    }

    fn log(&self) -> What {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: called for a log event; the texts live as long as it does and are copied.
        unsafe {
            if sys::rd_kafka_event_log(self.0.as_ptr(), &raw mut facility, &raw mut line, &raw mut level) != 0 {
                return What::Other;
            }
            What::Log { level, text: format!("{} {}", text(facility), self::line(line)) }
        }
    }
}

impl<'e> Message<'e> {
    pub(super) fn topic(&self) -> &'e CStr {
        // SAFETY: a record always has its topic, which outlives the record's event.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.raw.rkt)) }
    }

    pub(super) fn partition(&self) -> i32 {
        self.raw.partition
    }

    pub(super) fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// The error that the client library delivers in a record's place.
    pub(super) fn error(&self) -> Result<(), RDKafkaErrorCode> {
        checked(self.raw.err)
    }

    pub(super) fn key(&self) -> Option<&'e [u8]> {
        // SAFETY: pointer and length belong together and live as long as the event.
        unsafe { bytes(self.raw.key.cast(), self.raw.key_len) }
    }

    pub(super) fn value(&self) -> Option<&'e [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.raw.payload.cast(), self.raw.len) }
    }

    pub(super) fn leader_epoch(&self) -> Option<i32> {
        // SAFETY: the message is alive.
        Some(unsafe { sys::rd_kafka_message_leader_epoch(self.raw) }).filter(|epoch| *epoch >= 0)
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        let ms = unsafe { sys::rd_kafka_message_timestamp(self.raw, &raw mut kind) };
        let kind = match kind {
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => TimestampKind::Create,
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => TimestampKind::Append,
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => TimestampKind::None,
        };
        Timestamp { ms: (ms >= 0).then_some(ms), kind: if ms >= 0 { kind } else { TimestampKind::None } }
    }

    /// Copies the headers. Names are bytes here: the crate's own accessors panic where one is not UTF-8. A name ends at its first NUL,
    /// because C says so.
    pub(super) fn read_headers(&self, into: &mut HeadersBuf) {
        into.clear();
        let mut headers = ptr::null_mut();
        // SAFETY: the headers belong to the message; names end with a NUL; values are as long as they say.
        unsafe {
            if checked(sys::rd_kafka_message_headers(self.raw, &raw mut headers)).is_err() {
                return;
            }
            for index in 0.. {
                let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
                let got = sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size);
                if checked(got).is_err() || name.is_null() {
                    return;
                }
                into.push(CStr::from_ptr(name).to_bytes(), bytes(value.cast(), size));
            }
        }
    }
}

/// Topic uuids as Kafka's tools print them, in the order of `topics`; `None` where the broker is too old to have any. `broker` is asked:
/// by itself the client library would wait for the controller, which an embedded broker does not have. Ask one that has just answered:
/// the client library may abort the process when the answer comes after its time (its issue 4605).
///
/// # Errors
/// When the broker did not answer, or the client library cannot ask.
pub(super) fn topic_uuids<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    broker: i32,
    wait: Duration,
) -> Result<Vec<Result<Option<String>, String>>, String> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(*topic).ok()).collect();
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let queue = Queue::new(client).ok_or("the client has no queue")?;
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: collection, options and queue live until after the call that copies what it needs; each is destroyed once.
    let event = unsafe {
        let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options =
            sys::rd_kafka_AdminOptions_new(client.native_ptr(), sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, ptr::null_mut(), 0);
        sys::rd_kafka_AdminOptions_set_broker(options, broker, ptr::null_mut(), 0);
        sys::rd_kafka_DescribeTopics(client.native_ptr(), collection, options, queue.0.as_ptr());
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(collection);
        queue.poll(wait + Duration::from_secs(1)).ok_or("the broker did not describe its topics in time")?
    };
    // SAFETY: the result and all that it points to live as long as the event.
    unsafe {
        let error = sys::rd_kafka_event_error(event.0.as_ptr());
        if checked(error).is_err() {
            return Err(line(sys::rd_kafka_event_error_string(event.0.as_ptr())));
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        let mut count = 0;
        let described = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let described: Vec<_> = (0..count).map(|at| *described.add(at)).collect();
        let uuid = |topic: &&str| {
            let found = described
                .iter()
                .find(|&&of| CStr::from_ptr(sys::rd_kafka_TopicDescription_name(of)).to_bytes() == topic.as_bytes());
            let Some(&of) = found else { return Err(format!("the broker does not describe topic {topic}")) };
            let error = sys::rd_kafka_TopicDescription_error(of);
            if checked(sys::rd_kafka_error_code(error)).is_err() {
                return Err(format!("{topic}: {}", line(sys::rd_kafka_error_string(error))));
            }
            let uuid = text(sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(of)));
            let uuid = in_url_alphabet(&uuid);
            Ok(Some(uuid).filter(|uuid| has_bits(uuid)))
        };
        Ok(topics.iter().map(uuid).collect())
    }
}

/// Lets the client library know the brokers of the beginning again. When a cluster that is just coming back names no broker at all, the
/// library forgets all that it knew, and asks nobody any more (its issue 5301).
pub(super) fn add_brokers<C: ClientContext>(client: &Client<C>, bootstrap: &str) {
    let Ok(bootstrap) = CString::new(bootstrap) else { return };
    // SAFETY: the client is alive; the list is copied.
    let count = unsafe { sys::rd_kafka_brokers_add(client.native_ptr(), bootstrap.as_ptr()) };
    tracing::debug!(count, "no broker was known any more");
}

/// The client library writes uuids in the ordinary alphabet of base64, Kafka's tools in that of URLs.
fn in_url_alphabet(uuid: &str) -> String {
    uuid.replace('+', "-").replace('/', "_")
}

/// The uuid of nothing is all zeros.
fn has_bits(uuid: &str) -> bool {
    uuid.bytes().any(|byte| byte != b'A' && byte != b'=')
}

/// Reads a list of partitions with their metadata as bytes: the crate panics when those are not UTF-8.
pub(super) fn elements(list: &TopicPartitionList) -> Vec<At> {
    // SAFETY: the list is alive.
    unsafe { read_list(list.ptr()) }
}

// SAFETY of the callers: `list` is null or a list that is alive.
unsafe fn read_list(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<At> {
    // SAFETY: a list has `cnt` elements.
    unsafe {
        let Some(list) = list.as_ref() else { return Vec::new() };
        let count = usize::try_from(list.cnt).unwrap_or(0);
        (0..count).map(|at| read_element(&*list.elems.add(at))).collect()
    }
}

// SAFETY of the callers: the element's texts are alive.
unsafe fn read_element(element: &sys::rd_kafka_topic_partition_t) -> At {
    // SAFETY: the topic ends with a NUL, the metadata is as long as it says.
    unsafe {
        At {
            topic: text(element.topic),
            partition: element.partition,
            offset: element.offset,
            metadata: String::from_utf8_lossy(bytes(element.metadata.cast(), element.metadata_size).unwrap_or_default())
                .into_owned(),
            error: checked(element.err),
        }
    }
}

// SAFETY of the callers: null, or `len` bytes that live as long as 'a.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as above; the pointer is not null.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, len) })
}

// To the letter: the name of a group may begin and end with spaces, or be one.
// SAFETY of the callers: null, or a text that ends with a NUL.
unsafe fn text(pointer: *const std::os::raw::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

// What is said to people; some of it ends with a line break.
// SAFETY of the callers: as of `text`.
unsafe fn line(pointer: *const std::os::raw::c_char) -> String {
    // SAFETY: as above.
    unsafe { text(pointer) }.trim().to_owned()
}

fn checked(error: sys::rd_kafka_resp_err_t) -> Result<(), RDKafkaErrorCode> {
    match error {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(RDKafkaErrorCode::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_are_written_as_kafkas_tools_write_them() {
        assert_eq!(in_url_alphabet("J8S90kybSTujoXTr/I+6FA"), "J8S90kybSTujoXTr_I-6FA");
        assert!(!has_bits("AAAAAAAAAAAAAAAAAAAAAA") && has_bits("AAAAAAAAAAAAAAAAAAAAAQ"));
    }
}
