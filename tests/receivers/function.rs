//! A Rust function, in a program of its own: `examples/outcomes.rs`.

use redrive::Class;

use super::kind::{Check, Kind, Outcome};
use super::scene::Scene;

struct Function;

pub(super) fn set_up(_: &Scene) -> Box<dyn Kind> {
    Box::new(Function)
}

impl Kind for Function {
    fn target(&self) -> Option<String> {
        None
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        match check {
            Check::Ok
            | Check::Failures
            | Check::Timeout
            | Check::Death
            | Check::SlowStart
            | Check::HugeAnswers
            | Check::Memory
            | Check::Cancellation
            | Check::Drain
            | Check::Order => None,
        }
    }

    fn failure(&self, class: Class) -> Result<&'static str, &'static str> {
        match class {
            Class::Transient => Ok("busy"),
            Class::Permanent => Ok("empty_order"),
            Class::Unknown => Ok("rejected"),
            Class::Consumer => Err("no function can say it"),
        }
    }

    /// It panics.
    fn death(&self) -> Outcome {
        Outcome::Fails(Class::Unknown, "panicked")
    }

    fn huge(&self) -> Outcome {
        Outcome::Fails(Class::Permanent, "huge")
    }

    fn can_wait(&self) -> bool {
        true
    }
}
