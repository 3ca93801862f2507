//! What an `http:` receiver is told: where events go, in which form, and as whom.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::http::{ClientCertificate, Credentials, Secret, without_user};
use crate::secrets::masked;

/// Where events are posted, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without user and password.
    pub url: Url,
    pub encoding: Encoding,
    /// Names of record headers that are passed on as they are.
    pub forward_headers: Vec<String>,
    /// Certificates (PEM) that the server's must be signed by, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Who we are in TLS.
    pub client_certificate: Option<ClientCertificate>,
    pub credentials: Option<Credentials>,
}

/// How a CloudEvent lies in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Attributes are `ce-` headers, the body is the data.
    #[default]
    Binary,
    /// The body is the whole event as JSON.
    Structured,
}

/// The query of a URL may have a secret.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, encoding, forward_headers, ca_file, client_certificate, credentials } = self;
        f.debug_struct("Endpoint")
            .field("url", &masked(url.as_str()))
            .field("encoding", encoding)
            .field("forward_headers", forward_headers)
            .field("ca_file", ca_file)
            .field("client_certificate", client_certificate)
            .field("credentials", credentials)
            .finish()
    }
}

impl Endpoint {
    /// All files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let ours = self.client_certificate.iter().flat_map(|of| [&of.certificate_file, &of.key_file]);
        let secret = self.credentials.iter().filter_map(|credentials| match credentials {
            Credentials::Bearer(Secret::File(path)) | Credentials::Basic(Secret::File(path)) => Some(path),
            Credentials::Bearer(Secret::Text(_)) | Credentials::Basic(Secret::Text(_)) => None,
        });
        self.ca_file.iter().chain(ours).chain(secret).map(PathBuf::as_path)
    }

    /// The endpoint at a URL, in binary mode. User and password of the URL are its basic credentials.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    pub fn at(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Err("it has no // before its host".to_owned());
        }
        let (url, credentials) = without_user(Url::parse(text).map_err(|error| error.to_string())?)?;
        Ok(Self {
            url,
            encoding: Encoding::default(),
            forward_headers: Vec::new(),
            ca_file: None,
            client_certificate: None,
            credentials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_a_url_are_credentials_and_nothing_else() {
        let endpoint = Endpoint::at("https://me:s3c%40ret@shop:8443/events?x=1").unwrap();
        assert_eq!(endpoint.url.as_str(), "https://shop:8443/events?x=1");
        assert_eq!(endpoint.credentials, Some(Credentials::Basic(Secret::Text("me:s3c@ret".to_owned()))));
        assert!(!format!("{endpoint:?}").contains("s3c"), "{endpoint:?}");
        assert_eq!(Endpoint::at("http://shop").unwrap().credentials, None);
        let signed = Endpoint::at("http://shop/?sig=s3cret").unwrap();
        assert!(!format!("{signed:?}").contains("s3cret"), "{signed:?}");
    }
}
