//! What the tests run on the Java machine, fetched with Maven into the target folder, once: Kafka's jars, and a schema registry.
//!
//! Several test processes may want them at the same time, and one may be killed half way: a file lock lets one fetch, and the folder
//! gets its name only when it is whole.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Something that Maven fetches into a folder of its own. What it is told is kept there: another version is fetched anew.
struct Fetched {
    folder: &'static str,
    /// For people.
    name: &'static str,
    pom: &'static str,
    /// Pinned, so that every machine runs the same.
    goal: &'static str,
    arguments: &'static [&'static str],
}

/// The broker, its tools, and a logger without which a broker that fails to start would not say why.
const KAFKA: Fetched = Fetched {
    folder: "kafka",
    name: "Apache Kafka",
    pom: r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
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
"#,
    goal: "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
    arguments: &["-DincludeScope=runtime", "-DoutputDirectory=."],
};

/// A program with all it needs, in one archive. Later versions need a later Java.
///
/// The plugin is an old one on purpose: newer ones read the archive's own POM first, and the parent of that is not published.
const REGISTRY: Fetched = Fetched {
    folder: "registry",
    name: "Apicurio Registry",
    pom: r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>redrive</groupId>
  <artifactId>registry-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>2.10</version>
        <configuration>
          <outputDirectory>.</outputDirectory>
          <artifactItems>
            <artifactItem>
              <groupId>io.apicurio</groupId>
              <artifactId>apicurio-registry-app</artifactId>
              <version>3.0.9</version>
              <type>tar.gz</type>
              <classifier>all</classifier>
            </artifactItem>
          </artifactItems>
        </configuration>
      </plugin>
    </plugins>
  </build>
</project>
"#,
    goal: "org.apache.maven.plugins:maven-dependency-plugin:2.10:unpack",
    arguments: &[],
};

/// The folder with Kafka's jars. What went wrong once goes wrong for every test of this run, without trying again.
pub(super) fn kafka() -> Result<&'static Path, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOLDER.get_or_init(|| KAFKA.here()).as_deref().map_err(Clone::clone)
}

/// The folder with the schema registry; as [`kafka`].
pub(super) fn registry() -> Result<&'static Path, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOLDER.get_or_init(|| REGISTRY.here()).as_deref().map_err(Clone::clone)
}

impl Fetched {
    /// Its folder, once all is there.
    fn here(&self) -> Result<PathBuf, String> {
        let within = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let io = |error: std::io::Error| format!("{}: {error}", within.display());
        fs::create_dir_all(within).map_err(io)?;
        let lock = File::create(within.join(format!("{}.lock", self.folder))).map_err(io)?;
        lock.lock().map_err(io)?;

        let whole = within.join(self.folder);
        if fs::read_to_string(whole.join("pom.xml")).is_ok_and(|pom| pom == self.pom) {
            return Ok(whole);
        }
        let partial = within.join(format!("{}.partial", self.folder));
        for old in [&whole, &partial] {
            if old.exists() {
                fs::remove_dir_all(old).map_err(io)?;
            }
        }
        fs::create_dir(&partial).map_err(io)?;
        fs::write(partial.join("pom.xml"), self.pom).map_err(io)?;
        self.fetch(&partial)?;
        fs::rename(&partial, &whole).map_err(io)?;
        Ok(whole)
    }

    fn fetch(&self, into: &Path) -> Result<(), String> {
        let Self { name, goal, arguments, .. } = self;
        let output = Command::new("mvn").current_dir(into).args(["-q", "-B", goal]).args(*arguments).output();
        let output = output.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                format!("the tests fetch {name} with Maven, and there is no mvn on the PATH: install Maven (Debian: apt-get install maven)")
            }
            _ => format!("mvn cannot be started: {error}"),
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!("Maven cannot fetch {name}; it said:\n{}", String::from_utf8_lossy(&said)))
    }
}
