//! The `Authorization` of requests. A token in a file is renewed under a running process, so the file is read again and again, beside
//! the deliveries: none waits for it.
//!
//! What was read last stays until something else can be read; and no secret leaves through the words of a server that echoes it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::http::connection::{invalid, read};
use crate::http::{Credentials, Keys, Secret};

/// How soon a changed file is noticed.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// What is sent with each request.
pub(crate) struct Authorization {
    current: Arc<watch::Sender<Current>>,
    /// `None`: it does not change.
    file: Option<TokenFile>,
    watcher: OnceLock<()>,
}

#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Basic,
}

#[derive(Clone)]
struct TokenFile {
    scheme: Scheme,
    path: PathBuf,
    /// What names it.
    setting: &'static str,
}

/// What goes with one request.
#[derive(Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) header: HeaderValue,
    /// Texts that must not be shown.
    pub(crate) secrets: Arc<[String]>,
}

/// What was read last.
#[derive(PartialEq)]
struct Current {
    sent: Sent,
    /// Why what was read last is not what there is now.
    trouble: Option<String>,
}

impl Authorization {
    /// # Errors
    /// When the file cannot be read, or what it holds is no token, or no `USER:PASSWORD`; says which setting is wrong.
    pub(crate) fn open(credentials: Credentials, keys: &Keys) -> io::Result<Self> {
        let (scheme, secret, setting) = match credentials {
            Credentials::Bearer(secret) => (Scheme::Bearer, secret, keys.bearer_token),
            Credentials::Basic(secret) => (Scheme::Basic, secret, keys.basic_auth),
        };
        let (current, file) = match secret {
            Secret::Text(text) => (Current::of(scheme, &text).map_err(|why| invalid(format!("{setting}: {why}")))?, None),
            Secret::File(path) => {
                let file = TokenFile { scheme, path, setting };
                let current = file.read()?;
                // What is no file, a pipe of a shell for example, can be read only once.
                let is_file = std::fs::metadata(&file.path).is_ok_and(|metadata| metadata.is_file());
                (current, is_file.then_some(file))
            }
        };
        Ok(Self { current: Arc::new(watch::Sender::new(current)), file, watcher: OnceLock::new() })
    }

    /// Must be called inside a tokio runtime.
    pub(crate) fn sent(&self) -> Sent {
        if let Some(file) = &self.file {
            self.watcher.get_or_init(|| {
                tokio::spawn(renew(Arc::downgrade(&self.current), file.clone()));
            });
        }
        self.current.borrow().sent.clone()
    }

    /// Why the file could not be read again, when it could not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.current.borrow().trouble.clone()
    }
}

/// Ends when nobody asks any more.
async fn renew(current: Weak<watch::Sender<Current>>, file: TokenFile) {
    let mut ticks = tokio::time::interval(LOOKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let reading = file.clone();
        let read = tokio::task::spawn_blocking(move || reading.read()).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let Some(current) = current.upgrade() else { return };
        match read {
            Ok(read) => {
                current.send_if_modified(|known| {
                    let is_new = *known != read;
                    *known = read;
                    is_new
                });
            }
            Err(error) => {
                current.send_modify(|known| known.trouble = Some(error.to_string()));
            }
        }
    }
}

impl TokenFile {
    fn read(&self) -> io::Result<Current> {
        let setting = self.setting;
        let bytes = read(setting, &self.path)?;
        let wrong = |why: String| invalid(format!("{setting} {}: {why}", self.path.display()));
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        Current::of(self.scheme, text.trim_end_matches(['\r', '\n'])).map_err(wrong)
    }
}

impl Current {
    fn of(scheme: Scheme, secret: &str) -> Result<Self, String> {
        let (text, secrets) = match scheme {
            Scheme::Bearer if secret.is_empty() => return Err("there is no token in it".to_owned()),
            Scheme::Bearer => (format!("Bearer {secret}"), vec![secret.to_owned()]),
            Scheme::Basic => {
                let Some((_, password)) = secret.split_once(':') else { return Err("expected USER:PASSWORD".to_owned()) };
                let pair = STANDARD.encode(secret);
                (format!("Basic {pair}"), vec![pair, password.to_owned()])
            }
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| "it holds characters that no header can carry".to_owned())?;
        header.set_sensitive(true);
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        Ok(Self { sent: Sent { header, secrets }, trouble: None })
    }
}
