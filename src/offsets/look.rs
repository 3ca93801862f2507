//! Where groups stand: who is in them, what they have committed, and how far that is from the end of the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::offsets::behind::{behind, find_retention};
use crate::offsets::reset::open_errors;
use crate::offsets::{
    AdminError, Behind, GroupAdmin, GroupListing, GroupMember, GroupOffset, GroupProtocol, GroupView, GuardError, LogBounds,
    MissedRange, OpenErrors, Recall, TopicPartition, guard,
};
use crate::record::Topic;

/// A group among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    pub listing: GroupListing,
    /// `None`: its coordinator did not say.
    pub members: Option<usize>,
    /// Of all that it has committed together; `None` where that is not known.
    pub lag: Option<u64>,
    /// What was not answered, and why.
    pub unanswered: Vec<String>,
}

/// A group, partition by partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStanding {
    pub view: GroupView,
    /// In the order of topics and partitions.
    pub rows: Vec<StandingRow>,
    /// Members that have no partition.
    pub idle: Vec<GroupMember>,
    /// `None`: not known of every partition.
    pub lag: Option<u64>,
}

/// A partition that a group has committed, or that a member of it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRow {
    pub at: TopicPartition,
    pub committed: Option<GroupOffset>,
    /// `None`: its leader did not say.
    pub bounds: Option<LogBounds>,
    pub lag: Option<u64>,
    pub member: Option<GroupMember>,
    /// Open entries of the group; `None`: no journal is asked.
    pub open_errors: Option<u64>,
    /// Those that still miss something of it.
    pub receivers: Vec<Behind>,
}

impl StandingRow {
    /// Events that receivers miss; `None`: no journal is asked.
    #[must_use]
    pub fn deferred(&self) -> Option<u64> {
        self.open_errors.map(|_| self.receivers.iter().map(|receiver| receiver.deferred).sum())
    }
}

/// Why a group is not shown. `E`: the journal's errors.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookError<E> {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the journal: {0}")]
    Journal(E),
}

type Logs = BTreeMap<TopicPartition, LogBounds>;

/// What a journal knows of a group.
struct Recalled {
    open: BTreeMap<TopicPartition, OpenErrors>,
    missed: BTreeMap<TopicPartition, Vec<MissedRange>>,
}

impl Recalled {
    fn of<R: Recall>(recall: &R, group: &str, topics: &[Arc<Topic>]) -> Result<Self, R::Error> {
        let mut missed = BTreeMap::new();
        for topic in topics {
            let place = |partition| TopicPartition { topic: topic.name.clone(), partition };
            missed.extend(recall.missed(group, topic)?.into_iter().map(|(partition, ranges)| (place(partition), ranges)));
        }
        Ok(Self { open: open_errors(recall, group, topics)?, missed })
    }
}

/// All groups, in the order of their names.
///
/// # Errors
/// When they cannot be listed. What is wrong with one group is told of it.
pub fn overview(admin: &dyn GroupAdmin) -> Result<Vec<Overview>, AdminError> {
    let mut listings = admin.groups()?;
    listings.sort_by(|one, other| one.group.cmp(&other.group));
    let mut all = Vec::with_capacity(listings.len());
    for listing in listings {
        let mut unanswered = Vec::new();
        let mut told = |error: AdminError| unanswered.push(error.to_string());
        let members = admin.describe(&listing.group).map(|view| view.members.len()).map_err(&mut told).ok();
        // A share group has none.
        let committed = match listing.protocol {
            GroupProtocol::Share => None,
            _ => admin.committed(&listing.group).map_err(&mut told).ok(),
        };
        all.push((Overview { listing, members, lag: None, unanswered }, committed));
    }
    let of: BTreeSet<TopicPartition> =
        all.iter().filter_map(|(_, committed)| committed.as_ref()).flatten().map(|of| of.at.clone()).collect();
    let logs = logs(admin, of)?;
    let with_lag = |(overview, committed): (Overview, Option<Vec<GroupOffset>>)| {
        let lag = committed.and_then(|committed| committed.iter().map(|offset| lag(offset, logs.get(&offset.at))).sum());
        Overview { lag, ..overview }
    };
    Ok(all.into_iter().map(with_lag).collect())
}

/// One group.
///
/// # Errors
/// When there is none of this name, when it is a share group, or when nobody answers.
pub fn standing<R: Recall>(
    admin: &dyn GroupAdmin,
    recall: Option<&R>,
    group: &str,
    now: Timestamp,
) -> Result<GroupStanding, LookError<R::Error>> {
    let view = admin.describe(group)?;
    if view.protocol == GroupProtocol::Share {
        return Err(GuardError::Share { group: group.to_owned() }.into());
    }
    let committed: BTreeMap<_, _> = admin.committed(group)?.into_iter().map(|offset| (offset.at.clone(), offset)).collect();
    if committed.is_empty() && view.state == "Dead" {
        return Err(guard::no_offsets(admin, group, &view.state)?.into());
    }
    let assigned = view.members.iter().flat_map(|member| member.assigned.iter().map(move |at| (at.clone(), member)));
    let assigned: BTreeMap<TopicPartition, &GroupMember> = assigned.collect();
    let mut all: BTreeSet<TopicPartition> = committed.keys().chain(assigned.keys()).cloned().collect();
    let names: BTreeSet<&str> = all.iter().map(|at| at.topic.as_str()).collect();
    let topics = admin.identities(&names.into_iter().collect::<Vec<_>>())?.into_iter().flatten().map(Arc::new).collect::<Vec<_>>();
    let recalled = recall.map(|recall| Recalled::of(recall, group, &topics)).transpose().map_err(LookError::Journal)?;
    all.extend(recalled.iter().flat_map(|recalled| recalled.missed.keys().cloned()));
    let logs = logs(admin, all.clone())?;
    let row = |at: TopicPartition| StandingRow {
        committed: committed.get(&at).cloned(),
        bounds: logs.get(&at).copied(),
        lag: committed.get(&at).and_then(|offset| lag(offset, logs.get(&at))),
        member: assigned.get(&at).copied().cloned(),
        open_errors: recalled.as_ref().map(|recalled| recalled.open.get(&at).map_or(0, |open| open.count)),
        receivers: recalled
            .as_ref()
            .and_then(|recalled| recalled.missed.get(&at))
            .map_or_else(Vec::new, |of| behind(of, logs.get(&at))),
        at,
    };
    let mut rows: Vec<StandingRow> = all.into_iter().map(row).collect();
    find_retention(admin, &mut rows, now);
    let lag = rows.iter().filter(|row| row.committed.is_some()).map(|row| row.lag).sum();
    let idle = view.members.iter().filter(|member| member.assigned.is_empty()).cloned().collect();
    Ok(GroupStanding { rows, idle, lag, view })
}

/// Where the logs begin and end, as far as their leaders say.
fn logs(admin: &dyn GroupAdmin, of: BTreeSet<TopicPartition>) -> Result<Logs, AdminError> {
    if of.is_empty() {
        return Ok(Logs::new());
    }
    let answers = admin.bounds(&of.into_iter().collect::<Vec<_>>())?;
    Ok(answers.into_iter().filter_map(|(at, bounds)| Some((at, bounds.ok()?))).collect())
}

/// As Kafka's own tool counts it; a log that ends below what is committed has no lag.
fn lag(offset: &GroupOffset, bounds: Option<&LogBounds>) -> Option<u64> {
    bounds.map(|bounds| bounds.end.get().saturating_sub(offset.next.get()).max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::offsets::Retention;
    use crate::offsets::doubles::{Cluster, Memory, at, committed, member, next};

    #[test]
    fn a_group_is_shown_partition_by_partition() {
        let cluster = Cluster::with([committed(0, 50, "m"), committed(1, 500, ""), committed(2, 99, "")]);
        let idle = GroupMember { assigned: Vec::new(), ..member("b") };
        cluster.members.borrow_mut().extend([GroupMember { assigned: vec![at("orders", 0), at("gone", 0)], ..member("a") }, idle]);
        let found = standing(&cluster, Some(&Memory::default().open(0, 7, 3)), "shop", Timestamp::UNIX_EPOCH).unwrap();
        let told = |row: &StandingRow| {
            let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
            let member = row.member.as_ref().map_or("-", |member| member.id.as_str());
            let open = number(row.open_errors);
            format!("{} {} {member} {open} {}", row.at, number(row.lag), row.bounds.is_some())
        };
        let rows: Vec<_> = found.rows.iter().map(told).collect();
        assert_eq!(rows, ["gone/0 - a 0 false", "orders/0 50 a 7 true", "orders/1 0 - 0 true", "orders/2 1 - 0 true"]);
        assert_eq!((found.lag, found.idle.len(), found.view.state.as_str()), (Some(51), 1, "Stable"));
        let without = standing::<Memory>(&cluster, None, "shop", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(without.rows.iter().filter_map(|row| row.open_errors).count(), 0);
    }

    #[test]
    fn receivers_that_miss_something_are_shown_with_the_time_that_is_left() {
        let cluster = Cluster::with([committed(0, 50, "m")]);
        let range = |receiver: &str, from: i64, to: i64| MissedRange {
            receiver: receiver.into(),
            from: next(from),
            to: next(to),
            events: 3,
        };
        let missed = |partition: i32, ranges| Memory { missed: BTreeMap::from([(partition, ranges)]), ..Memory::default() };
        let found = |memory: &Memory, now_ms: i64| {
            let now = Timestamp::from_millisecond(now_ms).unwrap();
            let rows = standing(&cluster, Some(memory), "shop", now).unwrap().rows;
            let of = |row: StandingRow| {
                (row.at.partition, row.deferred(), row.receivers.iter().map(|of| of.retention).collect::<Vec<_>>())
            };
            rows.into_iter().map(of).collect::<Vec<_>>()
        };
        // The double keeps records for a minute, and wrote each of them at its offset in seconds.
        let both = missed(0, vec![range("audit", 5, 9), range("billing", 20, 30), range("billing", 40, 50)]);
        let left = |seconds| Retention::Left(Duration::from_secs(seconds));
        assert_eq!(found(&both, 50_000), [(0, Some(9), vec![Retention::Gone, left(30)])]);
        assert_eq!(found(&both, 99_000), [(0, Some(9), vec![Retention::Gone, left(0)])], "it may be gone at any time");
        let elsewhere = missed(2, vec![range("billing", 20, 30)]);
        assert_eq!(
            found(&elsewhere, 21_000),
            [(0, Some(0), vec![]), (2, Some(3), vec![left(59)])],
            "the group has committed nothing there"
        );
        cluster.keeps.set(None);
        assert_eq!(found(&both, 50_000), [(0, Some(9), vec![Retention::Gone, Retention::Unknown])]);
    }

    #[test]
    fn a_group_that_is_not_there_or_has_no_offsets_is_told() {
        let cluster = Cluster::with([committed(0, 50, "m")]);
        let unknown = GuardError::Unknown { group: "shpo".into(), there: vec!["shop".into()] };
        assert_eq!(standing::<Memory>(&cluster, None, "shpo", Timestamp::UNIX_EPOCH), Err(unknown.into()));
        *cluster.protocol.borrow_mut() = GroupProtocol::Share;
        assert_eq!(
            standing::<Memory>(&cluster, None, "shop", Timestamp::UNIX_EPOCH),
            Err(GuardError::Share { group: "shop".into() }.into())
        );
    }

    #[test]
    fn what_is_wrong_with_one_group_is_told_of_it() {
        let cluster = Cluster::with([committed(0, 50, "m"), committed(1, 90, "")]);
        let only = |cluster: &Cluster| overview(cluster).unwrap().pop().unwrap();
        let group = only(&cluster);
        assert_eq!((group.members, group.lag, group.unanswered.len()), (Some(0), Some(60), 0));
        cluster.fails_at("committed", 1);
        let group = only(&cluster);
        assert_eq!((group.members, group.lag), (Some(0), None));
        assert_eq!(group.unanswered, ["committed of the group shop: broker transport failure"]);
        // The first one is the double's own, for its list.
        cluster.fails_at("describe", 2);
        assert_eq!(only(&cluster).members, None);
    }
}
