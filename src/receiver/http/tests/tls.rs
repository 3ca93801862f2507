//! TLS against real servers with real certificates: who is trusted, who we are, and what is said when it fails.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use super::{at, fails};
use crate::http::ClientCertificate;
use crate::http::doubles::certificates::{Pair, Trust, Valid};
use crate::http::doubles::server::Server;
use crate::receiver::http::{Endpoint, Http};
use crate::receiver::samples::{deliver, delivery};

/// A server of this name and its endpoint, as a client that trusts the authority has it.
fn server(trust: &Trust, name: &str, valid: Valid) -> (Server, Endpoint) {
    of(trust, Server::over_tls(trust.authority.issue(name, valid).acceptor().build()))
}

fn of(trust: &Trust, server: Server) -> (Server, Endpoint) {
    let endpoint = Endpoint { ca_file: Some(trust.ca_file()), ..at(&localhost(server.port())) };
    (server, endpoint)
}

fn localhost(port: u16) -> String {
    format!("https://localhost:{port}/events")
}

async fn unreachable(endpoint: Endpoint) -> String {
    let (class, code, message) = fails(endpoint).await;
    assert_eq!((class, code.as_str()), ("transient", "unreachable"), "{message}");
    message
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    let trust = Trust::new();
    let (server, endpoint) = server(&trust, "localhost", Valid::Now);
    let http = Http::open(endpoint).unwrap();
    assert_eq!(deliver(&http, delivery(0, 0, &json!(1))).await, Ok(()));
    assert_eq!(deliver(&http, delivery(1, 0, &json!(1))).await, Ok(()));
    assert_eq!((server.connections(), server.requests().len()), (1, 2), "one connection");
}

#[tokio::test]
async fn whoever_is_not_who_was_meant_gets_nothing() {
    let trust = Trust::new();
    let (expired, endpoint) = server(&trust, "localhost", Valid::Yesterday);
    let message = unreachable(endpoint).await;
    assert_eq!(message, format!("TLS with localhost:{} failed: its certificate has expired", expired.port()));

    let (other, endpoint) = server(&trust, "else.example", Valid::Now);
    let message = unreachable(endpoint).await;
    assert_eq!(message, format!("TLS with localhost:{} failed: its certificate is for another name", other.port()));

    let (stranger, endpoint) = server(&trust, "localhost", Valid::Now);
    let message = unreachable(Endpoint { ca_file: None, ..endpoint }).await;
    assert!(message.contains("is signed by nobody who is trusted here") && message.contains("ca_file"), "{message}");
    for server in [expired, other, stranger] {
        assert!(server.connections() == 1 && server.requests().is_empty(), "no event went out");
    }
}

#[tokio::test]
async fn a_server_may_want_to_know_who_we_are() {
    let trust = Trust::new();
    let acceptor = trust.authority.issue("localhost", Valid::Now).acceptor_of_clients(&trust.authority);
    let (server, endpoint) = of(&trust, Server::over_tls(acceptor));
    let message = unreachable(endpoint.clone()).await;
    assert!(message.contains("it wants a client certificate (certificate_file"), "{message}");

    for name in ["another authority", "an authority"] {
        let stranger = Some(trust.client("shop", &Pair::authority(name)));
        let message = unreachable(Endpoint { client_certificate: stranger, ..endpoint.clone() }).await;
        assert!(message.contains("it does not accept the client certificate ("), "{message}");
    }
    assert!(server.requests().is_empty());

    let known = Some(trust.client("shop", &trust.authority));
    let http = Http::open(Endpoint { client_certificate: known, ..endpoint }).unwrap();
    assert_eq!(deliver(&http, delivery(0, 0, &json!(1))).await, Ok(()));
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_from_who_is_away() {
    let plain = Server::saying("HTTP/1.1 204 No Content\r\n\r\n");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    // A server that takes a request for granted reads until its end, which TLS has none of: it is given an answer at once.
    let eager = silent.local_addr().unwrap().port();
    std::thread::Builder::new()
        .spawn(move || {
            let (mut stream, _) = silent.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        })
        .unwrap();
    let message = unreachable(at(&localhost(eager))).await;
    assert!(message.contains("does not speak TLS (http:// instead of https://?)"), "{message}");
    assert!(plain.requests().is_empty());

    let trust = Trust::new();
    let (server, _) = server(&trust, "localhost", Valid::Now);
    let (class, code, message) = fails(at(&format!("http://localhost:{}/", server.port()))).await;
    assert_eq!((class, code.as_str()), ("transient", "bad_reply"), "{message}");
}

#[test]
fn files_that_are_not_what_they_should_be_are_named_at_the_start() {
    let trust = Trust::new();
    let endpoint = at("https://localhost/events");
    let refused = |endpoint: Endpoint| Http::open(endpoint).err().unwrap().to_string();
    let with_ca = |path: &Path| refused(Endpoint { ca_file: Some(path.to_owned()), ..endpoint.clone() });
    let missing = trust.folder.path().join("missing.pem");
    let nothing = trust.write("nothing.pem", b"nothing");
    assert!(with_ca(&missing).starts_with(&format!("ca_file {} cannot be read: No such file", missing.display())));
    assert!(with_ca(&nothing).starts_with(&format!("ca_file {}: it holds no certificate", nothing.display())));
    let torn = trust.write("torn.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(with_ca(&torn).starts_with(&format!("ca_file {}: ", torn.display())));

    let pair = trust.client("shop", &trust.authority);
    let with = |certificate_file: &Path, key_file: &Path| {
        let certificate = ClientCertificate { certificate_file: certificate_file.to_owned(), key_file: key_file.to_owned() };
        refused(Endpoint { client_certificate: Some(certificate), ..endpoint.clone() })
    };
    assert!(with(&missing, &pair.key_file).starts_with("certificate_file"));
    assert!(with(&pair.key_file, &pair.key_file).contains("it holds no certificate"));
    assert!(with(&pair.certificate_file, &missing).starts_with("key_file"));
    let said = with(&pair.certificate_file, &pair.certificate_file);
    assert!(said.contains("openssl pkcs8 -topk8 -nocrypt"), "{said}");
    let other = trust.write("other.key", &trust.authority.key_pem());
    assert!(with(&pair.certificate_file, &other).contains("do not belong together"));

    let plain = Endpoint { ca_file: Some(trust.ca_file()), ..at("http://localhost/events") };
    assert!(refused(plain).contains("are for https://"));
    let one_file =
        trust.write("both.pem", &[std::fs::read(&pair.certificate_file).unwrap(), std::fs::read(&pair.key_file).unwrap()].concat());
    let both = ClientCertificate { certificate_file: one_file.clone(), key_file: one_file };
    assert!(Http::open(Endpoint { client_certificate: Some(both), ..endpoint.clone() }).is_ok());
}
