//! What the client library says of a broker that it cannot use, taken apart: which broker, why, and how far the connection had come.
//!
//! Its log is the only place that tells some of it, such as a connection that is closed before the first answer.

use crate::secrets::masked;

/// One complaint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// `HOST:PORT`; none when it is about none in particular.
    pub(super) broker: Option<String>,
    pub(super) reason: String,
    /// The state of the connection, as the library calls it: `CONNECT`, `SSL_HANDSHAKE`, `APIVERSION_QUERY`, `UP`, …
    pub(super) state: Option<String>,
    /// How long it was in that state, in milliseconds.
    pub(super) after_ms: Option<u64>,
    /// The HTTP status of a token endpoint.
    pub(super) status: Option<u16>,
}

impl Complaint {
    /// From an error: `sasl_ssl://kafka:9094/bootstrap: Connect to … failed: … (after 0ms in state CONNECT, 1 identical error(s) suppressed)`.
    /// None when it says nothing of its own.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.ends_with("brokers are down") {
            return None;
        }
        let (plain, added) = parted(text);
        let state = added.and_then(|added| added.split_once("in state ")).map(|(_, state)| state.trim_end_matches(')'));
        let state = state.and_then(|state| state.split(',').next()).map(str::to_owned);
        let after_ms = added.and_then(|added| added.split_once("ms")).and_then(|(ms, _)| ms.parse().ok());
        let (broker, reason) = match plain.split_once(": ").map(|(broker, reason)| (address(broker), reason)) {
            Some((Some(broker), reason)) => (Some(broker), reason),
            _ => (None, plain),
        };
        Some(Self { broker, reason: reason.to_owned(), state, after_ms, status: None })
    }

    /// From a line of the log: `[thrd:…]: …`. None when it is no complaint.
    pub(super) fn logged(facility: &str, message: &str) -> Option<Self> {
        let text = message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, text)| text);
        match facility {
            "FAIL" => Self::read(text),
            "OIDC" => Self::of_token(text),
            _ => None,
        }
    }

    /// `Failed to retrieve OIDC token from "URL": REASON (STATUS)`. The URL is left out: it may hold a secret.
    fn of_token(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("OIDC token from \"")?.1.split_once("\": ")?;
        let (reason, status) = match rest.rsplit_once(" (") {
            Some((reason, status)) => (reason, status.trim_end_matches(')').parse().ok()),
            None => (rest, None),
        };
        let reason = format!("Failed to acquire SASL OAUTHBEARER token: {reason}");
        Some(Self { reason, status, ..Self::default() })
    }
}

/// A line of the library's log, for people: asked for `debug=conf`, it writes down all properties, and URLs as they are.
pub(super) fn shown(facility: &str, message: &str) -> String {
    format!("{facility} {}", masked(message))
}

/// What the client library says of a broker, without what it adds for itself: `(after 0ms in state CONNECT, 1 identical error(s) suppressed)`.
pub(super) fn plain_reason(reason: &str) -> &str {
    parted(reason).0
}

fn parted(reason: &str) -> (&str, Option<&str>) {
    match reason.rsplit_once(" (after ") {
        Some((plain, added)) if added.ends_with(')') => (plain, Some(added)),
        _ => (reason, None),
    }
}

/// `HOST:PORT` of `protocol://HOST:PORT/ID`, as the client library names a broker.
fn address(name: &str) -> Option<String> {
    let (address, id) = name.rsplit_once("://").map_or(name, |(_, rest)| rest).rsplit_once('/')?;
    let is_id = id == "bootstrap" || id.bytes().all(|byte| byte.is_ascii_digit());
    (is_id && address.contains(':') && !address.contains(' ')).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_taken_apart() {
        let said = "sasl_ssl://127.0.0.1:9094/bootstrap: Connect to ipv4#127.0.0.1:9094 failed: Connection refused";
        let reason = "Connect to ipv4#127.0.0.1:9094 failed: Connection refused";
        for (added, state) in [
            (" (after 0ms in state CONNECT)", Some("CONNECT")),
            (" (after 3ms in state CONNECT, 30 identical error(s) suppressed)", Some("CONNECT")),
            ("", None),
        ] {
            let complaint = Complaint::read(&format!("{said}{added}")).unwrap();
            assert_eq!(complaint.broker.as_deref(), Some("127.0.0.1:9094"));
            assert_eq!((complaint.reason.as_str(), complaint.state.as_deref()), (reason, state));
        }
        let known = Complaint::read("[::1]:9092/3: Disconnected").unwrap();
        assert_eq!((known.broker.as_deref(), known.reason.as_str()), (Some("[::1]:9092"), "Disconnected"));
        let of_none = Complaint::read("gave up: (after all) as it seems").unwrap();
        assert_eq!((of_none.broker, of_none.reason.as_str()), (None, "gave up: (after all) as it seems"));
        assert_eq!(Complaint::read("1/1 brokers are down"), None);
    }

    #[test]
    fn the_log_is_read_too_and_no_address_with_a_secret() {
        let failed =
            Complaint::logged("FAIL", "[thrd:h:1/bootstrap]: h:1/bootstrap: Disconnected (after 2ms in state UP)").unwrap();
        assert_eq!((failed.broker.as_deref(), failed.state.as_deref()), (Some("h:1"), Some("UP")));
        let said = "[thrd:background]: Failed to retrieve OIDC token from \"http://me:s3cret@h/token\": {\"error\": \"no\"} (401)";
        let token = Complaint::logged("OIDC", said).unwrap();
        assert_eq!(token.status, Some(401));
        assert_eq!(token.reason, "Failed to acquire SASL OAUTHBEARER token: {\"error\": \"no\"}");
        assert_eq!(Complaint::logged("REQTMOUT", "[thrd:h:1/bootstrap]: h:1/bootstrap: Timed out 1 in-flight"), None);
    }
}
