//! Whether the topics are there, who leads their partitions, and how much is in them.

use std::error::Error as _;

use crate::doctor::{Checkup, Finding, Section};
use crate::kafka::{Examiner, PartitionFacts, Standing, TopicChoice};
use crate::settings::nearest;

const HERE: Section = Section::Topics;
/// So many are named, and no more.
const NAMED: usize = 5;

/// The partitions that would be read.
pub(super) type Partitions = Vec<PartitionFacts>;

pub(super) fn check(checkup: &Checkup, examiner: Option<&Examiner>, findings: &mut Vec<Finding>) -> Partitions {
    let wanted = &checkup.settings.topics;
    if wanted.is_empty() {
        findings.push(HERE.skipped("topics", "no topic is named").mend("-t TOPIC"));
        return Vec::new();
    }
    let Some(examiner) = examiner else {
        findings.push(HERE.skipped("topics", "no broker can be asked"));
        return Vec::new();
    };
    let there = match examiner.topic_names() {
        Ok(there) => there,
        Err(why) => {
            findings.push(HERE.problem("topics", format!("the broker does not list its topics: {why}")));
            return Vec::new();
        }
    };
    let mut names: Vec<&str> = Vec::new();
    for topic in wanted {
        let (matching, finding) = find(topic, &there);
        names.extend(matching);
        findings.extend(finding);
    }
    names.sort_unstable();
    names.dedup();
    match examiner.partitions(&names) {
        Ok(partitions) => {
            findings.extend(names.iter().map(|name| leaders(name, &partitions)));
            partitions
        }
        Err(why) => {
            findings.push(HERE.problem("partitions", format!("the broker does not say who leads them: {why}")));
            Vec::new()
        }
    }
}

/// The topics of a name or a pattern; a finding where that is not one topic that is there.
fn find<'t>(topic: &str, there: &'t [String]) -> (Vec<&'t str>, Option<Finding>) {
    if !topic.starts_with('^') {
        if let Some(found) = there.iter().find(|name| *name == topic) {
            return (vec![found], None);
        }
        let finding = HERE.problem(topic, "there is no topic of this name on this cluster, or none that we may see");
        return (
            Vec::new(),
            Some(match nearest(topic, there.iter().map(String::as_str)) {
                Some(like) => finding.mend(format!("-t {like}")),
                None => finding.mend(format!("to wait for topics that do not exist yet: -t '^{topic}$'")),
            }),
        );
    }
    let choice = match TopicChoice::parse(&[topic.to_owned()]) {
        Ok(choice) => choice,
        Err(error) => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            return (Vec::new(), Some(HERE.problem(topic, format!("it is no pattern of topics: {why}"))));
        }
    };
    let matching: Vec<&str> = there.iter().map(String::as_str).filter(|name| choice.has(name)).collect();
    let finding = match matching.as_slice() {
        [] => HERE
            .warning(topic, "it matches nothing yet: `consume` would wait")
            .mend("see what there is: kafka-topics.sh --bootstrap-server … --list"),
        found => {
            let named: Vec<&str> = found.iter().take(NAMED).copied().collect();
            let more = if found.len() > NAMED { format!(" and {} more", found.len() - NAMED) } else { String::new() };
            HERE.ok(topic, format!("matches {}{more}", named.join(", ")))
        }
    };
    (matching, Some(finding))
}

fn leaders(topic: &str, partitions: &[PartitionFacts]) -> Finding {
    let ours: Vec<_> = partitions.iter().filter(|of| of.topic == topic).collect();
    let without: Vec<_> = ours.iter().filter(|of| of.leader.is_none()).map(|of| of.partition.to_string()).collect();
    let count = format!("{} partition{}", ours.len(), if ours.len() == 1 { "" } else { "s" });
    if without.is_empty() {
        return HERE.ok(topic, format!("{count}, each with a leader"));
    }
    HERE.problem(topic, format!("{count}, without a leader: {}", without.join(", "))).mend(format!(
        "see which broker is away: kafka-topics.sh --bootstrap-server … --describe --unavailable-partitions --topic {topic}"
    ))
}

/// Where the logs begin and end.
pub(super) fn logs(examiner: Option<&Examiner>, partitions: &[PartitionFacts], findings: &mut Vec<Finding>) -> Vec<Standing> {
    let Some(examiner) = examiner else { return Vec::new() };
    let led: Vec<_> = partitions.iter().filter(|of| of.leader.is_some()).map(|of| (of.topic.as_str(), of.partition)).collect();
    if led.is_empty() {
        return Vec::new();
    }
    match examiner.logs(&led) {
        Ok(logs) => {
            let held: i64 = logs.iter().filter_map(|log| Some(log.end? - log.low?)).sum();
            findings.push(HERE.ok("logs", format!("{held} offsets in {} partitions", logs.len())));
            logs
        }
        Err(why) => {
            findings.push(HERE.problem("logs", format!("where they begin and end cannot be found out: {why}")));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_mistyped_topic_gets_the_nearest_name() {
        let there = ["orders", "payments"].map(str::to_owned);
        let (found, finding) = find("ordres", &there);
        let finding = finding.unwrap();
        assert_eq!((found.len(), finding.verdict, finding.mends), (0, Verdict::Problem, vec!["-t orders".to_owned()]));
        assert_eq!(find("orders", &there).0, ["orders"]);
        assert_eq!(
            find("something.else", &there).1.unwrap().mends,
            ["to wait for topics that do not exist yet: -t '^something.else$'"]
        );
    }

    #[test]
    fn patterns() {
        let there = ["shop.orders", "shop.payments"].map(str::to_owned);
        for (pattern, count, verdict) in [("^shop\\.", 2, Verdict::Ok), ("^x", 0, Verdict::Warning), ("^(", 0, Verdict::Problem)] {
            let (found, finding) = find(pattern, &there);
            assert_eq!((found.len(), finding.unwrap().verdict), (count, verdict), "{pattern}");
        }
    }

    #[test]
    fn a_partition_without_a_leader_is_a_problem() {
        let of = |partition, leader| PartitionFacts { topic: "orders".into(), partition, leader };
        assert_eq!(leaders("orders", &[of(0, Some(1)), of(1, Some(1))]).verdict, Verdict::Ok);
        assert_eq!(leaders("orders", &[of(0, Some(1)), of(1, None)]).verdict, Verdict::Problem);
    }
}
