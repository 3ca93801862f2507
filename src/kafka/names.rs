//! Names and values of properties that the client library does not know: the right ones, where they can be guessed.
//!
//! Java's clients call some of them otherwise, and a mistyped name may stand before a secret: no value is repeated.

/// What Java's clients have, and what to say instead.
const OF_JAVA: [(&str, &str); 23] = [
    (
        "sasl.jaas.config",
        "say it with sasl.mechanism, sasl.username and sasl.password: -X sasl.username=NAME -X sasl.password=@FILE",
    ),
    ("ssl.truststore.location", PEM_AUTHORITY),
    ("ssl.truststore.password", PEM_AUTHORITY),
    ("ssl.truststore.type", PEM_AUTHORITY),
    ("ssl.truststore.certificates", "it is called ssl.ca.pem here: -X ssl.ca.pem=@FILE"),
    ("ssl.keystore.type", "leave it out: -X ssl.keystore.location=FILE is PKCS#12, -X ssl.certificate.location=FILE is PEM"),
    ("ssl.keystore.key", "it is called ssl.key.pem here: -X ssl.key.pem=@FILE"),
    ("ssl.keystore.certificate.chain", "it is called ssl.certificate.pem here: -X ssl.certificate.pem=@FILE"),
    ("ssl.protocol", TLS_VERSIONS),
    ("ssl.enabled.protocols", TLS_VERSIONS),
    ("sasl.login.callback.handler.class", "for tokens: -X sasl.oauthbearer.method=oidc"),
    ("sasl.client.callback.handler.class", "for tokens: -X sasl.oauthbearer.method=oidc"),
    ("max.poll.records", "leave it out: --max-in-flight says how many records are read ahead"),
    ("key.deserializer", NO_CLASSES),
    ("value.deserializer", NO_CLASSES),
    ("key.serializer", NO_CLASSES),
    ("value.serializer", NO_CLASSES),
    ("interceptor.classes", NO_CLASSES),
    ("metric.reporters", NO_CLASSES),
    ("default.api.timeout.ms", "leave it out, or say how long a request may take: -X socket.timeout.ms=MS"),
    ("receive.buffer.bytes", "it is called socket.receive.buffer.bytes here"),
    ("send.buffer.bytes", "it is called socket.send.buffer.bytes here"),
    ("exclude.internal.topics", "leave it out: a pattern never finds a topic of Kafka's own"),
];
const PEM_AUTHORITY: &str = "name the certificate of the authority, in PEM and without a password: -X ssl.ca.location=FILE";
const TLS_VERSIONS: &str = "leave it out: TLS 1.2 and 1.3 are spoken";
const NO_CLASSES: &str = "leave it out: there are no Java classes here, and records are read as bytes";

/// The values of properties that take one of a few words.
const WORDS: [(&str, &str); 12] = [
    ("security.protocol", "plaintext, ssl, sasl_plaintext or sasl_ssl"),
    ("ssl.endpoint.identification.algorithm", "https or none"),
    ("sasl.oauthbearer.method", "default or oidc"),
    ("sasl.oauthbearer.grant.type", "client_credentials or urn:ietf:params:oauth:grant-type:jwt-bearer"),
    ("isolation.level", "read_committed or read_uncommitted"),
    ("group.protocol", "classic or consumer"),
    ("client.dns.lookup", "use_all_dns_ips or resolve_canonical_bootstrap_servers_only"),
    ("broker.address.family", "any, v4 or v6"),
    ("compression.type", "none, gzip, snappy, lz4 or zstd"),
    ("compression.codec", "none, gzip, snappy, lz4 or zstd"),
    ("queue.buffering.backpressure.threshold", "a whole number"),
    ("metadata.recovery.strategy", "none or rebootstrap"),
];

/// What the client library knows, as far as it is for somebody who reads or writes records.
const KNOWN: [&str; 130] = [
    "acks",
    "allow.auto.create.topics",
    "api.version.request.timeout.ms",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "coordinator.query.interval.ms",
    "debug",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.metrics.push",
    "enable.partition.eof",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "https.ca.location",
    "https.ca.pem",
    "isolation.level",
    "linger.ms",
    "log.connection.close",
    "log_level",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.copy.max.bytes",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.id",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.providers",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
    "transaction.timeout.ms",
    "transactional.id",
];

/// What to do about a name that the client library does not know, as far as Java's clients know it.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    OF_JAVA.iter().find(|(of_java, _)| *of_java == name).map(|(_, instead)| *instead)
}

/// The name that was most likely meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace(['_', '-'], ".");
    let like = |known: &str| strsim::damerau_levenshtein(&name, known);
    let nearest = KNOWN.into_iter().min_by_key(|known| like(known))?;
    (like(nearest) <= 1 + name.chars().count() / 5).then_some(nearest)
}

/// What may stand after a name, where it is one of a few words.
pub(super) fn words(name: &str) -> Option<&'static str> {
    WORDS.iter().find(|(of, _)| *of == name).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaConfRes;

    use super::*;

    fn is_unknown(name: &str, value: &str) -> bool {
        let made = ClientConfig::new().set(name, value).create_native_config();
        matches!(made, Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)))
    }

    #[test]
    fn the_names_are_those_of_the_client_library() {
        for name in KNOWN {
            assert!(!is_unknown(name, "x"), "{name} is not known");
        }
        for (name, _) in WORDS {
            assert!(KNOWN.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_mistyped_name_has_a_nearest_one() {
        for (given, meant) in [
            ("sasl.pasword", Some("sasl.password")),
            ("sasl.user.name", Some("sasl.username")),
            ("security-protocol", Some("security.protocol")),
            ("SECURITY_PROTOCOL", Some("security.protocol")),
            ("ssl.ca.locaton", Some("ssl.ca.location")),
            ("sesion.timeout.ms", Some("session.timeout.ms")),
            ("no.such.thing", None),
        ] {
            assert_eq!(nearest(given), meant, "{given}");
        }
    }
}
