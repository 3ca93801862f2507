//! `http:` and `https:` post each event as a CloudEvent.
//!
//! One client with its own pool of connections for each receiver. An answer must arrive whole before its event counts as delivered, but
//! no more of it is read than a failure's detail can hold: whatever is sent beyond that ends with its connection. The engine watches the
//! time; when it drops a delivery, its connection is closed.

mod answer;
mod connection;
mod endpoint;
mod probe;
mod request;
mod silence;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use reqwest::header::AUTHORIZATION;
use reqwest::{Body, Client, Method, Request, Response, Url};

use crate::failure::Class;
use crate::http::{Authorization, Sent, place};
use crate::receiver::http::request::{Form, Parts};
use crate::receiver::{Delivery, Needs, Receiver, ReceiverError, Runs, Step};
use crate::secrets::{redacted, secrets_of_query};

pub use endpoint::{Encoding, Endpoint};
pub use probe::{Answered, CertificateDates, Step as ProbeStep, Unanswered, certificate, options, reach};

/// As much of an answer's body as is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Posts events to an endpoint. Deliveries must be made inside a tokio runtime.
pub struct Http {
    form: Form,
    url: Url,
    recipient: Arc<Recipient>,
}

/// Who is posted to.
struct Recipient {
    client: Client,
    /// `HOST:PORT`: what errors call it. Path and query stay unsaid, because some keep a secret there.
    place: String,
    authorization: Option<Authorization>,
    /// What the query of its URL calls a secret.
    secrets: Vec<String>,
}

impl Http {
    /// Reads the files that the endpoint names; connects to nobody.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be, or a header cannot be forwarded; says which setting is wrong.
    pub fn open(endpoint: Endpoint) -> io::Result<Self> {
        let form = Form::new(endpoint.encoding, &endpoint.forward_headers)?;
        let client = connection::client(&endpoint)?;
        let authorization =
            endpoint.credentials.map(|credentials| Authorization::open(credentials, &connection::KEYS)).transpose()?;
        let url = endpoint.url;
        let (place, secrets) = (place(&url), secrets_of_query(&url));
        Ok(Self { form, url, recipient: Arc::new(Recipient { client, place, authorization, secrets }) })
    }

    /// Finds out whether it can be opened. What a shell puts in the place of a file can be read only once, and is left to the opening.
    ///
    /// # Errors
    /// As [`Http::open`].
    pub fn check(endpoint: &Endpoint) -> io::Result<()> {
        let are_files = endpoint.files().all(|path| path.metadata().map_or(true, |metadata| metadata.is_file()));
        if are_files { Self::open(endpoint.clone()).map(drop) } else { Ok(()) }
    }
}

impl Receiver for Http {
    fn deliver(&self, delivery: Delivery) -> Step {
        let Parts { headers, body } = match self.form.parts(&delivery) {
            Ok(parts) => parts,
            Err(error) => return Step::Done(Err(error)),
        };
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = body.map(Body::from);
        let sent = self.recipient.authorization.as_ref().map(Authorization::sent);
        let secrets = sent.map(|Sent { header, secrets }| {
            request.headers_mut().insert(AUTHORIZATION, header);
            secrets
        });
        let recipient = Arc::clone(&self.recipient);
        Step::Pending(Box::pin(async move { recipient.post(request, secrets.as_deref().unwrap_or_default()).await }))
    }

    fn needs(&self) -> Needs {
        self.form.needs()
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}

impl Recipient {
    /// `secrets`: what the request's `Authorization` has; by the time of the answer there may be another one.
    async fn post(&self, request: Request, secrets: &[String]) -> Result<(), ReceiverError> {
        let answered = self.client.execute(request).await;
        let mut response = answered.map_err(|error| silence::failure(error, &self.place))?;
        let mut body = Vec::new();
        let read = read(&mut response, &mut body).await.map_err(|error| silence::failure(error, &self.place));
        if response.status().is_success() {
            return read;
        }
        let plain = |text: &str| redacted(text, self.secrets.iter().chain(secrets));
        // Before anything is cut from it, so that no part of a secret stays.
        let mut text = plain(&String::from_utf8_lossy(&body));
        if body.len() == LONGEST {
            // At the end of what is read there may be the beginning of one.
            let longest = self.secrets.iter().chain(secrets).map(String::len).max().unwrap_or_default();
            text.truncate(text.floor_char_boundary(text.len().saturating_sub(longest)));
        }
        let mut error = answer::failure(response.status(), response.headers(), &text, jiff::Timestamp::now());
        error.message = plain(&error.message);
        // A refusal is one, also when the rest of its words is missing.
        error.causes.extend(read.err().map(|error| error.message));
        if error.class == Class::Consumer {
            error.causes.extend(self.authorization.as_ref().and_then(Authorization::trouble));
        }
        Err(error)
    }
}

/// Reads a body to its end or to what is read at most. Of a success nothing is kept.
async fn read(response: &mut Response, body: &mut Vec<u8>) -> reqwest::Result<()> {
    let is_kept = !response.status().is_success();
    let mut left = LONGEST;
    while left > 0 {
        let Some(chunk) = response.chunk().await? else { break };
        let part = chunk.get(..left).unwrap_or(&chunk);
        left -= part.len();
        if is_kept {
            body.extend_from_slice(part);
        }
    }
    Ok(())
}
