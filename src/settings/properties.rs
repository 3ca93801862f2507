//! Kafka properties: from a file, from the environment, from the command line; and which of them are secrets.

use std::fs;

use crate::settings::error::SettingsError;
use crate::settings::java_properties;
use crate::settings::layers::{Layers, Origin};
use crate::settings::table::{COMMAND_CONFIG, KAFKA_PROPERTY};

/// All properties, weakest first: the properties file, then the file, the environment, the flags. The last of a name counts.
pub(super) fn read(layers: &Layers<'_>) -> Result<Vec<(String, String)>, SettingsError> {
    let mut properties = Vec::new();
    if let Some(path) = layers.maybe(&COMMAND_CONFIG, |path| Ok(path.to_owned()))? {
        let unreadable = |source| SettingsError::Unreadable { what: "Kafka properties", path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let expected =
            |(line, message): (usize, &str)| SettingsError::Syntax { path: path.clone(), line, message: message.to_owned() };
        properties.extend(java_properties::parse(&text).map_err(expected)?);
    }
    let found: Vec<_> = layers.all(&KAFKA_PROPERTY).collect();
    for layer in found.into_iter().rev() {
        for (number, text) in (1..).zip(layer.values) {
            let (name, value) = text
                .split_once('=')
                .filter(|(name, _)| !name.trim().is_empty())
                .ok_or_else(|| SettingsError::NoProperty { number, origin: layer.origin.clone() })?;
            let name = name.trim();
            properties.push((name.to_owned(), resolve(layers, name, value, &layer.origin)?));
        }
    }
    Ok(properties)
}

/// `@FILE` and `env:NAME` stand for what is there, so that no secret is an argument.
fn resolve(layers: &Layers<'_>, name: &str, value: &str, origin: &Origin) -> Result<String, SettingsError> {
    if let Some(variable) = value.strip_prefix("env:") {
        return (layers.environment)(variable)
            .ok_or_else(|| SettingsError::NoVariable { of: format!("the Kafka property {name}"), variable: variable.to_owned() });
    }
    if let Some(path) = value.strip_prefix('@') {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            what: "a Kafka property",
            path: format!("{path} ({name}, {origin})"),
            source,
        })?;
        return Ok(text.trim_end_matches(['\n', '\r']).to_owned());
    }
    Ok(value.to_owned())
}

/// What names of secrets have in them.
const SECRET: [&str; 8] = ["password", "passwd", "secret", "token", "credential", "api-key", "apikey", "authorization"];

/// True for the name of a property, a flag or a header whose value is one.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET.iter().any(|secret| name.contains(secret))
}

/// A command for people: what its words call a secret is taken out, `--password=…`, `token=…`, `X-Api-Key: …`, `--password …` or
/// `--user NAME:…`, and so is what `masked` takes out. `None` when no word does. A secret that nothing gives away stays.
#[must_use]
pub(super) fn masked_command(words: &[String]) -> Option<String> {
    let mut shown = Vec::with_capacity(words.len());
    let (mut before, mut found) = ("", false);
    for word in words {
        let named = ['=', ':'].into_iter().find_map(|part| {
            let (name, _) = word.split_once(part).filter(|(name, _)| is_secret(name))?;
            Some(format!("{}{part}***", masked(name)))
        });
        let of_the_word_before = || match before {
            "-u" | "--user" => word.split_once(':').map(|(user, _)| format!("{user}:***")),
            flag if flag.starts_with('-') && is_secret(flag) && !flag.contains('=') && !word.starts_with('-') => {
                Some("***".to_owned())
            }
            _ => None,
        };
        let secret = named.or_else(of_the_word_before);
        found |= secret.is_some();
        shown.push(secret.unwrap_or_else(|| shell_words::quote(&masked(word)).into_owned()));
        before = word;
    }
    found.then(|| shown.join(" "))
}

/// A text for people with the user names and passwords of its URLs taken out, and what their queries call a secret.
#[must_use]
pub(super) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let authority = after.find(|c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace()).unwrap_or(after.len());
        let (authority, tail) = after.split_at_checked(authority).unwrap_or((after, ""));
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                masked.push_str("***@");
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked_queries(&masked)
}

/// `…?token=***&x=1`
fn masked_queries(text: &str) -> String {
    let is_end = |c: char| matches!(c, '&' | '#' | '"' | '\'' | '`') || c.is_whitespace();
    let mut masked = String::with_capacity(text.len());
    for part in text.split_inclusive(['?', '&']) {
        match part.split_once('=').filter(|(name, _)| !masked.is_empty() && is_secret_of_query(name)) {
            Some((name, value)) => {
                let rest = value.find(is_end).and_then(|at| value.get(at..)).unwrap_or_default();
                masked.extend([name, "=***", rest]);
            }
            None => masked.push_str(part),
        }
    }
    masked
}

/// Signed URLs and functions of clouds call theirs like this.
fn is_secret_of_query(name: &str) -> bool {
    is_secret(name) || ["key", "sig", "signature", "code"].iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Given;

    fn environment(name: &str) -> Option<String> {
        match name {
            "SECRET" => Some("s3cret".to_owned()),
            "REDRIVE_KAFKA_PROPERTY" => Some("a=environment\nb=environment".to_owned()),
            _ => None,
        }
    }

    fn given(properties: &[&str]) -> Result<Vec<(String, String)>, String> {
        let mut given = Given::default();
        given.set(&KAFKA_PROPERTY, properties.iter().map(|&of| of.to_owned()).collect());
        read(&Layers::without_file(given, &environment)).map_err(|error| error.to_string())
    }

    fn last(properties: &[(String, String)], name: &str) -> Option<String> {
        properties.iter().rfind(|(of, _)| of == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn flags_go_over_the_environment_and_secrets_come_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "from a file\n").unwrap();
        let properties = given(&["a=flag", "p=env:SECRET", &format!("q=@{}", path.display()), "r==x"]).unwrap();
        for (name, expected) in [("a", "flag"), ("b", "environment"), ("p", "s3cret"), ("q", "from a file"), ("r", "=x")] {
            assert_eq!(last(&properties, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        assert_eq!(given(&["a=b", "hunter2"]).unwrap_err(), "Kafka property 2 (from --kafka-property) is not KEY=VALUE");
        assert!(
            given(&["p=env:NONE"])
                .unwrap_err()
                .contains("the Kafka property p names the environment variable NONE, which is not set")
        );
        assert!(given(&["p=@/no/such/file"]).unwrap_err().contains("/no/such/file"));
    }

    #[test]
    fn commands_lose_what_they_call_a_secret() {
        for (words, expected) in [
            (&["w", "--password=s3cret", "API_KEY=x", "a b"][..], Some("w --password=*** API_KEY=*** 'a b'")),
            (&["w", "--auth-token", "s3cret", "more"], Some("w --auth-token *** more")),
            (&["w", "--token", "--verbose", "http://u:p@h"], None),
            (&["w", "--db-password", "x", "http://u:p@h"], Some("w --db-password *** 'http://***@h'")),
            (&["password", "x"], None),
            (&["w", "http://u:s3cret@h/x?token=abc"], Some("w http://***@h/x?token=***")),
            (&["w", "-H", "Authorization: Bearer s3cret", "X-Api-Key:s3cret"], Some("w -H Authorization:*** X-Api-Key:***")),
            (&["w", "-u", "me:s3cret", "--user", "me"], Some("w -u me:*** --user me")),
        ] {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(masked_command(&words).as_deref(), expected, "{words:?}");
        }
    }

    #[test]
    fn urls_lose_their_passwords() {
        for (text, expected) in [
            ("exec:w --db postgres://me:secret@db/x?y=1 --z", "exec:w --db postgres://***@db/x?y=1 --z"),
            ("http://host/a@b", "http://host/a@b"),
            ("a://u:p@h b://q@i", "a://***@h b://***@i"),
            ("nothing", "nothing"),
            ("http://h/x?token=abc&y=1#z", "http://h/x?token=***&y=1#z"),
            ("`http://h/x?y=1&sig=a%2Fb`: no", "`http://h/x?y=1&sig=***`: no"),
            ("token=abc is no URL's", "token=abc is no URL's"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }
}
