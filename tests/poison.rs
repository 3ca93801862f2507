//! Records that end the process of a program with receivers of its own, and receivers that hold up its loop.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redrive::{ALL_TYPES, Consumer, Event, Receivers, StartFrom, StopHandle};

use crate::support::{Broker, Folder, Output, Sample, Topic, unique, wait};

const SIGABRT: i32 = 6;
const SOON: Duration = Duration::from_secs(30);

struct Program<'t> {
    folder: &'t Folder,
    topic: &'t Topic<'t>,
    group: String,
}

impl Program<'_> {
    /// Starts it, to the end of the topic. The broker need not find out first that the one before has died.
    fn start(&self) -> Output {
        let bootstrap = self.topic.bootstrap();
        let consume =
            ["consume", "-b", &bootstrap, "-t", self.topic.name(), "-g", &self.group, "--from", "earliest", "--until-end"];
        self.folder.example("poison", consume).args(["-X", "group.instance.id=one"]).run()
    }

    #[track_caller]
    fn dies(&self) {
        let output = self.start();
        assert_eq!(output.status.signal(), Some(SIGABRT), "{}", output.stderr);
        assert!(self.folder.journal().failures().is_empty(), "nobody knows yet what it was");
    }

    /// What its receivers got: each at least once, so a set.
    fn got(&self) -> BTreeSet<String> {
        self.folder.lines("got").into_iter().collect()
    }

    /// Offset, receiver, class, code and state.
    fn entries(&self) -> Vec<String> {
        self.folder.journal().lines("SELECT offset, receiver, class, code, state FROM failures ORDER BY id")
    }

    /// Suspects, and files that say what is in hand.
    fn suspects(&self) -> (Vec<String>, usize) {
        let rows = self.folder.journal().lines("SELECT offset, count FROM suspect ORDER BY offset");
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        (rows, files.filter(|name| name.to_string_lossy().contains("-inhand-")).count())
    }
}

#[test]
fn what_aborts_its_process_is_passed_at_the_third_start_and_can_be_replayed() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("poison", 1);
    let event = |n: i32| Sample::event(if n == 4 { "order.abort" } else { "order.placed" }, &n.to_string(), "{}");
    topic.produce(&(0..10).map(event).collect::<Vec<_>>());
    let program = Program { folder: &folder, topic: &topic, group: unique("poison") };
    program.dies();
    program.dies();
    let output = program.start().expect_code(0);
    let place = format!("{}/0/4", topic.name());
    let said =
        format!("the process died twice while receiver billing had {place} in hand, in the runs 1 and 2: it was not called again");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
    assert_eq!(program.entries(), ["4|billing|unknown|process_died|open"]);
    let others = || (0..10).filter(|n| *n != 4).flat_map(|n| ["billing", "search"].map(|to| format!("{to} 0 {n}")));
    assert_eq!(program.got(), others().collect());
    assert_eq!(program.suspects(), (vec![], 0));
    assert_eq!(broker.witness().lag(&program.group), 0);

    let shown = folder.example("poison", ["errors", "show", "1"]).run().expect_code(0).stdout;
    assert!(shown.contains("poison replay 1"), "{shown}");
    let bootstrap = topic.bootstrap();
    let replay = || folder.example("poison", ["replay", "1", "-b", &bootstrap]).run();
    assert_eq!(replay().status.signal(), Some(SIGABRT), "it is delivered for real");
    assert_eq!(program.entries(), ["4|billing|unknown|process_died|open"]);
    folder.write("mended", "");
    replay().expect_code(0);
    assert_eq!(program.entries(), ["4|billing|unknown|process_died|resolved"]);
    assert!(program.got().contains("billing 0 4"));
    assert_eq!(program.suspects(), (vec![], 0));
}

#[test]
fn who_was_in_hand_by_chance_is_not_condemned_with_it() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("innocent", 2);
    let event = |kind: &str, partition| Sample::event(kind, kind, "{}").to(partition);
    topic.produce(&[event("index.abort", 0), event("index.innocent", 1), event("order.placed", 0), event("order.placed", 1)]);
    let program = Program { folder: &folder, topic: &topic, group: unique("innocent") };
    program.dies();
    program.dies();
    program.start().expect_code(0);
    assert_eq!(program.entries(), ["0|search|unknown|process_died|open"]);
    let got = ["billing 0 1", "billing 1 1", "search 0 1", "search 1 0", "search 1 1"].map(str::to_owned);
    assert_eq!(program.got(), got.into());
    assert_eq!(program.suspects(), (vec![], 0));
}

#[test]
fn a_receiver_that_blocks_the_loop_is_an_incident_meanwhile_and_costs_no_membership() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("blocked"));
    let topic = broker.topic("blocked", 1);
    topic.produce(&[Sample::event("t", "1", "{}")]);
    let [goes_on, is_told] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (gate, told) = (Arc::clone(&goes_on), Arc::clone(&is_told));
    let receivers = Receivers::new().on("billing", ALL_TYPES, move |_: Event| {
        let gate = Arc::clone(&gate);
        async move {
            let deadline = Instant::now() + SOON;
            while !gate.load(Ordering::Relaxed) && Instant::now() < deadline {
                thread::park_timeout(Duration::from_millis(5));
            }
            Ok(())
        }
    });
    let builder = Consumer::builder().bootstrap_servers(&topic.bootstrap()).topic(topic.name()).group(&group).receivers(receivers);
    let builder = builder.property("session.timeout.ms", "1000").property("heartbeat.interval.ms", "300").until_end();
    // Told again, by then for longer than the session would last.
    let builder = builder.on_incident(move |seen| told.store(seen.message.contains("for 2."), Ordering::Relaxed));
    let consumer = builder.from(StartFrom::Earliest).journal(folder.path().join("redrive.db")).build().unwrap();
    let run = thread::Builder::new().name("consumer".to_owned()).spawn(move || consumer.run_blocking(&StopHandle::new())).unwrap();
    wait::until("it is told for the second time", SOON, || is_told.load(Ordering::Relaxed).then_some(()));
    let [incident] = &folder.journal().incidents()[..] else { panic!("one incident") };
    assert_eq!((incident.kind.as_str(), incident.receiver.as_str(), incident.count), ("loop_blocked", "billing", 1));
    assert!(incident.is_open && incident.message.contains(&format!("{}/0/0 in hand", topic.name())), "{}", incident.message);
    assert_eq!(broker.witness().group_state(&group).map(|state| state.members), Some(1));
    goes_on.store(true, Ordering::Relaxed);
    wait::until("it ends", SOON, || run.is_finished().then_some(()));
    assert_eq!(run.join().unwrap().unwrap().counts.delivered, 1);
    let kinds: Vec<_> = folder.journal().incidents().into_iter().map(|incident| (incident.kind, incident.is_open)).collect();
    assert_eq!(kinds, [("loop_blocked".to_owned(), false)], "it is over, and nothing else happened");
    assert_eq!(broker.witness().lag(&group), 0);
}
