//! What receivers missed: ranges that grow with the progress, and how far each was delivered since. A run takes what it delivers, so that
//! no other one does, too.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::engine::detached::Range;
use crate::engine::missed::{CaughtUp, Deferred, KnownDeferred, LetGo, NotDeferred, Stray};
use crate::engine::source::Offer;
use crate::failure::Stage;
use crate::journal::holders::Holders;
use crate::journal::sql;
use crate::journal::writer::{Writing, knowledge};
use crate::record::{NextOffset, Partition, Suspects, Topic};

/// What of a partition receivers of a group missed and nobody delivered since.
pub(in crate::journal) fn missed_of(connection: &Connection, group: &str, partition: (i64, i32)) -> rusqlite::Result<Vec<Missed>> {
    let (topic, partition) = partition;
    let mut select = connection.prepare_cached(sql::MISSED_OF)?;
    select.query_map((group, topic, partition), Missed::read)?.collect()
}

/// What came of the wish to deliver what was missed.
#[derive(Debug, Default)]
pub struct Taken {
    pub ours: Vec<Stray>,
    /// A run that lives delivers it.
    pub held: Vec<Stray>,
}

/// True when there may be something that this run has not taken.
pub(super) fn has_strays(connection: &Connection, group: &str, run: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql::HAS_STRAYS)?.query_row((group, run), |row| row.get(0))
}

/// A row of what was missed.
pub(in crate::journal) struct Missed {
    id: i64,
    pub(in crate::journal) missed: KnownDeferred,
    pub(in crate::journal) holder: Option<i64>,
    /// In all of the row, of which a part may be delivered.
    pub(in crate::journal) events: u64,
}

impl Missed {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let at = |column| Ok::<_, rusqlite::Error>(NextOffset::new(row.get(column)?).unwrap_or(NextOffset::ZERO));
        let missed = KnownDeferred { receiver: row.get(1)?, range: Range { from: at(2)?, to: at(3)? } };
        Ok(Self { id: row.get(0)?, missed, holder: row.get(4)?, events: row.get::<_, i64>(5)?.cast_unsigned() })
    }
}

impl Writing<'_> {
    /// Takes what was missed of an offered partition, unless another run that lives delivers it.
    pub(super) fn take_missed_of(&mut self, offer: &Offer) -> rusqlite::Result<Vec<KnownDeferred>> {
        let Topic { cluster_id, name, uuid } = &*offer.topic;
        let names = (cluster_id, name, uuid.as_deref().unwrap_or_default());
        let topic: Option<i64> = self.transaction.prepare_cached(sql::TOPIC)?.query_row(names, |row| row.get(0)).optional()?;
        let Some(topic) = topic else { return Ok(Vec::new()) };
        let holders = Holders::now(self.transaction);
        let mut taken = Vec::new();
        for row in missed_of(self.transaction, self.group, (topic, offer.partition))? {
            let is_free = match row.holder {
                Some(holder) => holder == self.run || !holders.hold(holder)?,
                None => true,
            };
            if is_free {
                self.transaction.prepare_cached(sql::TAKE_MISSED)?.execute((row.id, self.run))?;
                taken.push(row.missed);
            }
        }
        Ok(taken)
    }

    /// Takes what these receivers missed and no run that lives delivers.
    pub(super) fn take_strays(&mut self, receivers: &[String]) -> rusqlite::Result<Vec<Stray>> {
        let holders = Holders::now(self.transaction);
        let mut select = self.transaction.prepare_cached(sql::STRAYS)?;
        let rows = select.query_map((self.group, self.run), |row| {
            let uuid: String = row.get(8)?;
            let topic = Topic { cluster_id: row.get(6)?, name: row.get(7)?, uuid: (!uuid.is_empty()).then_some(uuid) };
            Ok((Missed::read(row)?, Arc::new(topic), row.get(9)?))
        })?;
        let mut taken = Vec::new();
        for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
            let (Missed { id, missed, holder, .. }, topic, partition) = row;
            let is_held = holder.map_or(Ok(false), |holder| holders.hold(holder))?;
            if !is_held && receivers.contains(&missed.receiver) {
                self.transaction.prepare_cached(sql::TAKE_MISSED)?.execute((id, self.run))?;
                let from = (self.topic(&topic)?, partition, missed.range.from);
                let suspects = knowledge::suspects(self.transaction, self.group, from)?;
                taken.push(Stray { topic, partition, missed, suspects });
            }
        }
        Ok(taken)
    }

    /// Takes what may be taken of these; the others are another run's.
    pub(super) fn take_missed(&mut self, wanted: &[Stray]) -> rusqlite::Result<Taken> {
        let holders = Holders::now(self.transaction);
        let mut taken = Taken::default();
        for Stray { topic, partition, missed: KnownDeferred { receiver, range }, .. } in wanted {
            let id = self.topic(topic)?;
            for row in missed_of(self.transaction, self.group, (id, *partition))? {
                let its = row.missed.range;
                let range = Range { from: its.from.max(range.from), to: its.to.min(range.to) };
                if row.missed.receiver != *receiver || range.from >= range.to {
                    continue;
                }
                let others = row.holder.filter(|holder| *holder != self.run);
                let is_held = others.map_or(Ok(false), |holder| holders.hold(holder))?;
                let of_it = Stray {
                    topic: Arc::clone(topic),
                    partition: *partition,
                    missed: KnownDeferred { receiver: receiver.clone(), range },
                    suspects: Suspects::default(),
                };
                if is_held {
                    taken.held.push(of_it);
                    continue;
                }
                self.transaction.prepare_cached(sql::TAKE_MISSED)?.execute((row.id, self.run))?;
                taken.ours.push(of_it);
            }
        }
        Ok(taken)
    }

    pub(super) fn deferred(&mut self, deferred: &Deferred) -> rusqlite::Result<()> {
        let Deferred { partition, receiver, from, to, events } = deferred;
        let (topic, place) = self.missed_by(partition, receiver)?;
        let (number, events) = (partition.number, events.cast_signed());
        let mut goes_on = self.transaction.prepare_cached(sql::DEFERRED_GOES_ON)?;
        if goes_on.execute(params![place, topic, number, from.get(), to.get(), events, self.run])? == 0 {
            let mut new = self.transaction.prepare_cached(sql::NEW_DEFERRED)?;
            new.execute(params![place, topic, number, from.get(), to.get(), events, self.run])?;
        }
        Ok(())
    }

    pub(super) fn caught_up(&mut self, caught_up: &CaughtUp) -> rusqlite::Result<()> {
        let CaughtUp { partition, receiver, ranges, .. } = caught_up;
        let (topic, place) = self.missed_by(partition, receiver)?;
        let mut caught_up = self.transaction.prepare_cached(sql::CAUGHT_UP)?;
        ranges.iter().try_for_each(|Range { from, to }| {
            caught_up.execute((place, topic, partition.number, from.get(), to.get(), self.run)).map(drop)
        })
    }

    pub(super) fn not_deferred(&mut self, not_deferred: &NotDeferred) -> rusqlite::Result<()> {
        let NotDeferred { partition, receiver, from } = not_deferred;
        let (topic, place) = self.missed_by(partition, receiver)?;
        let of_it = (place, topic, partition.number, from.get());
        self.transaction.prepare_cached(sql::DEFERRED_CUT)?.execute(of_it)?;
        self.transaction.prepare_cached(sql::DEFERRED_GONE)?.execute(of_it).map(drop)
    }

    pub(super) fn let_go(&mut self, let_go: &LetGo) -> rusqlite::Result<()> {
        let LetGo { partition, receiver } = let_go;
        let topic = self.topic(&partition.topic)?;
        let of_it = (self.group, topic, partition.number, self.run, receiver);
        self.transaction.prepare_cached(sql::LET_GO_OF_MISSED)?.execute(of_it).map(drop)
    }

    /// The rows of topic and place.
    fn missed_by(&mut self, partition: &Partition, receiver: &str) -> rusqlite::Result<(i64, i64)> {
        Ok((self.topic(&partition.topic)?, self.place(Stage::Receive, receiver)?))
    }
}
