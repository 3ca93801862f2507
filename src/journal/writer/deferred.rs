//! What receivers missed: ranges that grow with the progress, and how far each was delivered since.

use rusqlite::params;

use crate::engine::ledger::{CaughtUp, Deferred, NotDeferred};
use crate::failure::Stage;
use crate::journal::sql;
use crate::journal::writer::Writing;

impl Writing<'_> {
    pub(super) fn deferred(&mut self, deferred: &Deferred) -> rusqlite::Result<()> {
        let Deferred { partition, receiver, from, to, events } = deferred;
        let topic = self.topic(&partition.topic)?;
        let place = self.place(Stage::Receive, receiver)?;
        let events = events.cast_signed();
        let extended = self.transaction.prepare_cached(sql::DEFERRED_GOES_ON)?.execute(params![
            place,
            topic,
            partition.number,
            from.get(),
            to.get(),
            events
        ])?;
        if extended == 0 {
            self.transaction.prepare_cached(sql::NEW_DEFERRED)?.execute(params![
                place,
                topic,
                partition.number,
                from.get(),
                to.get(),
                events,
                self.run
            ])?;
        }
        Ok(())
    }

    pub(super) fn caught_up(&mut self, caught_up: &CaughtUp) -> rusqlite::Result<()> {
        let CaughtUp { partition, receiver, to } = caught_up;
        let topic = self.topic(&partition.topic)?;
        let place = self.place(Stage::Receive, receiver)?;
        self.transaction.prepare_cached(sql::CAUGHT_UP)?.execute((place, topic, partition.number, to.get())).map(drop)
    }

    pub(super) fn not_deferred(&mut self, not_deferred: &NotDeferred) -> rusqlite::Result<()> {
        let NotDeferred { partition, receiver, from } = not_deferred;
        let topic = self.topic(&partition.topic)?;
        let place = self.place(Stage::Receive, receiver)?;
        let of_it = (place, topic, partition.number, from.get());
        self.transaction.prepare_cached(sql::DEFERRED_CUT)?.execute(of_it)?;
        self.transaction.prepare_cached(sql::DEFERRED_GONE)?.execute(of_it).map(drop)
    }
}
