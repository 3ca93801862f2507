//! `redrive doctor`: what it finds at real brokers, receivers and journals, and that it leaves nothing behind.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Broker, Folder, LIMITED, Listener, Sample, SecureBroker, unique, wait};

const SOON: Duration = Duration::from_secs(30);

/// What `doctor` found, and its exit code.
struct Report {
    code: i32,
    findings: Vec<Value>,
}

impl Report {
    /// Of a folder, asked with these arguments.
    #[track_caller]
    fn of(folder: &Folder, arguments: &[&str]) -> Self {
        let output =
            folder.redrive(["doctor", "-o", "json"]).args(arguments.iter().copied()).within(Duration::from_secs(120)).run();
        let document: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert_eq!((&document["version"], &document["command"]), (&1.into(), &"doctor".into()));
        let findings = document["items"].as_array().unwrap_or_else(|| panic!("{document:#}")).clone();
        let schema: Value = serde_json::from_str(include_str!("../schemas/finding.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for finding in &findings {
            assert!(validator.is_valid(finding), "{finding:#}");
        }
        Self { code: output.status.code().unwrap(), findings }
    }

    #[track_caller]
    fn finding(&self, section: &str, subject: &str) -> &Value {
        let found = self.findings.iter().find(|finding| finding["section"] == section && finding["subject"] == subject);
        found.unwrap_or_else(|| panic!("no {section}/{subject} in {:#?}", self.findings))
    }

    #[track_caller]
    fn assert(&self, section: &str, subject: &str, verdict: &str, said: &str) -> &Value {
        let finding = self.finding(section, subject);
        let is_said = finding["found"].as_str().unwrap().contains(said);
        assert!(finding["verdict"] == verdict && is_said, "expected {verdict}, {said:?}: {finding:#}");
        finding
    }

    fn has(&self, section: &str, subject: &str) -> bool {
        self.findings.iter().any(|finding| finding["section"] == section && finding["subject"] == subject)
    }

    fn problems(&self) -> Vec<&Value> {
        self.findings.iter().filter(|finding| finding["verdict"] == "problem").collect()
    }

    #[track_caller]
    fn mend(&self, section: &str, subject: &str) -> &str {
        self.finding(section, subject)["mends"][0].as_str().unwrap()
    }
}

/// An HTTP server that answers every request the same way. It runs for as long as the test process.
struct Endpoint {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&heads);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                // Whatever goes wrong between them is the client's to notice.
                drop(serve(stream, answer, &heard));
            }
        };
        thread::Builder::new().name("endpoint".to_owned()).spawn(serve).unwrap();
        Self { url, heads }
    }

    /// The heads of the requests.
    fn heard(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &str, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    // A connection without a request only shows that somebody is there.
    if !head.is_empty() {
        heard.lock().unwrap().push(head);
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

#[test]
fn all_is_well_and_nothing_is_left_behind() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("doctor"));
    let topic = broker.topic("doctor", 3);
    topic.produce(&[Sample::event("t", "1", "{}"), Sample::event("t", "2", "{}")]);
    folder.write("redrive.toml", "[[receiver]]\nname = \"audit\"\ntarget = \"file:audit.jsonl\"\n");
    let report = Report::of(&folder, &["-b", &broker.bootstrap(), "-t", topic.name(), "-g", &group, "--from", "earliest"]);
    assert_eq!((report.code, report.problems()), (0, vec![]));
    report.assert("broker", "reachable", "ok", "1 broker · cluster ");
    report.assert("broker", "features", "ok", "the broker takes group.protocol=consumer (KIP-848), deleting offsets");
    report.assert("topics", topic.name(), "ok", "3 partitions, each with a leader");
    report.assert("topics", "logs", "ok", "2 offsets in 3 partitions");
    report.assert("group", "members", "ok", "there is no group");
    report.assert("group", "offsets", "ok", "committed in 0 of 3 partitions");
    report.assert("group", "start", "ok", "--from earliest counts there");
    report.assert("access", &format!("topic {}", topic.name()), "ok", "Read is allowed");
    report.assert("receivers", "audit", "ok", "there is no file yet");
    report.assert("journal", "file", "ok", "there is none at");
    report.assert("journal", "free space", "ok", "free of");
    report.assert("journal", "sync", "ok", " ms for each");
    report.assert("clock", "records", "ok", "none is of the future");
    let origin = |name: &str| report.finding("settings", name)["origin"].as_str().map(str::to_owned);
    assert_eq!(origin("topic").as_deref(), Some("from --topic"));
    assert_eq!(origin("receiver.audit").as_deref(), Some("from redrive.toml, line 1"));
    assert_eq!(origin("retries").as_deref(), Some("the default"));

    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["redrive.toml"]);
    assert_eq!(broker.witness().group_state(&group), None, "no group was made");
}

#[test]
fn what_is_not_said_is_skipped_with_the_flag_that_says_it() {
    let folder = Folder::new();
    let report = Report::of(&folder, &[]);
    assert_eq!((report.code, report.problems()), (0, vec![]));
    for (section, subject, flag) in [
        ("broker", "reachable", "-b "),
        ("topics", "topics", "-t "),
        ("group", "group", "-g "),
        ("receivers", "receivers", "--receiver "),
    ] {
        assert_eq!(report.finding(section, subject)["verdict"], "skipped");
        assert!(report.mend(section, subject).starts_with(flag), "{section}");
    }
}

#[test]
fn a_broker_that_is_away_is_one_finding_and_the_rest_is_looked_at() {
    let folder = Folder::new();
    let report = Report::of(&folder, &["-b", "127.0.0.1:1", "-t", "orders", "-g", "shop", "--receiver", "all=discard:"]);
    assert_eq!((report.code, report.problems().len()), (6, 1));
    let finding = report.assert("broker", "reachable", "problem", "no broker at 127.0.0.1:1 answered");
    assert!(finding["causes"][0].as_str().unwrap().contains("refused"), "{finding:#}");
    for section in ["topics", "group"] {
        assert_eq!(report.finding(section, section)["verdict"], "skipped");
    }
    report.assert("receivers", "all", "ok", "takes everything");
    report.assert("journal", "sync", "ok", "ms");
}

#[test]
fn a_mistyped_topic_gets_the_nearest_name() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("mistyped", 1);
    let name = topic.name().replace("mistyped", "mistyepd");
    let report = Report::of(&folder, &["-b", &broker.bootstrap(), "-t", &name, "-g", "nobody"]);
    assert_eq!(report.code, 6);
    report.assert("topics", &name, "problem", "there is no topic of this name");
    assert_eq!(report.mend("topics", &name), format!("-t {}", topic.name()));
}

#[test]
fn live_members_and_a_journal_in_use_are_told() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("members"));
    let topic = broker.topic("members", 1);
    topic.produce(&[Sample::event("t", "1", "{}"), Sample::value("no event"), Sample::event("t", "2", "{}")]);
    let arguments = ["--from", "earliest", "-X", "client.id=shop-7", "--receiver", "all=file:all.jsonl"];
    let mut consumer = folder.consume(&topic, &group, arguments).spawn();
    consumer.until("both are delivered", SOON, |_| (folder.lines("all.jsonl").len() == 2).then_some(()));
    let report = Report::of(&folder, &["-b", &broker.bootstrap(), "-t", topic.name(), "-g", &group]);
    assert_eq!((report.code, report.problems()), (0, vec![]), "a warning is no problem");
    report.assert("group", "members", "warning", "1 live member: ");
    report.assert("group", "members", "warning", "client shop-7");
    report.assert("journal", "in use", "ok", &format!("consume of group {group} (pid {}", consumer.id()));
    consumer.signal(Signal::TERM);
    consumer.wait(SOON).expect_code(0);
    let report = Report::of(&folder, &["-b", &broker.bootstrap(), "-t", topic.name(), "-g", &group]);
    report.assert("group", "members", "ok", "no members");
    report.assert("group", "offsets", "ok", "committed in 1 of 1 partitions · lag 0");
    report.assert("journal", "file", "ok", "1 open failures");
}

#[test]
fn rights_that_are_missing_are_told_with_the_command_that_gives_them() {
    let (broker, folder, group) = (SecureBroker::shared(), Folder::new(), unique("rights"));
    let (user, topic) = (LIMITED[3], broker.broker().topic("rights", 1));
    let bootstrap = broker.bootstrap(Listener::Sasl);
    let login = ["security.protocol=sasl_plaintext", "sasl.mechanism=PLAIN"].map(str::to_owned);
    let login = [&login[..], &[format!("sasl.username={}", user.0), format!("sasl.password={}", user.1)]].concat();
    let ask = || {
        let properties = login.iter().flat_map(|property| ["-X", property.as_str()]);
        let arguments: Vec<_> = ["-b", &bootstrap, "-t", topic.name(), "-g", &group].into_iter().chain(properties).collect();
        Report::of(&folder, &arguments)
    };
    let report = ask();
    assert_eq!(report.code, 6);
    report.assert("broker", "reachable", "ok", "1 broker");
    report.assert("topics", topic.name(), "problem", "or none that we may see");
    report.assert("group", "members", "problem", "uthoriz");
    assert!(report.mend("group", "members").contains(&format!("--operation Read --group {group}")));

    broker.allow(user.0, "Describe", ["--topic", topic.name()]);
    broker.allow(user.0, "Describe", ["--group", &group]);
    let (of_topic, of_group) = (format!("topic {}", topic.name()), format!("group {group}"));
    wait::until("the rights are known", SOON, || {
        let report = ask();
        (report.has("access", &of_topic) && report.has("access", &of_group)).then_some(())
    });
    let report = ask();
    report.assert("access", &of_topic, "problem", "Read is not allowed");
    report.assert("access", &of_group, "problem", "Read is not allowed");
    assert!(report.mend("access", &of_topic).ends_with(&format!("--operation Read --topic {}", topic.name())));

    broker.allow(user.0, "Read", ["--topic", topic.name()]);
    broker.allow(user.0, "Read", ["--group", &group]);
    wait::until("all is allowed", SOON, || (ask().code == 0).then_some(()));
}

#[test]
fn what_is_no_journal_is_told_as_every_command_tells_it() {
    let folder = Folder::new();
    folder.write("redrive.db", &"no journal ".repeat(100));
    let report = Report::of(&folder, &[]);
    assert_eq!(report.code, 6);
    report.assert("journal", "file", "problem", "is not a journal: it is not a SQLite database");
    assert_eq!(report.mend("journal", "file"), "name another file: --journal PATH");
    let report = Report::of(&folder, &["--journal", "missing/redrive.db"]);
    report.assert("journal", "folder", "problem", "No such file or directory");
}

#[test]
fn an_endpoint_is_asked_without_an_event() {
    let folder = Folder::new();
    let fine =
        Endpoint::answering("HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n");
    let denying = Endpoint::answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let (there, denied) = (format!("there={}", fine.url), format!("denied={}", denying.url));
    let report = Report::of(&folder, &["--receiver", &there, "--receiver", &denied, "--receiver", "away=http://127.0.0.1:1/"]);
    assert_eq!(report.code, 6);
    report.assert("receivers", "there", "ok", "405 to an OPTIONS request");
    report.assert("receivers", "denied", "problem", "it does not let us in: 401");
    report.assert("receivers", "away", "problem", "refused");
    report.assert("clock", "there", "warning", "s slow, by ours");
    let heads = [fine.heard(), denying.heard()].concat();
    assert!(heads.iter().all(|head| head.starts_with("OPTIONS /events ") && !head.contains("ce-")), "{heads:?}");
}

#[test]
fn a_registry_is_asked_for_no_schema() {
    let folder = Folder::new();
    let knows = Endpoint::answering("HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n[\"AVRO\",\"JSON\"]");
    let refuses = Endpoint::answering("HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let away = "http://127.0.0.1:1";
    let addresses = format!("{},{},{away}", knows.url, refuses.url);
    let login = ["--schema-registry-basic-auth", "me:s3cret"];
    let report = Report::of(&folder, &[&["--schema-registry", &addresses][..], &login[..]].concat());
    assert_eq!(report.code, 6);
    report.assert("registry", &knows.url, "ok", "it answers as a registry, of AVRO, JSON");
    report.assert("registry", &refuses.url, "problem", "it does not let us in: GET ");
    assert!(report.mend("registry", &refuses.url).starts_with("--schema-registry-basic-auth"));
    report.assert("registry", away, "problem", "nobody listens at 127.0.0.1:1");
    let head = knows.heard().remove(0);
    assert!(head.starts_with("GET /events/schemas/types ") && head.contains("Basic bWU6czNjcmV0"), "{head}");
    let shown = report.assert("settings", "schema-registry-basic-auth", "ok", "***");
    assert_eq!(shown["origin"], "from --schema-registry-basic-auth");
    assert!(report.findings.iter().all(|finding| !finding.to_string().contains("s3cret")));
    let without = Report::of(&folder, &[]);
    assert!(without.findings.iter().all(|finding| finding["section"] != "registry"), "nobody asked for one");
}

#[test]
fn a_worker_is_handed_nothing_unless_it_is_named() {
    let folder = Folder::new();
    let settings = |script: &str| {
        folder.write("worker.sh", script);
        folder.write("redrive.toml", "[[receiver]]\nname = \"billing\"\ntarget = \"exec:/bin/sh worker.sh\"\n");
    };
    settings("while read -r line; do echo \"$line\" >> got; done");
    let report = Report::of(&folder, &[]);
    report.assert("receivers", "billing", "ok", "starts, and ends with its input");
    assert!(folder.lines("got").is_empty());
    settings("trap '' TERM; while :; do sleep 1; done");
    let report = Report::of(&folder, &[]);
    assert_eq!(report.code, 6);
    report.assert("receivers", "billing", "problem", "it went on when its input ended, and was killed");
    settings("echo hello; cat > /dev/null");
    Report::of(&folder, &[]).assert("receivers", "billing", "problem", "it wrote to stdout before it was handed anything: hello");
    settings("echo why >&2; exit 3");
    Report::of(&folder, &[]).assert("receivers", "billing", "problem", "it exited with status 3; its last line on stderr: why");
    let report = Report::of(&folder, &["--receiver", "billing=exec:no-such-program"]);
    report.assert("receivers", "billing", "problem", "there is no program no-such-program");
}

#[test]
fn the_example_worker_passes_the_script() {
    let folder = Folder::new();
    let worker = concat!("exec:python3 ", env!("CARGO_MANIFEST_DIR"), "/examples/worker.py billing.db");
    folder.write("redrive.toml", &format!("[[receiver]]\nname = \"billing\"\nwindow = 8\ntarget = \"{worker}\"\n"));
    let report = Report::of(&folder, &["--receiver", "billing"]);
    assert_eq!((report.code, report.problems()), (0, vec![]));
    let exchanges: Vec<_> = report.findings.iter().filter(|finding| finding["section"] == "worker").collect();
    assert!(exchanges.len() > 20 && exchanges.iter().all(|finding| finding["verdict"] == "ok"), "{exchanges:#?}");
    report.assert("worker", "billing: 8 at once, answered in any order", "ok", "delivered");
    report.assert("worker", "billing: end of input", "ok", "it ended");
    let sent: Value = serde_json::from_str(report.finding("worker", "billing: JSON data")["sent"].as_str().unwrap()).unwrap();
    assert_eq!((&sent["record"]["topic"], &sent["event"]["type"]), (&"redrive-doctor".into(), &"redrive.doctor.order".into()));

    let output = folder.redrive(["doctor", "--receiver", "billing"]).run().expect_code(0);
    assert!(output.stderr.contains("test events of the topic redrive-doctor are handed to billing"), "{}", output.stderr);
    let output = folder.redrive(["doctor", "--receiver", "biling"]).run().expect_code(2);
    assert!(
        output.stderr.contains("there is no receiver biling") && output.stderr.contains("did you mean billing?"),
        "{}",
        output.stderr
    );
}

/// Each breaks the protocol in its own way; what it does with the first line is what it does with all.
#[test]
fn workers_that_break_the_protocol_are_found_out() {
    const READ: &str = "import json, os, sys, time\nfor line in sys.stdin:\n    sendid = json.loads(line)['sendid']\n";
    for (does, verdict, said) in [
        (
            "print(json.dumps({'sendid': sendid + 1000, 'ok': True}), flush=True)",
            "problem",
            "got an answer to 1001, which was not sent",
        ),
        ("print('working on it', flush=True)", "problem", "the answer is not a JSON object: working on it"),
        ("sys.stdout.write(json.dumps({'sendid': sendid, 'ok': True})); sys.stdout.flush()", "problem", "without a line break"),
        ("print(json.dumps({'sendid': sendid, 'ok': True}))", "problem", "got nothing within 1s: is each answer flushed?"),
        (
            "print('bye', file=sys.stderr); sys.exit(3)",
            "problem",
            "no answer: it exited with status 3; its last line on stderr: bye",
        ),
        ("print(json.dumps({'sendid': sendid, 'ok': False, 'class': 'fatal'}), flush=True)", "problem", "class is \"fatal\""),
        ("print(json.dumps({'sendid': sendid, 'ok': False, 'code': 'No!'}), flush=True)", "problem", "code is \"No!\""),
        ("print(json.dumps({'sendid': sendid}), flush=True)", "problem", "the answer has no \"ok\""),
        ("print(json.dumps({'sendid': sendid, 'ok': False, 'class': 'permanent'}), flush=True)", "ok", "permanent rejected"),
    ] {
        let report = Report::of(&bad(&format!("{READ}    {does}\n")), &["--receiver", "bad"]);
        report.assert("worker", "bad: JSON data", verdict, said);
        let is_patient = !said.contains("nothing within") && !said.contains("line break");
        assert!(!is_patient || !report.findings.iter().any(|of| of["section"] == "worker" && of["verdict"] == "skipped"), "{does}");
        assert_eq!(report.code, if verdict == "ok" { 0 } else { 6 }, "{does}");
    }
    let twice = format!(
        "{READ}    print(json.dumps({{'sendid': sendid, 'ok': True}}) + '\\n' + json.dumps({{'sendid': sendid, 'ok': True}}), flush=True)\n"
    );
    Report::of(&bad(&twice), &["--receiver", "bad"]).assert("worker", "bad: JSON data", "problem", "got a second answer to 1");
    let stays = format!("{READ}    print(json.dumps({{'sendid': sendid, 'ok': True}}), flush=True)\ntime.sleep(60)\n");
    let report = Report::of(&bad(&stays), &["--receiver", "bad"]);
    report.assert("worker", "bad: JSON data", "ok", "delivered");
    report.assert("worker", "bad: end of input", "problem", "it still ran after 5s, and was killed");
}

#[test]
fn a_worker_that_never_answers_does_not_keep_the_script_going() {
    let report = Report::of(&bad("import time\ntime.sleep(60)\n"), &["--receiver", "bad"]);
    let of = |verdict: &str| {
        let exchanges = report.findings.iter().filter(|finding| finding["section"] == "worker");
        exchanges.filter(|finding| finding["verdict"] == verdict).count()
    };
    assert!(of("problem") == 3 && of("skipped") > 10, "{:#?}", report.findings);
}

/// A folder whose settings have this program as the worker of a receiver.
fn bad(program: &str) -> Folder {
    let folder = Folder::new();
    folder.write("bad.py", program);
    folder.write("redrive.toml", "[[receiver]]\nname = \"bad\"\ntimeout = \"1s\"\ntarget = \"exec:python3 bad.py\"\n");
    folder
}

#[test]
fn settings_that_cannot_be_read_are_usage_and_secrets_are_never_shown() {
    let folder = Folder::new();
    let output = folder.redrive(["doctor", "--order", "sideways"]).run().expect_code(2);
    assert!(output.stderr.contains("order is `sideways`"), "{}", output.stderr);
    let secrets = ["-X", "sasl.password=s3cret", "--receiver", "x=http://me:s3cret@127.0.0.1:1/?token=s3cret"];
    for format in ["table", "json"] {
        let output = folder.redrive(["doctor", "-vv", "-o", format]).args(secrets).run().expect_code(6);
        assert!(!output.stdout.contains("s3cret") && !output.stderr.contains("s3cret"), "{output:?}");
        assert!(!output.stderr.contains("test events"), "no worker is named: {output:?}");
    }
}
