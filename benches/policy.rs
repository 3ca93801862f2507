//! What a policy costs: `decide` with 50 rules, none of which matches, and with none at all; the line is about a failure. On success
//! nothing is asked.
//!
//! ```sh
//! cargo bench --bench policy
//! ```
//!
//! The exit code is 1 when the line does not hold.
#![expect(clippy::print_stdout, reason = "what a benchmark is for is what it prints")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use redrive::event::TypePattern;
use redrive::policy::{Facts, MessagePattern, Outages, Rule, Rules, Situation, Then, When, decide};
use redrive::{Class, Stage};

const RULES: usize = 50;
const LINE_NS: f64 = 5_000.0;
const ROUNDS: usize = 20;
const FAILURES: u32 = 20_000;

/// As a user writes them: a receiver or a type, some codes, and for the half of them a pattern that has to be looked for.
fn rules() -> Rules {
    let rule = |number: usize| {
        let pattern = |text: String| MessagePattern::parse(&text).ok().into_iter().collect();
        let when = match number % 4 {
            0 => When {
                receivers: vec!["billing".into()],
                messages: pattern(format!("(?i)maintenance {number}")),
                ..When::default()
            },
            1 => When { codes: vec![format!("http_{number}"), "timeout".into()], ..When::default() },
            2 => When { messages: pattern(format!(r"order \w+ has no (total|currency) {number}")), ..When::default() },
            _ => When { types: TypePattern::parse(&format!("order.{number}.*")).ok().into_iter().collect(), ..When::default() },
        };
        Rule { name: format!("rule {number}"), file: "redrive.toml".into(), line: number, when, then: Then::Skip }
    };
    Rules::new((0..RULES).map(rule).collect())
}

/// Nanoseconds of one decision: the middle of many rounds.
fn measured(rules: &Rules, message: &str) -> f64 {
    let facts = Facts {
        topic: "orders",
        event_type: Some("order.placed"),
        receiver: Some("billing"),
        stage: Stage::Receive,
        class: Class::Transient,
        code: "http_503",
        message,
    };
    let situation = Situation {
        attempts: 1,
        retries: 2,
        elapsed: Duration::from_millis(12),
        retry_after: None,
        jitter: 0.5,
        outages: Outages::Heeded,
    };
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..FAILURES {
                black_box(&decide(black_box(&facts), black_box(&situation), black_box(rules)));
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(FAILURES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn main() -> ExitCode {
    let short = "503 Service Unavailable: the bank is away, try again later";
    let long = "an order that has a lot to say about itself; ".repeat(25);
    let (none, some) = (measured(&Rules::default(), short), measured(&rules(), short));
    let longest = measured(&rules(), &long);
    let holds = some < LINE_NS && longest < LINE_NS;
    println!("policy: a failure is decided in {none:.0} ns without rules, in {some:.0} ns with {RULES} of which none matches");
    println!("        with a message of 1,000 characters in {longest:.0} ns");
    println!("        below {LINE_NS:.0} ns: {}", if holds { "holds" } else { "MISSED" });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
