//! `[[rule]]` in a settings file: everything in it is understood here, so that a complaint can say its line.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::event::TypePattern;
use crate::failure::{Class, Code, Stage};
use crate::policy::{FIRST_WAIT, LONGEST_WAIT, MessagePattern, Retry, Rule, Rules, Then, When};
use crate::record::is_topic_name;
use crate::settings::delivery::above_zero;
use crate::settings::error::SettingsError;
use crate::settings::file::{Beside, Reading, kind};
use crate::settings::rules::keys::{self, RuleKey};
use crate::settings::{did_you_mean, word};

/// Each failure may be compared with all of them.
const MOST_RULES: usize = 1_000;
/// In characters: it is kept with every entry that it decided about.
const LONGEST_NAME: usize = 100;
/// A lane waits, and every try is kept.
const MOST_TRIES: u32 = 1_000;
const LONGEST_MAX: Duration = Duration::from_secs(60 * 60);
/// What no rule of the user is called.
const RESERVED: &str = "built-in";

type Value<'v> = Spanned<DeValue<'v>>;

/// One rule while it is read.
struct OfRule<'r, 't> {
    reading: &'r Reading<'t>,
    /// How complaints call it: by its name, or its number while it has none.
    called: String,
}

impl Reading<'_> {
    pub(super) fn rules(&self, value: &Value<'_>) -> Result<Arc<Rules>, SettingsError> {
        let shape = || self.wrong(&value.span(), "rules are written as [[rule]], with name, when and then");
        let DeValue::Array(items) = value.get_ref() else { return Err(shape()) };
        if items.len() > MOST_RULES {
            return Err(self.wrong(&value.span(), format!("{} rules are too many: at most {MOST_RULES}", items.len())));
        }
        let (mut rules, mut names) = (Vec::with_capacity(items.len()), HashSet::new());
        for (number, item) in (1..).zip(items) {
            let DeValue::Table(table) = item.get_ref() else { return Err(shape()) };
            let rule = self.rule(number, table, &item.span())?;
            if !names.insert(rule.name.clone()) {
                let message = "it is there twice: each needs a name of its own".to_owned();
                return Err(SettingsError::Rule { place: rule.place(), rule: format!("`{}`", rule.name), message });
            }
            rules.push(rule);
        }
        Ok(Arc::new(Rules::new(rules)))
    }

    fn rule(&self, number: usize, table: &DeTable<'_>, span: &Range<usize>) -> Result<Rule, SettingsError> {
        let mut of = OfRule { reading: self, called: number.to_string() };
        let get = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        let name = match get("name") {
            Some(value) => of.name(value)?,
            None => return Err(of.wrong(span, "it has no name: add name = \"NAME\"")),
        };
        of.called = format!("`{name}`");
        of.check_keys(table, "it", &keys::RULE)?;
        let when = get("when").map(|value| of.when(value)).transpose()?.unwrap_or_default();
        let then =
            get("then").ok_or_else(|| of.wrong(span, "it does not say what to do: add then = \"journal\", or another action"))?;
        let then_span = then.span();
        let then = of.then(then)?;
        of.check_stages(&when, then, &then_span)?;
        Ok(Rule { name, file: self.path.to_owned(), line: self.line(span), when, then })
    }
}

impl OfRule<'_, '_> {
    fn place(&self, span: &Range<usize>) -> String {
        format!("{}, line {}", self.reading.path, self.reading.line(span))
    }

    fn wrong(&self, span: &Range<usize>, message: impl Into<String>) -> SettingsError {
        SettingsError::Rule { place: self.place(span), rule: self.called.clone(), message: message.into() }
    }

    /// As for any setting; a complaint says which rule it is about.
    fn text(&self, key: &str, value: &Value<'_>, beside: Beside) -> Result<String, SettingsError> {
        self.reading.text(key, value, beside).map_err(|error| match error {
            SettingsError::Syntax { message, .. } => self.wrong(&value.span(), message),
            other => other,
        })
    }

    fn check_keys(&self, table: &DeTable<'_>, of: &str, known: &[RuleKey]) -> Result<(), SettingsError> {
        let names = || known.iter().map(|key| key.name);
        let mut keys = table.iter().map(|(key, _)| key);
        let Some(key) = keys.find(|key| names().all(|name| name != key.get_ref())) else { return Ok(()) };
        let meant = did_you_mean(key.get_ref(), names());
        let expected = if meant.is_empty() { format!(": expected {}", names().collect::<Vec<_>>().join(", ")) } else { meant };
        Err(self.wrong(&key.span(), format!("{of} has no key `{}`{expected}", key.get_ref())))
    }

    fn name(&self, value: &Value<'_>) -> Result<String, SettingsError> {
        let name = self.text("name", value, Beside::Nothing)?;
        let is_fit = !name.trim().is_empty() && !name.chars().any(char::is_control) && name.chars().count() <= LONGEST_NAME;
        if !is_fit || name.starts_with(RESERVED) {
            let expected = format!("its name must be 1 to {LONGEST_NAME} characters on one line, and not begin with {RESERVED}");
            return Err(self.wrong(&value.span(), expected));
        }
        Ok(name)
    }

    // --- when

    fn when(&self, value: &Value<'_>) -> Result<When, SettingsError> {
        let table = self.table("when", value)?;
        self.check_keys(table, "`when`", &keys::WHEN)?;
        let stages = Stage::ALL.map(|stage| (stage.as_str(), stage));
        let classes = Class::ALL.map(|class| (class.as_str(), class));
        let some = |text: &str, of: &str| if text.is_empty() { Err(of.to_owned()) } else { Ok(text.to_owned()) };
        Ok(When {
            topics: self.all(table, "topic", topic)?,
            types: self
                .all(table, "type", |text| TypePattern::parse(text).map_err(|_| "an exact type, or a prefix and .*".to_owned()))?,
            receivers: self.all(table, "receiver", |text| some(text, "the name of a receiver"))?,
            stages: self.all(table, "stage", |text| word(text, &stages))?,
            classes: self.all(table, "class", |text| word(text, &classes))?,
            codes: self.all(table, "code", code)?,
            messages: self.all(table, "message", message)?,
        })
    }

    /// The values of a key of `when`, each understood by `read`, which says what is expected.
    fn all<T>(&self, table: &DeTable<'_>, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, SettingsError> {
        let Some((_, value)) = table.iter().find(|(name, _)| name.get_ref() == key) else { return Ok(Vec::new()) };
        let one = |item: &Value<'_>| {
            let text = self.text(key, item, Beside::Nothing)?;
            read(&text).map_err(|expected| self.wrong(&item.span(), format!("`{key}` is `{text}`: expected {expected}")))
        };
        match value.get_ref() {
            // It would be about every failure, which nobody says so.
            DeValue::Array(items) if items.is_empty() => Err(self.wrong(&value.span(), format!("`{key}` is an empty list"))),
            DeValue::Array(items) => items.iter().map(one).collect(),
            _ => Ok(vec![one(value)?]),
        }
    }

    // --- then

    fn then(&self, value: &Value<'_>) -> Result<Then, SettingsError> {
        let actions = [("journal", Then::Journal), ("skip", Then::Skip), ("hold", Then::Hold), ("halt", Then::Halt)];
        match value.get_ref() {
            DeValue::String(text) if text == "retry" => {
                Err(self.wrong(&value.span(), "`retry` says how often: then = { retry = { times = 5 } }"))
            }
            DeValue::String(text) => word(text, &actions).map_err(|expected| {
                self.wrong(&value.span(), format!("`then` is `{text}`: expected a table with retry, or {expected}"))
            }),
            DeValue::Table(table) => {
                self.check_keys(table, "`then`", &[RuleKey { name: "retry", value: "", help: "" }])?;
                let retry = table.iter().next().ok_or_else(|| self.wrong(&value.span(), "`then` is an empty table"))?;
                self.retry(retry.1).map(Then::Retry)
            }
            _ => {
                let actions = keys::ACTIONS.join(", ");
                Err(self.wrong(
                    &value.span(),
                    format!("`then` is {}: expected a table with retry, or {actions}", kind(value.get_ref())),
                ))
            }
        }
    }

    fn retry(&self, value: &Value<'_>) -> Result<Retry, SettingsError> {
        let table = self.table("retry", value)?;
        self.check_keys(table, "`retry`", &keys::RETRY)?;
        let get = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        let wait = |key: &str| {
            let Some(value) = get(key) else { return Ok(None) };
            let text = self.text(key, value, Beside::Nothing)?;
            let said = |expected| self.wrong(&value.span(), format!("`{key}` is `{text}`: expected {expected}"));
            let wait = above_zero(&text, "200ms, 1s or 5m").map_err(said)?;
            if wait > LONGEST_MAX { Err(said("at most 1h, for which its lane waits".to_owned())) } else { Ok(Some(wait)) }
        };
        let times = get("times").ok_or_else(|| self.wrong(&value.span(), "`retry` needs `times`: how often it is tried again"))?;
        let times = self.times(times)?;
        let first = wait("first")?.unwrap_or(FIRST_WAIT);
        let max = wait("max")?;
        if max.is_some_and(|max| max < first) {
            return Err(self.wrong(&value.span(), format!("`max` is less than `first`, which is {first:?}")));
        }
        Ok(Retry { times, first, max: max.unwrap_or(LONGEST_WAIT.max(first)) })
    }

    fn times(&self, value: &Value<'_>) -> Result<NonZeroU32, SettingsError> {
        let said = match value.get_ref() {
            // However large it is.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |number| number.to_string()),
            _ => self.text("times", value, Beside::Number)?,
        };
        let count = said.parse().ok().filter(|count: &NonZeroU32| count.get() <= MOST_TRIES);
        count.ok_or_else(|| {
            self.wrong(&value.span(), format!("`times` is `{said}`: expected a whole number from 1 to {MOST_TRIES}"))
        })
    }

    /// A rule that could never do what it says is not what was meant.
    fn check_stages(&self, when: &When, then: Then, span: &Range<usize>) -> Result<(), SettingsError> {
        let other = when.stages.iter().find(|stage| **stage != Stage::Receive);
        if let (true, Some(other)) = (then.is_of_deliveries(), other) {
            let action = if then == Then::Hold { "hold" } else { "retry" };
            let message = format!("`{action}` is for deliveries, stage receive, and `stage` is {}", other.as_str());
            return Err(self.wrong(span, message));
        }
        if !when.receivers.is_empty() && !when.stages.is_empty() && !when.stages.contains(&Stage::Receive) {
            return Err(self.wrong(span, "`receiver` is known at stage receive only, and `stage` is another"));
        }
        Ok(())
    }

    fn table<'v>(&self, key: &str, value: &'v Value<'_>) -> Result<&'v DeTable<'v>, SettingsError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            other => Err(self.wrong(&value.span(), format!("`{key}` is {}: expected a table", kind(other)))),
        }
    }
}

fn topic(text: &str) -> Result<String, String> {
    if is_topic_name(text) { Ok(text.to_owned()) } else { Err("the name of a topic, and no pattern".to_owned()) }
}

fn code(text: &str) -> Result<String, String> {
    Code::parse(text).map(|code| code.to_string()).ok_or_else(|| "a code of a-z, 0-9 and _, like http_503".to_owned())
}

/// An empty one is found in every message.
fn message(text: &str) -> Result<MessagePattern, String> {
    if text.is_empty() {
        return Err("a regular expression; leave `message` out for every message".to_owned());
    }
    MessagePattern::parse(text).map_err(|error| format!("a regular expression: {error}"))
}

#[cfg(test)]
mod tests;
