//! Why no whole answer came: nobody is there, TLS fails, or what came is no HTTP.
//!
//! The client's libraries say this only in their texts, so the texts of OpenSSL and of the HTTP library are read here; a test with real
//! servers holds each of them. No URL is ever part of what is said.

use std::error::Error;
use std::io;

use reqwest::Url;

use crate::http::Keys;
use crate::http::connection::CONNECTS_WITHIN;

/// In words for people.
pub(crate) enum Silence {
    /// Nobody was reached.
    Unreachable(String),
    /// Somebody was, and gave no whole answer.
    Broken(String),
}

/// `HOST:PORT`: who is asked, for people.
pub(crate) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `error`: without its URL; `place`: who did not answer.
pub(crate) fn silence(error: &reqwest::Error, place: &str, keys: &Keys) -> Silence {
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    let innermost = texts.last().map(String::as_str).unwrap_or_default();
    if let Some(why) = texts.iter().find_map(|text| tls(text, keys)) {
        Silence::Unreachable(format!("TLS with {place} failed: {why}"))
    } else if error.is_connect() {
        let kind = chain(error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
        let is_unnamed = texts.iter().any(|text| text == "dns error");
        Silence::Unreachable(match kind {
            _ if is_unnamed => format!("the name of {place} cannot be resolved: {innermost}"),
            Some(io::ErrorKind::ConnectionRefused) => format!("nobody listens at {place}: connection refused"),
            _ if error.is_timeout() => format!("{place} takes no connection within {CONNECTS_WITHIN:?}"),
            _ => format!("no connection to {place}: {innermost}"),
        })
    } else {
        Silence::Broken(format!("{place} gave no whole answer in HTTP: {innermost}"))
    }
}

impl Silence {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Unreachable(text) | Self::Broken(text) => text,
        }
    }
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What TLS says went wrong, when it was TLS.
fn tls(text: &str, keys: &Keys) -> Option<String> {
    if !text.contains("SSL routines") {
        return None;
    }
    let has = |part: &str| text.contains(part);
    let alert = text.split_once(" alert ").and_then(|(_, rest)| rest.split(':').next());
    Some(match alert {
        _ if has("certificate verify failed") => untrusted(text, keys),
        _ if has("wrong version number") || has("packet length too long") || has("http request") => {
            "what answers there does not speak TLS (http:// instead of https://?)".to_owned()
        }
        Some("certificate required" | "handshake failure") => {
            format!("it wants a client certificate ({} and {}{})", keys.certificate_file, keys.key_file, keys.whose)
        }
        Some(alert @ ("unknown ca" | "decrypt error" | "access denied")) => unaccepted(alert, keys),
        Some(alert) if alert.contains("certificate") => unaccepted(alert, keys),
        _ => text.to_owned(),
    })
}

/// Why we do not trust the server.
fn untrusted(text: &str, keys: &Keys) -> String {
    let reason = text.rsplit_once('(').map_or(text, |(_, reason)| reason.trim_end_matches(')'));
    match reason {
        "certificate has expired" => "its certificate has expired".to_owned(),
        "hostname mismatch" | "IP address mismatch" => "its certificate is for another name".to_owned(),
        other if other.contains("issuer") || other.contains("self-signed") || other.contains("first certificate") => {
            let (setting, whose) = (keys.ca_file, keys.whose);
            format!("its certificate is signed by nobody who is trusted here ({other}); {setting}{whose} names a CA")
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// Why the server does not trust us.
fn unaccepted(alert: &str, keys: &Keys) -> String {
    format!("it does not accept the client certificate ({alert}; {}{})", keys.certificate_file, keys.whose)
}
