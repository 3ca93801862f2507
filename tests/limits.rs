//! The limit of errors in a row: a service that fails everything does not eat the topic, however often it is started again.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Broker, Endpoint, Folder, Sample, repetitions, unique};

/// Starts after the one that was stopped: in CI, and in a full run.
const RESTARTS: (usize, usize) = (3, 10);
const SOON: Duration = Duration::from_secs(40);
const EVENTS: i64 = 40;

#[test]
fn a_run_after_one_that_the_limit_stopped_settles_nothing_before_something_was_delivered() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("limit"));
    let topic = broker.topic("limit", 1);
    topic.produce(&(0..EVENTS).map(|n| Sample::event("order.placed", &n.to_string(), "{}")).collect::<Vec<_>>());
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let endpoint = Endpoint::start(move |_, stream| {
        let answer = if mended.load(Ordering::SeqCst) { "204 No Content" } else { "422 Unprocessable Content" };
        write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n")
    });
    let receiver = format!("billing=http://{}/", endpoint.address());
    let start = || {
        let limited = ["--from", "earliest", "--receiver", &receiver, "--max-consecutive-errors", "5"];
        folder.consume(&topic, &group, limited)
    };
    let state = || {
        let offsets: Vec<_> = broker.witness().group_offsets(&group).iter().map(|at| at.committed).collect();
        (folder.journal().failures().len(), offsets)
    };
    let output = start().run().expect_code(4);
    assert!(output.stderr.contains("5 records in a row failed, the last one at"), "{}", output.stderr);
    assert_eq!(state(), (5, vec![Some(5)]));
    for _ in 0..repetitions(RESTARTS) {
        let output = start().run().expect_code(4);
        assert!(output.stderr.contains("nothing was delivered either: 5 failed"), "{}", output.stderr);
        assert_eq!(state(), (5, vec![Some(5)]), "not one more");
    }
    let limits: Vec<_> = folder.journal().incidents().into_iter().filter(|row| row.kind == "limit").collect();
    assert!(matches!(&limits[..], [one] if one.is_open), "one incident that counts: {limits:?}");
    is_mended.store(true, Ordering::SeqCst);
    let mut running = start().spawn();
    running.until("the rest is delivered", SOON, |_| (broker.witness().lag(&group) == 0).then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert_eq!(state(), (5, vec![Some(EVENTS)]));
}

/// A record that fails at one receiver while another one takes its time; and a limit that is beyond what may be in flight.
#[test]
fn on_probation_nothing_is_written_whatever_its_receivers_and_its_limit_are() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("limit"));
    let topic = broker.topic("limit", 1);
    topic.produce(&(0..EVENTS).map(|n| Sample::event("order.placed", &n.to_string(), "{}")).collect::<Vec<_>>());
    let bad = Endpoint::start(|_, stream| write!(stream, "HTTP/1.1 422 Unprocessable Content\r\ncontent-length: 0\r\n\r\n"));
    let slow = Endpoint::start(|_, stream| {
        std::thread::park_timeout(Duration::from_millis(50));
        write!(stream, "HTTP/1.1 204 No Content\r\n\r\n")
    });
    let receivers = [("billing", &bad), ("search", &slow)].map(|(name, at)| format!("{name}=http://{}/", at.address()));
    let run = |more: &[&str]| {
        let limited = ["--from", "earliest", "--receiver", &receivers[0], "--receiver", &receivers[1]];
        folder.consume(&topic, &group, limited).args(more.iter().copied()).run().expect_code(4)
    };
    let state = || {
        let offsets: Vec<_> = broker.witness().group_offsets(&group).iter().map(|at| at.committed).collect();
        (folder.journal().failures().len(), offsets)
    };
    run(&["--max-consecutive-errors", "5"]);
    assert_eq!(state(), (5, vec![Some(5)]));
    let output = run(&["--max-consecutive-errors", "5"]);
    assert!(
        output.stderr.contains("5 failed, the last one at") && output.stderr.contains("of receiver billing"),
        "{}",
        output.stderr
    );
    assert_eq!(state(), (5, vec![Some(5)]), "not one more");
    let output = run(&["--max-consecutive-errors", "1000", "--max-in-flight", "10"]);
    assert!(output.stderr.contains("10 failed") && output.stderr.contains("the limit of 1000 is not reached"), "{}", output.stderr);
    assert_eq!(state(), (5, vec![Some(5)]), "nor here");
}
