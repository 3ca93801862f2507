//! What readers make of what a source says, which the test dictates.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::engine::doubles::{next, offer, raw, topic};
use crate::engine::source::{CommitResult, CommitStarted, Flow, Gap, Mark, Notice, Offer, Polled, Start, StartAt};
use crate::record::Topic;

const BILLING: ReceiverIx = ReceiverIx(0);
const SOON: Duration = Duration::from_secs(10);

/// What the sources say, in this order, whichever of them is asked; and what they were asked.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    says: VecDeque<Polled<'static>>,
    opened: Vec<Vec<(String, i32)>>,
    assigned: Vec<(Slot, i64)>,
    released: Vec<Slot>,
    closed: usize,
}

impl OpenAgain for Script {
    fn open_again(&self, partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError> {
        self.0.lock().unwrap().opened.push(partitions.iter().map(|(topic, number)| ((*topic).to_owned(), *number)).collect());
        Ok(Box::new(self.clone()))
    }
}

impl Source for Script {
    fn poll(&mut self, _wait: Duration) -> Result<Polled<'_>, SourceError> {
        Ok(self.0.lock().unwrap().says.pop_front().unwrap_or(Polled::Idle))
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        let at = |start: &Start| match start.at {
            StartAt::At(at) => (start.partition.slot, at.get()),
            StartAt::Held => panic!("{start:?}"),
        };
        self.0.lock().unwrap().assigned.extend(starts.iter().map(at));
        Ok(())
    }

    fn flow(&mut self, _flow: Flow) -> Result<(), SourceError> {
        Ok(())
    }

    fn flow_of(&mut self, _slots: &[Slot], _flow: Flow) -> Result<(), SourceError> {
        Ok(())
    }

    fn commit(&mut self, _marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, _marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        Ok(Vec::new())
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.0.lock().unwrap().released.extend(slots);
        Ok(())
    }

    fn close(self: Box<Self>, _deadline: Instant) -> Result<(), SourceError> {
        self.0.lock().unwrap().closed += 1;
        Ok(())
    }
}

/// What came, and under which slot's index; what is there again begins where.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Record(u32, i64),
    UpTo(u32, i64),
    Gone(u32, Option<i64>),
}

struct Scene {
    script: Script,
    readers: Rereaders,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let script = Script::default();
        Self { readers: Rereaders::new(Box::new(script.clone())), script, now: Instant::now() }
    }

    /// A reader that reads these, of which the source says that.
    fn reading(all: &[Again], says: impl IntoIterator<Item = Polled<'static>>) -> Self {
        let mut scene = Self::new();
        scene.read(all);
        scene.say(says);
        scene
    }

    fn read(&mut self, all: &[Again]) {
        self.readers.read(all, self.now).unwrap();
    }

    fn say(&self, says: impl IntoIterator<Item = Polled<'static>>) {
        self.script.0.lock().unwrap().says.extend(says);
    }

    fn leave(&mut self, index: u32) {
        self.readers.leave(&[range_slot(index)]).unwrap();
    }

    fn one(&mut self) -> Option<Got> {
        match self.readers.poll(ReceiverSet::NONE.with(BILLING)).unwrap() {
            Came::Record(raw) => Some(Got::Record(raw.slot.index, raw.offset.get())),
            Came::UpTo(slot, position) => Some(Got::UpTo(slot.index, position.get())),
            Came::Gone(slot, low) => Some(Got::Gone(slot.index, low.map(NextOffset::get))),
            Came::Nothing => None,
        }
    }

    /// All that comes of what was said. Some of it only has the next poll bring something.
    fn got(&mut self) -> Vec<Got> {
        let mut got = Vec::new();
        let mut idle = 0;
        while idle < 3 {
            let is_said = self.script.0.lock().unwrap().says.is_empty();
            let one = self.one();
            idle = if is_said && one.is_none() { idle + 1 } else { 0 };
            got.extend(one);
        }
        got
    }

    fn assigned(&self) -> Vec<(Slot, i64)> {
        std::mem::take(&mut self.script.0.lock().unwrap().assigned)
    }

    fn opened(&self) -> usize {
        self.script.0.lock().unwrap().opened.len()
    }

    #[track_caller]
    fn is_closed(&self, times: usize) {
        let deadline = Instant::now() + SOON;
        while self.script.0.lock().unwrap().closed != times {
            assert!(Instant::now() < deadline, "closed {} times", self.script.0.lock().unwrap().closed);
            std::thread::yield_now();
        }
    }
}

/// As the source calls a partition.
fn inner(index: u32, epoch: u32) -> Slot {
    Slot { index, epoch }
}

/// As the coordinator calls a range.
fn range_slot(index: u32) -> Slot {
    Slot { index, epoch: 7 }
}

/// Partition 0 of a topic, from there on.
fn range(index: u32, of: &Arc<Topic>, from: i64) -> Again {
    let partition = Arc::new(Partition::unknown(range_slot(index), Arc::clone(of), 0));
    Again { receiver: BILLING, partition, from: next(from) }
}

fn offered(slot: Slot, of: &Arc<Topic>, (low, end): (i64, i64)) -> Offer {
    Offer { partition: 0, low: next(low), ..offer(slot, of, end) }
}

fn offers(slot: Slot, of: &Arc<Topic>, log: (i64, i64)) -> Polled<'static> {
    Polled::Offered(vec![offered(slot, of, log)])
}

fn record(slot: Slot, offset: i64) -> Polled<'static> {
    Polled::Record(raw(slot, offset, None, None))
}

fn not_there(name: &str) -> Polled<'static> {
    Polled::NotThere(name.to_owned(), 0)
}

fn made_again(name: &str) -> Arc<Topic> {
    Arc::new(Topic { uuid: Some("BBBBBBBBBBBBBBBBBBBBBB".into()), ..(*topic(name)).clone() })
}

#[test]
fn a_range_is_read_from_its_beginning_and_told_under_its_own_slot() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (0, 5))]);
    scene.say([record(inner(0, 1), 3), Polled::AtEnd(inner(0, 1), next(5))]);
    assert_eq!(scene.got(), [Got::Record(1, 3), Got::UpTo(1, 5)]);
    assert_eq!(scene.assigned(), [(inner(0, 1), 3)]);
}

#[test]
fn another_topic_of_the_name_has_nothing_of_what_was_missed() {
    let (orders, other) = (topic("orders"), made_again("orders"));
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &other, (0, 50))]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Gone(1, None)], vec![]));
    scene.leave(1);
    scene.read(&[range(2, &orders, 10)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Gone(2, None)], vec![]), "nor of what was missed later");
    scene.leave(2);
    scene.read(&[range(3, &other, 10)]);
    scene.say([offers(inner(0, 1), &other, (0, 50)), record(inner(0, 1), 10)]);
    assert_eq!(scene.got(), [Got::Record(3, 10)], "what was missed of the new one is there");
    assert_eq!(scene.script.0.lock().unwrap().opened, [[("orders".to_owned(), 0)], [("orders".to_owned(), 0)]]);
}

#[test]
fn of_a_log_that_was_cut_a_range_beyond_it_is_gone_and_a_later_one_is_not() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 80)], [offers(inner(0, 1), &orders, (0, 50))]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Gone(1, None)], vec![]));
    scene.leave(1);
    scene.read(&[range(2, &orders, 60)]);
    scene.say([record(inner(0, 1), 60)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Record(2, 60)], vec![(inner(0, 1), 60)]), "the log has grown since");
}

#[test]
fn what_was_deleted_at_the_front_is_gone_and_the_rest_is_read() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (20, 50)), record(inner(0, 1), 20)]);
    assert_eq!(scene.got(), [Got::Gone(1, Some(20)), Got::Record(1, 20)]);
    assert_eq!(scene.assigned(), [(inner(0, 1), 20)]);
}

#[test]
fn what_is_deleted_while_it_is_read_is_gone_and_the_rest_is_read() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 3)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Record(1, 3)], vec![(inner(0, 1), 3)]));
    let gap = Gap { slot: inner(0, 1), expected: next(4), low: next(30) };
    scene.say([Polled::Notice(Notice::Gap(gap)), record(inner(0, 1), 30)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Gone(1, Some(30)), Got::Record(1, 30)], vec![(inner(0, 1), 30)]));
}

#[test]
fn what_the_source_loses_is_gone_and_what_follows_waits_for_its_next_offer() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 3)]);
    scene.say([Polled::Lost(vec![inner(0, 1)])]);
    assert_eq!(scene.got(), [Got::Record(1, 3), Got::Gone(1, None)]);
    assert_eq!(scene.script.0.lock().unwrap().released, [inner(0, 1)]);
    scene.assigned();
    scene.leave(1);
    scene.read(&[range(2, &orders, 9)]);
    scene.say([record(inner(0, 1), 4)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![], vec![]), "the old slot is over");
    scene.say([offers(inner(0, 2), &orders, (0, 50)), record(inner(0, 2), 9)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Record(2, 9)], vec![(inner(0, 2), 9)]));
}

#[test]
fn a_topic_that_is_not_there_is_gone_and_keeps_no_other_one_waiting() {
    let (orders, refunds) = (topic("orders"), topic("refunds"));
    let mut scene = Scene::reading(&[range(1, &orders, 3), range(2, &refunds, 0)], [offers(inner(1, 1), &refunds, (0, 9))]);
    scene.say([record(inner(1, 1), 0), not_there("orders"), record(inner(1, 1), 1)]);
    assert_eq!(scene.got(), [Got::Record(2, 0), Got::Gone(1, None), Got::Record(2, 1)]);
    scene.leave(1);
    scene.read(&[range(3, &orders, 7)]);
    assert_eq!(scene.got(), [Got::Gone(3, None)], "at once, it is known");
    scene.leave(3);
    scene.read(&[range(4, &orders, 7)]);
    scene.say([offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 7)]);
    assert_eq!(scene.got(), [Got::Gone(4, None)]);
    scene.leave(4);
    scene.read(&[range(5, &orders, 8)]);
    scene.say([record(inner(0, 1), 8)]);
    assert_eq!(scene.got(), [Got::Record(5, 8)], "it came back all the same");
    assert_eq!(scene.opened(), 1);
}

#[test]
fn a_topic_that_goes_while_it_is_read_is_gone_once() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 3)]);
    scene.say([Polled::Lost(vec![inner(0, 1)]), not_there("orders")]);
    assert_eq!(scene.got(), [Got::Record(1, 3), Got::Gone(1, None)]);
}

#[test]
fn a_reader_that_is_idle_is_kept_for_the_next_range_and_ended_after_a_while() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 3)]);
    assert_eq!(scene.got(), [Got::Record(1, 3)]);
    scene.leave(1);
    assert_eq!(scene.script.0.lock().unwrap().released, [inner(0, 1)]);
    scene.readers.sweep(scene.now);
    scene.readers.sweep(scene.now + KEPT_FOR / 2);
    scene.read(&[range(2, &orders, 10)]);
    scene.readers.sweep(scene.now + 2 * KEPT_FOR);
    scene.say([record(inner(0, 1), 10)]);
    assert_eq!((scene.got(), scene.opened()), (vec![Got::Record(2, 10)], 1));
    assert_eq!(scene.assigned(), [(inner(0, 1), 3), (inner(0, 1), 10)], "it was offered before");
    scene.leave(2);
    scene.readers.sweep(scene.now + 2 * KEPT_FOR);
    assert!(!scene.readers.is_idle());
    scene.readers.sweep(scene.now + 3 * KEPT_FOR);
    assert!(scene.readers.is_idle());
    scene.is_closed(1);
}

#[test]
fn what_was_found_to_be_gone_is_told_by_the_next_reader_of_more_partitions() {
    let (orders, refunds) = (topic("orders"), topic("refunds"));
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [not_there("orders")]);
    assert_eq!(scene.one(), None, "it is told with the next poll");
    scene.read(&[range(2, &refunds, 4)]);
    scene.is_closed(1);
    scene.say([offers(inner(1, 1), &refunds, (0, 9)), record(inner(1, 1), 4)]);
    assert_eq!(scene.got(), [Got::Gone(1, None), Got::Record(2, 4)]);
    scene.leave(1);
    scene.read(&[range(3, &orders, 5)]);
    assert_eq!((scene.got(), scene.opened()), (vec![Got::Gone(3, None)], 2), "and it is still known");
}

#[test]
fn what_is_left_is_not_told_to_be_gone() {
    let orders = topic("orders");
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [not_there("orders")]);
    assert_eq!(scene.one(), None);
    scene.leave(1);
    assert_eq!(scene.got(), []);
}

#[test]
fn a_reader_of_more_partitions_goes_on_where_the_old_one_was() {
    let (orders, refunds) = (topic("orders"), topic("refunds"));
    let mut scene = Scene::reading(&[range(1, &orders, 3)], [offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 3)]);
    assert_eq!(scene.got(), [Got::Record(1, 3)]);
    scene.assigned();
    scene.read(&[range(2, &refunds, 0)]);
    scene.say([offers(inner(0, 1), &orders, (0, 50)), record(inner(0, 1), 4)]);
    assert_eq!((scene.got(), scene.assigned()), (vec![Got::Record(1, 4)], vec![(inner(0, 1), 4)]));
    scene.readers.close(scene.now);
    assert_eq!(scene.script.0.lock().unwrap().closed, 2, "both, when it returns");
}
