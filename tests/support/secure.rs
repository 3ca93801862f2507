//! A real broker that lets nobody in without a certificate, a password or a token, and that keeps access lists.
//!
//! One process with a listener for each way in. What tests set up and look at goes through its plain listener, whose user may do
//! everything; so do topics, witnesses and producers of [`SecureBroker::broker`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::broker::{Broker, Setup, free_ports};
use super::certificates::{Authority, Valid};
use super::java::{Java, Kind};
use super::tokens::{self, Tokens};

/// Users that may do everything.
pub(crate) const PLAIN: (&str, &str) = ("plain-user", "pl41n-s3cret");
pub(crate) const SCRAM_256: (&str, &str) = ("scram-256-user", "scr4m-256-s3cret");
pub(crate) const SCRAM_512: (&str, &str) = ("scram-512-user", "scr4m-512-s3cret");
/// One that may do what a test allows ([`SecureBroker::allow`]); PLAIN, as all of these.
pub(crate) const LIMITED: [(&str, &str); 4] =
    [("limited-1", "l1m1ted-1"), ("limited-2", "l1m1ted-2"), ("limited-3", "l1m1ted-3"), ("limited-4", "l1m1ted-4")];
/// The name in the certificate of the one client that may do everything.
const CLIENT: &str = "client.test";

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Tls,
    /// TLS that wants a certificate of the client, too.
    Mutual,
    /// TLS, with every mechanism of SASL.
    SaslTls,
    /// Every mechanism of SASL, without TLS.
    Sasl,
    /// SASL without TLS, and SCRAM alone.
    Scram,
    /// TLS with a certificate for another name.
    OtherName,
    /// TLS with a certificate that is no longer valid.
    Expired,
}

const LISTENERS: [(Listener, &str, &str); 7] = [
    (Listener::Tls, "TLS", "SSL"),
    (Listener::Mutual, "MUTUAL", "SSL"),
    (Listener::SaslTls, "SASLTLS", "SASL_SSL"),
    (Listener::Sasl, "SASL", "SASL_PLAINTEXT"),
    (Listener::Scram, "SCRAM", "SASL_PLAINTEXT"),
    (Listener::OtherName, "OTHERNAME", "SSL"),
    (Listener::Expired, "EXPIRED", "SSL"),
];

pub(crate) struct SecureBroker {
    broker: Broker,
    ports: [u16; LISTENERS.len()],
    tokens: Tokens,
}

impl SecureBroker {
    /// The one that all tests share.
    #[track_caller]
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<SecureBroker, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::started) {
            Ok(broker) => broker,
            Err(error) => panic!("{error}"),
        }
    }

    /// A broker of the test's own, which it may take away.
    #[track_caller]
    pub(crate) fn own() -> Self {
        Self::started().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same broker, where its plain listener lets everybody do everything.
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    pub(crate) fn bootstrap(&self, listener: Listener) -> String {
        let at = LISTENERS.iter().position(|(of, ..)| *of == listener).expect("every listener is in the table");
        format!("127.0.0.1:{}", self.ports[at])
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// `ca.pem`, `other-ca.pem`, `client.pem`, `client.key`, `other-client.pem` and `other-client.key`: a certificate of an authority that
    /// this broker does not trust.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.broker.home().join(name)
    }

    /// Lets a user do an operation on `--topic NAME` or `--group NAME`.
    #[track_caller]
    pub(crate) fn allow(&self, user: &str, operation: &str, on: [&str; 2]) {
        self.access("--add", user, operation, on);
    }

    /// Takes back what was allowed.
    #[track_caller]
    pub(crate) fn forbid(&self, user: &str, operation: &str, on: [&str; 2]) {
        self.access("--remove", user, operation, on);
    }

    /// Gives the user of [`SCRAM_256`] another password.
    #[track_caller]
    pub(crate) fn set_password(&self, password: &str) {
        let config = format!("SCRAM-SHA-256=[password={password}]");
        let user = ["--alter", "--entity-type", "users", "--entity-name", SCRAM_256.0, "--add-config", &config];
        self.tool("kafka.admin.ConfigCommand", &user);
    }

    #[track_caller]
    fn access(&self, verb: &str, user: &str, operation: &str, [kind, name]: [&str; 2]) {
        let principal = format!("User:{user}");
        let mut arguments = vec![verb, "--allow-principal", &principal, "--operation", operation, kind, name];
        if verb == "--remove" {
            arguments.push("--force");
        }
        self.tool("org.apache.kafka.tools.AclCommand", &arguments);
    }

    #[track_caller]
    fn tool(&self, tool: &str, arguments: &[&str]) {
        let java = Java::with_kafka(Kind::Tool).unwrap_or_else(|error| panic!("{error}"));
        let output = java.command().args([tool, "--bootstrap-server", &self.broker.bootstrap()]).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{tool} cannot be run: {error}"));
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&said));
    }

    fn started() -> Result<Self, String> {
        let ports = free_ports()?;
        let tokens = Tokens::start().map_err(|error| format!("the token endpoint cannot be started: {error}"))?;
        let broker = Broker::started(|home| {
            write_files(home, tokens.key_set()).map_err(|error| format!("{}: {error}", home.display()))?;
            Ok(setup(home, ports))
        })?;
        Ok(Self { broker, ports, tokens })
    }
}

fn write_files(home: &Path, key_set: &str) -> io::Result<()> {
    let (authority, other) = (Authority::new("the tests' authority")?, Authority::new("another authority")?);
    fs::write(home.join("ca.pem"), authority.certificate()?)?;
    fs::write(home.join("other-ca.pem"), other.certificate()?)?;
    fs::write(home.join("keys.json"), key_set)?;
    for (name, host, valid) in [
        ("broker", "127.0.0.1", Valid::Now),
        ("othername", "kafka.example", Valid::Now),
        ("expired", "127.0.0.1", Valid::UntilYesterday),
    ] {
        let pair = authority.issue(host, valid)?;
        fs::write(home.join(format!("{name}.pem")), pair.key + &pair.certificate)?;
    }
    for (name, authority) in [("client", &authority), ("other-client", &other)] {
        let pair = authority.issue(CLIENT, Valid::Now)?;
        fs::write(home.join(format!("{name}.pem")), pair.certificate)?;
        fs::write(home.join(format!("{name}.key")), pair.key)?;
    }
    Ok(())
}

fn setup(home: &Path, ports: [u16; LISTENERS.len()]) -> Setup {
    let home = home.display();
    let listeners =
        LISTENERS.iter().zip(ports).map(|((_, name, protocol), port)| ((*name).to_owned(), (*protocol).to_owned(), port));
    let users = [PLAIN.0, SCRAM_256.0, SCRAM_512.0, tokens::CLIENT.0];
    let supers: String = users.iter().map(|user| format!(";User:{user}")).collect();
    let mut properties = format!(
        "\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN={CLIENT}{supers}
ssl.keystore.type=PEM
ssl.keystore.location={home}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={home}/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.othername.ssl.keystore.location={home}/othername.pem
listener.name.expired.ssl.keystore.location={home}/expired.pem
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
"
    );
    properties.extend(["sasltls", "sasl"].map(|listener| sasl(listener, &home.to_string())));
    properties.extend(["sasltls", "sasl", "scram"].map(scram));
    let scram_users = [("SCRAM-SHA-256", SCRAM_256), ("SCRAM-SHA-512", SCRAM_512)];
    let scram_user = |(mechanism, (name, password))| format!("{mechanism}=[name={name},password={password}]");
    Setup {
        advertised: Vec::new(),
        listeners: listeners.collect(),
        properties,
        format: scram_users.into_iter().flat_map(|user| ["--add-scram".to_owned(), scram_user(user)]).collect(),
        java: vec![format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://{home}/keys.json")],
    }
}

fn sasl(listener: &str, home: &str) -> String {
    let users = LIMITED.iter().chain([&PLAIN]).map(|(name, password)| format!(" user_{name}=\"{password}\"")).collect::<String>();
    let (at, oauth) = (format!("listener.name.{listener}"), "org.apache.kafka.common.security.oauthbearer");
    format!(
        "\
{at}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
{at}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required{users};
{at}.oauthbearer.sasl.jaas.config={oauth}.OAuthBearerLoginModule required;
{at}.oauthbearer.sasl.server.callback.handler.class={oauth}.OAuthBearerValidatorCallbackHandler
{at}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file://{home}/keys.json
{at}.oauthbearer.sasl.oauthbearer.expected.audience={}
{at}.oauthbearer.sasl.oauthbearer.expected.issuer=tests
",
        tokens::AUDIENCE
    )
}

fn scram(listener: &str) -> String {
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    ["256", "512"].map(|bits| format!("listener.name.{listener}.scram-sha-{bits}.sasl.jaas.config={module}\n")).concat()
}
