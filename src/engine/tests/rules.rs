//! The user's rules in the engine: what each action makes of a record.

use super::*;
use crate::engine::ledger::{Incident, IncidentKind, PassedOver, WhyNot};
use crate::policy::{Retry, Rule, Rules, Then, When};
use crate::record::Meant;

fn rules(all: &[(&str, &str, Then)]) -> Arc<Rules> {
    let rule = |(name, code, then): &(&str, &str, Then)| Rule {
        name: (*name).into(),
        file: "redrive.toml".into(),
        line: 7,
        when: When { codes: vec![(*code).into()], ..When::default() },
        then: *then,
    };
    Arc::new(Rules::new(all.iter().map(rule).collect()))
}

/// Fails with the code that stands at the offset.
fn failing(codes: &'static [(i64, &'static str)]) -> Arc<Probe> {
    probe(move |delivery| {
        let code = codes.iter().find(|(at, _)| *at == offset(delivery)).map(|(_, code)| *code);
        Answered::Now(code.map_or(Ok(()), |code| Err(ReceiverError::permanent(code, "as it was told"))))
    })
}

/// Offset, tries and rule of what was journaled.
fn journaled(ran: &Ran) -> Vec<(i64, usize, Option<String>)> {
    let entries = ran.ledger.entries.lock().unwrap();
    let failed = |entry: &Entry| match entry {
        Entry::Failed(failed) => Some((failed.record.offset().get(), failed.failure.tries.len(), failed.rule.clone())),
        _ => None,
    };
    entries.iter().filter_map(failed).collect()
}

fn quick(times: u32) -> Then {
    let wait = Duration::from_millis(1);
    Then::Retry(Retry { times: times.try_into().unwrap(), first: wait, max: wait })
}

#[test]
fn each_failure_goes_as_its_rule_says_and_the_rule_is_kept() {
    let receiver = failing(&[(2, "noise"), (4, "odd"), (6, "flaky"), (8, "other")]);
    let fine = accepting();
    let rules = rules(&[("no noise", "noise", Then::Skip), ("odd ones", "odd", Then::Journal), ("again", "flaky", quick(3))]);
    let ran = run_bounded(1, 10, Plan { rules, ..plan(vec![binding("picky", &receiver), binding("fine", &fine)]) });
    assert_eq!((ran.summary.reason.clone(), ran.committed[0]), (StopReason::Done, Some(10)));
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(journaled(&ran), [(4, 1, named("odd ones")), (6, 4, named("again")), (8, 1, None)]);
    let counts = ran.summary.counts;
    assert_eq!((counts.delivered, counts.failed, counts.skipped), (6, 3, 1));
    assert_eq!(fine.given.lock().unwrap().len(), 10, "the other receiver gets what is skipped here, too");
    let skipped = |entry: &Entry| matches!(entry, Entry::Delivered(delivered) if delivered.offset.get() == 2);
    assert_eq!(ran.ledger.count(skipped), 0, "nothing is written about it");
}

#[test]
fn a_record_of_which_one_delivery_failed_has_failed_whatever_is_skipped() {
    let (skipped, failed) = (failing(&[(1, "noise")]), failing(&[(1, "bad")]));
    let rules = rules(&[("no noise", "noise", Then::Skip)]);
    let ran = run_bounded(1, 3, Plan { rules, ..plan(vec![binding("one", &skipped), binding("two", &failed)]) });
    let counts = ran.summary.counts;
    assert_eq!((counts.delivered, counts.failed, counts.skipped), (2, 1, 0));
    assert_eq!(ran.ledger.failures(), [(0, 1, "two".to_owned())]);
}

#[test]
fn a_stage_before_the_receivers_has_rules_too() {
    let fine = accepting();
    let elsewhere = || vec![Binding { types: vec!["other".into()], ..binding("elsewhere", &fine) }];
    let (skip, journal) =
        (rules(&[("unknown", "unrecognized_type", Then::Skip)]), rules(&[("told", "unrecognized_type", Then::Journal)]));
    let ran = run_bounded(1, 5, Plan { rules: skip, guard: Guarding::On, ..plan(elsewhere()) });
    assert_eq!((ran.summary.counts.skipped, ran.committed[0], journaled(&ran).len()), (5, Some(5), 0));
    let ran = run_bounded(1, 2, Plan { rules: journal, ..plan(elsewhere()) });
    assert_eq!(journaled(&ran), [(0, 1, Some("told".to_owned())), (1, 1, Some("told".to_owned()))]);
}

fn halts(ran: &Ran) -> Vec<Incident> {
    let entries = ran.ledger.entries.lock().unwrap();
    let halt = |entry: &Entry| match entry {
        Entry::Incident(incident) if incident.key.kind == IncidentKind::Halt => Some(incident.clone()),
        _ => None,
    };
    entries.iter().filter_map(halt).collect()
}

#[test]
fn a_rule_that_halts_ends_the_run_before_the_record() {
    let receiver = failing(&[(5, "fatal")]);
    let rules = rules(&[("stop here", "fatal", Then::Halt)]);
    let source = MemorySource::bounded(records(1, 100)).endless();
    let plan = Plan { rules, ..plan(vec![binding("ledger", &receiver)]) };
    let ran = run_all(source, MemoryLedger::default(), plan, &StopToken::default());
    let StopReason::HaltRule(halt) = &ran.summary.reason else { panic!("{:?}", ran.summary.reason) };
    let expected = "rule `stop here` (redrive.toml, line 7) halts at orders/0/5: receive/fatal of receiver ledger: as it was told";
    assert_eq!(halt.to_string(), expected);
    assert_eq!((ran.committed[0], ran.ledger.failures()), (Some(5), Vec::new()), "the next run begins with it");
    let given: Vec<_> = receiver.given.lock().unwrap().iter().map(|(_, offset)| *offset).collect();
    assert_eq!(given, (0..=5).collect::<Vec<_>>(), "nothing behind it is begun");
    let halts = halts(&ran);
    let [incident] = halts.as_slice() else { panic!("{halts:?}") };
    assert_eq!((incident.from, incident.to, incident.key.receiver.as_deref()), (Some(next(5)), Some(next(6)), Some("ledger")));
    assert_eq!((&incident.data["rule"], &incident.data["code"]), (&"stop here".into(), &"fatal".into()));
}

#[test]
fn a_rule_that_halts_before_the_receivers_halts_there() {
    let fine = accepting();
    let elsewhere = vec![Binding { types: vec!["other".into()], ..binding("elsewhere", &fine) }];
    let rules = rules(&[("no such type", "unrecognized_type", Then::Halt)]);
    let ran = run_bounded(1, 5, Plan { rules, ..plan(elsewhere) });
    assert!(matches!(ran.summary.reason, StopReason::HaltRule(_)), "{:?}", ran.summary.reason);
    assert_eq!((ran.committed[0], ran.ledger.failures().len(), halts(&ran).len()), (None, 0, 1));
    assert_eq!(ran.summary.unsettled, 5, "they come again");
}

#[test]
fn in_a_replay_rules_apply_as_well() {
    let replay = |receiver: &Arc<Probe>, rules, meant| {
        let source = MemorySource::bounded(records(1, 4)).opened_for(meant);
        let plan = Plan { rules, mode: Mode::Replay(7), concurrency: NonZeroUsize::MIN, ..plan(vec![binding("picky", receiver)]) };
        run_all(source, MemoryLedger::default(), plan, &StopToken::default())
    };
    let to_it = Meant::These(ReceiverSet::NONE.with(crate::record::ReceiverIx(0)));
    let noisy = || failing(&[(1, "noise"), (3, "fatal")]);
    let skip = [("no noise", "noise", Then::Skip)];
    let ran = replay(&noisy(), rules(&skip), to_it);
    let passed_over = |ran: &Ran, of: Option<&str>| {
        let is_it = |entry: &Entry| matches!(entry, Entry::PassedOver(PassedOver { receiver, why: WhyNot::SkippedByRule, .. }) if receiver.as_deref() == of);
        ran.ledger.count(is_it)
    };
    assert_eq!((passed_over(&ran, Some("picky")), journaled(&ran).len()), (1, 1));
    assert_eq!(passed_over(&replay(&noisy(), rules(&skip), Meant::ALL), None), 1);
    let ran = replay(&noisy(), rules(&[("stop here", "fatal", Then::Halt)]), to_it);
    assert!(matches!(ran.summary.reason, StopReason::HaltRule(_)) && halts(&ran).len() == 1, "{:?}", ran.summary.reason);
    // A receiver that is held is down to a replay, which does not wait.
    let ran = replay(&noisy(), rules(&[("wait", "noise", Then::Hold)]), to_it);
    let down = |entry: &Entry| matches!(entry, Entry::PassedOver(PassedOver { why: WhyNot::ReceiverDown, .. }));
    assert_eq!((ran.ledger.count(down), journaled(&ran).len()), (3, 0));
}

/// What a rule journals is the event's failure: it does not make its receiver look down.
#[test]
fn what_a_rule_journals_is_no_sign_of_an_outage() {
    let overrun = || probe(|_| Answered::Now(Err(ReceiverError::permanent("http_503", "later"))));
    let replay = |rules| {
        let source = MemorySource::bounded(records(1, 20)).opened_for(Meant::ALL);
        let plan =
            Plan { rules, mode: Mode::Replay(7), concurrency: NonZeroUsize::MIN, ..plan(vec![binding("overrun", &overrun())]) };
        run_all(source, MemoryLedger::default(), plan, &StopToken::default())
    };
    assert_eq!(replay(Arc::default()).ledger.failures().len(), 5);
    assert_eq!(replay(rules(&[("known", "http_503", Then::Journal)])).ledger.failures().len(), 20);
    assert_eq!(replay(rules(&[("again", "http_503", quick(1))])).ledger.failures().len(), 5, "of spent retries it is one");
}
