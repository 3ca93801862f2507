//! A record's headers as the client library takes them, byte for byte: the crate takes names that are UTF-8 only.
#![expect(unsafe_code, reason = "the C call takes names of any bytes")]

use std::ptr;

use rdkafka::bindings as sys;
use rdkafka::message::OwnedHeaders;

use crate::receiver::ProduceError;
use crate::record::{Header, Headers};

/// The headers, and `more` behind them.
pub(super) fn of(headers: Headers<'_>, more: &[(&str, String)]) -> Result<OwnedHeaders, ProduceError> {
    let more = more.iter().map(|(name, value)| Header { name: name.as_bytes(), value: Some(value.as_bytes()) });
    let all: Vec<_> = headers.iter().chain(more).collect();
    let owned = OwnedHeaders::new_with_capacity(all.len());
    // The crate's borrowed headers are the C list itself.
    let list = ptr::from_ref(owned.as_borrowed()).cast_mut().cast::<sys::rd_kafka_headers_t>();
    for Header { name, value } in all {
        let (bytes, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        // SAFETY: the list is alive and ours alone until its record is sent; pointers and lengths belong together; the call copies both.
        let error = unsafe {
            sys::rd_kafka_header_add(list, name.as_ptr().cast(), name.len().cast_signed(), bytes.cast(), size.cast_signed())
        };
        if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(ProduceError::Other("the client library takes no more headers".to_owned()));
        }
    }
    Ok(owned)
}
