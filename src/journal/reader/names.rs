//! Names as ids: the topics, places and fingerprints that a selection speaks of; and all names, for who mistypes one.

use std::collections::BTreeSet;

use crate::journal::reader::{ReadError, Reader};
use crate::journal::selection::FailureSelection;
use crate::journal::sql;

/// The ids of what a selection names. `None`: it names none, so all of them fit.
#[derive(Debug)]
pub(in crate::journal) struct Names {
    pub(super) topics: Option<Vec<i64>>,
    pub(super) places: Option<Vec<i64>>,
    pub(super) fingerprints: Option<Vec<i64>>,
}

/// What a filter may name. Event types are left out: to know them all, every failure would have to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Topic,
    Group,
    Receiver,
    Code,
}

impl Names {
    /// Something is named that the journal has never seen.
    pub(in crate::journal) fn fit_nothing(&self) -> bool {
        [&self.topics, &self.places, &self.fingerprints].into_iter().flatten().any(Vec::is_empty)
    }
}

impl Reader {
    /// All names of a kind that the journal has seen, in their order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn all(&self, of: Named) -> Result<Vec<String>, ReadError> {
        let statement = match of {
            Named::Topic => sql::TOPIC_NAMES,
            Named::Group => sql::GROUP_NAMES,
            Named::Receiver => sql::RECEIVER_NAMES,
            Named::Code => sql::CODES,
        };
        let read = || {
            let mut select = self.connection.prepare_cached(statement)?;
            select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<String>>>()
        };
        read().map(|names| names.into_iter().collect()).map_err(|error| self.failed(error))
    }

    pub(in crate::journal) fn names(&self, selection: &FailureSelection) -> Result<Names, ReadError> {
        let FailureSelection { topics, groups, receivers, stages, fingerprints, .. } = selection;
        let has_place = !(groups.is_empty() && receivers.is_empty() && stages.is_empty());
        let topics = (!topics.is_empty()).then(|| self.topics(topics)).transpose().map_err(|error| self.failed(error))?;
        let places = has_place.then(|| self.places(selection)).transpose().map_err(|error| self.failed(error))?;
        let fingerprints = fingerprints.iter().map(|prefix| self.fingerprint(prefix)).collect::<Result<Vec<_>, _>>()?;
        Ok(Names { topics, places, fingerprints: (!fingerprints.is_empty()).then_some(fingerprints) })
    }

    /// A topic that was made again is there more than once.
    pub(super) fn topics(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> rusqlite::Result<Vec<i64>> {
        let mut select = self.connection.prepare_cached(sql::TOPICS_NAMED)?;
        let mut ids = Vec::new();
        for name in names {
            ids.extend(select.query_map([name.as_ref()], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(ids)
    }

    fn places(&self, selection: &FailureSelection) -> rusqlite::Result<Vec<i64>> {
        let fits = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        let mut select = self.connection.prepare_cached(sql::PLACES)?;
        let rows = select.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        })?;
        let mut ids = Vec::new();
        for row in rows {
            let (id, group, stage, receiver) = row?;
            let fits_stage = selection.stages.is_empty() || selection.stages.iter().any(|of| of.as_str() == stage);
            if fits_stage && fits(&selection.groups, &group) && fits(&selection.receivers, &receiver) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    fn fingerprint(&self, prefix: &str) -> Result<i64, ReadError> {
        let is_hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(6..=32).contains(&prefix.len()) {
            return Err(ReadError::MalformedFingerprint(prefix.to_owned()));
        }
        let bound = |fill: &str| {
            let digits = format!("{prefix}{}", fill.repeat(32 - prefix.len()));
            u128::from_str_radix(&digits, 16).unwrap_or_default().to_be_bytes()
        };
        let found = || {
            let mut select = self.connection.prepare_cached(sql::FINGERPRINTS_FROM)?;
            select.query_map((bound("0"), bound("f")), |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()
        };
        match found().map_err(|error| self.failed(error))?.as_slice() {
            [] => Err(ReadError::UnknownFingerprint(prefix.to_owned())),
            [id] => Ok(*id),
            _ => Err(ReadError::AmbiguousFingerprint(prefix.to_owned())),
        }
    }
}
