//! What the keys of an `http:` receiver make of its endpoint.

use std::path::PathBuf;

use crate::receiver::{ClientCertificate, Credentials, Encoding, Endpoint, Secret};
use crate::settings::error::SettingsError;
use crate::settings::layers::{Layers, Origin};
use crate::settings::receivers::keys::{
    BASIC_AUTH, BEARER_TOKEN, CA_FILE, CERTIFICATE_FILE, FORWARD_HEADERS, KEY_FILE, MODE, ReceiverKey,
};
use crate::settings::receivers::told::{Said, Told};
use crate::settings::word;

const MODE_WORDS: [(&str, Encoding); 2] = [("binary", Encoding::Binary), ("structured", Encoding::Structured)];

/// Adds what is told of a receiver to the endpoint that its URL alone makes.
pub(super) fn complete(endpoint: Endpoint, told: &Told<'_>, layers: &Layers<'_>) -> Result<Endpoint, SettingsError> {
    Ok(Endpoint {
        encoding: told.one(&MODE, |text| word(text, &MODE_WORDS))?,
        forward_headers: told.many(&FORWARD_HEADERS),
        ca_file: told.read(&CA_FILE, path)?,
        client_certificate: client_certificate(told)?,
        credentials: credentials(endpoint.credentials, told, layers)?,
        ..endpoint
    })
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the path of a file".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// Certificate and key may be one file.
fn client_certificate(told: &Told<'_>) -> Result<Option<ClientCertificate>, SettingsError> {
    let key_file = told.read(&KEY_FILE, path)?;
    match (told.read(&CERTIFICATE_FILE, path)?, key_file) {
        (Some(certificate_file), key_file) => {
            let key_file = key_file.unwrap_or_else(|| certificate_file.clone());
            Ok(Some(ClientCertificate { certificate_file, key_file }))
        }
        (None, None) => Ok(None),
        (None, Some(_)) => Err(wrong(told, &KEY_FILE, "`key_file` is of no use without `certificate_file`")),
    }
}

fn credentials(of_url: Option<Credentials>, told: &Told<'_>, layers: &Layers<'_>) -> Result<Option<Credentials>, SettingsError> {
    let token = told.of(&BEARER_TOKEN).map(|said| secret(said, &BEARER_TOKEN, told, layers)).transpose()?;
    let pair = told.of(&BASIC_AUTH).map(|said| secret(said, &BASIC_AUTH, told, layers)).transpose()?;
    match (of_url, token, pair) {
        (of_url, None, None) => Ok(of_url),
        (None, Some(token), None) => Ok(Some(Credentials::Bearer(token))),
        (None, None, Some(pair)) => Ok(Some(Credentials::Basic(pair))),
        (_, Some(_), Some(_)) => {
            Err(wrong(told, &BASIC_AUTH, "it has both `bearer_token` and `basic_auth`: leave one of them away"))
        }
        (Some(_), Some(_), None) => {
            Err(wrong(told, &BEARER_TOKEN, "it has both `bearer_token` and a user in its URL: leave one of them away"))
        }
        (Some(_), None, Some(_)) => {
            Err(wrong(told, &BASIC_AUTH, "it has both `basic_auth` and a user in its URL: leave one of them away"))
        }
    }
}

/// A file is left to the receiver: it may change while we run.
fn secret(said: Said, key: &ReceiverKey, told: &Told<'_>, layers: &Layers<'_>) -> Result<Secret, SettingsError> {
    let text = said.values.into_iter().next_back().unwrap_or_default();
    if text.is_empty() {
        return Err(wrong(told, key, &format!("`{}` is empty: expected @FILE, env:NAME or the secret itself", key.name)));
    }
    if let Some(path) = text.strip_prefix('@') {
        return Ok(Secret::File(PathBuf::from(path)));
    }
    match text.strip_prefix("env:") {
        Some(variable) => (layers.environment)(variable)
            .map(Secret::Text)
            .ok_or_else(|| SettingsError::NoVariable { of: told.name_of(key), variable: variable.to_owned() }),
        None => Ok(Secret::Text(text)),
    }
}

fn wrong(told: &Told<'_>, key: &ReceiverKey, message: &str) -> SettingsError {
    let origin = told.of(key).map_or(Origin::Default, |said| said.origin);
    SettingsError::Receiver { name: told.name.to_owned(), message: message.to_owned(), origin }
}
