//! Selections against the plain truth: all rows, filtered here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::engine::doubles::next;
use crate::engine::ledger::{Counts, Entry, Ledger as _, Progress};
use crate::failure::Stage;
use crate::journal::FailureState;
use crate::journal::samples::{Sample, Scene};
use crate::offsets::OffsetRange;
use crate::record::samples::{partition_of, record_at};
use crate::record::{Offset, Partition, Topic};

const RECEIVERS: [Option<&str>; 4] = [Some("billing"), Some("audit"), Some("search"), None];
const CODES: [&str; 2] = ["http_503", "timeout"];
const GROUPS: [&str; 2] = ["shop", "other"];
/// Entries of the sample journal, and one that there is none of.
const ENTRIES: i64 = 160;
/// When the record at offset 0 was made; each later one a second later, but for every seventh, which is made long before.
const FIRST_MS: i64 = 1_700_000_000_000;

/// Of `orders`, of `orders` made again, and of `bills`; two partitions each.
fn partitions() -> Vec<Arc<Partition>> {
    let of = |name: &str, uuid: &str, number| {
        let topic = Arc::new(Topic { cluster_id: "cluster".into(), name: name.into(), uuid: Some(uuid.into()) });
        Arc::new(Partition { topic, number, ..Arc::into_inner(partition_of(name)).unwrap() })
    };
    vec![of("orders", "a", 0), of("orders", "a", 3), of("orders", "b", 0), of("orders", "b", 1), of("bills", "c", 0)]
}

/// Records with one to four entries, of both groups, in every state, some of them without their bytes.
fn journal() -> Scene {
    let scene = Scene::new();
    let mut writers = GROUPS.map(|group| scene.writer_of(group, Vec::new()));
    let partitions = partitions();
    for number in 0..ENTRIES {
        let at = usize::try_from(number).unwrap();
        let partition = &partitions[at / 4 % partitions.len()];
        let record = record_at(partition, number / 8, &[("n", Some(number.to_string().as_bytes()))], Some(b"value"));
        let receiver = RECEIVERS[at % 4];
        let stage = if receiver.is_some() { Stage::Receive } else { Stage::ALL[at / 4 % 3] };
        let messages = vec![format!("{} failed", ["it", "all of it", "half of it"][at / 3 % 3])];
        let sample = Sample { offset: number / 8, receiver, stage, code: CODES[at / 5 % 2], messages, ..Sample::default() };
        let writer = &mut writers[usize::from(at % 16 > 10)];
        writer.append(&[sample.of(record)]).unwrap();
    }
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand
        .execute_batch(
            "UPDATE failure SET state = 'resolved', settled_at_us = 1, settled_by = 'live' WHERE id % 5 = 2;
            UPDATE failure SET state = 'ignored', settled_at_us = 1, settled_by = 'hand' WHERE id % 7 = 3;
            UPDATE fingerprint SET
                open = (SELECT count(*) FROM failure f WHERE f.fingerprint_id = fingerprint.id AND f.state = 'open'),
                resolved = (SELECT count(*) FROM failure f WHERE f.fingerprint_id = fingerprint.id AND f.state = 'resolved'),
                ignored = (SELECT count(*) FROM failure f WHERE f.fingerprint_id = fingerprint.id AND f.state = 'ignored');
            UPDATE record SET timestamp_ms = 1700000000000 + offset * 1000 - (offset % 7 = 6) * 500000;
            UPDATE record SET codec = 2, value = NULL WHERE offset % 6 = 1;
            UPDATE record SET timestamp_ms = NULL, timestamp_type = 'none' WHERE offset = 5",
        )
        .unwrap();
    let counts = Counts { delivered: 6, ..Counts::default() };
    let reached = Progress { partition: Arc::clone(&partitions[1]), from: next(0), to: next(6), counts };
    writers[0].append(&[Entry::Progress(reached)]).unwrap();
    scene
}

/// A row of the journal.
#[derive(Clone, Debug)]
struct Row {
    id: i64,
    topic: i64,
    topic_name: String,
    partition: i32,
    offset: i64,
    group: String,
    stage: String,
    receiver: Option<String>,
    code: String,
    state: String,
    ms: Option<i64>,
    has_payload: bool,
}

fn rows_of(scene: &Scene) -> Vec<Row> {
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    let all = "SELECT f.id, t.id, t.name, f.partition, f.offset, p.consumer_group, p.stage, nullif(p.receiver, ''), f.code, f.state,
        c.timestamp_ms, c.codec < 2
        FROM failure f JOIN topic t ON t.id = f.topic_id JOIN place p ON p.id = f.place_id JOIN record c USING (topic_id, partition, offset)";
    let mut select = by_hand.prepare(all).unwrap();
    let rows = select.query_map([], |row| {
        Ok(Row {
            id: row.get(0)?,
            topic: row.get(1)?,
            topic_name: row.get(2)?,
            partition: row.get(3)?,
            offset: row.get(4)?,
            group: row.get(5)?,
            stage: row.get(6)?,
            receiver: row.get(7)?,
            code: row.get(8)?,
            state: row.get(9)?,
            ms: row.get(10)?,
            has_payload: row.get(11)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn is_within(row: &Row, bounds: Bounds) -> bool {
    match bounds {
        Bounds::Offsets { from, to } => row.offset >= from.get() && to.is_none_or(|to| row.offset < to.get()),
        Bounds::Times { from, to } => row.ms.is_some_and(|ms| {
            let at = Timestamp::from_millisecond(ms).unwrap();
            at >= from && to.is_none_or(|to| at < to)
        }),
    }
}

fn fits(row: &Row, selection: &FailureSelection) -> bool {
    let in_range = |range: &OffsetRange| {
        let is_place =
            range.topic.as_ref().is_none_or(|of| *of == row.topic_name) && range.partition.is_none_or(|of| of == row.partition);
        is_place && is_within(row, range.bounds)
    };
    (selection.states.is_empty() || selection.states.iter().any(|of| of.as_str() == row.state))
        && (selection.groups.is_empty() || selection.groups.contains(&row.group))
        && (selection.codes.is_empty() || selection.codes.contains(&row.code))
        && (selection.receivers.is_empty() || row.receiver.as_ref().is_some_and(|of| selection.receivers.contains(of)))
        && (selection.offsets.is_empty() || selection.offsets.iter().any(in_range))
}

/// What is done to a selection, one after the other.
#[derive(Clone, Debug)]
enum Step {
    Ids(Vec<i64>),
    Filters(Box<FailureSelection>),
    Places(Option<&'static str>, Vec<PlaceRange>),
    DropResolved,
    KeepReceivers(Vec<&'static str>),
    DropFrom(i64, i32, i64),
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let at = |second: i64| Timestamp::from_millisecond(FIRST_MS + second * 1_000).unwrap();
    prop_oneof![
        (0i64..20, prop::option::of(1i64..10))
            .prop_map(|(from, len)| Bounds::Offsets { from: Offset::new(from).unwrap(), to: len.map(|len| next(from + len)) }),
        (-3i64..20, prop::option::of(1i64..10))
            .prop_map(move |(from, len)| Bounds::Times { from: at(from), to: len.map(|len| at(from + len)) }),
    ]
}

prop_compose! {
    fn filters()(
        states in subsequence(FailureState::ALL.to_vec(), 0..=3), groups in subsequence(GROUPS.to_vec(), 0..=2),
        codes in subsequence(CODES.to_vec(), 0..=2), receivers in subsequence(vec!["billing", "audit", "nobody"], 0..=2),
        ranges in prop::collection::vec((prop::option::of(select(vec!["orders", "bills"])), prop::option::of(0i32..4), bounds()), 0..3),
    ) -> FailureSelection {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let range = |(topic, partition, bounds): (Option<&str>, _, _)| OffsetRange { topic: topic.map(str::to_owned), partition, bounds };
        let offsets = ranges.into_iter().map(range).collect();
        FailureSelection { states, groups: owned(groups), codes: owned(codes), receivers: owned(receivers), offsets, ..FailureSelection::default() }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (1i64..5, prop::option::of(0i32..4), bounds());
    let range = range.prop_map(|(topic, partition, bounds)| PlaceRange { topic: TopicRow(topic), partition, bounds });
    let selecting = prop_oneof![
        prop::collection::vec(-1..ENTRIES + 3, 0..60).prop_map(Step::Ids),
        filters().prop_map(|selection| Step::Filters(Box::new(selection))),
        (prop::option::of(select(GROUPS.to_vec())), prop::collection::vec(range, 1..3))
            .prop_map(|(group, ranges)| Step::Places(group, ranges)),
    ];
    let narrowing = prop_oneof![
        Just(Step::DropResolved),
        subsequence(vec!["billing", "audit", "nobody"], 0..=2).prop_map(Step::KeepReceivers),
        (1i64..4, 0i32..4, 0i64..20).prop_map(|(topic, partition, offset)| Step::DropFrom(topic, partition, offset)),
    ];
    (prop::collection::vec(selecting, 1..3), prop::collection::vec(narrowing, 0..4)).prop_map(|(one, other)| [one, other].concat())
}

/// Does a step on the model, and says what it must have told.
fn expect(step: &Step, all: &[Row], selected: &mut BTreeMap<i64, Row>) -> String {
    let before = selected.len();
    let mut add =
        |fits: &dyn Fn(&Row) -> bool| selected.extend(all.iter().filter(|row| fits(row)).map(|row| (row.id, row.clone())));
    match step {
        Step::Ids(ids) => {
            add(&|row| ids.contains(&row.id));
            let missing: Vec<_> = ids.iter().filter(|id| !(1..=ENTRIES).contains(*id)).collect();
            return format!("{missing:?}");
        }
        Step::Filters(selection) => add(&|row| fits(row, selection)),
        Step::Places(group, ranges) => {
            let is_in = |row: &Row, range: &PlaceRange| {
                row.topic == range.topic.0 && range.partition.is_none_or(|of| of == row.partition) && is_within(row, range.bounds)
            };
            add(&|row| group.is_none_or(|group| row.group == group) && ranges.iter().any(|range| is_in(row, range)));
        }
        Step::DropResolved => selected.retain(|_, row| row.state != "resolved"),
        Step::KeepReceivers(names) => {
            let is_other = |row: &Row| row.receiver.as_deref().is_some_and(|of| !names.contains(&of));
            let mut others = BTreeMap::<String, u64>::new();
            selected
                .values()
                .filter(|row| is_other(row))
                .for_each(|row| *others.entry(row.receiver.clone().unwrap()).or_default() += 1);
            selected.retain(|_, row| !is_other(row));
            return format!("{:?}", others.into_iter().collect::<Vec<_>>());
        }
        Step::DropFrom(topic, partition, offset) => {
            selected.retain(|_, row| (row.topic, row.partition) != (*topic, *partition) || row.offset < *offset);
        }
    }
    match step {
        Step::Filters(_) | Step::Places(..) => String::new(),
        _ => (before - selected.len()).to_string(),
    }
}

fn perform(step: &Step, selected: &mut Selected) -> Result<String, ReadError> {
    Ok(match step {
        Step::Ids(ids) => format!("{:?}", selected.select_ids(ids)?),
        Step::Filters(selection) => selected.select(selection).map(|()| String::new())?,
        Step::Places(group, ranges) => selected.select_places(*group, ranges).map(|()| String::new())?,
        Step::DropResolved => selected.drop_resolved()?.to_string(),
        Step::KeepReceivers(names) => format!("{:?}", selected.keep_receivers(names)?),
        Step::DropFrom(topic, partition, offset) => selected.drop_from(TopicRow(*topic), *partition, next(*offset))?.to_string(),
    })
}

/// All rows, a page at a time. No record may be torn over two pages.
fn paged(selected: &Selected, limit: usize) -> Vec<SelectedRow> {
    let mut all = Vec::new();
    for partition in selected.partitions().unwrap() {
        let mut after = None;
        let mut count = 0;
        loop {
            let page = selected.rows(&partition, after, limit).unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.iter().all(|row| after.is_none_or(|after| row.offset > after)));
            assert!(page.is_sorted_by_key(|row| row.offset) && page.first().unwrap().offset >= partition.first);
            assert!(partition.end.covers(last.offset));
            (after, count) = (Some(last.offset), count + page.len() as u64);
            all.extend(page);
        }
        assert_eq!((count, after.map(Offset::next)), (partition.count, Some(partition.end)));
    }
    all
}

/// Topic, partition, stage, receiver and code.
type Kind = (String, i64, i32, Stage, Option<String>, String);

/// What `entries` must give, and in what order.
fn counted(rows: &BTreeMap<i64, Row>) -> Vec<String> {
    let mut kinds = BTreeMap::<Kind, Vec<&Row>>::new();
    for row in rows.values() {
        let stage = Stage::from_name(&row.stage).unwrap();
        let kind = (row.topic_name.clone(), row.topic, row.partition, stage, row.receiver.clone(), row.code.clone());
        kinds.entry(kind).or_default().push(row);
    }
    let told = |((topic, row, partition, stage, receiver, code), rows): (Kind, Vec<&Row>)| {
        let first = rows.iter().min_by_key(|row| row.offset).unwrap();
        let last = rows.iter().max_by_key(|row| row.offset).unwrap();
        let is_late = |of: &&&Row| row == 1 && partition == 3 && of.group == "shop" && of.offset < 6;
        let late = rows.iter().filter(is_late).count();
        let (range, times) = ((first.offset, last.offset), (first.ms, last.ms));
        format!("{topic} {partition} {stage:?} {receiver:?} {code} {} {range:?} {times:?} {late}", rows.len())
    };
    kinds.into_iter().map(told).collect()
}

fn told(entries: &SelectedEntries) -> String {
    let SelectedEntries { topic, partition, stage, receiver, code, count, first, last, first_ms, last_ms, late } = entries;
    let (range, times) = ((first.get(), last.get()), (first_ms, last_ms));
    let times = (times.0.to_owned(), times.1.to_owned());
    format!("{} {partition} {stage:?} {receiver:?} {code} {count} {range:?} {times:?} {late}", topic.name)
}

#[test]
fn a_selection_is_the_journal_filtered() {
    let scene = journal();
    let all = rows_of(&scene);
    assert_eq!(all.len(), usize::try_from(ENTRIES).unwrap());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(250));
    let result = runner.run(&(steps(), 1usize..12), |(steps, limit)| {
        let mut selected = Selected::open(&scene.place()).unwrap();
        let mut expected = BTreeMap::new();
        for step in &steps {
            prop_assert_eq!(perform(step, &mut selected).unwrap(), expect(step, &all, &mut expected), "{:?}", step);
        }
        prop_assert_eq!(selected.is_empty().unwrap(), expected.is_empty());
        let groups: BTreeSet<_> = expected.values().map(|row| row.group.clone()).collect();
        prop_assert_eq!(selected.groups().unwrap(), groups.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(selected.entries().unwrap().iter().map(told).collect::<Vec<_>>(), counted(&expected));
        let rows = paged(&selected, limit);
        prop_assert_eq!(rows.len(), expected.len());
        for row in rows {
            let of = &expected[&row.id];
            prop_assert_eq!((row.offset.get(), row.state.as_str(), row.stage.as_str()), (of.offset, &*of.state, &*of.stage));
            prop_assert_eq!((row.receiver.as_deref(), row.has_payload), (of.receiver.as_deref(), of.has_payload));
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn places_are_looked_up_by_their_index() {
    let scene = journal();
    let selected = Selected::open(&scene.place()).unwrap();
    let of = |bounds, group| terms_of(&PlaceRange { topic: TopicRow(1), partition: Some(0), bounds }, 0, group);
    let offsets = Bounds::Offsets { from: Offset::new(3).unwrap(), to: Some(next(9)) };
    let times = Bounds::Times { from: Timestamp::UNIX_EPOCH, to: None };
    for (terms, with, found_by) in [
        (of(offsets, Some("shop")), "", "(topic_id=? AND partition=? AND offset>? AND offset<?)"),
        (of(offsets, None), "", "(topic_id=? AND partition=? AND offset>? AND offset<?)"),
        (of(times, Some("shop")), sql::WITH_RECORD, "(topic_id=? AND partition=?)"),
    ] {
        let mut explain =
            selected.connection().prepare(&format!("EXPLAIN QUERY PLAN {}", insertion((PLACES, with), &terms))).unwrap();
        let steps = explain.query_map(params_from_iter(&terms.values), |row| row.get::<_, String>(3)).unwrap();
        let plan = steps.map(Result::unwrap).collect::<Vec<_>>().join("; ");
        assert!(plan.contains(&format!("SEARCH f USING INDEX {PLACES} {found_by}")), "{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn a_selection_is_fixed_when_it_is_made() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(1, "billing", &["a"]), scene.failed(2, "billing", &["a"])]).unwrap();
    let mut selected = Selected::open(&scene.place()).unwrap();
    selected.select(&FailureSelection { states: vec![FailureState::Open], ..FailureSelection::default() }).unwrap();
    writer.append(&[scene.failed(0, "billing", &["a"]), scene.failed(1, "audit", &["a"]), scene.delivered(2, "billing")]).unwrap();
    let rows: Vec<_> = paged(&selected, 1).into_iter().map(|row| (row.id, row.state)).collect();
    assert_eq!(rows, [(1, FailureState::Open), (2, FailureState::Open)]);
    assert_eq!(selected.reader().counts().unwrap().open, 3, "what else is read is of now");
}

#[test]
fn a_journal_is_not_changed_by_what_is_selected_of_it() {
    let scene = journal();
    let mut selected = Selected::open(&scene.place()).unwrap();
    let changes = || {
        rusqlite::Connection::open(scene.place().path)
            .unwrap()
            .query_row("SELECT count(*) FROM failure", [], |row| row.get::<_, i64>(0))
    };
    selected.select(&FailureSelection::default()).unwrap();
    selected.drop_resolved().unwrap();
    assert_eq!(changes().unwrap(), ENTRIES);
    for statement in
        ["DELETE FROM failure", "UPDATE main.failure SET claimed_by = 1", "INSERT INTO place VALUES (99, 'g', 'route', '')"]
    {
        let refused = selected.connection().execute(statement, []).unwrap_err().to_string();
        assert!(refused.contains("not authorized"), "{statement}: {refused}");
    }
}

/// On a read-only medium.
#[test]
fn what_cannot_be_written_can_be_selected_from() {
    let scene = journal();
    drop(scene.writer());
    let uri = format!("file://{}?immutable=1", scene.place().path.display());
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).unwrap();
    connection.execute_batch(sql::READER_SETTINGS).unwrap();
    connection.execute_batch(sql::SELECTED_SETTINGS).unwrap();
    assert_eq!(connection.execute(&format!("{} WHERE f.id < 4", sql::SELECT_FROM), []).unwrap(), 3);
}

/// Every part null, empty and filled.
#[test]
fn bytes_come_back_as_they_came_in() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let values = [None, Some(&b""[..]), Some(&b"{\"a\":1}"[..]), Some(&[0, 0xff][..])];
    let headers = [("x", None), ("x", Some(&b""[..])), ("", Some(b"1"))];
    let records: Vec<_> = (0..8)
        .map(|at: usize| record_at(&scene.partition, i64::try_from(at).unwrap(), &headers[..at % 2 * 3], values[at / 2]))
        .collect();
    let failed: Vec<_> = records.iter().map(|record| Sample::default().of(record.clone())).collect();
    writer.append(&failed).unwrap();
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand.execute_batch("UPDATE record SET codec = 3, value = NULL WHERE offset = 4").unwrap();
    let mut selected = Selected::open(&scene.place()).unwrap();
    selected.select(&FailureSelection::default()).unwrap();
    let partition = selected.partitions().unwrap().remove(0);
    let mut buffer = b"of another record".to_vec();
    for record in &records {
        let stored = selected.bytes(&partition, record.offset(), &mut buffer).unwrap();
        assert_eq!(stored.is_none(), record.offset().get() == 4);
        let Some(stored) = stored else { continue };
        assert_eq!((stored.key, stored.value), (record.key(), record.value()));
        assert_eq!(stored.headers, record.headers());
        assert_eq!((stored.timestamp, stored.leader_epoch), (record.timestamp(), Some(0)));
    }
    assert!(selected.bytes(&partition, Offset::new(99).unwrap(), &mut buffer).unwrap().is_none());

    by_hand
        .execute_batch("UPDATE record SET key = NULL WHERE offset = 1; UPDATE record SET value = x'00ee' WHERE offset = 6")
        .unwrap();
    for (offset, id) in [(1, 2), (6, 7)] {
        let damaged = selected.bytes(&partition, Offset::new(offset).unwrap(), &mut buffer).unwrap_err();
        assert!(matches!(damaged, ReadError::DamagedEntry { id: of, .. } if of == id), "{damaged}");
    }
}

#[test]
fn an_empty_selection_of_a_damaged_journal_is_an_error() {
    let scene = Scene::new();
    scene.writer().append(&[scene.failed(1, "billing", &["failed"])]).unwrap();
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM failure").unwrap();
    let mut selected = Selected::open(&scene.place()).unwrap();
    let error = selected.select(&FailureSelection::default()).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    let unknown = FailureSelection { fingerprints: vec!["abcdef".into()], ..FailureSelection::default() };
    assert!(matches!(selected.select(&unknown), Err(ReadError::UnknownFingerprint(_))));
}
