//! One list of checks that every kind of receiver passes, in whole runs on real Kafka.
//!
//! The type of an event says what the receiver is to do with it. What a kind cannot do it excuses, with the reason: each kind decides
//! about each check and each class in a `match` without a wildcard, so the compiler refuses a cell that is neither run nor excused.

mod checks;
mod exec;
mod function;
mod http;
mod kind;
mod lines;
mod run;
mod scene;
mod topic;

use std::collections::BTreeSet;

use redrive::receiver::FORMS;

use self::kind::{Check, Kind};
use self::scene::Scene;

type SetUp = fn(&Scene) -> Box<dyn Kind>;

/// By scheme; what a program brings along has none.
const KINDS: [(&str, SetUp); 8] = [
    ("exec", exec::set_up),
    ("run", run::set_up),
    ("http", http::set_up),
    ("file", lines::file),
    ("stdout", lines::stdout),
    ("kafka", topic::set_up),
    ("discard", lines::discard),
    ("function", function::set_up),
];

/// Runs every check that this kind does not excuse, each in a scene of its own.
#[track_caller]
fn conforms(name: &str) {
    let (_, set_up) = KINDS.iter().find(|(of, _)| *of == name).expect("a kind");
    let mut count = 0;
    for check in Check::ALL {
        let scene = Scene::new(name, check);
        let kind = set_up(&scene);
        match kind.excuse(check) {
            Some(why) => assert!(!why.is_empty(), "{name} excuses {check:?} without a reason"),
            None => {
                println!("{name}: {check:?}");
                checks::run(check, &scene, kind.as_ref());
                count += 1;
            }
        }
    }
    assert!(count > 0, "{name} excuses everything");
}

#[test]
fn exec_conforms() {
    conforms("exec");
}

#[test]
fn run_conforms() {
    conforms("run");
}

#[test]
fn http_conforms() {
    conforms("http");
}

#[test]
fn file_conforms() {
    conforms("file");
}

#[test]
fn stdout_conforms() {
    conforms("stdout");
}

#[test]
fn kafka_conforms() {
    conforms("kafka");
}

#[test]
fn discard_conforms() {
    conforms("discard");
}

#[test]
fn a_function_conforms() {
    conforms("function");
}

#[test]
fn every_kind_of_receiver_is_checked() {
    let schemes = FORMS.iter().filter_map(|form| form.split_once(':')).map(|(scheme, _)| scheme);
    // HTTP over TLS is the same receiver; what that adds is tested beside it.
    let expected: BTreeSet<_> = schemes.filter(|scheme| *scheme != "https").chain(["function"]).collect();
    assert_eq!(KINDS.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), expected);
}
