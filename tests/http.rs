//! The `http:` receiver in a whole run: an endpoint that misbehaves in every way, event by event, beside a file that gets everything.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Broker, Endpoint, Folder, Request, Sample, unique};

const SOON: Duration = Duration::from_secs(40);
const OK: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// How an event is answered.
struct Way {
    /// The event's type.
    name: &'static str,
    /// Class and code; none when it is delivered.
    failure: Option<(&'static str, &'static str)>,
    tries: i64,
}

const WAYS: [Way; 15] = [
    delivered("ok"),
    delivered("has_text"),
    delivered("never_ends"),
    delivered("busy_once"),
    fails("hangs", "transient", "timeout", 2),
    fails("hangs_halfway", "transient", "timeout", 2),
    fails("hints_only", "transient", "timeout", 2),
    fails("huge", "transient", "http_500", 2),
    fails("closes_halfway", "transient", "bad_reply", 2),
    fails("garbage", "transient", "bad_reply", 2),
    fails("says_nothing", "transient", "bad_reply", 2),
    fails("busy_for_long", "transient", "http_429", 1),
    fails("moved", "permanent", "http_302", 1),
    fails("unprocessable", "permanent", "http_422", 1),
    fails("unknown_to_it", "consumer", "http_401", 1),
];
const OF_EACH: usize = 12;

const fn delivered(name: &'static str) -> Way {
    Way { name, failure: None, tries: 1 }
}

const fn fails(name: &'static str, class: &'static str, code: &'static str, tries: i64) -> Way {
    Way { name, failure: Some((class, code)), tries }
}

fn answer(request: &Request, elsewhere: &str, stream: &mut TcpStream) -> io::Result<()> {
    let closed = |stream: &mut TcpStream| {
        io::copy(stream, &mut io::sink())?;
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    match request.header("ce-type") {
        "ok" => stream.write_all(OK),
        "has_text" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        "busy_once" if request.header("ce-deliveryattempt") == "2" => stream.write_all(OK),
        "busy_once" => stream.write_all(b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"),
        "busy_for_long" => stream.write_all(b"HTTP/1.1 429 Busy\r\nretry-after: 11\r\ncontent-length: 0\r\n\r\n"),
        "hangs" => closed(stream),
        "hangs_halfway" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").and_then(|()| closed(stream)),
        "hints_only" => loop {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
        },
        "huge" => {
            stream.write_all(b"HTTP/1.1 500 Oh\r\ncontent-length: 50000000\r\n\r\n")?;
            (0..50).try_for_each(|_| stream.write_all(&[b'x'; 1_000_000]))
        }
        "never_ends" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(format!("4000\r\n{}\r\n", "x".repeat(0x4000)).as_bytes())?;
            }
        }
        "moved" => stream.write_all(format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n").as_bytes()),
        "unprocessable" => stream.write_all(b"HTTP/1.1 422 No\r\ncontent-length: 30\r\n\r\n{\"error\":\"order has no total\"}"),
        "unknown_to_it" => stream.write_all(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"),
        "closes_halfway" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")?;
            Err(io::ErrorKind::Other.into())
        }
        "garbage" => {
            stream.write_all(b"\0\x01 what is this?\r\n\r\n")?;
            Err(io::ErrorKind::Other.into())
        }
        _ => Err(io::ErrorKind::Other.into()),
    }
}

#[test]
fn an_endpoint_that_misbehaves_in_every_way_costs_only_its_own_deliveries() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("http"));
    let topic = broker.topic("http", 3);
    let elsewhere = Endpoint::start(|_, stream| stream.write_all(OK));
    let location = format!("http://{}/", elsewhere.address());
    let endpoint = Endpoint::start(move |request, stream| answer(request, &location, stream));
    let events = WAYS.iter().flat_map(|way| (0..OF_EACH).map(|n| (way.name, n)));
    let samples = events.enumerate().map(|(at, (way, n))| {
        Sample::event(way, &format!("{way}-{n}"), format!("{{\"n\":{n}}}")).to(i32::try_from(at % 3).unwrap())
    });
    topic.produce(&samples.collect::<Vec<_>>());
    let receivers = format!(
        "[[receiver]]\nname = \"service\"\ntarget = \"http://{}/events\"\ntimeout = \"2s\"\nretries = 1\n
        [[receiver]]\nname = \"audit\"\ntarget = \"file:audit.jsonl\"\n",
        endpoint.address()
    );
    folder.write("redrive.toml", &receivers);
    let mut running = folder.consume(&topic, &group, ["--from", "earliest", "--order", "none"]).spawn();
    running.line("group", SOON);
    let expected: usize = WAYS.iter().filter(|way| way.failure.is_some()).count() * OF_EACH;
    running.until("all is delivered or in the journal", SOON, |_| {
        let is_done = folder.journal().failures().len() >= expected && folder.lines("audit.jsonl").len() == WAYS.len() * OF_EACH;
        is_done.then_some(())
    });
    let peak = running.peak_memory();
    // What is delivered leaves no trace in the journal: the orderly end waits for it.
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert!(peak < 200_000_000, "{peak} bytes");

    let failures = folder.journal().failures();
    let mut by_way = BTreeMap::<String, usize>::new();
    for row in &failures {
        let way = row.event_type.clone().unwrap_or_default();
        let Way { failure, tries, .. } = WAYS.iter().find(|of| of.name == way).unwrap();
        assert_eq!((Some((row.class.as_str(), row.code.as_str())), row.attempts), (*failure, *tries), "{row:?}");
        assert_eq!(row.receiver.as_deref(), Some("service"));
        *by_way.entry(way).or_default() += 1;
    }
    assert!(by_way.len() * OF_EACH == expected && by_way.values().all(|count| *count == OF_EACH), "{by_way:?}");
    let message = |code: &str| failures.iter().find(|row| row.code == code).map(|row| row.message.clone()).unwrap_or_default();
    assert_eq!(message("http_422"), "422 Unprocessable Content: order has no total");
    assert_eq!(message("timeout"), "no answer within 2s");
    assert_eq!(elsewhere.requests().len(), 0, "a redirect is never followed");
    assert_eq!(broker.witness().lag(&group), 0);
    let tried: Vec<_> = endpoint.requests().iter().map(|request| request.header("ce-id").to_owned()).collect();
    let busy = tried.iter().filter(|id| id.starts_with("busy_once")).count();
    assert_eq!(busy, 2 * OF_EACH, "it asked for a second, and got it");
}

/// An endpoint that says what it was told: errors, logs and the journal stay clean all the same.
#[test]
fn no_secret_comes_back_through_an_endpoint_that_echoes_it() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("echo"));
    let topic = broker.topic("echo", 1);
    topic.produce(&[Sample::event("order.placed", "1", "{}")]);
    let endpoint = Endpoint::start(|request, stream| {
        let said = format!("{{\"error\":\"no {0}, s3cret\",\"you\":\"{0}\"}}", request.header("authorization"));
        stream.write_all(format!("HTTP/1.1 400 No\r\ncontent-length: {}\r\n\r\n{said}", said.len()).as_bytes())
    });
    let receiver = format!("service=http://me:s3cret@{}/events", endpoint.address());
    let arguments = ["--from", "earliest", "--until-end", "-v", "--receiver", &receiver];
    let output = folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    let sent = endpoint.requests().first().map(|request| request.header("authorization").to_owned()).unwrap();
    assert_eq!(sent, "Basic bWU6czNjcmV0");
    assert_eq!(folder.journal().failures()[0].message, "400 Bad Request: no Basic ***, ***");
    let shown = folder.redrive(["errors", "show", "1"]).run().expect_code(0);
    let mut places = vec![output.stdout, output.stderr, shown.stdout, shown.stderr];
    for name in ["redrive.db", "redrive.db-wal"] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
        places.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for place in places {
        assert!(!place.contains("s3cret") && !place.contains("bWU6czNjcmV0"), "{place}");
    }
}

/// A group that only fails says so and ends; nothing hangs on a server that is not there.
#[test]
fn nobody_listens() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("nobody"));
    let topic = broker.topic("nobody", 1);
    topic.produce(&[Sample::event("order.placed", "1", "{}")]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let receiver = format!("service=http://127.0.0.1:{port}/events");
    let arguments = ["--from", "earliest", "--until-end", "--retries", "1", "--receiver", &receiver];
    let journaled = ["--receiver-option", "service.on_outage=journal"];
    folder.consume(&topic, &group, arguments.into_iter().chain(journaled)).within(SOON).run().expect_code(0);
    let rows = folder.journal().failures();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.class.as_str(), row.code.as_str(), row.attempts), ("transient", "unreachable", 2));
    assert_eq!(row.message, format!("nobody listens at 127.0.0.1:{port}: connection refused"));
}

/// What the settings say of an endpoint reaches it.
#[test]
fn an_endpoint_gets_what_it_was_promised() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("promised"));
    let topic = broker.topic("promised", 1);
    topic.produce(&[Sample::event("order.placed", "1", "{\"total\":3}").header("X-Tenant", "one").header("x-other", "two")]);
    let endpoint = Endpoint::start(|_, stream| stream.write_all(OK));
    folder.write("token", "s3cret\n");
    let receivers = format!(
        "[[receiver]]\nname = \"service\"\ntarget = \"http://{}/events\"\nmode = \"structured\"\nforward_headers = [\"x-tenant\"]\n
        bearer_token = \"@token\"\n",
        endpoint.address()
    );
    folder.write("redrive.toml", &receivers);
    folder.consume(&topic, &group, ["--from", "earliest", "--until-end"]).within(SOON).run().expect_code(0);
    assert_eq!(folder.journal().failures(), []);
    let requests = endpoint.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    for (name, value) in [
        ("authorization", "Bearer s3cret"),
        ("content-type", "application/cloudevents+json; charset=UTF-8"),
        ("x-tenant", "one"),
        ("x-other", ""),
        ("ce-kafkatopic", topic.name()),
        ("ce-kafkaoffset", "0"),
        ("ce-deliverymode", "live"),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&event["type"], &event["data"]), (&serde_json::json!("order.placed"), &serde_json::json!({"total": 3})));
}
