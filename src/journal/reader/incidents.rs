//! The listing of incidents. There are few of them: they are read from the newest on, without an index.

use rusqlite::{OptionalExtension as _, params_from_iter};

use crate::journal::items::{IncidentItem, IncidentState};
use crate::journal::reader::terms::Terms;
use crate::journal::reader::{Page, ReadError, Reader, Window, rows};
use crate::journal::selection::IncidentSelection;
use crate::journal::sql;

impl Reader {
    /// One page of the incidents of a selection.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn incidents(&self, selection: &IncidentSelection, window: Window) -> Result<Page<IncidentItem>, ReadError> {
        let (beyond, order) = window.order();
        let mut terms = Terms::default();
        terms.bound_if(&format!("i.id {beyond} ?"), window.after);
        terms.any_if("i.kind", selection.kinds.iter().cloned());
        terms.any_if("r.consumer_group", selection.groups.iter().cloned());
        terms.any_if("t.name", selection.topics.iter().cloned());
        if !selection.states.is_empty() {
            let states: Vec<&str> = selection.states.iter().map(|state| condition(*state)).collect();
            terms.text.push_str(&format!(" AND ({})", states.join(" OR ")));
        }
        let columns = sql::INCIDENT_COLUMNS;
        let text = format!("SELECT {columns} WHERE 1{} ORDER BY i.id {order} LIMIT {}", terms.text, window.rows());
        let list = || {
            let mut select = self.connection.prepare(&text)?;
            select.query_map(params_from_iter(&terms.values), rows::incident)?.collect::<Result<Vec<_>, _>>()
        };
        list().map(|items| Page::of(items, window)).map_err(|error| self.failed(error))
    }

    /// One incident.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn incident(&self, id: i64) -> Result<Option<IncidentItem>, ReadError> {
        let text = format!("SELECT {} WHERE i.id = ?1", sql::INCIDENT_COLUMNS);
        self.connection.query_row(&text, [id], rows::incident).optional().map_err(|error| self.failed(error))
    }
}

fn condition(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "(i.ended_at_us IS NULL AND i.acked_at_us IS NULL)",
        IncidentState::Ended => "(i.ended_at_us IS NOT NULL AND i.acked_at_us IS NULL)",
        IncidentState::Acked => "i.acked_at_us IS NOT NULL",
    }
}
