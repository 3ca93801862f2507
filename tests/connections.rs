//! Ways into a cluster that lets nobody in without a certificate, a password or a token; and what is said when one fails.
//!
//! Each way is a whole run, with Kafka's own tools as the witness of what was committed, and no secret may be left anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::command::Running;
use crate::support::{
    Folder, LIMITED, Listener, Output, PLAIN, SCRAM_256, SCRAM_512, Sample, SecureBroker, TOKEN_CLIENT, Topic, unique,
};

const SOON: Duration = Duration::from_secs(20);
/// What nothing can mend is told long before the 15 s that a first answer is waited for.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Properties, as they are given: `-X` for each.
fn flags(properties: &[String]) -> Vec<&str> {
    properties.iter().flat_map(|property| ["-X", property.as_str()]).collect()
}

fn property(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}={value}")
}

/// The tests' authority.
fn ca() -> String {
    property("ssl.ca.location", SecureBroker::shared().file("ca.pem").display())
}

fn login(protocol: &str, mechanism: &str, (user, password): (&str, &str)) -> Vec<String> {
    vec![
        property("security.protocol", protocol),
        ca(),
        property("sasl.mechanism", mechanism),
        property("sasl.username", user),
        property("sasl.password", password),
    ]
}

fn token(url: &str, secret: &str) -> Vec<String> {
    vec![
        property("security.protocol", "sasl_plaintext"),
        property("sasl.mechanism", "OAUTHBEARER"),
        property("sasl.oauthbearer.method", "oidc"),
        property("sasl.oauthbearer.client.id", TOKEN_CLIENT.0),
        property("sasl.oauthbearer.client.secret", secret),
        property("sasl.oauthbearer.token.endpoint.url", SecureBroker::shared().tokens().url(url)),
    ]
}

fn filled(name: &str, count: usize) -> Topic<'static> {
    let topic = SecureBroker::shared().broker().topic(name, 1);
    let events: Vec<_> = (0..count).map(|n| Sample::event("order.placed", &format!("e{n}"), "{}")).collect();
    topic.produce(&events);
    topic
}

/// A consumer of three records, whole: it reads them, commits, and leaves none of the secrets behind.
#[track_caller]
fn goes_in(folder: &Folder, listener: Listener, arguments: &[&str], secrets: &[(&str, &str)]) {
    let (broker, group) = (SecureBroker::shared(), unique("way-in"));
    let topic = filled("way-in", 3);
    let bootstrap = broker.bootstrap(listener);
    let command = folder.redrive(["consume", "-b", &bootstrap, "-t", topic.name(), "-g", &group, "--from", "earliest", "-vv"]);
    let command = command.args(["--receiver", "all=file:all.jsonl", "--commit-interval", "100ms"]).args(arguments.iter().copied());
    let variables = secrets.iter().filter(|(name, _)| !name.is_empty());
    let mut running = variables.fold(command, |command, (name, value)| command.env(name, value)).spawn();
    running.until("all is read", SOON, |_| (folder.lines("all.jsonl").len() == 3).then_some(()));
    let is_done = || broker.broker().witness().group_offsets(&group).iter().any(|at| at.committed == Some(3));
    running.until("all is committed", SOON, |_| is_done().then_some(()));
    let line = fs::read(format!("/proc/{}/cmdline", running.id())).unwrap();
    let journal: Vec<_> =
        ["redrive.db", "redrive.db-wal"].map(|name| fs::read(folder.path().join(name)).unwrap_or_default()).into();
    running.signal(Signal::TERM);
    let output = running.wait(SOON).expect_code(0);
    assert_eq!(folder.delivered("all.jsonl"), [(0, 0), (0, 1), (0, 2)]);
    let places = [line, output.stdout.into(), output.stderr.into(), fs::read(folder.path().join("redrive.db")).unwrap()];
    for (at, bytes) in places.iter().chain(&journal).enumerate() {
        for (_, secret) in secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is in place {at}");
        }
    }
}

#[test]
fn tls_goes_in() {
    goes_in(&Folder::new(), Listener::Tls, &flags(&[property("security.protocol", "ssl"), ca()]), &[]);
}

#[test]
fn a_certificate_of_the_client_goes_in() {
    let file = |name| SecureBroker::shared().file(name).display().to_string();
    let pair = [
        property("security.protocol", "SSL"),
        ca(),
        property("ssl.certificate.location", file("client.pem")),
        property("ssl.key.location", file("client.key")),
    ];
    goes_in(&Folder::new(), Listener::Mutual, &flags(&pair), &[]);
}

#[test]
fn passwords_go_in_and_stay_secret_from_a_file_from_the_environment_and_from_a_properties_file() {
    let folder = Folder::new();
    let from_file = format!("@{}", folder.write("password", PLAIN.1).display());
    goes_in(&folder, Listener::SaslTls, &flags(&login("sasl_ssl", "PLAIN", (PLAIN.0, &from_file))), &[("", PLAIN.1)]);

    let from_environment = login("sasl_plaintext", "SCRAM-SHA-256", (SCRAM_256.0, "env:KAFKA_PASSWORD"));
    goes_in(&Folder::new(), Listener::Scram, &flags(&from_environment), &[("KAFKA_PASSWORD", SCRAM_256.1)]);

    let folder = Folder::new();
    let lines = login("SASL_SSL", "SCRAM-SHA-512", SCRAM_512).join("\n");
    let path = folder.write("client.properties", &format!("# of the tests\n{lines}\n")).display().to_string();
    goes_in(&folder, Listener::SaslTls, &["--command-config", &path], &[("", SCRAM_512.1)]);
}

#[test]
fn a_token_goes_in() {
    let properties = token("/token", "env:CLIENT_SECRET");
    goes_in(&Folder::new(), Listener::Sasl, &flags(&properties), &[("CLIENT_SECRET", TOKEN_CLIENT.1)]);
}

/// A connection that fails: where to, how, and what must be said of it.
struct Failing {
    to: String,
    properties: Vec<String>,
    code: i32,
    within: Duration,
    says: [&'static str; 2],
}

fn failing(to: impl Into<String>, properties: Vec<String>, says: [&'static str; 2]) -> Failing {
    Failing { to: to.into(), properties, code: 1, within: AT_ONCE, says }
}

impl Failing {
    /// The properties alone are wrong.
    fn by_usage(self) -> Self {
        Self { code: 2, ..self }
    }

    /// It may pass, so it is waited for: who hangs up may be something before a broker that is still starting.
    fn after_a_while(self) -> Self {
        Self { within: SOON, ..self }
    }
}

/// All at the same time: what may pass is waited for for a quarter of a minute.
#[track_caller]
fn all_fail(mut all: Vec<Failing>) {
    // They are looked at one after the other, so those that end first come first.
    all.sort_by_key(|failing| failing.within);
    let begun: Vec<(Failing, Folder, Instant, Running)> = all
        .into_iter()
        .map(|failing| {
            let folder = Folder::new();
            let arguments = ["consume", "-b", &failing.to, "-t", "any", "-g", "any", "--receiver", "all=discard:"];
            let running = folder.redrive(arguments).args(flags(&failing.properties)).spawn();
            (failing, folder, Instant::now(), running)
        })
        .collect();
    for (failing, _folder, began, running) in begun {
        let output = running.wait(SOON);
        let took = began.elapsed();
        let Failing { properties, code, within, says, .. } = failing;
        assert!(took < within, "{properties:?} took {took:?}: {}", output.stderr);
        let output = output.expect_code(code);
        assert!(says.iter().all(|part| output.stderr.contains(part)), "{properties:?}: expected {says:?}, got:\n{}", output.stderr);
        assert!(!output.stderr.contains("wr0ng"), "{}", output.stderr);
    }
}

#[test]
fn a_tls_that_fails_says_which_property_is_wrong() {
    let broker = SecureBroker::shared();
    let file = |name: &str, file: &str| property(name, broker.file(file).display());
    let ssl = |more: &[String]| [&[property("security.protocol", "ssl")], more].concat();
    let at = |listener| broker.bootstrap(listener);
    all_fail(vec![
        failing(at(Listener::Tls), ssl(&[]), ["is not signed by an authority that is trusted", "-X ssl.ca.location=FILE"]),
        failing(
            at(Listener::Tls),
            ssl(&[file("ssl.ca.location", "other-ca.pem")]),
            ["is not signed by an authority that is trusted", "-X ssl.ca.location=FILE has to hold"],
        ),
        failing(
            at(Listener::Tls),
            ssl(&[file("ssl.ca.location", "nothing.pem")]),
            ["the file of ssl.ca.location cannot be read", "-X ssl.ca.location=FILE"],
        )
        .by_usage(),
        failing(
            at(Listener::Tls),
            ssl(&[file("ssl.ca.location", "server.properties")]),
            ["the file of ssl.ca.location is not in the form of PEM", "-X ssl.ca.location=FILE"],
        )
        .by_usage(),
        failing(at(Listener::OtherName), ssl(&[ca()]), ["is for another name", "-X ssl.endpoint.identification.algorithm=none"]),
        failing(at(Listener::Expired), ssl(&[ca()]), ["the broker's certificate has expired", "openssl s_client"]),
        failing(at(Listener::Mutual), ssl(&[ca()]), ["wants a certificate of this client", "-X ssl.certificate.location=FILE"]),
        failing(
            at(Listener::Mutual),
            ssl(&[ca(), file("ssl.certificate.location", "other-client.pem"), file("ssl.key.location", "other-client.key")]),
            ["the broker refuses this client's certificate", "-X ssl.certificate.location=FILE"],
        ),
        failing(
            at(Listener::Mutual),
            ssl(&[ca(), file("ssl.certificate.location", "client.pem"), file("ssl.key.location", "other-client.key")]),
            ["the key of ssl.key.location does not belong to", "name a pair"],
        )
        .by_usage(),
        failing(at(Listener::Tls), vec![], ["that port most likely speaks TLS", "-X security.protocol=ssl"]).after_a_while(),
        failing(broker.broker().bootstrap(), ssl(&[ca()]), ["most likely does not speak TLS", "-X security.protocol=plaintext"])
            .after_a_while(),
    ]);
}

#[test]
fn a_login_that_fails_says_which_property_is_wrong() {
    let broker = SecureBroker::shared();
    let at = |listener| broker.bootstrap(listener);
    let wrong = |protocol, mechanism, user| login(protocol, mechanism, (user, "wr0ng"));
    let refused = ["the broker refuses the user name or the password", "-X sasl.password=@FILE"];
    let sasl = || vec![property("security.protocol", "sasl_plaintext")];
    all_fail(vec![
        failing(at(Listener::SaslTls), wrong("sasl_ssl", "PLAIN", PLAIN.0), refused),
        failing(at(Listener::SaslTls), wrong("sasl_ssl", "SCRAM-SHA-256", SCRAM_256.0), refused),
        failing(at(Listener::Sasl), wrong("sasl_plaintext", "SCRAM-SHA-512", "nobody"), refused),
        failing(
            at(Listener::Scram),
            login("sasl_plaintext", "PLAIN", PLAIN),
            ["does not take the mechanism PLAIN, but SCRAM-SHA-", "-X sasl.mechanism=SCRAM-SHA-"],
        ),
        failing(at(Listener::Sasl), vec![], ["wants a user name and a password", "-X security.protocol=sasl_plaintext"])
            .after_a_while(),
        failing(
            at(Listener::SaslTls),
            vec![property("security.protocol", "ssl"), ca()],
            ["wants a user name and a password", "-X security.protocol=sasl_ssl"],
        )
        .after_a_while(),
        failing(
            at(Listener::SaslTls),
            login("sasl_plaintext", "PLAIN", PLAIN),
            ["that port most likely speaks TLS", "-X security.protocol=sasl_ssl"],
        )
        .after_a_while(),
        failing(
            broker.broker().bootstrap(),
            login("sasl_plaintext", "PLAIN", PLAIN),
            ["takes no user name and password", "-X security.protocol=plaintext"],
        ),
        failing(at(Listener::Sasl), sasl(), ["nothing says which mechanism of PLAIN,", "-X sasl.mechanism=NAME"]).by_usage(),
        failing(
            at(Listener::Sasl),
            [sasl(), vec![property("sasl.mechanism", "PLAIN")]].concat(),
            ["sasl.username and sasl.password are not set", "-X sasl.password=@FILE"],
        )
        .by_usage(),
    ]);
}

#[test]
fn a_token_that_is_not_given_says_which_property_is_wrong() {
    let at = SecureBroker::shared().bootstrap(Listener::Sasl);
    let url = "-X sasl.oauthbearer.token.endpoint.url=URL";
    let elsewhere = |url: &str| {
        let mut properties = token("/token", TOKEN_CLIENT.1);
        properties.push(property("sasl.oauthbearer.token.endpoint.url", url));
        properties
    };
    all_fail(vec![
        failing(
            &at,
            token("/token", "wr0ng"),
            ["the token endpoint refuses this client", "-X sasl.oauthbearer.client.secret=@FILE"],
        ),
        failing(&at, token("/nothing", TOKEN_CLIENT.1), ["the token endpoint is not there (status 404)", url]),
        failing(&at, elsewhere("http://127.0.0.1:1/token"), ["the token endpoint cannot be reached", url]).after_a_while(),
        failing(&at, elsewhere("http://me:wr0ng@no.such.host.invalid/"), ["endpoint's name is not known", url]).after_a_while(),
        failing(
            &at,
            token("/token", TOKEN_CLIENT.1).into_iter().filter(|property| !property.contains("endpoint")).collect(),
            ["sasl.oauthbearer.token.endpoint.url is not set", "-X sasl.oauthbearer.token.endpoint.url=…"],
        )
        .by_usage(),
        failing(
            &at,
            vec![property("security.protocol", "sasl_plaintext"), property("sasl.mechanism", "OAUTHBEARER")],
            ["where tokens come from", "-X sasl.oauthbearer.method=oidc"],
        )
        .by_usage(),
    ]);
}

/// Says what an HTTP server says to somebody who speaks otherwise, until the test process ends.
fn http_server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || {
        let mut streams: Vec<_> = Vec::new();
        for mut stream in listener.incoming().flatten() {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").ok();
            // Kept open: closed, the answer could be lost with what was not read.
            streams.push(stream);
        }
    };
    std::thread::Builder::new().name("http".to_owned()).spawn(serve).unwrap();
    address
}

#[test]
fn a_network_that_fails_says_so() {
    let http = http_server();
    // Connections wait there for somebody who takes them.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let address = "-b HOST:PORT";
    let tls = || vec![property("security.protocol", "ssl")];
    all_fail(vec![
        failing("no.such.host.invalid:9092", vec![], ["that name is not known", address]).after_a_while(),
        failing("127.0.0.1:1", vec![], ["nothing listens there", address]).after_a_while(),
        failing(&at, vec![], ["answers nothing: it is not Kafka, or it hangs", address]).after_a_while(),
        failing(&at, tls(), ["nothing came back, not even a refusal", "HOST:PORT"]).after_a_while(),
        failing(&http, vec![], ["an HTTP server answers there, not Kafka", address]),
        failing(&http, tls(), ["that port does not speak TLS", "-X security.protocol=plaintext"]),
    ]);
}

/// Runs until it ends by itself.
fn consume_as(user: (&str, &str), topic: &Topic<'_>, group: &str) -> Output {
    reading_as(user, &Folder::new(), topic, group).wait(SOON)
}

fn reading_as(user: (&str, &str), folder: &Folder, topic: &Topic<'_>, group: &str) -> Running {
    let bootstrap = SecureBroker::shared().bootstrap(Listener::Sasl);
    let arguments = ["consume", "-b", &bootstrap, "-t", topic.name(), "-g", group, "--from", "earliest"];
    // A group is lost when a session is over: until then its members only get no answer.
    let more = ["--receiver", "all=file:all.jsonl", "--commit-interval", "100ms", "-X", "session.timeout.ms=3000"];
    folder.redrive(arguments).args(more).args(flags(&login("sasl_plaintext", "PLAIN", user))).spawn()
}

#[test]
fn who_may_not_read_is_told_so() {
    let (broker, user, group) = (SecureBroker::shared(), LIMITED[0], unique("forbidden"));
    let topic = filled("forbidden", 3);
    let output = consume_as(user, &topic, &group).expect_code(1);
    let said = [format!("may not see the topic {}", topic.name()), format!("--operation Describe --topic {}", topic.name())];
    assert!(said.iter().all(|said| output.stderr.contains(said)), "{}", output.stderr);

    broker.allow(user.0, "Describe", ["--topic", topic.name()]);
    let output = consume_as(user, &topic, &group).expect_code(1);
    let said = [format!("may not read group {group}"), format!("--operation Read --group {group}")];
    assert!(said.iter().all(|said| output.stderr.contains(said)), "{}", output.stderr);

    broker.allow(user.0, "Read", ["--group", &group]);
    let output = consume_as(user, &topic, &group).expect_code(1);
    let said = ["may not read topic".to_owned(), format!("--operation Read --topic {}", topic.name())];
    assert!(said.iter().all(|said| output.stderr.contains(said)), "{}", output.stderr);
}

/// What is taken away from a consumer that runs.
#[test]
fn who_may_no_longer_read_is_told_so() {
    let broker = SecureBroker::shared();
    for (user, kind) in [(LIMITED[1], "group"), (LIMITED[2], "topic")] {
        let (folder, group, topic) = (Folder::new(), unique("revoked"), filled("revoked", 3));
        broker.allow(user.0, "Read", ["--topic", topic.name()]);
        broker.allow(user.0, "Read", ["--group", &group]);
        let mut running = reading_as(user, &folder, &topic, &group);
        running.until("all is read", SOON, |_| (folder.lines("all.jsonl").len() == 3).then_some(()));
        let is_done = || broker.broker().witness().group_offsets(&group).iter().any(|at| at.committed == Some(3));
        running.until("all is committed", SOON, |_| is_done().then_some(()));
        let what = BTreeMap::from([("group", ["--group", &group]), ("topic", ["--topic", topic.name()])])[kind];
        broker.forbid(user.0, "Read", what);
        let output = running.wait(SOON).expect_code(1);
        let said = [format!("may not read {kind} {}", what[1]), format!("--operation Read {} {}", what[0], what[1])];
        assert!(said.iter().all(|said| output.stderr.contains(said)), "{}", output.stderr);
    }
}

/// A password that is changed on the broker: who is logged in goes on, who has to log in again waits, and says why.
#[test]
fn a_password_that_is_no_longer_right_is_an_incident_while_it_lasts() {
    let (broker, folder, group) = (SecureBroker::own(), Folder::new(), unique("changed"));
    let topic = broker.broker().topic("changed", 1);
    topic.produce(&[Sample::event("order.placed", "first", "{}")]);
    let (bootstrap, login) = (broker.bootstrap(Listener::Scram), login("sasl_plaintext", "SCRAM-SHA-256", SCRAM_256));
    let arguments = ["consume", "-b", &bootstrap, "-t", topic.name(), "-g", &group, "--from", "earliest"];
    let command = folder.redrive(arguments).args(["--receiver", "all=file:all.jsonl"]).args(flags(&login[2..]));
    let mut running = command.args(["-X", &login[0]]).spawn();
    running.until("the first is read", SOON, |_| (folder.lines("all.jsonl").len() == 1).then_some(()));
    broker.set_password("another-s3cret");
    broker.broker().stop();
    broker.broker().start();
    let said = running.line("broker_away", 3 * SOON);
    assert!(said.contains("the broker refuses the user name or the password"), "{said}");
    broker.set_password(SCRAM_256.1);
    topic.produce(&[Sample::event("order.placed", "second", "{}")]);
    running.line("broker_away is over", SOON);
    running.until("the second is read", SOON, |_| (folder.lines("all.jsonl").len() == 2).then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
}
