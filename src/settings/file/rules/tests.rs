//! Rules as they are written, and what is said of those that mean nothing.

use std::num::NonZeroU32;

use super::*;
use crate::settings::file::File;

fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let file = File::parse("redrive.toml", text).map_err(|error| error.to_string())?;
    Ok(file.rules.iter().cloned().collect())
}

#[test]
fn every_key_is_read_and_the_order_is_kept() {
    let rules = parse(
        r#"
        [[rule]]
        name = "bank down"
        when = { receiver = "billing", code = ["http_503", "timeout"], message = "(?i)maintenance" }
        then = { retry = { times = 5, first = "1s", max = "30s" } }

        [[rule]]
        name = "audit"
        then = "hold"
        [rule.when]
        topic = ["orders", "users"]
        type = "order.*"
        stage = "receive"
        class = ["transient", "unknown"]
    "#,
    )
    .unwrap();
    let shown: Vec<_> = rules.iter().map(|rule| format!("{}: {} → {}", rule.name, rule.when, rule.then)).collect();
    assert_eq!(
        shown,
        [
            "bank down: receiver billing, code http_503 or timeout, message /(?i)maintenance/ → retry 5 times, 1s to 30s apart",
            "audit: topic orders or users, type order.*, stage receive, class transient or unknown → hold",
        ]
    );
    let places: Vec<_> = rules.iter().map(Rule::place).collect();
    assert_eq!(places, ["redrive.toml, line 2", "redrive.toml, line 7"]);
}

#[test]
fn every_action_and_what_is_not_said() {
    for (then, expected) in
        [("\"journal\"", Then::Journal), ("\"skip\"", Then::Skip), ("\"hold\"", Then::Hold), ("\"halt\"", Then::Halt)]
    {
        let rules = parse(&format!("[[rule]]\nname = \"x\"\nthen = {then}")).unwrap();
        assert_eq!((rules[0].then, rules[0].when.to_string().as_str()), (expected, "every failure"));
    }
    let retry = |said: &str| parse(&format!("[[rule]]\nname = \"x\"\nthen = {{ retry = {{ {said} }} }}")).unwrap()[0].then;
    let expected = |times, first_ms, max_ms| {
        let (first, max) = (Duration::from_millis(first_ms), Duration::from_millis(max_ms));
        Then::Retry(Retry { times: NonZeroU32::new(times).unwrap(), first, max })
    };
    assert_eq!(retry("times = 3"), expected(3, 200, 5_000));
    assert_eq!(retry("times = \"1\", first = \"10s\""), expected(1, 10_000, 10_000));
    assert_eq!(retry("times = 1, max = \"1h\""), expected(1, 200, 3_600_000));
}

/// What follows the name, what is said, and in which line.
const REFUSED: [(&str, &str, usize); 38] = [
    ("", "it does not say what to do: add then = \"journal\", or another action", 1),
    ("then = \"skp\"", "`then` is `skp`: expected a table with retry, or journal, skip, hold or halt; did you mean `skip`?", 3),
    ("then = \"retry\"", "`retry` says how often: then = { retry = { times = 5 } }", 3),
    ("then = 5", "`then` is a whole number: expected a table with retry, or journal, skip, hold, halt", 3),
    ("then = {}", "`then` is an empty table", 3),
    ("then = { hold = 1 }", "`then` has no key `hold`: expected retry", 3),
    ("then = { retyr = { times = 1 } }", "`then` has no key `retyr`; did you mean `retry`?", 3),
    ("then = { retry = 5 }", "`retry` is a whole number: expected a table", 3),
    ("then = { retry = {} }", "`retry` needs `times`: how often it is tried again", 3),
    ("then = { retry = { times = 0 } }", "`times` is `0`: expected a whole number from 1 to 1000", 3),
    ("then = { retry = { times = 1001 } }", "`times` is `1001`: expected a whole number from 1 to 1000", 3),
    ("then = { retry = { time = 1 } }", "`retry` has no key `time`; did you mean `times`?", 3),
    (
        "then = { retry = { times = 1, first = \"soon\" } }",
        "`first` is `soon`: expected a duration above 0, like 200ms, 1s or 5m",
        3,
    ),
    ("then = { retry = { times = 1, max = \"2h\" } }", "`max` is `2h`: expected at most 1h, for which its lane waits", 3),
    ("then = { retry = { times = 1, first = \"2s\", max = \"1s\" } }", "`max` is less than `first`, which is 2s", 3),
    ("then = \"skip\"\nwehn = {}", "it has no key `wehn`; did you mean `when`?", 4),
    ("then = \"skip\"\nwhen = \"x\"", "`when` is a text: expected a table", 4),
    ("then = \"skip\"\nwhen = { recever = \"x\" }", "`when` has no key `recever`; did you mean `receiver`?", 4),
    (
        "then = \"skip\"\nwhen = { partition = \"x\" }",
        "`when` has no key `partition`: expected topic, type, receiver, stage, class, code, message",
        4,
    ),
    ("then = \"skip\"\n[rule.when]\nreceiver = []", "`receiver` is an empty list", 5),
    ("then = \"skip\"\n[rule.when]\nreceiver = \"\"", "`receiver` is ``: expected the name of a receiver", 5),
    (
        "then = \"skip\"\n[rule.when]\nstage = \"recieve\"",
        "`stage` is `recieve`: expected identify, route, decode or receive; did you mean `receive`?",
        5,
    ),
    (
        "then = \"skip\"\n[rule.when]\nclass = [\"unknown\",\n\"transiet\"]",
        "`class` is `transiet`: expected transient, permanent, consumer or unknown; did you mean `transient`?",
        6,
    ),
    (
        "then = \"skip\"\nwhen = { code = \"HTTP 503\" }",
        "`code` is `HTTP 503`: expected a code of a-z, 0-9 and _, like http_503",
        4,
    ),
    ("then = \"skip\"\nwhen = { type = \"order*\" }", "`type` is `order*`: expected an exact type, or a prefix and .*", 4),
    ("then = \"skip\"\nwhen = { topic = \"^a\" }", "`topic` is `^a`: expected the name of a topic, and no pattern", 4),
    ("then = \"hold\"\nwhen = { stage = \"decode\" }", "`hold` is for deliveries, stage receive, and `stage` is decode", 3),
    (
        "then = { retry = { times = 1 } }\nwhen = { stage = [\"receive\", \"route\"] }",
        "`retry` is for deliveries, stage receive, and `stage` is route",
        3,
    ),
    (
        "then = \"halt\"\nwhen = { stage = \"route\", receiver = \"x\" }",
        "`receiver` is known at stage receive only, and `stage` is another",
        3,
    ),
    ("then = \"skip\"\n[rule.when]\ncode = 5", "`code` is a whole number: expected a text, in quotes", 5),
    ("then = \"skip\"\n[rule.when]\ncode = [\"a\",\n5]", "`code` is a whole number: expected a text, in quotes", 6),
    ("then = { retry = { times = 1, first = 1 } }", "`first` is a whole number: expected a text, in quotes", 3),
    ("then = { retry = { times = 1.5 } }", "`times` is a number with a point: expected a whole number, or a text", 3),
    ("then = { retry = { times = -1 } }", "`times` is `-1`: expected a whole number from 1 to 1000", 3),
    (
        "then = { retry = { times = 99999999999999999999 } }",
        "`times` is `99999999999999999999`: expected a whole number from 1 to 1000",
        3,
    ),
    (
        "then = \"skip\"\nwhen = { message = \"\" }",
        "`message` is ``: expected a regular expression; leave `message` out for every message",
        4,
    ),
    ("then = \"skip\"\nwhen = { message = \"(\" }", "`message` is `(`: expected a regular expression: ", 4),
    ("then = \"skip\"\nwhen = { message = \"\\\\w{1,999}\" }", "`message` is `\\w{1,999}`: expected a regular expression: ", 4),
];

#[test]
fn what_means_nothing_is_refused_with_its_line_and_what_was_meant() {
    for (text, expected, line) in REFUSED {
        let complaint = parse(&format!("[[rule]]\nname = \"x\"\n{text}")).err().unwrap_or_else(|| panic!("{text} was accepted"));
        let whole = format!("redrive.toml, line {line}: rule `x`: {expected}");
        assert!(if expected.ends_with(": ") { complaint.starts_with(&whole) } else { complaint == whole }, "{text}: {complaint}");
    }
}

#[test]
fn each_rule_has_a_name_of_its_own() {
    let refused = |text: &str| parse(text).err().unwrap_or_default();
    let then = "then = \"skip\"";
    assert_eq!(refused(&format!("[[rule]]\n{then}")), "redrive.toml, line 1: rule 1: it has no name: add name = \"NAME\"");
    assert_eq!(
        refused(&format!("[[rule]]\nname = 7\n{then}")),
        "redrive.toml, line 2: rule 1: `name` is a whole number: expected a text, in quotes"
    );
    let name = "its name must be 1 to 100 characters on one line, and not begin with built-in";
    for wrong in ["", "  ", "a\\nb", &"x".repeat(101), "built-in: transient"] {
        let text = format!("[[rule]]\nname = \"ok\"\n{then}\n[[rule]]\nname = \"{wrong}\"\n{then}");
        assert_eq!(refused(&text), format!("redrive.toml, line 5: rule 2: {name}"), "{wrong}");
    }
    let twice = format!("[[rule]]\nname = \"a\"\n{then}\n[[rule]]\nname = \"a\"\n{then}");
    assert_eq!(refused(&twice), "redrive.toml, line 4: rule `a`: it is there twice: each needs a name of its own");
    assert_eq!(refused("rule = 1"), "redrive.toml, line 1: rules are written as [[rule]], with name, when and then");
    assert_eq!(refused("[[ruel]]"), "redrive.toml, line 1: there is no setting `ruel`; did you mean `rule`?");
    let many: String = (0..1_001).map(|n| format!("[[rule]]\nname = \"{n}\"\n{then}\n")).collect();
    assert!(refused(&many).ends_with("1001 rules are too many: at most 1000"), "{}", refused(&many));
}
