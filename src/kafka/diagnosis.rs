//! What is wrong with a connection: told from what the client library says, with the property it lies in and how to change it.
//!
//! Pure. Of the properties it sees the names, the protocol and the mechanism: nothing that it says can hold a secret.

use std::collections::BTreeSet;

use crate::kafka::complaint::Complaint;

/// How a connection is set to speak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) encryption: Encryption,
    pub(super) login: Login,
    /// Of the properties that are set.
    pub(super) names: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encryption {
    #[default]
    Plain,
    Tls,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Login {
    #[default]
    None,
    /// SASL, with this mechanism.
    Sasl(String),
}

/// What waiting may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outlook {
    /// Nothing: somebody has to change something.
    Hopeless,
    /// Most likely nothing, though a broker that starts or stops may look like that for a moment.
    Doubtful,
    /// It may pass.
    Open,
}

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// `HOST:PORT`; none when it is about all of them.
    pub broker: Option<String>,
    /// What is wrong, in words that may follow after a colon.
    pub problem: String,
    /// What to do, the properties to change as they are typed.
    pub hints: Vec<String>,
    /// What the client library said.
    pub said: String,
    pub(super) outlook: Outlook,
}

struct Finding {
    outlook: Outlook,
    problem: String,
    hints: Vec<String>,
}

impl Finding {
    fn new<const N: usize>(outlook: Outlook, problem: impl Into<String>, hints: [&str; N]) -> Self {
        Self { outlook, problem: problem.into(), hints: hints.map(str::to_owned).to_vec() }
    }
}

impl Manner {
    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.names.contains(*name))
    }

    /// The protocol with TLS or with SASL beside what there is.
    fn protocol(&self, encryption: Encryption) -> &'static str {
        match (encryption, &self.login) {
            (Encryption::Plain, Login::None) => "-X security.protocol=plaintext",
            (Encryption::Tls, Login::None) => "-X security.protocol=ssl",
            (Encryption::Plain, Login::Sasl(_)) => "-X security.protocol=sasl_plaintext",
            (Encryption::Tls, Login::Sasl(_)) => "-X security.protocol=sasl_ssl",
        }
    }
}

/// What is wrong with a connection that the client library complains about.
pub(super) fn diagnose(complaint: &Complaint, manner: &Manner) -> Diagnosis {
    let found = tls(complaint, manner)
        .or_else(|| sasl(&complaint.reason, manner))
        .or_else(|| token(complaint))
        .or_else(|| closed(complaint, manner))
        .or_else(|| network(complaint))
        .unwrap_or_else(|| Finding::new(Outlook::Open, complaint.reason.clone(), []));
    // What follows is advice of the client library, which knows less than what is told here.
    let reason = complaint.reason.split(": broker certificate could not be verified").next().unwrap_or_default();
    let said = match &complaint.broker {
        Some(broker) => format!("{broker}: {reason}"),
        None => reason.to_owned(),
    };
    let Finding { outlook, problem, hints } = found;
    Diagnosis { broker: complaint.broker.clone(), problem, hints, said, outlook }
}

/// Nothing was said at all.
pub(super) fn silence() -> Diagnosis {
    Diagnosis {
        broker: None,
        problem: "nothing came back, not even a refusal".to_owned(),
        hints: vec!["see whether the network lets you through to HOST:PORT, and whether the broker there hangs".to_owned()],
        said: "the connection is not answered".to_owned(),
        outlook: Outlook::Open,
    }
}

impl Diagnosis {
    /// In one line: what is wrong, and what the client library said where that is more.
    pub(super) fn summary(&self) -> String {
        if self.said.ends_with(&self.problem) { self.said.clone() } else { format!("{} ({})", self.problem, self.said) }
    }

    /// Says it as it is, when it was found out why the broker's certificate is refused: `code` is OpenSSL's.
    pub(super) fn with_certificate(mut self, code: i32) -> Self {
        let broker = self.broker.as_deref().unwrap_or("HOST:PORT");
        let see = |what: &str, flags: &str| {
            format!("see {what}: openssl s_client -connect {broker} </dev/null | openssl x509 -noout {flags}")
        };
        let (problem, hints) = match code {
            // There is no way from it to an authority that is trusted: that is how it was taken.
            2 | 18..=21 => return self,
            9 => (
                "the broker's certificate is not valid yet",
                [see("its dates", "-dates"), "check the clock of this machine".to_owned()],
            ),
            10 => (
                "the broker's certificate has expired",
                [
                    see("its dates", "-dates"),
                    "it has to be renewed on the broker, or the clock of this machine is wrong".to_owned(),
                ],
            ),
            62 | 64 => (
                "the broker's certificate is for another name",
                [
                    see("its names", "-ext subjectAltName"),
                    "use one of them in -b; to accept any name: -X ssl.endpoint.identification.algorithm=none".to_owned(),
                ],
            ),
            _ => (
                "the broker's certificate is refused",
                [
                    see("it", "-text"),
                    format!("OpenSSL's verification error is {code}: man openssl-verification-options, X509_V_ERR"),
                ],
            ),
        };
        self.problem = problem.to_owned();
        self.hints = hints.to_vec();
        self
    }

    /// Whether it is the broker's certificate that is refused, for whatever reason.
    pub(super) fn is_certificate(&self) -> bool {
        self.said.contains(UNVERIFIED)
    }
}

const UNVERIFIED: &str = "certificate verify failed";
const CLIENT_CERTIFICATE: [&str; 4] =
    ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location", "ssl.key.location"];
/// Alerts of TLS with which a server turns away a client for its certificate.
const CLIENT_ALERTS: [&str; 6] = [
    "alert bad certificate",
    "certificate required",
    "alert unknown ca",
    "alert certificate unknown",
    "alert certificate expired",
    "alert unsupported certificate",
];

fn tls(complaint: &Complaint, manner: &Manner) -> Option<Finding> {
    use Outlook::{Doubtful, Hopeless};
    let reason = &complaint.reason;
    let plain = manner.protocol(Encryption::Plain);
    if reason.contains(UNVERIFIED) {
        let hint = if manner.has(&["ssl.ca.location", "ssl.ca.pem"]) {
            "-X ssl.ca.location=FILE has to hold the certificate (PEM) of the authority that signed the broker's"
        } else {
            "name the certificate (PEM) of the authority that signed the broker's: -X ssl.ca.location=FILE"
        };
        return Some(Finding::new(Hopeless, "the broker's certificate is not signed by an authority that is trusted", [hint]));
    }
    if CLIENT_ALERTS.iter().any(|alert| reason.contains(alert)) {
        return Some(if manner.has(&CLIENT_CERTIFICATE) {
            Finding::new(
                Hopeless,
                "the broker refuses this client's certificate",
                [
                    "it has to be one that the broker trusts, and still valid: -X ssl.certificate.location=FILE -X ssl.key.location=FILE",
                ],
            )
        } else {
            Finding::new(
                Hopeless,
                "the broker wants a certificate of this client",
                ["-X ssl.certificate.location=FILE -X ssl.key.location=FILE (PEM), or -X ssl.keystore.location=FILE (PKCS#12)"],
            )
        });
    }
    // Not always with the words that a handshake failed: it depends on what the client was about when the answer came.
    if ["wrong version number", "unknown protocol", "packet length too long"].iter().any(|of| reason.contains(of)) {
        return Some(Finding::new(Hopeless, "that port does not speak TLS", [plain, "or -b with the port that does"]));
    }
    let is_in_handshake = reason.contains("SSL handshake failed") || complaint.state.as_deref() == Some("SSL_HANDSHAKE");
    if is_in_handshake && reason.contains("isconnected") {
        let problem = "the broker hangs up when TLS begins: that port most likely does not speak TLS";
        return Some(Finding::new(Doubtful, problem, [plain, "or -b with the port that does"]));
    }
    let is_no_common = ["handshake failure", "alert protocol version", "no protocols available", "no shared cipher"];
    is_no_common.iter().any(|of| reason.contains(of)).then(|| {
        let hints = ["see what it takes: openssl s_client -connect HOST:PORT", "and change -X ssl.cipher.suites=LIST"];
        Finding::new(Hopeless, "the broker and this client have no version or cipher of TLS in common", hints)
    })
}

fn sasl(reason: &str, manner: &Manner) -> Option<Finding> {
    use Outlook::Hopeless;
    let mechanism = match &manner.login {
        Login::Sasl(mechanism) => mechanism.as_str(),
        Login::None => "",
    };
    if let Some((_, offered)) = reason.split_once("broker's supported mechanisms: ") {
        if reason.contains("not valid in current SASL state") || offered.trim().is_empty() {
            let hints = [match manner.encryption {
                Encryption::Plain => "-X security.protocol=plaintext",
                Encryption::Tls => "-X security.protocol=ssl",
            }];
            return Some(Finding::new(Hopeless, "that port takes no user name and password (no SASL)", hints));
        }
        let offered = offered.trim().replace(',', ", ");
        let mut found = Finding::new(Hopeless, format!("the broker does not take the mechanism {mechanism}, but {offered}"), []);
        let first = offered.split(", ").find(|name| *name != "GSSAPI").unwrap_or("NAME").to_owned();
        found.hints.push(format!("-X sasl.mechanism={first}"));
        return Some(found);
    }
    if !reason.contains("SASL authentication error") && !reason.contains("uthentication failed") {
        return None;
    }
    Some(if mechanism.eq_ignore_ascii_case("OAUTHBEARER") {
        Finding::new(
            Hopeless,
            "the broker refuses the token",
            [
                "audience and issuer have to be those that the broker expects: -X sasl.oauthbearer.scope=SCOPE, or the client at the provider",
            ],
        )
    } else {
        let hints = ["check -X sasl.username=NAME, -X sasl.password=@FILE and -X sasl.mechanism=NAME"];
        Finding::new(Hopeless, "the broker refuses the user name or the password", hints)
    })
}

const TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token";

fn token(complaint: &Complaint) -> Option<Finding> {
    use Outlook::{Hopeless, Open};
    const URL: &str = "-X sasl.oauthbearer.token.endpoint.url=URL";
    let reason = complaint.reason.strip_prefix(TOKEN)?;
    let has = |parts: &[&str]| parts.iter().any(|part| reason.contains(part));
    Some(match complaint.status {
        Some(400 | 401 | 403) => Finding::new(
            Hopeless,
            "the token endpoint refuses this client",
            ["check -X sasl.oauthbearer.client.id=ID, -X sasl.oauthbearer.client.secret=@FILE and -X sasl.oauthbearer.scope=SCOPE"],
        ),
        // 408, 425 and 429 pass.
        Some(status @ (404..=407 | 409..=424 | 426..=428 | 430..=499)) => {
            Finding::new(Hopeless, format!("the token endpoint is not there (status {status})"), [&format!("check {URL}")])
        }
        _ if has(&["SSL certificate", "SSL peer certificate", "certificate verify"]) => Finding::new(
            Hopeless,
            "the token endpoint's certificate is not signed by an authority that is trusted",
            ["name the certificate (PEM) of that authority: -X https.ca.location=FILE"],
        ),
        _ if has(&["Could not resolve host"]) => {
            Finding::new(Open, "the token endpoint's name is not known", [&format!("check {URL}")])
        }
        _ if has(&["Failed to connect", "Could not connect", "refused"]) => {
            Finding::new(Open, "the token endpoint cannot be reached", [&format!("check {URL}")])
        }
        _ => Finding::new(Open, "the token endpoint gives no token", [&format!("check {URL}")]),
    })
}

/// A connection that is refused for what it did not say is closed sooner, in milliseconds.
const NEW_MS: u64 = 1_000;

/// The broker hangs up without a word: that is how it meets what it does not understand.
fn closed(complaint: &Complaint, manner: &Manner) -> Option<Finding> {
    if !complaint.reason.contains("isconnected") {
        return None;
    }
    let is_understood = complaint.state.as_deref() == Some("UP");
    // One that was in use for a while was good: brokers close what is idle, and all when they stop.
    let is_new = complaint.after_ms.is_none_or(|ms| ms < NEW_MS);
    Some(match (manner.encryption, &manner.login) {
        (encryption, Login::None) if is_understood && is_new => {
            let protocol = if encryption == Encryption::Tls { "sasl_ssl" } else { "sasl_plaintext" };
            let all = "-X sasl.mechanism=NAME -X sasl.username=NAME -X sasl.password=@FILE";
            Finding::new(
                Outlook::Doubtful,
                "the broker hangs up after the first answer: that port most likely wants a user name and a password (SASL)",
                [&format!("-X security.protocol={protocol} {all}")],
            )
        }
        (Encryption::Plain, login) if !is_understood => {
            let is_meant_to_log_in = *login == Login::None && manner.names.iter().any(|name| name.starts_with("sasl."));
            let protocol = if is_meant_to_log_in { "-X security.protocol=sasl_ssl" } else { manner.protocol(Encryption::Tls) };
            Finding::new(
                Outlook::Doubtful,
                "the broker hangs up without an answer: that port most likely speaks TLS",
                [protocol, "for a private authority, too: -X ssl.ca.location=FILE"],
            )
        }
        _ => Finding::new(Outlook::Open, "the broker hangs up", []),
    })
}

fn network(complaint: &Complaint) -> Option<Finding> {
    const ADDRESS: &str = "check the address: -b HOST:PORT";
    let has = |parts: &[&str]| parts.iter().any(|part| complaint.reason.contains(part));
    if let Some(size) = unreadable_size(&complaint.reason) {
        return Some(match size.to_be_bytes() {
            [b'H', b'T', b'T', b'P'] => Finding::new(Outlook::Hopeless, "an HTTP server answers there, not Kafka", [ADDRESS]),
            [0x14..=0x17, 3, ..] => {
                Finding::new(Outlook::Hopeless, "that port speaks TLS", ["-X security.protocol=ssl, or sasl_ssl"])
            }
            _ => Finding::new(Outlook::Hopeless, "what answers there is not Kafka", [ADDRESS]),
        });
    }
    Some(if has(&["Failed to resolve"]) {
        Finding::new(Outlook::Open, "that name is not known", [ADDRESS])
    } else if has(&["Connection refused"]) {
        Finding::new(Outlook::Open, "nothing listens there", ["see whether the broker runs", ADDRESS])
    } else if has(&["No route to host", "Network is unreachable", "Connection timed out", "Connection setup timed out"]) {
        Finding::new(Outlook::Open, "there is no way to it", ["see whether the network lets you through to HOST:PORT", ADDRESS])
    } else if has(&["ApiVersionRequest failed", "Timed out ApiVersionRequest"]) {
        Finding::new(
            Outlook::Open,
            "something takes the connection and answers nothing: it is not Kafka, or it hangs",
            [ADDRESS, "where that port speaks TLS: -X security.protocol=ssl"],
        )
    } else {
        return None;
    })
}

/// The first four bytes of an answer, which in Kafka's own are its size.
fn unreadable_size(reason: &str) -> Option<u32> {
    let (_, rest) = reason.split_once("nvalid response size ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
#[path = "diagnosis/tests.rs"]
mod tests;
