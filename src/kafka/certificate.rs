//! Why a broker's certificate is refused: asked once more, after the client library only said that it is.
//!
//! The library hands each certificate to a callback with OpenSSL's verdict; ours keeps the verdict as it is, and writes it down.
#![expect(unsafe_code, reason = "the crate has no way to set this callback of the client library")]

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::{RDKafkaConfRes, RDKafkaType};

const LOOK_AROUND: Duration = Duration::from_millis(50);

/// OpenSSL's code for the first certificate that was refused; 0 while none was.
#[derive(Default)]
struct Verdict(AtomicI32);

impl ClientContext for Verdict {}

/// OpenSSL's code of what is wrong with the certificate of a broker; `None` when it was not found out by then.
pub(super) fn verdict(config: &ClientConfig, deadline: Instant) -> Option<i32> {
    let native = config.create_native_config().ok()?;
    // SAFETY: the configuration is alive and ours alone. The callback reads the client's opaque pointer as the `Verdict` below: the crate
    // sets it to the context, which outlives the client's threads.
    let set = unsafe { sys::rd_kafka_conf_set_ssl_cert_verify_cb(native.ptr(), Some(note)) };
    if set != RDKafkaConfRes::RD_KAFKA_CONF_OK {
        return None;
    }
    let client = Client::new(config, native, RDKafkaType::RD_KAFKA_PRODUCER, Verdict::default()).ok()?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let is_in = client.fetch_cluster_id(left.min(LOOK_AROUND)).is_some();
        match client.context().0.load(Ordering::Acquire) {
            0 if is_in || left.is_zero() => return None,
            0 => {}
            code => return Some(code),
        }
    }
}

/// The signature is the client library's own.
unsafe extern "C" fn note(
    _client: *mut sys::rd_kafka_t,
    _broker: *const c_char,
    _broker_id: i32,
    error: *mut c_int,
    _depth: c_int,
    _certificate: *const c_char,
    _size: usize,
    _message: *mut c_char,
    _message_size: usize,
    verdict: *mut c_void,
) -> c_int {
    // SAFETY: the library lends its error for the call; the opaque pointer is the client's context, a `Verdict`.
    let (code, verdict) = unsafe { (*error, &*verdict.cast::<Verdict>()) };
    if code == 0 {
        return 1;
    }
    // The first one counts; that there is one already is no matter.
    verdict.0.compare_exchange(0, code, Ordering::Release, Ordering::Relaxed).ok();
    0
}
