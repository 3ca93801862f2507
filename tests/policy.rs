//! Rules of the settings file: each action on a real topic, which one goes first, and what `policy` says of them.

use serde_json::{Value, json};

use crate::replays::{item, skipped};
use crate::support::{Broker, Folder, Output, Sample, unique};

/// Fails an event as often as its data says, with the code and the message that it says, and notes each one that it takes.
const WORKER: &str = r#"
import json, os, sys
notes = os.open("taken", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
tries = {}
for line in sys.stdin:
    delivery = json.loads(line)
    event = delivery["event"]
    data, seen = event["data"], tries.get(event["id"], 0)
    tries[event["id"]] = seen + 1
    if seen < data.get("fails", 0):
        answer = {"ok": False, "class": "transient", "code": data["code"], "message": data.get("message", "it fails")}
    else:
        os.write(notes, b"%d\n" % delivery["record"]["offset"])
        answer = {"ok": True}
    print(json.dumps({"sendid": delivery["sendid"], **answer}), flush=True)
"#;

/// Without a last rule, which is about `fatal`.
const RULES: &str = r#"
[[receiver]]
name = "ledger"
target = "exec:python3 worker.py"

[[rule]]
name = "known noise"
when = { receiver = "ledger", message = "(?i)known" }
then = "skip"

[[rule]]
name = "odd ones"
when = { code = ["odd", "strange"] }
then = "journal"

[[rule]]
name = "patience"
when = { type = "order.*", code = "flaky" }
then = { retry = { times = 3, first = "10ms", max = "20ms" } }

[[rule]]
name = "no JSON"
when = { stage = "decode" }
then = "skip"

[[rule]]
name = "books are wrong"
when = { code = "fatal" }
then = "#;

const ALWAYS: i32 = 1_000;

fn event(id: i32, code: &str, fails: i32, message: &str) -> Sample {
    let data = json!({ "code": code, "fails": fails, "message": message });
    Sample::event("order.placed", &id.to_string(), data.to_string())
}

fn taken(folder: &Folder) -> Vec<i64> {
    folder.lines("taken").iter().map(|line| line.parse().unwrap()).collect()
}

fn items(output: &Output) -> Vec<Value> {
    let document: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    document["items"].as_array().unwrap().clone()
}

/// One event of each kind, in the order of their offsets.
fn events() -> [Sample; 10] {
    [
        event(0, "", 0, ""),
        event(1, "noise", ALWAYS, "a Known one"),
        event(2, "odd", ALWAYS, "it is odd"),
        event(3, "flaky", 3, "not yet"),
        event(4, "flaky", ALWAYS, "never"),
        event(5, "busy", ALWAYS, "try later"),
        Sample::event("order.placed", "6", "{"),
        event(7, "odd", ALWAYS, "odd, but known"),
        event(8, "fatal", ALWAYS, "the sum is wrong"),
        event(9, "", 0, ""),
    ]
}

/// What the journal has after two runs that halted.
#[track_caller]
fn halted_twice(folder: &Folder) {
    let journal = folder.journal();
    let rows: Vec<_> = journal.failures().iter().map(|row| (row.offset, row.code.clone(), row.attempts)).collect();
    assert_eq!(rows, [(2, "odd".to_owned(), 1), (4, "flaky".to_owned(), 4), (5, "busy".to_owned(), 1)]);
    let rules = journal.lines("SELECT coalesce(rule, '-') FROM failure ORDER BY offset");
    assert_eq!(rules, ["odd ones", "patience", "-"]);
    let progress = journal.progress();
    assert_eq!(progress.iter().map(|row| (row.delivered, row.failed, row.skipped)).fold((0, 0, 0), sum), (2, 3, 3));
    let halts = journal.incidents();
    let [halt] = &halts[..] else { panic!("one that counts: {halts:?}") };
    assert_eq!((halt.kind.as_str(), halt.is_open, halt.from, halt.to), ("halt", true, Some(8), Some(9)));
    assert_eq!((halt.count, halt.receiver.as_str()), (2, "ledger"));
    let ends: Vec<_> = journal.runs().iter().map(|run| (run.stop_reason.clone(), run.exit_code)).collect();
    assert_eq!(ends, [(Some("halt".to_owned()), Some(4)), (Some("halt".to_owned()), Some(4))]);
}

#[test]
fn each_rule_does_what_it_says_and_the_first_one_that_matches_goes_first() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("policy"));
    let topic = broker.topic("policy", 1);
    topic.produce(&events());
    folder.write("worker.py", WORKER);
    folder.write("redrive.toml", &format!("{RULES}\"halt\""));
    let consume = || folder.consume(&topic, &group, ["--from", "earliest", "--until-end", "--retries", "0"]);

    // It halts before the record, and so does the next run.
    for run in 1..=2 {
        let output = consume().run().expect_code(4);
        let said = format!(
            "rule `books are wrong` (redrive.toml, line 26) halts at {}/0/8: receive/fatal of receiver ledger",
            topic.name()
        );
        assert!(output.stderr.contains(&said), "{}", output.stderr);
        assert_eq!(topic.committed(&group)[&0].0, 8, "run {run}");
    }
    assert_eq!(taken(&folder), [0, 3], "in its order, and nothing behind what it halts at");
    halted_twice(&folder);

    // Another action, and it goes on.
    folder.write("redrive.toml", &format!("{RULES}\"journal\""));
    consume().run().expect_code(0);
    assert_eq!((taken(&folder), topic.committed(&group)[&0].0), (vec![0, 3, 9], 10));
    explains(&folder);
    let dry = ["--dry-run", "--from", "earliest", "--until-end", "--config", "dry.toml"];
    folder.write("dry.toml", &format!("{}\"skip\"", RULES.replace("then = \"skip\"", "then = \"halt\"")));
    would_halt(&folder.consume(&topic, &unique("policy-dry"), dry).run().expect_code(4));
    applies_to_replays(&folder);
}

/// A dry run leaves no incident behind, and nothing comes again because of it.
#[track_caller]
fn would_halt(dry: &Output) {
    let said = &dry.stderr;
    assert!(said.contains("rule `no JSON`") && said.contains("a run would stop there, and commit nothing behind it"), "{said}");
    assert!(!said.contains("incidents list") && !said.contains("delivered again"), "{said}");
}

/// Who decided, and who would.
#[track_caller]
fn explains(folder: &Folder) {
    let explained =
        |more: &[&str]| items(&folder.redrive(["policy", "explain", "-o", "json"]).args(more.iter().copied()).run().expect_code(0));
    let all = explained(&["--last", "10"]);
    let decided: Vec<_> = all.iter().map(|of| of["decided"]["name"].as_str().unwrap()).collect();
    assert_eq!(decided, ["books are wrong", "built-in: transient", "patience", "odd ones"]);
    assert!(all.iter().all(|of| of["decided"]["name"] == of["would"]["name"]), "{all:?}");
    folder.write("new.toml", "[[rule]]\nname = \"wait\"\nwhen = { class = \"transient\", receiver = \"ledger\" }\nthen = \"hold\"");
    let id = all[1]["id"].to_string();
    let [busy] = &explained(&[&id, "--rules", "new.toml"])[..] else { panic!("one") };
    let (decided, would) = (&busy["decided"], &busy["would"]);
    assert_eq!((&decided["built_in"], &would["name"], &would["then"]), (&true.into(), &"wait".into(), &"hold".into()));
    assert_eq!(explained(&[&id, &id]).len(), 1, "an entry that is named twice is one");
    let next = folder.redrive(["policy", "explain", "--last", "3", "--rules", "new.toml"]).run().expect_code(0).stdout;
    assert!(next.contains("what each rule says: redrive policy explain --rules new.toml\n"), "{next}");
    let shown = folder.redrive(["errors", "show", &all[3]["id"].to_string()]).run().expect_code(0).stdout;
    assert!(shown.contains("\nrule      odd ones\n"), "{shown}");
}

/// What is skipped there stays open.
#[track_caller]
fn applies_to_replays(folder: &Folder) {
    let odd = |then: &str| format!("when = {{ code = [\"odd\", \"strange\"] }}\nthen = \"{then}\"");
    folder.write("replay.toml", &format!("{}\"halt\"", RULES.replace(&odd("journal"), &odd("skip"))));
    let replay = |code: &str| {
        folder.redrive(["replay", "--config", "replay.toml", "--include-uncommitted", "-o", "json", "--code", code]).run()
    };
    let summary = item(&replay("odd").expect_code(3));
    assert_eq!(skipped(&summary)["a rule skips it"], 1, "{summary}");
    assert!(replay("fatal").expect_code(4).stdout.contains("rule `books are wrong` (replay.toml, line 26) halts at"));
    let open: Vec<_> = folder.journal().failures().iter().filter(|row| row.state == "open").map(|row| row.offset).collect();
    assert_eq!((open, folder.journal().claimed()), (vec![2, 4, 5, 8], 0));
}

fn sum(one: (i64, i64, i64), other: (i64, i64, i64)) -> (i64, i64, i64) {
    (one.0 + other.0, one.1 + other.1, one.2 + other.2)
}

#[test]
fn rules_are_checked_and_listed_without_a_broker_or_a_journal() {
    let folder = Folder::new();
    let none = folder.redrive(["policy", "check"]).run().expect_code(2);
    assert!(none.stderr.contains("there is no settings file to check"), "{}", none.stderr);
    let built_in = items(&folder.redrive(["policy", "explain", "-o", "json"]).run().expect_code(0));
    assert!(built_in.len() == 5 && built_in.iter().all(|rule| rule["built_in"] == true), "{built_in:?}");
    let no_journal = folder.redrive(["policy", "explain", "--last", "10"]).run().expect_code(2);
    assert!(no_journal.stderr.contains("there is no journal at ./redrive.db"), "{}", no_journal.stderr);

    folder.write("good.toml", &format!("{RULES}\"halt\""));
    let checked = items(&folder.redrive(["policy", "check", "good.toml", "-o", "json"]).run().expect_code(0));
    let names: Vec<_> = checked.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["known noise", "odd ones", "patience", "no JSON", "books are wrong"]);
    assert_eq!((&checked[2]["then"]["times"], &checked[2]["line"]), (&3.into(), &16.into()));
    let shown = folder.redrive(["policy", "check", "good.toml"]).run().expect_code(0).stdout;
    assert!(shown.starts_with("5 rules of good.toml") && shown.contains("--last 1000 --rules good.toml"), "{shown}");

    // What is not there is not blamed on a flag that nobody gave, and what is asked next is asked of the same rules.
    let unreadable = folder.redrive(["policy", "check", "nowhere.toml"]).run().expect_code(2).stderr;
    assert!(unreadable.contains("(the argument FILE)") && !unreadable.contains("--config"), "{unreadable}");
    let listed =
        |arguments: &[&str]| folder.redrive(["policy", "explain"]).args(arguments.iter().copied()).run().expect_code(0).stdout;
    for from in ["--rules", "--config"] {
        let shown = listed(&[from, "good.toml"]);
        assert!(shown.contains(&format!("policy explain --last 1000 {from} good.toml\n")), "{shown}");
    }
    let both = folder.redrive(["policy", "check", "good.toml", "--config", "good.toml"]).run().expect_code(0).stdout;
    assert!(both.contains("policy explain --last 1000 --rules good.toml --config good.toml\n"), "{both}");

    let shadow =
        "[[rule]]\nname = \"all\"\nthen = \"journal\"\n[[rule]]\nname = \"never\"\nwhen = { code = \"a\" }\nthen = \"skip\"";
    folder.write("shadow.toml", shadow);
    let warned = folder.redrive(["policy", "check", "shadow.toml"]).run().expect_code(0).stdout;
    let said = "warning: rule `never` (shadow.toml, line 4) can never match: `all` (line 1) goes before it, and matches all";
    assert!(warned.contains("1 warning") && warned.contains(said) && !warned.contains("nothing is wrong"), "{warned}");

    for (wrong, said) in [
        (
            RULES.replace("receiver = \"ledger\"", "receiver = \"leger\"") + "\"halt\"",
            "there is no receiver leger; did you mean `ledger`?",
        ),
        (format!("{RULES}\"hlat\""), "did you mean `halt`?"),
        (RULES.replace("code = \"flaky\"", "cod = \"flaky\"") + "\"halt\"", "`when` has no key `cod`; did you mean `code`?"),
    ] {
        folder.write("wrong.toml", &wrong);
        let output = folder.redrive(["policy", "check", "wrong.toml"]).run().expect_code(2);
        assert!(output.stderr.contains("wrong.toml, line ") && output.stderr.contains(said), "{}", output.stderr);
    }
}
