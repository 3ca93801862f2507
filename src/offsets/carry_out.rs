//! A move, from the saving to the comparing: written down, changed, read back, compared partition by partition, written down again.
//!
//! It may be cut off behind each step: what was written down then tells the truth, and is enough to take it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::offsets::{
    AdminError, Answered, Found, GroupAdmin, GroupMember, GroupOffset, Intent, MoveId, MoveLog, MoveState, TopicPartition,
};

/// How a move ended.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended<E> {
    pub id: MoveId,
    pub state: MoveState,
    pub found: Vec<Found>,
    /// When it did not end well: who is in the group now.
    pub members: Vec<GroupMember>,
    /// Why the log does not say so.
    pub unsaid: Option<E>,
}

/// # Errors
/// When the move could not be written down: then nothing was changed.
pub fn carry_out<L: MoveLog>(admin: &dyn GroupAdmin, log: &mut L, intent: &Intent) -> Result<Ended<L::Error>, L::Error> {
    let (id, new) = log.begin_move(intent)?;
    let refused = change(admin, intent, &new);
    let (state, found) = compare(intent, &new, admin.committed(&intent.group), &refused);
    let members = if state == MoveState::Done { Vec::new() } else { members(admin, &intent.group) };
    let unsaid = log.end_move(id, state, &found).err();
    Ok(Ended { id, state, found, members, unsaid })
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
    let mut state = MoveState::Done;
    let mut found = Vec::with_capacity(intent.steps.len());
    for (step, new) in intent.steps.iter().zip(new) {
        let read_back = there.as_ref().ok().and_then(|there| there.get(&step.at));
        let refusal = refused.get(&step.at).cloned();
        let fault = match (&there, difference(read_back, new.as_ref())) {
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

/// What is not as it should be; `None`: it is.
fn difference(found: Option<&GroupOffset>, expected: Option<&GroupOffset>) -> Option<String> {
    if is_same(found, expected) {
        return None;
    }
    let told =
        |offset: Option<&GroupOffset>| offset.map_or("no committed offset".to_owned(), |offset| format!("offset {}", offset.next));
    Some(match (found, expected) {
        (Some(found), Some(expected)) if found.next == expected.next => {
            format!("offset {} is right, but its metadata is `{}`, expected `{}`", found.next, found.metadata, expected.metadata)
        }
        _ => format!("expected {}, and read back {}", told(expected), told(found)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::doubles::{Cluster, Memory, at, committed, next, orders};
    use crate::offsets::{Destination, Step};

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
        assert_eq!(*cluster.calls.borrow(), ["alter", "forget", "committed"]);
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
        let dead = |call: &str| {
            let (cluster, intent) = scene();
            cluster.fails_at(call, 1);
            let mut log = Memory::default();
            let ended = carry_out(&cluster, &mut log, &intent).unwrap();
            assert_eq!(log.ended, [(ended.id, ended.state, ended.found.clone())]);
            (ended.state, told(&ended.found))
        };
        let lost = |what: &str| format!("{what} of the group shop: broker transport failure");
        let (state, found) = dead("alter");
        let alter = lost("alter");
        let expected = [
            format!("orders/0 50 {alter}"),
            format!("orders/1 60 {alter}"),
            "orders/2 70 it was not tried: what came before it failed".to_owned(),
        ];
        assert_eq!((state, found.as_slice()), (MoveState::Failed, expected.as_slice()));
        let (state, found) = dead("forget");
        let expected = ["orders/0 20 ok".to_owned(), "orders/1 30 ok".to_owned(), format!("orders/2 70 {}", lost("forget"))];
        assert_eq!((state, found.as_slice()), (MoveState::Failed, expected.as_slice()));
        let (state, found) = dead("committed");
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
        let metadata = "offset 30 is right, but its metadata is `other`, expected `rd1:j:30:r7`";
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
        let (cluster, intent) = scene();
        cluster.joins("consumer-1");
        let ended = carry_out(&cluster, &mut Memory::default(), &intent).unwrap();
        assert_eq!(ended.state, MoveState::Failed);
        assert_eq!(ended.members.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["consumer-1"]);
        assert!(told(&ended.found).iter().all(|told| told.ends_with("UNKNOWN_MEMBER_ID")));
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
        assert_eq!((ended.state, cluster.calls.borrow().as_slice()), (MoveState::Done, ["committed".to_owned()].as_slice()));
    }

    #[test]
    fn an_end_that_cannot_be_written_down_is_told_beside_what_was_done() {
        let (cluster, intent) = scene();
        let mut log = Memory { refuses_to: Some("end"), ..Memory::default() };
        let ended = carry_out(&cluster, &mut log, &intent).unwrap();
        assert_eq!((ended.state, ended.unsaid), (MoveState::Done, Some("the disk is full")));
    }
}
