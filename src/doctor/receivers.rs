//! The receivers: a probe of each that delivers nothing, and the script for the workers that were named.

use std::time::Duration;

use crate::doctor::access;
use crate::doctor::broker::milliseconds;
use crate::doctor::clock::Clocks;
use crate::doctor::topics::Partitions;
use crate::doctor::{Checkup, Finding, Section, in_threads, worker};
use crate::kafka::Examiner;
use crate::receiver::{self, Endpoint, FileFound, MadeOf, ProbeStep, Specification, Target, Unanswered};
use crate::settings::OutputFormat;

const HERE: Section = Section::Receivers;
/// A certificate that ends sooner is worth a warning.
const SOON_DAYS: i32 = 14;
/// One probe, whatever it waits for: its own deadlines are shorter.
const WITHIN: Duration = Duration::from_secs(30);

/// What is looked at, and what is known of it already.
struct Round<'r> {
    checkup: &'r Checkup,
    examiner: Option<&'r Examiner>,
    topics: &'r Partitions,
}

pub(super) fn check(
    checkup: &Checkup,
    examiner: Option<&Examiner>,
    topics: &Partitions,
    clocks: &mut Clocks,
    findings: &mut Vec<Finding>,
) {
    let receivers = &checkup.settings.receivers;
    if receivers.is_empty() {
        findings
            .push(HERE.skipped("receivers", "none is named").mend("--receiver NAME=TARGET, or [[receiver]] in the settings file"));
        return;
    }
    let round = Round { checkup, examiner, topics };
    let looked_at = in_threads(async {
        for receiver in receivers {
            match tokio::time::timeout(WITHIN, probe(&round, receiver, clocks)).await {
                Ok(found) => findings.extend(found),
                Err(_) => findings.push(HERE.problem(&receiver.name, format!("its probe did not end within {WITHIN:?}"))),
            }
        }
        for receiver in receivers.iter().filter(|receiver| checkup.scripted.contains(&receiver.name)) {
            findings.extend(hand_script(checkup, receiver).await);
        }
    });
    if let Err(error) = looked_at {
        findings.push(HERE.problem("receivers", format!("no threads to look at them: {error}")));
    }
}

async fn hand_script(checkup: &Checkup, receiver: &Specification) -> Vec<Finding> {
    let MadeOf::Target(Target::Exec(command)) = &receiver.made_of else {
        return vec![Section::Worker.skipped(&receiver.name, "the script is for exec: workers; this receiver is none")];
    };
    if receiver::check_program(command.first().map_or("", String::as_str), checkup.search.as_deref()).is_err() {
        return vec![Section::Worker.skipped(&receiver.name, "its program cannot be started")];
    }
    worker::scripted(receiver, command, checkup.settings.group.as_deref().unwrap_or("redrive-doctor")).await
}

async fn probe(round: &Round<'_>, receiver: &Specification, clocks: &mut Clocks) -> Vec<Finding> {
    let name = receiver.name.as_str();
    let target = match &receiver.made_of {
        MadeOf::Function(_) => return vec![HERE.ok(name, "a function of this program")],
        MadeOf::Target(target) => target,
    };
    match target {
        Target::Exec(command) | Target::Run(command) => {
            let program = command.first().map_or("", String::as_str);
            match receiver::check_program(program, round.checkup.search.as_deref()) {
                Err(error) => vec![HERE.problem(name, error.to_string()).mend(format!("mend {}", receiver.definition))],
                Ok(()) if matches!(target, Target::Run(_)) => vec![HERE.ok(name, format!("the program {program} can be started"))],
                // The script shows all of this, and more.
                Ok(()) if round.checkup.scripted.contains(&receiver.name) => vec![HERE.ok(name, "it is handed the script")],
                Ok(()) => vec![worker::idle(name, command).await],
            }
        }
        Target::Http(endpoint) => http(name, endpoint, clocks).await,
        Target::File(path) if round.checkup.journal.owns(path) => {
            vec![HERE.problem(name, "it is the journal's own file").mend("name another file: file:PATH")]
        }
        Target::File(path) => vec![file(name, receiver::probe_file(path))],
        Target::Stdout if round.checkup.output == OutputFormat::Table => vec![match receiver::Stdout::check() {
            Ok(()) => HERE.ok(name, "events go to standard output"),
            Err(error) => HERE.problem(name, error.to_string()).mend("give it one, or name file:PATH, or discard:"),
        }],
        Target::Stdout => vec![
            HERE.problem(name, "with -o json or jsonl standard output is the summary's").mend("leave out -o, or name file:PATH"),
        ],
        Target::Kafka(topic) => vec![kafka(name, topic, round)],
        Target::Discard => vec![HERE.ok(name, "takes everything, keeps nothing")],
    }
}

fn file(name: &str, found: std::io::Result<FileFound>) -> Finding {
    match found {
        Ok(FileFound::File { bytes }) => HERE.ok(name, format!("the file can be appended to ({bytes} bytes so far)")),
        Ok(FileFound::Nothing) => HERE.ok(name, "there is no file yet; it can be made"),
        Err(error) => HERE
            .problem(name, format!("it cannot be appended to: {error}"))
            .mend("make the folder, or give this user the right to write: ls -ld FOLDER"),
    }
}

fn kafka(name: &str, topic: &str, round: &Round<'_>) -> Finding {
    if round.topics.iter().any(|of| of.topic == topic) || round.checkup.settings.topics.iter().any(|of| of == topic) {
        return HERE
            .problem(name, format!("topic {topic} is being consumed: its events would come back for ever"))
            .mend("kafka:OTHER-TOPIC");
    }
    let Some(examiner) = round.examiner else { return HERE.skipped(name, "no broker can be asked") };
    match examiner.topic_names() {
        Ok(there) if there.iter().any(|of| of == topic) => {
            let twice = access::produced(round.checkup).filter(|of| *of == topic).count() > 1;
            HERE.ok(name, format!("topic {topic} is there{}", if twice { "; another receiver writes there, too" } else { "" }))
        }
        Ok(_) => HERE
            .problem(name, format!("there is no topic {topic} on this cluster, or none that we may see"))
            .mend(format!("kafka-topics.sh --bootstrap-server … --create --topic {}", shell_words::quote(topic))),
        Err(why) => HERE.problem(name, format!("the broker does not list its topics: {why}")),
    }
}

/// Name, connection, certificate, and then a request that carries no event.
async fn http(name: &str, endpoint: &Endpoint, clocks: &mut Clocks) -> Vec<Finding> {
    let mut findings = Vec::new();
    // As `consume` opens it: the files of its settings are read, and nobody is connected to.
    if let Err(error) = receiver::Http::open(endpoint.clone()) {
        return vec![silent(name, &Unanswered { step: ProbeStep::Settings, why: error.to_string() })];
    }
    let asked = endpoint.clone();
    let reached = tokio::task::spawn_blocking(move || {
        let address = receiver::reach(&asked)?;
        Ok::<_, Unanswered>((address, receiver::certificate(&asked, address)))
    });
    match reached.await {
        Ok(Ok((_, Ok(Some(dates))))) => findings.extend(certificate(name, &dates.not_after, dates.days_left)),
        // The request says what is wrong with TLS in better words.
        Ok(Ok(_)) => {}
        Ok(Err(unanswered)) => return vec![silent(name, &unanswered)],
        Err(error) => return vec![HERE.problem(name, format!("its probe failed: {error}"))],
    }
    match receiver::options(endpoint).await {
        Ok(answered) => {
            clocks.heard(name, answered.date_ms);
            let found = format!("{} to an OPTIONS request · round trip {}", answered.status, milliseconds(answered.round_trip));
            findings.push(if answered.is_refusal() {
                HERE.problem(name, format!("it does not let us in: {found}"))
                    .mend("bearer_token or basic_auth of its [[receiver]] in the settings file")
            } else {
                HERE.ok(name, found)
            });
        }
        Err(unanswered) => findings.push(silent(name, &unanswered)),
    }
    findings
}

fn certificate(name: &str, not_after: &str, days_left: i32) -> Option<Finding> {
    let subject = format!("{name} certificate");
    match days_left {
        // The request fails of it, and that is the problem.
        ..0 => Some(HERE.warning(&subject, format!("it ended: {not_after}")).mend("renew it at the endpoint")),
        0..SOON_DAYS => {
            Some(HERE.warning(&subject, format!("it ends in {days_left} days: {not_after}")).mend("renew it at the endpoint"))
        }
        _ => Some(HERE.ok(&subject, format!("good until {not_after}"))),
    }
}

fn silent(name: &str, unanswered: &Unanswered) -> Finding {
    let Unanswered { step, why } = unanswered;
    let finding = HERE.problem(name, why.clone());
    match step {
        ProbeStep::Settings => finding.mend("mend its [[receiver]] in the settings file"),
        ProbeStep::Dns => finding.mend("check the host of its URL"),
        ProbeStep::Tcp => finding.mend("see that something listens there, and that no firewall is between"),
        ProbeStep::Tls => finding.mend("ca_file of its [[receiver]] names the certificate authority; http:// speaks without TLS"),
        ProbeStep::Http => finding.mend("see that what listens there speaks HTTP, and answers within seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_certificate_that_ends_soon_is_a_warning() {
        let verdict = |days| certificate("billing", "Jan  1 00:00:00 2027 GMT", days).unwrap().verdict;
        assert_eq!(
            [verdict(-1), verdict(0), verdict(13), verdict(14)],
            [Verdict::Warning, Verdict::Warning, Verdict::Warning, Verdict::Ok]
        );
    }

    #[test]
    fn where_an_endpoint_is_lost_says_what_to_look_at() {
        let mend = |step| silent("billing", &Unanswered { step, why: "x".into() }).mends.pop().unwrap();
        assert!(mend(ProbeStep::Tls).starts_with("ca_file") && mend(ProbeStep::Dns).starts_with("check the host"));
    }
}
