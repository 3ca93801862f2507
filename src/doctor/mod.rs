//! `doctor`: looks at all that a consumer would meet, and says of each thing whether it is well, and what mends it.
//!
//! It joins no group, commits nothing, and makes no journal, topic or file that stays. Each check asks in one function and judges what
//! it heard in others that are pure; each has a deadline, and none keeps the others from being made.

mod access;
mod broker;
mod clock;
mod effective;
mod group;
mod journal;
mod receivers;
mod registry;
mod script;
mod topics;
mod worker;

use std::io;

use crate::journal::{ExamineError, Place};
use crate::kafka::{ClusterError, Connection};
use crate::settings::{CheckedSettings, Effective, Origin, OutputFormat};

/// What is looked at.
pub struct Checkup {
    pub settings: CheckedSettings,
    /// Every setting, for the end.
    pub effective: Vec<Effective>,
    /// `None`: no broker is named.
    pub connection: Option<Connection>,
    pub journal: Place,
    /// How stdout speaks.
    pub output: OutputFormat,
    /// The receivers whose workers are handed the script.
    pub scripted: Vec<String>,
    /// The folders in which programs are looked for.
    pub search: Option<String>,
}

/// What was found at one thing.
#[derive(Debug)]
pub struct Finding {
    pub section: Section,
    /// Which thing it is.
    pub subject: String,
    pub verdict: Verdict,
    pub found: Found,
    /// What mends it: commands, flags and properties as they are typed.
    pub mends: Vec<String>,
    /// The line that was sent to a worker.
    pub sent: Option<String>,
    /// Where a setting comes from.
    pub origin: Option<Origin>,
}

/// In words of ours, or an error that other commands meet as well.
#[derive(Debug)]
pub enum Found {
    Said(String),
    Cluster(ClusterError),
    Journal(ExamineError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Warning,
    Problem,
    /// It could not be looked at.
    Skipped,
}

impl Verdict {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Skipped => "skipped",
        }
    }
}

/// What a finding is about, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Broker,
    Topics,
    Group,
    Access,
    Registry,
    Receivers,
    Worker,
    Journal,
    Clock,
    Settings,
}

impl Section {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Topics => "topics",
            Self::Group => "group",
            Self::Access => "access",
            Self::Registry => "registry",
            Self::Receivers => "receivers",
            Self::Worker => "worker",
            Self::Journal => "journal",
            Self::Clock => "clock",
            Self::Settings => "settings",
        }
    }

    fn ok(self, subject: &str, found: impl Into<String>) -> Finding {
        self.finding(subject, Verdict::Ok, found.into())
    }

    fn warning(self, subject: &str, found: impl Into<String>) -> Finding {
        self.finding(subject, Verdict::Warning, found.into())
    }

    fn problem(self, subject: &str, found: impl Into<String>) -> Finding {
        self.finding(subject, Verdict::Problem, found.into())
    }

    fn skipped(self, subject: &str, found: impl Into<String>) -> Finding {
        self.finding(subject, Verdict::Skipped, found.into())
    }

    fn finding(self, subject: &str, verdict: Verdict, found: String) -> Finding {
        let (subject, found) = (subject.to_owned(), Found::Said(found));
        Finding { section: self, subject, verdict, found, mends: Vec::new(), sent: None, origin: None }
    }
}

impl Finding {
    fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mends.push(mend.into());
        self
    }
}

/// Waits for what an event loop is needed for, in threads of its own.
///
/// # Errors
/// When threads cannot be made.
fn in_threads<T>(look: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let seen = runtime.block_on(look);
    // A name server that does not answer may keep a thread.
    runtime.shutdown_background();
    Ok(seen)
}

/// Makes all checks, one after the other.
#[must_use]
pub fn examine(checkup: &Checkup) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut clocks = clock::Clocks::now();
    let examiner = broker::check(checkup, &mut findings);
    let topics = topics::check(checkup, examiner.as_ref(), &mut findings);
    let logs = topics::logs(examiner.as_ref(), &topics, &mut findings);
    group::check(checkup, examiner.as_ref(), logs, &mut findings);
    access::check(checkup, examiner.as_ref(), &topics, &mut findings);
    registry::check(checkup.settings.consume.registry.as_ref(), &mut findings);
    receivers::check(checkup, examiner.as_ref(), &topics, &mut clocks, &mut findings);
    journal::check(checkup, &mut clocks, &mut findings);
    clock::check(examiner.as_ref(), &topics, &clocks, &mut findings);
    findings.extend(effective::findings(&checkup.effective));
    findings
}
