//! Secrets of every kind of setting, each given in every way that there is, are looked for wherever redrive writes: the journal and
//! what lies beside it, logs, errors, the documents of all commands, and the command lines of its processes.
//!
//! All of them have one word in common, so none is forgotten.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::command::{Command, Output};
use crate::support::{Authority, Broker, Endpoint, Folder, Sample, Topic, Valid, unique};

const SECRET: &str = "hunter2";
const SOON: Duration = Duration::from_secs(60);
/// Each fails in its own way.
const RECEIVERS: usize = 8;
/// What the user gave as an argument shows in `ps`; nothing else does.
const ARGUMENTS: [&str; 2] = ["hunter2-flag", "hunter2-exec"];

/// The same in base64, behind the three letters of `me:`.
const ENCODED: &str = "aHVudGVyM";

struct Scene<'b> {
    folder: Folder,
    topic: Topic<'b>,
    endpoint: Endpoint,
    /// Lines of the private key that are in no certificate.
    key: Vec<String>,
}

impl Scene<'_> {
    fn new() -> Self {
        let (folder, topic) = (Folder::new(), Broker::shared().topic("secrets", 1));
        topic.produce(&[Sample::event("order.placed", "1", "{}")]);
        // It says all that it was told.
        let endpoint = Endpoint::start(|request, stream| {
            let said = format!("{{\"error\":\"no: {} {}\"}}", request.line, request.header("authorization"));
            stream.write_all(format!("HTTP/1.1 422 No\r\ncontent-length: {}\r\n\r\n{said}", said.len()).as_bytes())
        });
        let pair = Authority::new("authority").and_then(|authority| authority.issue("me", Valid::Now)).unwrap();
        let key = pair.key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect();
        folder.write("me.pem", &pair.certificate);
        folder.write("me.key", &pair.key);
        folder.write("token", "hunter2-token\n");
        folder.write("kafka.properties", "sasl.username=me\nsasl.password=hunter2-properties\n");
        folder.write("kafka.secret", "hunter2-property-file\n");
        folder.write(
            "worker.sh",
            "while read -r line; do\n  id=${line#*\\\"sendid\\\":}; id=${id%%,*}\n\
             echo \"{\\\"sendid\\\":$id,\\\"ok\\\":false,\\\"class\\\":\\\"permanent\\\",\\\"code\\\":\\\"no\\\",\\\"message\\\":\\\"no\\\"}\"\ndone\n",
        );
        let scene = Self { folder, topic, endpoint, key };
        scene.folder.write("redrive.toml", &scene.settings());
        scene
    }

    fn settings(&self) -> String {
        let address = self.endpoint.address();
        let receiver = |name: &str, target: &str, more: &str| {
            format!("[[receiver]]\nname = \"{name}\"\ntarget = \"{target}\"\nretries = 0\non_outage = \"journal\"\n{more}\n")
        };
        let receivers = [
            receiver("url", &format!("http://me:hunter2-url@{address}/x?access_token=hunter2-query"), ""),
            receiver("away", "http://me:hunter2-away@127.0.0.1:1/x?access_token=hunter2-query", ""),
            receiver("file", &format!("http://{address}/"), "bearer_token = \"@token\""),
            receiver("variable", &format!("http://{address}/"), "basic_auth = \"env:BASIC\""),
            receiver("literal", &format!("http://{address}/"), "bearer_token = \"hunter2-literal\""),
            receiver("option", &format!("http://{address}/"), ""),
            receiver("key", &format!("https://{address}/"), "certificate_file = \"me.pem\"\nkey_file = \"me.key\""),
        ];
        assert_eq!(receivers.len() + 1, RECEIVERS, "one is a flag's");
        format!(
            "schema_registry = [\"http://127.0.0.1:1/\", \"http://me:hunter2-registry@127.0.0.1:1/?api_key=hunter2-query\"]\n\
             [kafka_property]\n\"sasl.oauthbearer.client.secret\" = \"hunter2-table\"\n\
             \"sasl.oauthbearer.token.endpoint.url\" = \"https://me:hunter2-issuer@127.0.0.1:1/token\"\n{}",
            receivers.concat()
        )
    }

    /// A command with all of it.
    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let (broker, topic, group) = (self.topic.bootstrap(), self.topic.name(), unique("secrets"));
        let given = [
            "-X",
            "ssl.keystore.password=hunter2-flag",
            "-X",
            "sasl.oauthbearer.config=@kafka.secret",
            "-X",
            "debug=conf,security",
        ];
        let place = ["-b", &broker, "-t", topic, "-g", &group, "--receiver", "worker=exec:sh worker.sh --password=hunter2-exec"];
        let command = self.folder.redrive([name]).args(place).args(given).args(arguments.iter().copied());
        let proxy = "http://me:hunter2-proxy@127.0.0.1:1/";
        let command = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .fold(command, |command, name| command.env(name, proxy));
        command
            .env("REDRIVE_COMMAND_CONFIG", "kafka.properties")
            .env(
                "REDRIVE_KAFKA_PROPERTY",
                "ssl.key.password=env:KEY\nsasl.oauthbearer.assertion.private.key.passphrase=hunter2-list",
            )
            .env("REDRIVE_RECEIVER_OPTION", "option.bearer_token=hunter2-option")
            .env("KEY", "hunter2-named")
            .env("BASIC", "me:hunter2-basic")
            .within(SOON)
    }

    /// A replay that says how it is typed again.
    fn previewed_replay(&self) -> Output {
        let registries = "http://127.0.0.1:1/,http://me:hunter2-one@127.0.0.1:1/,http://me:hunter2-two@127.0.0.1:2";
        let replay = ["replay", "1", "--dry-run", "--include-uncommitted", "--schema-registry", registries];
        let worker = ["--receiver", "worker=exec:sh worker.sh --password=hunter2-exec"];
        let output = self.folder.redrive(replay).args(worker).env("BASIC", "me:hunter2-basic").within(SOON).run().expect_code(0);
        let again = "--schema-registry 'http://127.0.0.1:1/,http://***@127.0.0.1:1/,http://***@127.0.0.1:2'";
        assert!(output.stdout.contains(again) || output.stderr.contains(again), "{}{}", output.stdout, output.stderr);
        output
    }

    /// The places where a text holds a secret.
    fn leaks(&self, of: &str, text: &str) -> Vec<String> {
        let is_leak = |line: &&str| {
            let secrets = [SECRET, ENCODED].into_iter().chain(self.key.iter().map(String::as_str));
            secrets.into_iter().any(|secret| line.contains(secret))
        };
        text.lines().filter(is_leak).map(|line| format!("{of}: {line}")).collect()
    }

    fn leaks_of_files(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for name in ["redrive.db", "redrive.db-wal", "redrive.db-shm"] {
            let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
            leaks.extend(self.leaks(name, &String::from_utf8_lossy(&bytes)));
        }
        leaks
    }
}

/// The command lines of a process and of all that it started.
fn command_lines(of: u32) -> BTreeMap<u32, String> {
    let parent = |id: u32| -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_ours = |id: &u32| std::iter::successors(Some(*id), |id| parent(*id)).any(|id| id == of);
    let line = |id: u32| Some((id, std::fs::read(format!("/proc/{id}/cmdline")).ok()?));
    all.filter(is_ours).filter_map(line).map(|(id, line)| (id, String::from_utf8_lossy(&line).replace('\0', " "))).collect()
}

#[test]
fn no_secret_of_any_setting_is_written_anywhere() {
    let scene = Scene::new();
    let mut running = scene.command("consume", &["--from", "earliest", "-v", "-v"]).spawn();
    running.line("group", SOON);
    running.until("every receiver failed", SOON, |_| (scene.folder.journal().failures().len() == RECEIVERS).then_some(()));
    let mut leaks = scene.leaks_of_files();
    let lines = command_lines(running.id());
    assert!(lines.values().any(|line| line.starts_with("sh worker.sh")), "the worker runs: {lines:?}");
    for line in lines.values() {
        let line = ARGUMENTS.iter().fold(line.clone(), |line, given| line.replace(given, "***"));
        leaks.extend(scene.leaks("a command line", &line));
    }
    running.signal(Signal::TERM);
    let mut outputs = vec![running.wait(SOON).expect_code(0)];
    let again = ["--from", "earliest", "--until-end", "-v", "-v", "--log-format", "json", "-o", "json"];
    outputs.push(scene.command("consume", &again).run().expect_code(0));
    outputs.push(scene.command("consume", &["--from", "earliest", "--until-end", "--dry-run"]).run().expect_code(0));
    for format in ["table", "json"] {
        outputs.push(scene.command("doctor", &["-v", "-v", "-o", format]).run().expect_code(6));
        outputs.push(scene.folder.redrive(["errors", "list", "-o", format]).run().expect_code(0));
        outputs.push(scene.folder.redrive(["errors", "show", "1", "-o", format]).run().expect_code(0));
        outputs.push(scene.folder.redrive(["incidents", "list", "--state", "open,ended", "-o", format]).run().expect_code(0));
    }
    outputs.push(scene.previewed_replay());
    let messages: Vec<_> = scene.folder.journal().failures().into_iter().map(|row| row.message).collect();
    let echoed = messages.iter().filter(|message| message.contains("***")).count();
    assert_eq!(echoed, 2 * 5, "what the endpoint echoed is there, without the secret: {messages:?}");
    for output in outputs {
        leaks.extend(scene.leaks("stdout", &output.stdout));
        leaks.extend(scene.leaks("stderr", &output.stderr));
    }
    leaks.extend(scene.leaks_of_files());
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// Whoever mistypes a setting must not find its secret in the error.
#[test]
fn what_is_wrong_with_a_setting_is_said_without_its_secret() {
    let scene = Scene::new();
    let table = "[[receiver]]\nname = \"a\"\ntarget = \"http://127.0.0.1:1/\"\n";
    let in_files = [
        format!("{table}bearer_tokn = \"hunter2\""),
        format!("{table}bearer_token = hunter2"),
        format!("{table}bearer_token = \"hunter2"),
        format!("{table}bearer_token = [\"hunter2\"]"),
        format!("{table}bearer_token = \"hunter2\\u0001\""),
        format!("{table}basic_auth = \"hunter2\""),
        format!("{table}basic_auth = \"me:hunter2\"\nbearer_token = \"hunter2\""),
        format!("{table}bearer_token = \"hunter2\"\nbearer_token = \"hunter2\""),
        table.replace("127", "me:hunter2@127").replace(":1/", ":port/"),
        table.replace("127", "me:hun/hunter2@127"),
        table.replace("http", "htp").replace("127", "me:hunter2@127"),
        "[kafka_property]\n\"sasl.password\" = hunter2".to_owned(),
        "[kafka_property]\n\"sasl.pasword\" = \"hunter2\"".to_owned(),
        "kafka_property = \"hunter2\"".to_owned(),
        "bootstrap_server = \"SASL_SSL://me:hunter2@\"".to_owned(),
        "schema_registry = \"http://one,http://me:hunter2@two\"".to_owned(),
        "schema_registry = [\"http://one\", \"http://me:hunter2\"]".to_owned(),
    ];
    for (at, text) in in_files.iter().enumerate() {
        scene.folder.write("wrong.toml", text);
        refuses(&scene, &format!("file {at}"), &["consume", "--config", "wrong.toml"]);
    }
    for (at, text) in ["sasl.password hunter2", "sasl.pasword=hunter2", "sasl.password=\\uhunter2"].iter().enumerate() {
        scene.folder.write("wrong.properties", text);
        refuses(&scene, &format!("properties {at}"), &["consume", "--command-config", "wrong.properties"]);
    }
    for arguments in [
        &["consume", "-X", "hunter2"][..],
        &["consume", "-X", "sasl.pasword=hunter2"],
        &["consume", "-X", "sasl.password", "hunter2"],
        &["consume", "-X", "ssl.key.pem=hunter2", "-X", "security.protocol=ssl"],
        &["consume", "-X", "session.timeout.ms=hunter2"],
        &["consume", "--bearer-token", "hunter2"],
        &["consume", "--password=hunter2"],
        &["consume", "--receiver", "http://me:hunter2@shop/?a=b"],
        &["consume", "--receiver", "a=exec:nosuch --password hunter2"],
        &["consume", "--receiver", "a=python3 w.py --token=hunter2"],
        &["consume", "--receiver", "a=exec:w --token='hunter2"],
        &["consume", "--receiver-option", "hunter2"],
        &["consume", "--receiver-option", "worker.bearer_tokn=hunter2"],
        &["consume", "--receiver-option", "worker.bearer_token=hunter2"],
        &["consume", "--receiver-option", "nosuch.bearer_token=hunter2"],
        &["consume", "--schema-registry", "http://me:hunter2,x@one"],
        &["consume", "--schema-registry", "http://me:1,hunter2@one"],
        &["consume", "--schema-registry", "http://me:1,hunter2,2@one"],
        &["consume", "--schema-registry", "http://one/,http://me:hunter2@two:port"],
    ] {
        refuses(&scene, &arguments.join(" "), arguments);
    }
    let output = scene.folder.redrive(["consume", "-X"]).bytes(b"sasl.password=hunter2\xff").run().expect_code(2);
    let leaks = scene.leaks("not UTF-8", &output.stderr);
    assert!(leaks.is_empty() && output.stderr.contains("not UTF-8: sasl.password=***"), "{}", output.stderr);
}

#[track_caller]
fn refuses(scene: &Scene<'_>, what: &str, arguments: &[&str]) {
    let broker = scene.topic.bootstrap();
    let place = ["-b", &broker, "-t", scene.topic.name(), "-g", "g", "--receiver", "worker=discard:"];
    // Without a broker of its own, the file's counts.
    let place = if arguments.contains(&"--config") { &place[2..] } else { &place[..] };
    for format in ["table", "json"] {
        let command = scene.folder.redrive(arguments.iter().copied()).args(place.iter().copied());
        scene.folder.write("nothing.toml", "");
        let output = command.args(["-o", format]).env("REDRIVE_CONFIG", "nothing.toml").within(SOON).run();
        assert_eq!(output.code(), Some(2), "{what}: {}{}", output.stdout, output.stderr);
        let leaks = [scene.leaks(what, &output.stdout), scene.leaks(what, &output.stderr)].concat();
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
}
