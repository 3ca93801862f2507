//! What differs in a replay: records are for receivers by name, none is waited for, and nothing is progress.

use super::*;
use crate::engine::ledger::{PassedOver, WhyNot};
use crate::record::{Meant, ReceiverIx};

const REPLAY: Mode = Mode::Replay(7);

fn set(of: &[u8]) -> ReceiverSet {
    of.iter().fold(ReceiverSet::NONE, |set, at| set.with(ReceiverIx(*at)))
}

fn run_replay(meant: Meant, plan: Plan) -> Ran {
    let source = MemorySource::bounded(records(2, 50)).opened_for(meant);
    // One shard: how often a receiver that is down is asked depends on how many there are.
    let plan = Plan { mode: REPLAY, concurrency: NonZeroUsize::MIN, ..plan };
    run_all(source, MemoryLedger::default(), plan, &StopToken::default())
}

fn given(receiver: &Arc<Probe>) -> usize {
    receiver.given.lock().unwrap().len()
}

/// Receiver and reason of all that was passed over.
fn passed_over(ran: &Ran) -> Vec<(Option<String>, WhyNot)> {
    let entries = ran.ledger.entries.lock().unwrap();
    let reason = |entry: &Entry| match entry {
        Entry::PassedOver(PassedOver { receiver, why, .. }) => Some((receiver.clone(), *why)),
        _ => None,
    };
    entries.iter().filter_map(reason).collect()
}

fn delivered(ran: &Ran) -> usize {
    ran.ledger.count(|entry| matches!(entry, Entry::Delivered(delivered) if delivered.mode == REPLAY))
}

#[test]
fn only_who_is_meant_gets_it_and_nothing_is_progress() {
    let (one, two) = (accepting(), accepting());
    let ran = run_replay(Meant::These(set(&[1])), plan(vec![binding("one", &one), binding("two", &two)]));
    assert_eq!((ran.summary.reason, given(&one), given(&two)), (StopReason::Done, 0, 100));
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Delivered(of) if of.receiver == "two")), 100);
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Progress(_))), 0);
    assert_eq!(ran.committed, [None; 4]);
}

#[test]
fn one_that_does_not_take_the_type_is_passed_over() {
    let (one, two) = (accepting(), accepting());
    let elsewhere = Binding { types: vec!["other".into()], ..binding("elsewhere", &two) };
    let ran = run_replay(Meant::These(set(&[0, 1])), plan(vec![binding("one", &one), elsewhere]));
    assert_eq!((given(&one), given(&two), delivered(&ran)), (100, 0, 100));
    assert_eq!(passed_over(&ran), vec![(Some("elsewhere".into()), WhyNot::NotRouted); 100]);
}

#[test]
fn one_that_is_for_names_only_gets_nothing_that_is_for_all() {
    let (one, two) = (accepting(), accepting());
    let named = Plan { by_name_only: set(&[1]), ..plan(vec![binding("one", &one), binding("old", &two)]) };
    let ran = run_replay(Meant::ALL, named);
    assert_eq!((given(&one), given(&two), delivered(&ran)), (100, 0, 100));
}

#[test]
fn who_has_it_does_not_get_what_is_for_all_the_others() {
    let (one, two) = (accepting(), accepting());
    let ran = run_replay(Meant::AllBut(set(&[0])), plan(vec![binding("one", &one), binding("two", &two)]));
    assert_eq!((given(&one), given(&two), delivered(&ran)), (0, 100, 100));
    let ran = run_replay(Meant::AllBut(set(&[0, 1])), plan(vec![binding("one", &one), binding("two", &two)]));
    assert_eq!((given(&one), given(&two), delivered(&ran)), (0, 100, 0), "everybody has it");
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Passed { through: Stage::Decode, .. })), 100);
}

#[test]
fn what_one_receiver_took_is_written_down_even_if_another_one_is_given_up() {
    let stop = StopToken::default();
    let asks_to_stop = stop.clone();
    let hesitant = probe(move |_| {
        asks_to_stop.ask(StopLevel::Drain);
        Answered::Now(Err(ReceiverError::transient("later", "not now")))
    });
    let fine = accepting();
    let plan = plan(vec![binding("hesitant", &hesitant), binding("fine", &fine)]);
    let source = MemorySource::bounded(records(1, 1)).opened_for(Meant::ALL);
    let ran = run_all(source, MemoryLedger::default(), Plan { mode: REPLAY, ..plan }, &stop);
    assert_eq!((given(&hesitant), given(&fine), delivered(&ran)), (1, 1, 1));
    assert_eq!(ran.ledger.failures(), []);
}

#[test]
fn a_receiver_that_is_down_is_not_waited_for_and_costs_the_others_nothing() {
    let down = probe(|_| Answered::Now(Err(ReceiverError::unreachable("nobody listens"))));
    let fine = accepting();
    let ran = run_replay(Meant::ALL, plan(vec![binding("down", &down), binding("fine", &fine)]));
    assert_eq!((given(&down), given(&fine), delivered(&ran)), (1, 100, 100), "asked once");
    assert_eq!(ran.ledger.failures(), [], "no attempt is added");
    assert_eq!(passed_over(&ran), vec![(None, WhyNot::ReceiverDown); 100], "what is for all counts once");
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Passed { through: Stage::Decode, .. })), 0, "it stays open");
}

#[test]
fn five_failures_in_a_row_that_may_mean_it_are_entries_and_the_rest_is_passed_over() {
    let overrun = probe(|_| Answered::Now(Err(ReceiverError::permanent("http_503", "later"))));
    let ran = run_replay(Meant::These(set(&[0])), plan(vec![binding("overrun", &overrun)]));
    assert_eq!((ran.ledger.failures().len(), passed_over(&ran).len()), (5, 95));
}

#[test]
fn a_live_run_passes_nothing_over() {
    let down = probe(|_| Answered::Now(Err(ReceiverError::unreachable("nobody listens"))));
    let mut hasty = plan(vec![Binding { retries: 0, ..binding("down", &down) }]);
    hasty.conduct.drain_timeout = Duration::from_secs(5);
    let ran = run_bounded(1, 20, hasty);
    assert_eq!((ran.ledger.failures().len(), passed_over(&ran).len()), (20, 0));
}
