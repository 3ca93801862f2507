//! The entries of a replay while it goes on: claimed page by page, and put aside when another replay holds them.

use std::collections::HashMap;

use crate::engine::detached::Range;
use crate::engine::ledger::LedgerError;
use crate::engine::source::SourceError;
use crate::journal::{Claim, Claims, FailureState, ReadError, Selected, SelectedPartition, SelectedRow};
use crate::record::{Meant, Offset, Partition, RawRecord, ReceiverIx, ReceiverSet, Slot};
use crate::replay::plan::SkipReason;
use crate::replay::source::lent::Lent;
use crate::replay::source::part::Due;

/// Entries that are claimed at a time, of all partitions together, and at least of each.
const CLAIMED: usize = 1_000;
const OF_EACH: usize = 32;
/// Claims that are given back in one transaction.
const GIVEN_BACK: usize = 10_000;

/// Whom a record is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::replay) enum Rule {
    /// The receivers of its entries. One that failed before any receiver is for all.
    Failed(HashMap<String, ReceiverIx>),
    /// These, whoever has it.
    Given(Meant),
}

/// Where the bytes of entries come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) enum Bytes {
    /// From the journal, where it is not the topic that is read.
    OfTheJournal,
    /// From the topic alone.
    OfTheTopic,
}

/// Rows that were read, and claimed.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) due: Vec<Due>,
    pub(super) is_last: bool,
    /// Entries that whoever they are for has by now.
    pub(super) already: u64,
}

/// There are no rows this time.
pub(super) enum Trouble {
    /// The journal is locked by another process; the same may be asked again.
    Locked,
    Failed(SourceError),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Failed(unreadable(&error))
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Locked { .. } => Self::Locked,
            other => {
                Self::Failed(SourceError::Request { what: "entries cannot be claimed".to_owned(), message: other.to_string() })
            }
        }
    }
}

fn unreadable(error: &ReadError) -> SourceError {
    SourceError::Request { what: "entries cannot be read".to_owned(), message: error.to_string() }
}

/// One partition's.
struct Rows {
    /// `None`: it has none.
    of: Option<SelectedPartition>,
    after: Option<Offset>,
    /// What another replay holds, in the order of offsets.
    aside: Vec<SelectedRow>,
}

pub(in crate::replay) struct Entries {
    selected: Selected,
    claims: Claims,
    rule: Rule,
    bytes: Bytes,
    rows: Vec<Rows>,
    buffer: Vec<u8>,
    /// All that was ever claimed.
    claimed: Vec<i64>,
    group: String,
}

impl Entries {
    /// `partitions`: one for each itinerary, in the same order.
    pub(in crate::replay) fn new(
        selected: Selected,
        claims: Claims,
        partitions: Vec<Option<SelectedPartition>>,
        rule: Rule,
        bytes: Bytes,
    ) -> Self {
        let rows = partitions.into_iter().map(|of| Rows { of, after: None, aside: Vec::new() }).collect();
        Self { selected, claims, rule, bytes, rows, buffer: Vec::new(), claimed: Vec::new(), group: String::new() }
    }

    /// In whose name it is delivered.
    pub(in crate::replay) fn of_group(self, group: &str) -> Self {
        Self { group: group.to_owned(), ..self }
    }

    /// Whom a record without entries is for; `None`: it is delivered already.
    pub(super) fn without_entries(&self) -> Option<Meant> {
        match &self.rule {
            Rule::Failed(_) => None,
            Rule::Given(meant) => Some(*meant),
        }
    }

    /// The next rows of a partition.
    pub(super) fn page(&mut self, at: usize) -> Result<Page, Trouble> {
        let limit = (CLAIMED / self.rows.len().max(1)).max(OF_EACH);
        let Some(Rows { of: Some(of), after, .. }) = self.rows.get(at) else {
            return Ok(Page { is_last: true, ..Page::default() });
        };
        let rows = self.selected.rows(of, *after, limit)?;
        let (is_last, last) = (rows.len() < limit, rows.last().map(|row| row.offset));
        let page = self.claim(at, &rows)?;
        if let Some(rows) = self.rows.get_mut(at) {
            rows.after = last.or(rows.after);
        }
        Ok(Page { is_last, ..page })
    }

    /// What another replay held, once more.
    pub(super) fn look_again(&mut self, at: usize) -> Result<Page, Trouble> {
        let Some(rows) = self.rows.get_mut(at).filter(|rows| !rows.aside.is_empty()) else { return Ok(Page::default()) };
        let aside = std::mem::take(&mut rows.aside);
        let page = self.claim(at, &aside);
        if let (Err(_), Some(rows)) = (&page, self.rows.get_mut(at)) {
            rows.aside = aside;
        }
        page
    }

    pub(super) fn has_aside(&self) -> bool {
        self.rows.iter().any(|rows| !rows.aside.is_empty())
    }

    /// Nobody waits any longer; says how many they are.
    pub(super) fn give_up_aside(&mut self) -> u64 {
        self.rows.iter_mut().map(|rows| std::mem::take(&mut rows.aside).len() as u64).sum()
    }

    fn claim(&mut self, at: usize, rows: &[SelectedRow]) -> Result<Page, Trouble> {
        let is_open = |row: &&SelectedRow| row.state == FailureState::Open;
        let open: Vec<i64> = rows.iter().filter(is_open).map(|row| row.id).collect();
        let mut claims = if open.is_empty() { Vec::new() } else { self.claims.take(&open)? }.into_iter();
        let mut page = Page::default();
        let mut aside = Vec::new();
        for record in rows.chunk_by(|one, other| one.offset == other.offset) {
            let claimed = record.iter().map(|row| (row, if is_open(&row) { claims.next() } else { None }));
            let claimed: Vec<_> = claimed.collect();
            let ours = claimed.iter().filter(|(_, claim)| *claim == Some(Claim::Taken));
            self.claimed.extend(ours.map(|(row, _)| row.id));
            let judged = judge(&self.rule, &claimed, self.has_it(record)?);
            page.already += judged.already;
            page.due.extend(judged.due);
            aside.extend(judged.aside);
        }
        if let Some(rows) = self.rows.get_mut(at) {
            rows.aside.append(&mut aside);
        }
        Ok(page)
    }

    /// Who got a record before, as far as it matters: an entry from before any receiver is for the others.
    fn has_it(&self, record: &[SelectedRow]) -> Result<ReceiverSet, Trouble> {
        let (Rule::Failed(receivers), Some(row)) = (&self.rule, record.iter().find(|row| row.receiver.is_none())) else {
            return Ok(ReceiverSet::NONE);
        };
        let names = self.selected.reader().delivered_to(row.id)?;
        Ok(set_of(receivers, names.iter().map(String::as_str)))
    }

    /// Copies the bytes that the journal has of a record.
    pub(super) fn load(&mut self, at: usize, due: Due, into: &mut Lent) -> Result<Loaded, SourceError> {
        if self.bytes == Bytes::OfTheTopic {
            return Ok(Loaded::Gone(SkipReason::GoneFromTopic));
        }
        let Some(Rows { of: Some(of), .. }) = self.rows.get(at) else { return Ok(Loaded::Gone(SkipReason::PayloadGone)) };
        match self.selected.bytes(of, due.offset, &mut self.buffer) {
            Ok(Some(stored)) => {
                into.copy(&RawRecord {
                    slot: Slot { index: 0, epoch: 0 },
                    offset: due.offset,
                    leader_epoch: stored.leader_epoch,
                    timestamp: stored.timestamp,
                    key: stored.key,
                    value: stored.value,
                    headers: stored.headers,
                    meant: due.meant,
                });
                Ok(Loaded::There)
            }
            Ok(None) => Ok(Loaded::Gone(SkipReason::PayloadGone)),
            Err(ReadError::DamagedEntry { .. }) => Ok(Loaded::Gone(SkipReason::PayloadDamaged)),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// What was missed and has no record any more is missed no more.
    pub(super) fn missed_is_gone(&mut self, partition: &Partition, gone: &[Range]) -> Result<(), SourceError> {
        let unreadable = |error: ReadError| unreadable(&error);
        let topic = if gone.is_empty() { None } else { self.selected.reader().topic(&partition.topic).map_err(unreadable)? };
        let Some(topic) = topic else { return Ok(()) };
        match self.claims.missed_is_gone(&self.group, (topic, partition.number), gone) {
            // It is found out again, by whoever delivers the rest.
            Ok(()) | Err(LedgerError::Locked { .. }) => Ok(()),
            Err(error) => Err(SourceError::Request {
                what: "what a receiver missed cannot be written down as gone".to_owned(),
                message: error.to_string(),
            }),
        }
    }

    /// What is claimed and did not come to an end is free again.
    pub(in crate::replay) fn close(mut self) -> Result<(), SourceError> {
        for ids in self.claimed.chunks(GIVEN_BACK) {
            match self.claims.give_back(ids) {
                // The run ends now, and its claims with it.
                Err(LedgerError::Locked { .. }) => return Ok(()),
                given_back => given_back.map_err(|error| SourceError::Request {
                    what: "entries cannot be given back".to_owned(),
                    message: error.to_string(),
                })?,
            }
        }
        Ok(())
    }
}

/// What came of reading a record's bytes.
pub(super) enum Loaded {
    There,
    Gone(SkipReason),
}

/// What becomes of one record.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    due: Option<Due>,
    /// Rows that wait for another replay.
    aside: Vec<SelectedRow>,
    /// Rows that whoever they are for has by now.
    already: u64,
}

/// `rows`: of one record, each with its claim if it was open when it was selected. `has_it`: who got the record before. What is for given receivers goes out once and whole:
/// while another replay holds a part of it, all of it waits.
fn judge(rule: &Rule, rows: &[(&SelectedRow, Option<Claim>)], has_it: ReceiverSet) -> Judged {
    let mut judged = Judged { due: None, aside: Vec::new(), already: 0 };
    let Some((first, _)) = rows.first() else { return judged };
    let mut due = Due { offset: first.offset, meant: Meant::NOBODY, entries: 0 };
    for (row, claim) in rows {
        match (rule, claim) {
            (_, Some(Claim::Held)) => judged.aside.push((*row).clone()),
            (Rule::Failed(_), Some(Claim::Resolved | Claim::Missing)) => judged.already += 1,
            (Rule::Failed(receivers), _) => {
                due.entries += 1;
                due.meant = due.meant.union(whom(row, receivers, has_it));
            }
            (Rule::Given(meant), _) => {
                due.entries += 1;
                due.meant = *meant;
            }
        }
    }
    if matches!(rule, Rule::Given(_)) && !judged.aside.is_empty() {
        judged.aside = rows.iter().map(|(row, _)| (*row).clone()).collect();
        return judged;
    }
    judged.due = (due.entries > 0).then_some(due);
    judged
}

/// A receiver that is not there gets nothing: the plan has said so.
fn whom(row: &SelectedRow, receivers: &HashMap<String, ReceiverIx>, has_it: ReceiverSet) -> Meant {
    match row.receiver.as_deref() {
        None => Meant::AllBut(has_it),
        Some(name) => Meant::These(set_of(receivers, [name])),
    }
}

fn set_of<'n>(receivers: &HashMap<String, ReceiverIx>, names: impl IntoIterator<Item = &'n str>) -> ReceiverSet {
    names.into_iter().filter_map(|name| receivers.get(name)).fold(ReceiverSet::NONE, |set, receiver| set.with(*receiver))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::failure::Stage;

    fn row(id: i64, receiver: Option<&str>) -> SelectedRow {
        let stage = if receiver.is_some() { Stage::Receive } else { Stage::Decode };
        let offset = Offset::new(7).unwrap();
        SelectedRow { id, offset, state: FailureState::Open, stage, receiver: receiver.map(Arc::from), has_payload: true }
    }

    fn set(of: &[u8]) -> ReceiverSet {
        of.iter().fold(ReceiverSet::NONE, |set, at| set.with(ReceiverIx(*at)))
    }

    fn failed() -> Rule {
        Rule::Failed([("billing", 0), ("audit", 1)].map(|(name, at)| (name.to_owned(), ReceiverIx(at))).into())
    }

    /// To whom it goes for how many entries, the ids that wait, and how many are done already.
    fn judged(rule: &Rule, rows: &[(SelectedRow, Claim)]) -> (Option<(Meant, u64)>, Vec<i64>, u64) {
        let rows: Vec<_> = rows.iter().map(|(row, claim)| (row, Some(*claim))).collect();
        let Judged { due, aside, already } = judge(rule, &rows, set(&[1]));
        (due.map(|due| (due.meant, due.entries)), aside.iter().map(|row| row.id).collect(), already)
    }

    #[test]
    fn a_record_goes_to_those_whose_entries_are_ours() {
        let (billing, audit) = (|| row(1, Some("billing")), || row(2, Some("audit")));
        let of = |claims: [Claim; 2]| judged(&failed(), &[(billing(), claims[0]), (audit(), claims[1])]);
        assert_eq!(of([Claim::Taken, Claim::Taken]), (Some((Meant::These(set(&[0, 1])), 2)), vec![], 0));
        assert_eq!(of([Claim::Taken, Claim::Resolved]), (Some((Meant::These(set(&[0])), 1)), vec![], 1));
        assert_eq!(of([Claim::Held, Claim::Taken]), (Some((Meant::These(set(&[1])), 1)), vec![1], 0));
        assert_eq!(of([Claim::Missing, Claim::Resolved]), (None, vec![], 2));
        assert_eq!(of([Claim::Ignored, Claim::Held]), (Some((Meant::These(set(&[0])), 1)), vec![2], 0));
        assert_eq!(judged(&failed(), &[(row(3, None), Claim::Taken)]), (Some((Meant::AllBut(set(&[1])), 1)), vec![], 0));
    }

    #[test]
    fn given_receivers_get_it_whatever_became_of_its_entries_and_once() {
        let rule = Rule::Given(Meant::These(set(&[5])));
        let of = |claims: [Claim; 2]| judged(&rule, &[(row(1, Some("billing")), claims[0]), (row(2, Some("audit")), claims[1])]);
        assert_eq!(of([Claim::Taken, Claim::Resolved]), (Some((Meant::These(set(&[5])), 2)), vec![], 0));
        assert_eq!(of([Claim::Taken, Claim::Held]), (None, vec![1, 2], 0));
    }
}
