//! What the writer writes, read back by the reader or with plain SQL.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::engine::doubles::{next, offer};
use crate::engine::ledger::{Counts, Incident, IncidentKey, IncidentKind, Progress};
use crate::engine::source::{Committed, Offer};
use crate::failure::Stage;
use crate::journal::items::FailureDetail;
use crate::journal::samples::{Sample, Scene, by_replay};
use crate::journal::{FailureSelection, FailureState, IncidentSelection, Window};
use crate::record::samples::partition_of;
use crate::record::{Debts, NextOffset, Offset, Partition};

impl Scene {
    fn entries(&self) -> Vec<FailureDetail> {
        let reader = self.reader();
        let page = reader.failures(&FailureSelection::default(), Window::default()).unwrap();
        page.items.iter().map(|item| reader.failure(item.id).unwrap().unwrap()).collect()
    }
}

#[test]
fn a_failure_comes_back_with_all_of_its_context() {
    let scene = Scene::new();
    scene.writer().append(&[scene.failed(7, "billing", &["first", "order 5 has no total"]), scene.delivered(7, "audit")]).unwrap();
    let [entry] = &scene.entries()[..] else { panic!("one entry") };
    let item = &entry.item;
    assert_eq!((item.place(), item.receiver.as_deref(), item.code.as_str()), ("orders/0/7".into(), Some("billing"), "http_503"));
    assert_eq!((item.attempts, item.message.as_str()), (2, "order 5 has no total"));
    assert_eq!((item.first_failed_at_us, item.last_failed_at_us), (1_700_000_000_000_000, 1_700_000_001_000_000));
    assert_eq!(entry.delivered_to, ["audit"]);
    assert_eq!(entry.value.as_ref().unwrap().0, b"{\"a\":1}");
    assert_eq!(entry.headers[1], (crate::journal::Bytes(b"x".to_vec()), None));
    let history: Vec<_> = entry.history.iter().map(|attempt| (attempt.number, attempt.message.as_deref())).collect();
    assert_eq!(history, [(1, Some("first")), (2, Some("order 5 has no total"))]);
    assert_eq!((entry.detail.as_str(), item.causes.as_slice()), ("the detail", &["the cause".to_owned()][..]));
    assert_eq!(item.topic_uuid.as_deref(), Some("GivPxHS0T4Sx-9eBCxOXOQ"));
}

#[test]
fn the_same_failure_is_one_entry_with_more_attempts() {
    let scene = Scene::new();
    scene.writer().append(&[scene.failed(7, "billing", &["a"])]).unwrap();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(7, "billing", &["b", "c"])]).unwrap();
    let [entry] = &scene.entries()[..] else { panic!("one entry") };
    assert_eq!((entry.item.attempts, entry.item.message.as_str(), entry.item.is_regressed), (3, "c", false));
    let messages: Vec<_> = entry.history.iter().filter_map(|attempt| attempt.message.clone()).collect();
    assert_eq!(messages, ["a", "b", "c"]);
    assert_eq!(scene.reader().counts().unwrap().open, 1);
}

#[test]
fn what_a_failure_says_is_what_its_latest_try_said_and_no_longer_than_a_listing_bears() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(7, "billing", &["a"])]).unwrap();
    let Entry::Failed(mut silent) = scene.failed(7, "billing", &["b"]) else { unreachable!() };
    (silent.failure.causes, silent.failure.detail) = (Vec::new(), String::new());
    silent.event.id = Some("é\0".repeat(5_000_000));
    writer.append(&[Entry::Failed(silent)]).unwrap();
    let entry = &scene.entries()[0];
    assert_eq!((entry.detail.as_str(), entry.item.causes.as_slice()), ("", &[][..]));
    assert_eq!(entry.item.event.id, Some("é".repeat(1_000)));
}

#[test]
fn the_rule_that_decided_last_is_kept() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let mut decided = |by: Option<&str>| {
        let Entry::Failed(mut failed) = scene.failed(7, "billing", &["a"]) else { unreachable!() };
        failed.rule = by.map(str::to_owned);
        writer.append(&[Entry::Failed(failed)]).unwrap();
        scene.entries()[0].item.rule.clone()
    };
    assert_eq!(decided(Some("bank down")).as_deref(), Some("bank down"));
    assert_eq!(decided(Some("bank is back")).as_deref(), Some("bank is back"));
    assert_eq!(decided(None), None);
}

#[test]
fn success_resolves_and_a_later_failure_regresses() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(7, "billing", &["a"])]).unwrap();
    writer.append(&[scene.delivered(7, "billing")]).unwrap();
    let entry = &scene.entries()[0];
    assert_eq!((entry.item.state, entry.item.settled_by.as_deref()), (FailureState::Resolved, Some("live")));
    assert!(entry.history[1].is_delivered);
    let counts = scene.reader().counts().unwrap();
    assert_eq!((counts.open, counts.resolved), (0, 1));

    writer.append(&[scene.failed(7, "billing", &["again"])]).unwrap();
    let entry = &scene.entries()[0];
    assert_eq!((entry.item.state, entry.item.is_regressed, entry.item.attempts), (FailureState::Open, true, 3));
    assert!(entry.delivered_to.is_empty(), "of the record's receivers, the others: {:?}", entry.delivered_to);
    let outcomes: Vec<_> = entry.history.iter().map(|attempt| attempt.is_delivered).collect();
    assert_eq!(outcomes, [false, true, false]);
    assert_eq!(scene.reader().counts().unwrap().open, 1);
}

#[test]
fn passing_a_stage_resolves_the_entries_of_earlier_stages() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let early = Sample { offset: 7, receiver: None, stage: Stage::Decode, ..Sample::default() };
    writer.append(&[scene.sample(early)]).unwrap();
    writer.append(&[scene.passed(7, Stage::Route)]).unwrap();
    assert_eq!(scene.entries()[0].item.state, FailureState::Open);
    writer.append(&[scene.passed(7, Stage::Decode)]).unwrap();
    assert_eq!(scene.entries()[0].item.state, FailureState::Resolved);
}

/// Outcome, mode and replay of each try.
fn history(entry: &FailureDetail) -> Vec<(&'static str, &'static str, Option<i64>)> {
    entry.history.iter().map(|attempt| (attempt.outcome(), attempt.mode(), attempt.replay_id)).collect()
}

#[test]
fn an_entry_lives_through_replays_and_live_deliveries() {
    let scene = Scene::new();
    let mut live = scene.writer();
    live.append(&[scene.failed(7, "billing", &["a"])]).unwrap();
    let (mut replayer, replay) = scene.replayer();
    let entry = || scene.entries().remove(0);
    let state = |entry: &FailureDetail| (entry.item.state, entry.item.is_regressed, entry.item.settled_by.clone());

    replayer.append(&[by_replay(replay, scene.failed(7, "billing", &["b", "c"]))]).unwrap();
    let failed = [("failed", "live", None), ("failed", "replay", Some(replay)), ("failed", "replay", Some(replay))];
    assert_eq!((state(&entry()), history(&entry())), ((FailureState::Open, false, None), failed.to_vec()));

    replayer.append(&[scene.delivered(7, "billing"), scene.passed(7, Stage::Decode)].map(|of| by_replay(replay, of))).unwrap();
    let delivered = [&failed[..], &[("delivered", "replay", Some(replay))]].concat();
    let by_replay = Some("replay".to_owned());
    assert_eq!((state(&entry()), history(&entry())), ((FailureState::Resolved, false, by_replay), delivered.clone()));

    live.append(&[scene.failed(7, "billing", &["d"])]).unwrap();
    let regressed = [&delivered[..], &[("failed", "live", None)]].concat();
    assert_eq!((state(&entry()), history(&entry())), ((FailureState::Open, true, None), regressed.clone()));

    live.append(&[scene.delivered(7, "billing")]).unwrap();
    let whole = [&regressed[..], &[("delivered", "live", None)]].concat();
    assert_eq!((state(&entry()), history(&entry())), ((FailureState::Resolved, true, Some("live".into())), whole));
    let numbers: Vec<_> = entry().history.iter().map(|attempt| attempt.number).collect();
    assert_eq!((numbers, entry().item.attempts), (vec![1, 2, 3, 4, 5, 6], 5), "what a success comes after");
}

#[test]
fn what_is_ignored_stays_so_whatever_becomes_of_it() {
    let scene = Scene::new();
    let mut live = scene.writer();
    live.append(&[scene.failed(7, "billing", &["a"])]).unwrap();
    let ignore = "UPDATE failure SET state = 'ignored', settled_at_us = 1, settled_by = 'hand'; UPDATE fingerprint SET open = 0, ignored = 1";
    live.connection.execute_batch(ignore).unwrap();
    let (mut replayer, replay) = scene.replayer();
    replayer.append(&[by_replay(replay, scene.failed(7, "billing", &["a"]))]).unwrap();
    replayer.append(&[by_replay(replay, scene.delivered(7, "billing"))]).unwrap();
    live.append(&[scene.delivered(7, "billing"), scene.failed(7, "billing", &["a"])]).unwrap();
    let entry = &scene.entries()[0];
    assert_eq!((entry.item.state, entry.item.settled_by.as_deref()), (FailureState::Ignored, Some("hand")));
    assert_eq!((entry.item.attempts, entry.history.len()), (3, 3));
    let counts = scene.reader().counts().unwrap();
    assert_eq!((counts.open, counts.resolved, counts.ignored), (0, 0, 1));
}

#[test]
fn a_record_that_a_replay_brings_past_a_stage_may_fail_at_the_next_one() {
    let scene = Scene::new();
    let early = Sample { offset: 7, receiver: None, stage: Stage::Decode, ..Sample::default() };
    scene.writer().append(&[scene.sample(early)]).unwrap();
    let (mut replayer, replay) = scene.replayer();
    // In whatever order they are written.
    for offset in [scene.failed(7, "billing", &["a"]), scene.delivered(7, "audit"), scene.passed(7, Stage::Decode)] {
        replayer.append(&[by_replay(replay, offset)]).unwrap();
    }
    let [failed, early] = &scene.entries()[..] else { panic!("two entries") };
    assert_eq!((early.item.state, early.item.settled_by.as_deref()), (FailureState::Resolved, Some("replay")));
    assert_eq!(history(early)[1], ("delivered", "replay", Some(replay)));
    assert_eq!((failed.item.state, failed.item.stage), (FailureState::Open, Stage::Receive));
    assert_eq!(failed.delivered_to, ["audit"]);
    assert_eq!(history(failed), [("failed", "replay", Some(replay))]);
}

#[test]
fn a_replay_counts_what_became_of_its_deliveries() {
    let scene = Scene::new();
    let mut live = scene.writer();
    live.append(&[scene.failed(1, "billing", &["a"]), scene.failed(2, "billing", &["a"])]).unwrap();
    let (mut replayer, replay) = scene.replayer();
    let row = || {
        let columns = "SELECT delivered, failed, skipped, run_id, selection, ended_at_us IS NOT NULL FROM replay WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            let counts = [row.get(0)?, row.get(1)?, row.get(2)?];
            Ok::<([i64; 3], i64, String, bool), rusqlite::Error>((counts, row.get(3)?, row.get(4)?, row.get(5)?))
        };
        live.connection.query_row(columns, [replay], read).unwrap()
    };
    assert_eq!(row(), ([0; 3], replayer.run().run, "{\"ids\":[1]}".into(), false));
    let entries = [scene.delivered(1, "billing"), scene.failed(2, "billing", &["a"]), scene.delivered(9, "billing")];
    replayer.append(&entries.map(|entry| by_replay(replay, entry))).unwrap();
    assert_eq!(row().0, [2, 1, 0], "a record without an entry counts, too");
    replayer.append(&[scene.passed_over(2, Some("billing")), scene.passed_over(3, None)]).unwrap();
    replayer.append(&[scene.delivered(2, "audit"), scene.failed(2, "audit", &["a"])]).unwrap();
    assert_eq!(row().0, [2, 1, 2], "what is live is not the replay's");
    replayer.end(RunEnd::Done, Some(3)).unwrap();
    assert_eq!((row().0, row().3), ([2, 1, 2], true));
}

#[test]
fn a_claim_ends_with_its_own_run_and_outlasts_what_others_do() {
    let scene = Scene::new();
    let mut live = scene.writer();
    let early = Sample { offset: 1, receiver: None, stage: Stage::Route, ..Sample::default() };
    live.append(&[scene.failed(1, "billing", &["a"]), scene.failed(1, "audit", &["a"]), scene.sample(early)]).unwrap();
    let (mut replayer, replay) = scene.replayer();
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    let claimed = || {
        let mut select = by_hand.prepare("SELECT claimed_by FROM failure ORDER BY id").unwrap();
        select.query_map([], |row| row.get::<_, Option<i64>>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let run = replayer.run().run;
    let claim = || by_hand.execute("UPDATE failure SET claimed_by = ?1 WHERE state = 'open'", [run]).map(drop).unwrap();
    let (all, others) = ([Some(run); 3], |which: usize| {
        let mut all = vec![Some(run); 3];
        all[which] = None;
        all
    });
    claim();
    live.append(&[scene.failed(1, "billing", &["b"])]).unwrap();
    assert_eq!(claimed(), all, "it is still in the replay's hands");
    live.append(&[scene.passed_over(1, Some("billing")), scene.passed_over(1, None)]).unwrap();
    assert_eq!(claimed(), all, "only the run that has a claim gives it back");
    for (which, entry) in [
        (0, by_replay(replay, scene.failed(1, "billing", &["c"]))),
        (0, scene.passed_over(1, Some("billing"))),
        (1, scene.passed_over(1, Some("audit"))),
        (2, scene.passed_over(1, None)),
        (0, by_replay(replay, scene.delivered(1, "billing"))),
    ] {
        claim();
        replayer.append(&[entry]).unwrap();
        assert_eq!(claimed(), others(which));
    }
    live.append(&[scene.delivered(1, "audit")]).unwrap();
    assert_eq!(claimed(), [None, None, Some(run)], "what is resolved is nobody's");
}

#[test]
fn a_replay_does_not_say_that_a_consumers_trouble_is_over() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.incident(IncidentKind::BrokerAway, "away")]).unwrap();
    writer.end(RunEnd::Done, Some(0)).unwrap();
    drop(scene.replayer());
    assert_eq!(scene.reader().open_incidents().unwrap(), 1);
    drop(scene.writer());
    assert_eq!(scene.reader().open_incidents().unwrap(), 0);
}

#[test]
fn progress_extends_its_row_and_is_known_to_the_next_run() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.progress(5, 8)]).unwrap();
    writer.append(&[scene.progress(8, 20)]).unwrap();
    writer.append(&[scene.progress(30, 31), scene.failed(40, "billing", &["a"])]).unwrap();
    let rows: Vec<(i64, i64, i64)> = writer
        .connection
        .prepare("SELECT from_offset, to_offset, records FROM progress ORDER BY 1")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(rows, [(5, 20, 15), (30, 31, 1)]);

    let offer = Offer { partition: 0, ..offer(scene.partition.slot, &scene.partition.topic, 100) };
    let known = &scene.writer().know(&[offer]).unwrap()[0];
    assert!(known.topic_known && !known.other_uuid);
    assert_eq!(known.progress.map(|progress| (progress.to.get(), progress.is_empty)), Some((31, false)));
    assert_eq!((known.highest, &known.debts), (next(31), &Debts::all(vec![Offset::new(40).unwrap()])));
}

/// A log that was cut below what was committed may be read from its beginning again.
#[test]
fn the_debts_of_a_log_that_ends_before_the_committed_offset_are_all_there_are() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(3, "billing", &["a"]), scene.failed(60, "billing", &["a"])]).unwrap();
    let mut debts = |end| {
        let committed = Committed { next: next(50), metadata: String::new() };
        let offer = Offer { committed: Some(committed), ..offer(scene.partition.slot, &scene.partition.topic, end) };
        writer.know(&[offer]).unwrap().remove(0).debts
    };
    let offset = |at| Offset::new(at).unwrap();
    assert_eq!(debts(100), Debts::all(vec![offset(60)]));
    assert_eq!(debts(40), Debts::all(vec![offset(3), offset(60)]));
}

#[test]
fn more_debts_than_a_page_are_found_out_when_they_are_paid() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let most = i64::from(knowledge::MOST_LISTED);
    let failed: Vec<_> = (0..most + 2).map(|at| scene.failed(at * 2, "billing", &["a"])).collect();
    writer.append(&failed).unwrap();
    let known = &writer.know(&[offer(scene.partition.slot, &scene.partition.topic, 100)]).unwrap()[0];
    let last = most * 2 + 2;
    let included = |at: i64| known.debts.may_include(Offset::new(at).unwrap());
    assert_eq!([0, 1, last - 1, last, last + 1].map(included), [true, false, true, true, false]);

    writer
        .append(&[scene.delivered(last - 1, "billing"), scene.delivered(last, "billing"), scene.delivered(last, "audit")])
        .unwrap();
    let delivered: i64 = writer.connection.query_row("SELECT count(*) FROM delivered", [], |row| row.get(0)).unwrap();
    assert_eq!(delivered, 2, "nothing is written of a record without an entry");
    assert_eq!(scene.reader().counts().unwrap().resolved, 1);
}

#[test]
fn what_was_written_last_is_the_last_although_the_clock_went_back() {
    let scene = Scene::new();
    scene.writer().append(&[scene.progress(5, 8)]).unwrap();
    let ahead = "UPDATE progress SET updated_at_us = updated_at_us + 3600000000";
    scene.writer().connection.execute(ahead, []).unwrap();
    let mut back = scene.writer();
    let known = |writer: &mut Writer, topic: &Arc<crate::record::Topic>| {
        let known = writer.know(&[offer(scene.partition.slot, topic, 100)]).unwrap().remove(0);
        (known.progress.map(|progress| progress.to.get()), known.other_uuid)
    };
    back.append(&[scene.progress(2, 3)]).unwrap();
    assert_eq!(known(&mut back, &scene.partition.topic), (Some(3), false));
    back.append(&[scene.progress(3, 4)]).unwrap();
    assert_eq!(known(&mut back, &scene.partition.topic), (Some(4), false));

    let topic = Arc::new(crate::record::Topic { uuid: Some("recreated".into()), ..(*scene.partition.topic).clone() });
    assert_eq!(known(&mut back, &topic), (None, true));
    let mut partition = Arc::into_inner(partition_of("orders")).unwrap();
    partition.topic = Arc::clone(&topic);
    let counts = Counts { delivered: 1, ..Counts::default() };
    back.append(&[Entry::Progress(Progress { partition: Arc::new(partition), from: next(0), to: next(1), counts })]).unwrap();
    assert_eq!(known(&mut back, &topic), (Some(1), false), "the new topic is the one that was read last");
}

#[test]
fn a_topic_of_another_uuid_is_another_topic() {
    let scene = Scene::new();
    scene.writer().append(&[scene.progress(5, 8)]).unwrap();
    let topic = Arc::new(crate::record::Topic { uuid: Some("other".into()), ..(*scene.partition.topic).clone() });
    let known = &scene.writer().know(&[offer(scene.partition.slot, &topic, 100)]).unwrap()[0];
    assert!(known.other_uuid && !known.topic_known);
    assert_eq!(known.highest, NextOffset::ZERO);
}

#[test]
fn an_incident_counts_and_ends_when_the_next_run_starts() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let away = |message| scene.incident(IncidentKind::BrokerAway, message);
    writer.append(&[away("one"), away("two")]).unwrap();
    writer.append(&[away("three")]).unwrap();
    let list = || scene.reader().incidents(&IncidentSelection::default(), Window::default()).unwrap().items;
    let [incident] = &list()[..] else { panic!("one incident") };
    assert_eq!((incident.count, incident.message.as_str(), incident.ended_at_us), (3, "three", None));
    writer.end(RunEnd::Done, Some(0)).unwrap();
    assert_eq!(list()[0].ended_at_us, None, "a broker that is away does not come back because a run stops");
    for command in ["group", "replay"] {
        drop(scene.run_of(command, "shop", Vec::new()));
        assert_eq!(list()[0].ended_at_us, None, "a run of {command} finds out nothing of a consumer's trouble");
    }
    let _next = scene.writer();
    assert!(list()[0].ended_at_us.is_some());
    assert_eq!(scene.reader().open_incidents().unwrap(), 0);
}

#[test]
fn an_incident_that_is_told_late_says_when_it_began_and_how_often_it_happened() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let key = IncidentKey::of(IncidentKind::JournalBusy);
    let incident = Incident { count: 7, began_ago: Duration::from_secs(9), ..Incident::new(key.clone(), "it was locked".into()) };
    writer.append(&[Entry::Incident(incident.clone()), Entry::Incident(incident), Entry::IncidentEnded(key)]).unwrap();
    let incidents = scene.reader().incidents(&IncidentSelection::default(), Window::default()).unwrap().items;
    let [incident] = &incidents[..] else { panic!("one incident") };
    assert_eq!((incident.count, incident.ended_at_us.map(|at_us| at_us - incident.first_at_us)), (14, Some(9_000_000)));
}

/// The second one was once only another count of the first: what it had lost was in no row.
#[test]
fn what_is_lost_twice_of_a_partition_is_two_incidents() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let at = |offset| NextOffset::new(offset).unwrap();
    let gap = |from, to| {
        let key = IncidentKey::at(IncidentKind::Gap, &partition_of("orders"));
        Entry::Incident(Incident { from: Some(at(from)), to: Some(at(to)), ..Incident::new(key, "lost".into()) })
    };
    writer.append(&[gap(3, 5), gap(9, 12), gap(9, 12)]).unwrap();
    let incidents = scene.reader().incidents(&IncidentSelection::default(), Window::default()).unwrap().items;
    let rows: Vec<_> = incidents.iter().map(|of| (of.from_offset, of.to_offset, of.count)).collect();
    assert_eq!(rows, [(Some(9), Some(12), 2), (Some(3), Some(5), 1)]);
}

/// A supervisor that starts a run again and again once left an incident of each start.
#[test]
fn a_run_that_halts_where_the_one_before_it_did_is_the_same_incident() {
    let scene = Scene::new();
    let partition = partition_of("orders");
    let halt = |offset: i64, rule: &str, said: &str| {
        let key = IncidentKey { receiver: Some("billing".into()), ..IncidentKey::at(IncidentKind::Halt, &partition) };
        let data = serde_json::json!({ "rule": rule, "said": said });
        let from = NextOffset::new(offset);
        Entry::Incident(Incident { from, to: NextOffset::new(offset + 1), data, ..Incident::new(key, said.into()) })
    };
    let list = || scene.reader().incidents(&IncidentSelection::default(), Window::default()).unwrap().items;
    let again = |entry: Entry| scene.writer().append(&[entry]).unwrap();
    again(halt(8, "stop", "at 10:00"));
    again(halt(8, "stop", "at 10:01"));
    let [halted] = &list()[..] else { panic!("{:?}", list()) };
    assert_eq!((halted.count, halted.message.as_str(), halted.ended_at_us), (2, "at 10:01", None));
    again(halt(9, "stop", "at 10:02"));
    again(halt(8, "another", "at 10:03"));
    scene.writer_of("other", Vec::new()).append(&[halt(8, "stop", "at 10:04")]).unwrap();
    assert_eq!(list().len(), 4, "another record, rule or group is another incident");
    let seen = |writing: &mut Writing<'_>| writing.transaction.execute("UPDATE incident SET acked_at_us = 1", []).map(drop);
    scene.writer().transact(seen).unwrap();
    again(halt(8, "stop", "at 10:05"));
    assert_eq!((list().len(), list()[0].count), (5, 1), "what somebody has seen is over");
}

/// A run over the same topic once told of every type again.
#[test]
fn a_new_type_is_one_incident_of_its_group_in_whatever_run_and_partition_it_is_met() {
    let scene = Scene::new();
    let types = |topic: &str, number: i32, names: std::ops::Range<u32>| -> Vec<_> {
        let partition = Arc::new(Partition { number, ..Arc::into_inner(partition_of(topic)).unwrap() });
        let entry = |name: u32| {
            let key = IncidentKey { subject: Some(name.to_string()), ..IncidentKey::at(IncidentKind::NewType, &partition) };
            Entry::Incident(Incident { data: serde_json::json!({ "type": name.to_string() }), ..Incident::new(key, "new".into()) })
        };
        names.map(entry).collect()
    };
    let list = || scene.reader().incidents(&IncidentSelection::default(), Window::default()).unwrap().items;
    scene.writer().append(&[types("orders", 3, 0..1), types("orders", 5, 0..1)].concat()).unwrap();
    let mut next_run = scene.writer();
    next_run.append(&types("bills", 0, 0..2)).unwrap();
    let told = |at: usize| {
        let item = list().swap_remove(at);
        (item.data["type"].as_str().unwrap().to_owned(), item.topic.unwrap(), item.partition.unwrap(), item.count)
    };
    assert_eq!((list().len(), told(1)), (2, ("0".into(), "orders".into(), 3, 3)), "where it was met first");
    assert_eq!(told(0), ("1".into(), "bills".into(), 0, 1));
    scene.writer_of("other", Vec::new()).append(&types("orders", 0, 0..1)).unwrap();
    assert_eq!(list().len(), 3, "another group has its own");

    next_run.append(&types("orders", 0, 0..1_500)).unwrap();
    let mut later = scene.writer();
    later.append(&types("orders", 0, 0..3_000)).unwrap();
    assert_eq!(list().len(), 1_001, "however many types there are, and however many runs");
    next_run.transact(|writing| writing.transaction.execute("UPDATE incident SET acked_at_us = 1", []).map(drop)).unwrap();
    scene.writer().append(&types("orders", 0, 2_999..3_000)).unwrap();
    assert_eq!((list().len(), told(0).0.as_str()), (1_002, "2999"), "those that were seen make room");
}

#[test]
fn a_full_journal_is_an_error_and_nothing_of_the_transaction_stays() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    let pages: u32 = writer.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    writer.limit_pages(pages + 2).unwrap();
    let many: Vec<_> = (0..200).map(|offset| scene.failed(offset, "billing", &["a"])).collect();
    let error = writer.append(&many).unwrap_err().to_string();
    assert!(error.contains("full"), "{error}");
    assert_eq!(scene.reader().counts().unwrap().open, 0);
    writer.limit_pages(1_000_000).unwrap();
    writer.append(&many).unwrap();
    assert_eq!(scene.reader().counts().unwrap().open, 200);
}

#[test]
fn a_journal_that_is_not_there_any_more_stops_the_commit() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    std::fs::rename(scene.place().path, scene.folder.path().join("moved.db")).unwrap();
    let error = writer.append(&[scene.progress(0, 1)]).unwrap_err();
    assert!(matches!(&error, LedgerError::Replaced { what, .. } if what == "moved or deleted"), "{error}");
    std::fs::write(scene.place().path, "").unwrap();
    let error = writer.beat().unwrap_err();
    assert!(matches!(&error, LedgerError::Replaced { what, .. } if what == "replaced by another file"), "{error}");
}

#[test]
fn a_lock_of_another_process_is_told_and_what_was_to_be_written_can_be_tried_again() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(1, "billing", &["a"])]).unwrap();
    let other = rusqlite::Connection::open(scene.place().path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let entries = [scene.failed(2, "billing", &["a"]), scene.progress(0, 3)];
    assert!(matches!(writer.append(&entries), Err(LedgerError::Locked { .. })));
    assert!(matches!(writer.beat(), Err(LedgerError::Locked { .. })));
    other.execute_batch("ROLLBACK").unwrap();
    writer.append(&entries).unwrap();
    assert_eq!(scene.reader().counts().unwrap().open, 2);
}

#[test]
fn filters_select() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer
        .append(&[scene.failed(1, "billing", &["a"]), scene.failed(2, "audit", &["b 1"]), scene.failed(3, "audit", &["b 2"])])
        .unwrap();
    writer.append(&[scene.delivered(3, "audit")]).unwrap();
    let reader = scene.reader();
    let ids = |selection: FailureSelection, window: Window| {
        let page = reader.failures(&selection, window).unwrap();
        (page.items.iter().map(|item| item.offset_and_state()).collect::<Vec<_>>(), page.has_more)
    };
    let all = FailureSelection::default;
    assert_eq!(ids(all(), Window::default()).0, ["3 resolved", "2 open", "1 open"]);
    assert_eq!(ids(all(), Window { limit: 2, ..Window::default() }), (vec!["3 resolved".into(), "2 open".into()], true));
    assert_eq!(ids(all(), Window { limit: 2, after: Some(2), ..Window::default() }), (vec!["1 open".into()], false));
    let audit = FailureSelection { receivers: vec!["audit".into()], states: vec![FailureState::Open], ..all() };
    assert_eq!(ids(audit, Window::default()).0, ["2 open"]);
    let nobody = FailureSelection { receivers: vec!["nobody".into()], ..all() };
    assert!(ids(nobody, Window::default()).0.is_empty());
    let kind = reader.failures(&all(), Window::default()).unwrap().items[1].fingerprint[..8].to_owned();
    let alike = FailureSelection { fingerprints: vec![kind], ..all() };
    assert_eq!(ids(alike, Window::default()).0, ["3 resolved", "2 open"], "numbers do not tell kinds apart");
    let range = crate::offsets::OffsetRange::parse("orders:0:2..3", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(ids(FailureSelection { offsets: vec![range], ..all() }, Window::default()).0, ["2 open"]);
}

impl crate::journal::FailureItem {
    fn offset_and_state(&self) -> String {
        format!("{} {}", self.offset, self.state.as_str())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// The counts that listings show are those of the rows, after any sequence of results.
    #[test]
    fn counts_are_those_of_the_rows(steps in prop::collection::vec((0i64..4, 0usize..3, any::<bool>()), 1..40)) {
        let scene = Scene::new();
        let mut writer = scene.writer();
        let messages = ["a 1", "b", "c 'x'"];
        for (offset, message, is_delivered) in steps {
            let entry = if is_delivered { scene.delivered(offset, "r") } else { scene.failed(offset, "r", &[messages[message]]) };
            writer.append(&[entry]).unwrap();
        }
        let rows: (u64, u64) = writer.connection.query_row(
            "SELECT count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'resolved') FROM failure", [],
            |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))).unwrap();
        let counts = scene.reader().counts().unwrap();
        prop_assert_eq!((counts.open, counts.resolved), rows);
        for entry in scene.entries() {
            prop_assert_eq!(entry.history.len(), entry.item.attempts as usize + usize::from(entry.item.state == FailureState::Resolved));
        }
    }
}
