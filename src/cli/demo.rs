//! `redrive demo`: the main job on an embedded broker, without any set-up. Every command that it prints is the one that it runs.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::execute;
use crate::cli::output::Stop;
use crate::cli::session::{Caller, Session};
use crate::cli::signals::Signals;
use crate::engine::stop::StopToken;
use crate::kafka::{Connection, EmbeddedBroker, Sample};
use crate::receiver::Receivers;
use crate::settings::OutputFormat;
use crate::settings::table::{self, Setting};

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
/// How often a demo that is kept looks whether it is to end.
const LOOK_AROUND: Duration = Duration::from_millis(100);
const EVENTS: &str = include_str!("../../fixtures/demo.jsonl");

/// A worker that any machine can run. Its bug: it takes no order without a total.
const BILLING: &str = r#"#!/bin/sh
# A receiver: one JSON line in for each event, one JSON line back. Its bug: it refuses orders whose total is 0.
while IFS= read -r line; do
    id=${line#*\"sendid\":}
    id=${id%%,*}
    case $line in
    *'"total_cents": 0'*)
        echo "{\"sendid\":$id,\"ok\":false,\"class\":\"permanent\",\"code\":\"empty_order\",\"message\":\"the order has no total\"}" ;;
    *)
        echo "{\"sendid\":$id,\"ok\":true}" ;;
    esac
done
"#;

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Leave the broker up until Ctrl-C, to try commands from another terminal
    #[arg(long)]
    keep: bool,
}

/// The same worker without its bug.
const MENDED: &str = r#"#!/bin/sh
# A receiver: one JSON line in for each event, one JSON line back. An order without a total is free.
while IFS= read -r line; do
    id=${line#*\"sendid\":}
    echo "{\"sendid\":${id%%,*},\"ok\":true}"
done
"#;

/// What is said, and what is done then.
const STEPS: [(&str, Act); 8] = [
    ("The consumer reads the topic to its end:", Act::Run("consume --from earliest --until-end")),
    ("Nothing stopped the stream: each failure was on disk before its offset was committed. What failed?", Act::Run("errors list")),
    ("One of them, with all that is needed to debug it:", Act::Run("errors show 1")),
    ("billing.sh is mended: an order without a total is free.", Act::Mend),
    ("What would be delivered again, and to whom?", Act::Run("replay --receiver billing --dry-run")),
    ("To billing alone: audit has these events. No offset moves.", Act::Run("replay --receiver billing")),
    (
        "The rest is malformed, and no code will ever read it. It goes to whoever looks after such things, byte for byte:",
        Act::Run("replay --all --to quarantine --receiver quarantine=file:quarantine.jsonl --event-type-from topic --format raw"),
    ),
    ("Nothing is left open:", Act::Run("errors list")),
];

enum Act {
    /// A command as a user would type it.
    Run(&'static str),
    Mend,
}

/// A line of the fixture.
#[derive(Deserialize)]
struct Fixture {
    partition: i32,
    key: Option<String>,
    headers: Vec<(String, Option<String>)>,
    value: Option<String>,
}

/// What the demo brings along itself.
const ITS_OWN: [Setting; 6] = [
    table::BOOTSTRAP_SERVER,
    table::KAFKA_PROPERTY,
    table::COMMAND_CONFIG,
    table::CONFIG,
    table::JOURNAL,
    table::ALLOW_UNSAFE_JOURNAL,
];

pub(super) fn run(arguments: &DemoArgs, session: &Session<'_>) -> Result<u8, CommandError> {
    if session.output.format() != OutputFormat::Table {
        return Err(CommandError::usage("the demo is for people: it has no other output than the table").hint("leave out -o"));
    }
    if let Some(setting) = ITS_OWN.iter().find(|setting| session.layers.is_flag(setting)) {
        let message = format!("the demo brings its own broker, settings and journal: it does not take --{}", setting.name);
        return Err(CommandError::usage(message).hint("leave it out"));
    }
    match play(arguments, session) {
        // Whoever has seen enough closes the pipe.
        Err(Stop::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(Stop::Io(error)) => Err(CommandError::new(ErrorKind::CannotGoOn, "stdout cannot be written").cause(error)),
        Err(Stop::Error(error)) => Err(error),
        Ok(code) => Ok(code),
    }
}

fn play(arguments: &DemoArgs, session: &Session<'_>) -> Result<u8, Stop> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| CommandError::new(ErrorKind::CannotGoOn, what).cause(error)
    };
    let folder = folder().map_err(failed(&format!("the demo's folder cannot be made in {}", std::env::temp_dir().display())))?;
    let (broker, count) = broker()?;
    write_settings(&folder, &broker.bootstrap()).map_err(failed("the demo's files cannot be written"))?;
    // The commands are the user's: they run where the user would run them.
    std::env::set_current_dir(&folder).map_err(failed("the demo's folder cannot be entered"))?;
    tell(&folder, count).map_err(Stop::Io)?;
    let code = steps(&folder, session.output.program()).map_err(Stop::Io)?;
    if code == 0 && arguments.keep {
        keep(&folder, &broker.bootstrap(), session.output.program()).map_err(Stop::Io)
    } else {
        Ok(code)
    }
}

/// Nobody else's: the demo runs a script that lies there.
fn folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("redrive-demo-{:08x}", rand::random::<u32>()));
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn broker() -> Result<(EmbeddedBroker, usize), CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::new(ErrorKind::CannotGoOn, error.to_string());
    let events =
        EVENTS.lines().map(serde_json::from_str::<Fixture>).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    let broker = EmbeddedBroker::start(TOPIC, PARTITIONS).map_err(|error| failed(&error))?;
    let connection = Connection::new(broker.bootstrap(), Vec::new())?;
    let bytes = |text: String| text.into_bytes();
    let samples: Vec<Sample> = events
        .into_iter()
        .map(|Fixture { partition, key, headers, value }| Sample {
            partition,
            key: key.map(bytes),
            value: value.map(bytes),
            headers: headers.into_iter().map(|(name, value)| (name, value.map(bytes))).collect(),
        })
        .collect();
    broker.produce(&connection, TOPIC, &samples).map_err(|error| failed(&error))?;
    Ok((broker, samples.len()))
}

fn write_settings(folder: &Path, bootstrap: &str) -> io::Result<()> {
    let settings = format!(
        r#"bootstrap_server = "{bootstrap}"
topic = ["{TOPIC}"]
group = "demo"

[kafka_property]
"session.timeout.ms" = "3000"   # the embedded broker keeps whoever comes next waiting for so long

[[receiver]]
name = "audit"
target = "file:audit.jsonl"

[[receiver]]
name = "billing"
target = "exec:sh billing.sh"
types = ["order.placed"]
"#
    );
    fs::write(folder.join("redrive.toml"), settings)?;
    fs::write(folder.join("billing.sh"), BILLING)
}

fn tell(folder: &Path, count: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "An embedded broker is up. Its topic {TOPIC} holds {count} events of a shop, some of them malformed.")?;
    writeln!(out, "Two receivers are in {}/redrive.toml:", folder.display())?;
    writeln!(out, "  audit    writes every event to audit.jsonl")?;
    writeln!(out, "  billing  runs billing.sh for each order.placed, and has a bug")?;
    writeln!(out, "\n$ cd {}", folder.display())
}

/// Returns the exit code of the first command that did not end well, if any.
fn steps(folder: &Path, program: &str) -> io::Result<u8> {
    for (before, act) in STEPS {
        say(before)?;
        match act {
            Act::Mend => fs::write(folder.join("billing.sh"), MENDED)?,
            Act::Run(command) => match show(program, command)? {
                0 => {}
                code => return Ok(code),
            },
        }
    }
    say("The journal stays, and so do the receivers' files; the folder can be deleted.")?;
    Ok(0)
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "\n{text}")
}

/// Prints a command as a user would type it, and runs just that, with nothing from the environment.
fn show(program: &str, command: &str) -> io::Result<u8> {
    writeln!(io::stdout().lock(), "\n$ {program} {command}")?;
    let arguments: Vec<OsString> = std::iter::once(program).chain(command.split(' ')).map(OsString::from).collect();
    Ok(execute(
        &arguments,
        Caller { program: program.to_owned(), receivers: Receivers::new(), environment: &|_| None, variables: Vec::new() },
    ))
}

fn keep(folder: &Path, bootstrap: &str, program: &str) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    writeln!(out, "\nThe broker stays up until Ctrl-C, at {bootstrap}. From another terminal:")?;
    writeln!(out, "  cd {}", folder.display())?;
    for command in ["consume", "errors list --state resolved", "errors show 1", "replay 1 --to billing", "incidents list"] {
        writeln!(out, "  {program} {command}")?;
    }
    drop(out);
    let stop = StopToken::default();
    Signals::listen(&stop)?;
    while stop.level().is_none() {
        thread::park_timeout(LOOK_AROUND);
    }
    Ok(0)
}
