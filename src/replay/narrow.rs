//! To whom: what nobody is to get is left out of a plan, and counted.

use std::collections::BTreeMap;

use crate::record::Meant;
use crate::replay::error::ReplayError;
use crate::replay::plan::{SkipReason, Skipped};
use crate::replay::prepare::Draft;
use crate::replay::request::To;
use crate::replay::roster::{Roster, Whom};
use crate::replay::source::Rule;

impl Draft {
    /// Leaves out what nobody is to get.
    pub(super) fn narrow(&mut self, roster: &Roster, whom: Option<Whom>) -> Result<Rule, ReplayError> {
        let is_to_failed = whom.is_none() && self.request.to == To::Failed;
        if is_to_failed {
            self.keep_missed(roster)?;
        }
        match whom {
            Some(whom) => self.keep_given(whom),
            None if self.request.to == To::All => {
                self.note_missing(roster)?;
                Ok(Rule::Given(Meant::ALL))
            }
            None => self.keep_failed(roster),
        }
    }

    fn keep_failed(&mut self, roster: &Roster) -> Result<Rule, ReplayError> {
        let by_name = roster.by_name();
        let Some(selected) = &mut self.selected else { return Ok(Rule::Failed(by_name)) };
        let names: Vec<&String> = by_name.keys().collect();
        let already = selected.drop_resolved()?;
        let missing = selected.keep_receivers(&names)?;
        // Of records that are read, those without an entry are counted as they come.
        if self.reads.is_empty() {
            self.skip(SkipReason::AlreadyDelivered, already);
        }
        missing.into_iter().try_for_each(|(receiver, count)| self.skip_missing(receiver, count))?;
        Ok(Rule::Failed(by_name))
    }

    fn keep_given(&mut self, whom: Whom) -> Result<Rule, ReplayError> {
        let Whom { given, missing } = whom;
        let records = self.entries()?.iter().map(|entries| entries.count).sum::<u64>() + self.offsets();
        missing.into_iter().try_for_each(|receiver| self.skip_missing(receiver, records))?;
        if given.is_empty() {
            self.reads.clear();
            self.selected = None;
        }
        Ok(Rule::Given(Meant::These(given)))
    }

    /// Everybody who is there gets it; that somebody else should have is said.
    fn note_missing(&mut self, roster: &Roster) -> Result<(), ReplayError> {
        let by_name = roster.by_name();
        let mut missing: BTreeMap<String, u64> = BTreeMap::new();
        for entries in self.entries()? {
            if let Some(receiver) = entries.receiver.filter(|receiver| !by_name.contains_key(receiver)) {
                *missing.entry(receiver).or_default() += entries.count;
            }
        }
        missing.into_iter().try_for_each(|(receiver, count)| self.skip_missing(receiver, count))
    }

    pub(super) fn skip_missing(&mut self, receiver: String, count: u64) -> Result<(), ReplayError> {
        let Some(selected) = &self.selected else { return Ok(()) };
        let definition = selected.reader().receiver_definition(&self.group, &receiver)?;
        let definition = definition.and_then(|definition| Some(definition.get("target")?.as_str()?.to_owned()));
        if count > 0 {
            self.skipped.push(Skipped { reason: SkipReason::NotConfigured, count, receiver: Some(receiver), definition });
        }
        Ok(())
    }
}
