//! What `doctor` shows.

use super::*;
use crate::cli::schemas;
use crate::settings::Origin;

fn told() -> Vec<Told> {
    let finding = |section: Section, subject: &str, verdict, found: &str| Finding {
        section,
        subject: subject.to_owned(),
        verdict,
        found: Found::Said(found.to_owned()),
        mends: Vec::new(),
        sent: None,
        origin: None,
    };
    let broker = finding(Section::Broker, "reachable", Verdict::Ok, "1 broker · cluster 5L6g · round trip 0.4 ms");
    let mistyped = Finding {
        mends: vec!["-t orders".to_owned()],
        ..finding(Section::Topics, "ordres", Verdict::Problem, "there is no topic of this name on this cluster")
    };
    let members = finding(Section::Group, "members", Verdict::Warning, "state Stable · 1 live member: evil\u{1b}[2J");
    let worker = Finding {
        sent: Some("{\"sendid\":1}".to_owned()),
        ..finding(Section::Worker, "billing: late", Verdict::Problem, "expected one line; got nothing")
    };
    let journal = Finding {
        found: Found::Journal(ExamineError::Open(crate::journal::OpenError::NotAJournal("x.db".to_owned()))),
        ..finding(Section::Journal, "file", Verdict::Problem, "")
    };
    let setting = Finding { origin: Some(Origin::Flag("topic")), ..finding(Section::Settings, "topic", Verdict::Ok, "ordres") };
    let unset = finding(Section::Settings, "idle-exit", Verdict::Ok, "-");
    [broker, mistyped, members, worker, journal, setting, unset].into_iter().map(Told::of).collect()
}

#[test]
fn sections_with_a_line_for_each_finding() {
    let shown = lines(&told(), Screen { width: None, is_colored: false }).join("\n");
    let expected = "\
broker
  ok       reachable  1 broker · cluster 5L6g · round trip 0.4 ms

topics
  problem  ordres  there is no topic of this name on this cluster
           hint: -t orders

group
  warning  members  state Stable · 1 live member: evil\\x1b[2J

worker
  problem  billing: late  expected one line; got nothing
           sent: {\"sendid\":1}

journal
  problem  file  x.db is not a journal: it is not a SQLite database
           hint: name another file: --journal PATH

settings
  topic      ordres  (from --topic)
  idle-exit  -

3 problems · 1 warning · 1 ok · 0 skipped";
    assert_eq!(shown, expected);
}

#[test]
fn a_narrow_screen_cuts_what_was_found_and_keeps_what_mends_it() {
    let shown = lines(&told(), Screen { width: Some(40), is_colored: true });
    assert!(shown.contains(&"  \x1b[31mproblem\x1b[0m  ordres  there is no topic of…".to_owned()), "{shown:#?}");
    assert!(shown.contains(&"           hint: -t orders".to_owned()));
}

#[test]
fn findings_fit_their_schema() {
    for told in told() {
        schemas::check("finding", &serde_json::to_value(told).unwrap());
    }
}

#[test]
fn a_name_alone_selects_a_receiver_and_is_no_setting() {
    let mut given = Given::default();
    given.set(&RECEIVER, vec!["billing".to_owned(), "audit=discard:".to_owned()]);
    assert_eq!(settings(given.clone()).values(&RECEIVER), ["audit=discard:"]);
    assert!(settings(given.retain(&RECEIVER, |receiver| receiver == "billing")).values(&RECEIVER).is_empty());
}
