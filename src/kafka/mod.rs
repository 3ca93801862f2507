//! Kafka: the only place that names the client library.
