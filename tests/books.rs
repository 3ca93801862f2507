//! The books balance: every delivery that should succeed did, and the journal holds exactly those that did not, with their context.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redrive::engine::report::StopReason;
use redrive::settings::table;
use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};

use crate::support::library::Consumer;
use crate::support::{Broker, Folder, Sample, unique};

const EVENTS: i32 = 100_000;
const PARTITIONS: i32 = 12;
const WITHIN: Duration = Duration::from_secs(120);

/// Which records a receiver got: partition and offset.
#[derive(Clone, Default)]
struct Got(Arc<Mutex<Vec<(i32, i64)>>>);

impl Got {
    fn note(&self, event: &Event) {
        let record = event.record();
        self.0.lock().unwrap().push((record.partition().number, record.offset().get()));
    }

    /// Fails when a record came twice: nothing was interrupted here.
    fn all(&self) -> BTreeSet<(i32, i64)> {
        let got = self.0.lock().unwrap();
        let distinct: BTreeSet<_> = got.iter().copied().collect();
        assert_eq!(distinct.len(), got.len(), "no record was delivered twice");
        distinct
    }
}

fn event_type(n: i32) -> &'static str {
    if n % 10 == 3 { "order.cancelled" } else { "order.placed" }
}

/// Where event `n` is.
fn place(n: i32) -> (i32, i64) {
    (n % PARTITIONS, i64::from(n / PARTITIONS))
}

fn number(event: &Event) -> i32 {
    event.id().parse().unwrap()
}

fn expected(takes: fn(i32) -> bool) -> BTreeSet<(i32, i64)> {
    (0..EVENTS).filter(|n| takes(*n)).map(place).collect()
}

/// One that fails on every hundredth event, one on a single type, one that panics.
fn receivers(got: &[Got; 3]) -> Receivers {
    let [percent, typed, panicky] = got.clone();
    Receivers::new()
        .on("percent", ALL_TYPES, move |event: Event| {
            let percent = percent.clone();
            async move {
                if number(&event) % 100 == 7 {
                    return Err(ReceiverError::permanent("unlucky", format!("event {} ends in 07", event.id())));
                }
                percent.note(&event);
                Ok(())
            }
        })
        .on("typed", ALL_TYPES, move |event: Event| {
            let typed = typed.clone();
            async move {
                if event.event_type() == "order.cancelled" {
                    return Err(ReceiverError::unknown("cannot cancel"));
                }
                typed.note(&event);
                Ok(())
            }
        })
        .on("panicky", ["order.placed"], move |event: Event| {
            let panicky = panicky.clone();
            async move {
                assert!(number(&event) % 500 != 11, "event {} is too much", event.id());
                panicky.note(&event);
                Ok(())
            }
        })
}

/// The journal holds exactly the pairs that failed, with all that is known of them.
fn check_failures(folder: &Folder, topic: &str, group: &str) {
    let journal = folder.journal();
    let failures = journal.failures();
    for (receiver, class, code, fails) in [
        ("percent", "permanent", "unlucky", (|n| n % 100 == 7) as fn(i32) -> bool),
        ("typed", "unknown", "rejected", |n| n % 10 == 3),
        ("panicky", "unknown", "panicked", |n| n % 10 != 3 && n % 500 == 11),
    ] {
        let of: Vec<_> = failures.iter().filter(|row| row.receiver.as_deref() == Some(receiver)).collect();
        assert_eq!(of.iter().map(|row| (row.partition, row.offset)).collect::<BTreeSet<_>>(), expected(fails), "{receiver}");
        for row in of {
            let n = i32::try_from(row.offset).unwrap() * PARTITIONS + row.partition;
            assert_eq!((row.topic.as_str(), row.group.as_str(), row.stage.as_str()), (topic, group, "receive"));
            assert_eq!((row.class.as_str(), row.code.as_str(), row.state.as_str(), row.attempts), (class, code, "open", 1));
            assert_eq!((row.event_id.as_deref(), row.event_type.as_deref()), (Some(n.to_string().as_str()), Some(event_type(n))));
            let message = match receiver {
                "percent" => format!("event {n} ends in 07"),
                "typed" => "cannot cancel".to_owned(),
                _ => format!("the receiver panicked: event {n} is too much"),
            };
            assert_eq!(row.message, message);
        }
    }
    assert_eq!(failures.len(), expected(|n| n % 100 == 7).len() + EVENTS as usize / 10 + EVENTS as usize / 500);
    let record = journal.record(topic, 7, 0);
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(b"k7".as_slice()), Some(b"{\"n\":7}".as_slice())));
}

#[test]
fn a_hundred_thousand_events_and_three_receivers_of_which_each_fails_in_its_own_way() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("books"));
    let topic = broker.topic("books", PARTITIONS);
    let sample = |n: i32| {
        Sample::event(event_type(n), &n.to_string(), format!("{{\"n\":{n}}}")).to(n % PARTITIONS).key(format!("k{}", n % 100))
    };
    topic.produce(&(0..EVENTS).map(sample).collect::<Vec<_>>());

    let got: [Got; 3] = Default::default();
    let receivers = receivers(&got);
    let consumer = Consumer::start(broker, &folder, (topic.name(), &group), &receivers, &[(&table::UNTIL_END, "true")]);
    let ended = consumer.wait(WITHIN);
    assert_eq!(ended.summary.reason, StopReason::Done);
    ended.close(None).unwrap();

    assert_eq!(got[0].all(), expected(|n| n % 100 != 7));
    assert_eq!(got[1].all(), expected(|n| n % 10 != 3));
    assert_eq!(got[2].all(), expected(|n| n % 10 != 3 && n % 500 != 11));
    check_failures(&folder, topic.name(), &group);

    let offsets = broker.witness().group_offsets(&group);
    assert_eq!(offsets.len(), PARTITIONS as usize);
    assert_eq!(offsets.iter().map(|at| at.lag).collect::<Vec<_>>(), [Some(0); PARTITIONS as usize]);
    let progress = folder.journal().progress();
    assert_eq!(progress.iter().map(|row| row.records).sum::<i64>(), i64::from(EVENTS));
    let failed = expected(|n| n % 100 == 7 || n % 10 == 3 || n % 500 == 11).len();
    assert_eq!(usize::try_from(progress.iter().map(|row| row.failed).sum::<i64>()), Ok(failed));
}
