//! Stand-ins for brokers and journal, for tests: they remember, and fail where a test says so.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::offsets::{
    AdminError, Answered, Destination, EntryPlace, Found, GroupAdmin, GroupListing, GroupMember, GroupOffset, GroupProtocol,
    GroupView, Intent, LogBounds, MissedRange, MoveId, MoveLog, MoveState, OpenErrors, Recall, TopicPartition,
};
use crate::record::{NextOffset, Offset, Topic};

pub(crate) fn next(offset: i64) -> NextOffset {
    NextOffset::new(offset).unwrap()
}

pub(crate) fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition }
}

pub(crate) fn bounds(start: i64, end: i64) -> LogBounds {
    LogBounds { start: next(start), end: next(end) }
}

pub(crate) fn committed(partition: i32, offset: i64, metadata: &str) -> GroupOffset {
    GroupOffset { at: at("orders", partition), next: next(offset), metadata: metadata.into(), leader_epoch: Some(4) }
}

pub(crate) fn orders() -> Arc<Topic> {
    Arc::new(Topic { cluster_id: "cluster".into(), name: "orders".into(), uuid: Some("orders-1".into()) })
}

pub(crate) fn member(id: &str) -> GroupMember {
    GroupMember {
        id: id.into(),
        static_id: None,
        client_id: "client".into(),
        host: "10.1.4.7".into(),
        assigned: vec![at("orders", 0), at("orders", 1)],
    }
}

/// A cluster with the topic `orders`, three partitions of 10 to 100, and the group `shop`.
pub(crate) struct Cluster {
    pub(crate) committed: RefCell<BTreeMap<TopicPartition, GroupOffset>>,
    pub(crate) members: RefCell<Vec<GroupMember>>,
    pub(crate) protocol: RefCell<GroupProtocol>,
    pub(crate) uuid: RefCell<String>,
    /// The first record at or after any time.
    pub(crate) since: Cell<Option<i64>>,
    /// How long `orders` keeps its records.
    pub(crate) keeps: Cell<Option<Duration>>,
    /// What was called, in order, without what only asks for topics and bounds.
    pub(crate) calls: RefCell<Vec<String>>,
    /// Calls that fail: which one, and at its how-manieth time from now.
    failures: RefCell<Vec<(String, u32)>>,
    /// Somebody commits before a call: which one, at its how-manieth time from now, and what.
    others: RefCell<Vec<(String, u32, GroupOffset)>>,
    /// Partitions that refuse to be altered.
    pub(crate) refuses: RefCell<Vec<i32>>,
    /// A member joins when something is changed.
    pub(crate) joins_at_change: Cell<bool>,
    /// What a partition has after it was altered, whatever was asked for.
    pub(crate) bends: RefCell<BTreeMap<i32, GroupOffset>>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            committed: RefCell::default(),
            members: RefCell::default(),
            protocol: RefCell::new(GroupProtocol::Classic),
            uuid: RefCell::new("orders-1".into()),
            since: Cell::new(None),
            keeps: Cell::new(Some(Duration::from_mins(1))),
            calls: RefCell::default(),
            failures: RefCell::default(),
            others: RefCell::default(),
            refuses: RefCell::default(),
            joins_at_change: Cell::new(false),
            bends: RefCell::default(),
        }
    }

    pub(crate) fn with(offsets: impl IntoIterator<Item = GroupOffset>) -> Self {
        let cluster = Self::new();
        cluster.put(offsets);
        cluster
    }

    pub(crate) fn put(&self, offsets: impl IntoIterator<Item = GroupOffset>) {
        self.committed.borrow_mut().extend(offsets.into_iter().map(|offset| (offset.at.clone(), offset)));
    }

    pub(crate) fn has(&self) -> Vec<GroupOffset> {
        self.committed.borrow().values().cloned().collect()
    }

    pub(crate) fn joins(&self, id: &str) {
        self.members.borrow_mut().push(member(id));
    }

    pub(crate) fn leaves(&self) {
        self.members.borrow_mut().clear();
    }

    /// The call of this name fails, when it comes for this time, from 1.
    pub(crate) fn fails_at(&self, call: &str, time: u32) {
        self.failures.borrow_mut().push((call.into(), time));
    }

    /// Somebody else commits, just before the call of this name comes for this time, from 1.
    pub(crate) fn commits_at(&self, call: &str, time: u32, offset: GroupOffset) {
        self.others.borrow_mut().push((call.into(), time, offset));
    }

    fn called(&self, call: &str) -> Result<(), AdminError> {
        self.calls.borrow_mut().push(call.to_owned());
        if let Some((_, left, offset)) = self.others.borrow_mut().iter_mut().find(|(of, left, _)| of == call && *left > 0) {
            *left -= 1;
            if *left == 0 {
                self.put([offset.clone()]);
            }
        }
        let mut failures = self.failures.borrow_mut();
        let Some(failure) = failures.iter_mut().find(|(of, left)| of == call && *left > 0) else { return Ok(()) };
        failure.1 -= 1;
        if failure.1 > 0 {
            return Ok(());
        }
        Err(AdminError { what: format!("{call} of the group shop"), message: "broker transport failure".into() })
    }

    fn each<T>(of: &[TopicPartition], answer: impl Fn(&TopicPartition) -> Result<T, String>) -> Answered<T> {
        of.iter().map(|at| (at.clone(), answer(at))).collect()
    }

    fn there(at: &TopicPartition) -> Result<(), String> {
        if at.topic == "orders" && (0..3).contains(&at.partition) { Ok(()) } else { Err("unknown topic or partition".into()) }
    }

    fn may_change(&self, at: &TopicPartition) -> Result<(), String> {
        if !self.members.borrow().is_empty() {
            return Err("UNKNOWN_MEMBER_ID".into());
        }
        if self.refuses.borrow().contains(&at.partition) { Err("NOT_ENOUGH_REPLICAS".into()) } else { Self::there(at) }
    }
}

impl GroupAdmin for Cluster {
    fn groups(&self) -> Result<Vec<GroupListing>, AdminError> {
        let listing =
            GroupListing { group: "shop".into(), protocol: self.protocol.borrow().clone(), state: self.describe("shop")?.state };
        Ok(if listing.state == "Dead" { Vec::new() } else { vec![listing] })
    }

    fn describe(&self, group: &str) -> Result<GroupView, AdminError> {
        self.called("describe")?;
        let members = if group == "shop" { self.members.borrow().clone() } else { Vec::new() };
        let state = match () {
            () if !members.is_empty() => "Stable",
            () if group == "shop" && !self.committed.borrow().is_empty() => "Empty",
            () => "Dead",
        };
        Ok(GroupView { protocol: self.protocol.borrow().clone(), state: state.into(), members })
    }

    fn committed(&self, group: &str) -> Result<Vec<GroupOffset>, AdminError> {
        self.called("committed")?;
        Ok(if group == "shop" { self.has() } else { Vec::new() })
    }

    fn partitions(&self, topic: &str) -> Result<Option<Vec<i32>>, AdminError> {
        Ok((topic == "orders").then(|| vec![0, 1, 2]))
    }

    fn bounds(&self, of: &[TopicPartition]) -> Result<Answered<LogBounds>, AdminError> {
        Ok(Self::each(of, |at| Self::there(at).map(|()| bounds(10, 100))))
    }

    fn at_time(&self, of: &[TopicPartition], _: Timestamp) -> Result<Answered<Option<NextOffset>>, AdminError> {
        Ok(Self::each(of, |at| Self::there(at).map(|()| self.since.get().map(next))))
    }

    fn kept_for(&self, topic: &str) -> Option<Duration> {
        self.keeps.get().filter(|_| topic == "orders")
    }

    /// Each at its offset in seconds.
    fn written_at(&self, of: &[(TopicPartition, NextOffset)]) -> Vec<Option<i64>> {
        of.iter().map(|(at, position)| Self::there(at).is_ok().then(|| position.get() * 1_000)).collect()
    }

    fn alter(&self, _: &str, to: &[GroupOffset]) -> Result<Answered<()>, AdminError> {
        self.called("alter")?;
        if self.joins_at_change.take() {
            self.joins("late-1");
        }
        let of: Vec<_> = to.iter().map(|offset| offset.at.clone()).collect();
        let answers = Self::each(&of, |at| self.may_change(at));
        for (offset, (_, answer)) in to.iter().zip(&answers) {
            if answer.is_ok() {
                let bent = self.bends.borrow().get(&offset.at.partition).cloned();
                self.put([bent.unwrap_or_else(|| offset.clone())]);
            }
        }
        Ok(answers)
    }

    fn forget(&self, _: &str, of: &[TopicPartition]) -> Result<Answered<()>, AdminError> {
        self.called("forget")?;
        let answers = Self::each(of, |at| self.may_change(at));
        for (at, answer) in &answers {
            if answer.is_ok() {
                self.committed.borrow_mut().remove(at);
            }
        }
        Ok(answers)
    }

    fn identities(&self, names: &[&str]) -> Result<Vec<Option<Topic>>, AdminError> {
        let topic = Topic { uuid: Some(self.uuid.borrow().clone()), ..Topic::clone(&orders()) };
        Ok(names.iter().map(|name| (*name == "orders").then(|| topic.clone())).collect())
    }

    fn topic_names(&self) -> Result<Vec<String>, AdminError> {
        Ok(vec!["orders".into()])
    }
}

/// A journal that remembers what it was told, and what it knows.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) begun: Vec<Intent>,
    pub(crate) ended: Vec<(MoveId, MoveState, Vec<Found>)>,
    pub(crate) refuses_to: Option<&'static str>,
    pub(crate) open: BTreeMap<i32, OpenErrors>,
    pub(crate) missed: BTreeMap<i32, Vec<MissedRange>>,
    pub(crate) progress: BTreeMap<i32, i64>,
    pub(crate) entries: BTreeMap<i64, EntryPlace>,
}

impl Memory {
    fn may(&self, what: &'static str) -> Result<(), &'static str> {
        if self.refuses_to == Some(what) { Err("the disk is full") } else { Ok(()) }
    }

    pub(crate) fn open(mut self, partition: i32, count: u64, oldest: i64) -> Self {
        self.open.insert(partition, OpenErrors { count, oldest: Offset::new(oldest).unwrap() });
        self
    }
}

impl MoveLog for Memory {
    type Error = &'static str;

    fn begin_move(&mut self, intent: &Intent) -> Result<(MoveId, Vec<Option<GroupOffset>>), &'static str> {
        self.may("begin")?;
        self.begun.push(intent.clone());
        let id = self.begun.len();
        let new = intent.steps.iter().map(|step| match &step.to {
            Destination::At(next) => {
                Some(GroupOffset { at: step.at.clone(), next: *next, metadata: format!("m{id}"), leader_epoch: None })
            }
            Destination::Back(offset) => Some(offset.clone()),
            Destination::Nothing => None,
        });
        Ok((MoveId(i64::try_from(id).unwrap()), new.collect()))
    }

    fn end_move(&mut self, id: MoveId, state: MoveState, found: &[Found]) -> Result<(), &'static str> {
        self.may("end")?;
        self.ended.push((id, state, found.to_vec()));
        Ok(())
    }
}

impl Recall for Memory {
    type Error = &'static str;

    fn open_errors(&self, _: &str, _: &Topic) -> Result<BTreeMap<i32, OpenErrors>, &'static str> {
        Ok(self.open.clone())
    }

    fn missed(&self, _: &str, _: &Topic) -> Result<BTreeMap<i32, Vec<MissedRange>>, &'static str> {
        Ok(self.missed.clone())
    }

    fn progress(&self, _: &str, _: &Topic, partition: i32) -> Result<Option<NextOffset>, &'static str> {
        Ok(self.progress.get(&partition).copied().map(next))
    }

    fn entry(&self, id: i64) -> Result<Option<EntryPlace>, &'static str> {
        Ok(self.entries.get(&id).cloned())
    }
}
