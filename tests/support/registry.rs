//! A real schema registry, Apicurio Registry, run as a process: one that all tests share, or one that a test owns and may take away.
//!
//! It begins with the schemas of `fixtures/openedx/schemas.json`, under the ids that they have there. Its Confluent-compatible API cannot
//! do that (it takes `PUT /mode` and an `id` without a word, and gives out the next one); its own import at start-up does. That API knows a
//! schema by what Apicurio calls the id of its content, and serves the text byte for byte. A schema that is registered gets the next id;
//! one whose text is there already, by whatever subject, gets the id of that. Nothing is on disk: a registry that was stopped begins anew.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::broker::free_ports;
use super::daemon::Daemon;
use super::guard;
use super::java::Java;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const SEED: &str = "seed.zip";
/// Writes what Apicurio exports and imports. Arguments: the schemas, and the archive.
const WRITE_SEED: &str = r#"
import hashlib, json, sys, zipfile
schemas = json.load(open(sys.argv[1]))
by = {"owner": "", "createdOn": 0, "modifiedBy": "", "modifiedOn": 0}
with zipfile.ZipFile(sys.argv[2], "w") as archive:
    def add(name, entity):
        archive.writestr(name, json.dumps(entity))
    add("manifest-1.Manifest.json", {"systemVersion": "3.0.9", "exportVersion": "3.0", "exportedOn": 0, "dbVersion": "101"})
    for number, schema in schemas.items():
        digest = hashlib.sha256(schema["schema"].encode()).hexdigest()
        add(f"content/{digest}.Content.json", {"contentId": int(number), "contentHash": digest, "canonicalHash": digest,
            "contentType": "application/json"})
        archive.writestr(f"content/{digest}.Content.data", schema["schema"])
    for number, schema in schemas.items():
        name = {"artifactId": f"seed-{number}", **by}
        folder = f"groups/default/artifacts/seed-{number}"
        add(f"{folder}/MetaData.Artifact.json", {**name, "artifactType": schema["schemaType"]})
        add(f"{folder}/versions/1.ArtifactVersion.json", {**name, "globalId": int(number), "contentId": int(number),
            "version": "1", "versionOrder": 1, "state": "ENABLED"})
        add(f"{folder}/branches/latest.Branch.json", {**name, "branchId": "latest", "systemDefined": True, "versions": ["1"]})
"#;

pub(crate) struct Registry {
    daemon: Daemon,
    port: u16,
}

/// What a schema is written in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    Avro,
    Json,
    Protobuf,
}

impl Registry {
    /// The registry that all tests share.
    #[track_caller]
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Registry, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::started) {
            Ok(registry) => registry,
            Err(error) => panic!("{error}"),
        }
    }

    /// A registry of the test's own.
    #[track_caller]
    pub(crate) fn own() -> Self {
        Self::started().unwrap_or_else(|error| panic!("{error}"))
    }

    /// For `--schema-registry`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Registers a schema, and says its id.
    #[track_caller]
    pub(crate) fn register(&self, subject: &str, language: Language, text: &str) -> u32 {
        self.register_with(subject, language, text, &[])
    }

    /// As [`Registry::register`], of a schema that names others: the name of each, and the subject whose first version it is.
    #[track_caller]
    pub(crate) fn register_with(&self, subject: &str, language: Language, text: &str, references: &[(&str, &str)]) -> u32 {
        let language = match language {
            Language::Avro => "AVRO",
            Language::Json => "JSON",
            Language::Protobuf => "PROTOBUF",
        };
        let references = references.iter().map(|(name, subject)| json!({"name": name, "subject": subject, "version": 1}));
        let body = json!({"schema": text, "schemaType": language, "references": references.collect::<Vec<_>>()});
        let answer = self.request(|client, url| {
            let post = client.post(format!("{url}/subjects/{subject}/versions"));
            post.header("content-type", "application/vnd.schemaregistry.v1+json").body(body.to_string())
        });
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}; {}", self.daemon.condition()));
        let id = serde_json::from_str::<Value>(&answer).ok().and_then(|answer| u32::try_from(answer["id"].as_u64()?).ok());
        id.unwrap_or_else(|| panic!("{subject} has no id: {answer}"))
    }

    /// The text of a schema, if the registry has one of this id.
    pub(crate) fn schema(&self, id: u32) -> Option<String> {
        let answer = self.request(|client, url| client.get(format!("{url}/schemas/ids/{id}"))).ok()?;
        Some(serde_json::from_str::<Value>(&answer).ok()?["schema"].as_str()?.to_owned())
    }

    /// Stops it; nobody listens on its port afterwards.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.daemon.stop();
    }

    /// Starts it again on its port. It has the schemas that it began with.
    #[track_caller]
    pub(crate) fn start(&self) {
        self.run().unwrap_or_else(|error| panic!("{error}"));
    }

    fn started() -> Result<Self, String> {
        let (daemon, [port]) = (Daemon::new("registry")?, free_ports()?);
        let registry = Self { daemon, port };
        registry.write_seed()?;
        registry.run()?;
        Ok(registry)
    }

    fn write_seed(&self) -> Result<(), String> {
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openedx/schemas.json");
        let mut python = Command::new("python3");
        let output = python.args(["-c", WRITE_SEED]).arg(schemas).arg(self.daemon.home().join(SEED)).output();
        let output = output.map_err(|error| format!("python3 cannot be started: {error}"))?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Returns when it answers and has its schemas.
    fn run(&self) -> Result<(), String> {
        let home = self.daemon.home().display();
        let properties = [
            format!("-Djava.io.tmpdir={home}"),
            "-Dquarkus.http.host=127.0.0.1".to_owned(),
            format!("-Dquarkus.http.port={}", self.port),
            format!("-Dapicurio.import.url=file://{home}/{SEED}"),
        ];
        let java = Java::with_registry(&properties)?;
        self.daemon.run(guard::command(&java.program).args(&java.arguments), || self.has_begun())
    }

    fn has_begun(&self) -> bool {
        // The port first: it is asked often while nobody listens yet.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && self.request(|client, url| client.get(format!("{url}/subjects"))).is_ok_and(|answer| answer.contains("seed-"))
    }

    /// The body of an answer that says that all is well.
    fn request(&self, make: impl FnOnce(&reqwest::Client, &str) -> reqwest::RequestBuilder) -> Result<String, String> {
        let client = reqwest::Client::builder().timeout(ANSWERS_WITHIN).no_proxy().build().map_err(|error| error.to_string())?;
        let answer = async {
            let response = make(&client, &self.url()).send().await?;
            let status = response.status();
            let body = response.text().await?;
            Ok::<_, reqwest::Error>(if status.is_success() { Ok(body) } else { Err(format!("{status}: {body}")) })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(answer).map_err(|error| error.to_string())?
    }
}
