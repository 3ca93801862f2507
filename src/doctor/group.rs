//! The group: who is in it, where it stands, and where `consume` would start.

use crate::doctor::{Checkup, Finding, Section};
use crate::engine::start::StartFrom;
use crate::kafka::{Examiner, GroupDescription, Standing};

const HERE: Section = Section::Group;
/// So many members and partitions are named, and no more.
const NAMED: usize = 5;

pub(super) fn check(checkup: &Checkup, examiner: Option<&Examiner>, mut logs: Vec<Standing>, findings: &mut Vec<Finding>) {
    let Some(group) = &checkup.settings.group else {
        findings.push(HERE.skipped("group", "no group is named").mend("-g GROUP"));
        return;
    };
    let Some(examiner) = examiner else {
        findings.push(HERE.skipped("group", "no broker can be asked"));
        return;
    };
    match examiner.group(group) {
        Ok(description) => findings.push(members(group, &description)),
        Err(why) => {
            let finding = HERE.problem("members", format!("group {group} cannot be described: {why}"));
            findings.push(finding.mend(grant(group)));
        }
    }
    if logs.is_empty() {
        findings.push(HERE.skipped("offsets", "no topic can be read").mend("-t TOPIC"));
        return;
    }
    match examiner.committed(&mut logs) {
        Ok(()) => findings.extend(standing(&logs, checkup.settings.consume.from)),
        Err(why) => {
            let finding = HERE.problem("offsets", format!("what group {group} has committed cannot be read: {why}"));
            findings.push(finding.mend(grant(group)));
        }
    }
}

fn grant(group: &str) -> String {
    let group = shell_words::quote(group);
    format!(
        "if rights are missing: kafka-acls.sh --bootstrap-server … --add --allow-principal User:NAME --operation Read --group {group}"
    )
}

fn members(group: &str, description: &GroupDescription) -> Finding {
    let GroupDescription { state, protocol, members, .. } = description;
    if state == "Dead" {
        return HERE.ok("members", format!("there is no group {group} yet: `consume` makes it"));
    }
    let told = format!("state {state} · protocol {}", protocol.to_lowercase());
    if members.is_empty() {
        return HERE.ok("members", format!("{told} · no members"));
    }
    let named = members.iter().take(NAMED).map(|member| {
        let static_id = member.static_id.as_ref().map(|id| format!(", static id {id}")).unwrap_or_default();
        format!("{} (client {}, host {}{static_id})", member.id, member.client_id, member.host)
    });
    let more = if members.len() > NAMED { format!(" and {} more", members.len() - NAMED) } else { String::new() };
    let named = named.collect::<Vec<_>>().join(", ");
    let count = if members.len() == 1 { "1 live member".to_owned() } else { format!("{} live members", members.len()) };
    HERE.warning("members", format!("{told} · {count}: {named}{more}")).mend(
        "`consume` shares the partitions with them: stop them, or name another group with -g, unless they are its other processes",
    )
}

/// What is committed, and what would be done where nothing is.
fn standing(logs: &[Standing], from: Option<StartFrom>) -> Vec<Finding> {
    let of = |is: fn(&Standing) -> bool| logs.iter().filter(|log| is(log)).collect::<Vec<_>>();
    let committed = of(|log| log.committed.is_some());
    let lag: i64 = logs.iter().filter_map(|log| Some((log.end? - log.committed?).max(0))).sum();
    let mut findings =
        vec![HERE.ok("offsets", format!("committed in {} of {} partitions · lag {lag}", committed.len(), logs.len()))];
    let none = of(|log| log.committed.is_none());
    if !none.is_empty() {
        findings.push(start(&none, from));
    }
    let below = of(|log| log.committed.zip(log.low).is_some_and(|(committed, low)| committed < low));
    if !below.is_empty() {
        let found = format!("what was committed is gone from the log: {}", places(&below));
        findings.push(
            HERE.warning("gap", found)
                .mend("`consume` writes an incident and goes on at the start of what is there; to stop instead: --on-gap halt"),
        );
    }
    let above = of(|log| log.committed.zip(log.end).is_some_and(|(committed, end)| committed > end));
    if !above.is_empty() {
        let found = format!("the log ends before what was committed: {}", places(&above));
        findings.push(
            HERE.problem("truncated", found)
                .mend("`consume` holds such a partition; to go on: --on-truncation earliest, or --on-truncation latest"),
        );
    }
    findings
}

fn start(none: &[&Standing], from: Option<StartFrom>) -> Finding {
    let places = places(none);
    match from {
        Some(from) => {
            let from = match from {
                StartFrom::Earliest => "earliest".to_owned(),
                StartFrom::Latest => "latest".to_owned(),
                StartFrom::Time(at) => at.to_string(),
            };
            HERE.ok(
                "start",
                format!("nothing is committed in {places}: --from {from} counts there, unless journal or group know more"),
            )
        }
        None => HERE
            .warning(
                "start",
                format!(
                    "nothing is committed in {places}: for a topic that is new to group and journal `consume` asks for a start"
                ),
            )
            .mend("--from earliest reads all that is there, --from latest only what comes, --from TIME what is not older"),
    }
}

fn places(of: &[&Standing]) -> String {
    let named = of.iter().take(NAMED).map(|log| {
        let range = log.low.zip(log.end).map(|(low, end)| format!(" [{low},{end})")).unwrap_or_default();
        format!("{}/{}{range}", log.topic, log.partition)
    });
    let more = if of.len() > NAMED { format!(" and {} more", of.len() - NAMED) } else { String::new() };
    format!("{}{more}", named.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Found, Verdict};
    use crate::kafka::Allowed;
    use crate::offsets::GroupMember;

    fn log(committed: Option<i64>) -> Standing {
        Standing { topic: "orders".into(), partition: 3, committed, low: Some(100), end: Some(200) }
    }

    fn subjects(logs: &[Standing], from: Option<StartFrom>) -> Vec<(String, Verdict)> {
        standing(logs, from).into_iter().map(|finding| (finding.subject, finding.verdict)).collect()
    }

    #[test]
    fn where_a_group_stands() {
        let ok = ("offsets".to_owned(), Verdict::Ok);
        assert_eq!(subjects(&[log(Some(150))], None).as_slice(), std::slice::from_ref(&ok));
        assert_eq!(subjects(&[log(None)], None), [ok.clone(), ("start".to_owned(), Verdict::Warning)]);
        assert_eq!(subjects(&[log(None)], Some(StartFrom::Latest)), [ok.clone(), ("start".to_owned(), Verdict::Ok)]);
        assert_eq!(subjects(&[log(Some(99))], None), [ok.clone(), ("gap".to_owned(), Verdict::Warning)]);
        assert_eq!(subjects(&[log(Some(201))], None), [ok, ("truncated".to_owned(), Verdict::Problem)]);
    }

    #[test]
    fn live_members_are_named() {
        let member = GroupMember {
            id: "m-1".into(),
            static_id: Some("s".into()),
            client_id: "c".into(),
            host: "10.0.0.1".into(),
            assigned: Vec::new(),
        };
        let description = |state: &str, members: &[GroupMember]| GroupDescription {
            state: state.into(),
            protocol: "Classic".into(),
            members: members.to_vec(),
            allowed: Allowed::default(),
        };
        let finding = members("shop", &description("Stable", &[member]));
        let Found::Said(found) = &finding.found else { panic!("{finding:?}") };
        assert_eq!(found, "state Stable · protocol classic · 1 live member: m-1 (client c, host 10.0.0.1, static id s)");
        assert_eq!(finding.verdict, Verdict::Warning);
        assert_eq!(members("shop", &description("Empty", &[])).verdict, Verdict::Ok);
        assert_eq!(members("shop", &description("Dead", &[])).verdict, Verdict::Ok);
    }
}
