//! A question through the admin interface of the client library: asked, waited for, and what went wrong with it.
//!
//! Ask brokers that have just answered: the client library may abort the process when an answer comes after its time (its issue 4605).
//! Codes are read as numbers: a newer broker may have some that the bindings do not know, and as a value of theirs that would be
//! undefined.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use thiserror::Error;

use super::{Event, Queue, line};

/// How long one answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// The client library gives up first, so that nothing comes after we have.
const GIVES_UP: Duration = Duration::from_secs(1);

unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
    fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
    fn rd_kafka_err2str(code: c_int) -> *const c_char;
}

/// Why there is no answer, as the broker or the client library has it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(in crate::kafka) struct Refusal {
    pub(in crate::kafka) code: i32,
    pub(in crate::kafka) message: String,
}

impl Refusal {
    pub(in crate::kafka) const NONE: i32 = 0;
    pub(in crate::kafka) const UNKNOWN_PARTITION: i32 = 3;
    const COORDINATOR_LOADS: i32 = 14;
    const NO_COORDINATOR: i32 = 15;
    pub(in crate::kafka) const NOT_COORDINATOR: i32 = 16;
    pub(in crate::kafka) const UNKNOWN_MEMBER: i32 = 25;
    pub(in crate::kafka) const NO_SUCH_GROUP: i32 = 69;
    /// The client library's own.
    pub(in crate::kafka) const NO_LEADER: i32 = -156;
    pub(in crate::kafka) const INVALID: i32 = -186;
    pub(in crate::kafka) const UNKNOWN_TOPIC: i32 = -188;
    pub(in crate::kafka) const UNKNOWN_PARTITION_HERE: i32 = -190;
    pub(in crate::kafka) const NO_ANSWER: i32 = -185;

    /// Whether a coordinator is not there yet, or somewhere else: it is to be asked again.
    pub(in crate::kafka) fn is_of_coordinator(&self) -> bool {
        matches!(self.code, Self::COORDINATOR_LOADS | Self::NO_COORDINATOR | Self::NOT_COORDINATOR)
    }

    /// In Kafka's words.
    pub(super) fn of(code: i32) -> Self {
        // SAFETY: any number is taken, and the text is copied.
        Self { code, message: unsafe { line(rd_kafka_err2str(code)) } }
    }

    /// With a broker's own words; it may have none, and then only what was asked stands before a colon.
    fn told(code: i32, message: String) -> Self {
        if message.is_empty() || message.ends_with(':') { Self::of(code) } else { Self { code, message } }
    }

    fn ours(code: i32, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }

    pub(super) fn unnamed() -> Self {
        Self::ours(Self::INVALID, "the broker's answer does not name it")
    }

    // SAFETY of the callers: null, or alive.
    pub(super) unsafe fn read(error: *const sys::rd_kafka_error_t) -> Option<Self> {
        // SAFETY: as above; the text is copied.
        unsafe {
            let code = if error.is_null() { Self::NONE } else { rd_kafka_error_code(error) };
            (code != Self::NONE).then(|| Self::told(code, line(sys::rd_kafka_error_string(error))))
        }
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.message
    }
}

/// As C takes it.
pub(super) fn name(of: &str) -> Result<CString, Refusal> {
    CString::new(of).map_err(|_| Refusal::ours(Refusal::INVALID, "its name has a NUL in it"))
}

/// Asks, and waits for the answer. What goes wrong with the whole question is the error.
pub(super) fn ask<C: ClientContext>(
    client: &Client<C>,
    operation: sys::rd_kafka_admin_op_t,
    broker: Option<i32>,
    start: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Event, Refusal> {
    let queue = Queue::new(client).ok_or_else(|| Refusal::ours(Refusal::INVALID, "the client has no queue"))?;
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
        queue.poll(ANSWER + GIVES_UP)
    };
    let event = event.ok_or_else(|| Refusal::ours(Refusal::NO_ANSWER, "the broker did not answer in time"))?;
    // SAFETY: the event is alive, and its text is copied.
    match unsafe { rd_kafka_event_error(event.0.as_ptr()) } {
        Refusal::NONE => Ok(event),
        // SAFETY: as above.
        code => Err(Refusal::told(code, unsafe { line(sys::rd_kafka_event_error_string(event.0.as_ptr())) })),
    }
}

/// An element of a list of partitions, as C has it: `offset` may be one of its negative marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Place {
    pub(in crate::kafka) topic: String,
    pub(in crate::kafka) partition: i32,
    pub(in crate::kafka) offset: i64,
    pub(in crate::kafka) leader_epoch: Option<i32>,
    /// Bytes that are not UTF-8 are replaced.
    pub(in crate::kafka) metadata: String,
    pub(in crate::kafka) refusal: Option<Refusal>,
}

impl Place {
    // SAFETY of the callers: `of` is an element that is alive.
    pub(super) unsafe fn read(of: *const sys::rd_kafka_topic_partition_t) -> Self {
        // SAFETY: as above; the topic ends with a NUL, the metadata is as long as it says, and the code is a C enum of 32 bits.
        unsafe {
            let code = (&raw const (*of).err).cast::<i32>().read();
            let metadata = super::bytes((*of).metadata.cast(), (*of).metadata_size).unwrap_or_default();
            Self {
                topic: CStr::from_ptr((*of).topic).to_string_lossy().into_owned(),
                partition: (*of).partition,
                offset: (*of).offset,
                leader_epoch: Some(sys::rd_kafka_topic_partition_get_leader_epoch(of)).filter(|epoch| *epoch >= 0),
                metadata: String::from_utf8_lossy(metadata).into_owned(),
                refusal: (code != Refusal::NONE).then(|| Refusal::of(code)),
            }
        }
    }

    // SAFETY of the callers: null, or a list that is alive.
    pub(super) unsafe fn read_all(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Self> {
        if list.is_null() {
            return Vec::new();
        }
        // SAFETY: as above; a list has `cnt` elements.
        unsafe {
            let count = usize::try_from((*list).cnt).unwrap_or(0);
            (0..count).map(|at| Self::read((*list).elems.add(at))).collect()
        }
    }
}
