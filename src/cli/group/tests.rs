//! The commands on a cluster that remembers what it was told, and on real journals.

use std::path::PathBuf;

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::cli::error::ErrorKind;
use crate::cli::output::Output;
use crate::cli::output::captured::Captured;
use crate::cli::samples::JOURNAL;
use crate::cli::schemas;
use crate::cli::screen::Screen;
use crate::cli::window::Turn;
use crate::cli::window::composed::composed;
use crate::engine::ledger::Ledger as _;
use crate::journal::samples::Scene;
use crate::offsets::doubles::{Cluster, at, committed, member, orders};
use crate::offsets::{GroupMember, GroupOffset, MoveId, MoveState, PastItem, PastMove};
use crate::receiver::Receivers;
use crate::settings::{GlobalSettings, Layers, OutputFormat, table};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: GroupArgs,
}

/// A folder with or without a journal, and a cluster whose topic `orders` is the one that the journal knows.
struct Desk {
    scene: Scene,
    cluster: Cluster,
}

/// What a user sees.
struct Seen {
    code: u8,
    error: Option<CommandError>,
    captured: Captured,
}

impl Desk {
    /// The group stands at 50 and 60; there is nothing of partition 2.
    fn new() -> Self {
        let scene = Scene::new();
        let cluster = Cluster::with([committed(0, 50, "tool"), committed(1, 60, "")]);
        Self { scene, cluster }
    }

    fn run(&self, words: &str, format: OutputFormat) -> Seen {
        let (output, captured) = Output::captured(format, Some(100));
        let words: Vec<&str> = words.split_whitespace().collect();
        let Line { args } = Line::try_parse_from(&words).unwrap_or_else(|error| panic!("{error}"));
        let name = args.name();
        let (code, error) = self.with_session(args.settings(), output, |session| {
            match args.run_with(session, || Ok(&self.cluster), self.scene.folder.path()) {
                Ok(code) => (code, None),
                Err(error) => (session.output.error(name, &error), Some(error)),
            }
        });
        Seen { code, error, captured }
    }

    fn with_session<T>(&self, mut given: Given, output: Output, work: impl FnOnce(&Session<'_>) -> T) -> T {
        given.set(&table::JOURNAL, vec![self.scene.place().path.display().to_string()]);
        given.set(&table::BOOTSTRAP_SERVER, vec!["localhost:9092".into()]);
        let layers = Layers::without_file(given, &|_| None);
        let global = GlobalSettings::read(&layers).unwrap();
        work(&Session { layers, global, output, receivers: Receivers::new() })
    }

    /// What is written, with what is different each time made the same.
    fn shown(&self, words: &str) -> String {
        let Seen { code, captured, .. } = self.run(words, OutputFormat::Table);
        let folder = self.scene.folder.path().display().to_string();
        let text = format!("{}{}exit {code}", captured.stdout(), captured.stderr()).replace(&folder, "");
        let plain = [
            (r"\([0-9a-f]{8}\)", "(7c1f09aa)"),
            (r"\d{8}T\d{6}\.\d{6}Z", "TIME"),
            (r"\d{4}-\d\d-\d\dT[0-9:]+Z", "2026-11-23T05:00:00Z"),
        ];
        plain.iter().fold(text, |text, (of, instead)| regex::Regex::new(of).unwrap().replace_all(&text, *instead).into_owned())
    }

    fn items(&self, words: &str, schema: &str) -> Vec<Value> {
        let Seen { error, captured, .. } = self.run(words, OutputFormat::Json);
        assert_eq!(error, None, "{words}");
        let document: Value = serde_json::from_str(&captured.stdout()).unwrap();
        schemas::check("document", &document);
        let items = document["items"].as_array().unwrap().clone();
        items.iter().for_each(|item| schemas::check(schema, item));
        items
    }

    fn refused(&self, words: &str) -> CommandError {
        let seen = self.run(words, OutputFormat::Table);
        let error = seen.error.unwrap_or_else(|| panic!("{words} was not refused: {}", seen.captured.stdout()));
        assert_eq!(seen.code, error.kind.exit_code());
        error
    }

    /// The files of undos, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let there = std::fs::read_dir(self.scene.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = there.filter(|path| path.extension().is_some_and(|ending| ending == "csv")).collect();
        files.sort();
        files
    }

    fn has(&self) -> Vec<(i64, String)> {
        self.cluster.has().into_iter().map(|GroupOffset { next, metadata, .. }| (next.get(), metadata)).collect()
    }

    fn has_journal(&self) -> bool {
        self.scene.place().path.exists()
    }
}

const RESET: &str = "group reset -g shop -t orders --to-earliest";

#[test]
fn a_preview_changes_nothing_and_makes_no_journal() {
    let desk = Desk::new();
    let before = desk.has();
    insta::assert_snapshot!("preview_without_a_journal", desk.shown(RESET));
    assert!(desk.has() == before && !desk.has_journal() && desk.files().is_empty());
    desk.scene.writer().append(&[]).unwrap();
    insta::assert_snapshot!("preview_with_a_journal", desk.shown(RESET));
    assert_eq!(desk.has(), before);
    let item = &desk.items("group reset -g shop -t orders:0 --to-offset 5", "planned-move")[0];
    let expected = json!({ "topic": "orders", "partition": 0, "current": 50, "new": 10, "delivered_again": 40, "skipped": 0, "open_errors": 0,
        "clamped": "start", "move_id": null });
    assert_eq!(*item, expected);
}

#[test]
fn a_reset_is_saved_made_read_back_and_taken_back() {
    let desk = Desk::new();
    insta::assert_snapshot!("executed", desk.shown(&format!("{RESET} --execute --reason night")));
    let uuid = desk.scene.reader().uuid().to_owned();
    assert_eq!(desk.has(), [1, 1, 1].map(|id| (10, format!("rd1:{uuid}:10:m{id}"))));
    let [file] = desk.files().try_into().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["orders,0,50", "orders,1,60", "# orders,2 had no committed offset"]);

    insta::assert_snapshot!("undo_preview", desk.shown("group undo"));
    assert_eq!(desk.has()[0].0, 10, "a preview");
    let items = desk.items("group undo --execute --reason again", "planned-move");
    assert_eq!((&items[2]["current"], &items[2]["new"], &items[2]["move_id"]), (&json!(10), &json!(null), &json!(2)));
    assert_eq!(desk.has(), [(50, "tool".to_owned()), (60, String::new())]);

    let moves = desk.items("group history -g shop", "group-move");
    let told = |of: &Value| (of["move_id"].clone(), of["state"].clone(), of["undoes"].clone(), of["reason"].clone());
    assert_eq!(told(&moves[0]), (json!(2), json!("done"), json!(1), json!("again")));
    assert_eq!(told(&moves[1]), (json!(1), json!("done"), json!(null), json!("night")));
    let items = json!([
        { "topic": "orders", "partition": 0, "from": 50, "to": 10, "read_back": 10, "error": null },
        { "topic": "orders", "partition": 1, "from": 60, "to": 10, "read_back": 10, "error": null },
        { "topic": "orders", "partition": 2, "from": null, "to": 10, "read_back": 10, "error": null },
    ]);
    assert_eq!(moves[1]["items"], items);
    assert_eq!(desk.run("group history -g other", OutputFormat::Jsonl).captured.stdout(), "");

    desk.run("group undo --execute", OutputFormat::Table);
    assert_eq!(desk.has()[0], (10, format!("rd1:{uuid}:10:m1")), "an undo of an undo is a redo");
    assert!(desk.refused("group undo 2").message.contains("move 2 left nothing to take back"));
}

#[test]
fn a_group_that_has_moved_on_is_left_where_it_is() {
    let desk = Desk::new();
    desk.run(&format!("{RESET} --execute"), OutputFormat::Table);
    desk.cluster.put([committed(0, 33, "somebody\u{1b}[2J")]);
    insta::assert_snapshot!("moved_on", desk.shown("group undo --execute"));
    assert_eq!((desk.refused("group undo").kind, desk.has()[0].0), (ErrorKind::Refused, 33));
    assert_eq!(desk.run("group undo --execute --force", OutputFormat::Table).code, 0);
    assert_eq!(desk.has()[0], (50, "tool".to_owned()));
}

#[test]
fn the_file_of_an_undo_can_be_read_again() {
    let desk = Desk::new();
    desk.run(&format!("{RESET} --execute"), OutputFormat::Table);
    let file = desk.files()[0].display().to_string();
    assert_eq!(desk.run(&format!("group reset -g shop --from-file {file} --execute"), OutputFormat::Table).code, 0);
    assert_eq!(desk.has().iter().map(|(next, _)| *next).collect::<Vec<_>>(), [50, 60, 10]);
}

#[test]
fn what_differs_is_named_and_written_down() {
    let desk = Desk::new();
    desk.cluster.bends.borrow_mut().insert(1, committed(1, 11, "somebody"));
    let error = desk.refused(&format!("{RESET} --execute"));
    assert_eq!(error.kind, ErrorKind::CannotGoOn);
    let expected = "group shop is not where it was to go: move 1 differs in 1 of 3 partitions\n\
        orders/1: expected offset 10, and read back offset 11";
    assert_eq!(error.message, expected);
    assert!(error.hints.iter().any(|hint| hint.contains("group undo 1 --execute")), "{error:?}");
    let of = &desk.items("group history", "group-move")[0];
    assert_eq!((&of["state"], &of["items"][1]["read_back"]), (&json!("differs"), &json!(11)));
    desk.cluster.bends.borrow_mut().clear();
    assert_eq!(desk.run("group undo --execute", OutputFormat::Table).code, 0);
    assert_eq!(desk.has(), [(50, "tool".to_owned()), (60, String::new())]);
}

/// Cut off behind each step: history tells the truth, and undo works.
#[test]
fn a_broker_that_dies_leaves_a_history_that_is_true() {
    for (call, time, reached) in [("describe", 2, 50), ("committed", 2, 50), ("alter", 1, 50), ("committed", 3, 10)] {
        let desk = Desk::new();
        desk.cluster.fails_at(call, time);
        let error = desk.refused(&format!("{RESET} --execute"));
        assert!(error.kind == ErrorKind::CannotGoOn && error.message.contains("broker transport failure"), "{error:?}");
        let of = &desk.items("group history", "group-move")[0];
        assert_eq!((&of["state"], desk.has()[0].0), (&json!("failed"), reached), "{call}");
        match reached {
            50 => assert!(desk.refused("group undo").message.contains("move 1 left nothing to take back")),
            _ => assert_eq!(desk.run("group undo --execute", OutputFormat::Table).code, 0),
        }
        assert_eq!(desk.has(), [(50, "tool".to_owned()), (60, String::new())], "{call}");
    }
}

#[test]
fn a_member_that_comes_meanwhile_is_named() {
    let desk = Desk::new();
    desk.cluster.refuses.borrow_mut().extend([0, 1, 2]);
    desk.cluster.joins_at_change.set(true);
    let error = desk.refused(&format!("{RESET} --execute"));
    assert!(error.causes[0].contains("it has members again") && error.causes[0].contains("late-1"), "{error:?}");
}

/// While another process has the journal, a consumer may come and go.
#[test]
fn what_was_committed_behind_the_look_is_not_overwritten() {
    let desk = Desk::new();
    desk.cluster.commits_at("describe", 2, committed(1, 65, "rd1:j:65:r3"));
    let error = desk.refused(&format!("{RESET} --execute"));
    let expected = "group shop has committed since it was looked at\n\
        orders/1: expected offset 60 as it was looked at, and found offset 65";
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Refused, expected));
    assert!(error.hints[0].starts_with("look again: redrive group describe -g shop"), "{error:?}");
    assert_eq!(desk.has().iter().map(|(next, _)| *next).collect::<Vec<_>>(), [50, 65]);
    let of = &desk.items("group history", "group-move")[0];
    assert_eq!((&of["state"], &of["items"][1]["read_back"]), (&json!("failed"), &json!(null)));
    assert_eq!(desk.refused("group undo --execute").kind, ErrorKind::Refused, "what the consumer has is its own");
}

#[test]
fn a_journal_that_has_to_be_waited_for_is_opened_before_the_group_is_looked_at() {
    let desk = Desk::new();
    std::fs::create_dir(desk.scene.place().path).unwrap();
    desk.refused(&format!("{RESET} --execute"));
    assert!(desk.cluster.calls.borrow().is_empty(), "{:?}", desk.cluster.calls.borrow());
}

#[test]
fn members_are_named_with_their_partitions() {
    let desk = Desk::new();
    let fixed = GroupMember {
        static_id: Some("shop-1".into()),
        host: "10.1.4.123".into(),
        assigned: vec![],
        ..member("consumer-shop-22\u{1b}[2J")
    };
    desk.cluster.members.borrow_mut().extend([member("consumer-shop-1"), fixed]);
    insta::assert_snapshot!("members", desk.shown(RESET));
    assert_eq!(desk.refused(RESET).kind, ErrorKind::Refused);
    assert_eq!(desk.refused(&format!("{RESET} --wait-empty 1ms")).kind, ErrorKind::Refused);
}

#[test]
fn nothing_is_done_when_the_old_offsets_cannot_be_kept() {
    let desk = Desk::new();
    let before = desk.has();
    std::fs::create_dir(desk.scene.place().path).unwrap();
    assert_eq!(desk.refused(&format!("{RESET} --execute")).kind, ErrorKind::Usage, "the journal is a folder");
    assert!(desk.has() == before && desk.files().is_empty());
    std::fs::remove_dir(desk.scene.place().path).unwrap();
    drop(desk.scene.writer());
    let words = format!("{RESET} --execute");
    let line = Line::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{error}"));
    let (output, _) = Output::captured(OutputFormat::Table, None);
    let nowhere = desk.scene.folder.path().join("nowhere");
    let ran =
        desk.with_session(line.args.settings(), output, |session| line.args.run_with(session, || Ok(&desk.cluster), &nowhere));
    let error = ran.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CannotGoOn);
    assert!(
        error.message.starts_with("nothing was changed: ") && error.message.contains("nowhere/redrive-undo-shop-"),
        "{error:?}"
    );
    assert!(desk.has() == before && desk.items("group history", "group-move").is_empty());
}

#[test]
fn targets_and_partitions_are_asked_for_one_by_one() {
    let desk = Desk::new();
    let said = |words: &str| {
        let error = desk.refused(&format!("group reset -g shop {words}"));
        assert_eq!(error.kind, ErrorKind::Usage, "{words}");
        error.message
    };
    assert_eq!(said("-t orders"), "nothing says where the group is to go");
    assert_eq!(said("-t orders --to-latest --to-earliest"), "--to-earliest and --to-latest cannot be given together");
    assert_eq!(said("--to-latest"), "nothing says which partitions are to be moved");
    assert!(said("-t orders --to-datetime 2026-11-23T05:00:00").starts_with("--to-datetime: `2026-11-23T05:00:00` has no zone"));
    assert!(said("-t orders --by-duration P1M").starts_with("--by-duration: `P1M` counts in months"));
    assert!(said("-t orders --by-duration P99999999D").starts_with("--by-duration: `P99999999D` reaches back"), "as it was typed");
    let signed = "--by-duration: `-PT5M` has a sign: how long ago it was is written without one, like PT5M";
    assert_eq!(said("-t orders --by-duration -PT5M"), signed);
    assert!(said("-t orders:x --to-latest").starts_with("--topic: `x` is not a partition"));
    assert_eq!(said("-t ordres --to-latest"), "there is no topic ordres on this cluster");
    assert_eq!(desk.refused("group reset -g shop -t ordres --to-latest").hints, ["did you mean orders?"]);
    assert_eq!(said("-t orders:7 --to-latest"), "there is no partition orders/7: topic orders has 3");
    assert!(said("-t orders --to-progress").contains("there is no journal at"));
    assert!(said("-t orders --to-failure 7").contains("there is no journal at"));
    let unknown = desk.refused("group reset -g shpo -t orders --to-latest");
    assert_eq!((unknown.kind, unknown.message.as_str()), (ErrorKind::Usage, "there is no group shpo on this cluster"));
    assert_eq!(unknown.hints, ["did you mean shop?", "to give it its first offsets: add --create"]);
    assert!(!desk.has_journal());
}

#[test]
fn a_line_of_a_file_that_is_wrong_is_named() {
    let desk = Desk::new();
    let said = |text: &str| {
        let file = desk.scene.folder.path().join("plan");
        std::fs::write(&file, text).unwrap();
        let error = desk.refused(&format!("group reset -g shop --from-file {}", file.display()));
        assert_eq!(error.kind, ErrorKind::Usage);
        error.message.split_once("plan, ").map_or(error.message.clone(), |(_, said)| said.to_owned())
    };
    assert_eq!(said("orders,0,5\norders,0,6\n"), "line 2: orders/0 is in line 1 already");
    assert_eq!(said("orders,0,5\norders,7,6\n"), "line 2: there is no partition orders/7: topic orders has 3");
    assert_eq!(said("orders,0,5\n\nordres,0,6\n"), "line 3: there is no topic ordres on this cluster");
    assert_eq!(said("orders,0,five\n"), "line 1: `five` is not an offset: expected a whole number");
    assert!(said("# nothing\n").ends_with("plan names no partition"));
    let file = desk.scene.folder.path().join("plan");
    std::fs::write(&file, "topic,partition,offset\norders,0,-5\n").unwrap();
    let reset = format!("group reset -g shop --from-file {}", file.display());
    let others = desk.refused(&format!("{reset} -t orders:1"));
    assert!(others.message.ends_with("plan names none of the partitions that were asked for with --topic"), "{others:?}");
    let item = &desk.items(&reset, "planned-move")[0];
    assert_eq!(
        (&item["new"], &item["clamped"]),
        (&json!(10), &json!("start")),
        "below 0 is outside of the log, as with --to-offset"
    );
    assert_eq!(desk.refused(&format!("{reset} --strict")).kind, ErrorKind::Refused);
    let missing = desk.refused("group reset -g shop --from-file nosuch.csv").message;
    assert!(missing.contains("nosuch.csv cannot be read"), "{missing}");
}

#[test]
fn strictness_is_a_refusal_that_names_what_is_outside() {
    let desk = Desk::new();
    let error = desk.refused("group reset -g shop -t orders:0 --to-offset 101 --strict");
    let expected = "1 partition would have to go to offsets outside of the log\n\
        orders/0: offset 101 is above the log, which ends at 100: without --strict 100 would be taken";
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Refused, expected));
    let future = desk.refused("group reset -g shop -t orders:0 --to-datetime 2100-01-01T00:00:00Z --strict").message;
    assert!(
        future.ends_with("no record is as young as 2100-01-01T00:00:00Z: without --strict the end of the log, 100, would be taken"),
        "{future}"
    );
}

#[test]
fn groups_are_listed_and_described() {
    let desk = Desk::new();
    insta::assert_snapshot!("list", desk.shown("group list"));
    assert_eq!(
        desk.items("group list", "group"),
        [json!({ "group": "shop", "state": "Empty", "protocol": "classic", "members": 0, "lag": 90 })]
    );
    let named = GroupMember { assigned: vec![at("orders", 2)], ..member("consumer-shop-1") };
    let idle = GroupMember { assigned: vec![], ..member("consumer-shop-2") };
    desk.cluster.members.borrow_mut().extend([named, idle]);
    insta::assert_snapshot!("describe_without_a_journal", desk.shown("group describe -g shop"));
    desk.scene.writer().append(&[]).unwrap();
    let items = desk.items("group describe -g shop", "group-partition");
    let expected = json!({ "topic": "orders", "partition": 0, "committed": 50, "start": 10, "end": 100, "lag": 50, "member": null,
        "host": null, "open_errors": 0, "deferred": 0, "metadata": "tool", "receivers": [] });
    assert_eq!((&items[0], &items[2]["member"], items.len()), (&expected, &json!("consumer-shop-1"), 3));
    assert_eq!(desk.refused("group describe -g shpo").hints, ["did you mean shop?"]);
    assert!(desk.refused("group describe").message.starts_with("group is needed"));
}

#[test]
fn receivers_that_missed_something_are_shown_by_themselves() {
    let desk = Desk::new();
    *desk.cluster.uuid.borrow_mut() = desk.scene.partition.topic.uuid.clone().unwrap();
    // Nothing of the double's is a minute old on the first day of time.
    desk.cluster.keeps.set(Some(std::time::Duration::from_secs(u64::from(u32::MAX) * 100)));
    let deferred = |receiver, from, to, events| desk.scene.deferred(receiver, (from, to), events);
    let entries = [deferred("billing", 20, 40, 15), deferred("search", 5, 30, 25), deferred("billing", 45, 50, 5)];
    let mut writer = desk.scene.writer();
    writer.append(&entries).unwrap();
    let items = desk.items("group describe -g shop", "group-partition");
    let receivers = items[0]["receivers"].as_array().unwrap();
    let told = |of: &Value| (of["receiver"].clone(), of["position"].clone(), of["lag"].clone(), of["deferred"].clone());
    let expected = [(json!("billing"), json!(20), json!(80), json!(20)), (json!("search"), json!(5), json!(95), json!(25))];
    assert_eq!((receivers.iter().map(told).collect::<Vec<_>>(), &items[0]["deferred"]), (expected.to_vec(), &json!(45)));
    assert_eq!(
        (receivers[0]["retention_ms"].is_u64(), &receivers[1]["retention_ms"], &items[1]["receivers"]),
        (true, &json!(0), &json!([]))
    );
    let shown = desk.shown("group describe -g shop");
    let hours = regex::Regex::new(r"\d+ h \d+ min").unwrap();
    assert!(hours.is_match(&shown), "{shown}");
    insta::assert_snapshot!("describe_with_deferred", hours.replace(&shown, "71 h 59 min"));
    writer.append(&[desk.scene.caught_up("billing", (0, 48)), desk.scene.caught_up("search", (0, 30))]).unwrap();
    let items = desk.items("group describe -g shop", "group-partition");
    let receivers = items[0]["receivers"].as_array().unwrap();
    assert_eq!(receivers.iter().map(told).collect::<Vec<_>>(), [(json!("billing"), json!(48), json!(52), json!(2))]);
}

#[test]
fn which_move_is_meant_is_found_or_asked() {
    let desk = Desk::new();
    assert!(desk.refused("group undo").message.contains("there is no journal at"));
    assert!(desk.refused("group history").message.contains("there is no journal at"));
    desk.run(&format!("{RESET} --execute"), OutputFormat::Table);
    let said = |words: &str| desk.refused(words).message;
    assert!(said("group undo 9").contains("move 9 is not in the journal"));
    assert!(said("group undo -g shpo").contains("there is no move of group shpo"));
    assert_eq!(said("group undo 1 -g other"), "move 1 is of group shop, not of other");
}

#[test]
fn histories() {
    let item = |partition: i32, old: Option<i64>, new: Option<i64>, error: Option<&str>| PastItem {
        topic: orders(),
        at: at("orders", partition),
        old: old.map(|offset| committed(partition, offset, "")),
        new: new.map(|offset| committed(partition, offset, "m")),
        read_back: None,
        error: error.map(str::to_owned),
    };
    let of = |id: i64, state: MoveState, reason: &str, items: Vec<PastItem>| PastMove {
        id: MoveId(id),
        group: "shop".into(),
        undoes: (id == 3).then_some(MoveId(2)),
        state,
        reason: reason.into(),
        who: "ops".into(),
        host: "shop-0.internal".into(),
        at_us: 1_795_442_702_003_000,
        items,
    };
    let moves = || {
        vec![
            of(3, MoveState::Planned, "\u{1b}[2Jwrong topic", vec![item(0, Some(1_004), Some(2_210), None)]),
            of(2, MoveState::Failed, "", vec![item(0, Some(2_210), Some(1_004), Some("no")), item(1, None, Some(1_011), None)]),
            of(1, MoveState::Done, "billing was broken since 02:10", (0..12).map(|at| item(at, Some(7), None, None)).collect()),
        ]
    };
    let args = history("group history --limit 3 --group shop");
    for width in [None, Some(80), Some(140)] {
        let screen = Screen { width, is_colored: false };
        let brokers = vec!["-b".to_owned(), "localhost:9092".to_owned()];
        let group = (width != Some(140)).then_some("shop");
        let listing = history::Listing { args: &args, group, journal: JOURNAL, screen, brokers };
        let shown = composed(&listing, Turn { items: moves(), next: Some(1) }, screen);
        insta::assert_snapshot!(format!("history_at_{}_columns", width.map_or("no".to_owned(), |width| width.to_string())), shown);
    }
}

fn history(words: &str) -> history::HistoryArgs {
    match Line::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{error}")).args.command {
        GroupCommand::History(args) => args,
        other => panic!("{other:?}"),
    }
}
