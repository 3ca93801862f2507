//! The schema registry: whether each of its addresses answers, as a registry, and lets us in.

use crate::codec::registry::{CheckFault, Checked, Registry, RegistrySettings};
use crate::doctor::{Finding, Section, in_threads};

const HERE: Section = Section::Registry;

/// Nothing is found where none is named: records may do without.
pub(super) fn check(settings: Option<&RegistrySettings>, findings: &mut Vec<Finding>) {
    let Some(settings) = settings else { return };
    // As `consume` opens it: the files of its settings are read, and nobody is connected to.
    let registry = match Registry::new(settings) {
        Ok(registry) => registry,
        Err(error) => return findings.push(HERE.problem("settings", error.to_string()).mend("mend the setting that it names")),
    };
    match in_threads(registry.check()) {
        Ok(checked) => findings.extend(checked.into_iter().map(judged)),
        Err(error) => findings.push(HERE.problem("threads", format!("no threads to look at it: {error}"))),
    }
}

fn judged(checked: Checked) -> Finding {
    let Checked { url, found } = checked;
    match found {
        Ok(kinds) if kinds.is_empty() => HERE.ok(&url, "it answers as a registry"),
        Ok(kinds) => HERE.ok(&url, format!("it answers as a registry, of {}", kinds.join(", "))),
        Err(CheckFault::Refused(why)) => HERE
            .problem(&url, format!("it does not let us in: {why}"))
            .mend("--schema-registry-basic-auth USER:PASSWORD, or --schema-registry-bearer-token @FILE"),
        Err(CheckFault::NoRegistry(why)) => HERE
            .problem(&url, format!("something answers, and it is no registry: {why}"))
            .mend("--schema-registry is the whole address, with its path: of Apicurio's, http://HOST:PORT/apis/ccompat/v7"),
        Err(CheckFault::Away(why)) => HERE
            .problem(&url, format!("it does not answer: {why}"))
            .mend("see that it runs there, that no firewall is between, and of https:// that its certificate is trusted (--schema-registry-ca-file); while it is away, records that need it wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Found, Verdict};

    fn said(found: Result<Vec<String>, CheckFault>) -> (Verdict, String, String) {
        let Finding { verdict, found, mut mends, .. } = judged(Checked { url: "http://registry".to_owned(), found });
        let Found::Said(found) = found else { panic!("{found:?}") };
        (verdict, found, mends.pop().unwrap_or_default())
    }

    #[test]
    fn what_is_wrong_says_what_to_do() {
        let kinds = vec!["AVRO".to_owned(), "JSON".to_owned()];
        assert_eq!(said(Ok(kinds)), (Verdict::Ok, "it answers as a registry, of AVRO, JSON".to_owned(), String::new()));
        assert_eq!(said(Ok(Vec::new())).1, "it answers as a registry");
        let (verdict, found, mend) = said(Err(CheckFault::Refused("401".to_owned())));
        assert_eq!((verdict, found.as_str()), (Verdict::Problem, "it does not let us in: 401"));
        assert!(mend.starts_with("--schema-registry-basic-auth"));
        assert!(said(Err(CheckFault::NoRegistry("404".to_owned()))).2.contains("/apis/ccompat/v7"));
        assert!(said(Err(CheckFault::Away("x".to_owned()))).2.starts_with("see that it runs there"));
    }

    #[test]
    fn nothing_is_said_of_what_is_not_set() {
        let mut findings = Vec::new();
        check(None, &mut findings);
        assert!(findings.is_empty());
    }
}
