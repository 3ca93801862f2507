//! Suspects: what dead runs had in hand, and how often. They are counted when a run begins and when partitions are assigned, and are none
//! any more once what became of them is written.

use std::sync::Arc;

use rusqlite::Transaction;

use crate::engine::ledger::{Delivered, Entry, FailedDelivery};
use crate::failure::Stage;
use crate::journal::in_hand::{InHand, Left};
use crate::journal::sql;
use crate::journal::writer::Writing;
use crate::receiver::Mode;
use crate::record::{Offset, Partition};

/// Counts what the dead runs of this journal had in hand, within a transaction of the caller's, who removes their files once that is on
/// disk. Each run is marked, so that it is counted once if a crash comes between the two.
pub(super) fn count(transaction: &Transaction<'_>, left: &[Left], journal: &str, now_us: i64) -> rusqlite::Result<()> {
    for left in left.iter().filter(|left| left.journal == journal) {
        if transaction.execute(sql::HANDS_COUNTED, [left.run])? == 0 {
            continue;
        }
        let mut counted: Vec<&InHand> = Vec::new();
        for of in &left.in_hand {
            // A call that was given up keeps its thread: the same may be in two hands.
            if !counted.contains(&of) {
                count_one(transaction, of, left.run, now_us)?;
                counted.push(of);
            }
        }
    }
    Ok(())
}

fn count_one(transaction: &Transaction<'_>, of: &InHand, run: i64, now_us: i64) -> rusqlite::Result<()> {
    let InHand { group, receiver, topic, partition, offset } = of;
    let uuid = topic.uuid.as_deref().unwrap_or_default();
    transaction.execute(sql::NEW_TOPIC, (&topic.cluster_id, &topic.name, uuid, now_us))?;
    let topic: i64 = transaction.query_row(sql::TOPIC, (&topic.cluster_id, &topic.name, uuid), |row| row.get(0))?;
    let names = (group, Stage::Receive.as_str(), receiver);
    transaction.execute(sql::NEW_PLACE, names)?;
    let place: i64 = transaction.query_row(sql::PLACE, names, |row| row.get(0))?;
    transaction.execute(sql::SUSPECTED, (topic, partition, offset.get(), place, run)).map(drop)
}

impl Writing<'_> {
    /// Whoever fails or gets a record has not died of it.
    pub(super) fn clear(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        match entry {
            Entry::Failed(failed) => {
                let FailedDelivery { record, receiver, .. } = &**failed;
                self.clear_record((record.partition(), record.offset()), receiver.as_deref())
            }
            Entry::Delivered(Delivered { partition, offset, receiver, .. }) => {
                self.clear_record((partition, *offset), Some(receiver))
            }
            // Nobody takes it any more.
            Entry::Passed { partition, offset, through: Stage::Route, mode: Mode::Live } => {
                self.clear_record((partition, *offset), None)
            }
            _ => Ok(()),
        }
    }

    /// `None`: of all receivers of the group.
    fn clear_record(&mut self, (partition, offset): (&Arc<Partition>, Offset), receiver: Option<&str>) -> rusqlite::Result<()> {
        let (topic, number, offset) = (self.topic(&partition.topic)?, partition.number, offset.get());
        if let Some(receiver) = receiver {
            let place = self.place(Stage::Receive, receiver)?;
            return self.transaction.prepare_cached(sql::NO_SUSPECT)?.execute((topic, number, offset, place)).map(drop);
        }
        self.transaction.prepare_cached(sql::NO_SUSPECTS)?.execute((topic, number, offset, self.group)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::engine::doubles::offer;
    use crate::engine::ledger::{Ledger as _, RunEnd};
    use crate::engine::source::Offer;
    use crate::failure::Stage;
    use crate::journal::samples::{Sample, Scene, by_replay};
    use crate::journal::{Beginning, Writer};
    use crate::receiver::Address;
    use crate::receiver::in_hand::{Item, Taken};
    use crate::record::{Debts, Offset, Suspect};

    impl Scene {
        fn with_hands(&self) -> Writer {
            let (group, client_id) = ("shop".into(), "c".into());
            let beginning = Beginning { command: "consume", group, client_id, receivers: Vec::new(), hands: 4 };
            Writer::open(&self.place(), &beginning).unwrap()
        }

        /// A run that dies with these in hand: its file stays as it was then, and nobody has its lock. Says its number.
        fn die_with(&self, in_hand: &[(&str, i64)]) -> i64 {
            let writer = self.with_hands();
            self.die(&writer, in_hand);
            writer.run().run
        }

        fn die(&self, writer: &Writer, in_hand: &[(&str, i64)]) {
            let [(receiver, offset), rest @ ..] = in_hand else {
                let [path] = &self.files()[..] else { panic!("one file") };
                fs::copy(path, path.with_extension(format!("db-inhand-dead-{}", writer.run().run))).unwrap();
                return;
            };
            let hands = writer.hands().unwrap();
            let to = Address { group: "shop".into(), receiver: (*receiver).into() };
            let (name, offset) = (hands.name(&self.partition, &to).unwrap(), Offset::new(*offset).unwrap());
            Taken::one_of(&hands).unwrap().during(Item { name, offset }, || self.die(writer, rest));
        }

        fn files(&self) -> Vec<std::path::PathBuf> {
            let all = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
            all.filter(|path| path.to_string_lossy().contains("-inhand-")).collect()
        }

        fn offer(&self) -> Offer {
            Offer { partition: 0, ..offer(self.partition.slot, &self.partition.topic, 100) }
        }

        fn suspects(&self, writer: &mut Writer) -> Vec<(i64, String, u32, (i64, i64))> {
            let known = writer.know(&[self.offer()]).unwrap().remove(0);
            known.suspects.offsets().for_each(|offset| assert!(known.debts.may_include(offset)));
            let all = (0..100).flat_map(|at| known.suspects.of(Offset::new(at).unwrap()).to_vec());
            all.map(|Suspect { offset, receiver, deaths, runs }| (offset.get(), receiver, deaths, runs)).collect()
        }
    }

    #[test]
    fn each_death_counts_once_whoever_comes_by_and_however_often() {
        let scene = Scene::new();
        let first = scene.die_with(&[("billing", 7), ("search", 7), ("billing", 9), ("billing", 9)]);
        let file = scene.files().remove(0);
        let kept = fs::read(&file).unwrap();
        let mut writer = scene.writer();
        assert!(scene.files().is_empty(), "it has been counted");
        let once = |offset, receiver: &str| (offset, receiver.to_owned(), 1, (first, first));
        assert_eq!(scene.suspects(&mut writer), [once(7, "billing"), once(7, "search"), once(9, "billing")]);
        // A crash between the count and the removal.
        fs::write(&file, &kept).unwrap();
        assert_eq!(scene.suspects(&mut scene.writer()).len(), 3);
        assert!(scene.files().is_empty());
        let second = scene.die_with(&[("billing", 7)]);
        let suspects = scene.suspects(&mut writer);
        assert_eq!(suspects[0], (7, "billing".into(), 2, (first, second)), "also of a run that died after this one began");
        assert_eq!(suspects.len(), 3);
        assert!(scene.suspects(&mut scene.run_of("consume", "other", Vec::new())).is_empty(), "of another group");
    }

    #[test]
    fn a_run_that_ends_has_killed_nobody() {
        let scene = Scene::new();
        let mut writer = scene.with_hands();
        assert_eq!(scene.files().len(), 1);
        writer.end(RunEnd::Done, Some(0)).unwrap();
        drop(writer);
        assert!(scene.files().is_empty() && scene.suspects(&mut scene.writer()).is_empty());
        // Not of this journal: it was there before somebody made this one anew.
        scene.die_with(&[("billing", 7)]);
        let file = scene.files().remove(0);
        let other = String::from_utf8_lossy(&fs::read(&file).unwrap()).replacen("\"journal\":\"", "\"journal\":\"x", 1);
        fs::write(&file, other).unwrap();
        assert!(scene.suspects(&mut scene.writer()).is_empty() && scene.files().is_empty());
    }

    #[test]
    fn what_was_delivered_or_failed_is_no_suspect_any_more() {
        let scene = Scene::new();
        let all = [("billing", 1), ("billing", 2), ("search", 2), ("billing", 3), ("search", 3), ("billing", 4), ("billing", 5)];
        for part in all.chunks(4) {
            scene.die_with(part);
        }
        let mut writer = scene.writer();
        let left = |writer: &mut Writer| {
            scene.suspects(writer).into_iter().map(|(offset, receiver, ..)| format!("{offset} {receiver}")).collect::<Vec<_>>()
        };
        assert_eq!(left(&mut writer).len(), 7);
        writer.append(&[scene.delivered(1, "billing"), scene.failed(2, "billing", &["no"])]).unwrap();
        assert_eq!(left(&mut writer), ["2 search", "3 billing", "3 search", "4 billing", "5 billing"]);
        let (mut replayer, replay) = scene.replayer();
        replayer.append(&[by_replay(replay, scene.passed(3, Stage::Route)), scene.passed(3, Stage::Decode)]).unwrap();
        replayer.append(&[by_replay(replay, scene.delivered(3, "search"))]).unwrap();
        assert_eq!(left(&mut writer), ["2 search", "3 billing", "4 billing", "5 billing"], "a replay is for some of them");
        writer.append(&[scene.passed(3, Stage::Route), scene.passed(2, Stage::Route)]).unwrap();
        let refused = scene.sample(Sample { offset: 4, receiver: None, stage: Stage::Identify, ..Sample::default() });
        writer.append(&[refused]).unwrap();
        assert_eq!(left(&mut writer), ["5 billing"]);
        assert_eq!(
            writer.know(&[scene.offer()]).unwrap()[0].debts,
            Debts::all([2, 4, 5].map(|at| Offset::new(at).unwrap()).into())
        );
    }
}
