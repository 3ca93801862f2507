//! Taking a move back: each partition gets what it had before it, offset, metadata and all, or nothing where it had nothing.
//!
//! Where the group has moved on since, what was committed then would be lost: that is refused, unless somebody insists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::offsets::carry_out::is_same;
use crate::offsets::plan::counts;
use crate::offsets::reset::{Committed, open_errors};
use crate::offsets::{
    AdminError, Counts, Destination, GroupAdmin, GroupOffset, GuardError, MoveId, PastItem, PastMove, PlannedRow, Prepared, Recall,
    TopicPartition, called, guard,
};
use crate::record::Topic;

/// What to do where a group has moved on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    #[default]
    No,
    /// `--force`: the old offsets are put back all the same.
    Yes,
}

/// Why there is no plan. `E`: the journal's errors.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UndoError<E> {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the journal: {0}")]
    Journal(E),
    /// Each with what is committed now.
    #[error("group {} is no longer where move {} put it", called(group), id.0)]
    MovedOn { id: MoveId, group: String, partitions: Vec<(PastItem, Option<GroupOffset>)> },
    #[error("move {} left nothing to take back: group {} has what it had before it", id.0, called(group))]
    Nothing { id: MoveId, group: String },
    #[error("move {} was made on the cluster {made_on}, and this one is {here}", id.0)]
    OtherCluster { id: MoveId, made_on: String, here: String },
}

/// Decides what taking a move back would do.
///
/// # Errors
/// When the group must not be moved, has moved on, or nobody answers.
pub fn prepare_undo<R: Recall>(
    admin: &dyn GroupAdmin,
    recall: &R,
    past: &PastMove,
    force: Force,
) -> Result<Prepared, UndoError<R::Error>> {
    let PastMove { id, group, items, .. } = past;
    let view = admin.describe(group)?;
    guard::check(group, &view)?;
    same_cluster(admin, past)?;
    let committed: Committed = admin.committed(group)?.into_iter().map(|offset| (offset.at.clone(), offset)).collect();
    let now = |item: &PastItem| committed.get(&item.at);
    let moved_on: Vec<_> = items.iter().filter(|item| has_moved_on(item, now(item))).collect();
    if force == Force::No && !moved_on.is_empty() {
        let partitions = moved_on.into_iter().map(|item| (item.clone(), now(item).cloned())).collect();
        return Err(UndoError::MovedOn { id: *id, group: group.clone(), partitions });
    }
    if items.iter().all(|item| is_same(now(item), item.old.as_ref())) {
        return Err(UndoError::Nothing { id: *id, group: group.clone() });
    }
    let topics: BTreeMap<&str, &Arc<Topic>> = items.iter().map(|item| (item.at.topic.as_str(), &item.topic)).collect();
    let open = open_errors(recall, group, topics.into_values()).map_err(UndoError::Journal)?;
    // A log that nobody knows the bounds of may be gone: what was committed can be put back all the same.
    let of: Vec<TopicPartition> = items.iter().map(|item| item.at.clone()).collect();
    let bounds: BTreeMap<_, _> = admin.bounds(&of)?.into_iter().filter_map(|(at, bounds)| Some((at, bounds.ok()?))).collect();
    let row = |item: &PastItem| {
        let (current, old) = (now(item).cloned(), item.old.clone());
        let (from, to) = (current.as_ref().map(|offset| offset.next), old.as_ref().map(|offset| offset.next));
        PlannedRow {
            topic: Arc::clone(&item.topic),
            at: item.at.clone(),
            counts: bounds.get(&item.at).map_or(Counts::default(), |bounds| counts(from, to, *bounds)),
            current,
            to: old.map_or(Destination::Nothing, Destination::Back),
            outside: None,
            open_errors: Some(open.get(&item.at).map_or(0, |open| open.count)),
        }
    };
    let rows = items.iter().map(row).collect();
    Ok(Prepared { group: group.clone(), state: view.state, undoes: Some(*id), rows, unknown: Vec::new() })
}

/// It has neither what the move set, nor what was seen there then, nor what there was before it.
fn has_moved_on(item: &PastItem, now: Option<&GroupOffset>) -> bool {
    let is_as_seen = item.read_back.is_some() && now.map(|offset| offset.next) == item.read_back && item.error.is_some();
    !is_same(now, item.new.as_ref()) && !is_same(now, item.old.as_ref()) && !is_as_seen
}

/// Groups of the same name on two clusters may have their moves in one journal.
fn same_cluster<E>(admin: &dyn GroupAdmin, past: &PastMove) -> Result<(), UndoError<E>> {
    let names: BTreeSet<&str> = past.items.iter().map(|item| item.at.topic.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let here = admin.identities(&names)?.into_iter().flatten().next().map(|topic| topic.cluster_id);
    let other = |here: &String| past.items.iter().map(|item| &item.topic.cluster_id).find(|made_on| *made_on != here).cloned();
    match here.and_then(|here| Some((other(&here)?, here))) {
        Some((made_on, here)) => Err(UndoError::OtherCluster { id: past.id, made_on, here }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::doubles::{Cluster, Memory, at, committed, next, orders};
    use crate::offsets::{MoveState, carry_out};
    use crate::record::NextOffset;

    fn item(partition: i32, old: Option<GroupOffset>, new: Option<GroupOffset>) -> PastItem {
        PastItem { topic: orders(), at: at("orders", partition), old, new, read_back: None, error: None }
    }

    /// Partition 0 went from 50 to 20, partition 1 from nothing to 30, partition 2 from 70 to nothing.
    fn past() -> PastMove {
        let items = vec![
            item(0, Some(committed(0, 50, "tool")), Some(committed(0, 20, "m7"))),
            item(1, None, Some(committed(1, 30, "m7"))),
            item(2, Some(committed(2, 70, "rd1:j:70:r2")), None),
        ];
        PastMove {
            id: MoveId(7),
            group: "shop".into(),
            undoes: None,
            state: MoveState::Done,
            reason: String::new(),
            who: "me".into(),
            host: "here".into(),
            at_us: 0,
            items,
        }
    }

    fn moved() -> Cluster {
        Cluster::with(past().items.into_iter().filter_map(|item| item.new))
    }

    /// From where to where.
    type Way = (Option<i64>, Option<i64>);

    fn undo(cluster: &Cluster, past: &PastMove, force: Force) -> Result<Vec<Way>, UndoError<&'static str>> {
        let prepared = prepare_undo(cluster, &Memory::default(), past, force)?;
        let ended = carry_out(cluster, &mut Memory::default(), &prepared.intent("me".into(), String::new()))?;
        assert_eq!((prepared.undoes, ended.state), (Some(past.id), MoveState::Done));
        let number = |next: Option<NextOffset>| next.map(NextOffset::get);
        let from = |row: &PlannedRow| row.current.as_ref().map(|offset| offset.next);
        Ok(prepared.rows.iter().map(|row| (number(from(row)), number(row.to.next()))).collect())
    }

    impl From<&'static str> for UndoError<&'static str> {
        fn from(error: &'static str) -> Self {
            Self::Journal(error)
        }
    }

    fn before() -> Vec<GroupOffset> {
        vec![committed(0, 50, "tool"), committed(2, 70, "rd1:j:70:r2")]
    }

    #[test]
    fn all_is_as_it_was_offsets_metadata_and_nothing() {
        let cluster = moved();
        assert_eq!(undo(&cluster, &past(), Force::No), Ok(vec![(Some(20), Some(50)), (Some(30), None), (None, Some(70))]));
        assert_eq!(cluster.has(), before());
        assert_eq!(undo(&cluster, &past(), Force::No), Err(UndoError::Nothing { id: MoveId(7), group: "shop".into() }));
    }

    #[test]
    fn a_move_that_nobody_saw_the_end_of_is_taken_back_as_far_as_it_came() {
        let planned = PastMove { state: MoveState::Planned, ..past() };
        let cluster = Cluster::with([committed(0, 20, "m7"), committed(2, 70, "rd1:j:70:r2")]);
        undo(&cluster, &planned, Force::No).unwrap();
        assert_eq!(cluster.has(), before());
        assert_eq!(
            *cluster.calls.borrow(),
            ["describe", "committed", "describe", "committed", "alter", "committed"],
            "what is there already is left alone"
        );
        assert!(matches!(undo(&Cluster::with(before()), &planned, Force::No), Err(UndoError::Nothing { .. })));
    }

    #[test]
    fn a_group_that_has_moved_on_is_left_alone_unless_somebody_insists() {
        for has in [committed(0, 21, "rd1:j:21:r3"), committed(0, 20, "somebody else")] {
            let cluster = moved();
            cluster.put([has.clone()]);
            let partitions = vec![(past().items[0].clone(), Some(has))];
            let refused = UndoError::MovedOn { id: MoveId(7), group: "shop".into(), partitions };
            assert_eq!(undo(&cluster, &past(), Force::No), Err(refused));
            undo(&cluster, &past(), Force::Yes).unwrap();
            assert_eq!(cluster.has(), before());
        }
        let cluster = moved();
        cluster.committed.borrow_mut().clear();
        assert!(matches!(undo(&cluster, &past(), Force::No), Err(UndoError::MovedOn { partitions, .. }) if partitions.len() == 1));
    }

    #[test]
    fn what_a_move_left_behind_by_mistake_is_taken_back_too() {
        let mut differs = past();
        differs.items[0].read_back = Some(next(21));
        differs.items[0].error = Some("expected offset 20, and read back offset 21".into());
        let cluster = moved();
        cluster.put([committed(0, 21, "m7")]);
        undo(&cluster, &differs, Force::No).unwrap();
        assert_eq!(cluster.has(), before());
    }

    /// What the group committed before the move could be made is not of the move, however it ended.
    #[test]
    fn what_a_move_that_was_not_tried_found_is_not_taken_away() {
        let cluster = Cluster::with(before());
        let intent =
            prepare_undo(&cluster, &Memory::default(), &past(), Force::Yes).map(|of| of.intent("me".into(), String::new()));
        assert_eq!(intent, Err(UndoError::Nothing { id: MoveId(7), group: "shop".into() }));
        let mut left_alone = PastMove { state: MoveState::Failed, ..past() };
        left_alone.items.iter_mut().for_each(|item| item.error = Some("it was not tried".into()));
        cluster.put([committed(0, 55, "m9")]);
        assert!(
            matches!(undo(&cluster, &left_alone, Force::No), Err(UndoError::MovedOn { partitions, .. }) if partitions.len() == 1)
        );
    }

    #[test]
    fn the_guards_are_those_of_a_reset() {
        let cluster = moved();
        cluster.joins("consumer-1");
        for force in [Force::No, Force::Yes] {
            assert!(matches!(undo(&cluster, &past(), force), Err(UndoError::Guard(GuardError::Members { .. }))));
        }
        cluster.leaves();
        let mut elsewhere = past();
        let topic = Arc::new(Topic { cluster_id: "other".into(), ..Topic::clone(&orders()) });
        elsewhere.items.iter_mut().for_each(|item| item.topic = Arc::clone(&topic));
        let refused = UndoError::OtherCluster { id: MoveId(7), made_on: "other".into(), here: "cluster".into() };
        assert_eq!(undo(&cluster, &elsewhere, Force::Yes), Err(refused));
    }
}
