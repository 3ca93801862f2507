//! The start-up guard: until one record of a topic has passed a stage, failures of that stage are held, not settled.
//!
//! A wrong flag makes every record fail. Twenty failures with nothing passed stop the run before anything is written or committed;
//! fewer, and ten quiet seconds, are ordinary failures.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use crate::engine::ledger::Entry;
use crate::engine::report::JournalJob;
use crate::failure::Stage;
use crate::record::Slot;
use crate::stage::TypeFrom;

/// This many failures with nothing passed are no accident.
const TOO_MANY: usize = 20;
/// As many headers of the first record are named.
const HEADERS: usize = 12;
const QUIET: Duration = Duration::from_secs(10);

/// Every record of a topic fails at one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingWorks {
    pub topic: String,
    pub stage: Stage,
    /// How often each code was seen.
    pub codes: BTreeMap<String, usize>,
    /// Where the first one was.
    pub at: Option<Slot>,
    /// `TOPIC/PARTITION/OFFSET` of the first one, and what was said about it.
    pub sample: String,
    pub message: String,
    /// The names of the headers that the first one has.
    pub headers: Vec<String>,
}

impl fmt::Display for NothingWorks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, stage, sample, message, .. } = self;
        write!(f, "every record of topic {topic} fails at {}: {message} (first seen at {sample})", stage.as_str())
    }
}

impl NothingWorks {
    /// The flags that are likely wrong, and what they should say. `type_from`: where the type was looked for.
    #[must_use]
    pub fn advice(&self, type_from: &TypeFrom) -> String {
        match self.stage {
            Stage::Identify => self.where_the_type_may_be(type_from),
            Stage::Route => "no receiver takes these types: see the receivers' types, or --unrecognized skip".to_owned(),
            // The first one's own words name the flag where no registry is set.
            Stage::Decode if self.message.contains("--schema-registry") => {
                "the values are written for a schema registry: name it with --schema-registry URL, --format raw hands them on as bytes"
                    .to_owned()
            }
            Stage::Decode if self.codes.contains_key("unknown_schema") => {
                "the values name schemas that are not in the registry: see --schema-registry, --format raw hands them on as bytes"
                    .to_owned()
            }
            Stage::Decode => {
                "the values are not in the expected format: see --format, --format raw hands them on as bytes".to_owned()
            }
            Stage::Receive => "see the receivers".to_owned(),
        }
    }

    fn where_the_type_may_be(&self, type_from: &TypeFrom) -> String {
        let has = |code: &str| self.codes.contains_key(code);
        match type_from {
            TypeFrom::CloudEvents if has("missing_type") || has("missing_id") => {
                "the records carry no CloudEvents headers: say where the type is with --event-type-from topic, header:NAME or field:/json/pointer"
                    .to_owned()
            }
            TypeFrom::Header(name) if has("missing_type") => {
                let there = if self.headers.is_empty() { "none".to_owned() } else { self.headers.join(", ") };
                format!("the header {name}, where --event-type-from looks for the type, is not there: the headers of the first record are {there}")
            }
            TypeFrom::Field(pointer) if has("missing_type") => {
                format!("the values have nothing at {pointer}, where --event-type-from looks for the type")
            }
            _ => format!("the type is not where it was looked for: see --event-type-from, which is {type_from}"),
        }
    }
}

#[derive(Debug, Default)]
struct Gate {
    is_open: bool,
    held: Vec<JournalJob>,
    last_at: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Guard {
    gates: HashMap<(String, Stage), Gate>,
}

/// What becomes of a failure that a shard held back.
pub(super) enum Verdict {
    /// An ordinary failure after all.
    Write(JournalJob),
    Held,
    Stop(Box<NothingWorks>),
}

impl Guard {
    pub(super) fn hold(&mut self, topic: &str, stage: Stage, job: JournalJob, now: Instant) -> Verdict {
        let gate = self.gates.entry((topic.to_owned(), stage)).or_default();
        if gate.is_open {
            return Verdict::Write(job);
        }
        gate.held.push(job);
        gate.last_at = Some(now);
        if gate.held.len() >= TOO_MANY { Verdict::Stop(Box::new(nothing_works(topic, stage, &gate.held))) } else { Verdict::Held }
    }

    /// A record of the topic passed the stage. Returns what was held for it, and `None` when that was known before.
    pub(super) fn pass(&mut self, topic: &str, stage: Stage) -> Option<Vec<JournalJob>> {
        let gate = self.gates.entry((topic.to_owned(), stage)).or_default();
        (!std::mem::replace(&mut gate.is_open, true)).then(|| std::mem::take(&mut gate.held))
    }

    /// What was held long enough without another failure.
    pub(super) fn take_quiet(&mut self, now: Instant) -> Vec<JournalJob> {
        let quiet = |gate: &&mut Gate| gate.last_at.is_some_and(|last| now.duration_since(last) >= QUIET);
        self.gates
            .values_mut()
            .filter(quiet)
            .flat_map(|gate| {
                gate.last_at = None;
                std::mem::take(&mut gate.held)
            })
            .collect()
    }

    /// Everything that is held: the run is over.
    pub(super) fn take_all(&mut self) -> Vec<JournalJob> {
        self.gates.values_mut().flat_map(|gate| std::mem::take(&mut gate.held)).collect()
    }

    /// What is held of these slots: somebody else reads their records again.
    pub(super) fn take_of(&mut self, of: impl Fn(Slot) -> bool) -> Vec<JournalJob> {
        let mut taken = Vec::new();
        for gate in self.gates.values_mut() {
            taken.extend(gate.held.extract_if(.., |job| job.runs.iter().any(|run| of(run.slot))));
        }
        taken
    }

    /// How many failures are held.
    pub(super) fn holds(&self) -> usize {
        self.gates.values().map(|gate| gate.held.len()).sum()
    }
}

fn nothing_works(topic: &str, stage: Stage, held: &[JournalJob]) -> NothingWorks {
    let failures = held.iter().flat_map(|job| &job.entries).filter_map(|entry| match entry {
        Entry::Failed(failed) => Some(failed),
        _ => None,
    });
    let mut found = NothingWorks {
        topic: topic.to_owned(),
        stage,
        codes: BTreeMap::new(),
        at: None,
        sample: String::new(),
        message: String::new(),
        headers: Vec::new(),
    };
    for failed in failures {
        *found.codes.entry(failed.failure.code.to_string()).or_default() += 1;
        if found.at.is_none() {
            found.at = Some(failed.record.slot());
            found.sample = format!("{topic}/{}/{}", failed.record.partition().number, failed.record.offset());
            found.message.clone_from(&failed.failure.message);
            let names = failed.record.headers().iter().map(|header| String::from_utf8_lossy(header.name).into_owned());
            found.headers = names.take(HEADERS).collect();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_about_what_was_asked_for() {
        let found = |headers: &[&str]| NothingWorks {
            topic: "orders".into(),
            stage: Stage::Identify,
            codes: BTreeMap::from([("missing_type".to_owned(), TOO_MANY)]),
            at: None,
            sample: String::new(),
            message: String::new(),
            headers: headers.iter().map(|&name| name.to_owned()).collect(),
        };
        let header = TypeFrom::Header("kind".into());
        let advice = found(&["type", "id"]).advice(&header);
        assert!(advice.contains("header kind") && advice.ends_with("are type, id") && !advice.contains("CloudEvents"), "{advice}");
        assert!(found(&[]).advice(&header).ends_with("are none"));
        assert!(found(&[]).advice(&TypeFrom::CloudEvents).contains("say where the type is with --event-type-from"));
        assert!(found(&[]).advice(&TypeFrom::Field("/a/b".into())).contains("nothing at /a/b"));
    }
}
