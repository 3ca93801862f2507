//! What librdkafka 2.12.1 said in front of a real broker, and what is told of it.

use super::*;

fn manner(encryption: Encryption, mechanism: &str, names: &[&str]) -> Manner {
    let login = if mechanism.is_empty() { Login::None } else { Login::Sasl(mechanism.to_owned()) };
    Manner { encryption, login, names: names.iter().map(|&name| name.to_owned()).collect() }
}

fn told(said: &str, manner: &Manner) -> Diagnosis {
    diagnose(&Complaint::logged("FAIL", said).unwrap(), manner)
}

#[test]
fn tls_that_fails() {
    use Encryption::{Plain, Tls};
    use Outlook::{Doubtful, Hopeless};
    let unverified = "ssl://127.0.0.1:9094/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
                      certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates are \
                      installed (install ca-certificates package) (after 170ms in state SSL_HANDSHAKE)";
    let bad_certificate = "ssl://127.0.0.1:9095/bootstrap: Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: \
                           SSL alert number 42 (after 3ms in state APIVERSION_QUERY)";
    let to_plain = "ssl://127.0.0.1:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a \
                    PLAINTEXT broker listener? (after 2ms in state SSL_HANDSHAKE)";
    let no_tls = "ssl://127.0.0.1:80/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number (after 0ms in \
                  state SSL_HANDSHAKE)";
    let to_tls = "127.0.0.1:9094/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 28ms in state \
                  APIVERSION_QUERY)";
    for (said, manner, outlook, problem, hint) in [
        (unverified, manner(Tls, "", &[]), Hopeless, "not signed by an authority that is trusted", "name the certificate (PEM) of"),
        (unverified, manner(Tls, "", &["ssl.ca.location"]), Hopeless, "not signed by", "-X ssl.ca.location=FILE has to hold"),
        (bad_certificate, manner(Tls, "", &[]), Hopeless, "wants a certificate of this client", "-X ssl.certificate.location=FILE"),
        (
            bad_certificate,
            manner(Tls, "", &["ssl.certificate.location"]),
            Hopeless,
            "refuses this client's certificate",
            "one that the broker trusts",
        ),
        (to_plain, manner(Tls, "", &[]), Doubtful, "most likely does not speak TLS", "-X security.protocol=plaintext"),
        (
            "ssl://127.0.0.1:9092/bootstrap: Disconnected: SSL connection closed by peer (after 1ms in state SSL_HANDSHAKE)",
            manner(Tls, "", &[]),
            Doubtful,
            "most likely does not speak TLS",
            "-X security.protocol=plaintext",
        ),
        (to_plain, manner(Tls, "PLAIN", &[]), Doubtful, "most likely does not speak TLS", "-X security.protocol=sasl_plaintext"),
        (no_tls, manner(Tls, "", &[]), Hopeless, "that port does not speak TLS", "-X security.protocol=plaintext"),
        (
            "ssl://127.0.0.1:80/bootstrap: error:0A00010B:SSL routines::wrong version number (after 0ms in state SSL_HANDSHAKE)",
            manner(Tls, "", &[]),
            Hopeless,
            "that port does not speak TLS",
            "-X security.protocol=plaintext",
        ),
        (to_tls, manner(Plain, "", &[]), Doubtful, "most likely speaks TLS", "-X security.protocol=ssl"),
        (to_tls, manner(Plain, "", &["sasl.username"]), Doubtful, "most likely speaks TLS", "-X security.protocol=sasl_ssl"),
        (to_tls, manner(Plain, "PLAIN", &[]), Doubtful, "most likely speaks TLS", "-X security.protocol=sasl_ssl"),
    ] {
        let diagnosis = told(said, &manner);
        assert_eq!(diagnosis.outlook, outlook, "{said}");
        assert!(diagnosis.problem.contains(problem), "{said}: {}", diagnosis.problem);
        assert!(diagnosis.hints[0].contains(hint), "{said}: {:?}", diagnosis.hints);
        assert!(diagnosis.said.starts_with("127.0.0.1:"), "{}", diagnosis.said);
    }
}

#[test]
fn a_certificate_that_is_refused_is_told_apart() {
    let said = "h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed";
    for (code, problem, hint) in [
        (
            10,
            "the broker's certificate has expired",
            "see its dates: openssl s_client -connect h:1 </dev/null | openssl x509 -noout -dates",
        ),
        (9, "the broker's certificate is not valid yet", "see its dates"),
        (62, "the broker's certificate is for another name", "-noout -ext subjectAltName"),
        (64, "the broker's certificate is for another name", "see its names: openssl s_client"),
        (20, "the broker's certificate is not signed by an authority that is trusted", "-X ssl.ca.location=FILE"),
        (23, "the broker's certificate is refused", "see it: openssl s_client"),
    ] {
        let diagnosis = told(said, &manner(Encryption::Tls, "", &[])).with_certificate(code);
        assert_eq!(diagnosis.problem, problem);
        assert!(diagnosis.hints[0].contains(hint), "{code}: {:?}", diagnosis.hints);
    }
}

#[test]
fn a_login_that_fails() {
    use Encryption::{Plain, Tls};
    use Outlook::{Doubtful, Hopeless};
    let password = "sasl_ssl://127.0.0.1:9096/bootstrap: SASL authentication error: Authentication failed: Invalid username or password \
                    (after 300ms in state AUTH_REQ, 1 identical error(s) suppressed)";
    let scram = "sasl_plaintext://127.0.0.1:9097/bootstrap: SASL authentication error: Authentication failed during authentication due to \
                 invalid credentials with SASL mechanism SCRAM-SHA-512 (after 121ms in state AUTH_REQ)";
    let mechanism = "sasl_plaintext://127.0.0.1:9097/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL \
                     mechanism: broker's supported mechanisms: SCRAM-SHA-256,SCRAM-SHA-512 (after 0ms in state AUTH_HANDSHAKE)";
    let no_sasl = "sasl_plaintext://127.0.0.1:9092/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Request not valid in current \
                   SASL state: broker's supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)";
    let wanted =
        "127.0.0.1:9097/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 0ms in state UP)";
    let wanted_tls = "ssl://127.0.0.1:9096/bootstrap: Disconnected: SSL connection closed by peer (after 8ms in state UP)";
    for (said, manner, outlook, problem, hint) in [
        (
            password,
            manner(Tls, "PLAIN", &[]),
            Hopeless,
            "the broker refuses the user name or the password",
            "-X sasl.password=@FILE",
        ),
        (
            scram,
            manner(Plain, "SCRAM-SHA-512", &[]),
            Hopeless,
            "the broker refuses the user name or the password",
            "-X sasl.username",
        ),
        (scram, manner(Plain, "OAUTHBEARER", &[]), Hopeless, "the broker refuses the token", "audience and issuer"),
        (
            mechanism,
            manner(Plain, "PLAIN", &[]),
            Hopeless,
            "the broker does not take the mechanism PLAIN, but SCRAM-SHA-256, SCRAM-SHA-512",
            "-X sasl.mechanism=SCRAM-SHA-256",
        ),
        (no_sasl, manner(Plain, "PLAIN", &[]), Hopeless, "that port takes no user name", "-X security.protocol=plaintext"),
        (wanted, manner(Plain, "", &[]), Doubtful, "most likely wants a user name", "-X security.protocol=sasl_plaintext "),
        (wanted_tls, manner(Tls, "", &[]), Doubtful, "most likely wants a user name", "-X security.protocol=sasl_ssl "),
    ] {
        let diagnosis = told(said, &manner);
        assert_eq!(diagnosis.outlook, outlook, "{said}");
        assert!(diagnosis.problem.contains(problem), "{said}: {}", diagnosis.problem);
        assert!(diagnosis.hints[0].contains(hint), "{said}: {:?}", diagnosis.hints);
    }
}

#[test]
fn a_token_that_is_not_given() {
    use Outlook::{Hopeless, Open};
    for (said, outlook, problem, hint) in [
        ("{\"error\": \"invalid_client\"} (401)", Hopeless, "refuses this client", "-X sasl.oauthbearer.client.secret=@FILE"),
        ("{\"error\": \"not_found\"} (404)", Hopeless, "is not there (status 404)", "-X sasl.oauthbearer.token.endpoint.url=URL"),
        (
            "Failed to connect to 127.0.0.1:1 after 0 ms: Could not connect to server (-1)",
            Open,
            "cannot be reached",
            "endpoint.url",
        ),
        ("Could not resolve host: no.such.invalid (-1)", Open, "name is not known", "endpoint.url"),
        (
            "SSL certificate OpenSSL verify result: unable to get local issuer certificate (20) (-1)",
            Hopeless,
            "certificate is not signed by",
            "-X https.ca.location=FILE",
        ),
        ("{\"error\": \"slow_down\"} (429)", Open, "gives no token", "endpoint.url"),
        ("{\"error\": \"busy\"} (503)", Open, "gives no token", "endpoint.url"),
    ] {
        let said = format!("[thrd:background]: Failed to retrieve OIDC token from \"https://me:s3cret@host/token\": {said}");
        let diagnosis = diagnose(&Complaint::logged("OIDC", &said).unwrap(), &manner(Encryption::Tls, "OAUTHBEARER", &[]));
        assert_eq!(diagnosis.outlook, outlook, "{said}");
        assert!(diagnosis.problem.contains(problem), "{said}: {}", diagnosis.problem);
        assert!(diagnosis.hints[0].contains(hint), "{said}: {:?}", diagnosis.hints);
        assert!(!format!("{diagnosis:?}").contains("s3cret"), "{diagnosis:?}");
    }
}

#[test]
fn a_network_that_fails() {
    use Outlook::{Hopeless, Open};
    for (said, outlook, problem) in [
        (
            "h:9092/bootstrap: Failed to resolve 'h:9092': Name or service not known (after 21ms in state CONNECT)",
            Open,
            "not known",
        ),
        (
            "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            Open,
            "nothing listens",
        ),
        (
            "h:1/bootstrap: Connection setup timed out in state CONNECT (after 30026ms in state CONNECT)",
            Open,
            "there is no way to it",
        ),
        (
            "h:1/bootstrap: ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request \
             configuration) (after 10001ms in state APIVERSION_QUERY)",
            Open,
            "it is not Kafka, or it hangs",
        ),
        (
            "h:1/bootstrap: Receive failed: Invalid response size 1213486160 (0..100000000): increase receive.message.max.bytes (after \
             0ms in state APIVERSION_QUERY)",
            Hopeless,
            "an HTTP server answers there, not Kafka",
        ),
        (
            "h:1/bootstrap: Receive failed: Invalid response size 352518912 (0..100000000) (after 0ms in state UP)",
            Hopeless,
            "speaks TLS",
        ),
        ("h:1/0: Disconnected: connection closed by peer (after 90000ms in state UP)", Open, "hangs up"),
        ("h:1/0: what nobody knows", Open, "what nobody knows"),
    ] {
        let diagnosis = told(said, &manner(Encryption::Plain, "PLAIN", &[]));
        assert_eq!(diagnosis.outlook, outlook, "{said}");
        assert!(diagnosis.problem.contains(problem), "{said}: {}", diagnosis.problem);
    }
}

/// Brokers close what is idle, and all when they stop.
#[test]
fn a_connection_that_was_good_is_not_told_to_log_in() {
    let closed = "h:1/0: Disconnected: connection closed by peer (after 90000ms in state UP)";
    let diagnosis = told(closed, &manner(Encryption::Plain, "", &[]));
    assert_eq!((diagnosis.outlook, diagnosis.problem.as_str()), (Outlook::Open, "the broker hangs up"));
}
