//! What is wrong with properties that are good one by one, and that no client can be made of: told from what the client library says.
//!
//! Pure, and as careful as `diagnosis`: no value is repeated.

use crate::kafka::diagnosis::{Diagnosis, Login, Manner, Outlook};

/// What is wrong when no client can be made.
pub(super) fn unusable(said: &str, manner: &Manner) -> Diagnosis {
    let said = said.strip_prefix("Client creation error: ").unwrap_or(said);
    let (problem, hints) = of_file(said).or_else(|| of_login(said, manner)).unwrap_or_else(|| (said.to_owned(), Vec::new()));
    Diagnosis { broker: None, problem, hints, said: said.to_owned(), outlook: Outlook::Hopeless }
}

/// `ssl.ca.location failed: error:05880020:x509 certificate routines::BIO lib`: what is wrong with the file that a property names.
fn of_file(said: &str) -> Option<(String, Vec<String>)> {
    let (name, why) = said.split_once(" failed: ").or_else(|| {
        let (_, rest) = said.split_once("ssl.keystore.location")?;
        Some(("ssl.keystore.location", rest))
    })?;
    if name.contains(' ') || !name.starts_with("ssl") {
        return None;
    }
    let is = |parts: &[&str]| parts.iter().any(|part| why.contains(part));
    Some(if name == "ssl.key.location" && is(&["key values mismatch"]) {
        (
            "the key of ssl.key.location does not belong to the certificate of ssl.certificate.location".to_owned(),
            vec!["name a pair: -X ssl.certificate.location=FILE -X ssl.key.location=FILE".to_owned()],
        )
    } else if is(&["bad decrypt", "bad password", "mac verify failure", "interrupted or cancelled", "problems getting password"]) {
        let password = if name == "ssl.keystore.location" { "ssl.keystore.password" } else { "ssl.key.password" };
        (format!("the file of {name} cannot be decrypted"), vec![format!("check -X {password}=@FILE")])
    } else if is(&["BIO lib", "system lib", "No such file", "Permission denied", "cannot open"]) {
        (format!("the file of {name} cannot be read"), vec![format!("check -X {name}=FILE: see whether it is there: ls -l FILE")])
    } else if is(&[
        "no certificate or crl found",
        "no start line",
        "bad base64",
        "unsupported",
        "PEM lib",
        "wrong tag",
        "not enough data",
    ]) {
        let form = if name == "ssl.keystore.location" { "PKCS#12" } else { "PEM" };
        (
            format!("the file of {name} is not in the form of {form}"),
            vec![format!("check -X {name}=FILE: it has to be {form}; Java's own key stores (JKS) are read with keytool alone")],
        )
    } else {
        (format!("the file of {name} cannot be used"), vec![format!("check -X {name}=FILE")])
    })
}

fn of_login(said: &str, manner: &Manner) -> Option<(String, Vec<String>)> {
    const MECHANISMS: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";
    if said.contains("No provider for SASL mechanism") || said.contains("Unsupported SASL mechanism") {
        let problem = match &manner.login {
            _ if !manner.names.contains("sasl.mechanism") && !manner.names.contains("sasl.mechanisms") => {
                format!("security.protocol says SASL, and nothing says which mechanism of {MECHANISMS}")
            }
            Login::Sasl(mechanism) if mechanism.eq_ignore_ascii_case("GSSAPI") => {
                format!("this redrive is built without Kerberos (GSSAPI); it has {MECHANISMS}")
            }
            _ => format!("sasl.mechanism is none that redrive has: {MECHANISMS}"),
        };
        return Some((problem, vec!["-X sasl.mechanism=NAME, as the broker takes it".to_owned()]));
    }
    if said.contains("sasl.username and sasl.password must be set") {
        let missing = |name: &str| !manner.names.contains(name);
        let which = match (missing("sasl.username"), missing("sasl.password")) {
            (true, false) => "sasl.username is not set",
            (false, true) => "sasl.password is not set",
            _ => "sasl.username and sasl.password are not set",
        };
        return Some((which.to_owned(), vec!["-X sasl.username=NAME -X sasl.password=@FILE".to_owned()]));
    }
    let (_, rest) = said.split_once('`')?;
    let (name, rest) = rest.split_once('`')?;
    rest.contains("is mandatory").then(|| (format!("{name} is not set"), vec![format!("-X {name}=…: {}", said.replace('`', ""))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: &str, manner: &Manner) -> (String, String) {
        let diagnosis = unusable(&format!("Client creation error: {said}"), manner);
        (diagnosis.problem, diagnosis.hints.join(" | "))
    }

    /// What librdkafka 2.12.1 says.
    #[test]
    fn what_no_client_can_be_made_of() {
        let sasl = |names: &[&str]| Manner {
            login: Login::Sasl("GSSAPI".to_owned()),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            ..Manner::default()
        };
        let no_provider = "No provider for SASL mechanism GSSAPI: recompile librdkafka with libsasl2 or openssl support. Current build options: PLAIN SASL_SCRAM OAUTHBEARER";
        for (said, names, problem, hint) in [
            (
                "ssl.ca.location failed: error:05880020:x509 certificate routines::BIO lib",
                &[][..],
                "the file of ssl.ca.location cannot be read",
                "check -X ssl.ca.location=FILE",
            ),
            (
                "ssl.ca.location failed: error:05800088:x509 certificate routines::no certificate or crl found",
                &[],
                "the file of ssl.ca.location is not in the form of PEM",
                "it has to be PEM",
            ),
            (
                "ssl.key.location failed: error:05800074:x509 certificate routines::key values mismatch",
                &[],
                "the key of ssl.key.location does not belong to the certificate of ssl.certificate.location",
                "name a pair",
            ),
            (
                "Failed to parse ssl.keystore.location PKCS#12 file: mykeys.p12: error:11800071:PKCS12 routines::mac verify failure",
                &[],
                "the file of ssl.keystore.location cannot be decrypted",
                "-X ssl.keystore.password=@FILE",
            ),
            (
                no_provider,
                &["security.protocol"],
                "security.protocol says SASL, and nothing says which mechanism of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
                "-X sasl.mechanism=NAME",
            ),
            (
                no_provider,
                &["sasl.mechanism"],
                "this redrive is built without Kerberos (GSSAPI); it has PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
                "-X sasl.mechanism=NAME",
            ),
            (
                "`sasl.oauthbearer.token.endpoint.url` is mandatory when `sasl.oauthbearer.method=oidc` is set",
                &[],
                "sasl.oauthbearer.token.endpoint.url is not set",
                "-X sasl.oauthbearer.token.endpoint.url=…",
            ),
        ] {
            let (told_problem, told_hint) = told(said, &sasl(names));
            assert_eq!(told_problem, problem, "{said}");
            assert!(told_hint.contains(hint), "{said}: {told_hint}");
        }
        let half = told("sasl.username and sasl.password must be set", &sasl(&["sasl.username"]));
        assert_eq!(half.0, "sasl.password is not set");
        assert_eq!(told("something else", &Manner::default()), ("something else".to_owned(), String::new()));
    }
}
