//! Kafka properties: from a file, from the environment, from the command line.

use std::fs;

use crate::settings::error::SettingsError;
use crate::settings::java_properties;
use crate::settings::layers::{Found, Layers, Origin};
use crate::settings::table::{COMMAND_CONFIG, KAFKA_PROPERTY};

/// All properties, weakest first: the properties file, then the file, the environment, the flags. The last of a name counts.
pub(super) fn read(layers: &Layers<'_>) -> Result<Vec<(String, String)>, SettingsError> {
    let mut properties = match layers.find(&COMMAND_CONFIG) {
        Some(found) => of_file(&found)?,
        None => Vec::new(),
    };
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

/// What the file has that `--command-config` names.
pub(super) fn of_file(Found { values, origin }: &Found) -> Result<Vec<(String, String)>, SettingsError> {
    let path = values.last().cloned().unwrap_or_default();
    let unreadable = |source| {
        let what = "the file of Kafka properties".to_owned();
        SettingsError::Unreadable { what, origin: origin.clone(), path: path.clone(), source }
    };
    let text = fs::read_to_string(&path).map_err(unreadable)?;
    let expected = |(line, message): (usize, &str)| SettingsError::Syntax { path: path.clone(), line, message: message.to_owned() };
    java_properties::parse(&text).map_err(expected)
}

/// `@FILE` and `env:NAME` stand for what is there, so that no secret is an argument.
fn resolve(layers: &Layers<'_>, name: &str, value: &str, origin: &Origin) -> Result<String, SettingsError> {
    if let Some(variable) = value.strip_prefix("env:") {
        return (layers.environment)(variable)
            .ok_or_else(|| SettingsError::NoVariable { of: format!("the Kafka property {name}"), variable: variable.to_owned() });
    }
    if let Some(path) = value.strip_prefix('@') {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            what: format!("the Kafka property {name}"),
            origin: origin.clone(),
            path: path.to_owned(),
            source,
        })?;
        return Ok(text.trim_end_matches(['\n', '\r']).to_owned());
    }
    Ok(value.to_owned())
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
        assert_eq!(
            given(&["a=b", "hunter2"]).unwrap_err(),
            "Kafka property 2 (from --kafka-property) is not KEY=VALUE, like security.protocol=SASL_SSL"
        );
        assert!(
            given(&["p=env:NONE"])
                .unwrap_err()
                .contains("the Kafka property p names the environment variable NONE, which is not set")
        );
        assert!(given(&["p=@/no/such/file"]).unwrap_err().contains("/no/such/file"));
    }
}
