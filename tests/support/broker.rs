//! A real Apache Kafka broker, run as a process: one that all tests share, or one that a test owns and may take away.
//!
//! Its ports lie below those that systems hand out by themselves, so nobody takes the port of a broker that is away for a while.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rustix::process::Signal;

use super::daemon::Daemon;
use super::guard;
use super::java::{Java, Kind};
use super::topic::Topic;
use super::witness::Witness;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const SEGMENT_LASTS: Duration = Duration::from_millis(100);

pub(crate) struct Broker {
    daemon: Daemon,
    port: u16,
    setup: Setup,
    pub(super) admin: AdminClient<DefaultClientContext>,
}

/// What a broker has beside what every one has.
#[derive(Default)]
pub(super) struct Setup {
    /// Name, protocol and port.
    pub(super) listeners: Vec<(String, String, u16)>,
    /// Listeners that clients are told to find at another port.
    pub(super) advertised: Vec<(String, u16)>,
    pub(super) properties: String,
    /// Arguments of the tool that formats its data.
    pub(super) format: Vec<String>,
    /// Arguments of the Java machine.
    pub(super) java: Vec<String>,
}

impl Broker {
    /// The broker that all tests share.
    #[track_caller]
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::plain) {
            Ok(broker) => broker,
            Err(error) => panic!("{error}"),
        }
    }

    /// A broker of the test's own.
    #[track_caller]
    pub(crate) fn own() -> Self {
        match Self::plain() {
            Ok(broker) => broker,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A new topic whose name begins with `name`.
    #[track_caller]
    pub(crate) fn topic(&self, name: &str, partitions: i32) -> Topic<'_> {
        Topic::create(self, unique(name), partitions, &[])
    }

    /// A new topic of exactly this name: for a broker of the test's own.
    #[track_caller]
    pub(crate) fn topic_named(&self, name: &str, partitions: i32) -> Topic<'_> {
        Topic::create(self, name.to_owned(), partitions, &[])
    }

    /// As [`Broker::topic`], of one that takes no larger records than `most` bytes.
    #[track_caller]
    pub(crate) fn small_topic(&self, name: &str, partitions: i32, most: usize) -> Topic<'_> {
        Topic::create(self, unique(name), partitions, &[("max.message.bytes", most.to_string())])
    }

    /// As [`Broker::topic`], of one that keeps the last record of each key, as soon as a later segment has begun: with the first record
    /// that is produced [`SEGMENT_LASTS`] later.
    #[track_caller]
    pub(crate) fn compacted_topic(&self, name: &str, partitions: i32) -> Topic<'_> {
        let segment = SEGMENT_LASTS.as_millis().to_string();
        let properties = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.001"), ("segment.ms", &segment)];
        Topic::create(self, unique(name), partitions, &properties.map(|(name, value)| (name, value.to_owned())))
    }

    /// What Kafka's own tools say about this broker.
    pub(crate) fn witness(&self) -> Witness<'_> {
        Witness::of(self)
    }

    /// Stops the broker in an orderly way (after SIGKILL it would be fenced for 9 s when it comes back). Topics and offsets stay.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.daemon.stop();
    }

    /// Starts the broker again, with its data, on its port.
    #[track_caller]
    pub(crate) fn start(&self) {
        if let Err(error) = self.run() {
            panic!("{error}");
        }
    }

    /// The broker hangs: connections stay, nothing is answered.
    #[track_caller]
    pub(crate) fn pause(&self) {
        self.daemon.pause();
    }

    #[track_caller]
    pub(crate) fn resume(&self) {
        self.daemon.signal(Signal::CONT);
    }

    /// How the broker is, for the messages of tests that fail.
    pub(crate) fn condition(&self) -> String {
        self.daemon.condition()
    }

    /// Whether a question gets an answer.
    pub(crate) fn answers(&self, within: Duration) -> bool {
        // The port first: the client library waits longer and longer between its own attempts to connect.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && self.admin.inner().fetch_metadata(None, within).is_ok_and(|cluster| !cluster.brokers().is_empty())
    }

    pub(crate) fn home(&self) -> &Path {
        self.daemon.home()
    }

    fn plain() -> Result<Self, String> {
        Self::started(|_| Ok(Setup::default()))
    }

    /// A broker that has what is set up for it in its home.
    pub(super) fn started(set_up: impl FnOnce(&Path) -> Result<Setup, String>) -> Result<Self, String> {
        let daemon = Daemon::new("broker")?;
        let [port, controller] = free_ports()?;
        let home = daemon.home();
        let setup = set_up(home)?;
        fs::write(home.join("server.properties"), properties(home, [port, controller], &setup))
            .map_err(|error| format!("{}: {error}", home.display()))?;
        let admin = ClientConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{port}"))
            .create()
            .map_err(|error| format!("the admin client cannot be made: {error}"))?;
        let broker = Self { daemon, port, setup, admin };
        broker.format()?;
        broker.run()?;
        Ok(broker)
    }

    fn format(&self) -> Result<(), String> {
        let mut id = uuid::Uuid::new_v4().into_bytes();
        // A first character that is a dash would be read as a flag.
        id[0] &= 0x7f;
        let output = Java::with_kafka(Kind::Tool)?
            .command()
            .current_dir(self.home())
            .args(["kafka.tools.StorageTool", "format", "-g", "-c", "server.properties", "-t", &URL_SAFE_NO_PAD.encode(id)])
            .args(&self.setup.format)
            .output()
            .map_err(|error| format!("Kafka's StorageTool cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!("Kafka's StorageTool cannot format {}:\n{}", self.home().display(), String::from_utf8_lossy(&said)))
    }

    /// Returns when the broker answers.
    fn run(&self) -> Result<(), String> {
        let java = Java::with_kafka(Kind::Broker)?;
        let mut command = guard::command(&java.program);
        command
            .args(&java.arguments)
            .args(&self.setup.java)
            // Native libraries are unpacked there, and a killed process leaves them behind.
            .arg(format!("-Djava.io.tmpdir={}", self.home().display()))
            // Says which signal ended it.
            .arg("-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.utils.LoggingSignalHandler=info")
            .args(["kafka.Kafka", "server.properties"]);
        self.daemon.run(&mut command, || self.answers(ANSWERS_WITHIN))
    }
}

/// A name that no other test of this run uses, for topics and groups.
pub(crate) fn unique(name: &str) -> String {
    static GIVEN_OUT: AtomicU32 = AtomicU32::new(1);
    format!("{name}-{}", GIVEN_OUT.fetch_add(1, Ordering::Relaxed))
}

/// Ports that nobody listens on, and that no system hands out to an outgoing connection.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut rng = rand::rng();
    let mut held = Vec::new();
    for _ in 0..1_000 {
        if held.len() == N {
            break;
        }
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, rng.random_range(10_000..32_000))));
    }
    let ports: Vec<u16> = held.iter().filter_map(|listener| Some(listener.local_addr().ok()?.port())).collect();
    ports.try_into().map_err(|_| "no free port between 10000 and 32000 on 127.0.0.1".to_owned())
}

fn properties(home: &Path, [port, controller]: [u16; 2], setup: &Setup) -> String {
    let listeners: String = setup.listeners.iter().map(|(name, _, port)| format!(",{name}://127.0.0.1:{port}")).collect();
    let told = |name: &str, port: u16| setup.advertised.iter().find(|(of, _)| of == name).map_or(port, |(_, port)| *port);
    let advertised = setup.listeners.iter().map(|(name, _, port)| format!(",{name}://127.0.0.1:{}", told(name, *port)));
    let advertised: String = advertised.collect();
    let protocols: String = setup.listeners.iter().map(|(name, protocol, _)| format!(",{name}:{protocol}")).collect();
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}
log.dirs={home}/data
message.max.bytes=12000000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
group.consumer.heartbeat.interval.ms=1000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.session.timeout.ms=3000
group.consumer.min.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.backoff.ms=500
log.retention.check.interval.ms=1000
auto.create.topics.enable=false
{more}",
        home = home.display(),
        more = setup.properties
    )
}
