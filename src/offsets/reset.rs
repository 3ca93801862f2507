//! A reset before it is made: the group is checked, its partitions are found, and for each of them it is decided where it goes.
//!
//! Nothing is changed here. A preview ends with this; an execution goes on with `carry_out`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::offsets::plan::{Goal, Standing, counts, destination};
use crate::offsets::{
    AdminError, Aim, Answered, Counts, Destination, EntryPlace, GroupAdmin, GroupOffset, GuardError, Intent, MoveId, OpenErrors,
    Outside, Recall, Scope, Step, TopicPartition, asked, called, guard,
};
use crate::record::{NextOffset, Topic};

/// What becomes of offsets outside of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beyond {
    /// They are moved to its nearest end.
    #[default]
    Clamp,
    /// `--strict`
    Refuse,
}

/// Whether the group has to be one that has offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    #[default]
    Only,
    /// `--create`
    OrNot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetRequest {
    pub group: String,
    pub scope: Scope,
    pub aim: Aim,
    pub beyond: Beyond,
    pub known: Known,
}

/// What is to happen to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRow {
    pub topic: Arc<Topic>,
    pub at: TopicPartition,
    pub current: Option<GroupOffset>,
    pub to: Destination,
    pub counts: Counts,
    pub outside: Option<Outside>,
    /// Open entries of the group in the partition; `None`: no journal is asked.
    pub open_errors: Option<u64>,
}

/// A move that could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub group: String,
    /// Of the group, in Kafka's words.
    pub state: String,
    pub undoes: Option<MoveId>,
    /// In the order of topics and partitions; at least one.
    pub rows: Vec<PlannedRow>,
    /// Partitions that were asked for, and that the journal says nothing of.
    pub unknown: Vec<TopicPartition>,
}

/// Why there is no plan. `E`: the journal's errors.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResetError<E> {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the journal: {0}")]
    Journal(E),
    /// `there`: all topics that there are.
    #[error("there is no topic {topic} on this cluster")]
    UnknownTopic { topic: String, there: Vec<String> },
    #[error("there is no partition {at}: topic {} has {count}", at.topic)]
    UnknownPartition { at: TopicPartition, count: usize },
    #[error("nothing is committed in {}, so there is no offset that could be shifted", places(.0))]
    NothingToShift(Vec<TopicPartition>),
    /// `--strict`
    #[error("{} partition{} would have to go to offsets outside of the log", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Outside(Vec<(TopicPartition, Outside)>),
    #[error("{at}: where its log begins and ends is not known: {message}")]
    NoBounds { at: TopicPartition, message: String },
    #[error("entry {0} is not in the journal")]
    NoEntry(i64),
    #[error("entry {id} is of group {}", called(group))]
    EntryOfGroup { id: i64, group: String },
    #[error("entry {id} is of another topic {topic} than this cluster has: it was made again, or is on another cluster")]
    EntryOfOtherTopic { id: i64, topic: String },
    #[error("entry {id} is in {at}, which is not among the partitions that were asked for")]
    EntryElsewhere { id: i64, at: TopicPartition },
    #[error("group {} has no open entries in the partitions that were asked for", called(.0))]
    NoFailures(String),
    #[error("this journal never saw group {} in the partitions that were asked for", called(.0))]
    NoProgress(String),
    #[error("nothing is to be moved: none of the partitions that were asked for is named")]
    Nothing,
    #[error("group {} has no committed offsets, so nothing says which topics are its own", called(.0))]
    NothingCommitted(String),
}

fn places(of: &[TopicPartition]) -> String {
    of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Prepared {
    /// The move, to be carried out.
    #[must_use]
    pub fn intent(&self, who: String, reason: String) -> Intent {
        let step = |row: &PlannedRow| Step {
            topic: Arc::clone(&row.topic),
            at: row.at.clone(),
            old: row.current.clone(),
            to: row.to.clone(),
        };
        Intent { group: self.group.clone(), reason, who, undoes: self.undoes, steps: self.rows.iter().map(step).collect() }
    }
}

/// Decides what a reset would do.
///
/// # Errors
/// When the group must not be moved, something asked for is not there, or nobody answers.
pub fn prepare<R: Recall>(
    admin: &dyn GroupAdmin,
    recall: Option<&R>,
    request: &ResetRequest,
) -> Result<Prepared, ResetError<R::Error>> {
    let group = &request.group;
    let view = admin.describe(group)?;
    guard::check(group, &view)?;
    let committed: Committed = admin.committed(group)?.into_iter().map(|offset| (offset.at.clone(), offset)).collect();
    // Who is in the journal is no name that was mistyped.
    let is_in_journal = matches!(request.aim, Aim::OldestFailures | Aim::Failure(_) | Aim::Progress);
    if committed.is_empty() && request.known == Known::Only && !is_in_journal {
        return Err(guard::no_offsets(admin, group, &view.state)?.into());
    }
    let entry = entry(recall, request)?;
    let asked = asked::partitions(admin, request, &committed, entry.as_ref())?;
    let scene = Scene::look((admin, recall), group, committed, &asked)?;
    let (goals, unknown) = scene.goals(&request.aim, asked, entry)?;
    let rows = scene.rows(goals)?;
    let outside: Vec<_> = rows.iter().filter_map(|row| Some((row.at.clone(), row.outside?))).collect();
    if request.beyond == Beyond::Refuse && !outside.is_empty() {
        return Err(ResetError::Outside(outside));
    }
    Ok(Prepared { group: group.clone(), state: view.state, undoes: None, rows, unknown })
}

/// What the group has committed.
pub(super) type Committed = BTreeMap<TopicPartition, GroupOffset>;
/// Where each partition is to go.
type Goals = BTreeMap<TopicPartition, Goal>;

/// The entry that the request names, if it names one.
fn entry<R: Recall>(recall: Option<&R>, request: &ResetRequest) -> Result<Option<EntryPlace>, ResetError<R::Error>> {
    let Aim::Failure(id) = request.aim else { return Ok(None) };
    let found = recall.map(|recall| recall.entry(id)).transpose().map_err(ResetError::Journal)?.flatten();
    match found {
        Some(entry) if entry.group != request.group => Err(ResetError::EntryOfGroup { id, group: entry.group }),
        Some(entry) => Ok(Some(entry)),
        None => Err(ResetError::NoEntry(id)),
    }
}

/// What is known of the partitions that were asked for.
struct Scene<'s, R> {
    admin: &'s dyn GroupAdmin,
    recall: Option<&'s R>,
    group: &'s str,
    committed: Committed,
    topics: BTreeMap<String, Arc<Topic>>,
    /// By topic and partition; `None`: no journal is asked.
    open: Option<BTreeMap<TopicPartition, OpenErrors>>,
}

impl<'s, R: Recall> Scene<'s, R> {
    fn look(
        (admin, recall): (&'s dyn GroupAdmin, Option<&'s R>),
        group: &'s str,
        committed: Committed,
        asked: &BTreeSet<TopicPartition>,
    ) -> Result<Self, ResetError<R::Error>> {
        let topics = topics(admin, asked)?;
        let open = recall.map(|recall| open_errors(recall, group, topics.values())).transpose().map_err(ResetError::Journal)?;
        Ok(Self { admin, recall, group, committed, topics, open })
    }

    /// Where each partition goes, and those of which the journal knows nothing.
    fn goals(
        &self,
        aim: &Aim,
        asked: BTreeSet<TopicPartition>,
        entry: Option<EntryPlace>,
    ) -> Result<(Goals, Vec<TopicPartition>), ResetError<R::Error>> {
        let all = |goal: Goal| asked.iter().map(|at| (at.clone(), goal)).collect::<Goals>();
        let goals = match aim {
            Aim::Earliest => all(Goal::Earliest),
            Aim::Latest => all(Goal::Latest),
            Aim::Offset(to) => all(Goal::Offset(*to)),
            Aim::Shift(by) => all(Goal::Shift(*by)),
            Aim::Current => all(Goal::Current),
            Aim::Time(time) => self.since(&asked, *time)?,
            Aim::Each(each) => {
                each.iter().filter(|(at, _)| asked.contains(at)).map(|(at, to)| (at.clone(), Goal::Offset(*to))).collect()
            }
            Aim::Failure(id) => self.at_entry(*id, asked, entry)?,
            Aim::OldestFailures => {
                let oldest = |at: &TopicPartition| {
                    Ok(self.open.as_ref().and_then(|open| open.get(at)).map(|open| NextOffset::before(open.oldest)))
                };
                return self.known(asked, oldest, ResetError::NoFailures);
            }
            Aim::Progress => {
                let progress = |at: &TopicPartition| self.progress(at);
                return self.known(asked, progress, ResetError::NoProgress);
            }
        };
        Ok((goals, Vec::new()))
    }

    /// Goals of the partitions that the journal knows; the others.
    fn known(
        &self,
        asked: BTreeSet<TopicPartition>,
        know: impl Fn(&TopicPartition) -> Result<Option<NextOffset>, ResetError<R::Error>>,
        none: fn(String) -> ResetError<R::Error>,
    ) -> Result<(Goals, Vec<TopicPartition>), ResetError<R::Error>> {
        let (mut goals, mut unknown) = (Goals::new(), Vec::new());
        for at in asked {
            match know(&at)? {
                Some(next) => drop(goals.insert(at, Goal::Offset(next.into()))),
                None => unknown.push(at),
            }
        }
        if goals.is_empty() { Err(none(self.group.to_owned())) } else { Ok((goals, unknown)) }
    }

    fn progress(&self, at: &TopicPartition) -> Result<Option<NextOffset>, ResetError<R::Error>> {
        let (Some(recall), Some(topic)) = (self.recall, self.topics.get(&at.topic)) else { return Ok(None) };
        recall.progress(self.group, topic, at.partition).map_err(ResetError::Journal)
    }

    fn at_entry(&self, id: i64, asked: BTreeSet<TopicPartition>, entry: Option<EntryPlace>) -> Result<Goals, ResetError<R::Error>> {
        let Some(entry) = entry else { return Err(ResetError::NoEntry(id)) };
        if self.topics.get(&entry.topic.name).is_none_or(|topic| **topic != entry.topic) {
            return Err(ResetError::EntryOfOtherTopic { id, topic: entry.topic.name });
        }
        let goal = Goal::Offset(NextOffset::before(entry.offset).into());
        Ok(asked.into_iter().map(|at| (at, goal)).collect())
    }

    fn since(&self, asked: &BTreeSet<TopicPartition>, time: Timestamp) -> Result<Goals, ResetError<R::Error>> {
        let of: Vec<_> = asked.iter().cloned().collect();
        let answers = whole(self.admin.at_time(&of, time)?)?;
        Ok(answers.into_iter().map(|(at, first)| (at, Goal::Since(time, first))).collect())
    }

    fn rows(&self, goals: Goals) -> Result<Vec<PlannedRow>, ResetError<R::Error>> {
        let of: Vec<_> = goals.keys().cloned().collect();
        let bounds: BTreeMap<_, _> = whole(self.admin.bounds(&of)?)?.into_iter().collect();
        let (mut rows, mut without) = (Vec::new(), Vec::new());
        for (at, goal) in goals {
            let (Some(topic), Some(bounds)) = (self.topics.get(&at.topic), bounds.get(&at).copied()) else {
                return Err(ResetError::NoBounds { at, message: "nobody said".to_owned() });
            };
            let current = self.committed.get(&at).cloned();
            let standing = Standing { committed: current.as_ref().map(|offset| offset.next), bounds };
            let Some((next, outside)) = destination(standing, goal) else {
                without.push(at);
                continue;
            };
            rows.push(PlannedRow {
                topic: Arc::clone(topic),
                counts: counts(standing.committed, Some(next), bounds),
                current,
                to: Destination::At(next),
                outside,
                open_errors: self.open.as_ref().map(|open| open.get(&at).map_or(0, |open| open.count)),
                at,
            });
        }
        if without.is_empty() { Ok(rows) } else { Err(ResetError::NothingToShift(without)) }
    }
}

/// The topics as a journal names them.
fn topics<E>(admin: &dyn GroupAdmin, asked: &BTreeSet<TopicPartition>) -> Result<BTreeMap<String, Arc<Topic>>, ResetError<E>> {
    let names: BTreeSet<&str> = asked.iter().map(|at| at.topic.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut topics = BTreeMap::new();
    for (name, topic) in names.iter().zip(admin.identities(&names)?) {
        let Some(topic) = topic else { return Err(asked::unknown_topic(admin, name)?) };
        topics.insert((*name).to_owned(), Arc::new(topic));
    }
    Ok(topics)
}

/// The open entries of a group in topics.
pub(super) fn open_errors<'t, R: Recall>(
    recall: &R,
    group: &str,
    topics: impl IntoIterator<Item = &'t Arc<Topic>>,
) -> Result<BTreeMap<TopicPartition, OpenErrors>, R::Error> {
    let mut open = BTreeMap::new();
    for topic in topics {
        let of_topic = recall.open_errors(group, topic)?.into_iter();
        open.extend(of_topic.map(|(partition, errors)| (TopicPartition { topic: topic.name.clone(), partition }, errors)));
    }
    Ok(open)
}

/// What the brokers said of each partition; one that they say nothing of spoils it all, because nothing may be moved by halves.
fn whole<T, E>(answers: Answered<T>) -> Result<Vec<(TopicPartition, T)>, ResetError<E>> {
    answers
        .into_iter()
        .map(|(at, answer)| match answer {
            Ok(answer) => Ok((at, answer)),
            Err(message) => Err(ResetError::NoBounds { at, message }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::doubles::{Cluster, Memory, at, committed, next, orders};
    use crate::offsets::{GroupProtocol, Shift, TopicPick, Wanted};
    use crate::record::Offset;

    fn request(aim: Aim) -> ResetRequest {
        let scope = Scope::Topics(TopicPick::parse_all("orders").unwrap());
        ResetRequest { group: "shop".into(), scope, aim, beyond: Beyond::Clamp, known: Known::Only }
    }

    fn of(request: &ResetRequest, topics: &str) -> ResetRequest {
        ResetRequest { scope: Scope::Topics(TopicPick::parse_all(topics).unwrap()), ..request.clone() }
    }

    /// The group stands at 50 in partition 0, and at 5, which is gone from the log, in partition 1; there is nothing of partition 2.
    fn cluster() -> Cluster {
        Cluster::with([committed(0, 50, "m"), committed(1, 5, "")])
    }

    /// What would happen in short: partition, from, to, delivered again, skipped, open errors.
    fn told(cluster: &Cluster, memory: Option<&Memory>, request: &ResetRequest) -> Result<Vec<String>, String> {
        let prepared = prepare(cluster, memory, request).map_err(|error| error.to_string())?;
        assert!(!cluster.calls.borrow().iter().any(|call| call == "alter" || call == "forget"), "nothing is changed");
        let number = |next: Option<NextOffset>| next.map_or("-".to_owned(), |next| next.to_string());
        let row = |row: &PlannedRow| {
            let Counts { delivered_again, skipped } = row.counts;
            let current = number(row.current.as_ref().map(|offset| offset.next));
            let open = row.open_errors.map_or("-".to_owned(), |open| open.to_string());
            let outside = if row.outside.is_some() { " outside" } else { "" };
            format!("{} {current}→{} +{delivered_again} -{skipped} {open}{outside}", row.at.partition, number(row.to.next()))
        };
        let unknown = prepared.unknown.iter().map(|at| format!("{} unknown", at.partition));
        Ok(prepared.rows.iter().map(row).chain(unknown).collect())
    }

    fn wanted(offset: i64) -> Wanted {
        next(offset).into()
    }

    #[test]
    fn each_target_is_planned_for_each_partition() {
        let time: Timestamp = "2026-11-23T05:00:00Z".parse().unwrap();
        let cluster = cluster();
        let each = |aim: Aim| told(&cluster, None, &request(aim)).unwrap();
        assert_eq!(each(Aim::Earliest), ["0 50→10 +40 -0 -", "1 5→10 +0 -0 -", "2 -→10 +0 -0 -"]);
        assert_eq!(each(Aim::Latest), ["0 50→100 +0 -50 -", "1 5→100 +0 -90 -", "2 -→100 +0 -90 -"]);
        assert_eq!(each(Aim::Offset(wanted(42))), ["0 50→42 +8 -0 -", "1 5→42 +0 -32 -", "2 -→42 +0 -32 -"]);
        assert_eq!(each(Aim::Offset(wanted(5)))[0], "0 50→10 +40 -0 - outside");
        assert_eq!(each(Aim::Current), ["0 50→50 +0 -0 -", "1 5→5 +0 -0 -", "2 -→100 +0 -90 -"]);
        assert_eq!(each(Aim::Time(time))[0], "0 50→100 +0 -50 - outside", "no record is so young");
        cluster.since.set(Some(42));
        assert_eq!(each(Aim::Time(time))[0], "0 50→42 +8 -0 -");
        let shift = request(Aim::Shift(Shift::parse("-8").unwrap()));
        assert_eq!(told(&cluster, None, &of(&shift, "orders:0,1")).unwrap(), ["0 50→42 +8 -0 -", "1 5→10 +0 -0 - outside"]);
        let nothing = "nothing is committed in orders/2, so there is no offset that could be shifted";
        assert_eq!(told(&cluster, None, &shift), Err(nothing.to_owned()));
    }

    #[test]
    fn which_partitions_are_asked_for() {
        let cluster = cluster();
        let partitions = |request: &ResetRequest| {
            prepare::<Memory>(&cluster, None, request).map(|of| of.rows.iter().map(|row| row.at.partition).collect::<Vec<_>>())
        };
        let earliest = request(Aim::Earliest);
        assert_eq!(partitions(&earliest), Ok(vec![0, 1, 2]));
        assert_eq!(partitions(&of(&earliest, "orders:2,0,2")), Ok(vec![0, 2]));
        assert_eq!(partitions(&ResetRequest { scope: Scope::All, ..earliest.clone() }), Ok(vec![0, 1]), "what is committed");
        let file = request(Aim::Each([(at("orders", 0), wanted(20)), (at("orders", 2), wanted(30))].into()));
        for scope in [Scope::All, Scope::Named, file.scope.clone()] {
            assert_eq!(partitions(&ResetRequest { scope, ..file.clone() }), Ok(vec![0, 2]));
        }
        assert_eq!(partitions(&of(&file, "orders:2")), Ok(vec![2]));
        assert_eq!(partitions(&of(&file, "orders:1")), Err(ResetError::Nothing));
        let unknown = ResetError::UnknownTopic { topic: "ordres".into(), there: vec!["orders".into()] };
        assert_eq!(partitions(&of(&earliest, "ordres")), Err(unknown));
        assert_eq!(partitions(&of(&earliest, "orders:3")), Err(ResetError::UnknownPartition { at: at("orders", 3), count: 3 }));
        let beyond = ResetRequest { scope: Scope::Named, ..request(Aim::Each([(at("orders", 9), wanted(1))].into())) };
        assert_eq!(partitions(&beyond), Err(ResetError::UnknownPartition { at: at("orders", 9), count: 3 }));
    }

    #[test]
    fn what_the_journal_says() {
        let cluster = cluster();
        let memory = Memory { progress: [(0, 60), (2, 200)].into(), ..Memory::default() }.open(0, 801, 20).open(2, 1, 30);
        let each = |aim: Aim| told(&cluster, Some(&memory), &request(aim));
        assert_eq!(each(Aim::OldestFailures).unwrap(), ["0 50→20 +30 -0 801", "2 -→30 +0 -20 1", "1 unknown"]);
        assert_eq!(each(Aim::Progress).unwrap(), ["0 50→60 +0 -10 801", "2 -→100 +0 -90 1 outside", "1 unknown"]);
        assert_eq!(each(Aim::Earliest).unwrap()[1], "1 5→10 +0 -0 0");
        let one = |aim| told(&cluster, Some(&memory), &of(&request(aim), "orders:1"));
        assert!(one(Aim::OldestFailures).unwrap_err().contains("has no open entries"));
        assert!(one(Aim::Progress).unwrap_err().contains("never saw group shop"));
        let gone = Cluster::new();
        assert_eq!(told(&gone, Some(&memory), &request(Aim::Progress)).unwrap()[0], "0 -→60 +0 -50 801", "all offsets are deleted");
    }

    #[test]
    fn an_entry_says_where_its_record_is() {
        let cluster = cluster();
        let entry = |group: &str, uuid: &str| EntryPlace {
            group: group.into(),
            topic: Topic { uuid: Some(uuid.into()), ..Topic::clone(&orders()) },
            partition: 0,
            offset: Offset::new(33).unwrap(),
        };
        let entries = [(1, entry("shop", "orders-1")), (2, entry("other", "orders-1")), (3, entry("shop", "orders-0"))];
        let memory = Memory { entries: entries.into(), ..Memory::default() };
        let one = |id, scope| told(&cluster, Some(&memory), &ResetRequest { scope, ..request(Aim::Failure(id)) });
        for scope in [Scope::Named, Scope::All, request(Aim::Earliest).scope] {
            assert_eq!(one(1, scope), Ok(vec!["0 50→33 +17 -0 0".to_owned()]));
        }
        let elsewhere = Scope::Topics(TopicPick::parse_all("orders:1").unwrap());
        assert!(one(1, elsewhere).unwrap_err().contains("is in orders/0, which is not among"));
        assert_eq!(one(2, Scope::Named), Err("entry 2 is of group other".into()));
        assert!(one(3, Scope::Named).unwrap_err().contains("of another topic orders than this cluster has"));
        assert_eq!(one(4, Scope::Named), Err("entry 4 is not in the journal".into()));
    }

    #[test]
    fn a_group_without_offsets_is_made_only_when_somebody_says_so() {
        let cluster = Cluster::new();
        let earliest = request(Aim::Earliest);
        let error = prepare::<Memory>(&cluster, None, &ResetRequest { group: "shpo".into(), ..earliest.clone() }).unwrap_err();
        assert_eq!(error, GuardError::Unknown { group: "shpo".into(), there: Vec::new() }.into());
        let create = ResetRequest { known: Known::OrNot, ..earliest };
        assert_eq!(told(&cluster, None, &create).unwrap().len(), 3);
        let all = ResetRequest { scope: Scope::All, ..create };
        assert_eq!(prepare::<Memory>(&cluster, None, &all), Err(ResetError::NothingCommitted("shop".into())));
    }

    #[test]
    fn a_guarded_group_is_not_looked_at_any_further() {
        let cluster = cluster();
        cluster.joins("consumer-1");
        let earliest = request(Aim::Earliest);
        let members = cluster.members.borrow().clone();
        let error = prepare::<Memory>(&cluster, None, &earliest).unwrap_err();
        assert_eq!(error, GuardError::Members { group: "shop".into(), members }.into());
        cluster.leaves();
        *cluster.protocol.borrow_mut() = GroupProtocol::Share;
        assert_eq!(prepare::<Memory>(&cluster, None, &earliest).unwrap_err(), GuardError::Share { group: "shop".into() }.into());
        assert_eq!(*cluster.calls.borrow(), ["describe", "describe"]);
    }

    #[test]
    fn strictness_refuses_what_would_be_clamped() {
        let cluster = cluster();
        let strict = |offset| of(&ResetRequest { beyond: Beyond::Refuse, ..request(Aim::Offset(wanted(offset))) }, "orders:0");
        assert!(prepare::<Memory>(&cluster, None, &strict(100)).is_ok());
        let outside = Outside::Above { wanted: wanted(101), end: next(100) };
        assert_eq!(prepare::<Memory>(&cluster, None, &strict(101)), Err(ResetError::Outside(vec![(at("orders", 0), outside)])));
    }
}
