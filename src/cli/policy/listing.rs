//! Rules as a table, and as items.

use serde::Serialize;

use crate::cli::table::{Cell, Column, Give, Table};
use crate::failure::{Class, Stage};
use crate::policy::{BuiltIn, Retry, Rule, Rules, Then};

/// What the rules are about gives way first, then what they do.
const NARROWING: &[Give] =
    &[Give::Column("WHEN", 30), Give::Column("THEN", 24), Give::Column("WHEN", 12), Give::Column("NAME", 12)];

/// What is listed behind the user's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    Nothing,
    BuiltIn,
}

/// The user's rules, with their numbers.
pub(super) fn users(rules: &Rules) -> impl Iterator<Item = (usize, &Rule)> {
    (1..).zip(rules.iter())
}

pub(super) fn table(rules: &Rules, behind: Behind) -> Table {
    let mut table = Table::new(["#", "NAME", "WHEN", "THEN"].map(Column::new).to_vec(), NARROWING);
    for (number, rule) in users(rules) {
        let (when, then) = (rule.when.to_string(), rule.then.to_string());
        table.push([number.to_string(), rule.name.clone(), when, then].map(Cell::new).to_vec());
    }
    if behind == Behind::BuiltIn {
        for rule in BuiltIn::ALL {
            table.push([String::new(), rule.name().to_owned(), rule.when(), rule.does().to_owned()].map(Cell::new).to_vec());
        }
    }
    table
}

#[derive(Serialize)]
pub(super) struct RuleJson<'r> {
    /// `None` of a built-in one.
    number: Option<usize>,
    name: &'r str,
    built_in: bool,
    file: Option<&'r str>,
    line: Option<usize>,
    when: Option<WhenJson<'r>>,
    then: Option<ThenJson>,
    /// For people.
    about: String,
    does: String,
}

#[derive(Serialize)]
struct WhenJson<'r> {
    topic: &'r [String],
    #[serde(rename = "type")]
    types: Vec<String>,
    receiver: &'r [String],
    stage: Vec<&'static str>,
    class: Vec<&'static str>,
    code: &'r [String],
    message: Vec<&'r str>,
}

#[derive(Serialize)]
struct ThenJson {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ms: Option<u64>,
}

impl<'r> RuleJson<'r> {
    pub(super) fn of_rule((number, rule): (usize, &'r Rule)) -> Self {
        let Rule { name, file, line, when, then } = rule;
        Self {
            number: Some(number),
            name,
            built_in: false,
            file: Some(file),
            line: Some(*line),
            when: Some(WhenJson {
                topic: &when.topics,
                types: when.types.iter().map(ToString::to_string).collect(),
                receiver: &when.receivers,
                stage: when.stages.iter().copied().map(Stage::as_str).collect(),
                class: when.classes.iter().copied().map(Class::as_str).collect(),
                code: &when.codes,
                message: when.messages.iter().map(|message| message.as_str()).collect(),
            }),
            then: Some(ThenJson::of(*then)),
            about: when.to_string(),
            does: then.to_string(),
        }
    }

    pub(super) fn of_built_in(rule: BuiltIn) -> Self {
        Self {
            number: None,
            name: rule.name(),
            built_in: true,
            file: None,
            line: None,
            when: None,
            then: None,
            about: rule.when(),
            does: rule.does().to_owned(),
        }
    }
}

impl ThenJson {
    fn of(then: Then) -> Self {
        let plain = |action| Self { action, times: None, first_ms: None, max_ms: None };
        match then {
            Then::Journal => plain("journal"),
            Then::Skip => plain("skip"),
            Then::Hold => plain("hold"),
            Then::Halt => plain("halt"),
            Then::Retry(Retry { times, first, max }) => {
                let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).ok();
                Self { action: "retry", times: Some(times.get()), first_ms: ms(first), max_ms: ms(max) }
            }
        }
    }
}
