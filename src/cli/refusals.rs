//! From what the library says to what a user reads: kind, message, causes and the commands that help.

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::session::Session;
use crate::consumer::BeginError;
use crate::engine::halt::RuleHalt;
use crate::engine::ledger::LedgerError;
use crate::engine::report::StopReason;
use crate::engine::source::SourceError;
use crate::engine::start::StartRefusal;
use crate::journal::{OpenError, ReadError};
use crate::kafka::{ClusterError, ConnectionError, Diagnosis};
use crate::receiver::{MadeOf, Specification, Target};
use crate::settings::{ConsumeSettings, Doing, OutputFormat, SettingsError, nearest};

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> Self {
        let told = Self::usage(error.to_string());
        match error {
            SettingsError::NoReceiver => told
                .hint("name one: --receiver NAME=TARGET")
                .hint("to only look at the failures before the receivers: --receiver NAME=discard:"),
            SettingsError::Missing { name: "bootstrap-server", .. } => told.hint("for example: -b localhost:9092"),
            SettingsError::Missing { name: "topic", .. } => told.hint("for example: -t orders"),
            SettingsError::Missing { name: "group", .. } => told.hint("for example: -g shop"),
            _ => told,
        }
    }
}

impl From<ConnectionError> for CommandError {
    fn from(error: ConnectionError) -> Self {
        let told = Self::usage(error.to_string());
        match error {
            ConnectionError::Unknown { hint: Some(hint), .. } => told.hint(hint),
            ConnectionError::Unknown { .. } => {
                told.hint("all of them: CONFIGURATION.md of librdkafka, the Kafka client that redrive is built with")
            }
            ConnectionError::NoTokens => told.hint(
                "-X sasl.oauthbearer.method=oidc -X sasl.oauthbearer.token.endpoint.url=URL -X sasl.oauthbearer.client.id=ID \
                 -X sasl.oauthbearer.client.secret=@FILE",
            ),
            _ => told,
        }
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        let kind = match error {
            OpenError::Locked { .. } | OpenError::Full { .. } | OpenError::Damaged { .. } | OpenError::Unusable { .. } => {
                ErrorKind::CannotGoOn
            }
            _ => ErrorKind::Usage,
        };
        let told = Self::new(kind, error.to_string());
        match error {
            OpenError::Missing(_) => told.hint("name another one: --journal PATH, or REDRIVE_JOURNAL").hint("`consume` makes one"),
            OpenError::Network { .. } => {
                told.hint("put it on a disk of this machine: --journal PATH").hint("to use it all the same: --allow-unsafe-journal")
            }
            OpenError::LeftBehind { beside, .. } => told
                .hint("put the journal back where it was, beside that file")
                .hint(format!("to begin a new journal without what it holds: rm {beside}")),
            OpenError::NoFileName(name) if name.is_empty() => told.hint("name a file: --journal PATH, or REDRIVE_JOURNAL"),
            OpenError::NoFileName(name) => {
                told.hint(format!("for a file of that name: --journal {}", shell_words::quote(&format!("./{name}"))))
            }
            OpenError::Sealed { path, beside } => told
                .hint(format!("copy both to a folder that can be written: {}", shell_words::join(["cp", &path, &beside, "FOLDER"])))
                .hint("and read the copy: --journal FOLDER/NAME"),
            OpenError::Denied { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                let folder = std::path::Path::new(&path).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
                told.hint(format!("make its folder first: {}", shell_words::join(["mkdir", "-p", &folder])))
            }
            OpenError::Denied { .. } => told.hint("see whose it is: ls -l; to write a journal, its folder has to be writable, too"),
            OpenError::Full { .. } => told.hint("make room there, or name another place: --journal PATH"),
            OpenError::Damaged { path, .. } => told.hint(check_journal(&path)),
            OpenError::Newer { .. } => told.hint("use the redrive that wrote it, or a newer one"),
            OpenError::Folder(path) => {
                let inside = std::path::Path::new(&path).join("redrive.db").display().to_string();
                told.hint(format!("name a file in it: --journal {}", shell_words::quote(&inside)))
            }
            OpenError::NotAJournal(_) | OpenError::Foreign { .. } => told.hint("name another file: --journal PATH"),
            OpenError::Locked { path } => told.hint(format!("see which process has it open: fuser {}", shell_words::quote(&path))),
            _ => told,
        }
    }
}

/// How to find out what is wrong with a journal, with SQLite's own tool.
fn check_journal(path: &str) -> String {
    format!("see what is wrong with it: {}", shell_words::join(["sqlite3", path, "PRAGMA integrity_check"]))
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownFingerprint(_) | ReadError::AmbiguousFingerprint(_) | ReadError::MalformedFingerprint(_) => {
                Self::usage(error.to_string()).hint("`errors list -o jsonl` and `errors show ID` have them")
            }
            ReadError::Damaged { ref path, .. } | ReadError::DamagedEntry { ref path, .. } => {
                Self::new(ErrorKind::CannotGoOn, error.to_string()).hint(check_journal(path))
            }
            ReadError::Unreadable { .. } => Self::new(ErrorKind::CannotGoOn, error.to_string()),
        }
    }
}

impl From<ClusterError> for CommandError {
    fn from(error: ClusterError) -> Self {
        let told = Self::new(ErrorKind::CannotGoOn, error.to_string());
        match error {
            ClusterError::Properties(Diagnosis { problem, hints, said, .. }) => {
                let told = Self { kind: ErrorKind::Usage, ..told };
                hints.into_iter().fold(if said == problem { told } else { told.cause(said) }, CommandError::hint)
            }
            ClusterError::Unreachable { why, .. } => unreachable(told, why),
            ClusterError::Forbidden { topic } => {
                told.hint("there may be no such topic, either: who may not see it is not told").hint(format!(
                    "to let a user read it, with Kafka's own tool: {}",
                    acl(&shell_words::join(["--operation", "Read", "--operation", "Describe", "--topic", &topic]))
                ))
            }
            _ => told,
        }
    }
}

/// Every broker's trouble as it was told; of the ways to mend them each once.
fn unreachable(told: CommandError, why: Vec<Diagnosis>) -> CommandError {
    let mut hints: Vec<String> = Vec::new();
    let told = why.into_iter().fold(told, |told, diagnosis| {
        let new: Vec<_> = diagnosis.hints.into_iter().filter(|hint| !hints.contains(hint)).collect();
        hints.extend(new);
        told.cause(diagnosis.said)
    });
    hints.into_iter().fold(told, CommandError::hint)
}

/// A command that lets a user do something.
fn acl(what: &str) -> String {
    format!("kafka-acls.sh --bootstrap-server … --add --allow-principal User:NAME {what}")
}

impl From<BeginError> for CommandError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Cluster(error) => error.into(),
            BeginError::Journal(error) => error.into(),
            BeginError::UnknownTopic { ref name, ref there } => {
                let told = Self::usage(error.to_string());
                match nearest(name, there.iter().map(String::as_str)) {
                    Some(like) => told.hint(format!("did you mean {like}?")),
                    None => told.hint("to wait for topics that do not exist yet, give a pattern: -t '^NAME$'"),
                }
            }
            BeginError::NoTarget { ref topic, ref there, .. } => {
                let told = Self::usage(error.to_string());
                match nearest(topic, there.iter().map(String::as_str)) {
                    Some(like) => told.hint(format!("did you mean kafka:{like}?")),
                    None => told.hint("make it first: kafka-topics.sh --bootstrap-server … --create --topic …"),
                }
            }
            BeginError::OwnTarget { .. } => {
                Self::usage(error.to_string()).hint("name another topic for the copies: --receiver NAME=kafka:TOPIC")
            }
            BeginError::TopicPattern(ref pattern) => Self::usage(error.to_string()).cause(&pattern.source),
            BeginError::Types(_)
            | BeginError::Receiver(_)
            | BeginError::Registry(_)
            | BeginError::Source(SourceError::Properties { .. }) => Self::usage(error.to_string()),
            BeginError::Read(error) => error.into(),
            BeginError::Ledger(error) => error.into(),
            BeginError::Stopped | BeginError::NotEnabled | BeginError::Source(_) | BeginError::Engine(_) => {
                Self::new(ErrorKind::CannotGoOn, error.to_string())
            }
        }
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        let told = Self::new(ErrorKind::CannotGoOn, error.to_string());
        match error {
            LedgerError::Replaced { .. } => told.hint("nothing was committed past it: start again with the journal in its place"),
            _ => told.hint("nothing was committed past it: mend that and start again, what was not committed is delivered again"),
        }
    }
}

/// Standard output is either the summary's or a receiver's.
pub(super) fn of_output(format: OutputFormat, receivers: &[Specification]) -> Option<CommandError> {
    let word = match format {
        OutputFormat::Table => return None,
        OutputFormat::Json => "json",
        OutputFormat::Jsonl => "jsonl",
    };
    let taken = receivers.iter().find(|of| matches!(of.made_of, MadeOf::Target(Target::Stdout)))?;
    let name = &taken.name;
    let error = CommandError::usage(format!("--output {word} and --receiver {name}=stdout: would both write to stdout"));
    Some(error.hint("leave one of them away").hint(format!("or write the events to a file: --receiver {name}=file:{name}.jsonl")))
}

/// Why a run did not end well; `None` when it did.
pub(super) fn of_run(reason: &StopReason, settings: &ConsumeSettings, session: &Session<'_>) -> Option<CommandError> {
    let told = |kind| CommandError::new(kind, reason.to_string());
    let error = match reason {
        StopReason::Asked | StopReason::Done => return None,
        StopReason::Guard(found) => told(ErrorKind::Stopped)
            .hint(found.advice(&settings.conduct.type_from))
            .hint("if all of that is as it should be, journal it: --no-startup-guard"),
        StopReason::Limit(_) if settings.doing == Doing::DryRun => told(ErrorKind::Stopped),
        StopReason::Limit(_) => told(ErrorKind::Stopped)
            .hint(format!("what failed: {}", session.command(&["errors", "list"])))
            .hint("once that is mended, start again: until one record was delivered, no failure settles"),
        StopReason::Halt(_) => told(ErrorKind::Stopped).hint("to go on at the start of what is there: --on-gap earliest"),
        StopReason::HaltRule(halt) if settings.doing == Doing::DryRun => would_halt(halt),
        StopReason::HaltRule(halt) => halted(halt, "it is not settled, and nothing behind it is committed")
            .hint("once that is mended, start again: it is delivered again")
            .hint(other_action(halt))
            .hint(format!("its incident: {}", session.command(&["incidents", "list"]))),
        StopReason::Refused(refusal) => refused(refusal, settings, session),
        StopReason::Source(error) => of_source(error),
        StopReason::Journal(error) => error.clone().into(),
        StopReason::NotCommitted(_) => {
            told(ErrorKind::CannotGoOn).hint("nothing is lost: what was not committed is delivered again")
        }
        StopReason::Defect(_) => told(ErrorKind::CannotGoOn),
    };
    Some(error)
}

/// A rule ended the run. `left`: what that means for the record.
pub(super) fn halted(halt: &RuleHalt, left: &str) -> CommandError {
    CommandError::new(ErrorKind::Stopped, format!("{halt}; {left}"))
}

/// A dry run delivers nothing and writes nothing: neither is there an incident, nor does anything come again.
fn would_halt(halt: &RuleHalt) -> CommandError {
    halted(halt, "a run would stop there, and commit nothing behind it")
        .hint(format!("to see what is behind it, let the rule do something else: then = \"journal\" in {}", halt.rule_at))
}

/// What to do about it is the user's to say.
pub(super) fn other_action(halt: &RuleHalt) -> String {
    format!("to go on without it, let the rule do something else: then = \"journal\" in {}", halt.rule_at)
}

pub(super) fn of_source(error: &SourceError) -> CommandError {
    let told = CommandError::new(ErrorKind::CannotGoOn, error.to_string());
    match error {
        SourceError::Forbidden { kind, name } => told.hint(format!(
            "to let a user read it, with Kafka's own tool: {}",
            acl(&shell_words::join(["--operation", "Read", &format!("--{kind}"), name]))
        )),
        _ => told,
    }
}

fn refused(refusal: &StartRefusal, settings: &ConsumeSettings, session: &Session<'_>) -> CommandError {
    let group = &settings.group;
    let told = CommandError::usage(format!("group {group} has {refusal}"));
    match refusal {
        StartRefusal::NoStart { low, end, .. } => told
            .hint(format!("--from earliest reads everything that is there: that partition holds the offsets {low} to {end}"))
            .hint("--from latest reads only what comes from now on")
            .hint("--from 2026-11-23T05:00:00Z begins with the first record at or after that time"),
        StartRefusal::OffsetsGone { place, .. } => {
            let reset = ["group", "reset", "-g", group, "-t", &place.topic, "--to-progress"];
            told.hint(format!("to see where this journal stopped: {}", session.command(&reset)))
                .hint(format!("to go on there: {}", session.command(&[&reset[..], &["--execute"]].concat())))
        }
    }
}
