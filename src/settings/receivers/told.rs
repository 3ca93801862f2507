//! What is said of one receiver, key by key: options go over its table.

use crate::settings::error::SettingsError;
use crate::settings::file::ReceiverTable;
use crate::settings::layers::{Found, Layers, Origin};
use crate::settings::receivers::keys::{self, ReceiverKey, Shape};
use crate::settings::table::{RECEIVER_OPTION, nearest};

/// One `--receiver-option NAME.KEY=VALUE`.
pub(in crate::settings) struct ReceiverOption {
    pub(super) receiver: String,
    key: ReceiverKey,
    value: String,
    pub(super) origin: Origin,
}

impl ReceiverOption {
    /// Those of the layer that wins.
    pub(in crate::settings) fn all(layers: &Layers<'_>) -> Result<Vec<Self>, SettingsError> {
        let Some(Found { values, origin }) = layers.find(&RECEIVER_OPTION) else { return Ok(Vec::new()) };
        (1..).zip(&values).map(|(number, text)| Self::parse(number, text, &origin)).collect()
    }

    /// What is wrong is said without the value: it may be a secret.
    fn parse(number: usize, text: &str, origin: &Origin) -> Result<Self, SettingsError> {
        let wrong = |message: String| SettingsError::ReceiverOption { number, message, origin: origin.clone() };
        let parted = text.split_once('=').and_then(|(place, value)| Some((place.split_once('.')?, value)));
        let Some(((receiver, key), value)) = parted else {
            return Err(wrong("expected NAME.KEY=VALUE, for example billing.timeout=5s".to_owned()));
        };
        let said = keys::ALL.iter().filter(|of| of.shape != Shape::Identity);
        match said.clone().find(|of| of.name == key) {
            Some(key) => Ok(Self { receiver: receiver.to_owned(), key: *key, value: value.to_owned(), origin: origin.clone() }),
            None => {
                let like = nearest(key, said.map(|of| of.name));
                let meant = like.map_or_else(String::new, |like| format!("; did you mean `{like}`?"));
                Err(wrong(format!("receivers have no key `{key}`{meant}")))
            }
        }
    }
}

/// A key's values, and where they stand.
pub(in crate::settings) struct Said {
    pub(in crate::settings) values: Vec<String>,
    pub(in crate::settings) origin: Origin,
}

/// All that is said of one receiver.
pub(in crate::settings) struct Told<'t> {
    pub(in crate::settings) name: &'t str,
    pub(in crate::settings) table: Option<&'t ReceiverTable>,
    pub(in crate::settings) options: &'t [ReceiverOption],
}

impl Told<'_> {
    pub(in crate::settings) fn of(&self, key: &ReceiverKey) -> Option<Said> {
        let mine = |of: &&ReceiverOption| of.receiver == self.name && of.key.name == key.name;
        if let Some(ReceiverOption { value, origin, .. }) = self.options.iter().rfind(mine) {
            let values = match key.shape {
                Shape::Many => value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
                _ => vec![value.clone()],
            };
            return Some(Said { values, origin: origin.clone() });
        }
        let (values, origin) = self.table?.said(key.name)?;
        Some(Said { values: values.to_vec(), origin })
    }

    /// The values of a list; none when nothing is said.
    pub(super) fn many(&self, key: &ReceiverKey) -> Vec<String> {
        self.of(key).map(|said| said.values).unwrap_or_default()
    }

    /// The one value, or the key's default, understood by `read`; `None` when there is neither.
    pub(super) fn read<T>(&self, key: &ReceiverKey, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, SettingsError> {
        let default = || Said { values: key.default.map(str::to_owned).into_iter().collect(), origin: Origin::Default };
        let Said { values, origin } = self.of(key).unwrap_or_else(default);
        let Some(text) = values.into_iter().next_back() else { return Ok(None) };
        let wrong = |expected| SettingsError::Invalid { name: self.name_of(key), given: text.clone(), origin, expected };
        read(&text).map(Some).map_err(wrong)
    }

    /// As `read`, for a key that has a default.
    pub(super) fn one<T>(&self, key: &ReceiverKey, read: impl Fn(&str) -> Result<T, String>) -> Result<T, SettingsError> {
        let missing = || SettingsError::Receiver {
            name: self.name.to_owned(),
            message: format!("`{}` is needed", key.name),
            origin: Origin::Default,
        };
        self.read(key, read)?.ok_or_else(missing)
    }

    pub(super) fn name_of(&self, key: &ReceiverKey) -> String {
        format!("{} of receiver {}", key.name, self.name)
    }

    /// Refuses keys that mean nothing for a target of this scheme. What the table says is meant for the table's own target.
    pub(super) fn check(&self, scheme: &str, table_scheme: Option<&str>) -> Result<(), SettingsError> {
        for key in keys::ALL.iter().filter(|key| !key.schemes.is_empty()) {
            let is_option = self.options.iter().any(|of| of.receiver == self.name && of.key.name == key.name);
            let scheme = if is_option { Some(scheme) } else { table_scheme };
            let Some((scheme, said)) = scheme.zip(self.of(key)) else { continue };
            if !key.schemes.contains(&scheme) {
                let whom = key.schemes.iter().map(|scheme| format!("{scheme}:")).collect::<Vec<_>>().join(" and ");
                let message = format!("`{}` means nothing for {scheme}: it is for {whom}", key.name);
                return Err(SettingsError::Receiver { name: self.name.to_owned(), message, origin: said.origin });
            }
        }
        Ok(())
    }
}
