//! `kafka:` another topic of the same broker, which takes no record beyond 100,000 bytes.

use redrive::Class;

use super::kind::{Check, Kind};
use super::scene::{Place, Scene};
use crate::support::{Sample, Topic};

const MOST: usize = 100_000;
const BROKER: &str = "no event can stop a broker: tests/copies.rs does";

struct Copies(Topic<'static>);

pub(super) fn set_up(scene: &Scene) -> Box<dyn Kind> {
    Box::new(Copies(scene.broker.small_topic("copies", 1, MOST)))
}

impl Kind for Copies {
    fn target(&self) -> Option<String> {
        Some(format!("kafka:{}", self.0.name()))
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        match check {
            Check::Ok | Check::Failures | Check::Memory | Check::Drain | Check::Order => None,
            Check::Timeout | Check::Cancellation => Some(BROKER),
            Check::Death | Check::SlowStart => {
                Some("there is no process, and a broker that is away is waited for: tests/copies.rs")
            }
            Check::HugeAnswers => Some("what a broker answers, no event decides"),
        }
    }

    fn failure(&self, class: Class) -> Result<&'static str, &'static str> {
        match class {
            Class::Permanent => Ok("too_large"),
            Class::Transient => Err(BROKER),
            Class::Consumer => Err("no event can take rights away or delete a topic: tests/copies.rs does"),
            Class::Unknown => Err("every error that brokers are known to answer with has another class"),
        }
    }

    fn sample(&self, what: &str, id: usize) -> Sample {
        let size = if what == "permanent" { MOST } else { 0 };
        Sample::event(what, &id.to_string(), format!("{{\"x\":\"{}\"}}", "x".repeat(size))).key(id.to_string())
    }

    /// Where each copy comes from, as the copies say: `GROUP/TOPIC@UUID/PARTITION/OFFSET/RECEIVER`.
    fn got(&self, _: &Scene) -> Vec<Place> {
        let place = |id: &str| {
            let [partition, offset] = id.split('/').skip(2).take(2).collect::<Vec<_>>()[..] else { panic!("no place: {id}") };
            (partition.parse().unwrap(), offset.parse().unwrap())
        };
        self.0.read().iter().map(|record| place(&record.text("redrive_deliveryid"))).collect()
    }

    fn can_wait(&self) -> bool {
        false
    }
}
