//! `file:`, `stdout:` and `discard:` take whatever comes: what can go wrong with them is no event's to ask for.

use redrive::Class;

use super::kind::{Check, Kind};
use super::scene::{Place, Scene};

const NO_ANSWER: &str = "it is written to, and answers nothing";
const FULL: &str = "no event can fill a disk or break a pipe: tests/sinks.rs and the unit tests of the file do";
const NOTHING_RUNS: &str = "there is no process";
const NO_TRACE: &str = "what it got leaves no trace to compare with";

struct File;
struct Stdout;
struct Discard;

pub(super) fn file(_: &Scene) -> Box<dyn Kind> {
    Box::new(File)
}

pub(super) fn stdout(_: &Scene) -> Box<dyn Kind> {
    Box::new(Stdout)
}

pub(super) fn discard(_: &Scene) -> Box<dyn Kind> {
    Box::new(Discard)
}

fn excuse_of_lines(check: Check) -> Option<&'static str> {
    match check {
        Check::Ok | Check::Memory | Check::Drain | Check::Order => None,
        Check::Failures | Check::Timeout | Check::Cancellation => Some(FULL),
        Check::Death | Check::SlowStart => Some(NOTHING_RUNS),
        Check::HugeAnswers => Some(NO_ANSWER),
    }
}

impl Kind for File {
    fn target(&self) -> Option<String> {
        Some("file:it.jsonl".to_owned())
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        excuse_of_lines(check)
    }

    fn failure(&self, _: Class) -> Result<&'static str, &'static str> {
        Err(FULL)
    }

    fn got(&self, scene: &Scene) -> Vec<Place> {
        scene.folder.delivered("it.jsonl")
    }

    fn can_wait(&self) -> bool {
        false
    }
}

impl Kind for Stdout {
    fn target(&self) -> Option<String> {
        Some("stdout:".to_owned())
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        excuse_of_lines(check)
    }

    fn failure(&self, _: Class) -> Result<&'static str, &'static str> {
        Err(FULL)
    }

    fn got(&self, scene: &Scene) -> Vec<Place> {
        scene.folder.write("printed", &scene.printed.borrow());
        scene.folder.delivered("printed")
    }

    fn can_wait(&self) -> bool {
        false
    }
}

impl Kind for Discard {
    fn target(&self) -> Option<String> {
        Some("discard:".to_owned())
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        match check {
            Check::Memory => None,
            Check::Ok | Check::Drain | Check::Order => Some(NO_TRACE),
            Check::Failures | Check::Timeout | Check::Cancellation => Some("it always succeeds, at once"),
            Check::Death | Check::SlowStart => Some(NOTHING_RUNS),
            Check::HugeAnswers => Some(NO_ANSWER),
        }
    }

    fn failure(&self, _: Class) -> Result<&'static str, &'static str> {
        Err("it always succeeds")
    }

    fn can_wait(&self) -> bool {
        false
    }
}
