//! Listings against the plain truth: all items, filtered here.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rusqlite::StatementStatus;

use super::*;
use crate::engine::ledger::Ledger as _;
use crate::failure::{Class, Stage};
use crate::journal::items::{FailureItem, FailureState};
use crate::journal::samples::{FIRST_TRY_S, Sample, Scene};
use crate::journal::selection::FailureSelection;
use crate::offsets::{Bounds, OffsetRange};

const RECEIVERS: [&str; 3] = ["billing", "audit", "search"];
const CODES: [&str; 3] = ["http_503", "http_422", "timeout"];
const TYPES: [&str; 2] = ["order.placed", "order.paid"];

/// What people will do by hand: some of the open failures are ignored, and the counts of their kinds follow.
const IGNORE_SOME: &str = "
    UPDATE failure SET state = 'ignored', settled_at_us = 1, settled_by = 'hand' WHERE offset % 13 = 1 AND state = 'open';
    UPDATE fingerprint SET
        open = (SELECT count(*) FROM failure f WHERE f.fingerprint_id = fingerprint.id AND f.state = 'open'),
        ignored = (SELECT count(*) FROM failure f WHERE f.fingerprint_id = fingerprint.id AND f.state = 'ignored');";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(FIRST_TRY_S + seconds).unwrap()
}

/// 240 failures a minute apart, of every receiver, code, class and type and some of each state, the first of them failed again later;
/// `audit` fails in more ways than are worth a branch each.
fn journal() -> Scene {
    let scene = Scene::new();
    let mut writers = [scene.writer(), scene.writer_of("other", Vec::new())];
    for offset in 0..240 {
        let at = usize::try_from(offset).unwrap();
        let receiver = RECEIVERS[at % 3];
        let ways = char::from(b'a' + u8::try_from(at / 3 % 26).unwrap());
        let message = if receiver == "audit" { format!("failed {ways}{}", at / 78) } else { "failed".to_owned() };
        let mut sample = Sample { offset, receiver: Some(receiver), code: CODES[at % 7 % 3], ..Sample::default() };
        sample.class = Class::ALL[at % 4];
        sample.messages = vec![message.replace(|c: char| c.is_ascii_digit(), "x")];
        sample.first_try_s = FIRST_TRY_S + offset * 60;
        sample.event.event_type = Some(TYPES[at % 2].to_owned());
        if at % 11 == 0 {
            (sample.receiver, sample.stage) = (None, Stage::Decode);
        }
        let again = Sample { first_try_s: FIRST_TRY_S + 300 * 60, ..sample.clone() };
        let writer = &mut writers[at / 200];
        writer.append(&[scene.sample(sample)]).unwrap();
        if at < 10 {
            writer.append(&[scene.sample(again)]).unwrap();
        } else if at % 5 == 0 {
            writer.append(&[scene.delivered(offset, receiver)]).unwrap();
        }
    }
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand.execute_batch(IGNORE_SOME).unwrap();
    scene
}

fn fits(item: &FailureItem, selection: &FailureSelection) -> bool {
    fn one<T: PartialEq>(list: &[T], value: &T) -> bool {
        list.is_empty() || list.contains(value)
    }
    let in_range = |range: &OffsetRange| {
        let is_place =
            range.topic.as_ref().is_none_or(|of| *of == item.topic) && range.partition.is_none_or(|of| of == item.partition);
        is_place
            && match range.bounds {
                Bounds::Offsets { from, to } => item.offset >= from.get() && to.is_none_or(|to| item.offset < to.get()),
                Bounds::Times { from, to } => {
                    let written = Timestamp::from_millisecond(item.timestamp.ms.unwrap()).unwrap();
                    written >= from && to.is_none_or(|to| written < to)
                }
            }
    };
    let last = Timestamp::from_microsecond(item.last_failed_at_us).unwrap();
    one(&selection.states, &item.state)
        && one(&selection.topics, &item.topic)
        && one(&selection.partitions, &item.partition)
        && one(&selection.groups, &item.group)
        && (selection.receivers.is_empty() || item.receiver.as_ref().is_some_and(|of| selection.receivers.contains(of)))
        && one(&selection.stages, &item.stage)
        && one(&selection.classes, &item.class)
        && one(&selection.codes, &item.code)
        && (selection.types.is_empty() || item.event.event_type.as_ref().is_some_and(|of| selection.types.contains(of)))
        && (selection.fingerprints.is_empty() || selection.fingerprints.iter().any(|of| item.fingerprint.starts_with(of)))
        && (selection.offsets.is_empty() || selection.offsets.iter().any(in_range))
        && selection.since.is_none_or(|since| last >= since)
        && selection.until.is_none_or(|until| last < until)
}

fn names(of: &[&str]) -> impl Strategy<Value = Vec<String>> + use<> {
    let of: Vec<String> = of.iter().map(|name| (*name).to_owned()).collect();
    let most = of.len();
    prop_oneof![2 => Just(Vec::new()), 1 => subsequence(of, 0..=most)]
}

prop_compose! {
    fn selections(fingerprints: Vec<String>)(
        states in subsequence(FailureState::ALL.to_vec(), 0..=3), stages in prop_oneof![Just(Vec::new()), Just(vec![Stage::Decode]), Just(Stage::ALL.to_vec())],
        classes in prop_oneof![2 => Just(Vec::new()), 1 => subsequence(Class::ALL.to_vec(), 1..=3)],
        topics in names(&["orders", "payments"]), groups in names(&["shop", "other", "nobody"]),
        receivers in names(&["billing", "audit", "nobody"]), codes in names(&CODES), types in names(&TYPES),
        fingerprints in prop_oneof![2 => Just(Vec::new()), 1 => select(fingerprints).prop_map(|one| vec![one[..8].to_owned()])],
        offsets in prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(select(vec![
            "orders:0:7", "orders:0:3..90", "orders:1:5..", "orders:*:100..", "payments:0..", "50..60", "orders:0:200..9000", "@2023-11-14T22:13:20Z..",
            "@2023-11-14T22:13:20.001Z..", "@2023-11-14T22:13:20Z..@2023-11-14T22:13:20.0000001Z",
        ]), 1..=3)],
        since in prop::option::of(-10i64..310), until in prop::option::of(-10i64..310),
    ) -> FailureSelection {
        let offsets = offsets.into_iter().map(|range| OffsetRange::parse(range, at(0)).unwrap()).collect();
        let (since, until) = (since.map(|minute| at(minute * 60)), until.map(|minute| at(minute * 60)));
        FailureSelection { states, topics, partitions: Vec::new(), offsets, groups, receivers, stages, classes, codes, types, fingerprints, since, until }
    }
}

#[test]
fn a_listing_is_the_whole_filtered_whatever_branches_it_takes() {
    let scene = journal();
    let reader = scene.reader();
    let all = reader.failures(&FailureSelection::default(), Window::default()).unwrap().items;
    assert_eq!(all.len(), 240);
    let fingerprints: Vec<_> = all.iter().map(|item| item.fingerprint.clone()).collect();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let cases = (selections(fingerprints), 1usize..9, select(vec![Sort::Newest, Sort::Oldest]));
    let result = runner.run(&cases, |(selection, limit, sort)| {
        let mut expected: Vec<i64> = all.iter().filter(|item| fits(item, &selection)).map(|item| item.id).collect();
        if sort == Sort::Oldest {
            expected.reverse();
        }
        let whole = reader.failures(&selection, Window { sort, ..Window::default() }).unwrap();
        prop_assert!(!whole.has_more);
        prop_assert_eq!(whole.items.iter().map(|item| item.id).collect::<Vec<_>>(), expected.clone());
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = reader.failures(&selection, Window { limit, after, sort }).unwrap();
            paged.extend(page.items.iter().map(|item| item.id));
            after = paged.last().copied();
            if !page.has_more {
                break;
            }
            prop_assert_eq!(page.items.len(), limit);
        }
        prop_assert_eq!(paged, expected);
        Ok(())
    });
    result.unwrap();
}

fn selection(change: impl FnOnce(&mut FailureSelection)) -> FailureSelection {
    let mut selection = FailureSelection { states: vec![FailureState::Open], ..FailureSelection::default() };
    change(&mut selection);
    selection
}

/// What each filter is alone, with the index that its listing walks.
fn filters() -> Vec<(&'static str, FailureSelection, &'static str)> {
    let range = |text| vec![OffsetRange::parse(text, at(0)).unwrap()];
    vec![
        ("none", selection(|_| {}), "failure_state"),
        ("topic", selection(|of| of.topics = vec!["orders".into()]), "failure_topic"),
        ("partition", selection(|of| (of.topics, of.partitions) = (vec!["orders".into()], vec![0])), "failure_topic"),
        ("group", selection(|of| of.groups = vec!["shop".into()]), "failure_state"),
        ("receiver", selection(|of| of.receivers = vec!["billing".into()]), "failure_fingerprint"),
        ("receiver of many kinds", selection(|of| of.receivers = vec!["audit".into()]), "failure_state"),
        ("stage", selection(|of| of.stages = vec![Stage::Decode]), "failure_fingerprint"),
        ("code", selection(|of| of.codes = vec!["timeout".into()]), "failure_fingerprint"),
        ("class", selection(|of| of.classes = vec![Class::Unknown]), "failure_state"),
        ("type", selection(|of| of.types = vec!["order.paid".into()]), "failure_state"),
        ("an offset", selection(|of| of.offsets = range("orders:0:7")), "sqlite_autoindex_failure_1"),
        ("offsets of a topic", selection(|of| of.offsets = range("orders:0:7..")), "failure_topic"),
        ("offsets", selection(|of| of.offsets = range("7..9")), "failure_state"),
        ("since", selection(|of| of.since = Some(at(60))), "failure_state"),
        ("until", selection(|of| of.until = Some(at(60))), "failure_state"),
    ]
}

#[test]
fn no_listing_scans_or_sorts_more_than_it_has_to() {
    let scene = journal();
    let reader = scene.reader();
    for (filter, selection, index) in filters() {
        let names = reader.names(&selection).unwrap();
        let statements =
            reader.statements(&selection, &names, Window { limit: 50, after: Some(9_000), sort: Sort::Newest }).unwrap();
        let plans: Vec<_> = statements.iter().map(|statement| plan(&reader, statement)).collect();
        assert!(!plans.is_empty() && plans[0].contains(&format!("SEARCH f USING INDEX {index}")), "{filter}: {plans:?}");
        for plan in plans {
            assert!(!plan.contains("SCAN"), "{filter}: {plan}");
            let may_sort = plan.contains("sqlite_autoindex_failure_1 (") || plan.contains("failure_failed_at");
            assert!(may_sort || !plan.contains("TEMP B-TREE"), "{filter}: {plan}");
        }
    }
}

fn plan(reader: &Reader, statement: &failures::Statement) -> String {
    let mut explain = reader.connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text)).unwrap();
    let rows = explain.query_map(rusqlite::params_from_iter(&statement.values), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

/// The steps of SQLite's machine for a page of 50.
fn steps(reader: &Reader, selection: &FailureSelection, sort: Sort) -> i32 {
    let names = reader.names(selection).unwrap();
    let statements = reader.statements(selection, &names, Window { limit: 50, after: None, sort }).unwrap();
    let mut sum = 0;
    for statement in statements {
        let mut select = reader.connection.prepare(&statement.text).unwrap();
        let mut rows = select.query(rusqlite::params_from_iter(&statement.values)).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        sum += select.get_status(StatementStatus::VmStep);
    }
    sum
}

#[test]
fn what_is_rare_is_found_without_walking_past_the_rest() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let sample = |offset: i64| Sample { offset, first_try_s: FIRST_TRY_S + offset * 10, ..Sample::default() };
    let rare = Sample { code: "rare", receiver: Some("audit"), ..sample(0) };
    let mut entries = vec![scene.sample(rare)];
    entries.extend((1..4_000).map(|offset| scene.sample(sample(offset))));
    writer.append(&entries).unwrap();
    let reader = scene.reader();
    let whole = steps(&reader, &selection(|of| of.classes = vec![Class::Unknown]), Sort::Newest);
    assert!(whole > 20_000, "{whole} steps walk through all");
    let (early, late) = (Some(at(100)), Some(at(39_900)));
    for (what, sort, selection) in [
        ("code", Sort::Newest, selection(|of| of.codes = vec!["rare".into()])),
        ("receiver", Sort::Newest, selection(|of| of.receivers = vec!["audit".into()])),
        ("unknown receiver", Sort::Newest, selection(|of| of.receivers = vec!["nobody".into()])),
        ("since", Sort::Oldest, selection(|of| of.since = late)),
        ("since, and few", Sort::Newest, selection(|of| of.since = Some(at(39_970)))),
        ("until", Sort::Newest, selection(|of| of.until = early)),
        ("offset", Sort::Newest, selection(|of| of.offsets = vec![OffsetRange::parse("orders:0:1", at(0)).unwrap()])),
    ] {
        let steps = steps(&reader, &selection, sort);
        assert!(steps < whole / 4, "{what}: {steps} steps of {whole}");
    }
}

#[test]
fn a_claim_holds_while_its_run_lives() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(7, "billing", &["a"])]).unwrap();
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    let is_replaying = |change: &str| {
        by_hand.execute_batch(change).unwrap();
        let reader = scene.reader();
        let listed = reader.failures(&FailureSelection::default(), Window::default()).unwrap().items[0].is_replaying;
        assert_eq!(reader.failure(1).unwrap().unwrap().item.is_replaying, listed);
        listed
    };
    assert!(!is_replaying(""));
    assert!(is_replaying("UPDATE failure SET claimed_by = 1"));
    assert!(!is_replaying("UPDATE run SET ended_at_us = alive_at_us"), "it has ended");
    assert!(!is_replaying("UPDATE run SET ended_at_us = NULL, alive_at_us = alive_at_us - 31000000"), "it is silent");
    assert!(
        !is_replaying("UPDATE run SET alive_at_us = alive_at_us + 31000000, pid_started_at_us = 1"),
        "its pid is another's now"
    );
    assert!(is_replaying("UPDATE run SET host = 'elsewhere'"));
}

/// The counters are in other pages than what they count: half of a file may be lost.
#[test]
fn a_journal_that_counts_failures_and_has_none_is_damaged() {
    let scene = Scene::new();
    scene.writer().append(&[]).unwrap();
    let all = |states: &[FailureState]| FailureSelection { states: states.to_vec(), ..FailureSelection::default() };
    let list = |selection: &FailureSelection| scene.reader().failures(selection, Window::default()).map(|page| page.items.len());
    assert_eq!(list(&all(&[])).unwrap(), 0, "empty is not damaged");
    scene.writer().append(&[scene.failed(1, "billing", &["failed"])]).unwrap();
    assert_eq!(list(&all(&[FailureState::Resolved])).unwrap(), 0);
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM failure").unwrap();
    for states in [&[][..], &[FailureState::Open]] {
        let error = list(&all(states)).unwrap_err();
        assert!(matches!(&error, ReadError::Damaged { what, .. } if what.contains("counts 1 failure")), "{error}");
    }
    assert_eq!(list(&all(&[FailureState::Ignored])).unwrap(), 0);
    let filtered = FailureSelection { codes: vec!["http_503".into()], ..all(&[]) };
    assert_eq!(list(&filtered).unwrap(), 0, "with filters, nobody has counted");
}

#[test]
fn what_receivers_missed_is_told_of_all_groups_together() {
    let scene = Scene::new();
    let deferred = |receiver: &str, from: i64, to: i64, events| scene.deferred(receiver, (from, to), events);
    let mut writer = scene.writer();
    assert_eq!(scene.reader().all_missed().unwrap(), []);
    writer.append(&[deferred("billing", 10, 20, 4), deferred("billing", 30, 90, 60), deferred("audit", 0, 5, 5)]).unwrap();
    writer.append(&[scene.caught_up("billing", (10, 17)), scene.caught_up("audit", (0, 5))]).unwrap();
    scene.writer_of("other", Vec::new()).append(&[deferred("billing", 7, 8, 1)]).unwrap();
    let all = scene.reader().all_missed().unwrap();
    let told: Vec<_> = all.iter().map(|of| (of.group.as_str(), of.receiver.as_str(), of.ranges, of.events)).collect();
    assert_eq!(told, [("shop", "billing", 2, 63), ("other", "billing", 1, 1)], "at most as many events as offsets are left");
    let (topic, partition, range) = &all[0].first;
    assert_eq!((topic.as_str(), *partition, range.from.get(), range.to.get()), ("orders", 0, 17, 20));
}
