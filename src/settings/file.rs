//! The settings file: TOML with the keys of the table of settings, `[kafka_property]`, `[[receiver]]` and `[[rule]]`.
//!
//! Values keep their line, so that a complaint can say where.

mod rules;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::Rules;
use crate::settings::did_you_mean;
use crate::settings::error::SettingsError;
use crate::settings::layers::{Found, Origin};
use crate::settings::receivers::keys::{self, Shape};
use crate::settings::table::{self, Kind, Setting};

/// The key of rules, which are in no other layer.
const RULE: &str = "rule";

/// What a value may be beside a text.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    Number,
    Truth,
    Time,
    /// A number or a truth.
    Scalar,
    /// A truth, or a word beside the two.
    TruthOrWord,
}

impl Beside {
    fn of(setting: &Setting) -> Self {
        match setting.kind {
            Kind::Switch => Self::Truth,
            Kind::Count => Self::Scalar,
            _ if ["N", "SIZE"].contains(&setting.value) => Self::Number,
            _ if setting.name == table::FROM.name => Self::Time,
            _ if setting.name == table::ENABLED.name => Self::TruthOrWord,
            Kind::One | Kind::Secret | Kind::Many | Kind::Names => Self::Nothing,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Nothing => "expected a text, in quotes",
            Self::Number => "expected a whole number, or a text",
            Self::Truth => "expected true or false",
            Self::Time => "expected a text, or a time with its zone",
            Self::Scalar => "expected a text, a whole number, or true or false",
            Self::TruthOrWord => "expected true or false, or a text",
        }
    }
}

/// A settings file, read and checked for unknown keys.
#[derive(Clone)]
pub(super) struct File {
    pub(super) path: String,
    values: BTreeMap<String, Values>,
    pub(super) receivers: Vec<ReceiverTable>,
    pub(super) rules: Arc<Rules>,
}

#[derive(Clone)]
struct Values {
    line: usize,
    texts: Vec<String>,
}

/// One `[[receiver]]`.
#[derive(Clone)]
pub(super) struct ReceiverTable {
    pub(super) origin: Origin,
    path: String,
    values: BTreeMap<String, Values>,
    /// `target` was written as a list of words.
    pub(super) is_target_in_words: bool,
}

impl ReceiverTable {
    /// The values of a key, and where they stand.
    pub(super) fn said(&self, key: &str) -> Option<(&[String], Origin)> {
        let Values { line, texts } = self.values.get(key)?;
        Some((texts, Origin::File { path: self.path.clone(), line: *line }))
    }

    pub(super) fn many(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], |values| values.texts.as_slice())
    }

    pub(super) fn one(&self, key: &str) -> Option<&str> {
        self.many(key).first().map(String::as_str)
    }
}

impl File {
    /// # Errors
    /// When it cannot be read, is no TOML, or holds keys that mean nothing.
    pub(super) fn read(path: &Path, origin: &Origin) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let unreadable = |source| {
            let (what, origin) = ("the settings file".to_owned(), origin.clone());
            SettingsError::Unreadable { what, origin, path: name.clone(), source }
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&name, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, SettingsError> {
        let reading = Reading { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            reading.wrong(&span, reading.said_of(&error, &span))
        })?;
        let mut file = Self { path: path.to_owned(), values: BTreeMap::new(), receivers: Vec::new(), rules: Arc::default() };
        for (key, value) in table.get_ref() {
            let name: &str = key.get_ref();
            if name == table::RECEIVER.key() {
                file.receivers = reading.receivers(value)?;
                continue;
            }
            if name == RULE {
                file.rules = reading.rules(value)?;
                continue;
            }
            if name == table::CONFIG.key() {
                let variable = table::CONFIG.variable();
                return Err(
                    reading.wrong(&key.span(), format!("a settings file names no other one: give --{name}, or set {variable}"))
                );
            }
            let setting = table::ALL.iter().find(|setting| setting.key() == name);
            let Some(setting) = setting else {
                let known = table::ALL.iter().map(|setting| setting.key()).chain([RULE.to_owned()]);
                return Err(reading.unknown(key, known));
            };
            let beside = Beside::of(setting);
            let texts = match value.get_ref() {
                DeValue::Table(of) if setting.name == table::KAFKA_PROPERTY.name => reading.properties(of)?,
                DeValue::Array(_) if matches!(setting.kind, Kind::Many | Kind::Names) => reading.texts(name, value, beside)?,
                _ => vec![reading.text(name, value, beside)?],
            };
            file.values.insert(name.to_owned(), Values { line: reading.line(&key.span()), texts });
        }
        Ok(file)
    }

    pub(super) fn get(&self, key: &str) -> Option<Found> {
        let Values { line, texts } = self.values.get(key)?;
        Some(Found { values: texts.clone(), origin: Origin::File { path: self.path.clone(), line: *line } })
    }
}

/// What a value is. The value itself may be a secret.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

struct Reading<'t> {
    path: &'t str,
    text: &'t str,
}

impl Reading<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or(self.text).matches('\n').count() + 1
    }

    /// Of a key that is there twice, its parser does not say which. Of anything else the text may be a secret.
    fn said_of(&self, error: &toml::de::Error, span: &Range<usize>) -> String {
        let message = error.message();
        match self.text.get(span.clone()) {
            Some(key) if message == "duplicate key" && !key.is_empty() => format!("{message} `{key}`"),
            _ => message.to_owned(),
        }
    }

    fn wrong(&self, span: &Range<usize>, message: impl Into<String>) -> SettingsError {
        SettingsError::Syntax { path: self.path.to_owned(), line: self.line(span), message: message.into() }
    }

    fn unknown(&self, key: &Spanned<Cow<'_, str>>, known: impl IntoIterator<Item = impl AsRef<str>>) -> SettingsError {
        let known: Vec<_> = known.into_iter().collect();
        let meant = did_you_mean(key.get_ref(), known.iter().map(AsRef::as_ref));
        let line = self.line(&key.span());
        SettingsError::UnknownKey { path: self.path.to_owned(), line, key: key.get_ref().to_string(), meant }
    }

    fn text(&self, key: &str, value: &Spanned<DeValue<'_>>, beside: Beside) -> Result<String, SettingsError> {
        match (value.get_ref(), beside) {
            (DeValue::String(text), _) => Ok(text.to_string()),
            (DeValue::Boolean(on), Beside::Truth | Beside::Scalar | Beside::TruthOrWord) => Ok(on.to_string()),
            (DeValue::Datetime(time), Beside::Time) => Ok(time.to_string()),
            (DeValue::Integer(number), Beside::Number | Beside::Scalar) => i64::from_str_radix(number.as_str(), number.radix())
                .map(|number| number.to_string())
                .map_err(|_| self.wrong(&value.span(), format!("`{key}` is {number}, which is too large"))),
            (got, _) => Err(self.wrong(&value.span(), format!("`{key}` is {}: {}", kind(got), beside.expected()))),
        }
    }

    fn texts(&self, key: &str, value: &Spanned<DeValue<'_>>, beside: Beside) -> Result<Vec<String>, SettingsError> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.text(key, item, beside)).collect(),
            _ => Ok(vec![self.text(key, value, beside)?]),
        }
    }

    fn properties(&self, table: &DeTable<'_>) -> Result<Vec<String>, SettingsError> {
        let property = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            Ok(format!("{}={}", key.get_ref(), self.text(key.get_ref(), value, Beside::Scalar)?))
        };
        table.iter().map(property).collect()
    }

    fn receivers(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<ReceiverTable>, SettingsError> {
        let shape = || self.wrong(&value.span(), "receivers are written as [[receiver]], with name and target");
        let DeValue::Array(items) = value.get_ref() else { return Err(shape()) };
        items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::Table(table) => self.receiver(table, &item.span()),
                _ => Err(shape()),
            })
            .collect()
    }

    fn receiver(&self, table: &DeTable<'_>, span: &Range<usize>) -> Result<ReceiverTable, SettingsError> {
        let mut values = BTreeMap::new();
        let mut is_target_in_words = false;
        for (key, value) in table {
            let name: &str = key.get_ref();
            let Some(known) = keys::ALL.iter().find(|known| known.name == name) else {
                return Err(self.unknown(key, keys::ALL.map(|known| known.name)));
            };
            is_target_in_words |= name == "target" && matches!(value.get_ref(), DeValue::Array(_));
            let beside = if known.shape == Shape::Number { Beside::Number } else { Beside::Nothing };
            let is_list = known.shape == Shape::Many || name == keys::TARGET.name;
            let texts = if is_list { self.texts(name, value, beside)? } else { vec![self.text(name, value, beside)?] };
            values.insert(name.to_owned(), Values { line: self.line(&key.span()), texts });
        }
        let origin = Origin::File { path: self.path.to_owned(), line: self.line(span) };
        Ok(ReceiverTable { origin, path: self.path.to_owned(), values, is_target_in_words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, String> {
        File::parse("redrive.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_lists_properties_and_receivers() {
        let file = parse(
            r#"
            topic = ["orders", "users"]
            group = "shop"
            max_in_flight = 5_000
            until_end = true

            [kafka_property]
            "security.protocol" = "ssl"
            "session.timeout.ms" = 6000

            [[receiver]]
            name = "billing"
            target = ["exec", "python3", "my worker.py"]
            types = ["order.*"]
        "#,
        )
        .unwrap();
        let values = |key: &str| file.get(key).unwrap().values;
        assert_eq!(values("topic"), ["orders", "users"]);
        assert_eq!(
            (values("group"), values("max_in_flight"), values("until_end")),
            (vec!["shop".into()], vec!["5000".into()], vec!["true".into()])
        );
        assert_eq!(values("kafka_property"), ["security.protocol=ssl", "session.timeout.ms=6000"]);
        assert_eq!(file.get("group").unwrap().origin, Origin::File { path: "redrive.toml".into(), line: 3 });
        let [receiver] = file.receivers.as_slice() else { panic!("one receiver") };
        assert!(receiver.is_target_in_words);
        assert_eq!(receiver.many("target"), ["exec", "python3", "my worker.py"]);
    }

    #[test]
    fn complaints_say_where() {
        let complaints = [
            ("group = shop", "redrive.toml, line 1: "),
            ("\ngruop = \"shop\"", "redrive.toml, line 2: there is no setting `gruop`; did you mean `group`?"),
            ("entirely_else = 1", "redrive.toml, line 1: there is no setting `entirely_else`"),
            ("config = \"x\"", "redrive.toml, line 1: a settings file names no other one: give --config, or set REDRIVE_CONFIG"),
            ("group = 1.5", "redrive.toml, line 1: `group` is a number with a point: expected a text, in quotes"),
            ("journal = 5", "redrive.toml, line 1: `journal` is a whole number: expected a text, in quotes"),
            ("topic = [\"a\",\n1]", "redrive.toml, line 2: `topic` is a whole number: expected a text, in quotes"),
            ("group = [\"a\"]", "redrive.toml, line 1: `group` is a list: expected a text, in quotes"),
            ("until_end = 1", "redrive.toml, line 1: `until_end` is a whole number: expected true or false"),
            (
                "max_in_flight = 99999999999999999999",
                "redrive.toml, line 1: `max_in_flight` is 99999999999999999999, which is too large",
            ),
            ("group = \"a\"\n\"group\" = \"b\"", "redrive.toml, line 2: duplicate key `\"group\"`"),
            ("[[receiver]]\nname = \"a\"\nname = \"b\"", "redrive.toml, line 3: duplicate key `name`"),
            ("[[rule]]\nname = \"a\"\nwhen = { code = \"a\", code = \"b\" }", "redrive.toml, line 3: duplicate key `code`"),
            ("enabled = 1", "redrive.toml, line 1: `enabled` is a whole number: expected true or false, or a text"),
            ("max_in_flight = true", "redrive.toml, line 1: `max_in_flight` is true or false: expected a whole number, or a text"),
            ("[[receiver]]\ntimeout = 5", "redrive.toml, line 2: `timeout` is a whole number: expected a text, in quotes"),
            ("receiver = 1", "redrive.toml, line 1: receivers are written as [[receiver]], with name and target"),
            ("[[receiver]]\nnmae = \"x\"", "redrive.toml, line 2: there is no setting `nmae`; did you mean `name`?"),
        ];
        for (text, expected) in complaints {
            let complaint = parse(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
            assert!(complaint.starts_with(expected), "{text}: {complaint}");
        }
    }
}
