//! The history of moves. There are few of them: they are read from the newest on, without an index.

use std::sync::Arc;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Row, params_from_iter};

use crate::journal::reader::terms::Terms;
use crate::journal::reader::{Page, ReadError, Reader, Window, rows};
use crate::journal::sql;
use crate::offsets::{GroupOffset, MoveId, MoveState, PastItem, PastMove, TopicPartition};
use crate::record::{NextOffset, Topic};

impl Reader {
    /// One page of the moves of a group, or of all.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn moves(&self, group: Option<&str>, window: Window) -> Result<Page<PastMove>, ReadError> {
        let (beyond, order) = window.order();
        let mut terms = Terms::default();
        terms.bound_if(&format!("m.id {beyond} ?"), window.after);
        terms.bound_if("m.consumer_group = ?", group.map(str::to_owned));
        let text = format!("SELECT {} WHERE 1{} ORDER BY m.id {order} LIMIT {}", sql::MOVE_COLUMNS, terms.text, window.rows());
        self.read_moves(&text, terms.values).map(|items| Page::of(items, window))
    }

    /// One move.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn one_move(&self, id: MoveId) -> Result<Option<PastMove>, ReadError> {
        let text = format!("SELECT {} WHERE m.id = ?", sql::MOVE_COLUMNS);
        Ok(self.read_moves(&text, vec![id.0.into()])?.pop())
    }

    /// The groups that have moves, each with its newest one.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn newest_moves(&self) -> Result<Vec<(String, MoveId)>, ReadError> {
        let read = || {
            let mut select = self.connection.prepare_cached(sql::MOVE_GROUPS)?;
            select.query_map([], |row| Ok((row.get(0)?, MoveId(row.get(1)?))))?.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| self.failed(error))
    }

    /// In one moment, so that no move is seen without its items.
    fn read_moves(&self, text: &str, values: Vec<SqlValue>) -> Result<Vec<PastMove>, ReadError> {
        let read = || {
            let snapshot = self.connection.unchecked_transaction()?;
            let mut moves =
                self.connection.prepare(text)?.query_map(params_from_iter(values), past_move)?.collect::<Result<Vec<_>, _>>()?;
            let mut select = self.connection.prepare_cached(sql::MOVE_ITEMS)?;
            for of in &mut moves {
                of.items = select.query_map([of.id.0], item)?.collect::<Result<_, _>>()?;
                of.items.sort_by(|one, other| one.at.cmp(&other.at));
            }
            snapshot.finish()?;
            Ok(moves)
        };
        read().map_err(|error| self.failed(error))
    }
}

/// The columns of `sql::MOVE_COLUMNS`.
fn past_move(row: &Row<'_>) -> rusqlite::Result<PastMove> {
    Ok(PastMove {
        id: MoveId(row.get(0)?),
        group: row.get(1)?,
        undoes: row.get::<_, Option<i64>>(2)?.map(MoveId),
        reason: row.get(3)?,
        who: row.get(4)?,
        at_us: row.get(5)?,
        state: rows::word(row, 6, MoveState::from_name)?,
        host: row.get(7)?,
        items: Vec::new(),
    })
}

fn item(row: &Row<'_>) -> rusqlite::Result<PastItem> {
    let topic = Topic { cluster_id: row.get(0)?, name: row.get(1)?, uuid: rows::filled(row.get(2)?) };
    let at = TopicPartition { topic: topic.name.clone(), partition: row.get(3)? };
    let next = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.and_then(NextOffset::new));
    let text = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.unwrap_or_default());
    let offset = |next: Option<NextOffset>, metadata: String, leader_epoch: Option<i32>| {
        next.map(|next| GroupOffset { at: at.clone(), next, metadata, leader_epoch })
    };
    Ok(PastItem {
        topic: Arc::new(topic),
        old: offset(next(4)?, text(5)?, row.get(6)?),
        new: offset(next(7)?, text(8)?, None),
        read_back: next(9)?,
        error: row.get(10)?,
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples::Scene;
    use crate::journal::{Beginning, Writer};
    use crate::offsets::doubles::{committed, next};
    use crate::offsets::{Destination, Found, Intent, MoveLog as _, Step};

    fn moving(scene: &Scene) -> Writer {
        let beginning =
            Beginning { command: "group", group: "shop".into(), client_id: "c".into(), receivers: Vec::new(), hands: 0 };
        Writer::open(&scene.place(), &beginning).unwrap()
    }

    fn intent(scene: &Scene, undoes: Option<MoveId>) -> Intent {
        let step = |partition: i32, old: Option<GroupOffset>, to: Destination| Step {
            topic: Arc::clone(&scene.partition.topic),
            at: committed(partition, 0, "").at,
            old,
            to,
        };
        let steps = vec![
            step(1, None, Destination::At(next(30))),
            step(0, Some(committed(0, 50, "tool")), Destination::At(next(20))),
            step(2, Some(committed(2, 70, "")), Destination::Nothing),
            step(3, Some(committed(3, 7, "x")), Destination::Back(committed(3, 9, "rd1:j:9:r2"))),
        ];
        Intent { group: "shop".into(), reason: "a bad night".into(), who: "me".into(), undoes, steps }
    }

    #[test]
    fn a_move_is_written_before_and_after_it_is_made() {
        let scene = Scene::new();
        let mut writer = moving(&scene);
        let uuid = writer.run().journal_uuid.clone();
        let (id, new) = writer.begin_move(&intent(&scene, None)).unwrap();
        let told = |new: &Option<GroupOffset>| new.as_ref().map(|new| (new.next.get(), new.metadata.clone()));
        let expected = [
            Some((30, format!("rd1:{uuid}:30:m1"))),
            Some((20, format!("rd1:{uuid}:20:m1"))),
            None,
            Some((9, "rd1:j:9:r2".to_owned())),
        ];
        assert_eq!((id, new.iter().map(told).collect::<Vec<_>>().as_slice()), (MoveId(1), expected.as_slice()));

        let planned = scene.reader().one_move(id).unwrap().unwrap();
        assert_eq!((planned.state, planned.reason.as_str(), planned.who.as_str()), (MoveState::Planned, "a bad night", "me"));
        assert_eq!(planned.items.iter().map(|item| item.at.partition).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let PastItem { old, new, read_back, error, topic, .. } = &planned.items[0];
        assert_eq!((old, told(new)), (&Some(committed(0, 50, "tool")), expected[1].clone()));
        assert_eq!((read_back, error, &**topic), (&None, &None, &*scene.partition.topic));
        assert_eq!((&planned.items[1].old, &planned.items[2].new), (&None, &None), "none is none");

        let found = |partition: i32, read: Option<i64>, error: Option<&str>| Found {
            topic: Arc::clone(&scene.partition.topic),
            at: committed(partition, 0, "").at,
            read_back: read.map(next),
            error: error.map(str::to_owned),
        };
        let all = [found(0, Some(20), None), found(1, Some(31), Some("it differs")), found(2, None, None), found(3, Some(9), None)];
        writer.end_move(id, MoveState::Differs, &all).unwrap();
        let ended = scene.reader().one_move(id).unwrap().unwrap();
        let read: Vec<_> = ended.items.iter().map(|item| item.read_back.map(|next| next.get())).collect();
        assert_eq!((ended.state, read), (MoveState::Differs, vec![Some(20), Some(31), None, Some(9)]));
        assert_eq!(ended.items[1].error.as_deref(), Some("it differs"));
    }

    #[test]
    fn the_history_is_read_from_the_newest_on() {
        let scene = Scene::new();
        let mut writer = moving(&scene);
        let (first, _) = writer.begin_move(&intent(&scene, None)).unwrap();
        let (second, _) = writer.begin_move(&intent(&scene, Some(first))).unwrap();
        let other = Intent { group: "other".into(), ..intent(&scene, None) };
        let (third, _) = writer.begin_move(&other).unwrap();
        let reader = scene.reader();
        let ids = |group, window| reader.moves(group, window).unwrap().items.iter().map(|of| of.id).collect::<Vec<_>>();
        assert_eq!(ids(None, Window::default()), [third, second, first]);
        assert_eq!(ids(Some("shop"), Window { limit: 1, ..Window::default() }), [second]);
        assert_eq!(ids(Some("shop"), Window { after: Some(second.0), ..Window::default() }), [first]);
        assert_eq!(reader.one_move(second).unwrap().unwrap().undoes, Some(first));
        assert_eq!(reader.one_move(MoveId(9)).unwrap(), None);
        assert_eq!(reader.newest_moves().unwrap(), [("other".to_owned(), third), ("shop".to_owned(), second)]);
    }
}
