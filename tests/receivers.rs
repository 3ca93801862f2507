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
use std::panic::catch_unwind;
use std::thread;
use std::time::Instant;

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

/// Runs every check that this kind does not excuse, each in a scene of its own: they mostly wait, so several go on at once.
#[track_caller]
fn conforms(name: &str) {
    let (_, set_up) = KINDS.iter().find(|(of, _)| *of == name).expect("a kind");
    let failed = thread::scope(|scope| {
        let runs = |check: &Check| catch_unwind(|| run(name, *set_up, *check)).is_err();
        let several =
            Check::ALL.chunks(AT_ONCE).map(|checks| scope.spawn(move || checks.iter().filter(|check| runs(check)).collect()));
        let several: Vec<thread::ScopedJoinHandle<'_, Vec<_>>> = several.collect();
        several.into_iter().flat_map(|checks| checks.join().expect("every panic was caught")).collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "{name} does not pass {failed:?}");
}

/// Checks in a row, of several rows.
const AT_ONCE: usize = 4;

fn run(name: &str, set_up: SetUp, check: Check) {
    let scene = Scene::new(name, check);
    let kind = set_up(&scene);
    match kind.excuse(check) {
        Some(why) => assert!(!why.is_empty(), "{name} excuses {check:?} without a reason"),
        None => {
            let began = Instant::now();
            checks::run(check, &scene, kind.as_ref());
            println!("{name}: {check:?} in {:?}", began.elapsed());
        }
    }
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
