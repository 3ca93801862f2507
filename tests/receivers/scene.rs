//! What one check of one kind happens in: a topic, a group, a folder, and the runs that are made of them.

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::kind::{Check, Kind};
use crate::support::command::Running;
use crate::support::{Broker, Folder, Output, Sample, Topic, unique};

pub(super) const PARTITIONS: i32 = 3;
pub(super) const SOON: Duration = Duration::from_secs(40);

/// How many events the flood has.
pub(super) const FLOOD: usize = 60_000;

/// Partition and offset.
pub(super) type Place = (i32, i64);

pub(super) struct Scene {
    pub(super) broker: &'static Broker,
    pub(super) folder: Folder,
    pub(super) topic: Arc<Topic<'static>>,
    pub(super) group: String,
    /// What the runs that have ended wrote to standard output.
    pub(super) printed: RefCell<String>,
}

impl Scene {
    pub(super) fn new(kind: &str, check: Check) -> Self {
        let (broker, name) = (Broker::shared(), format!("{kind}-{check:?}").to_lowercase());
        let topic = if check == Check::Memory { flood(broker) } else { Arc::new(broker.topic(&name, PARTITIONS)) };
        Self { broker, folder: Folder::new(), topic, group: unique(&name), printed: RefCell::default() }
    }

    /// Events of these types, to the partitions in turn. Returns where they are.
    pub(super) fn produce(&self, kind: &dyn Kind, types: &[&str]) -> Vec<Place> {
        let count = usize::try_from(PARTITIONS).unwrap();
        let places = (0..types.len()).map(|at| (i32::try_from(at % count).unwrap(), i64::try_from(at / count).unwrap()));
        let places: Vec<_> = places.collect();
        let samples =
            types.iter().zip(&places).enumerate().map(|(id, (what, (partition, _)))| kind.sample(what, id).to(*partition));
        self.topic.produce(&samples.collect::<Vec<Sample>>());
        places
    }

    /// Starts a run with these arguments beside those that every one has.
    pub(super) fn start(&self, kind: &dyn Kind, more: &[&str]) -> Running {
        let receiver = kind.target().map(|target| format!("it={target}"));
        let always = ["--from", "earliest", "--commit-interval", "100ms"];
        // What becomes of an event is looked at here, and not whether its receiver is down.
        let journaled = ["--receiver-option", "it.on_outage=journal"];
        let named = receiver.iter().flat_map(|receiver| ["--receiver", receiver].into_iter().chain(journaled));
        let arguments = always.into_iter().chain(more.iter().copied()).chain(named);
        match &receiver {
            Some(_) => self.folder.consume(&self.topic, &self.group, arguments).spawn(),
            None => {
                let place = ["consume", "-b", &self.topic.bootstrap(), "-t", self.topic.name(), "-g", &self.group];
                self.folder.example("outcomes", place).args(arguments).spawn()
            }
        }
    }

    /// Waits for the end of a run, which must be a good one.
    #[track_caller]
    pub(super) fn end(&self, running: Running) -> Output {
        let output = running.wait(SOON).expect_code(0);
        self.printed.borrow_mut().push_str(&output.stdout);
        output
    }

    /// A run to the end of the topic.
    #[track_caller]
    pub(super) fn run(&self, kind: &dyn Kind, more: &[&str]) -> Output {
        self.end(self.start(kind, &[&["--until-end"], more].concat()))
    }

    /// What a receiver wrote down in the file `got`: `PARTITION OFFSET`.
    pub(super) fn noted(&self) -> Vec<Place> {
        let place = |line: String| {
            let (partition, offset) = line.split_once(' ').unwrap_or_else(|| panic!("no place: {line}"));
            (partition.parse().unwrap(), offset.parse().unwrap())
        };
        self.folder.lines("got").into_iter().map(place).collect()
    }

    /// The processes that hung, and run on all the same.
    pub(super) fn left_running(&self) -> Vec<String> {
        let runs = |id: &String| {
            let stat = std::fs::read_to_string(Path::new("/proc").join(id).join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
        };
        self.folder.lines("hangs").into_iter().filter(runs).collect()
    }
}

/// A topic of more than anybody may hold, filled once for all kinds: 120 MB of events that are told to hang.
fn flood(broker: &'static Broker) -> Arc<Topic<'static>> {
    static TOPIC: OnceLock<Arc<Topic<'static>>> = OnceLock::new();
    let make = || {
        let topic = broker.topic("flood", PARTITIONS);
        let padding = format!("{{\"x\":\"{}\"}}", "x".repeat(2_000));
        let partitions = (0..PARTITIONS).cycle();
        let samples = (0..FLOOD).zip(partitions).map(|(id, to)| Sample::event("hang", &id.to_string(), padding.clone()).to(to));
        topic.produce(&samples.collect::<Vec<_>>());
        Arc::new(topic)
    };
    Arc::clone(TOPIC.get_or_init(make))
}
