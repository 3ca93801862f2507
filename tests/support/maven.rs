//! Kafka's own jars, fetched with Maven into the target folder, once.
//!
//! Several test processes may want them at the same time, and one may be killed half way: a file lock lets one fetch, and the folder
//! gets its name only when it is whole.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The broker, its tools, and a logger without which a broker that fails to start would not say why.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>redrive</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"#;

/// Pinned, so that every machine runs the same.
const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The folder with the jars. What went wrong once goes wrong for every test of this run, without trying again.
pub(crate) fn jars() -> Result<&'static Path, String> {
    static JARS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    JARS.get_or_init(|| fetched(Path::new(env!("CARGO_TARGET_TMPDIR")))).as_deref().map_err(Clone::clone)
}

fn fetched(within: &Path) -> Result<PathBuf, String> {
    let io = |error: std::io::Error| format!("{}: {error}", within.display());
    fs::create_dir_all(within).map_err(io)?;
    let lock = File::create(within.join("kafka.lock")).map_err(io)?;
    lock.lock().map_err(io)?;

    let whole = within.join("kafka");
    if fs::read_to_string(whole.join("pom.xml")).is_ok_and(|pom| pom == POM) {
        return Ok(whole);
    }
    let partial = within.join("kafka.partial");
    for old in [&whole, &partial] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(io)?;
        }
    }
    fs::create_dir(&partial).map_err(io)?;
    fs::write(partial.join("pom.xml"), POM).map_err(io)?;
    fetch(&partial)?;
    fs::rename(&partial, &whole).map_err(io)?;
    Ok(whole)
}

fn fetch(into: &Path) -> Result<(), String> {
    let output = Command::new("mvn")
        .current_dir(into)
        .args(["-q", "-B", GOAL, "-DincludeScope=runtime", "-DoutputDirectory=."])
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "the tests fetch Apache Kafka with Maven, and there is no mvn on the PATH: install Maven (Debian: apt-get install maven)"
                    .to_owned()
            }
            _ => format!("mvn cannot be started: {error}"),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("Maven cannot fetch Apache Kafka; it said:\n{}", String::from_utf8_lossy(&said)))
}
