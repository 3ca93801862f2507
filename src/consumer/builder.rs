//! How a program says what its consumer is: the usual settings as methods, and every setting by its name.
//!
//! Nothing is read from the environment or from files unless the program asks for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::consumer::error::ConsumerError;
use crate::consumer::run::Place;
use crate::consumer::watch::{FailureSeen, IncidentSeen, Watchers};
use crate::engine::Order;
use crate::engine::start::StartFrom;
use crate::journal::{self, Safety};
use crate::kafka::Connection;
use crate::receiver::Receivers;
use crate::settings::table::{self, Setting};
use crate::settings::{self, ConnectionSettings, ConsumeSettings, Environment, Given, GlobalSettings, Layers};

/// Says what a [`Consumer`] is. Bootstrap servers, topics, group and at least one receiver are needed.
#[must_use]
pub struct ConsumerBuilder {
    given: Given,
    /// As they are: nothing in their values is looked up.
    properties: Vec<(String, String)>,
    receivers: Receivers,
    watchers: Watchers,
    layer: Layer,
    /// The first thing that was wrong.
    refused: Option<ConsumerError>,
}

/// What is read beside what the program says.
#[derive(Clone, Copy)]
enum Layer {
    Nothing,
    Environment,
}

/// How commands speak. A program speaks for itself.
const SPEECH: [Setting; 5] = [table::OUTPUT, table::COLOR, table::VERBOSE, table::QUIET, table::LOG_FORMAT];

impl Default for ConsumerBuilder {
    fn default() -> Self {
        Self {
            given: Given::by_program(),
            properties: Vec::new(),
            receivers: Receivers::new(),
            watchers: Watchers::default(),
            layer: Layer::Nothing,
            refused: None,
        }
    }
}

impl ConsumerBuilder {
    /// `HOST:PORT`, several parted by commas.
    pub fn bootstrap_servers(self, servers: &str) -> Self {
        self.known(&table::BOOTSTRAP_SERVER, servers)
    }

    /// A property of librdkafka, as it is: a password is not looked at. To read one from a file or from the environment there is
    /// `.setting("kafka-property", "sasl.password=@FILE")`.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A topic, or a pattern when it begins with `^`. May be called again for another one.
    pub fn topic(self, topic: &str) -> Self {
        self.known(&table::TOPIC, topic)
    }

    /// The consumer group.
    pub fn group(self, group: &str) -> Self {
        self.known(&table::GROUP, group)
    }

    /// Where a topic starts that the group has never read. Without it such a topic is refused.
    pub fn from(self, from: StartFrom) -> Self {
        match from {
            StartFrom::Earliest => self.known(&table::FROM, "earliest"),
            StartFrom::Latest => self.known(&table::FROM, "latest"),
            StartFrom::Time(at) => self.known(&table::FROM, &at.to_string()),
        }
    }

    /// The journal's file, made when there is none; else `./redrive.db`.
    pub fn journal(self, path: impl AsRef<Path>) -> Self {
        self.known(&table::JOURNAL, &path.as_ref().display().to_string())
    }

    /// The functions of this program that get the events. They replace those of a call before.
    pub fn receivers(self, receivers: Receivers) -> Self {
        Self { receivers, ..self }
    }

    /// A receiver that is built in, such as `file:audit.jsonl`. May be called again for another one.
    pub fn receiver(self, name: &str, target: &str) -> Self {
        self.known(&table::RECEIVER, &format!("{name}={target}"))
    }

    /// The address of a schema registry. May be called again for another address of the same one. User and password of a URL are sent as
    /// such; tokens and certificates have settings of their own: `.setting("schema-registry-bearer-token", "@FILE")`.
    pub fn schema_registry(self, url: &str) -> Self {
        self.known(&table::SCHEMA_REGISTRY, url)
    }

    /// What stays in order at each receiver; else [`Order::Partition`].
    pub fn order(self, order: Order) -> Self {
        self.known(&table::ORDER, order.as_str())
    }

    /// Deliveries in flight for each receiver; else 256.
    pub fn concurrency(self, deliveries: usize) -> Self {
        self.known(&table::CONCURRENCY, &deliveries.to_string())
    }

    /// Records in flight, from poll until settled; else 10,000.
    pub fn max_in_flight(self, records: usize) -> Self {
        self.known(&table::MAX_IN_FLIGHT, &records.to_string())
    }

    /// How long a stop waits for what is in flight; else 10 s.
    pub fn drain_timeout(self, time: Duration) -> Self {
        self.known(&table::DRAIN_TIMEOUT, &format!("{}ms", time.as_millis()))
    }

    /// End at the end of each partition, as it is when it is assigned.
    pub fn until_end(self) -> Self {
        self.known(&table::UNTIL_END, "true")
    }

    /// End when for this long nothing was in flight and no record came.
    pub fn idle_exit(self, time: Duration) -> Self {
        self.known(&table::IDLE_EXIT, &format!("{}ms", time.as_millis()))
    }

    /// End after so many records.
    pub fn max_records(self, records: u64) -> Self {
        self.known(&table::MAX_RECORDS, &records.to_string())
    }

    /// Any setting, by the name that its flag has and with a value that the flag takes; a switch takes `true` or `false`. Of a setting
    /// that is a list, each call adds to it.
    pub fn setting(self, name: &str, value: &str) -> Self {
        let found = table::ALL.iter().find(|setting| setting.name == name);
        let Some(setting) = found else {
            let nearest = settings::nearest(name, table::ALL.iter().map(|setting| setting.name)).map(str::to_owned);
            return self.refuse(ConsumerError::UnknownSetting { name: name.to_owned(), nearest });
        };
        if SPEECH.iter().any(|speech| speech.name == setting.name) {
            let instead = "a program prints what it wants; logs go to its tracing subscriber";
            return self.refuse(ConsumerError::NotForPrograms { name: setting.name, instead });
        }
        if setting.name == table::FAIL_ON_ERRORS.name {
            let instead = "a program sees in the summary how many failed";
            return self.refuse(ConsumerError::NotForPrograms { name: setting.name, instead });
        }
        self.known(setting, value)
    }

    /// A settings file, as `redrive` reads it. What the program itself says goes first, then the environment if it is asked for.
    pub fn settings_file(self, path: impl AsRef<Path>) -> Self {
        self.known(&table::CONFIG, &path.as_ref().display().to_string())
    }

    /// Reads the environment as well: `REDRIVE_…` and `KAFKA_BOOTSTRAP_SERVERS`, the file that `REDRIVE_CONFIG` names among them.
    pub fn environment(self) -> Self {
        Self { layer: Layer::Environment, ..self }
    }

    /// Called for each failure once the journal has it, on the journal's thread: it must be quick and must not block. It is told of
    /// all of them, also when they come by the thousand.
    pub fn on_failure(mut self, told: impl Fn(FailureSeen<'_>) + Send + Sync + 'static) -> Self {
        self.watchers.on_failure = Some(Arc::new(told));
        self
    }

    /// Called for each incident, as [`ConsumerBuilder::on_failure`] is; again while it lasts, and when it is over.
    pub fn on_incident(mut self, told: impl Fn(IncidentSeen<'_>) + Send + Sync + 'static) -> Self {
        self.watchers.on_incident = Some(Arc::new(told));
        self
    }

    /// Reads and checks all of it. No broker is asked, and no file is made.
    ///
    /// # Errors
    /// When something needed is missing, or a value means nothing; it says which.
    pub fn build(self) -> Result<Consumer, ConsumerError> {
        let Self { given, properties, receivers, watchers, layer, refused } = self;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let environment: Environment<'_> = match layer {
            Layer::Nothing => &|_| None,
            Layer::Environment => &settings::environment,
        };
        let layers = Layers::named(given, environment)?;
        let global = GlobalSettings::read(&layers)?;
        let settings = ConsumeSettings::read(&layers, &receivers)?;
        let connection = ConnectionSettings::read(&layers)?;
        let safety = if global.allow_unsafe_journal { Safety::AnyFileSystem } else { Safety::Safe };
        let place = Place {
            connection: Connection::new(connection.bootstrap, [connection.properties, properties].concat())?,
            journal: journal::Place { path: global.journal, safety },
            command: "consume",
        };
        Ok(Consumer { place, settings, watchers })
    }

    fn known(mut self, setting: &Setting, value: &str) -> Self {
        self.given.add(setting, value.to_owned());
        self
    }

    fn refuse(self, error: ConsumerError) -> Self {
        Self { refused: self.refused.or(Some(error)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::ALL_TYPES;

    fn least() -> ConsumerBuilder {
        Consumer::builder().bootstrap_servers("localhost:9092").topic("orders").group("shop").receiver("all", "discard:")
    }

    fn refused(builder: ConsumerBuilder) -> String {
        builder.build().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_said_is_what_the_flags_would_say() {
        let receivers = Receivers::new().on_blocking("billing", ALL_TYPES, |_| Ok(()));
        let at: jiff::Timestamp = "2026-11-23T05:00:00Z".parse().unwrap();
        let builder = least().topic("^user-.*").from(StartFrom::Time(at)).receivers(receivers).order(Order::Key).concurrency(3);
        let builder = builder.max_in_flight(9).idle_exit(Duration::from_millis(1_500)).max_records(7).until_end();
        let builder =
            builder.setting("retries", "5").setting("topic", "payments").journal("shop.db").property("check.crcs", "false");
        let Consumer { place, settings, .. } = builder.build().unwrap();
        assert_eq!(settings.topics, ["orders", "^user-.*", "payments"]);
        assert_eq!((settings.group.as_str(), settings.from, settings.concurrency.get()), ("shop", Some(StartFrom::Time(at)), 3));
        assert_eq!((settings.conduct.order, settings.conduct.budget.records), (Order::Key, 9));
        assert_eq!((settings.conduct.idle_exit, settings.conduct.max_records), (Some(Duration::from_millis(1_500)), Some(7)));
        let receivers: Vec<_> = settings.receivers.iter().map(|of| (of.name.as_str(), of.retries)).collect();
        assert_eq!(receivers, [("billing", 5), ("all", 5)]);
        assert_eq!((place.journal.path.as_path(), place.connection.bootstrap()), (Path::new("shop.db"), "localhost:9092"));
    }

    #[test]
    fn what_is_wrong_is_said_without_flags() {
        for (builder, expected) in [
            (Consumer::builder().topic("orders"), "group is needed: set it on the builder"),
            (least().setting("ordre", "key"), "there is no setting ordre; did you mean order?"),
            (
                least().setting("order", "keys"),
                "order is `keys` (from this program): expected partition, key or none; did you mean `key`?",
            ),
            (least().concurrency(0), "concurrency is `0` (from this program): expected a whole number from 1"),
            (
                least().setting("output", "json"),
                "the setting output is for the command line: a program prints what it wants; logs go to its tracing subscriber",
            ),
            (least().property("group.id", "x"), "the Kafka property group.id is redrive's own: use --group"),
            (
                least().settings_file("/no/such/file"),
                "the settings file (from this program) cannot be read from /no/such/file: No such file or directory (os error 2)",
            ),
        ] {
            assert_eq!(refused(builder), expected);
        }
    }

    #[test]
    fn the_value_of_a_property_is_not_looked_up_and_not_shown() {
        let error = refused(least().property("sasl.pasword", "@s3cret"));
        assert!(error.contains("sasl.pasword") && !error.contains("s3cret"), "{error}");
        assert!(least().property("sasl.password", "@/no/such/file").build().is_ok(), "a password may begin with @");
    }

    #[test]
    fn a_settings_file_is_read_when_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, "group = \"file\"\nconcurrency = 4\noutput = \"json\"\n").unwrap();
        let Consumer { settings, .. } = least().settings_file(&path).build().unwrap();
        assert_eq!((settings.group.as_str(), settings.concurrency.get()), ("shop", 4), "the program goes first");
    }
}
