//! Rules and circumstances, and what is decided.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::event::TypePattern;

const MS: fn(u64) -> Duration = Duration::from_millis;
const BUILT_IN: Decision = Decision::Journal(Basis::BuiltIn);

fn facts(class: Class, code: &str) -> Facts<'_> {
    Facts {
        topic: "orders",
        event_type: Some("order.placed"),
        receiver: Some("billing"),
        stage: Stage::Receive,
        class,
        code,
        message: "503 Service Unavailable: under Maintenance",
    }
}

fn transient() -> Facts<'static> {
    facts(Class::Transient, "http_503")
}

/// Outages are journaled, as they were before there was anything else.
fn after(attempts: u32, elapsed: Duration) -> Situation {
    Situation { attempts, retries: 2, elapsed, retry_after: None, jitter: 0.5, outages: Outages::Journaled }
}

fn heeding(retry_after: Option<Duration>) -> Situation {
    Situation { retry_after, outages: Outages::Heeded, ..after(1, Duration::ZERO) }
}

fn rule(when: When, then: Then) -> Rule {
    Rule { name: "a rule".into(), file: "redrive.toml".into(), line: 1, when, then }
}

fn rules(all: impl IntoIterator<Item = (When, Then)>) -> Rules {
    Rules::new(all.into_iter().map(|(when, then)| rule(when, then)).collect())
}

fn retry(times: u32, first: Duration, max: Duration) -> Then {
    Then::Retry(Retry { times: NonZeroU32::new(times).unwrap(), first, max })
}

fn message(pattern: &str) -> When {
    When { messages: vec![MessagePattern::parse(pattern).unwrap()], ..When::default() }
}

fn code(code: &str) -> When {
    When { codes: vec![code.into()], ..When::default() }
}

// --- the built-in rules

#[test]
fn a_transient_failure_is_tried_twice_more() {
    let decided = |attempts| decide(&transient(), &after(attempts, Duration::ZERO), &Rules::default());
    assert_eq!(decided(1), Decision::RetryAfter(MS(200)));
    assert_eq!(decided(2), Decision::RetryAfter(MS(400)));
    assert_eq!(decided(3), BUILT_IN);
}

#[test]
fn other_classes_fail_fast_and_no_retries_is_fail_fast() {
    for class in [Class::Permanent, Class::Consumer, Class::Unknown] {
        assert_eq!(decide(&facts(class, "x"), &after(1, Duration::ZERO), &Rules::default()), BUILT_IN);
    }
    let none = Situation { retries: 0, ..after(1, Duration::ZERO) };
    assert_eq!(decide(&transient(), &none, &Rules::default()), BUILT_IN);
}

#[test]
fn what_a_receiver_asks_for_is_given_where_it_fits() {
    let wait = |ms| Decision::RetryAfter(MS(ms));
    for (elapsed_ms, retry_after_ms, decision) in [
        (0, 0, wait(200)),
        (0, 100, wait(200)),
        (0, 3_000, wait(3_000)),
        (0, 7_000, wait(7_000)),
        (0, 10_000, wait(10_000)),
        (0, 10_001, BUILT_IN),
        (4_000, 6_000, wait(6_000)),
        (4_001, 6_000, BUILT_IN),
        (0, u64::MAX, BUILT_IN),
    ] {
        let situation = Situation { retry_after: Some(MS(retry_after_ms)), ..after(1, MS(elapsed_ms)) };
        assert_eq!(decide(&transient(), &situation, &Rules::default()), decision, "{elapsed_ms} {retry_after_ms}");
    }
    let permanent = Situation { retry_after: Some(Duration::ZERO), ..after(1, Duration::ZERO) };
    assert_eq!(decide(&facts(Class::Permanent, "x"), &permanent, &Rules::default()), BUILT_IN);
}

#[test]
fn one_that_cannot_be_reached_lets_nobody_in_or_asks_to_wait_for_long_is_down_at_once() {
    let decided = |facts: Facts<'_>, situation| decide(&facts, &situation, &Rules::default());
    let now = Decision::Outage(Outage::Now, Basis::BuiltIn);
    let quiet = |time| Decision::Outage(Outage::For(time), Basis::BuiltIn);
    assert_eq!(decided(facts(Class::Transient, "unreachable"), heeding(None)), now);
    assert_eq!(decided(facts(Class::Consumer, "http_401"), heeding(None)), now);
    assert_eq!(decided(transient(), heeding(None)), Decision::RetryAfter(MS(200)));
    assert_eq!(decided(transient(), heeding(Some(MS(10_000)))), Decision::RetryAfter(MS(10_000)), "that is waited for");
    assert_eq!(decided(transient(), heeding(Some(MS(10_001)))), quiet(MS(10_001)));
    assert_eq!(decided(transient(), heeding(Some(Duration::MAX))), quiet(LONGEST_QUIET));
    assert_eq!(decided(facts(Class::Permanent, "http_422"), heeding(Some(Duration::MAX))), BUILT_IN);
    // Where outages are journaled they are failures as any.
    let journaled = after(1, Duration::ZERO);
    assert_eq!(decided(facts(Class::Transient, "unreachable"), journaled), Decision::RetryAfter(MS(200)));
    assert_eq!(decided(facts(Class::Consumer, "http_401"), journaled), BUILT_IN);
}

#[test]
fn before_the_receivers_nothing_is_an_outage_and_nothing_is_tried_again() {
    for class in Class::ALL {
        let facts = Facts { receiver: None, stage: Stage::Decode, ..facts(class, "unreachable") };
        assert_eq!(decide(&facts, &Situation::before_receivers(), &Rules::default()), BUILT_IN);
        assert_eq!(decide(&facts, &heeding(Some(Duration::MAX)), &Rules::default()), BUILT_IN);
    }
}

// --- the user's rules

#[test]
fn each_action_does_what_it_says() {
    let all = |then| rules([(When::default(), then)]);
    let (first, situation) = (RuleIx(0), heeding(None));
    let decided = |then| decide(&transient(), &situation, &all(then));
    assert_eq!(decided(Then::Journal), Decision::Journal(Basis::Rule(first)));
    assert_eq!(decided(Then::Skip), Decision::Skip(first));
    assert_eq!(decided(Then::Halt), Decision::Halt(first));
    assert_eq!(decided(Then::Hold), Decision::Outage(Outage::Now, Basis::Rule(first)));
    assert_eq!(decided(retry(5, MS(1_000), MS(30_000))), Decision::RetryAfter(MS(1_000)));
    let asked = decide(&transient(), &heeding(Some(MS(60_000))), &all(Then::Hold));
    assert_eq!(asked, Decision::Outage(Outage::For(MS(60_000)), Basis::Rule(first)));
    // Outages that are journaled are: it is tried as often as the receiver says, and written down.
    let journaled = |attempts| decide(&transient(), &after(attempts, Duration::ZERO), &all(Then::Hold));
    assert_eq!((journaled(1), journaled(3)), (Decision::RetryAfter(MS(200)), Decision::Journal(Basis::AfterRule(first))));
}

#[test]
fn every_key_must_fit_and_of_each_one_value() {
    let rule = When {
        topics: vec!["users".into(), "orders".into()],
        types: vec![TypePattern::parse("order.*").unwrap()],
        receivers: vec!["billing".into()],
        stages: vec![Stage::Receive],
        classes: vec![Class::Transient, Class::Unknown],
        codes: vec!["timeout".into(), "http_503".into()],
        messages: vec![MessagePattern::parse("^nothing$").unwrap(), MessagePattern::parse("(?i)maintenance").unwrap()],
    };
    let rules = rules([(rule, Then::Skip)]);
    let is_skipped = |facts: Facts<'_>| decide(&facts, &heeding(None), &rules) == Decision::Skip(RuleIx(0));
    assert!(is_skipped(transient()));
    for other in [
        Facts { topic: "order", ..transient() },
        Facts { event_type: Some("order"), ..transient() },
        Facts { event_type: None, ..transient() },
        Facts { receiver: Some("audit"), ..transient() },
        Facts { receiver: None, ..transient() },
        Facts { stage: Stage::Decode, ..transient() },
        Facts { class: Class::Permanent, ..transient() },
        Facts { code: "http_50", ..transient() },
        Facts { message: "busy", ..transient() },
    ] {
        assert!(!is_skipped(other), "{other:?}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = rules([
        (code("http_422"), Then::Halt),
        (message("(?i)maintenance"), Then::Journal),
        (code("http_503"), Then::Skip),
        (When::default(), Then::Skip),
    ]);
    let decided = |facts: Facts<'_>| decide(&facts, &heeding(None), &rules);
    assert_eq!(decided(facts(Class::Permanent, "http_422")), Decision::Halt(RuleIx(0)));
    assert_eq!(decided(transient()), Decision::Journal(Basis::Rule(RuleIx(1))));
    assert_eq!(decided(Facts { message: "busy", ..transient() }), Decision::Skip(RuleIx(2)));
    assert_eq!(decided(Facts { message: "busy", ..facts(Class::Unknown, "panicked") }), Decision::Skip(RuleIx(3)));
}

#[test]
fn what_is_only_for_deliveries_does_not_look_at_the_stages_before() {
    let rules = rules([(When::default(), Then::Hold), (When::default(), retry(1, MS(1), MS(1))), (When::default(), Then::Journal)]);
    let facts = Facts { receiver: None, stage: Stage::Route, ..transient() };
    assert_eq!(decide(&facts, &Situation::before_receivers(), &rules), Decision::Journal(Basis::Rule(RuleIx(2))));
}

/// Never as `skip`, and never left to a rule behind it.
#[test]
fn a_rule_that_cannot_be_evaluated_counts_as_journal() {
    let broken = || When { messages: vec![MessagePattern::broken()], ..When::default() };
    for then in [Then::Skip, Then::Halt, Then::Hold, retry(3, MS(1), MS(1)), Then::Journal] {
        let rules = rules([(broken(), then), (When::default(), Then::Skip)]);
        assert_eq!(decide(&transient(), &heeding(None), &rules), Decision::Journal(Basis::Rule(RuleIx(0))), "{then:?}");
    }
    let elsewhere = rules([(When { codes: vec!["x".into()], ..broken() }, Then::Halt)]);
    assert_eq!(decide(&transient(), &after(9, Duration::ZERO), &elsewhere), BUILT_IN, "its other keys do not fit");
    let both = When { messages: vec![MessagePattern::broken(), MessagePattern::parse("(?i)maint").unwrap()], ..When::default() };
    assert_eq!(decide(&transient(), &heeding(None), &rules([(both, Then::Skip)])), Decision::Skip(RuleIx(0)), "one value fits");
}

#[test]
fn a_rule_retries_as_often_and_as_long_as_it_says() {
    let rules = rules([(When::default(), retry(5, MS(1_000), MS(30_000)))]);
    // No window of ten seconds: their number is the bound.
    let hours = Duration::from_secs(7_200);
    let decided = |attempts| decide(&facts(Class::Permanent, "x"), &after(attempts, hours), &rules);
    let waits = [1_000, 2_000, 4_000, 8_000, 16_000].map(|ms| Decision::RetryAfter(MS(ms)));
    assert_eq!([1, 2, 3, 4, 5].map(decided), waits);
    assert_eq!(decided(6), Decision::Journal(Basis::AfterRule(RuleIx(0))));
    let capped = super::tests::rules([(When::default(), retry(u32::MAX, MS(1_000), MS(3_000)))]);
    assert_eq!(decide(&transient(), &after(u32::MAX, hours), &capped), Decision::RetryAfter(MS(3_000)));
}

/// One retry by a rule is one, however many the receiver would have.
#[test]
fn what_a_rule_leaves_is_for_the_built_in_ones_but_they_do_not_retry_on() {
    let one = rules([(When::default(), retry(1, MS(100), MS(100)))]);
    let spent = Basis::AfterRule(RuleIx(0));
    assert_eq!(decide(&transient(), &after(2, Duration::ZERO), &one), Decision::Journal(spent));
    assert!(spent.may_be_a_sign() && Basis::BuiltIn.may_be_a_sign() && !Basis::Rule(RuleIx(0)).may_be_a_sign());
    let unreachable = facts(Class::Transient, "unreachable");
    let (first, second) = (heeding(None), Situation { attempts: 2, ..heeding(None) });
    assert_eq!(decide(&unreachable, &first, &one), Decision::RetryAfter(MS(100)), "the rule goes first");
    assert_eq!(decide(&unreachable, &second, &one), Decision::Outage(Outage::Now, spent));
}

#[test]
fn a_rule_waits_as_long_as_the_receiver_asks_up_to_its_own_longest_wait_or_the_window() {
    let decided = |max_ms, asked_ms, situation: fn(Option<Duration>) -> Situation| {
        decide(&transient(), &situation(Some(MS(asked_ms))), &rules([(When::default(), retry(5, MS(1_000), MS(max_ms)))]))
    };
    let spent = Basis::AfterRule(RuleIx(0));
    assert_eq!(decided(2_000, 10_000, heeding), Decision::RetryAfter(MS(10_000)));
    assert_eq!(decided(30_000, 30_000, heeding), Decision::RetryAfter(MS(30_000)));
    assert_eq!(decided(30_000, 30_001, heeding), Decision::Outage(Outage::For(MS(30_001)), spent));
    let journaled = |retry_after| Situation { retry_after, ..after(1, Duration::ZERO) };
    assert_eq!(decided(30_000, 30_001, journaled), Decision::Journal(spent));
}

#[test]
fn rules_look_at_as_much_of_a_message_as_is_kept() {
    let rules = rules([(message("needle"), Then::Skip)]);
    let far = format!("{}needle", "é".repeat(994));
    let longer = format!("é{far}");
    let decided = |message| decide(&Facts { message, ..transient() }, &after(9, Duration::ZERO), &rules);
    assert_eq!(decided(&far), Decision::Skip(RuleIx(0)));
    assert_eq!(decided(&longer), BUILT_IN, "the last letter is not kept");
    assert_eq!(decided("nee\0dle"), Decision::Skip(RuleIx(0)));
}

#[test]
fn patterns_that_mean_nothing_or_too_much_are_refused() {
    assert!(MessagePattern::parse("(unclosed").is_err());
    assert!(MessagePattern::parse(r"\w{1,500}").is_err(), "larger than it may be");
    assert!(MessagePattern::parse(r"(?i)order \w+ has no total").is_ok());
}

#[test]
fn a_retry_that_a_rule_may_make_is_known_by_receiver() {
    let of = |receivers: &[&str]| When { receivers: receivers.iter().map(|&of| of.into()).collect(), ..When::default() };
    let some = rules([(of(&["billing"]), retry(1, MS(1), MS(1))), (of(&["audit"]), Then::Hold)]);
    assert!(some.may_retry("billing") && !some.may_retry("audit"));
    assert!(rules([(When::default(), retry(1, MS(1), MS(1)))]).may_retry("audit") && !Rules::default().may_retry("audit"));
}

#[test]
fn rules_are_shown_in_words() {
    let when = When { codes: vec!["http_503".into(), "timeout".into()], receivers: vec!["billing".into()], ..message("(?i)x y") };
    assert_eq!(when.to_string(), "receiver billing, code http_503 or timeout, message /(?i)x y/");
    assert_eq!(When::default().to_string(), "every failure");
    assert_eq!(retry(5, MS(1_500), MS(30_000)).to_string(), "retry 5 times, 1.5s to 30s apart");
}

// --- whatever comes

fn any_rule() -> impl Strategy<Value = (When, Then)> {
    let some = |words: &'static [&'static str]| prop::collection::vec(prop::sample::select(words).prop_map(str::to_owned), 0..3);
    let patterns = prop::collection::vec(prop_oneof![Just("^a"), Just("b+$"), Just("(?i)C"), Just(".")], 0..3);
    let stages = prop::collection::vec(prop::sample::select(&Stage::ALL[..]), 0..3);
    let classes = prop::collection::vec(prop::sample::select(&Class::ALL[..]), 0..3);
    let when =
        (some(&["t", "u"]), some(&["billing", "audit"]), some(&["x", "unreachable"]), stages, classes, patterns, any::<bool>());
    let then = prop_oneof![
        Just(Then::Journal),
        Just(Then::Skip),
        Just(Then::Hold),
        Just(Then::Halt),
        (1u32.., any::<u32>(), any::<u32>()).prop_map(|(times, first, max)| retry(times, MS(first.into()), MS(max.into()))),
    ];
    let made = when.prop_map(|(topics, receivers, codes, stages, classes, patterns, is_broken)| {
        let mut messages: Vec<_> = patterns.into_iter().map(|text| MessagePattern::parse(text).unwrap()).collect();
        if is_broken && !messages.is_empty() {
            messages.insert(0, MessagePattern::broken());
        }
        When { topics, types: Vec::new(), receivers, stages, classes, codes, messages }
    });
    (made, then)
}

fn any_situation() -> impl Strategy<Value = Situation> {
    let asked = prop::option::of(prop_oneof![(0u64..100_000).prop_map(MS), Just(Duration::MAX)]);
    let outages = prop_oneof![Just(Outages::Heeded), Just(Outages::Journaled)];
    (1u32.., any::<u32>(), any::<u64>(), asked, 0.0f64..1.0, outages).prop_map(
        |(attempts, retries, elapsed_ms, retry_after, jitter, outages)| Situation {
            attempts,
            retries,
            elapsed: MS(elapsed_ms),
            retry_after,
            jitter,
            outages,
        },
    )
}

proptest! {
    #[test]
    fn no_try_starts_after_the_window(
        attempts in 1u32..100, elapsed_ms in 0u64..20_000, jitter in 0.0f64..1.0,
        asked in prop::option::of(prop_oneof![(0u64..15_000).prop_map(Duration::from_millis), Just(Duration::MAX)]),
    ) {
        let elapsed = MS(elapsed_ms);
        let situation = Situation { attempts, retries: u32::MAX, elapsed, retry_after: asked, jitter, outages: Outages::Journaled };
        let decided = decide(&transient(), &situation, &Rules::default());
        prop_assert!(may_follow_a_timeout(elapsed, 1) || decided == BUILT_IN);
        if let Decision::RetryAfter(wait) = decided {
            prop_assert!(elapsed + wait <= RETRY_WINDOW);
            prop_assert!(wait >= FIRST_WAIT / 2 && wait >= asked.unwrap_or_default());
            prop_assert!(wait <= LONGEST_WAIT || Some(wait) == asked);
        }
    }

    #[test]
    fn the_first_match_decides_and_rules_behind_it_change_nothing(
        all in prop::collection::vec(any_rule(), 0..6), situation in any_situation(),
        stage in prop::sample::select(&Stage::ALL[..]), class in prop::sample::select(&Class::ALL[..]),
        code in prop::sample::select(&["x", "unreachable"][..]), message in "[abcABC\\PC\0]{0,20}",
    ) {
        let receiver = (stage == Stage::Receive).then_some("billing");
        let facts = Facts { topic: "t", event_type: None, receiver, stage, class, code, message: &message };
        let whole = rules(all.clone());
        let decided = decide(&facts, &situation, &whole);
        let Some((RuleIx(at), _)) = whole.first(&facts) else {
            prop_assert_eq!(decided, decide(&facts, &situation, &Rules::default()));
            return Ok(());
        };
        let up_to = rules(all.iter().take(at + 1).cloned());
        prop_assert_eq!(decided, decide(&facts, &situation, &up_to));
        prop_assert!(all.iter().take(at).all(|(when, then)| rules([(when.clone(), *then)]).first(&facts).is_none()));
        let is_broken = all[at].0.messages.first().is_some_and(|pattern| pattern.as_str() == "(broken)");
        let others = rules([(When { messages: all[at].0.messages.iter().skip(1).cloned().collect(), ..all[at].0.clone() }, all[at].1)]);
        if is_broken && (others.first(&facts).is_none() || all[at].0.messages.len() == 1) {
            prop_assert_eq!(decided, Decision::Journal(Basis::Rule(RuleIx(at))), "never skipped");
        }
    }

    #[test]
    fn a_rule_never_waits_for_ever(
        (times, first, max) in (1u32.., any::<u32>(), any::<u32>()), situation in any_situation(),
    ) {
        let (first, max) = (MS(first.into()), MS(max.into()));
        let decided = decide(&facts(Class::Permanent, "x"), &situation, &rules([(When::default(), retry(times, first, max))]));
        if let Decision::RetryAfter(wait) = decided {
            prop_assert!(situation.attempts <= times && wait <= max.max(RETRY_WINDOW));
            prop_assert!(wait >= situation.retry_after.unwrap_or_default());
        }
    }
}

// --- how it is told, and what can never match

#[test]
fn retries_are_told_as_a_person_would() {
    let told = |times, first_ms, max_ms| retry(times, MS(first_ms), MS(max_ms)).to_string();
    assert_eq!(told(1, 10_000, 10_000), "retry once, after 10s");
    assert_eq!(told(1, 200, 3_600_000), "retry once, after 200ms");
    assert_eq!(told(3, 60_000, 60_000), "retry 3 times, 1m apart");
    assert_eq!(told(5, 1_500, 3_600_000), "retry 5 times, 1.5s to 1h apart");
    assert_eq!(told(2, 90_000, 7_200_000), "retry 2 times, 90s to 2h apart");
}

#[test]
fn a_rule_behind_one_that_takes_all_of_it_can_never_match() {
    let all = When::default;
    let of = |receivers: &[&str], codes: &[&str], stages: &[Stage]| When {
        receivers: receivers.iter().map(|name| (*name).to_owned()).collect(),
        codes: codes.iter().map(|code| (*code).to_owned()).collect(),
        stages: stages.to_vec(),
        ..When::default()
    };
    let types = |pattern: &str| When { types: vec![TypePattern::parse(pattern).unwrap()], ..When::default() };
    let (receive, decode) = (&[Stage::Receive][..], &[Stage::Decode][..]);
    for (by, then, rule, is_shadowed) in [
        (all(), Then::Skip, code("a"), true),
        (all(), Then::Skip, all(), true),
        (code("a"), Then::Skip, all(), false),
        (code("a"), Then::Skip, code("a"), true),
        (code("a"), Then::Skip, code("b"), false),
        (of(&[], &["a", "b"], &[]), Then::Skip, code("b"), true),
        (code("a"), Then::Skip, of(&[], &["a", "b"], &[]), false),
        (code("a"), Then::Skip, of(&["billing"], &["a"], &[]), true),
        (of(&["billing"], &["a"], &[]), Then::Skip, code("a"), false),
        (message("a|b"), Then::Skip, message("a|b"), true),
        // It is, but nobody can say so of patterns in general.
        (message("a|b"), Then::Skip, message("a"), false),
        (types("order.*"), Then::Skip, types("order.*"), true),
        (types("order.*"), Then::Skip, types("order.placed"), false),
        // A rule that holds is not asked before the receivers.
        (all(), Then::Hold, all(), false),
        (all(), Then::Hold, of(&[], &[], receive), true),
        (all(), Then::Hold, of(&["billing"], &[], &[]), true),
        (of(&[], &[], receive), Then::Skip, of(&["billing"], &[], &[]), true),
        (of(&[], &[], decode), Then::Skip, of(&["billing"], &[], &[]), false),
        (of(&[], &[], &Stage::ALL), Then::Skip, all(), true),
    ] {
        let told = format!("{by} → {then}, then {rule}");
        let both = rules([(by, then), (rule, Then::Journal)]);
        assert_eq!(both.shadowed().len(), usize::from(is_shadowed), "{told}");
    }
    let named = |name: &str, when| Rule { name: name.into(), ..rule(when, Then::Journal) };
    let rules = Rules::new(vec![named("one", code("a")), named("two", all()), named("three", code("a")), named("four", code("b"))]);
    let found: Vec<_> = rules.shadowed().iter().map(|of| (of.rule.name.as_str(), of.by.name.as_str())).collect();
    assert_eq!(found, [("three", "one"), ("four", "two")]);
}
