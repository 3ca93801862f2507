//! The partitions that a reset is about, each of them looked up: a name that is not there is told, and nothing is guessed.

use std::collections::BTreeSet;

use crate::offsets::reset::Committed;
use crate::offsets::{AdminError, Aim, EntryPlace, GroupAdmin, ResetError, ResetRequest, Scope, TopicPartition, TopicPick};

/// At least one.
pub(super) fn partitions<E>(
    admin: &dyn GroupAdmin,
    request: &ResetRequest,
    committed: &Committed,
    entry: Option<&EntryPlace>,
) -> Result<BTreeSet<TopicPartition>, ResetError<E>> {
    let named: Option<BTreeSet<TopicPartition>> = match (&request.aim, entry) {
        (Aim::Each(each), _) => Some(each.keys().cloned().collect()),
        (_, Some(entry)) => Some([TopicPartition { topic: entry.topic.name.clone(), partition: entry.partition }].into()),
        _ => None,
    };
    let asked = match (&request.scope, named) {
        (Scope::All | Scope::Named, Some(named)) => there(admin, named)?,
        (Scope::All, None) if committed.is_empty() => return Err(ResetError::NothingCommitted(request.group.clone())),
        (Scope::All, None) => committed.keys().cloned().collect(),
        (Scope::Named, None) => BTreeSet::new(),
        (Scope::Topics(picks), None) => picked(admin, picks)?,
        (Scope::Topics(picks), Some(named)) => {
            picked::<E>(admin, picks)?;
            let is_picked = |at: &TopicPartition| picks.iter().any(|pick| pick.holds(&at.topic, at.partition));
            let (asked, others): (BTreeSet<_>, BTreeSet<_>) = named.into_iter().partition(is_picked);
            if let (Aim::Failure(id), Some(at)) = (&request.aim, others.into_iter().next()) {
                return Err(ResetError::EntryElsewhere { id: *id, at });
            }
            there(admin, asked)?
        }
    };
    if asked.is_empty() { Err(ResetError::Nothing) } else { Ok(asked) }
}

/// The same partitions, all of which are there.
fn there<E>(admin: &dyn GroupAdmin, asked: BTreeSet<TopicPartition>) -> Result<BTreeSet<TopicPartition>, ResetError<E>> {
    let topics: BTreeSet<&str> = asked.iter().map(|at| at.topic.as_str()).collect();
    for topic in topics {
        let there = partitions_of(admin, topic)?;
        if let Some(at) = asked.iter().find(|at| at.topic == topic && !there.contains(&at.partition)) {
            return Err(ResetError::UnknownPartition { at: at.clone(), count: there.len() });
        }
    }
    Ok(asked)
}

fn picked<E>(admin: &dyn GroupAdmin, picks: &[TopicPick]) -> Result<BTreeSet<TopicPartition>, ResetError<E>> {
    let mut all = BTreeSet::new();
    for TopicPick { topic, partitions } in picks {
        let there = partitions_of(admin, topic)?;
        for partition in partitions.as_ref().unwrap_or(&there) {
            let at = TopicPartition { topic: topic.clone(), partition: *partition };
            if !there.contains(partition) {
                return Err(ResetError::UnknownPartition { at, count: there.len() });
            }
            all.insert(at);
        }
    }
    Ok(all)
}

fn partitions_of<E>(admin: &dyn GroupAdmin, topic: &str) -> Result<Vec<i32>, ResetError<E>> {
    match admin.partitions(topic)? {
        Some(partitions) => Ok(partitions),
        None => Err(unknown_topic(admin, topic)?),
    }
}

pub(super) fn unknown_topic<E>(admin: &dyn GroupAdmin, topic: &str) -> Result<ResetError<E>, AdminError> {
    Ok(ResetError::UnknownTopic { topic: topic.to_owned(), there: admin.topic_names()? })
}
