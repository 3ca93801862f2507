//! Why no whole answer came: nobody is there, TLS fails, or what came is no HTTP.
//!
//! The client's libraries say this only in their texts, so the texts of OpenSSL and of the HTTP library are read here; a test with real
//! servers holds each of them. No URL is ever part of what is said.

use std::error::Error;
use std::io;

use crate::receiver::ReceiverError;
use crate::receiver::http::answer::bad_reply;
use crate::receiver::http::connection::CONNECTS_WITHIN;

/// `place`: who did not answer.
pub(super) fn failure(error: reqwest::Error, place: &str) -> ReceiverError {
    let error = error.without_url();
    let texts: Vec<String> = chain(&error).map(ToString::to_string).collect();
    let innermost = texts.last().map(String::as_str).unwrap_or_default();
    let failure = if let Some(why) = texts.iter().find_map(|text| tls(text)) {
        ReceiverError::unreachable(format!("TLS with {place} failed: {why}"))
    } else if error.is_connect() {
        let kind = chain(&error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
        let is_unnamed = texts.iter().any(|text| text == "dns error");
        ReceiverError::unreachable(match kind {
            _ if is_unnamed => format!("the name of {place} cannot be resolved: {innermost}"),
            Some(io::ErrorKind::ConnectionRefused) => format!("nobody listens at {place}: connection refused"),
            _ if error.is_timeout() => format!("{place} takes no connection within {CONNECTS_WITHIN:?}"),
            _ => format!("no connection to {place}: {innermost}"),
        })
    } else {
        bad_reply(format!("{place} gave no whole answer in HTTP: {innermost}"))
    };
    match error.source() {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What TLS says went wrong, when it was TLS.
fn tls(text: &str) -> Option<String> {
    if !text.contains("SSL routines") {
        return None;
    }
    let has = |part: &str| text.contains(part);
    let alert = text.split_once(" alert ").and_then(|(_, rest)| rest.split(':').next());
    Some(match alert {
        _ if has("certificate verify failed") => untrusted(text),
        _ if has("wrong version number") || has("packet length too long") || has("http request") => {
            "what answers there does not speak TLS (http:// instead of https://?)".to_owned()
        }
        Some("certificate required" | "handshake failure") => {
            "it wants a client certificate (certificate_file and key_file of the receiver)".to_owned()
        }
        Some(alert @ ("unknown ca" | "decrypt error" | "access denied")) => unaccepted(alert),
        Some(alert) if alert.contains("certificate") => unaccepted(alert),
        _ => text.to_owned(),
    })
}

/// Why we do not trust the server.
fn untrusted(text: &str) -> String {
    let reason = text.rsplit_once('(').map_or(text, |(_, reason)| reason.trim_end_matches(')'));
    match reason {
        "certificate has expired" => "its certificate has expired".to_owned(),
        "hostname mismatch" | "IP address mismatch" => "its certificate is for another name".to_owned(),
        other if other.contains("issuer") || other.contains("self-signed") || other.contains("first certificate") => {
            format!("its certificate is signed by nobody who is trusted here ({other}); ca_file of the receiver names a CA")
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// Why the server does not trust us.
fn unaccepted(alert: &str) -> String {
    format!("it does not accept the client certificate ({alert}; certificate_file of the receiver)")
}
