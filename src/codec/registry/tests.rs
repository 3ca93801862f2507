//! The client against registries that behave in every way.

use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::{header, headers, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::codec::schema::{SchemaKind, SchemaText};
use crate::http::Secret;
use crate::http::doubles::certificates::{Trust, Valid};
use crate::http::doubles::server::{Server, Stream, close, until_closed};

const SEVEN: SchemaId = SchemaId::Number(7);
const GUID: SchemaId = SchemaId::Guid([0x89, 0x17, 0x1c, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 7]);
const GUID_PATH: &str = "/schemas/guids/89171c00-0000-4000-8000-000000000007";
const AVRO: &str = r#"{"type":"record","name":"Order","fields":[]}"#;

fn settings(urls: &[&str]) -> RegistrySettings {
    RegistrySettings {
        urls: urls.iter().map(|url| Url::parse(url).unwrap()).collect(),
        credentials: None,
        ca_file: None,
        client_certificate: None,
        timeout: Duration::from_secs(20),
    }
}

fn registry(urls: &[&str]) -> Registry {
    Registry::new(&settings(urls)).unwrap()
}

async fn serve(server: &MockServer, at: &str, status: u16, body: &Value) {
    let answer = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(server).await;
}

async fn respond(server: &MockServer, at: &str, answer: ResponseTemplate) {
    Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(server).await;
}

fn found(lookup: Lookup) -> SchemaText {
    let Lookup::Found(text) = lookup else { panic!("{lookup:?}") };
    text
}

fn away(lookup: Lookup) -> String {
    let Lookup::Away(why) = lookup else { panic!("{lookup:?}") };
    why
}

fn unknown(lookup: Lookup) -> String {
    let Lookup::Unknown(why) = lookup else { panic!("{lookup:?}") };
    why
}

fn unusable(lookup: Lookup) -> String {
    let Lookup::Unusable(why) = lookup else { panic!("{lookup:?}") };
    why
}

/// An address that nobody listens at.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_schema_is_found_by_number_and_by_guid() {
    let server = MockServer::start().await;
    let accepts = headers("accept", vec!["application/vnd.schemaregistry.v1+json", "application/json"]);
    let answer = ResponseTemplate::new(200).set_body_json(json!({"schema": AVRO, "maxId": 9, "references": null}));
    Mock::given(method("GET")).and(path("/apis/ccompat/v7/schemas/ids/7")).and(accepts).respond_with(answer).mount(&server).await;
    let by_guid = json!({"schema": "{}", "schemaType": "JSON"});
    serve(&server, &format!("/apis/ccompat/v7{GUID_PATH}"), 200, &by_guid).await;
    for slash in ["", "/"] {
        let registry = registry(&[&format!("{}/apis/ccompat/v7{slash}", server.uri())]);
        assert_eq!(registry.name(), format!("{}/apis/ccompat/v7", server.uri()));
        let expected = SchemaText { kind: SchemaKind::Avro, text: AVRO.to_owned(), references: Vec::new() };
        assert_eq!(found(registry.schema(SEVEN).await), expected);
        assert_eq!(found(registry.schema(GUID).await).kind, SchemaKind::Json);
    }
}

#[test]
fn a_name_is_an_address_without_secrets() {
    let name = |url: &str| registry(&[url, "http://other"]).name().to_owned();
    assert_eq!(name("https://me:s3cret@registry:8081/?key=s3cret#x"), "https://registry:8081");
    assert_eq!(name("http://registry/v7/"), "http://registry/v7");
    let error = Registry::new(&settings(&[])).err().unwrap().to_string();
    assert_eq!(error, "schema-registry names no address: expected a URL");
}

#[tokio::test]
async fn statuses_say_whether_it_has_none_or_is_away() {
    for status in [401, 403, 407, 408, 425, 429, 500, 502, 503, 504, 599] {
        let server = MockServer::start().await;
        serve(&server, "/schemas/ids/7", status, &json!({"error_code": 50001, "message": "no leader"})).await;
        serve(&server, GUID_PATH, status, &json!({})).await;
        let registry = registry(&[&server.uri()]);
        let why = away(registry.schema(SEVEN).await);
        assert!(why.starts_with(&format!("GET {}/schemas/ids/7: {status}", server.uri())) && why.contains("no leader"), "{why}");
        assert_eq!(why.contains("schema-registry-basic-auth"), [401, 403, 407].contains(&status), "{why}");
        away(registry.schema(GUID).await);
    }
    for status in [400, 404, 405, 406, 410, 422, 501] {
        let server = MockServer::start().await;
        for at in ["/schemas/ids/7", GUID_PATH] {
            serve(&server, at, status, &json!({"error_code": 40403, "message": "Schema not found"})).await;
        }
        let registry = registry(&[&server.uri()]);
        let why = unknown(registry.schema(SEVEN).await);
        assert!(
            why.starts_with(&format!("schema 7 is not in the registry: GET {}/schemas/ids/7: {status}", server.uri())),
            "{why}"
        );
        unknown(registry.schema(GUID).await);
        assert_eq!(server.received_requests().await.unwrap().len(), 2, "nothing else is asked");
    }
}

/// What proxies and other servers say of a path that they do not know.
#[tokio::test]
async fn a_no_that_is_no_registrys_is_an_outage() {
    let page = |status: u16, text: &str, of_type: &str| ResponseTemplate::new(status).set_body_raw(text.as_bytes(), of_type);
    for (answer, expected) in [
        (
            page(404, "<html>nginx</html>", "text/html"),
            "404 Not Found, and that is no registry's answer: it is not JSON (text/html)",
        ),
        (page(404, "no route", "text/plain"), "404 Not Found: no route, and that is no registry's answer: it is not JSON"),
        (page(404, "", "application/json"), "404 Not Found, and that is no registry's answer: it is empty"),
        (page(405, "", "text/plain"), "405 Method Not Allowed, and that is no registry's answer: it is empty"),
        (page(400, "<html>plain HTTP</html>", "text/html"), "400 Bad Request, and that is no registry's answer: it is not JSON"),
        (page(501, "", "text/plain"), "501 Not Implemented, and that is no registry's answer: it is empty"),
        (
            page(404, r#"{"status": 404, "error": "No endpoint"}"#, "application/json"),
            "404 Not Found: No endpoint, and that is no registry's answer: it is JSON without a number \"error_code\"",
        ),
        (
            page(404, r#"{"error_code": "none"}"#, "application/json"),
            "404 Not Found, and that is no registry's answer: it is JSON without a number \"error_code\"",
        ),
        (page(404, r#"[{"error_code": 7}]"#, "application/json"), "it is JSON without a number \"error_code\""),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let registry = registry(&[&server.uri()]);
        let why = away(registry.schema(SEVEN).await);
        let begins = format!("GET {}/schemas/ids/7: ", server.uri());
        assert!(why.starts_with(&begins) && why.contains(expected), "{why}");
        assert!(why.ends_with("; --schema-registry may name the wrong address"), "{why}");
        away(registry.schema(GUID).await);
    }
}

/// Apicurio says nothing of a path that it does not know; Karapace and Redpanda know no GUIDs, and say so as of any path.
#[tokio::test]
async fn a_no_that_may_be_anybodys_is_believed_where_a_registry_answers() {
    let refusals = [(404, ""), (404, "\"Not Found\""), (404, r#"{"message": "Not found", "code": 404}"#), (405, ""), (501, "")];
    for (status, body) in refusals {
        for types in [(200, json!(["AVRO"])), (404, json!({"error_code": 404, "message": "HTTP 404 Not Found"}))] {
            let server = MockServer::start().await;
            serve(&server, "/schemas/types", types.0, &types.1).await;
            respond(&server, GUID_PATH, ResponseTemplate::new(status).set_body_string(body)).await;
            let why = unknown(registry(&[&server.uri()]).schema(GUID).await);
            assert!(why.contains(&format!("{GUID_PATH}: {status}")), "{why}");
            assert_eq!(server.received_requests().await.unwrap().len(), 2);
        }
    }
    let server = MockServer::start().await;
    serve(&server, "/schemas/types", 200, &json!(["AVRO"])).await;
    respond(&server, "/schemas/ids/7", ResponseTemplate::new(404)).await;
    respond(&server, "/schemas/ids/8", ResponseTemplate::new(404).set_body_string("<html></html>")).await;
    respond(&server, GUID_PATH, ResponseTemplate::new(400)).await;
    let registry = registry(&[&server.uri()]);
    unknown(registry.schema(SEVEN).await);
    away(registry.schema(SchemaId::Number(8)).await);
    away(registry.schema(GUID).await);
}

#[tokio::test]
async fn what_it_says_of_a_schema_that_it_does_not_have_is_handed_on() {
    let server = MockServer::start().await;
    serve(&server, "/schemas/ids/7", 404, &json!({"error_code": 40403, "message": "Schema 7 not found"})).await;
    let why = unknown(registry(&[&server.uri()]).schema(SEVEN).await);
    let asked = format!("GET {}/schemas/ids/7", server.uri());
    assert_eq!(why, format!("schema 7 is not in the registry: {asked}: 404 Not Found: Schema 7 not found"));
}

#[tokio::test]
async fn a_success_that_is_no_registrys_is_an_outage() {
    let page = |text: &str, of_type: &str| ResponseTemplate::new(200).set_body_raw(text.as_bytes(), of_type);
    for (answer, expected) in [
        (page("<html>login</html>", "text/html"), "it is not JSON (text/html)"),
        (page("", "application/json"), "it is empty"),
        (page(" \n", "application/json"), "it is empty"),
        (ResponseTemplate::new(204), "it is empty"),
        (page("{\"schema\": \"x\"", "application/json"), "it is not JSON (application/json)"),
        (page("{\"schema\": \"x\"} y", "application/json"), "it is not JSON"),
        (page(&"[".repeat(100_000), "application/json"), "JSON"),
        (page("{}", "application/json"), "it is JSON without a text \"schema\""),
        (page("{\"schema\": 7}", "application/json"), "it is JSON without a text \"schema\""),
        (page("[]", "application/json"), "it is JSON without a text \"schema\""),
        (page("\"x\"", "application/json"), "it is JSON without a text \"schema\""),
    ] {
        let server = MockServer::start().await;
        respond(&server, "/schemas/ids/7", answer).await;
        let why = away(registry(&[&server.uri()]).schema(SEVEN).await);
        assert!(why.contains("and that is no registry's answer") && why.contains(expected), "{why}");
    }
    let server = MockServer::start().await;
    let body = json!({"schema": "x".repeat(9 << 20)});
    serve(&server, "/schemas/ids/7", 200, &body).await;
    assert!(unusable(registry(&[&server.uri()]).schema(SEVEN).await).ends_with("its answer is longer than 8 MiB"));
    let server = MockServer::start().await;
    respond(&server, "/schemas/ids/7", page(&"x".repeat(9 << 20), "text/html")).await;
    assert!(away(registry(&[&server.uri()]).schema(SEVEN).await).ends_with("its answer is longer than 8 MiB"));
}

#[tokio::test]
async fn nobody_and_what_breaks_off_and_what_drips() {
    let nobody = nobody();
    let why = away(registry(&[&nobody]).schema(SEVEN).await);
    let place = nobody.trim_start_matches("http://");
    assert_eq!(why, format!("GET {nobody}/schemas/ids/7: nobody listens at {place}: connection refused"));
    let why = away(registry(&["http://me:s3cret@no.such.host.invalid"]).schema(SEVEN).await);
    assert!(why.contains("the name of no.such.host.invalid:80 cannot be resolved") && !why.contains("s3cret"), "{why}");

    for answer in ["", "hello\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"schema\":"] {
        let server = Server::start(move |stream| stream.write_all(answer.as_bytes()).and_then(|()| close()));
        let why = away(registry(&[&server.url()]).schema(SEVEN).await);
        assert!(why.contains("gave no whole answer in HTTP"), "{why}");
        assert_eq!(server.requests().len(), 1, "and nothing was sent again");
    }
    let drips: [fn(&mut dyn Stream) -> io::Result<()>; 3] = [until_closed, drip_head, drip_body];
    for drip in drips {
        let server = Server::start(drip);
        let within = Duration::from_millis(300);
        let registry = Registry::new(&RegistrySettings { timeout: within, ..settings(&[&server.url()]) }).unwrap();
        let began = Instant::now();
        let why = away(registry.schema(SEVEN).await);
        assert!(why.ends_with("no whole answer within 300ms (--schema-registry-timeout)"), "{why}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

fn drip_head(stream: &mut dyn Stream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
    drip(stream, b"x")
}

fn drip_body(stream: &mut dyn Stream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    drip(stream, b"1\r\n \r\n")
}

/// Ends with the connection.
fn drip(stream: &mut dyn Stream, part: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(part)?;
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn redirect(to: &str) -> ResponseTemplate {
    ResponseTemplate::new(307).insert_header("location", to)
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_server() {
    let server = MockServer::start().await;
    respond(&server, "/schemas/ids/7", redirect("/moved?x=1")).await;
    respond(&server, "/moved", redirect(&format!("{}/there", server.uri()))).await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"schema": AVRO}));
    let knows_us = header("authorization", "Basic bWU6czNjcmV0");
    Mock::given(method("GET")).and(path("/there")).and(knows_us).respond_with(answer).mount(&server).await;
    let with_user = server.uri().replace("://", "://me:s3cret@");
    assert_eq!(found(registry(&[&with_user]).schema(SEVEN).await).text, AVRO);
}

#[tokio::test]
async fn a_redirect_elsewhere_is_an_outage_that_names_the_address() {
    let other = MockServer::start().await;
    let server = MockServer::start().await;
    let leads = async |to: &str| {
        server.reset().await;
        respond(&server, "/v1/schemas/ids/7", redirect(to)).await;
        away(registry(&[&format!("{}/v1?token=s3cret", server.uri()).replace("://", "://me:s3cret@")]).schema(SEVEN).await)
    };
    let elsewhere = format!("{}/v2/schemas/ids/7?token=s3cret", other.uri());
    let why = leads(&elsewhere).await;
    let expected = format!(
        "it leads to {}/v2, another server, and is not followed there: name that address in --schema-registry",
        other.uri()
    );
    assert!(why.contains("307 Temporary Redirect: ") && why.ends_with(&expected), "{why}");
    assert!(leads("http://me:s3cret@else.example/x").await.contains("it leads to http://***@else.example/x, another server"));
    assert!(leads("http://[").await.contains("which is no URL"));
    assert!(leads("file:///etc/passwd").await.contains("another server"));
    assert!(leads("/v1/schemas/ids/7").await.ends_with("it redirects more than 5 times"));
    respond(&server, "/schemas/ids/7", ResponseTemplate::new(302)).await;
    assert!(away(registry(&[&server.uri()]).schema(SEVEN).await).ends_with("302 Found: it does not say where it leads"));
    assert!(other.received_requests().await.unwrap().is_empty(), "nobody else was asked");
}

#[tokio::test]
async fn a_redirect_to_tls_on_the_same_host_is_followed_and_not_back() {
    let tls = Trust::new();
    let (secure, settings) = server(&tls);
    let plain = MockServer::start().await;
    let at = format!("http://localhost:{}", plain.address().port());
    respond(&plain, "/schemas/ids/7", redirect(&format!("https://localhost:{}/x", secure.port()))).await;
    let both = RegistrySettings { urls: vec![Url::parse(&at).unwrap()], ..settings.clone() };
    assert_eq!(found(Registry::new(&both).unwrap().schema(SEVEN).await).text, "\"string\"");
    let back = server_saying(&tls, &format!("HTTP/1.1 302 Go\r\nlocation: {at}/schemas/ids/7\r\ncontent-length: 0\r\n\r\n"));
    let why = away(Registry::new(&back.1).unwrap().schema(SEVEN).await);
    assert!(why.contains("another server"), "{why}");
}

#[tokio::test]
async fn several_addresses_are_asked_in_turn() {
    let (one, two) = (MockServer::start().await, MockServer::start().await);
    serve(&two, "/schemas/ids/7", 200, &json!({"schema": AVRO})).await;
    for server in [&one, &two] {
        let none = ResponseTemplate::new(404).set_body_json(json!({"error_code": 40403}));
        Mock::given(method("GET")).respond_with(none).with_priority(6).mount(server).await;
    }
    let both = registry(&[&one.uri(), &two.uri()]);
    assert_eq!(both.names(), [one.uri(), two.uri()]);
    for _ in 0..3 {
        assert_eq!(found(both.schema(SEVEN).await).text, AVRO);
        assert_eq!(both.name(), two.uri(), "the one that has it");
    }
    let asked = async |server: &MockServer| server.received_requests().await.unwrap().len();
    assert_eq!((asked(&one).await, asked(&two).await), (1, 3), "the one that answered last is asked first");

    let none = unknown(both.schema(SchemaId::Number(8)).await);
    assert!(none.contains("404 Not Found"), "{none}");
    let nobody = nobody();
    for half in [[one.uri(), nobody.clone()], [nobody.clone(), one.uri()]] {
        let half = registry(&half.each_ref().map(String::as_str));
        let why = unknown(half.schema(SEVEN).await);
        assert!(why.contains("404") && !why.contains("nobody listens"), "one that answers is enough: {why}");
        assert_eq!(half.places[half.answered.load(Ordering::Relaxed)].shown(), one.uri());
    }
    let none = registry(&[&nobody, &nobody.replace("127.0.0.1", "localhost")]);
    assert_eq!(away(none.schema(SEVEN).await).matches("/schemas/ids/7: ").count(), 2);
}

fn refers(text: &str, to: &[(&str, Value)]) -> Value {
    let references: Vec<_> =
        to.iter().map(|(subject, version)| json!({"name": "n", "subject": subject, "version": version})).collect();
    json!({"schema": text, "references": references})
}

#[tokio::test]
async fn references_are_fetched_once_and_stand_dependencies_first() {
    let server = MockServer::start().await;
    serve(&server, "/schemas/ids/7", 200, &refers("root", &[("left", json!(1)), ("right/a b", json!("2"))])).await;
    serve(&server, "/subjects/left/versions/1", 200, &refers("left", &[("base", json!(3))])).await;
    serve(&server, "/subjects/right%2Fa%20b/versions/2", 200, &refers("right", &[("base", json!(3)), ("copy", json!(1))])).await;
    serve(&server, "/subjects/base/versions/3", 200, &refers("base", &[])).await;
    serve(&server, "/subjects/copy/versions/1", 200, &refers("base", &[])).await;
    let text = found(registry(&[&server.uri()]).schema(SEVEN).await);
    assert_eq!((text.text.as_str(), text.references), ("root", vec!["base".to_owned(), "left".to_owned(), "right".to_owned()]));
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
}

#[tokio::test]
async fn those_that_refer_to_each_other_end() {
    let server = MockServer::start().await;
    serve(&server, "/schemas/ids/7", 200, &refers("root", &[("a", json!(1))])).await;
    serve(&server, "/subjects/a/versions/1", 200, &refers("a", &[("b", json!(1))])).await;
    serve(&server, "/subjects/b/versions/1", 200, &refers("b", &[("a", json!(1)), ("root", json!(1))])).await;
    serve(&server, "/subjects/root/versions/1", 200, &refers("root", &[("a", json!(1))])).await;
    assert_eq!(found(registry(&[&server.uri()]).schema(SEVEN).await).references, ["b", "a"]);
}

#[tokio::test]
async fn references_are_bounded() {
    let server = MockServer::start().await;
    let registry = registry(&[&server.uri()]);
    let chain = |length: usize| (0..length).map(move |at| (at, if at + 1 < length { vec![at + 1] } else { Vec::new() }));
    let publish = async |schemas: &mut dyn Iterator<Item = (usize, Vec<usize>)>, long: usize| {
        server.reset().await;
        for (at, to) in schemas {
            let to: Vec<_> = to.iter().map(|to| (to.to_string(), json!(1))).collect();
            let to: Vec<_> = to.iter().map(|(to, version)| (to.as_str(), version.clone())).collect();
            let body = refers(&format!("{at}{}", "x".repeat(long)), &to);
            serve(&server, &format!("/subjects/{at}/versions/1"), 200, &body).await;
            if at == 0 {
                serve(&server, "/schemas/ids/7", 200, &body).await;
            }
        }
    };
    publish(&mut chain(17), 0).await;
    assert_eq!(found(registry.schema(SEVEN).await).references.len(), 16);
    publish(&mut chain(18), 0).await;
    assert_eq!(unusable(registry.schema(SEVEN).await), "schema 7 cannot be had whole: its references go deeper than 16");

    let star = |many: usize| (0..=many).map(move |at| (at, if at == 0 { (1..=many).collect() } else { Vec::new() }));
    publish(&mut star(255), 0).await;
    assert_eq!(found(registry.schema(SEVEN).await).references.len(), 255);
    publish(&mut star(256), 0).await;
    assert!(unusable(registry.schema(SEVEN).await).ends_with("with all that it refers to it is more than 256 schemas"));
    publish(&mut star(3), 3 << 20).await;
    assert!(unusable(registry.schema(SEVEN).await).ends_with("with all that it refers to it is longer than 8 MiB"));
}

#[tokio::test]
async fn a_registry_that_drips_references_is_away() {
    let server = MockServer::start().await;
    let to: Vec<_> = (0..255).map(|at| (at.to_string(), json!(1))).collect();
    let to: Vec<_> = to.iter().map(|(to, version)| (to.as_str(), version.clone())).collect();
    serve(&server, "/schemas/ids/7", 200, &refers("root", &to)).await;
    // Each in time, and all of them far from it.
    let answer = ResponseTemplate::new(200).set_body_json(json!({"schema": AVRO})).set_delay(Duration::from_millis(50));
    Mock::given(method("GET")).and(path_regex("^/subjects/")).respond_with(answer).mount(&server).await;
    let within = Duration::from_millis(600);
    let registry = Registry::new(&RegistrySettings { timeout: within, ..settings(&[&server.uri()]) }).unwrap();
    let why = away(registry.schema(SEVEN).await);
    assert_eq!(
        why,
        format!(
            "schema 7 and what it refers to did not come whole within 2.4s from {}, which is 4 times --schema-registry-timeout",
            server.uri()
        )
    );
    assert!(server.received_requests().await.unwrap().len() > 2);
}

#[tokio::test]
async fn a_reference_that_is_not_there_is_named() {
    let server = MockServer::start().await;
    serve(&server, "/schemas/ids/7", 200, &refers("root", &[("money", json!(3))])).await;
    let registry = registry(&[&server.uri()]);
    let asked = format!("GET {}/subjects/money/versions/3: 404 Not Found", server.uri());
    let missing = format!("schema 7 refers to subject money version 3, which is not in the registry: {asked}");
    let why = away(registry.schema(SEVEN).await);
    assert!(why.starts_with(&format!("{asked}, and that is no registry's answer: it is empty")), "{why}");
    serve(&server, "/schemas/types", 200, &json!([])).await;
    assert_eq!(unknown(registry.schema(SEVEN).await), missing);
    serve(&server, "/subjects/money/versions/3", 404, &json!({"error_code": 40402})).await;
    assert_eq!(unknown(registry.schema(SEVEN).await), missing);
    for (status, body) in [(503, json!({})), (405, json!({}))] {
        server.reset().await;
        serve(&server, "/schemas/ids/7", 200, &refers("root", &[("money", json!(3))])).await;
        serve(&server, "/subjects/money/versions/3", status, &body).await;
        away(registry.schema(SEVEN).await);
    }
    for bad in [json!([{"name": "x"}]), json!("x"), json!([{"subject": "x", "version": [1]}])] {
        server.reset().await;
        serve(&server, "/schemas/ids/7", 200, &json!({"schema": "root", "references": bad})).await;
        assert!(unusable(registry.schema(SEVEN).await).starts_with("schema 7 has references without subject and version"));
    }
    server.reset().await;
    serve(&server, "/schemas/ids/7", 200, &json!({"schema": "{}", "schemaType": "JSON", "references": [{"subject": "x"}]})).await;
    assert_eq!(found(registry.schema(SEVEN).await).references, [""; 0], "JSON is read without");
}

#[tokio::test]
async fn who_we_are_is_sent_and_never_shown() {
    let pair = Some(Credentials::Basic(Secret::Text("me:s3cret".to_owned())));
    let token = Some(Credentials::Bearer(Secret::Text("s3cret".to_owned())));
    for (credentials, user, sent) in
        [(pair, "", "Basic bWU6czNjcmV0"), (token, "", "Bearer s3cret"), (None, "me:s3cret@", "Basic bWU6czNjcmV0")]
    {
        let server = MockServer::start().await;
        let echo = json!({"message": format!("you said {sent}, s3cret")});
        serve(&server, "/schemas/ids/7", 401, &echo).await;
        let url = format!("{}?api_key=s3cret", server.uri()).replace("://", &format!("://{user}"));
        let registry = Registry::new(&RegistrySettings { credentials, ..settings(&[&url]) }).unwrap();
        let why = away(registry.schema(SEVEN).await);
        assert!(why.contains("you said ") && !why.contains("s3cret") && !why.contains("bWU6"), "{why}");
        let request = server.received_requests().await.unwrap().pop().unwrap();
        assert_eq!(request.headers.get("authorization").unwrap(), sent);
        assert_eq!(request.url.query(), Some("api_key=s3cret"));
    }
}

#[tokio::test]
async fn a_token_in_a_file_is_renewed() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let answer = ResponseTemplate::new(200).set_body_json(json!({"schema": AVRO}));
    let knows = header("authorization", "Bearer second");
    Mock::given(method("GET")).and(knows).respond_with(answer).mount(&server).await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let credentials = Some(Credentials::Bearer(Secret::File(file.clone())));
    let registry = Registry::new(&RegistrySettings { credentials, ..settings(&[&server.uri()]) }).unwrap();
    away(registry.schema(SEVEN).await);
    std::fs::write(&file, "second\n").unwrap();
    let renewed = async { while !matches!(registry.schema(SEVEN).await, Lookup::Found(_)) {} };
    tokio::time::timeout(Duration::from_secs(20), renewed).await.unwrap();
}

#[test]
fn files_and_credentials_that_are_none_are_named_at_the_start() {
    let refused = |settings: RegistrySettings| Registry::new(&settings).err().unwrap().to_string();
    let of = settings(&["https://registry"]);
    let pair = Some(Credentials::Basic(Secret::Text("s3cret".to_owned())));
    let said = refused(RegistrySettings { credentials: pair, ..of.clone() });
    assert_eq!(said, "schema-registry-basic-auth: expected USER:PASSWORD");
    let said = refused(RegistrySettings { ca_file: Some("no.pem".into()), ..of });
    assert!(said.starts_with("schema-registry-ca-file no.pem cannot be read: "), "{said}");
}

fn server(trust: &Trust) -> (Server, RegistrySettings) {
    server_saying(trust, SCHEMA)
}

fn server_saying(trust: &Trust, answer: &str) -> (Server, RegistrySettings) {
    of(trust, Server::saying_over_tls(trust.authority.issue("localhost", Valid::Now).acceptor().build(), answer))
}

/// The settings of a client that trusts the authority.
fn of(trust: &Trust, server: Server) -> (Server, RegistrySettings) {
    let url = format!("https://localhost:{}", server.port());
    let settings = RegistrySettings { ca_file: Some(trust.ca_file()), ..settings(&[&url]) };
    (server, settings)
}

const SCHEMA: &str = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"schema\":\"\\\"string\\\"\"}";

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_may_ask_who_we_are() {
    let trust = Trust::new();
    let (_server, settings) = server(&trust);
    assert_eq!(found(Registry::new(&settings).unwrap().schema(SEVEN).await).text, "\"string\"");
    let stranger = RegistrySettings { ca_file: None, ..settings };
    let why = away(Registry::new(&stranger).unwrap().schema(SEVEN).await);
    assert!(why.contains("signed by nobody who is trusted here") && why.contains("schema-registry-ca-file names a CA"), "{why}");

    let acceptor = trust.authority.issue("localhost", Valid::Now).acceptor_of_clients(&trust.authority);
    let (_server, settings) = of(&trust, Server::saying_over_tls(acceptor, SCHEMA));
    let why = away(Registry::new(&settings).unwrap().schema(SEVEN).await);
    assert!(why.contains("(schema-registry-certificate-file and schema-registry-key-file)"), "{why}");
    let client_certificate = Some(trust.client("shop", &trust.authority));
    let known = RegistrySettings { client_certificate, ..settings };
    assert_eq!(found(Registry::new(&known).unwrap().schema(SEVEN).await).text, "\"string\"");
}

#[tokio::test]
async fn a_check_up_tells_a_registry_from_what_is_none() {
    let checked = async |status: u16, body: Value| {
        let server = MockServer::start().await;
        serve(&server, "/schemas/types", status, &body).await;
        registry(&[&server.uri()]).check().await.remove(0).found
    };
    assert_eq!(checked(200, json!(["JSON", "AVRO"])).await, Ok(vec!["JSON".to_owned(), "AVRO".to_owned()]));
    assert_eq!(checked(404, json!({"error_code": 404, "message": "HTTP 404 Not Found"})).await, Ok(Vec::new()));
    assert!(matches!(checked(404, json!({})).await, Err(CheckFault::NoRegistry(_))));
    assert!(matches!(checked(200, json!({"hello": 1})).await, Err(CheckFault::NoRegistry(_))));
    assert!(matches!(checked(403, json!({})).await, Err(CheckFault::Refused(_))));
    assert!(matches!(checked(503, json!({})).await, Err(CheckFault::Away(_))));
    let nobody = nobody();
    let Checked { url, found } = registry(&[&nobody]).check().await.remove(0);
    assert!(url == nobody && matches!(found, Err(CheckFault::Away(_))), "{found:?}");
}
