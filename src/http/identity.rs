//! Who we are at an endpoint: a certificate in TLS, and the credentials of each request.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

/// A certificate and its key, both PEM; they may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// The `Authorization` of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A token.
    Bearer(Secret),
    /// `USER:PASSWORD`.
    Basic(Secret),
}

/// A text that nobody is shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Text(String),
    /// What the file holds, without a line break at its end. It may change while we run: tokens are renewed that way.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("***"),
            Self::File(path) => write!(f, "@{}", path.display()),
        }
    }
}

/// A URL without user and password, and the credentials that they are.
///
/// # Errors
/// When the URL has no place for them, and so no host.
pub(crate) fn without_user(mut url: Url) -> Result<(Url, Option<Credentials>), String> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            let pair = format!("{}:{}", plain(user), plain(password.unwrap_or_default()));
            Some(Credentials::Basic(Secret::Text(pair)))
        }
    };
    let no_host = |()| "it has no host".to_owned();
    url.set_username("").map_err(no_host)?;
    url.set_password(None).map_err(no_host)?;
    Ok((url, credentials))
}
