//! Whether an endpoint is there, found out without an event: step by step from its name to an OPTIONS request.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use reqwest::header::{AUTHORIZATION, DATE};
use reqwest::{Method, StatusCode, Url};

use crate::http::{Authorization, place};
use crate::receiver::http::{Endpoint, connection, silence};

/// Each step.
const WITHIN: Duration = Duration::from_secs(5);

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub round_trip: Duration,
    /// Its clock when it answered, in milliseconds since 1970.
    pub date_ms: Option<i64>,
}

/// Why an endpoint cannot be delivered to: at which step, and what was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    pub step: Step,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A file of its settings.
    Settings,
    Dns,
    Tcp,
    Tls,
    Http,
}

/// When the certificate of an endpoint ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDates {
    /// As OpenSSL writes it: `Jan  1 00:00:00 2027 GMT`.
    pub not_after: String,
    /// Negative once it has ended.
    pub days_left: i32,
}

impl Answered {
    /// True for an answer that says who may come in: 401, 403, 407.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::PROXY_AUTHENTICATION_REQUIRED]
            .iter()
            .any(|status| status.as_u16() == self.status)
    }
}

/// The addresses behind the endpoint's name, once one of them takes a connection. Blocks.
///
/// # Errors
/// Says at which step it ends.
pub fn reach(endpoint: &Endpoint) -> Result<SocketAddr, Unanswered> {
    let Some((host, port)) = address(&endpoint.url) else {
        return Err(Unanswered { step: Step::Settings, why: "its URL has no host".to_owned() });
    };
    let named = |error: io::Error| Unanswered { step: Step::Dns, why: format!("{host}: {error}") };
    let addresses: Vec<SocketAddr> = (host.as_str(), port).to_socket_addrs().map_err(named)?.collect();
    let mut last = Unanswered { step: Step::Dns, why: format!("{host} has no address") };
    for address in addresses {
        match TcpStream::connect_timeout(&address, WITHIN) {
            Ok(_) => return Ok(address),
            Err(error) => last = Unanswered { step: Step::Tcp, why: format!("{address}: {error}") },
        }
    }
    Err(last)
}

/// The dates of the certificate that the endpoint shows, whether or not it is trusted; `None` without TLS. Blocks.
///
/// # Errors
/// Says why there is no TLS.
pub fn certificate(endpoint: &Endpoint, at: SocketAddr) -> Result<Option<CertificateDates>, Unanswered> {
    let Some((host, _)) = address(&endpoint.url).filter(|_| endpoint.url.scheme() == "https") else { return Ok(None) };
    let failed = |why: String| Unanswered { step: Step::Tls, why };
    let dates = || -> Result<_, String> {
        let mut connector = SslConnector::builder(SslMethod::tls()).map_err(|error| error.to_string())?;
        // Only to be read: the request itself is made as deliveries are, and trusts nobody.
        connector.set_verify(SslVerifyMode::NONE);
        let stream = TcpStream::connect_timeout(&at, WITHIN).map_err(|error| error.to_string())?;
        let limited = stream.set_read_timeout(Some(WITHIN)).and_then(|()| stream.set_write_timeout(Some(WITHIN)));
        limited.map_err(|error| error.to_string())?;
        let stream = connector.build().connect(&host, stream).map_err(|error| error.to_string())?;
        let Some(certificate) = stream.ssl().peer_certificate() else { return Ok(None) };
        let now = Asn1Time::days_from_now(0).map_err(|error| error.to_string())?;
        let left = now.diff(certificate.not_after()).map_err(|error| error.to_string())?;
        let days_left = if left.secs < 0 && left.days == 0 { -1 } else { left.days };
        Ok(Some(CertificateDates { not_after: certificate.not_after().to_string(), days_left }))
    };
    dates().map_err(failed)
}

/// Asks for the endpoint's options, with the credentials of deliveries.
///
/// # Errors
/// Says at which step it ends.
pub async fn options(endpoint: &Endpoint) -> Result<Answered, Unanswered> {
    let settings = |error: io::Error| Unanswered { step: Step::Settings, why: error.to_string() };
    let client = connection::client(endpoint).map_err(settings)?;
    let mut request = client.request(Method::OPTIONS, endpoint.url.clone()).timeout(WITHIN);
    if let Some(credentials) = endpoint.credentials.clone() {
        request =
            request.header(AUTHORIZATION, Authorization::open(credentials, &connection::KEYS).map_err(settings)?.sent().header);
    }
    let asked_at = Instant::now();
    let answer = request.send().await.map_err(|error| {
        let is_tls = endpoint.url.scheme() == "https" && error.is_connect();
        let why = silence::failure(error, &place(&endpoint.url)).message;
        Unanswered { step: if is_tls { Step::Tls } else { Step::Http }, why }
    })?;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    Ok(Answered { status: answer.status().as_u16(), round_trip: asked_at.elapsed(), date_ms: date.and_then(http_date) })
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_millisecond())
}

/// What is connected to: a number of IPv6 stands there without the brackets that it has in a URL.
fn address(url: &Url) -> Option<(String, u16)> {
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_told_from_a_name_that_nobody_has() {
        let step = |url: &str| reach(&Endpoint::at(url).unwrap()).unwrap_err().step;
        assert_eq!(step("http://127.0.0.1:1/"), Step::Tcp);
        assert_eq!(step("http://nobody.invalid/"), Step::Dns);
    }
}
