//! The settings for a check-up: what `consume` would be told, though not all of it need be said yet.
//!
//! What is missing is filled in, so that all else is read as `consume` reads it, and then left out again.

use crate::policy::Rule;
use crate::receiver::{Receivers, Specification};
use crate::secrets::{is_secret, masked};
use crate::settings::consume::ConsumeSettings;
use crate::settings::error::SettingsError;
use crate::settings::global::ConnectionSettings;
use crate::settings::layers::{Found, Layers, Origin};
use crate::settings::properties;
use crate::settings::receivers;
use crate::settings::receivers::keys::{self, ReceiverKey, Shape};
use crate::settings::receivers::told::{ReceiverOption, Said, Told};
use crate::settings::rules;
use crate::settings::table::{
    self, BOOTSTRAP_SERVER, COMMAND_CONFIG, GROUP, KAFKA_PROPERTY, Kind, RECEIVER, RECEIVER_OPTION, Setting, TOPIC,
};

/// What `consume` would be told, as far as it is said.
#[derive(Clone)]
pub struct CheckedSettings {
    /// Topics, group and receivers of it count only as far as they are repeated here.
    pub consume: ConsumeSettings,
    /// Prefixed; patterns begin with `^`.
    pub topics: Vec<String>,
    pub group: Option<String>,
    pub receivers: Vec<Specification>,
    /// `None`: no broker is named.
    pub connection: Option<ConnectionSettings>,
}

/// One setting, with the value that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub name: String,
    /// Without secrets; `None` where nobody says it and it has no default.
    pub value: Option<String>,
    pub origin: Origin,
}

impl CheckedSettings {
    /// # Errors
    /// When a value that is there means nothing.
    pub fn read(layers: &Layers<'_>, brought: &Receivers) -> Result<Self, SettingsError> {
        let receivers = match receivers::read(layers, brought) {
            Err(SettingsError::NoReceiver) => Vec::new(),
            read => read?,
        };
        let (has_topics, has_group) = (layers.find(&TOPIC).is_some(), layers.find(&GROUP).is_some());
        let fill = [(&TOPIC, "-", has_topics), (&GROUP, "-", has_group), (&RECEIVER, "none=discard:", !receivers.is_empty())];
        let missing = fill.iter().filter(|(_, _, is_there)| !is_there).map(|(setting, value, _)| (*setting, *value));
        let filled = layers.filled(missing);
        // Rules about receivers that nobody has said yet are not wrong.
        let filled = if receivers.is_empty() { filled.without_rules() } else { filled };
        let consume = ConsumeSettings::read(&filled, brought)?;
        let connection = match layers.find(&BOOTSTRAP_SERVER) {
            Some(_) => Some(ConnectionSettings::read(layers)?),
            None => None,
        };
        Ok(Self {
            topics: if has_topics { consume.topics.clone() } else { Vec::new() },
            group: has_group.then(|| consume.group.clone()),
            receivers,
            connection,
            consume,
        })
    }
}

/// Every setting with the value that counts and where it comes from, in the order of the table; each Kafka property and each receiver
/// on its own, and the rules at the end.
///
/// # Errors
/// When the receivers cannot be read.
pub fn effective(layers: &Layers<'_>, brought: &Receivers) -> Result<Vec<Effective>, SettingsError> {
    let mut all = Vec::new();
    for setting in table::ALL {
        if setting.name == RECEIVER.name {
            all.extend(effective_receivers(layers, brought)?);
        } else if setting.name == KAFKA_PROPERTY.name {
            all.extend(effective_properties(layers)?);
        } else if setting.name != RECEIVER_OPTION.name {
            // Options are shown with their receiver: they may be secrets.
            all.push(effective_one(layers, &setting));
        }
    }
    all.extend(rules::of(layers).iter().map(effective_rule));
    Ok(all)
}

fn effective_rule(rule: &Rule) -> Effective {
    let Rule { name, file, line, when, then } = rule;
    let origin = Origin::File { path: file.clone(), line: *line };
    Effective { name: format!("rule.{name}"), value: Some(format!("{then}: {when}")), origin }
}

fn effective_one(layers: &Layers<'_>, setting: &Setting) -> Effective {
    let name = setting.name.to_owned();
    match layers.find(setting) {
        Some(Found { values, origin }) if setting.kind == Kind::Secret => {
            Effective { name, value: values.last().map(|value| shown_secret(value)), origin }
        }
        Some(found) => Effective { name, value: Some(masked(&found.values.join(", "))), origin: found.origin },
        None if setting.kind == Kind::Switch => Effective { name, value: Some("false".to_owned()), origin: Origin::Default },
        None => Effective { name, value: None, origin: Origin::Default },
    }
}

/// All layers count for properties; the strongest that has one says its value.
fn effective_properties(layers: &Layers<'_>) -> Result<Vec<Effective>, SettingsError> {
    let mut said: Vec<(String, String, Origin)> = Vec::new();
    for found in layers.all(&KAFKA_PROPERTY) {
        // The last of a name counts.
        for text in found.values.iter().rev() {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            said.push((key.trim().to_owned(), value.to_owned(), found.origin.clone()));
        }
    }
    if let Some(found) = layers.find(&COMMAND_CONFIG) {
        said.extend(properties::of_file(&found)?.into_iter().rev().map(|(key, value)| (key, value, found.origin.clone())));
    }
    let mut all: Vec<Effective> = Vec::new();
    for (key, value, origin) in said {
        let name = format!("{}.{key}", KAFKA_PROPERTY.name);
        if all.iter().all(|known| known.name != name) {
            all.push(Effective { name, value: Some(shown_property(&key, &value)), origin });
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn shown_property(key: &str, value: &str) -> String {
    let holds_secrets = is_secret(key) || key.ends_with(".pem") || key.ends_with(".config");
    if holds_secrets { shown_secret(value) } else { masked(value) }
}

/// What only names where the secret is, is none.
fn shown_secret(value: &str) -> String {
    if value.starts_with('@') || value.starts_with("env:") { value.to_owned() } else { "***".to_owned() }
}

fn effective_receivers(layers: &Layers<'_>, brought: &Receivers) -> Result<Vec<Effective>, SettingsError> {
    let receivers = match receivers::read(layers, brought) {
        Err(SettingsError::NoReceiver) => Vec::new(),
        read => read?,
    };
    let found = layers.find(&RECEIVER);
    let origin = |name: &str| {
        let given = found.as_ref().filter(|found| found.values.iter().any(|text| is_of(text, name)));
        let mut tables = layers.file.iter().flat_map(|file| &file.receivers);
        let table = tables.find(|table| table.one("name") == Some(name)).map(|table| table.origin.clone());
        given.map(|found| found.origin.clone()).or(table).unwrap_or(Origin::Program)
    };
    let options = ReceiverOption::all(layers)?;
    let mut all = Vec::new();
    for receiver in &receivers {
        let name = format!("{}.{}", RECEIVER.name, receiver.name);
        let (definition, origin) = (receiver.definition.clone(), origin(&receiver.name));
        all.push(Effective { name: name.clone(), value: Some(definition), origin });
        let table = layers.file.iter().flat_map(|file| &file.receivers).find(|table| table.one("name") == Some(&receiver.name));
        let told = Told { name: &receiver.name, table, options: &options };
        all.extend(keys_of(receiver).map(|key| effective_key(format!("{name}.{}", key.name), &key, &told, receiver)));
    }
    Ok(all)
}

/// The keys that mean something for a receiver, but for its name and target.
fn keys_of(receiver: &Specification) -> impl Iterator<Item = ReceiverKey> {
    let scheme = receivers::scheme(&receiver.made_of).to_owned();
    let is_its = move |key: &ReceiverKey| key.schemes.is_empty() || key.schemes.contains(&scheme.as_str());
    keys::ALL.into_iter().filter(|key| key.shape != Shape::Identity).filter(is_its)
}

fn effective_key(name: String, key: &ReceiverKey, told: &Told<'_>, receiver: &Specification) -> Effective {
    let Some(Said { values, origin }) = told.of(key) else {
        let value = match key.name {
            // What --retries and the program say counts here, too.
            "retries" => Some(receiver.retries.to_string()),
            "types" => Some(receiver.types.join(", ")).filter(|types| !types.is_empty()),
            _ => key.default.map(str::to_owned),
        };
        return Effective { name, value, origin: Origin::Default };
    };
    let value = match key.shape {
        Shape::Secret => values.last().map(|value| shown_secret(value)),
        _ => Some(masked(&values.join(", "))),
    };
    Effective { name, value, origin }
}

fn is_of(target: &str, name: &str) -> bool {
    target.split_once('=').is_some_and(|(of, _)| of == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Given;

    fn environment(name: &str) -> Option<String> {
        (name == "REDRIVE_ORDER").then(|| "key".to_owned())
    }

    fn layers(given: &[(&Setting, &[&str])]) -> Layers<'static> {
        let mut all = Given::default();
        given.iter().for_each(|(setting, values)| all.set(setting, values.iter().map(|&value| value.to_owned()).collect()));
        Layers::without_file(all, &environment)
    }

    fn value(all: &[Effective], name: &str) -> (Option<String>, String) {
        let found = all.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("{name}"));
        (found.value.clone(), found.origin.to_string())
    }

    #[test]
    fn nothing_is_needed_and_what_is_there_is_read() {
        let settings = CheckedSettings::read(&layers(&[]), &Receivers::new()).unwrap();
        assert!(settings.topics.is_empty() && settings.group.is_none() && settings.receivers.is_empty());
        assert!(settings.connection.is_none());
        let given = layers(&[(&TOPIC, &["orders"]), (&GROUP, &["shop"]), (&RECEIVER, &["all=discard:"])]);
        let settings = CheckedSettings::read(&given, &Receivers::new()).unwrap();
        assert_eq!((settings.topics, settings.group.as_deref()), (vec!["orders".to_owned()], Some("shop")));
        assert_eq!(settings.receivers[0].name, "all");
        let wrong = CheckedSettings::read(&layers(&[(&table::ORDER, &["sideways"])]), &Receivers::new());
        assert!(wrong.err().unwrap().to_string().starts_with("order is `sideways` (from --order)"));
    }

    #[test]
    fn every_setting_says_where_it_comes_from() {
        let all = effective(&layers(&[(&TOPIC, &["a", "b"]), (&RECEIVER, &["x=discard:"])]), &Receivers::new()).unwrap();
        assert_eq!(value(&all, "topic"), (Some("a, b".to_owned()), "from --topic".to_owned()));
        assert_eq!(value(&all, "order"), (Some("key".to_owned()), "from the environment variable REDRIVE_ORDER".to_owned()));
        assert_eq!(value(&all, "retries"), (Some("2".to_owned()), "the default".to_owned()));
        assert_eq!(value(&all, "group").0, None);
        assert_eq!(value(&all, "receiver.x").0.as_deref(), Some("discard:"));
        assert_eq!(value(&all, "receiver.x.timeout"), (Some("30s".to_owned()), "the default".to_owned()));
        assert_eq!(value(&all, "receiver.x.retries").0.as_deref(), Some("2"));
        assert!(all.iter().all(|one| one.name != "receiver.x.window"), "it means nothing for discard:");
        let apart = [RECEIVER.name, RECEIVER_OPTION.name, KAFKA_PROPERTY.name];
        for setting in table::ALL.iter().filter(|setting| !apart.contains(&setting.name)) {
            value(&all, setting.name);
        }
    }

    #[test]
    fn the_properties_file_counts_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.properties");
        std::fs::write(&path, "client.id=file\nsecurity.protocol=SASL_SSL\nsasl.password=s3cret\n").unwrap();
        let path = path.display().to_string();
        let given = layers(&[(&table::COMMAND_CONFIG, &[&path]), (&KAFKA_PROPERTY, &["client.id=flag"])]);
        let all = effective(&given, &Receivers::new()).unwrap();
        let value = |name: &str| value(&all, &format!("kafka-property.{name}"));
        assert_eq!(value("client.id"), (Some("flag".to_owned()), "from --kafka-property".to_owned()));
        assert_eq!(value("security.protocol"), (Some("SASL_SSL".to_owned()), "from --command-config".to_owned()));
        assert_eq!(value("sasl.password").0.as_deref(), Some("***"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let properties = [
            "sasl.password=s3cret",
            "ssl.key.pem=s3cret",
            "sasl.oauthbearer.config=secret=s3cret",
            "ssl.key.password=env:NAME",
            "sasl.username=me",
            "sasl.oauthbearer.token.endpoint.url=https://me:s3cret@idp/token",
        ];
        let receiver = ["x=http://me:s3cret@shop/events", "y=exec:w --password=s3cret"];
        let options = ["x.timeout=5s", "y.window=3", "z.bearer_token=s3cret", "z.types=a, b"];
        let receiver = [receiver[0], receiver[1], "z=https://shop/events"];
        let given = layers(&[(&KAFKA_PROPERTY, &properties), (&RECEIVER, &receiver), (&RECEIVER_OPTION, &options)]);
        let all = effective(&given, &Receivers::new()).unwrap();
        assert!(!format!("{all:?}").contains("s3cret"), "{all:?}");
        assert_eq!(value(&all, "receiver.x.timeout"), (Some("5s".to_owned()), "from --receiver-option".to_owned()));
        assert_eq!(value(&all, "receiver.z.bearer_token").0.as_deref(), Some("***"));
        assert_eq!(value(&all, "kafka-property.ssl.key.password").0.as_deref(), Some("env:NAME"));
        assert_eq!(value(&all, "kafka-property.sasl.username").0.as_deref(), Some("me"));
    }
}
