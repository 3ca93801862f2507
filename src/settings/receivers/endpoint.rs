//! What the keys of an `http:` receiver make of its endpoint.

use crate::http::{ClientCertificate, Credentials, Secret};
use crate::receiver::{Encoding, Endpoint};
use crate::settings::error::SettingsError;
use crate::settings::identity::{self, Both, NoSecret, path};
use crate::settings::layers::{Layers, Origin};
use crate::settings::receivers::keys::{
    BASIC_AUTH, BEARER_TOKEN, CA_FILE, CERTIFICATE_FILE, FORWARD_HEADERS, KEY_FILE, MODE, ReceiverKey,
};
use crate::settings::receivers::told::Told;
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

fn client_certificate(told: &Told<'_>) -> Result<Option<ClientCertificate>, SettingsError> {
    let (certificate_file, key_file) = (told.read(&CERTIFICATE_FILE, path)?, told.read(&KEY_FILE, path)?);
    identity::client_certificate(certificate_file, key_file)
        .map_err(|_| wrong(told, &KEY_FILE, "`key_file` is of no use without `certificate_file`"))
}

fn credentials(of_url: Option<Credentials>, told: &Told<'_>, layers: &Layers<'_>) -> Result<Option<Credentials>, SettingsError> {
    let (token, pair) = (secret(&BEARER_TOKEN, told, layers)?, secret(&BASIC_AUTH, told, layers)?);
    identity::credentials(of_url, token, pair).map_err(|both| {
        let (key, both) = match both {
            Both::TokenAndPair => (&BASIC_AUTH, "`bearer_token` and `basic_auth`"),
            Both::TokenAndUser => (&BEARER_TOKEN, "`bearer_token` and a user in its URL"),
            Both::PairAndUser => (&BASIC_AUTH, "`basic_auth` and a user in its URL"),
        };
        wrong(told, key, &format!("it has both {both}: leave one of them away"))
    })
}

fn secret(key: &ReceiverKey, told: &Told<'_>, layers: &Layers<'_>) -> Result<Option<Secret>, SettingsError> {
    let Some(said) = told.of(key) else { return Ok(None) };
    let text = said.values.into_iter().next_back().unwrap_or_default();
    identity::secret(text, layers.environment).map(Some).map_err(|no| match no {
        NoSecret::Empty => wrong(told, key, &format!("`{}` is empty: {}", key.name, identity::EXPECTED)),
        NoSecret::NoVariable(variable) => SettingsError::NoVariable { of: told.name_of(key), variable },
    })
}

fn wrong(told: &Told<'_>, key: &ReceiverKey, message: &str) -> SettingsError {
    let origin = told.of(key).map_or(Origin::Default, |said| said.origin);
    SettingsError::Receiver { name: told.name.to_owned(), message: message.to_owned(), origin }
}
