//! The client of a schema registry, in the protocol that Confluent's began and others speak: what does it call this id?
//!
//! One lookup asks each address once and waits at none of them longer than four timeouts; when it is asked again is its caller's business.
//! What a registry does not have is told from what it does not say: the first is known, the second is an outage. So is the "no" of somebody
//! who may be no registry at all: a proxy, or a server at an address that was one.

mod answer;
mod place;
mod references;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Url;

use crate::codec::framing::SchemaId;
use crate::codec::registry::answer::Lack;
use crate::codec::registry::place::{Place, Question};
use crate::codec::schema::Lookup;
use crate::http::{self, Authorization, ClientCertificate, Credentials, Keys, Tls, invalid, without_user};
use crate::secrets::masked;

pub use answer::CheckFault;

/// What a registry is and how it is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Its addresses, in the order in which they are tried. User and password in one are its basic credentials.
    pub urls: Vec<Url>,
    /// For the addresses that have no user.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) that the server's must be signed by, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Who we are in TLS.
    pub client_certificate: Option<ClientCertificate>,
    /// For each answer, whole; a schema with all that it refers to has four times as long.
    pub timeout: Duration,
}

/// A registry that can be asked. Its futures must be polled inside a tokio runtime.
pub struct Registry {
    places: Vec<Place>,
    /// Which of them answered last: it is asked first.
    answered: AtomicUsize,
}

/// How one of its addresses answered a question that needs no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Without secrets.
    pub url: String,
    /// The languages that it takes; none when it does not say.
    pub found: Result<Vec<String>, CheckFault>,
}

/// The names of the settings.
const KEYS: Keys = Keys {
    ca_file: "schema-registry-ca-file",
    certificate_file: "schema-registry-certificate-file",
    key_file: "schema-registry-key-file",
    bearer_token: "schema-registry-bearer-token",
    basic_auth: "schema-registry-basic-auth",
    whose: "",
};

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { urls, credentials, ca_file, client_certificate, timeout } = self;
        f.debug_struct("RegistrySettings")
            .field("urls", &urls.iter().map(|url| masked(url.as_str())).collect::<Vec<_>>())
            .field("credentials", credentials)
            .field("ca_file", ca_file)
            .field("client_certificate", client_certificate)
            .field("timeout", timeout)
            .finish()
    }
}

impl Registry {
    /// Reads the files that the settings name; connects to nobody.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be, or there is no address; says which setting is wrong.
    pub fn new(settings: &RegistrySettings) -> io::Result<Self> {
        let RegistrySettings { urls, credentials, ca_file, client_certificate, timeout } = settings;
        let tls = Tls { ca_file: ca_file.as_deref(), client_certificate: client_certificate.as_ref() };
        let client = http::client(tls, &KEYS)?;
        let open = |credentials: Credentials| Authorization::open(credentials, &KEYS).map(Arc::new);
        let for_all = credentials.clone().map(open).transpose()?;
        let mut places = Vec::with_capacity(urls.len());
        for url in urls {
            let (url, of_url) = without_user(url.clone()).map_err(invalid)?;
            let authorization = of_url.map(open).transpose()?.or_else(|| for_all.clone());
            places.push(Place::new(client.clone(), url, authorization, *timeout));
        }
        if places.is_empty() {
            return Err(invalid("schema-registry names no address: expected a URL".to_owned()));
        }
        Ok(Self { places, answered: AtomicUsize::new(0) })
    }

    /// What its schemas are cached under: the address that answered last, without user, password, query and trailing slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.places.get(self.answered.load(Ordering::Relaxed)).map_or("", Place::shown)
    }

    /// What its schemas may be cached under: all of its addresses, as [`Registry::name`] has them.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.places.iter().map(Place::shown).collect()
    }

    /// One lookup: asks each address once, without waiting in between, the one that answered last first, until one has the schema. It is
    /// unknown when one of them says so and none has it, whether or not others are away: one that is behind is asked again by whoever
    /// does not believe it yet. The registry is away when none answers.
    pub async fn schema(&self, id: SchemaId) -> Lookup {
        let first = self.answered.load(Ordering::Relaxed);
        let (mut unknown, mut away) = (None, Vec::new());
        let in_turn = self.places.iter().enumerate().cycle().skip(first).take(self.places.len());
        for (at, place) in in_turn {
            let answers = || self.answered.store(at, Ordering::Relaxed);
            match place.schema(id).await {
                Ok(found) => {
                    answers();
                    return Lookup::Found(found);
                }
                Err(Lack::Unusable(why)) => {
                    answers();
                    return Lookup::Unusable(why);
                }
                Err(Lack::Unknown(why)) => {
                    unknown.get_or_insert_with(|| {
                        answers();
                        why
                    });
                }
                Err(Lack::Away(why)) => away.push(why),
            }
        }
        unknown.map_or_else(|| Lookup::Away(away.join("; ")), Lookup::Unknown)
    }

    /// For a check-up: does each of its addresses answer, and as a registry?
    pub async fn check(&self) -> Vec<Checked> {
        let mut all = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let found = match place.ask(&Question::Kinds).await {
                Ok(reply) => answer::kinds(&reply),
                Err(why) => Err(CheckFault::Away(why)),
            };
            all.push(Checked { url: place.shown().to_owned(), found });
        }
        all
    }
}
