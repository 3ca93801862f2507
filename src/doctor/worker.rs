//! Workers of `exec:` receivers: what they do with the script, or with nothing at all.

use std::time::Duration;

use crate::doctor::broker::milliseconds;
use crate::doctor::{Finding, Section, script};
use crate::receiver::{self, Exchanged, Idle, Outcome, Specification};

/// Longer than this nobody waits for one answer, whatever the receiver's timeout.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the worker and ends its input: it is handed nothing.
pub(super) async fn idle(name: &str, command: &[String]) -> Finding {
    let here = Section::Receivers;
    match receiver::start_and_end(command).await {
        Err(error) => here.problem(name, format!("it cannot be started: {error}")).mend("see that the command runs in a shell"),
        Ok(Idle::EndedWell(after)) => here
            .ok(name, format!("starts, and ends with its input ({})", milliseconds(after)))
            .mend(format!("to hand it events as well: --receiver {name}")),
        Ok(Idle::Spoke(line)) => here
            .problem(name, format!("it wrote to stdout before it was handed anything: {line}"))
            .mend("stdout is for answers alone: print everything else to stderr"),
        Ok(Idle::Failed(how)) => here
            .problem(name, format!("{how}; expected that it reads its input to the end, and exits with status 0"))
            .mend("run it in a shell with </dev/null to see why"),
        Ok(Idle::WentOn) => here
            .problem(name, "it went on when its input ended, and was killed")
            .mend("leave the loop when stdin ends: at a stop the consumer closes it, waits, and kills"),
    }
}

/// Hands the script to the worker of a receiver, whose command this is. Each exchange is a finding.
pub(super) async fn scripted(receiver: &Specification, command: &[String], group: &str) -> Vec<Finding> {
    let exchanges = script::exchanges(group, &receiver.name, receiver.window.get());
    let held = receiver::converse(command, receiver.timeout.min(PATIENCE), exchanges).await;
    held.into_iter().map(|exchanged| judge(&receiver.name, exchanged)).collect()
}

fn judge(name: &str, exchanged: Exchanged) -> Finding {
    let Exchanged { name: exchange, outcome, sent } = exchanged;
    let subject = format!("{name}: {exchange}");
    let finding = match outcome {
        Outcome::Answered(said) => Section::Worker.ok(&subject, said),
        Outcome::Broken { expected, got } => {
            let found = format!("expected {expected}; got {got}");
            let mend =
                "answer each line with exactly one line {\"sendid\":N,\"ok\":true}, or with ok false, class, code and message";
            Section::Worker.problem(&subject, found).mend(mend)
        }
        Outcome::NotBegun => Section::Worker.skipped(&subject, "three exchanges in a row were waited for in vain"),
    };
    Finding { sent: Some(sent).filter(|sent| !sent.is_empty()), ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn each_exchange_is_a_finding_with_the_line_that_was_sent() {
        let judged = |outcome| judge("billing", Exchanged { name: "late".into(), outcome, sent: "{}".into() });
        let broken = judged(Outcome::Broken { expected: "one line".into(), got: "nothing".into() });
        assert_eq!(
            (broken.subject.as_str(), broken.verdict, broken.sent.as_deref()),
            ("billing: late", Verdict::Problem, Some("{}"))
        );
        assert_eq!(judged(Outcome::Answered("permanent empty_order: no".into())).verdict, Verdict::Ok, "a failure is an answer");
        assert_eq!(judged(Outcome::NotBegun).verdict, Verdict::Skipped);
    }
}
