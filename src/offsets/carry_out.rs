//! A move, from the saving to the comparing: written down, changed, read back, compared partition by partition, written down again.
//!
//! It may be cut off behind each step: what was written down then tells the truth, and is enough to take it back. Between the plan and the
//! change lies whatever the log has to wait for: a group that did something meanwhile is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::offsets::{
    AdminError, Answered, Found, GroupAdmin, GroupMember, GroupOffset, GuardError, Intent, MoveId, MoveLog, MoveState, Step,
    TopicPartition, called, guard,
};

/// How a move ended.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended<E> {
    pub id: MoveId,
    pub state: MoveState,
    pub found: Vec<Found>,
    /// Why it was not tried; `None`: it was.
    pub left_alone: Option<LeftAlone>,
    /// When it did not end well: who is in the group now.
    pub members: Vec<GroupMember>,
    /// Why the log does not say so.
    pub unsaid: Option<E>,
}

/// Why a group that was planned for is not touched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeftAlone {
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Where, and what was expected and found there.
    #[error("group {} has committed since it was looked at", called(group))]
    Committed { group: String, changes: BTreeMap<TopicPartition, String> },
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// # Errors
/// When the move could not be written down: then nothing was changed.
pub fn carry_out<L: MoveLog>(admin: &dyn GroupAdmin, log: &mut L, intent: &Intent) -> Result<Ended<L::Error>, L::Error> {
    let (id, new) = log.begin_move(intent)?;
    if let Err((left_alone, found)) = look_again(admin, intent) {
        let unsaid = log.end_move(id, MoveState::Failed, &found).err();
        return Ok(Ended { id, state: MoveState::Failed, found, left_alone: Some(left_alone), members: Vec::new(), unsaid });
    }
    let refused = change(admin, intent, &new);
    let (state, found) = compare(intent, &new, admin.committed(&intent.group), &refused);
    let members = if state == MoveState::Done { Vec::new() } else { members(admin, &intent.group) };
    let unsaid = log.end_move(id, state, &found).err();
    Ok(Ended { id, state, found, left_alone: None, members, unsaid })
}

/// Whether the group is still as the plan has it. If not, each partition is found untouched: what it has is not said to be of this move,
/// so that an undo does not take it away.
fn look_again(admin: &dyn GroupAdmin, intent: &Intent) -> Result<(), (LeftAlone, Vec<Found>)> {
    let changes = match changes(admin, intent) {
        Ok(changes) if changes.is_empty() => return Ok(()),
        Ok(changes) => changes,
        Err(error) => return Err((error, untouched(intent, &BTreeMap::new()))),
    };
    let found = untouched(intent, &changes);
    Err((LeftAlone::Committed { group: intent.group.clone(), changes }, found))
}

/// What was committed since the plan was made.
fn changes(admin: &dyn GroupAdmin, intent: &Intent) -> Result<BTreeMap<TopicPartition, String>, LeftAlone> {
    guard::check(&intent.group, &admin.describe(&intent.group)?)?;
    let now: BTreeMap<_, _> = admin.committed(&intent.group)?.into_iter().map(|offset| (offset.at.clone(), offset)).collect();
    let change = |step: &Step| {
        let (expected, found) = difference(now.get(&step.at), step.old.as_ref())?;
        Some((step.at.clone(), format!("expected {expected} as it was looked at, and found {found}")))
    };
    Ok(intent.steps.iter().filter_map(change).collect())
}

fn untouched(intent: &Intent, changes: &BTreeMap<TopicPartition, String>) -> Vec<Found> {
    let found = |step: &Step| Found {
        topic: Arc::clone(&step.topic),
        at: step.at.clone(),
        read_back: None,
        error: Some(changes.get(&step.at).map_or("it was not tried", String::as_str).to_owned()),
    };
    intent.steps.iter().map(found).collect()
}

fn members(admin: &dyn GroupAdmin, group: &str) -> Vec<GroupMember> {
    admin.describe(group).map(|view| view.members).unwrap_or_default()
}

/// Whether two commits are the same to whoever reads them. The leader epoch is a hint for the client alone.
pub(super) fn is_same(one: Option<&GroupOffset>, other: Option<&GroupOffset>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.next == other.next && one.metadata == other.metadata,
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Makes the changes; returns those that were refused. What is as it is to be is left alone.
fn change(admin: &dyn GroupAdmin, intent: &Intent, new: &[Option<GroupOffset>]) -> BTreeMap<TopicPartition, String> {
    let changing = || intent.steps.iter().zip(new).filter(|(step, new)| !is_same(step.old.as_ref(), new.as_ref()));
    let to: Vec<GroupOffset> = changing().filter_map(|(_, new)| new.clone()).collect();
    let away: Vec<TopicPartition> = changing().filter(|(_, new)| new.is_none()).map(|(step, _)| step.at.clone()).collect();
    let group = &intent.group;
    let altered = if to.is_empty() { Ok(Vec::new()) } else { admin.alter(group, &to) };
    let is_over = altered.is_err();
    let mut refused = refusals(to.into_iter().map(|offset| offset.at), altered);
    if !away.is_empty() {
        let forgotten = if is_over { Err(not_tried()) } else { admin.forget(group, &away) };
        refused.extend(refusals(away, forgotten));
    }
    refused
}

fn not_tried() -> AdminError {
    AdminError { what: "it was not tried".to_owned(), message: "what came before it failed".to_owned() }
}

fn refusals(
    of: impl IntoIterator<Item = TopicPartition>,
    answer: Result<Answered<()>, AdminError>,
) -> BTreeMap<TopicPartition, String> {
    match answer {
        Ok(answers) => answers.into_iter().filter_map(|(at, answer)| Some((at, answer.err()?))).collect(),
        Err(error) => of.into_iter().map(|at| (at, error.to_string())).collect(),
    }
}

/// What was read back against what was to be. Where that is right, a refusal was none: an answer may be lost on its way.
fn compare(
    intent: &Intent,
    new: &[Option<GroupOffset>],
    read: Result<Vec<GroupOffset>, AdminError>,
    refused: &BTreeMap<TopicPartition, String>,
) -> (MoveState, Vec<Found>) {
    let there = read.map(|there| there.into_iter().map(|offset| (offset.at.clone(), offset)).collect::<BTreeMap<_, _>>());
    let told = |(expected, found): (String, String)| format!("expected {expected}, and read back {found}");
    let mut state = MoveState::Done;
    let mut found = Vec::with_capacity(intent.steps.len());
    for (step, new) in intent.steps.iter().zip(new) {
        let read_back = there.as_ref().ok().and_then(|there| there.get(&step.at));
        let refusal = refused.get(&step.at).cloned();
        let fault = match (&there, difference(read_back, new.as_ref()).map(told)) {
            (Err(error), _) => Some((MoveState::Failed, refusal.unwrap_or_else(|| format!("it could not be read back: {error}")))),
            (Ok(_), None) => None,
            (Ok(_), Some(difference)) => {
                Some(refusal.map_or((MoveState::Differs, difference), |refusal| (MoveState::Failed, refusal)))
            }
        };
        if let Some((worse, _)) = &fault {
            state = if state == MoveState::Failed { state } else { *worse };
        }
        found.push(Found {
            topic: Arc::clone(&step.topic),
            at: step.at.clone(),
            read_back: read_back.map(|offset| offset.next),
            error: fault.map(|(_, error)| error),
        });
    }
    (state, found)
}

/// What should be there, and what is; `None`: it is the same.
fn difference(found: Option<&GroupOffset>, expected: Option<&GroupOffset>) -> Option<(String, String)> {
    if is_same(found, expected) {
        return None;
    }
    let with_metadata = |offset: &GroupOffset| format!("offset {} with the metadata `{}`", offset.next, offset.metadata);
    let told =
        |offset: Option<&GroupOffset>| offset.map_or("no committed offset".to_owned(), |offset| format!("offset {}", offset.next));
    Some(match (found, expected) {
        (Some(found), Some(expected)) if found.next == expected.next => (with_metadata(expected), with_metadata(found)),
        _ => (told(expected), told(found)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::Destination;
    use crate::offsets::doubles::{Cluster, Memory, at, committed, next, orders};

    /// Partition 0 goes from 50 to 20, partition 1 from 60 back to what it had once, partition 2 from 70 to nothing.
    fn scene() -> (Cluster, Intent) {
        let old = [committed(0, 50, "tool"), committed(1, 60, "m0"), committed(2, 70, "")];
        let to = [Destination::At(next(20)), Destination::Back(committed(1, 30, "rd1:j:30:r7")), Destination::Nothing];
        let step = |(old, to): (GroupOffset, Destination)| Step { topic: orders(), at: old.at.clone(), old: Some(old), to };
        let steps = old.clone().into_iter().zip(to).map(step).collect();
        let intent = Intent { group: "shop".into(), reason: "a bad night".into(), who: "me".into(), undoes: None, steps };
        (Cluster::with(old), intent)
    }

    /// Each partition with what was read back and what is wrong, in short.
    fn told(found: &[Found]) -> Vec<String> {
        let told = |found: &Found| {
            let read = found.read_back.map_or("-".to_owned(), |next| next.to_string());
            format!("{} {read} {}", found.at, found.error.as_deref().unwrap_or("ok"))
        };
        found.iter().map(told).collect()
    }

    #[test]
    fn what_is_to_be_is_there() {
        let (cluster, intent) = scene();
        let mut log = Memory::default();
        let ended = carry_out(&cluster, &mut log, &intent).unwrap();
        assert_eq!((ended.id, ended.state), (MoveId(1), MoveState::Done));
        assert_eq!(told(&ended.found), ["orders/0 20 ok", "orders/1 30 ok", "orders/2 - ok"]);
        let expected =
            [GroupOffset { metadata: "m1".into(), leader_epoch: None, ..committed(0, 20, "") }, committed(1, 30, "rd1:j:30:r7")];
        assert_eq!(cluster.has(), expected, "offset, metadata and leader epoch");
        assert_eq!(*cluster.calls.borrow(), ["describe", "committed", "alter", "forget", "committed"]);
        assert_eq!((log.begun, log.ended), (vec![intent], vec![(ended.id, ended.state, ended.found)]));
    }

    #[test]
    fn what_cannot_be_written_down_is_not_done() {
        let (cluster, intent) = scene();
        let mut log = Memory { refuses_to: Some("begin"), ..Memory::default() };
        assert_eq!(carry_out(&cluster, &mut log, &intent), Err("the disk is full"));
        assert!(cluster.calls.borrow().is_empty(), "nothing was asked of the brokers");
    }

    /// The broker dies at each of the calls: what is written down is what is there.
    #[test]
    fn a_broker_that_dies_is_told_of_each_partition() {
        let dead = |call: &str, time: u32| {
            let (cluster, intent) = scene();
            cluster.fails_at(call, time);
            let mut log = Memory::default();
            let ended = carry_out(&cluster, &mut log, &intent).unwrap();
            assert_eq!(log.ended, [(ended.id, ended.state, ended.found.clone())]);
            (ended.state, told(&ended.found))
        };
        let lost = |what: &str| format!("{what} of the group shop: broker transport failure");
        let (state, found) = dead("alter", 1);
        let alter = lost("alter");
        let expected = [
            format!("orders/0 50 {alter}"),
            format!("orders/1 60 {alter}"),
            "orders/2 70 it was not tried: what came before it failed".to_owned(),
        ];
        assert_eq!((state, found.as_slice()), (MoveState::Failed, expected.as_slice()));
        let (state, found) = dead("forget", 1);
        let expected = ["orders/0 20 ok".to_owned(), "orders/1 30 ok".to_owned(), format!("orders/2 70 {}", lost("forget"))];
        assert_eq!((state, found.as_slice()), (MoveState::Failed, expected.as_slice()));
        for call in ["describe", "committed"] {
            let (state, found) = dead(call, 1);
            let expected = [0, 1, 2].map(|partition| format!("orders/{partition} - it was not tried"));
            assert_eq!((state, found.as_slice()), (MoveState::Failed, expected.as_slice()), "{call}");
        }
        let (state, found) = dead("committed", 2);
        let unread = lost("it could not be read back: committed");
        assert_eq!(state, MoveState::Failed);
        assert_eq!(found, [0, 1, 2].map(|partition| format!("orders/{partition} - {unread}")));
    }

    #[test]
    fn one_partition_of_many_that_is_refused_is_named() {
        let (cluster, intent) = scene();
        cluster.refuses.borrow_mut().extend([1, 2]);
        let ended = carry_out(&cluster, &mut Memory::default(), &intent).unwrap();
        assert_eq!(ended.state, MoveState::Failed);
        assert_eq!(told(&ended.found), ["orders/0 20 ok", "orders/1 60 NOT_ENOUGH_REPLICAS", "orders/2 70 NOT_ENOUGH_REPLICAS"]);
    }

    #[test]
    fn a_read_back_that_differs_is_told() {
        let bent = |partition: i32, has: GroupOffset| {
            let (cluster, intent) = scene();
            cluster.bends.borrow_mut().insert(partition, has);
            let ended = carry_out(&cluster, &mut Memory::default(), &intent).unwrap();
            let wrong = ended.found.iter().find(|found| found.error.is_some()).cloned();
            (ended.state, wrong.and_then(|found| found.error).unwrap())
        };
        let differs = |what: &str| (MoveState::Differs, what.to_owned());
        assert_eq!(bent(0, committed(0, 21, "m1")), differs("expected offset 20, and read back offset 21"));
        let metadata = "expected offset 30 with the metadata `rd1:j:30:r7`, and read back offset 30 with the metadata `other`";
        assert_eq!(bent(1, committed(1, 30, "other")), differs(metadata));
        assert_eq!(bent(0, committed(2, 5, "")), differs("expected offset 20, and read back offset 50"));
    }

    #[test]
    fn a_difference_is_not_hidden_by_what_failed_before_or_behind_it() {
        let (cluster, intent) = scene();
        cluster.bends.borrow_mut().insert(0, committed(0, 21, "m1"));
        cluster.refuses.borrow_mut().push(1);
        let ended = carry_out(&cluster, &mut Memory::default(), &intent).unwrap();
        assert_eq!(ended.state, MoveState::Failed);
        assert_eq!(ended.found.iter().filter(|found| found.error.is_some()).count(), 2);
    }

    /// A member joins between the check and the change: Kafka refuses, and whoever joined is named.
    #[test]
    fn a_member_that_came_meanwhile_is_named() {
        let (cluster, mut intent) = scene();
        intent.steps.iter_mut().for_each(|step| step.to = Destination::At(next(20)));
        cluster.joins_at_change.set(true);
        let ended = carry_out(&cluster, &mut Memory::default(), &intent).unwrap();
        assert_eq!((ended.state, ended.left_alone), (MoveState::Failed, None));
        assert_eq!(ended.members.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["late-1"]);
        assert!(told(&ended.found).iter().all(|told| told.ends_with("UNKNOWN_MEMBER_ID")));
    }

    /// What a consumer commits while the log is waited for is its own.
    #[test]
    fn a_group_that_did_something_since_it_was_looked_at_is_left_alone() {
        let left = |did: &dyn Fn(&Cluster)| {
            let (cluster, intent) = scene();
            did(&cluster);
            let before = cluster.has();
            let mut log = Memory::default();
            let ended = carry_out(&cluster, &mut log, &intent).unwrap();
            assert_eq!((ended.state, cluster.has()), (MoveState::Failed, before));
            assert!(!cluster.calls.borrow().iter().any(|call| call == "alter" || call == "forget"));
            assert_eq!(log.ended, [(ended.id, ended.state, ended.found.clone())]);
            (ended.left_alone.unwrap(), told(&ended.found))
        };
        let not_tried = |partition: i32| format!("orders/{partition} - it was not tried");
        let (why, found) = left(&|cluster| cluster.put([committed(1, 65, "m9")]));
        let expected = "expected offset 60 as it was looked at, and found offset 65".to_owned();
        assert_eq!(found, [not_tried(0), format!("orders/1 - {expected}"), not_tried(2)]);
        assert_eq!(why, LeftAlone::Committed { group: "shop".into(), changes: [(at("orders", 1), expected)].into() });
        let (_, found) = left(&|cluster| cluster.put([committed(0, 50, "m9")]));
        assert!(found[0].ends_with("and found offset 50 with the metadata `m9`"), "{found:?}");
        let (_, found) = left(&|cluster| drop(cluster.committed.borrow_mut().remove(&at("orders", 2))));
        assert!(found[2].ends_with("expected offset 70 as it was looked at, and found no committed offset"), "{found:?}");
        let (why, found) = left(&|cluster| cluster.joins("consumer-1"));
        assert!(matches!(why, LeftAlone::Guard(GuardError::Members { .. })), "{why:?}");
        assert_eq!(found, [0, 1, 2].map(not_tried));
    }

    #[test]
    fn a_lost_answer_to_a_change_that_was_made_is_no_fault() {
        let (_, intent) = scene();
        let new = vec![Some(committed(0, 20, "m1")), Some(committed(1, 30, "x")), None];
        let refused = [(at("orders", 0), "timed out".to_owned())].into();
        let read = Ok(vec![committed(0, 20, "m1"), committed(1, 30, "x")]);
        assert_eq!(compare(&intent, &new, read, &refused).0, MoveState::Done);
    }

    #[test]
    fn what_is_there_already_is_left_alone() {
        let (cluster, mut intent) = scene();
        intent.steps.iter_mut().for_each(|step| step.to = Destination::Back(step.old.clone().unwrap()));
        let ended = carry_out(&cluster, &mut Memory::default(), &intent).unwrap();
        assert_eq!(
            (ended.state, &cluster.calls.borrow()[..]),
            (MoveState::Done, &["describe", "committed", "committed"].map(str::to_owned)[..])
        );
    }

    #[test]
    fn an_end_that_cannot_be_written_down_is_told_beside_what_was_done() {
        let (cluster, intent) = scene();
        let mut log = Memory { refuses_to: Some("end"), ..Memory::default() };
        let ended = carry_out(&cluster, &mut log, &intent).unwrap();
        assert_eq!((ended.state, ended.unsaid), (MoveState::Done, Some("the disk is full")));
    }
}
