//! Whether the cluster answers, and what it and the client library can do.

use std::time::Duration;

use crate::doctor::{Checkup, Finding, Found, Section, Verdict};
use crate::engine::stop::StopToken;
use crate::kafka::{Cluster, ClusterDescription, Examiner, Request};

const HERE: Section = Section::Broker;
/// Less than `consume` waits: whoever looks wants to know soon.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// A slower answer is worth a look at the way there.
const SLOW: Duration = Duration::from_millis(500);

/// `None`: nobody is there to be asked.
pub(super) fn check(checkup: &Checkup, findings: &mut Vec<Finding>) -> Option<Examiner> {
    let Some(connection) = &checkup.connection else {
        findings.push(HERE.skipped("reachable", "no broker is named").mend("-b HOST:PORT, or KAFKA_BOOTSTRAP_SERVERS"));
        return None;
    };
    match Cluster::connect(connection, FIRST_ANSWER, &StopToken::default()) {
        Ok(cluster) => drop(cluster),
        Err(error) => {
            findings.push(Finding { found: Found::Cluster(error), ..HERE.finding("reachable", Verdict::Problem, String::new()) });
            return None;
        }
    }
    let examined = Examiner::connect(connection, checkup.settings.group.as_deref())
        .and_then(|examiner| Ok((examiner.cluster()?, examiner.round_trip()?, examiner)));
    match examined {
        Ok((cluster, round_trip, examiner)) => {
            findings.push(reachable(&cluster, round_trip));
            findings.push(versions(|request| examiner.takes(request)));
            Some(examiner)
        }
        Err(why) => {
            findings.push(HERE.problem("reachable", format!("a broker answers, but not what it is asked: {why}")));
            None
        }
    }
}

fn reachable(cluster: &ClusterDescription, round_trip: Duration) -> Finding {
    let brokers = cluster.nodes.len();
    let found = format!(
        "{brokers} broker{} · cluster {} · round trip {}",
        if brokers == 1 { "" } else { "s" },
        cluster.id,
        milliseconds(round_trip)
    );
    if round_trip < SLOW {
        return HERE.ok("reachable", found);
    }
    HERE.warning("reachable", found).mend("look at the way to it: every fetch and every commit takes this long")
}

/// The broker's version is nowhere in the protocol: what it can do is.
fn versions(takes: impl Fn(Request) -> Option<bool>) -> Finding {
    let library = format!("librdkafka {}", Examiner::library_version());
    let known = [
        (Request::ConsumerGroupHeartbeat, "group.protocol=consumer (KIP-848)"),
        (Request::OffsetDelete, "deleting offsets"),
        (Request::ShareGroupHeartbeat, "share groups"),
    ];
    let of = |wanted: bool| -> Vec<&str> {
        known.iter().filter(|(request, _)| takes(*request) == Some(wanted)).map(|(_, name)| *name).collect()
    };
    let (has, lacks) = (of(true), of(false));
    if has.is_empty() && lacks.is_empty() {
        return HERE.ok("features", format!("{library} · the broker does not say what it can do"));
    }
    let list = |label: &str, names: &[&str]| (!names.is_empty()).then(|| format!("{label} {}", names.join(", ")));
    let parts = [Some(library), list("the broker takes", &has), list("it does not take", &lacks)];
    HERE.ok("features", parts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

/// `0.4 ms`, `12 ms`
pub(super) fn milliseconds(of: Duration) -> String {
    let ms = of.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Allowed;

    fn said(finding: &Finding) -> (&str, &str) {
        let Found::Said(found) = &finding.found else { panic!("{finding:?}") };
        (finding.verdict.as_str(), found)
    }

    #[test]
    fn features_are_those_that_are_known() {
        let all = versions(|_| Some(true));
        assert!(said(&all).1.ends_with("the broker takes group.protocol=consumer (KIP-848), deleting offsets, share groups"));
        let old = versions(|request| Some(request == Request::OffsetDelete));
        assert!(
            said(&old).1.ends_with("takes deleting offsets · it does not take group.protocol=consumer (KIP-848), share groups")
        );
        assert!(said(&versions(|_| None)).1.ends_with("the broker does not say what it can do"));
    }

    #[test]
    fn a_slow_answer_is_a_warning() {
        let cluster = ClusterDescription { id: "c".into(), nodes: Vec::new(), allowed: Allowed::default() };
        assert_eq!(said(&reachable(&cluster, Duration::from_micros(420))), ("ok", "0 brokers · cluster c · round trip 0.4 ms"));
        assert_eq!(reachable(&cluster, SLOW).verdict, Verdict::Warning);
    }
}
