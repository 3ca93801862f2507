//! The Java machine that runs Kafka and the schema registry: found, old enough, and told what to run.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::maven;

/// What Kafka 4 needs.
const OLDEST: u32 = 17;

/// How long a Java process lives decides what it is worth compiling.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Broker,
    Registry,
    /// Over in half a second: most of that is its start.
    Tool,
}

/// The program, and the arguments that come before those of what it runs.
#[derive(Debug)]
pub(crate) struct Java {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

impl Java {
    /// Java with Kafka's classes, fetched on the first use; the name of the class to run comes next.
    pub(crate) fn with_kafka(kind: Kind) -> Result<Self, String> {
        let more = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".into(), "-cp".into(), maven::kafka()?.join("*").into()];
        Self::of(kind, more)
    }

    /// Java with the schema registry, fetched on the first use, which has these properties of the Java machine.
    pub(crate) fn with_registry(properties: &[String]) -> Result<Self, String> {
        let runner = ["-jar".into(), maven::registry()?.join("apicurio-registry-app-3.0.9-runner.jar").into()];
        Self::of(Kind::Registry, properties.iter().map(Into::into).chain(runner))
    }

    fn of(kind: Kind, more: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let program = checked()?;
        let memory: &[&str] = match kind {
            Kind::Broker => &["-Xms256m", "-Xmx512m"],
            Kind::Registry => &["-Xms64m", "-Xmx256m"],
            Kind::Tool => &["-Xshare:auto"],
        };
        let common = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];
        let mut arguments: Vec<OsString> = memory.iter().chain(&common).map(Into::into).collect();
        arguments.extend(more);
        Ok(Self { program: program.clone(), arguments })
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// A shell script that is Kafka's console producer.
#[track_caller]
pub(crate) fn console_producer() -> String {
    script("org.apache.kafka.tools.ConsoleProducer")
}

/// A shell script that is Kafka's console consumer for share groups.
#[track_caller]
pub(crate) fn share_consumer() -> String {
    script("org.apache.kafka.tools.consumer.ConsoleShareConsumer")
}

#[track_caller]
fn script(class: &str) -> String {
    let java = Java::with_kafka(Kind::Tool).unwrap_or_else(|error| panic!("{error}"));
    let words = java.arguments.iter().map(|argument| argument.to_str().expect("UTF-8"));
    let program = java.program.to_str().expect("UTF-8");
    format!("exec {} {class} \"$@\"\n", shell_words::join(std::iter::once(program).chain(words)))
}

fn checked() -> Result<&'static PathBuf, String> {
    static JAVA: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    JAVA.get_or_init(find).as_ref().map_err(Clone::clone)
}

fn find() -> Result<PathBuf, String> {
    const INSTALL: &str = "install a JDK of version 17 or newer (Debian: apt-get install openjdk-17-jdk)";
    let program = std::env::var_os("JAVA_HOME").map_or_else(|| "java".into(), |home| PathBuf::from(home).join("bin/java"));
    let output = Command::new(&program).arg("-version").output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("the tests run Apache Kafka, and there is no {}: {INSTALL}", program.display()),
        _ => format!("{} cannot be started: {error}", program.display()),
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    match version(&said) {
        Some(found) if found >= OLDEST => Ok(program),
        Some(found) => Err(format!("the tests run Apache Kafka, and {} is version {found}: {INSTALL}", program.display())),
        None => Err(format!("{} -version does not say a version: {INSTALL}; it said:\n{said}", program.display())),
    }
}

/// The major version in `openjdk version "17.0.15" 2025-04-15`; `1.8.0` is version 8.
fn version(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let mut numbers = quoted.split(['.', '-', '+']).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[test]
fn versions_of_java_are_read() {
    assert_eq!(version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
    assert_eq!(version("openjdk version \"21\" 2023-09-19"), Some(21));
    assert_eq!(version("openjdk version \"25-ea\" 2025-09-16"), Some(25));
    assert_eq!(version("java version \"1.8.0_391\""), Some(8));
    assert_eq!(version("Picked up something"), None);
}
