//! The listing of failures: the branches of each state, merged in the order of ids.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Rows, params_from_iter};

use crate::journal::items::{FailureItem, FailureState};
use crate::journal::reader::claims::Claims;
use crate::journal::reader::names::Names;
use crate::journal::reader::terms::Terms;
use crate::journal::reader::{Page, ReadError, Reader, Window, rows};
use crate::journal::selection::{FailureSelection, Sort};
use crate::journal::sql;
use crate::offsets::{Bounds, OffsetRange};

/// The text of a statement, and what it binds.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) values: Vec<SqlValue>,
}

impl Reader {
    /// One page of the failures of a selection.
    ///
    /// # Errors
    /// When the journal cannot be read, when it counts failures and has none, or when a fingerprint names none or several.
    pub fn failures(&self, selection: &FailureSelection, window: Window) -> Result<Page<FailureItem>, ReadError> {
        let names = self.names(selection)?;
        if names.fit_nothing() {
            return Ok(Page { items: Vec::new(), has_more: false });
        }
        // One moment: what is counted there is there.
        let snapshot = self.connection.unchecked_transaction().map_err(|error| self.failed(error))?;
        let list = || self.merge(&self.statements(selection, &names, window)?, window);
        let items = list().map_err(|error| self.failed(error))?;
        if items.is_empty() && window.after.is_none() && selection.is_by_state() {
            self.check_none(&selection.states)?;
        }
        snapshot.finish().map_err(|error| self.failed(error))?;
        Ok(Page::of(items, window))
    }

    /// A damaged journal must not look like an empty one.
    fn check_none(&self, states: &[FailureState]) -> Result<(), ReadError> {
        match self.counts()?.of(states) {
            0 => Ok(()),
            count => {
                let what = format!("it counts {count} failures in these states, and none of them can be found");
                Err(ReadError::Damaged { path: self.path.clone(), what })
            }
        }
    }

    pub(super) fn statements(
        &self,
        selection: &FailureSelection,
        names: &Names,
        window: Window,
    ) -> rusqlite::Result<Vec<Statement>> {
        let ids = self.id_bounds(selection)?;
        let Some(common) = self.common(selection, names, window)? else { return Ok(Vec::new()) };
        let (_, order) = window.order();
        let mut statements = Vec::new();
        for state in FailureState::ALL.into_iter().filter(|of| selection.states.is_empty() || selection.states.contains(of)) {
            for branch in self.branches(state, selection, names)? {
                let mut terms = branch.terms(state, ids);
                terms.and(&common);
                let text = format!(
                    "SELECT {} FROM failure f INDEXED BY {} {} WHERE 1{} ORDER BY f.id {order} LIMIT {}",
                    sql::FAILURE_COLUMNS,
                    branch.index(),
                    sql::FAILURE_TABLES,
                    terms.text,
                    window.rows()
                );
                statements.push(Statement { text, values: terms.values });
            }
        }
        Ok(statements)
    }

    /// The conditions that every branch has. `None`: nothing can fulfil them.
    fn common(&self, selection: &FailureSelection, names: &Names, window: Window) -> rusqlite::Result<Option<Terms>> {
        let mut terms = Terms::default();
        let (beyond, _) = window.order();
        terms.bound_if(&format!("f.id {beyond} ?"), window.after);
        let mut named = |column, ids: &Option<Vec<i64>>| {
            if let Some(ids) = ids {
                terms.any(column, ids.iter().copied());
            }
        };
        named("f.topic_id", &names.topics);
        named("f.place_id", &names.places);
        named("f.fingerprint_id", &names.fingerprints);
        terms.any_if("f.partition", selection.partitions.iter().map(|of| i64::from(*of)));
        terms.any_if("f.class", selection.classes.iter().map(|of| of.as_str().to_owned()));
        terms.any_if("f.code", selection.codes.iter().cloned());
        terms.any_if("f.event_type", selection.types.iter().cloned());
        terms.bound_if("f.last_failed_at_us >= ?", selection.since.map(jiff::Timestamp::as_microsecond));
        terms.bound_if("f.last_failed_at_us < ?", selection.until.map(jiff::Timestamp::as_microsecond));
        if !selection.offsets.is_empty() {
            let ranges = selection.offsets.iter().map(|range| self.range(range)).collect::<Result<Vec<_>, _>>()?;
            let ranges: Vec<_> = ranges.into_iter().flatten().collect();
            if ranges.is_empty() {
                return Ok(None);
            }
            terms.either(ranges);
        }
        Ok(Some(terms))
    }

    /// `None`: of a topic that the journal has never seen.
    fn range(&self, range: &OffsetRange) -> rusqlite::Result<Option<Terms>> {
        let mut terms = Terms::default();
        if let Some(topic) = &range.topic {
            let topics = self.topics([topic])?;
            if topics.is_empty() {
                return Ok(None);
            }
            terms.any("f.topic_id", topics);
        }
        terms.bound_if("f.partition = ?", range.partition.map(i64::from));
        match range.bounds {
            Bounds::Offsets { from, to } => {
                terms.bound("f.offset >= ?", from.get());
                terms.bound_if("f.offset < ?", to.map(|to| to.get()));
            }
            Bounds::Times { from, to } => {
                terms.bound("c.timestamp_ms >= ?", first_ms(from));
                terms.bound_if("c.timestamp_ms < ?", to.map(first_ms));
            }
        }
        Ok(Some(terms))
    }

    /// Each statement gives its rows in the order of ids; a row that two of them give is taken once.
    fn merge(&self, statements: &[Statement], window: Window) -> rusqlite::Result<Vec<FailureItem>> {
        let claims = Claims::now(&self.connection);
        let mut prepared =
            statements.iter().map(|statement| self.connection.prepare(&statement.text)).collect::<Result<Vec<_>, _>>()?;
        let mut heads = Vec::new();
        for (select, statement) in prepared.iter_mut().zip(statements) {
            heads.push(Head::new(select.query(params_from_iter(&statement.values))?, &claims)?);
        }
        let wanted = usize::try_from(window.rows()).unwrap_or(usize::MAX);
        // Not its negative, which the lowest number has none of.
        let rank = |id: i64| if window.sort == Sort::Newest { !id } else { id };
        let mut items: Vec<FailureItem> = Vec::new();
        while items.len() < wanted {
            let first = heads.iter_mut().filter(|head| head.item.is_some()).min_by_key(|head| head.id().map(rank));
            let Some(item) = first.map(|head| head.next(&claims)).transpose()?.flatten() else { break };
            if items.last().is_none_or(|last| last.id != item.id) {
                items.push(item);
            }
        }
        Ok(items)
    }
}

/// A statement that is being read, and the row that it gives next.
struct Head<'s> {
    rows: Rows<'s>,
    item: Option<FailureItem>,
}

impl<'s> Head<'s> {
    fn new(rows: Rows<'s>, claims: &Claims<'_>) -> rusqlite::Result<Self> {
        let mut head = Self { rows, item: None };
        head.next(claims)?;
        Ok(head)
    }

    fn id(&self) -> Option<i64> {
        self.item.as_ref().map(|item| item.id)
    }

    fn next(&mut self, claims: &Claims<'_>) -> rusqlite::Result<Option<FailureItem>> {
        let next = self.rows.next()?.map(|row| rows::failure(row, claims)).transpose()?;
        Ok(std::mem::replace(&mut self.item, next))
    }
}

/// The first whole millisecond at or after a time: record timestamps are whole ones.
fn first_ms(at: jiff::Timestamp) -> i64 {
    let ns = at.as_nanosecond();
    let ms = ns.div_euclid(1_000_000) + i128::from(ns.rem_euclid(1_000_000) > 0);
    i64::try_from(ms).unwrap_or(i64::MAX)
}
