//! Holders: the runs that have claimed entries. A claim is void when its run has ended, is silent for 30 s, or its process is gone.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};

use crate::journal::host::{Host, Other};
use crate::journal::sql;

/// The runs that were asked about, for the length of one listing or transaction: a replay claims a thousand entries at a time.
pub(super) struct Holders<'c> {
    connection: &'c Connection,
    here: Host,
    now_us: i64,
    known: RefCell<HashMap<i64, bool>>,
}

impl<'c> Holders<'c> {
    pub(super) fn now(connection: &'c Connection) -> Self {
        let now_us = jiff::Timestamp::now().as_microsecond();
        Self { connection, here: Host::here(), now_us, known: RefCell::default() }
    }

    /// Whether the claim of a run holds.
    pub(super) fn hold(&self, run: i64) -> rusqlite::Result<bool> {
        if let Some(holds) = self.known.borrow().get(&run) {
            return Ok(*holds);
        }
        let claiming = self.connection.prepare_cached(sql::CLAIMING_RUN)?.query_row([run], |row| {
            Ok(Other { host: row.get(0)?, pid: row.get(1)?, started_at_us: row.get(2)?, alive_at_us: row.get(3)? })
        });
        let holds = claiming.optional()?.is_some_and(|run| !run.is_gone(&self.here, self.now_us));
        self.known.borrow_mut().insert(run, holds);
        Ok(holds)
    }
}
