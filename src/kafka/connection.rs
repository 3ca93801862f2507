//! How the cluster is reached: the bootstrap servers, and any property of the client library.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use thiserror::Error;

use crate::kafka::diagnosis::{Encryption, Login, Manner};
use crate::kafka::names;

/// Where the cluster is and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    bootstrap: String,
    /// In the order given; the last of a name counts.
    properties: Vec<(String, String)>,
}

/// Properties may be secrets: only their names are shown.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.properties.iter().map(|(name, _)| name).collect();
        f.debug_struct("Connection").field("bootstrap", &self.bootstrap).field("properties", &names).finish()
    }
}

/// A property that cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    #[error("the Kafka property {name} is redrive's own: {why}")]
    Reserved { name: String, why: &'static str },
    #[error("sasl.mechanism is OAUTHBEARER, and nothing says where tokens come from")]
    NoTokens,
    /// `hint`: what it is called, or what to say instead.
    #[error("there is no Kafka property {name}")]
    Unknown { name: String, hint: Option<String> },
    #[error("the Kafka property {name} is refused by the client library: {message}")]
    Refused { name: String, message: String },
}

/// What a consumer's properties are unless the user sets them, as far as they are not the library's own.
///
/// Measured: what a consumer that parses JSON gains most from. The library's own back-off of a second costs 2.5 times the throughput.
/// After an outage Kafka's own clients try again every second; the library would wait for up to ten.
pub const CONSUMER_DEFAULTS: [(&str, &str); 5] = [
    ("reconnect.backoff.max.ms", "1000"),
    ("fetch.queue.backoff.ms", "2"),
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.message.max.bytes", "262144"),
    ("check.crcs", "true"),
];

/// A topic that a broker does not know may be on its way to it for so long: as the library has it.
const PROPAGATES_WITHIN: Duration = Duration::from_secs(30);
/// A new topic is noticed so soon. The library's own 5 minutes are long for whoever waits for one.
const LISTS_EVERY: Duration = Duration::from_secs(30);

const CLIENT_ID: &str = "redrive";

/// What at-least-once delivery hangs on.
const RESERVED: [(&str, &str); 7] = [
    ("group.id", "use --group"),
    ("bootstrap.servers", "use --bootstrap-server"),
    ("metadata.broker.list", "use --bootstrap-server"),
    ("enable.auto.commit", "an offset is committed only when its record is settled"),
    ("enable.auto.offset.store", "an offset is committed only when its record is settled"),
    ("auto.offset.reset", "where a partition starts is said with --from"),
    ("enable.partition.eof", "the end of a partition is how --until-end is found"),
];

/// Second names of properties, beside those that are used here: of two names for one thing, it is up to chance which one counts.
const ALIASES: [(&str, &str); 3] = [
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("sasl.mechanisms", "sasl.mechanism"),
];

impl Connection {
    /// # Errors
    /// When a property is one that redrive must set itself, or that the client library does not know.
    pub fn new(bootstrap: impl Into<String>, properties: Vec<(String, String)>) -> Result<Self, ConnectionError> {
        for (name, _) in &properties {
            if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| reserved == name) {
                return Err(ConnectionError::Reserved { name: name.clone(), why });
            }
        }
        let named = |(name, value): (String, String)| {
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
            (alias.map_or(name, |(_, used)| (*used).to_owned()), value)
        };
        let connection = Self { bootstrap: bootstrap.into(), properties: properties.into_iter().map(named).collect() };
        connection.client().create_native_config().map_err(refused)?;
        if connection.waits_for_tokens() {
            return Err(ConnectionError::NoTokens);
        }
        Ok(connection)
    }

    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// How clients of this connection name themselves to the brokers.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.properties.iter().rfind(|(name, _)| name == "client.id").map_or(CLIENT_ID, |(_, value)| value)
    }

    /// Tokens are wanted, and nothing gives any: the client library would wait for a program to bring them.
    fn waits_for_tokens(&self) -> bool {
        let is = |name: &str, wanted: &str| {
            self.properties.iter().rfind(|(of, _)| of == name).is_some_and(|(_, value)| value.eq_ignore_ascii_case(wanted))
        };
        let is_wanted = matches!(self.manner().login, Login::Sasl(mechanism) if mechanism.eq_ignore_ascii_case("OAUTHBEARER"));
        is_wanted && !is("sasl.oauthbearer.method", "oidc") && !is("enable.sasl.oauthbearer.unsecure.jwt", "true")
    }

    /// How many brokers are named.
    pub(super) fn brokers(&self) -> usize {
        self.bootstrap.split(',').count()
    }

    /// How it is set to speak, without any secret.
    pub(super) fn manner(&self) -> Manner {
        let value = |name: &str| self.properties.iter().rfind(|(of, _)| of == name).map(|(_, value)| value);
        let protocol = value("security.protocol").map(|protocol| protocol.to_ascii_lowercase()).unwrap_or_default();
        let encryption = if protocol.ends_with("ssl") { Encryption::Tls } else { Encryption::Plain };
        let mechanism = || value("sasl.mechanism").map_or("GSSAPI", String::as_str).to_owned();
        let login = if protocol.starts_with("sasl") { Login::Sasl(mechanism()) } else { Login::None };
        Manner { encryption, login, names: self.properties.iter().map(|(name, _)| name.clone()).collect() }
    }

    /// From one list of all topics to the next, where they are chosen by patterns: the client library has a property for that.
    pub(super) fn lists_every(&self) -> Duration {
        self.time("topic.metadata.refresh.interval.ms").unwrap_or(LISTS_EVERY)
    }

    /// A topic or partition that no broker knows for longer is not there: the client library has a property for that, too.
    pub(super) fn propagates_within(&self) -> Duration {
        self.time("topic.metadata.propagation.max.ms").unwrap_or(PROPAGATES_WITHIN)
    }

    /// A property of the user's that is a time and not nothing.
    fn time(&self, name: &str) -> Option<Duration> {
        let (_, ms) = self.properties.iter().rfind(|(given, _)| given == name)?;
        ms.parse().ok().filter(|ms| *ms > 0).map(Duration::from_millis)
    }

    /// For questions and for producing.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", CLIENT_ID).set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// For a member of `group`. The library commits nothing by itself and never chooses where to start.
    pub(super) fn member_of(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        let is_classic = !config.get("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"));
        let session: Option<u32> = config.get("session.timeout.ms").and_then(|ms| ms.parse().ok());
        let mut default = |name: &str, value: &str| {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        };
        CONSUMER_DEFAULTS.iter().for_each(|(name, value)| default(name, value));
        if is_classic {
            default("partition.assignment.strategy", "cooperative-sticky");
            // A short session with the library's own heartbeat of 3 s would time out again and again.
            if let Some(heartbeat) = session.map(|session_ms| session_ms / 3).filter(|ms| (1..3_000).contains(ms)) {
                default("heartbeat.interval.ms", &heartbeat.to_string());
            }
        }
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        config
    }
}

/// Without the value: it may be a secret, also where it stands under a name that was mistyped.
fn refused(error: KafkaError) -> ConnectionError {
    let KafkaError::ClientConfig(kind, message, name, value) = error else {
        return ConnectionError::Refused { name: "-".to_owned(), message: error.to_string() };
    };
    if let Some(instead) = names::instead(&name) {
        return ConnectionError::Unknown { name, hint: Some(instead.to_owned()) };
    }
    if kind == RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN {
        let hint = names::nearest(&name).map(|nearest| format!("did you mean {nearest}?"));
        return ConnectionError::Unknown { name, hint };
    }
    let message = match names::words(&name) {
        Some(words) => format!("it takes {words}"),
        None if value.is_empty() => message,
        None if message == format!("Invalid value for configuration property \"{name}\"") => "it takes a number".to_owned(),
        None => {
            let message = message.replace(&format!(" \"{value}\""), "");
            if message.contains(&value) && value.len() > 3 { "its value cannot be used".to_owned() } else { message }
        }
    };
    ConnectionError::Refused { name, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(properties: &[(&str, &str)]) -> Result<Connection, ConnectionError> {
        Connection::new("localhost:9092", properties.iter().map(|&(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn properties_of_the_user_win_over_the_defaults_and_lose_against_the_guarantees() {
        let config = connection(&[("check.crcs", "false"), ("fetch.min.bytes", "9")]).unwrap().member_of("g");
        let value = |name: &str| config.get(name).unwrap();
        assert_eq!((value("check.crcs"), value("fetch.min.bytes"), value("fetch.queue.backoff.ms")), ("false", "9", "2"));
        assert_eq!((value("enable.auto.commit"), value("auto.offset.reset")), ("false", "error"));
        let error = connection(&[("enable.auto.commit", "true")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Kafka property enable.auto.commit is redrive's own: an offset is committed only when its record is settled"
        );
    }

    #[test]
    fn a_property_by_its_second_name_wins_too() {
        let config = connection(&[("max.partition.fetch.bytes", "9"), ("sasl.mechanisms", "PLAIN")]).unwrap().member_of("g");
        assert_eq!((config.get("fetch.message.max.bytes"), config.get("max.partition.fetch.bytes")), (Some("9"), None));
        assert_eq!((config.get("sasl.mechanism"), config.get("sasl.mechanisms")), (Some("PLAIN"), None));
        let error = connection(&[("metadata.broker.list", "kafka:9092")]).unwrap_err();
        assert_eq!(error.to_string(), "the Kafka property metadata.broker.list is redrive's own: use --bootstrap-server");
    }

    #[test]
    fn unknown_properties_are_refused_by_name() {
        let hint = |name: &str| match connection(&[(name, "s3cret")]).unwrap_err() {
            ConnectionError::Unknown { name: unknown, hint } if unknown == name => hint,
            other => panic!("{other}"),
        };
        assert_eq!(hint("no.such.thing"), None);
        assert_eq!(hint("sasl.pasword").as_deref(), Some("did you mean sasl.password?"));
        for name in ["ssl.truststore.location", "sasl.jaas.config", "key.deserializer"] {
            assert!(hint(name).is_some_and(|hint| !hint.contains("did you mean")), "{name}");
        }
    }

    #[test]
    fn a_wrong_word_is_refused_with_the_right_ones() {
        let error = connection(&[("security.protocol", "SSL_SASL")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the Kafka property security.protocol is refused by the client library: it takes plaintext, ssl, sasl_plaintext or sasl_ssl"
        );
        assert!(connection(&[("security.protocol", "SSL")]).is_ok(), "as Java's clients write it");
    }

    #[test]
    fn tokens_come_from_somewhere() {
        let oauth = [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "OAUTHBEARER")];
        assert_eq!(connection(&oauth), Err(ConnectionError::NoTokens));
        assert!(connection(&[oauth[0], oauth[1], ("sasl.oauthbearer.method", "oidc")]).is_ok());
        assert!(connection(&[oauth[0], oauth[1], ("enable.sasl.oauthbearer.unsecure.jwt", "true")]).is_ok());
    }

    #[test]
    fn what_is_refused_is_named_without_its_value() {
        for (name, value) in [
            ("sasl.pasword", "s3cret"),
            ("sasl.jaas.config", "PlainLoginModule required password=\"s3cret\";"),
            ("session.timeout.ms", "s3cret"),
            ("security.protocol", "s3cret"),
        ] {
            let error = connection(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("s3cret"), "{error}");
        }
        let error = connection(&[("session.timeout.ms", "0")]).unwrap_err().to_string();
        assert!(error.contains("value 0 is outside allowed range 1..3600000"), "{error}");
    }

    #[test]
    fn a_short_session_has_a_heartbeat_that_keeps_it() {
        let heartbeat = |properties: &[(&str, &str)]| {
            connection(properties).unwrap().member_of("g").get("heartbeat.interval.ms").map(str::to_owned)
        };
        assert_eq!(heartbeat(&[]), None, "the library's own");
        assert_eq!(heartbeat(&[("session.timeout.ms", "1500")]).as_deref(), Some("500"));
        assert_eq!(heartbeat(&[("session.timeout.ms", "60000")]), None);
        assert_eq!(heartbeat(&[("session.timeout.ms", "1500"), ("heartbeat.interval.ms", "100")]).as_deref(), Some("100"));
    }

    #[test]
    fn the_new_protocol_takes_no_assignment_strategy() {
        let strategy = |properties: &[(&str, &str)]| {
            connection(properties).unwrap().member_of("g").get("partition.assignment.strategy").map(str::to_owned)
        };
        assert_eq!(strategy(&[]).as_deref(), Some("cooperative-sticky"));
        assert_eq!(strategy(&[("group.protocol", "consumer")]), None);
        assert_eq!(strategy(&[("group.protocol", "Consumer")]), None);
        assert_eq!(
            strategy(&[("group.protocol", "consumer"), ("group.protocol", "classic")]).as_deref(),
            Some("cooperative-sticky")
        );
    }
}
