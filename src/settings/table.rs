//! Every setting, once: its flag, its environment variable, its key in the file, its default and its line of help come from here.
//!
//! The flag is `--NAME`, the variable `REDRIVE_NAME` with `_`, the key `name` with `_`.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag without its dashes.
    pub name: &'static str,
    pub short: Option<char>,
    /// Another name of the flag that users know.
    pub alias: Option<&'static str>,
    /// What the flag's value is called in the help; empty for a switch.
    pub value: &'static str,
    pub kind: Kind,
    pub scope: Scope,
    pub default: Option<&'static str>,
    /// A variable that other tools use, too. Ours goes first.
    pub other_variable: Option<&'static str>,
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    One,
    /// May be repeated; a list in the file, and in the environment one a line.
    Many,
    /// As `Many`, and its items may also be parted by commas, in flags and in the environment.
    Names,
    /// As `One`: `@FILE`, `env:NAME`, or the text itself. Never shown.
    Secret,
    Switch,
    /// A switch that may be repeated; its value is how often.
    Count,
}

/// Which commands have the flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Global,
    /// Those that deliver events: `consume`, `replay`, and `doctor`, which looks at what `consume` would meet.
    Delivery,
    /// `consume`, and `doctor` with it.
    Consume,
}

impl Setting {
    const fn new(scope: Scope, name: &'static str, value: &'static str, help: &'static str) -> Self {
        let kind = if value.is_empty() { Kind::Switch } else { Kind::One };
        Self { name, short: None, alias: None, value, kind, scope, default: None, other_variable: None, help }
    }

    const fn global(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self::new(Scope::Global, name, value, help)
    }

    const fn delivery(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self::new(Scope::Delivery, name, value, help)
    }

    const fn consume(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self::new(Scope::Consume, name, value, help)
    }

    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn by_default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// `REDRIVE_…`
    #[must_use]
    pub fn variable(&self) -> String {
        format!("REDRIVE_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// The key in the settings file.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }
}

pub const BOOTSTRAP_SERVER: Setting = Setting {
    alias: Some("brokers"),
    other_variable: Some("KAFKA_BOOTSTRAP_SERVERS"),
    ..Setting::global("bootstrap-server", "HOST:PORT,…", "Kafka brokers to begin with").short('b')
};
pub const KAFKA_PROPERTY: Setting = Setting::global(
    "kafka-property",
    "KEY=VALUE",
    "Any librdkafka property; VALUE may be @FILE or env:NAME, to keep secrets out of ps",
)
.short('X')
.kind(Kind::Many);
pub const COMMAND_CONFIG: Setting = Setting::global("command-config", "FILE", "Kafka properties, one KEY=VALUE a line");
pub const CONFIG: Setting = Setting::global("config", "FILE", "Settings file (TOML) [default: redrive.toml, if there is one]");
pub const JOURNAL: Setting =
    Setting::global("journal", "PATH", "The journal, a SQLite file [env: REDRIVE_JOURNAL]").by_default("./redrive.db");
pub const ALLOW_UNSAFE_JOURNAL: Setting =
    Setting::global("allow-unsafe-journal", "", "Accept a journal on a network file system, where its locks cannot be relied on");
pub const OUTPUT: Setting =
    Setting::global("output", "FORMAT", "What stdout gets: table, json (one document) or jsonl (an item a line)")
        .short('o')
        .by_default("table");
pub const COLOR: Setting = Setting::global("color", "WHEN", "auto, always or never (NO_COLOR is heeded)").by_default("auto");
pub const VERBOSE: Setting =
    Setting::global("verbose", "", "Say more on stderr; twice: what the Kafka client says, too").short('v').kind(Kind::Count);
pub const QUIET: Setting = Setting::global("quiet", "", "Only errors on stderr").short('q');
pub const LOG_FORMAT: Setting = Setting::global("log-format", "FORMAT", "How stderr speaks: text or json").by_default("text");

pub const TOPIC: Setting =
    Setting::consume("topic", "TOPIC", "Topic to read, several parted by commas; a pattern when it begins with ^ (repeatable)")
        .short('t')
        .kind(Kind::Names);
pub const GROUP: Setting = Setting::delivery("group", "GROUP", "Consumer group").short('g');
pub const RECEIVER: Setting =
    Setting::delivery("receiver", "NAME=TARGET", "Who gets the events: exec:PROGRAM ARGS…, run:PROGRAM ARGS…, http(s)://…, file:PATH, stdout:, kafka:TOPIC or discard: (repeatable)")
        .kind(Kind::Many);
pub const RECEIVER_OPTION: Setting = Setting::delivery(
    "receiver-option",
    "NAME.KEY=VALUE",
    "One more word about a receiver, as its table in the settings file has it: billing.timeout=5s (repeatable)",
)
.kind(Kind::Many);
pub const TOPIC_PREFIX: Setting = Setting::consume("topic-prefix", "PREFIX", "Joined with a - before each topic");
pub const FROM: Setting =
    Setting::consume("from", "WHERE", "Where a topic starts that the group has never read: earliest, latest or a time (RFC 3339)");
pub const ORDER: Setting =
    Setting::delivery("order", "ORDER", "What stays in order at each receiver: partition, key or none").by_default("partition");
pub const CONCURRENCY: Setting = Setting::delivery("concurrency", "N", "Deliveries in flight per receiver").by_default("256");
pub const MAX_IN_FLIGHT: Setting =
    Setting::delivery("max-in-flight", "N", "Records in flight, from poll until settled").by_default("10000");
pub const MAX_IN_FLIGHT_BYTES: Setting = Setting::delivery("max-in-flight-bytes", "SIZE", "Bytes in flight").by_default("8MiB");
pub const COMMIT_INTERVAL: Setting =
    Setting::consume("commit-interval", "DURATION", "How often settled offsets are committed").by_default("500ms");
pub const DRAIN_TIMEOUT: Setting =
    Setting::delivery("drain-timeout", "DURATION", "How long deliveries may take to end at a stop or a rebalance")
        .by_default("10s");
pub const RETRIES: Setting =
    Setting::delivery("retries", "N", "Tries after the first one of a delivery that failed for a passing reason").by_default("2");
pub const EVENT_TYPE_FROM: Setting = Setting::delivery(
    "event-type-from",
    "WHERE",
    "Where the event type is: cloudevents, header:NAME, field:/json/pointer or topic",
)
.by_default("cloudevents");
pub const FORMAT: Setting =
    Setting::delivery("format", "FORMAT", "How values are read: auto, json, avro or raw").by_default("auto");
pub const SCHEMA_REGISTRY: Setting = Setting::delivery(
    "schema-registry",
    "URL,…",
    "The schema registry, http(s)://…; several addresses of it are asked in turn (repeatable)",
)
.kind(Kind::Names);
pub const SCHEMA_REGISTRY_BASIC_AUTH: Setting = Setting::delivery(
    "schema-registry-basic-auth",
    "SECRET",
    "USER:PASSWORD for the schema registry, @FILE (read again when it changes) or env:NAME",
)
.kind(Kind::Secret);
pub const SCHEMA_REGISTRY_BEARER_TOKEN: Setting = Setting::delivery(
    "schema-registry-bearer-token",
    "SECRET",
    "A token for the schema registry, @FILE (read again when it changes) or env:NAME",
)
.kind(Kind::Secret);
pub const SCHEMA_REGISTRY_CA_FILE: Setting = Setting::delivery(
    "schema-registry-ca-file",
    "FILE",
    "Certificates (PEM) of authorities to trust beside the system's, for the schema registry",
);
pub const SCHEMA_REGISTRY_CERTIFICATE_FILE: Setting =
    Setting::delivery("schema-registry-certificate-file", "FILE", "Our own certificate (PEM) for the schema registry");
pub const SCHEMA_REGISTRY_KEY_FILE: Setting =
    Setting::delivery("schema-registry-key-file", "FILE", "The key (PEM) of that certificate, where it is another file");
pub const SCHEMA_REGISTRY_TIMEOUT: Setting = Setting::delivery(
    "schema-registry-timeout",
    "DURATION",
    "How long each answer of the schema registry may take; a schema with all that it refers to, four times as long",
)
.by_default("5s");
pub const UNRECOGNIZED: Setting = Setting::delivery(
    "unrecognized",
    "WHAT",
    "What becomes of a type that no receiver takes: journal, or skip (one incident a type, 1,000 at most)",
)
.by_default("journal");
pub const ON_GAP: Setting =
    Setting::consume("on-gap", "WHAT", "When committed records are gone from the log: earliest or halt").by_default("earliest");
pub const ON_TRUNCATION: Setting =
    Setting::consume("on-truncation", "WHAT", "When the log ends before the committed offset: hold, earliest or latest")
        .by_default("hold");
pub const NO_STARTUP_GUARD: Setting =
    Setting::delivery("no-startup-guard", "", "Journal failures even when nothing of a topic has worked yet");
pub const MAX_CONSECUTIVE_ERRORS: Setting = Setting::consume(
    "max-consecutive-errors",
    "N",
    "Stop, with exit code 4, when N records in a row failed; the next run then settles no failure before one record was delivered",
);
pub const MAX_RECORDS: Setting = Setting::consume("max-records", "N", "Stop after N records");
pub const UNTIL_END: Setting =
    Setting::consume("until-end", "", "Stop at the end of each partition, as it was at assignment, and read nothing beyond it");
pub const IDLE_EXIT: Setting =
    Setting::consume("idle-exit", "DURATION", "Stop when for this long nothing was in flight and no record came");
pub const DRY_RUN: Setting = Setting::consume(
    "dry-run",
    "",
    "Say what would happen: joins no group, reads from the committed offsets, delivers, commits and writes nothing",
);
pub const ENABLED: Setting =
    Setting::consume("enabled", "WHETHER", "Kill-switch: false stays up, idle and in no group; exit ends at once, with 0")
        .by_default("true");
pub const FAIL_ON_ERRORS: Setting = Setting::consume("fail-on-errors", "", "Exit with 3 when anything failed");

/// All of them, in the order of the help.
pub const ALL: [Setting; 44] = [
    TOPIC,
    GROUP,
    RECEIVER,
    RECEIVER_OPTION,
    TOPIC_PREFIX,
    FROM,
    ORDER,
    CONCURRENCY,
    MAX_IN_FLIGHT,
    MAX_IN_FLIGHT_BYTES,
    COMMIT_INTERVAL,
    DRAIN_TIMEOUT,
    RETRIES,
    EVENT_TYPE_FROM,
    FORMAT,
    SCHEMA_REGISTRY,
    SCHEMA_REGISTRY_BASIC_AUTH,
    SCHEMA_REGISTRY_BEARER_TOKEN,
    SCHEMA_REGISTRY_CA_FILE,
    SCHEMA_REGISTRY_CERTIFICATE_FILE,
    SCHEMA_REGISTRY_KEY_FILE,
    SCHEMA_REGISTRY_TIMEOUT,
    UNRECOGNIZED,
    ON_GAP,
    ON_TRUNCATION,
    NO_STARTUP_GUARD,
    MAX_CONSECUTIVE_ERRORS,
    MAX_RECORDS,
    UNTIL_END,
    IDLE_EXIT,
    FAIL_ON_ERRORS,
    DRY_RUN,
    ENABLED,
    BOOTSTRAP_SERVER,
    KAFKA_PROPERTY,
    COMMAND_CONFIG,
    CONFIG,
    JOURNAL,
    ALLOW_UNSAFE_JOURNAL,
    OUTPUT,
    COLOR,
    VERBOSE,
    QUIET,
    LOG_FORMAT,
];
