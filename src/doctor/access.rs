//! What the brokers let us do, as far as they say it.

use crate::doctor::topics::Partitions;
use crate::doctor::{Checkup, Finding, Section};
use crate::kafka::{Allowed, Examiner, Operation, TopicTrouble};
use crate::receiver::{MadeOf, Target};

const HERE: Section = Section::Access;

/// Something that we must be allowed to do.
#[derive(Clone, Copy)]
struct Right<'r> {
    /// `topic` or `group`, as Kafka's tools call it.
    kind: &'static str,
    name: &'r str,
    operation: Operation,
}

pub(super) fn check(checkup: &Checkup, examiner: Option<&Examiner>, topics: &Partitions, findings: &mut Vec<Finding>) {
    let Some(examiner) = examiner else {
        findings.push(HERE.skipped("rights", "no broker can be asked"));
        return;
    };
    let mut read: Vec<&str> = topics.iter().map(|of| of.topic.as_str()).collect();
    read.dedup();
    let written: Vec<&str> = produced(checkup).collect();
    if !read.is_empty() {
        check_topics(examiner, &read, Operation::Read, findings);
    }
    if !written.is_empty() {
        check_topics(examiner, &written, Operation::Write, findings);
    }
    if let Some(group) = &checkup.settings.group {
        // What keeps it from being described at all is told where the group is.
        if let Ok(description) = examiner.group(group) {
            findings.push(judge(Right { kind: "group", name: group, operation: Operation::Read }, description.allowed));
        }
    }
    if read.is_empty() && written.is_empty() && checkup.settings.group.is_none() {
        findings.push(HERE.skipped("rights", "neither topic nor group is named").mend("-t TOPIC -g GROUP"));
    }
}

/// The topics of `kafka:` receivers.
pub(super) fn produced(checkup: &Checkup) -> impl Iterator<Item = &str> {
    checkup.settings.receivers.iter().filter_map(|receiver| match &receiver.made_of {
        MadeOf::Target(Target::Kafka(topic)) => Some(topic.as_str()),
        _ => None,
    })
}

fn check_topics(examiner: &Examiner, names: &[&str], operation: Operation, findings: &mut Vec<Finding>) {
    match examiner.topics(names) {
        Ok(described) => {
            for topic in described {
                let right = Right { kind: "topic", name: &topic.name, operation };
                findings.push(match topic.trouble {
                    // Whoever names it tells that.
                    Some(TopicTrouble::Unknown) => {
                        HERE.skipped(&subject(right), "there is no topic of this name, or none that we may see")
                    }
                    Some(TopicTrouble::Other(why)) => {
                        HERE.problem(&subject(right), format!("it cannot be described: {why}")).mend(grant(right))
                    }
                    None => judge(right, topic.allowed),
                });
            }
        }
        Err(why) => findings.push(HERE.warning("topics", format!("the broker does not say what we may do there: {why}"))),
    }
}

fn judge(right: Right<'_>, allowed: Allowed) -> Finding {
    let subject = subject(right);
    let operation = right.operation.as_str();
    match allowed.has(right.operation) {
        Some(true) => HERE.ok(&subject, format!("{operation} is allowed")),
        Some(false) => HERE.problem(&subject, format!("{operation} is not allowed")).mend(grant(right)),
        // Without Describe, or from a broker that is too old.
        None => HERE.skipped(&subject, format!("the broker does not say whether {operation} is allowed")),
    }
}

fn subject(right: Right<'_>) -> String {
    format!("{} {}", right.kind, right.name)
}

fn grant(right: Right<'_>) -> String {
    let Right { kind, name, operation } = right;
    let name = shell_words::quote(name);
    format!(
        "kafka-acls.sh --bootstrap-server … --add --allow-principal User:NAME --operation {} --{kind} {name}",
        operation.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_right_that_is_missing_is_a_problem_with_the_command_that_gives_it() {
        let right = Right { kind: "group", name: "shop", operation: Operation::Read };
        assert_eq!(judge(right, Allowed::of(&[Operation::Read, Operation::Describe])).verdict, Verdict::Ok);
        let denied = judge(right, Allowed::of(&[Operation::Describe]));
        assert_eq!(denied.verdict, Verdict::Problem);
        assert_eq!(
            denied.mends,
            ["kafka-acls.sh --bootstrap-server … --add --allow-principal User:NAME --operation Read --group shop"]
        );
        assert_eq!(judge(right, Allowed::default()).verdict, Verdict::Skipped);
    }
}
