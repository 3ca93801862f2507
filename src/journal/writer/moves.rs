//! Moves of groups: written before anything is changed, and again when it was.

use std::time::{Duration, Instant};

use rusqlite::params;

use crate::engine::ledger::LedgerError;
use crate::engine::stamp::{By, Stamp};
use crate::journal::sql;
use crate::journal::writer::{Writer, Writing};
use crate::offsets::{Destination, Found, GroupOffset, Intent, MoveId, MoveLog, MoveState, Step};

/// How long a lock of another process is waited for: a person waits, too.
const TRIES: Duration = Duration::from_secs(30);

impl MoveLog for Writer {
    type Error = LedgerError;

    fn begin_move(&mut self, intent: &Intent) -> Result<(MoveId, Vec<Option<GroupOffset>>), LedgerError> {
        self.check_identity()?;
        let journal_uuid = self.run.journal_uuid.clone();
        let mut begun = (MoveId(0), Vec::new());
        self.transact_patiently(|writing| {
            begun = writing.planned(intent, &journal_uuid)?;
            Ok(())
        })?;
        Ok(begun)
    }

    fn end_move(&mut self, id: MoveId, state: MoveState, found: &[Found]) -> Result<(), LedgerError> {
        self.transact_patiently(|writing| writing.moved(id, state, found))
    }
}

impl Writer {
    /// One transaction, tried again while another process writes.
    fn transact_patiently(&mut self, mut work: impl FnMut(&mut Writing<'_>) -> rusqlite::Result<()>) -> Result<(), LedgerError> {
        let until = Instant::now() + TRIES;
        loop {
            match self.transact(&mut work) {
                Err(LedgerError::Locked { .. }) if Instant::now() < until => {}
                other => return other,
            }
        }
    }
}

impl Writing<'_> {
    fn planned(&mut self, intent: &Intent, journal_uuid: &str) -> rusqlite::Result<(MoveId, Vec<Option<GroupOffset>>)> {
        let Intent { group, reason, who, undoes, steps } = intent;
        let undoes = undoes.map(|id| id.0);
        self.transaction.execute(sql::NEW_MOVE, (self.run, group, undoes, reason, who, self.now_us))?;
        let id = MoveId(self.transaction.last_insert_rowid());
        let mut new = Vec::with_capacity(steps.len());
        for step in steps {
            let of_step = to_commit(step, id, journal_uuid);
            let topic = self.topic(&step.topic)?;
            let (old, to) = (step.old.as_ref(), of_step.as_ref());
            self.transaction.prepare_cached(sql::NEW_MOVE_ITEM)?.execute(params![
                id.0,
                topic,
                step.at.partition,
                old.map(|old| old.next.get()),
                old.map(|old| &old.metadata),
                old.and_then(|old| old.leader_epoch),
                to.map(|to| to.next.get()),
                to.map(|to| &to.metadata),
            ])?;
            new.push(of_step);
        }
        Ok((id, new))
    }

    fn moved(&mut self, id: MoveId, state: MoveState, found: &[Found]) -> rusqlite::Result<()> {
        self.transaction.execute(sql::MOVE_ENDED, (id.0, state.as_str()))?;
        for Found { topic, at, read_back, error } in found {
            let topic = self.topic(topic)?;
            let read_back = read_back.map(|next| next.get());
            self.transaction.prepare_cached(sql::MOVE_ITEM_ENDED)?.execute((id.0, topic, at.partition, read_back, error))?;
        }
        Ok(())
    }
}

/// What is to be committed; beside it the text by which the next run knows a move of ours.
fn to_commit(step: &Step, id: MoveId, journal_uuid: &str) -> Option<GroupOffset> {
    match &step.to {
        Destination::At(next) => {
            let stamp = Stamp { journal_uuid: journal_uuid.to_owned(), next: *next, by: By::Move(id.0) };
            Some(GroupOffset { at: step.at.clone(), next: *next, metadata: stamp.to_string(), leader_epoch: None })
        }
        Destination::Back(offset) => Some(offset.clone()),
        Destination::Nothing => None,
    }
}
