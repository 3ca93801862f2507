//! One address of a registry: what is asked there, and how an answer is fetched.
//!
//! A redirect is followed only to the same server, so that credentials go to nobody else.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::timeout;

use crate::codec::framing::SchemaId;
use crate::codec::registry::KEYS;
use crate::codec::registry::answer::{self, Lack};
use crate::codec::registry::references;
use crate::codec::schema::SchemaText;
use crate::failure::kept;
use crate::http::{Authorization, QUOTED, Sent, place, plain_place, silence};
use crate::secrets::{redacted, secrets_of_query};

const ACCEPTED: &str = "application/vnd.schemaregistry.v1+json, application/json";
/// A longer answer is none.
const LONGEST: usize = 8 * 1024 * 1024;
/// As much of a refusal is read.
const LONGEST_REFUSAL: usize = 64 * 1024;
const MOST_REDIRECTS: usize = 5;
/// A schema with all that it refers to takes many answers; together they have no more than so many timeouts.
const WHOLE_WITHIN: u32 = 4;

/// An address, and as whom it is asked.
pub(super) struct Place {
    client: Client,
    /// Without user and password.
    url: Url,
    /// The same for people, and for the cache: without query and trailing slash.
    shown: String,
    authorization: Option<Arc<Authorization>>,
    /// What the query of its URL calls a secret.
    secrets: Vec<String>,
    timeout: Duration,
}

/// What is asked for.
pub(super) enum Question<'q> {
    Schema(SchemaId),
    Reference(&'q Reference),
    /// The languages that it takes.
    Kinds,
}

/// A schema as another one names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reference {
    pub(super) subject: String,
    pub(super) version: String,
}

/// An answer that was read whole, if it is a success.
pub(super) struct Reply {
    /// What was asked: `GET` and the URL, without secrets.
    pub(super) asked: String,
    pub(super) status: StatusCode,
    pub(super) content_type: Option<String>,
    /// Of a refusal: as much as is read, without our secrets.
    pub(super) body: Vec<u8>,
    /// Why our credentials may not be the current ones.
    pub(super) trouble: Option<String>,
    /// It is JSON, and longer than is read: the body is missing.
    pub(super) is_cut: bool,
    /// Another answer shows that a registry is there.
    pub(super) is_of_registry: bool,
}

impl Question<'_> {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::Schema(id @ SchemaId::Number(_)) => vec!["schemas".into(), "ids".into(), id.to_string().into()],
            Self::Schema(id @ SchemaId::Guid(_)) => vec!["schemas".into(), "guids".into(), id.to_string().into()],
            Self::Reference(Reference { subject, version }) => {
                vec!["subjects".into(), subject.into(), "versions".into(), version.into()]
            }
            Self::Kinds => vec!["schemas".into(), "types".into()],
        }
    }
}

impl Place {
    pub(super) fn new(client: Client, mut url: Url, authorization: Option<Arc<Authorization>>, timeout: Duration) -> Self {
        url.set_fragment(None);
        let shown = bare(&url).trim_end_matches('/').to_owned();
        let secrets = secrets_of_query(&url);
        Self { client, url, shown, authorization, secrets, timeout }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// A schema with all that it refers to, within four timeouts.
    pub(super) async fn schema(&self, id: SchemaId) -> Result<SchemaText, Lack> {
        let within = self.timeout.saturating_mul(WHOLE_WITHIN);
        let whole = async {
            let reply = self.answer(&Question::Schema(id)).await?;
            references::gathered(self, id, answer::schema(id, &reply)?).await
        };
        timeout(within, whole).await.unwrap_or_else(|_| {
            Err(Lack::Away(format!(
                "schema {id} and what it refers to did not come whole within {within:?} from {}, which is {WHOLE_WITHIN} times \
                 --schema-registry-timeout",
                self.shown
            )))
        })
    }

    /// As `ask`. Of an answer that may be anybody's another question finds out whether a registry is there.
    pub(super) async fn answer(&self, question: &Question<'_>) -> Result<Reply, Lack> {
        let mut reply = self.ask(question).await.map_err(Lack::Away)?;
        if answer::is_doubtful(question, &reply) {
            reply.is_of_registry = self.ask(&Question::Kinds).await.is_ok_and(|reply| answer::kinds(&reply).is_ok());
        }
        Ok(reply)
    }

    /// # Errors
    /// Why there is no whole answer: nobody is there, it takes too long, is too large, or leads elsewhere.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Reply, String> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(question.segments());
        }
        let asked = format!("GET {}", kept(&bare(&url), QUOTED));
        let sent = self.authorization.as_ref().map(|authorization| authorization.sent());
        let answered = match timeout(self.timeout, self.follow(url, sent.as_ref())).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no whole answer within {:?} (--schema-registry-timeout)", self.timeout)),
        };
        let secrets = || self.secrets.iter().chain(sent.iter().flat_map(|sent| sent.secrets.iter()));
        let mut reply = answered.map_err(|why| redacted(&format!("{asked}: {why}"), secrets()))?;
        if !reply.status.is_success() {
            reply.body = redacted(&String::from_utf8_lossy(&reply.body), secrets()).into_bytes();
        }
        reply.content_type = reply.content_type.map(|text| redacted(&text, secrets()));
        reply.trouble = self.authorization.as_ref().and_then(|authorization| authorization.trouble());
        Ok(Reply { asked, ..reply })
    }

    async fn follow(&self, mut url: Url, sent: Option<&Sent>) -> Result<Reply, String> {
        let path = url.path().strip_prefix(self.url.path().trim_end_matches('/')).unwrap_or_default().to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.client.get(url.clone()).header(ACCEPT, ACCEPTED);
            if let Some(Sent { header, .. }) = sent {
                request = request.header(AUTHORIZATION, header.clone());
            }
            let silent = |error: reqwest::Error| silence(&error.without_url(), &place(&url), &KEYS).into_text();
            let response = request.send().await.map_err(silent)?;
            if !response.status().is_redirection() {
                return read(response).await.map_err(silent)?;
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            url = next(&url, location, &path).map_err(|why| format!("{}: {why}", answer::status(response.status())))?;
        }
        Err(format!("it redirects more than {MOST_REDIRECTS} times"))
    }
}

/// Where a redirect leads, if that is the same server: the same host and port, or the same host with TLS.
fn next(from: &Url, location: Option<&str>, path: &str) -> Result<Url, String> {
    let location = location.ok_or_else(|| "it does not say where it leads".to_owned())?;
    let shown = kept(location, QUOTED);
    let url = from.join(location).map_err(|error| format!("it leads to {}, which is no URL: {error}", plain_place(shown)))?;
    let is_host = url.host() == from.host();
    let is_same = url.scheme() == from.scheme() && url.port_or_known_default() == from.port_or_known_default();
    if is_host && (is_same || url.scheme() == "https") {
        return crate::http::without_user(url).map(|(url, _)| url);
    }
    let there = plain_place(kept(url.as_str(), QUOTED));
    let there = there.strip_suffix(path).unwrap_or(&there);
    Err(format!("it leads to {there}, another server, and is not followed there: name that address in --schema-registry"))
}

/// Without what may hold a secret, but for what is called one nowhere: its path.
fn bare(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// Why a schema is not read, or a page that is none.
pub(super) fn too_long() -> String {
    format!("its answer is longer than {} MiB", LONGEST >> 20)
}

/// A refusal is one, also when the rest of its words is missing.
async fn read(mut response: Response) -> reqwest::Result<Result<Reply, String>> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|text| text.to_str().ok()).map(str::to_owned);
    let longest = if status.is_success() { LONGEST } else { LONGEST_REFUSAL };
    let (mut body, mut is_cut) = (Vec::new(), false);
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Err(error) if status.is_success() => return Err(error),
            Ok(None) | Err(_) => break,
        };
        body.extend_from_slice(&chunk);
        if body.len() > longest {
            is_cut = status.is_success();
            body.truncate(if is_cut { 0 } else { longest });
            break;
        }
    }
    if is_cut && !content_type.as_deref().is_some_and(|of_type| of_type.contains("json")) {
        return Ok(Err(too_long()));
    }
    Ok(Ok(Reply { asked: String::new(), status, content_type, body, trouble: None, is_cut, is_of_registry: false }))
}
