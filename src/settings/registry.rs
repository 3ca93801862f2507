//! The schema registry, as settings say it: where it is, and as whom it is asked.

use std::time::Duration;

use reqwest::Url;

use crate::codec::registry::RegistrySettings;
use crate::http::{ClientCertificate, Credentials, Secret, without_user};
use crate::settings::delivery::above_zero;
use crate::settings::error::SettingsError;
use crate::settings::identity::{self, Both, NoSecret};
use crate::settings::layers::{Found, Layers, Origin};
use crate::settings::table::{
    SCHEMA_REGISTRY, SCHEMA_REGISTRY_BASIC_AUTH, SCHEMA_REGISTRY_BEARER_TOKEN, SCHEMA_REGISTRY_CA_FILE,
    SCHEMA_REGISTRY_CERTIFICATE_FILE, SCHEMA_REGISTRY_KEY_FILE, SCHEMA_REGISTRY_TIMEOUT, Setting,
};

/// What means nothing without TLS.
const OF_TLS: [&Setting; 3] = [&SCHEMA_REGISTRY_CA_FILE, &SCHEMA_REGISTRY_CERTIFICATE_FILE, &SCHEMA_REGISTRY_KEY_FILE];
const OTHERS: [&Setting; 3] = [&SCHEMA_REGISTRY_BASIC_AUTH, &SCHEMA_REGISTRY_BEARER_TOKEN, &SCHEMA_REGISTRY_TIMEOUT];

/// `None` where no registry is named.
pub(super) fn read(layers: &Layers<'_>) -> Result<Option<RegistrySettings>, SettingsError> {
    let urls = urls(layers)?;
    let refused = |of: &'static [&Setting], why: &str| {
        let said = of.iter().find(|setting| layers.find(setting).is_some_and(|found| found.origin != Origin::Default));
        said.map_or(Ok(()), |setting| Err(wrong(layers, setting, why)))
    };
    if urls.is_empty() {
        let why = "is of no use without schema-registry: name its address, too";
        refused(&OF_TLS, why).and_then(|()| refused(&OTHERS, why))?;
        return Ok(None);
    }
    if urls.iter().all(|url| url.scheme() != "https") {
        refused(&OF_TLS, "is for https://, and schema-registry is http://")?;
    }
    Ok(Some(RegistrySettings {
        credentials: credentials(&urls, layers)?,
        ca_file: layers.maybe(&SCHEMA_REGISTRY_CA_FILE, identity::path)?,
        client_certificate: client_certificate(layers)?,
        timeout: layers.one(&SCHEMA_REGISTRY_TIMEOUT, timeout)?,
        urls,
    }))
}

fn urls(layers: &Layers<'_>) -> Result<Vec<Url>, SettingsError> {
    let Some(Found { values, origin }) = layers.find(&SCHEMA_REGISTRY) else { return Ok(Vec::new()) };
    let mut urls = Vec::with_capacity(values.len());
    // What was parted at a comma that belongs to a password.
    let may_be_parted = values.len() > 1 && values.iter().any(|text| text.contains('@'));
    for text in values {
        let url = address(&text).ok_or_else(|| {
            let (given, more) = if may_be_parted {
                (hidden(&text), "; a comma in a password is written %2C")
            } else if text.matches("://").count() > 1 {
                (shown(&text), "; several are a list in the settings file")
            } else {
                (shown(&text), "")
            };
            let expected = format!("the address of a schema registry, like http://localhost:8081{more}");
            SettingsError::Invalid { name: SCHEMA_REGISTRY.name.to_owned(), given, origin: origin.clone(), expected }
        })?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Ok(urls)
}

/// Several addresses in one text are none, though they may look like a URL.
fn address(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://")?;
    let is_one = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) && !rest.contains("://");
    Url::parse(text).ok().filter(|_| is_one)
}

/// The scheme of a text, with what ends it, and the rest.
fn parts(text: &str) -> (&str, &str) {
    text.find("://").and_then(|at| text.split_at_checked(at + "://".len())).unwrap_or(("", text))
}

/// What is no address, for people. A password that is not encoded may have looked like a host, a port, a path or a query.
fn shown(text: &str) -> String {
    let (scheme, rest) = parts(text);
    let (place, plain) = match rest.rsplit_once('@') {
        Some((_, place)) => (place, format!("{scheme}***@")),
        None => (rest, scheme.to_owned()),
    };
    let place = place.split('?').next().unwrap_or_default();
    let port = place.split('/').next().unwrap_or_default().split_once(':').map_or("", |(_, port)| port);
    // Without a user before it, it may be the password of one.
    let may_be_password = !rest.contains('@') && !port.bytes().all(|byte| byte.is_ascii_digit());
    if may_be_password { hidden(text) } else { plain + place }
}

fn hidden(text: &str) -> String {
    format!("{}***", parts(text).0)
}

/// A user that stands in one address is meant for all of them: they are one registry.
fn credentials(urls: &[Url], layers: &Layers<'_>) -> Result<Option<Credentials>, SettingsError> {
    let of_url = urls.iter().find_map(|url| without_user(url.clone()).ok()?.1);
    let token = secret(&SCHEMA_REGISTRY_BEARER_TOKEN, layers)?;
    let pair = secret(&SCHEMA_REGISTRY_BASIC_AUTH, layers)?;
    identity::credentials(of_url, token, pair).map_err(|both| {
        let (setting, other) = match both {
            Both::TokenAndPair => (&SCHEMA_REGISTRY_BASIC_AUTH, "schema-registry-bearer-token"),
            Both::TokenAndUser => (&SCHEMA_REGISTRY_BEARER_TOKEN, "a user in schema-registry"),
            Both::PairAndUser => (&SCHEMA_REGISTRY_BASIC_AUTH, "a user in schema-registry"),
        };
        wrong(layers, setting, &format!("is there beside {other}: leave one of them away"))
    })
}

fn secret(setting: &Setting, layers: &Layers<'_>) -> Result<Option<Secret>, SettingsError> {
    let Some(Found { values, .. }) = layers.find(setting) else { return Ok(None) };
    let text = values.into_iter().next_back().unwrap_or_default();
    identity::secret(text, layers.environment).map(Some).map_err(|no| match no {
        NoSecret::Empty => wrong(layers, setting, &format!("is empty: {}", identity::EXPECTED)),
        NoSecret::NoVariable(variable) => SettingsError::NoVariable { of: setting.name.to_owned(), variable },
    })
}

fn client_certificate(layers: &Layers<'_>) -> Result<Option<ClientCertificate>, SettingsError> {
    let key_file = layers.maybe(&SCHEMA_REGISTRY_KEY_FILE, identity::path)?;
    let certificate_file = layers.maybe(&SCHEMA_REGISTRY_CERTIFICATE_FILE, identity::path)?;
    identity::client_certificate(certificate_file, key_file)
        .map_err(|_| wrong(layers, &SCHEMA_REGISTRY_KEY_FILE, "is of no use without schema-registry-certificate-file"))
}

fn timeout(text: &str) -> Result<Duration, String> {
    above_zero(text, "500ms, 5s or 1m")
}

fn wrong(layers: &Layers<'_>, setting: &Setting, message: &str) -> SettingsError {
    let origin = layers.find(setting).map_or(Origin::Default, |found| found.origin);
    SettingsError::Registry { name: setting.name, message: message.to_owned(), origin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Given;
    use crate::settings::table::{CONFIG, SCHEMA_REGISTRY as AT};

    fn told(given: &[(&Setting, &str)]) -> Result<Option<RegistrySettings>, String> {
        let mut all = Given::default();
        given.iter().for_each(|(setting, value)| all.add(setting, (*value).to_owned()));
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        read(&Layers::without_file(all, &environment)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_registry_has_addresses_and_knows_who_we_are() {
        assert_eq!(told(&[]), Ok(None));
        let given = [(&AT, "https://a:8081/x, https://b"), (&AT, "https://b"), (&SCHEMA_REGISTRY_BEARER_TOKEN, "env:TOKEN")];
        let files = [(&SCHEMA_REGISTRY_CA_FILE, "ca.pem"), (&SCHEMA_REGISTRY_CERTIFICATE_FILE, "me.pem")];
        let settings = told(&[&given[..], &files[..]].concat()).unwrap().unwrap();
        assert_eq!(settings.urls.iter().map(Url::as_str).collect::<Vec<_>>(), ["https://a:8081/x", "https://b/"]);
        assert_eq!(settings.credentials, Some(Credentials::Bearer(Secret::Text("s3cret".to_owned()))));
        assert_eq!((settings.ca_file, settings.timeout.as_secs()), (Some("ca.pem".into()), 5));
        assert_eq!(settings.client_certificate.unwrap().key_file.to_str(), Some("me.pem"));
        let of_url = told(&[(&AT, "http://me:s3cret@a,http://b")]).unwrap().unwrap();
        assert_eq!(of_url.credentials, Some(Credentials::Basic(Secret::Text("me:s3cret".to_owned()))));
        assert!(!format!("{of_url:?}").contains("s3cret"), "{of_url:?}");
        let file = told(&[(&AT, "http://a"), (&SCHEMA_REGISTRY_BASIC_AUTH, "@me"), (&SCHEMA_REGISTRY_TIMEOUT, "250ms")]);
        let file = file.unwrap().unwrap();
        assert_eq!((file.credentials, file.timeout.as_millis()), (Some(Credentials::Basic(Secret::File("me".into()))), 250));
    }

    #[test]
    fn what_is_no_address_is_shown_without_what_may_be_a_password() {
        let expected = "the address of a schema registry, like http://localhost:8081";
        for (given, shown) in [
            ("localhost:8081", "localhost:8081"),
            ("registry", "registry"),
            ("http://a,b:8081", "b:8081"),
            ("a:8081/v7?key=s3cret", "a:8081/v7"),
            ("ftp://me:s3cret@a/", "ftp://***@a/"),
            ("http://me:s3cret@a:port/", "http://***@a:port/"),
            ("http://me:s3/s3cret@a", "http://***@a"),
            ("http://me:s3?s3cret@a", "http://***@a"),
            ("http://me:s3cret", "http://***"),
            ("me:s3cret@a", "***@a"),
            ("s3cret@a", "***@a"),
        ] {
            assert_eq!(
                told(&[(&AT, given)]).unwrap_err(),
                format!("schema-registry is `{shown}` (from --schema-registry): expected {expected}")
            );
        }
        for (given, shown) in [
            ("http://me:s3cr,et@a", "http://***"),
            ("http://a,http://me:p,s3cret@b", "http://***"),
            ("http://me:1,s3cret@a", "***"),
            ("http://me:1,s3cret,2@a", "***"),
        ] {
            let said = format!(
                "schema-registry is `{shown}` (from --schema-registry): expected {expected}; a comma in a password is written %2C"
            );
            assert_eq!(told(&[(&AT, given)]).unwrap_err(), said);
        }
    }

    #[test]
    fn several_addresses_in_one_text_of_a_file_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redrive.toml");
        std::fs::write(&path, "schema_registry = \"http://a,http://me:s3cret@b\"").unwrap();
        let path = path.display().to_string();
        let mut given = Given::default();
        given.add(&CONFIG, path.clone());
        let said = read(&Layers::named(given, &|_| None).unwrap()).unwrap_err().to_string();
        let expected =
            "expected the address of a schema registry, like http://localhost:8081; several are a list in the settings file";
        assert_eq!(said, format!("schema-registry is `http://***@b` (from {path}, line 1): {expected}"));
    }

    #[test]
    fn what_is_wrong_names_the_setting_and_no_secret() {
        let at = (&AT, "http://a");
        let tls = (&AT, "https://a");
        let refusals: &[(&[(&Setting, &str)], &str)] = &[
            (
                &[(&SCHEMA_REGISTRY_CA_FILE, "x")],
                "schema-registry-ca-file is of no use without schema-registry: name its address, too (from \
                 --schema-registry-ca-file)",
            ),
            (&[(&SCHEMA_REGISTRY_TIMEOUT, "1s")], "schema-registry-timeout is of no use without schema-registry"),
            (&[(&SCHEMA_REGISTRY_BEARER_TOKEN, "s3cret")], "schema-registry-bearer-token is of no use without schema-registry"),
            (
                &[at, (&SCHEMA_REGISTRY_CA_FILE, "x")],
                "schema-registry-ca-file is for https://, and schema-registry is http:// (from --schema-registry-ca-file)",
            ),
            (
                &[tls, (&SCHEMA_REGISTRY_KEY_FILE, "x")],
                "schema-registry-key-file is of no use without schema-registry-certificate-file (from --schema-registry-key-file)",
            ),
            (
                &[at, (&SCHEMA_REGISTRY_BEARER_TOKEN, "s3cret"), (&SCHEMA_REGISTRY_BASIC_AUTH, "me:s3cret")],
                "schema-registry-basic-auth is there beside schema-registry-bearer-token: leave one of them away (from \
                 --schema-registry-basic-auth)",
            ),
            (
                &[(&AT, "http://me:s3cret@a"), (&SCHEMA_REGISTRY_BASIC_AUTH, "me:s3cret")],
                "schema-registry-basic-auth is there beside a user in schema-registry: leave one of them away",
            ),
            (
                &[(&AT, "http://me:s3cret@a"), (&SCHEMA_REGISTRY_BEARER_TOKEN, "s3cret")],
                "schema-registry-bearer-token is there beside a user in schema-registry: leave one of them away",
            ),
            (
                &[at, (&SCHEMA_REGISTRY_BEARER_TOKEN, "")],
                "schema-registry-bearer-token is empty: expected @FILE, env:NAME or the secret itself (from \
                 --schema-registry-bearer-token)",
            ),
            (
                &[at, (&SCHEMA_REGISTRY_BASIC_AUTH, "env:NONE")],
                "schema-registry-basic-auth names the environment variable NONE, which is not set",
            ),
            (
                &[at, (&SCHEMA_REGISTRY_TIMEOUT, "0s")],
                "schema-registry-timeout is `0s` (from --schema-registry-timeout): expected a duration above 0, like 500ms, 5s or 1m",
            ),
        ];
        for (given, expected) in refusals {
            let said = told(given).unwrap_err();
            assert!(said.starts_with(expected) && !said.contains("s3cret"), "{said}\n{expected}");
        }
    }
}
