//! The screens, looked at; and the items, held against their schemas.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::cli::policy::explained::Explained;
use crate::cli::policy::listing::{self, Behind, RuleJson};
use crate::cli::samples;
use crate::cli::schemas;
use crate::cli::screen::Screen;
use crate::journal::FailureItem;
use crate::policy::{BuiltIn, MessagePattern, Retry, Rule, Rules, Then, When};

fn rules() -> Rules {
    let rule = |line, name: &str, when, then| Rule { name: name.into(), file: "redrive.toml".into(), line, when, then };
    let (first, max) = (Duration::from_secs(1), Duration::from_secs(30));
    let retry = Then::Retry(Retry { times: NonZeroU32::new(5).unwrap(), first, max });
    let bank = When {
        receivers: vec!["billing".into()],
        codes: vec!["http_503".into(), "timeout".into()],
        messages: vec![MessagePattern::parse("(?i)maintenance").unwrap()],
        ..When::default()
    };
    let totals = When { codes: vec!["http_422".into()], ..When::default() };
    Rules::new(vec![rule(3, "bank down", bank, retry), rule(8, "no totals", totals, Then::Skip)])
}

fn entries() -> Vec<FailureItem> {
    let mut entries = samples::failures();
    entries.extend([
        FailureItem { rule: Some("an old rule".into()), ..samples::failure(9_400) },
        FailureItem { code: "http_503".into(), message: "Maintenance until 15:00".into(), ..samples::failure(9_399) },
        samples::failure(9_398),
    ]);
    entries
}

fn plain(width: Option<usize>) -> Screen {
    Screen { width, is_colored: false }
}

#[test]
fn rules_at_some_widths() {
    for (name, width) in [("80", Some(80)), ("120", Some(120)), ("no", None)] {
        let lines: Vec<_> = listing::table(&rules(), Behind::BuiltIn).lines(plain(width)).collect();
        insta::assert_snapshot!(format!("rules_at_{name}_columns"), lines.join("\n"));
    }
}

#[test]
fn explained_at_some_widths() {
    let (entries, rules) = (entries(), rules());
    for (name, width) in [("80", Some(80)), ("120", Some(120)), ("no", None)] {
        let lines = Explained::new(&entries, &rules).lines(plain(width));
        insta::assert_snapshot!(format!("explained_at_{name}_columns"), lines.join("\n"));
    }
    assert_eq!(Explained::new(&[], &rules).lines(plain(Some(80))), ["0 entries"], "and no headers of nothing");
    let colored = Explained::new(&entries, &rules).lines(Screen { width: Some(120), is_colored: true });
    assert!(colored.join("\n").contains("\u{1b}["), "what would change stands out");
}

#[test]
fn items_fit_their_schemas() {
    let (entries, rules) = (entries(), rules());
    let json = |rule: RuleJson<'_>| serde_json::to_value(rule).unwrap();
    listing::users(&rules).map(RuleJson::of_rule).map(json).for_each(|item| schemas::check("rule", &item));
    BuiltIn::ALL.map(RuleJson::of_built_in).map(json).iter().for_each(|item| schemas::check("rule", item));
    let retry = json(RuleJson::of_rule(listing::users(&rules).next().unwrap()));
    assert_eq!(retry["then"], serde_json::json!({ "action": "retry", "times": 5, "first_ms": 1_000, "max_ms": 30_000 }));
    let explained = Explained::new(&entries, &rules);
    let items: Vec<_> = explained.items().map(|item| serde_json::to_value(item).unwrap()).collect();
    items.iter().for_each(|item| schemas::check("explained", item));
    let of = |id: i64| items.iter().find(|item| item["id"] == id).unwrap();
    assert_eq!((&of(9_400)["decided"]["name"], &of(9_400)["would"]["name"]), (&"an old rule".into(), &"no totals".into()));
    assert_eq!((&of(9_399)["would"]["name"], &of(9_399)["decided"]["built_in"]), (&"bank down".into(), &true.into()));
}
