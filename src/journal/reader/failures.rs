//! The listing of failures: the branches of each state, merged in the order of ids.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Rows, params_from_iter};

use crate::journal::holders::Holders;
use crate::journal::items::{FailureItem, FailureState};
use crate::journal::reader::names::Names;
use crate::journal::reader::terms::Terms;
use crate::journal::reader::{Page, ReadError, Reader, Window, rows};
use crate::journal::selection::{FailureSelection, Sort};
use crate::journal::sql;
use crate::offsets::OffsetRange;

/// The first schema of the journal that keeps which rule decided.
const RULES_SINCE_VERSION: i64 = 3;

/// The text of a statement, and what it binds.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) values: Vec<SqlValue>,
}

/// One index of `failure f`, and the conditions on what is found there; some are of its `record c`.
pub(in crate::journal) struct Search {
    pub(in crate::journal) index: &'static str,
    pub(in crate::journal) terms: Terms,
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

    /// What [`rows::failure`] reads.
    pub(super) fn failure_columns(&self) -> rusqlite::Result<String> {
        let version: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let rule = if version < RULES_SINCE_VERSION { "NULL" } else { sql::RULE_COLUMN };
        Ok(format!("{}, {rule}", sql::FAILURE_COLUMNS))
    }

    /// A damaged journal must not look like an empty one.
    pub(in crate::journal) fn check_none(&self, states: &[FailureState]) -> Result<(), ReadError> {
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
        let (beyond, order) = window.order();
        let mut behind = Terms::default();
        behind.bound_if(&format!("f.id {beyond} ?"), window.after);
        let searches = self.searches(selection, names, &behind)?;
        let columns = self.failure_columns()?;
        let statement = |search: Search| Statement {
            text: format!(
                "SELECT {columns} FROM failure f INDEXED BY {} {} WHERE 1{} ORDER BY f.id {order} LIMIT {}",
                search.index,
                sql::FAILURE_TABLES,
                search.terms.text,
                window.rows()
            ),
            values: search.terms.values,
        };
        Ok(searches.into_iter().map(statement).collect())
    }

    /// Where all of a selection is found, with what else must be true. A failure may be found in two of them.
    pub(in crate::journal) fn searches(
        &self,
        selection: &FailureSelection,
        names: &Names,
        more: &Terms,
    ) -> rusqlite::Result<Vec<Search>> {
        let ids = self.id_bounds(selection)?;
        let Some(common) = self.common(selection, names)? else { return Ok(Vec::new()) };
        let mut searches = Vec::new();
        for state in FailureState::ALL.into_iter().filter(|of| selection.states.is_empty() || selection.states.contains(of)) {
            for branch in self.branches(state, selection, names)? {
                let mut terms = branch.terms(state, ids);
                terms.and(more);
                terms.and(&common);
                searches.push(Search { index: branch.index(), terms });
            }
        }
        Ok(searches)
    }

    /// The conditions that every branch has. `None`: nothing can fulfil them.
    fn common(&self, selection: &FailureSelection, names: &Names) -> rusqlite::Result<Option<Terms>> {
        let mut terms = Terms::default();
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
        terms.within(range.bounds);
        Ok(Some(terms))
    }

    /// Each statement gives its rows in the order of ids; a row that two of them give is taken once.
    fn merge(&self, statements: &[Statement], window: Window) -> rusqlite::Result<Vec<FailureItem>> {
        let holders = Holders::now(&self.connection);
        let mut prepared =
            statements.iter().map(|statement| self.connection.prepare(&statement.text)).collect::<Result<Vec<_>, _>>()?;
        let mut heads = Vec::new();
        for (select, statement) in prepared.iter_mut().zip(statements) {
            heads.push(Head::new(select.query(params_from_iter(&statement.values))?, &holders)?);
        }
        let wanted = usize::try_from(window.rows()).unwrap_or(usize::MAX);
        // Not its negative, which the lowest number has none of.
        let rank = |id: i64| if window.sort == Sort::Newest { !id } else { id };
        let mut items: Vec<FailureItem> = Vec::new();
        while items.len() < wanted {
            let first = heads.iter_mut().filter(|head| head.item.is_some()).min_by_key(|head| head.id().map(rank));
            let Some(item) = first.map(|head| head.next(&holders)).transpose()?.flatten() else { break };
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
    fn new(rows: Rows<'s>, holders: &Holders<'_>) -> rusqlite::Result<Self> {
        let mut head = Self { rows, item: None };
        head.next(holders)?;
        Ok(head)
    }

    fn id(&self) -> Option<i64> {
        self.item.as_ref().map(|item| item.id)
    }

    fn next(&mut self, holders: &Holders<'_>) -> rusqlite::Result<Option<FailureItem>> {
        let next = self.rows.next()?.map(|row| rows::failure(row, holders)).transpose()?;
        Ok(std::mem::replace(&mut self.item, next))
    }
}
