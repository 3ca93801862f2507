//! The receiver against servers that behave in every way, and requests of events of any kind.

mod events;
mod tls;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::http::doubles::server::{self, Server, close, until_closed};
use crate::http::{Credentials, Secret};
use crate::receiver::samples::{deliver, delivery, until, why};

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn at(url: &str) -> Endpoint {
    Endpoint::at(url).unwrap()
}

fn http(url: &str) -> Http {
    Http::open(at(url)).unwrap()
}

/// Class, code and message of the failure of a delivery.
async fn fails(endpoint: Endpoint) -> (&'static str, String, String) {
    why(deliver(&Http::open(endpoint).unwrap(), delivery(0, 0, &json!(1))).await)
}

/// As the engine gives up on a delivery.
async fn given_up(http: &Http) {
    let outcome = timeout(Duration::from_millis(300), deliver(http, delivery(0, 0, &json!(1)))).await;
    assert!(outcome.is_err(), "it was answered: {outcome:?}");
}

#[tokio::test]
async fn a_connection_serves_many_deliveries() {
    for answer in
        [NO_CONTENT, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
    {
        let server = Server::saying(answer);
        let http = http(&server.url());
        for offset in 0..20 {
            assert_eq!(deliver(&http, delivery(offset, 0, &json!(1))).await, Ok(()));
        }
        assert_eq!((server.requests().len(), server.connections()), (20, 1), "{answer}");
    }
    let server = Server::saying("HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\nfull");
    let http = http(&server.url());
    for offset in 0..5 {
        let (class, code, message) = why(deliver(&http, delivery(offset, 0, &json!(1))).await);
        assert_eq!((class, code.as_str(), message.as_str()), ("transient", "http_500", "500 Internal Server Error: full"));
    }
    assert_eq!((server.requests().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    let (class, code, message) = fails(at(&format!("http://me:s3cret@{place}/x?token=s3cret"))).await;
    assert_eq!((class, code.as_str()), ("transient", "unreachable"));
    assert_eq!(message, format!("nobody listens at {place}: connection refused"));

    let http = http("http://me:s3cret@no.such.host.invalid/x?token=s3cret");
    let error = deliver(&http, delivery(0, 0, &json!(1))).await.unwrap_err();
    assert_eq!(error.code.as_str(), "unreachable");
    assert!(error.message.starts_with("the name of no.such.host.invalid:80 cannot be resolved: "), "{}", error.message);
    assert!(!error.causes.is_empty() && !format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn who_hangs_is_left_with_the_delivery() {
    let hangs: [fn(&mut dyn server::Stream) -> io::Result<()>; 4] = [
        until_closed,
        |stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").and_then(|()| until_closed(stream)),
        |stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal").and_then(|()| until_closed(stream)),
        |stream| {
            stream.write_all(b"HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhal").and_then(|()| until_closed(stream))
        },
    ];
    for hang in hangs {
        let server = Server::start(hang);
        let http = http(&server.url());
        given_up(&http).await;
        until("its connection is closed", || server.closed() == 1).await;
        assert_eq!(server.requests().len(), 1, "and nothing was sent again");
    }
}

/// What is read of an answer may end in the middle of a secret.
#[tokio::test]
async fn no_part_of_a_secret_stays() {
    let body = format!("{}s3cret-and-long", "x".repeat(LONGEST - 6));
    let server = Server::saying(&format!("HTTP/1.1 422 No\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    let receiver = http(&format!("{}?token=s3cret-and-long", server.url()));
    let error = deliver(&receiver, delivery(0, 0, &json!(1))).await.unwrap_err();
    assert!(error.detail.ends_with("xxx"), "{}", &error.detail[LONGEST - 30..]);
}

/// Whatever is sent without an end costs neither time beyond the delivery's nor memory, and ends with the connection.
#[tokio::test]
async fn what_never_ends_is_ended() {
    let endless = |head: &'static str, part: Vec<u8>, pause: Duration| {
        Server::start(move |stream| {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(&part)?;
                if !pause.is_zero() {
                    std::thread::park_timeout(pause);
                }
            }
        })
    };
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).into_bytes();
    let ok = endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk.clone(), Duration::ZERO);
    assert_eq!(deliver(&http(&ok.url()), delivery(0, 0, &json!(1))).await, Ok(()), "it said that it has the event");

    let fifty_mb = "HTTP/1.1 500 Oh\r\ncontent-length: 50000000\r\n\r\n";
    let big = endless(fifty_mb, vec![b'x'; 50_000_000], Duration::ZERO);
    let bad = endless("HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n", chunk, Duration::ZERO);
    for server in [&big, &bad] {
        let error = deliver(&http(&server.url()), delivery(0, 0, &json!(1))).await.unwrap_err();
        assert_eq!((error.class.as_str(), error.code.as_str(), error.detail.len()), ("transient", "http_500", LONGEST));
    }
    let early = endless("", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_vec(), Duration::ZERO);
    let drip = endless("HTTP/1.1 200 OK\r\nconte", b"x".to_vec(), Duration::from_millis(5));
    let drips = endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n".to_vec(), Duration::from_millis(5));
    for server in [&early, &drip, &drips] {
        given_up(&http(&server.url())).await;
    }
    for server in [ok, big, bad, early, drip, drips] {
        until("its connection is closed", || server.closed() == 1).await;
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_none() {
    for answer in [
        "",
        "hello\r\n\r\n",
        "HTTP/1.1 20",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: nothing\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n",
        "\0\u{1}\u{2}",
    ] {
        let server = Server::start(move |stream| stream.write_all(answer.as_bytes()).and_then(|()| close()));
        let (class, code, message) = fails(at(&server.url())).await;
        assert_eq!((class, code.as_str()), ("transient", "bad_reply"), "{answer}: {message}");
        assert_eq!(server.requests().len(), 1, "{answer}: nothing is sent again behind the engine's back");
    }
    let wide = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    for answer in [wide, many] {
        let server = Server::saying(&answer);
        assert_eq!(fails(at(&server.url())).await.1, "bad_reply");
    }
}

/// What it refuses it has refused, also when the rest of its words is missing.
#[tokio::test]
async fn a_refusal_that_breaks_off() {
    for (status, expected) in [(422, ("permanent", "http_422")), (401, ("consumer", "http_401")), (503, ("transient", "http_503"))]
    {
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 10\r\n\r\nhalf");
        let server = Server::start(move |stream| stream.write_all(answer.as_bytes()).and_then(|()| close()));
        let (class, code, message) = fails(at(&server.url())).await;
        assert_eq!((class, code.as_str()), expected, "{message}");
    }
}

/// Not even when it points to the very same place.
#[tokio::test]
async fn a_redirect_is_never_followed() {
    let other = Server::saying(NO_CONTENT);
    for status in [301, 302, 303, 307, 308] {
        let server = Server::saying(&format!("HTTP/1.1 {status} Go\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.url()));
        let (class, code, message) = fails(at(&server.url())).await;
        assert_eq!((class, code), ("permanent", format!("http_{status}")));
        assert!(message.ends_with(&format!("it points to {}, and redirects are not followed", other.url())), "{message}");
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

/// A server may close a connection that is idle; that is no failure of the next delivery.
#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = Server::start(|stream| stream.write_all(NO_CONTENT.as_bytes()).and_then(|()| close()));
    let http = http(&server.url());
    for offset in 0..5 {
        assert_eq!(deliver(&http, delivery(offset, 0, &json!(1))).await, Ok(()));
        until("the server has closed it", || server.closed() == server.connections()).await;
    }
    assert_eq!((server.requests().len(), server.connections()), (5, 5));
}

fn with(credentials: Credentials, url: &str) -> Http {
    Http::open(Endpoint { credentials: Some(credentials), ..at(url) }).unwrap()
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let server =
        Server::saying("HTTP/1.1 401 No\r\ncontent-length: 57\r\n\r\nyou said s3cret and bWU6czNjcmV0, which is not known here");
    for (credentials, sent) in [
        (Credentials::Bearer(Secret::Text("s3cret".into())), "Bearer s3cret"),
        (Credentials::Basic(Secret::Text("me:s3cret".into())), "Basic bWU6czNjcmV0"),
    ] {
        let error = deliver(&with(credentials, &server.url()), delivery(0, 0, &json!(1))).await.unwrap_err();
        assert_eq!(server.requests().last().unwrap().one("authorization").as_deref(), Some(sent));
        assert_eq!((error.class.as_str(), error.code.as_str()), ("consumer", "http_401"));
        assert!(error.message.contains("you said *** and ") && error.detail.contains("***"), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    let from_url = Http::open(at(&server.url().replace("://", "://me:s3cret@"))).unwrap();
    let error = deliver(&from_url, delivery(0, 0, &json!(1))).await.unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret") && !format!("{error:?}").contains("bWU6"), "{error:?}");
    assert_eq!(server.requests().last().unwrap().one("authorization").as_deref(), Some("Basic bWU6czNjcmV0"));
}

#[tokio::test]
async fn a_token_is_renewed_under_a_running_process() {
    let server = Server::saying("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\r\n").unwrap();
    let http = with(Credentials::Bearer(Secret::File(path.clone())), &server.url());
    let sent = async || {
        let error = deliver(&http, delivery(0, 0, &json!(1))).await.unwrap_err();
        (server.requests().last().unwrap().one("authorization").unwrap(), error.causes)
    };
    assert_eq!(sent().await, ("Bearer first".to_owned(), Vec::new()));
    std::fs::write(&path, "second\n").unwrap();
    timeout(Duration::from_secs(20), async { while sent().await.0 != "Bearer second" {} }).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let trouble = timeout(Duration::from_secs(20), async {
        loop {
            let (token, causes) = sent().await;
            assert_eq!(token, "Bearer second", "what was known stays");
            if let [cause] = causes.as_slice() {
                break cause.clone();
            }
        }
    });
    assert!(trouble.await.unwrap().starts_with(&format!("bearer_token {} cannot be read: No such file", path.display())));
    std::fs::write(&path, "third").unwrap();
    timeout(Duration::from_secs(20), async { while sent().await != ("Bearer third".to_owned(), Vec::new()) {} }).await.unwrap();
    let current = Arc::downgrade(&http.recipient);
    drop(http);
    assert!(current.upgrade().is_none(), "nobody holds it but us");
}

#[test]
fn credentials_that_are_none_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let refused = |credentials| {
        let endpoint = Endpoint { credentials: Some(credentials), ..at("http://localhost/") };
        Http::open(endpoint).err().unwrap().to_string()
    };
    let bearer = |text: &str| {
        std::fs::write(&path, text).unwrap();
        refused(Credentials::Bearer(Secret::File(path.clone())))
    };
    let shown = path.display();
    assert_eq!(bearer("\n"), format!("bearer_token {shown}: there is no token in it"));
    assert_eq!(bearer("s3c\nret\n"), format!("bearer_token {shown}: it holds characters that no header can carry"));
    std::fs::write(&path, "me").unwrap();
    assert_eq!(refused(Credentials::Basic(Secret::File(path.clone()))), format!("basic_auth {shown}: expected USER:PASSWORD"));
    std::fs::remove_file(&path).unwrap();
    let said = refused(Credentials::Bearer(Secret::File(path.clone())));
    assert!(said.starts_with(&format!("bearer_token {shown} cannot be read: No such file")), "{said}");
    assert_eq!(refused(Credentials::Basic(Secret::Text("s3cret".into()))), "basic_auth: expected USER:PASSWORD");
}
