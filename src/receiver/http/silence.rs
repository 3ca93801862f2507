//! The failure of a delivery that no whole answer came to.

use std::error::Error as _;

use crate::http::{Silence, silence};
use crate::receiver::ReceiverError;
use crate::receiver::http::answer::bad_reply;
use crate::receiver::http::connection::KEYS;

/// `place`: who did not answer.
pub(super) fn failure(error: reqwest::Error, place: &str) -> ReceiverError {
    let error = error.without_url();
    let failure = match silence(&error, place, &KEYS) {
        Silence::Unreachable(why) => ReceiverError::unreachable(why),
        Silence::Broken(why) => bad_reply(why),
    };
    match error.source() {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}
