//! The layers that settings come from, and which of them wins: flags, environment, file, default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::receiver;
use crate::secrets::masked;
use crate::settings::error::SettingsError;
use crate::settings::file::File;
use crate::settings::table::{self, Kind, Setting};
use crate::settings::{did_you_mean, nearest};

/// What the command line says, or a program: for each setting that was given its values.
#[derive(Clone, Debug, Default)]
pub struct Given {
    values: BTreeMap<&'static str, Vec<String>>,
    /// What is given without a flag: it goes before what a flag says, and is called so.
    arguments: BTreeMap<&'static str, (&'static str, String)>,
    by: By,
}

/// Who says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum By {
    #[default]
    Flags,
    Program,
}

impl Given {
    /// What a program says of its own consumer, in the place of flags.
    #[must_use]
    pub fn by_program() -> Self {
        Self { by: By::Program, ..Self::default() }
    }

    pub fn set(&mut self, setting: &Setting, values: Vec<String>) {
        self.values.insert(setting.name, values);
    }

    /// An argument without a flag, as the help calls it, that stands for a setting of this command.
    pub fn set_argument(&mut self, setting: &Setting, called: &'static str, value: String) {
        self.arguments.insert(setting.name, (called, value));
    }

    /// Adds to a list; of any other setting the last value counts.
    pub fn add(&mut self, setting: &Setting, value: String) {
        self.values.entry(setting.name).or_default().push(value);
    }

    /// The values of a setting; none when it was not given.
    #[must_use]
    pub fn values(&self, setting: &Setting) -> &[String] {
        self.values.get(setting.name).map_or(&[], Vec::as_slice)
    }

    /// The same, with only those values of a list that `keep` says; without any it was not given.
    #[must_use]
    pub fn retain(mut self, setting: &Setting, keep: impl Fn(&str) -> bool) -> Self {
        if let Some(values) = self.values.get_mut(setting.name) {
            values.retain(|value| keep(value));
            if values.is_empty() {
                self.values.remove(setting.name);
            }
        }
        self
    }

    /// What both say; no setting is in two of them.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.values.extend(other.values);
        self.arguments.extend(other.arguments);
        self
    }

    fn origin(&self, setting: &Setting) -> Origin {
        match self.by {
            By::Flags => Origin::Flag(setting.name),
            By::Program => Origin::Program,
        }
    }
}

/// Where the environment is read.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The process's own environment. What is empty is not set; what is not UTF-8 is, and will mean nothing to whoever reads it.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// The names of our own variables that are set in the process's environment.
#[must_use]
pub fn variables() -> Vec<String> {
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(VARIABLE)).collect()
}

/// What all of our variables begin with.
const VARIABLE: &str = "REDRIVE_";

/// A variable that looks like one of ours, and is none: most likely mistyped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    pub name: String,
    pub nearest: Option<String>,
}

/// Those of the names that no setting has. A program of a `run:` receiver may call us: what it finds in its environment is known, too.
#[must_use]
pub fn unknown_variables(names: &[String]) -> Vec<UnknownVariable> {
    let known = table::ALL.map(|setting| setting.variable());
    let unknown = names.iter().filter(|name| !known.contains(name) && !receiver::VARIABLES.contains(&name.as_str()));
    let meant = |name: &str| nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    unknown.map(|name| UnknownVariable { name: name.clone(), nearest: meant(name) }).collect()
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    /// Without a flag.
    Argument(&'static str),
    Variable(String),
    File {
        path: String,
        line: usize,
    },
    /// The program brought it along.
    Program,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "from --{name}"),
            Self::Argument(called) => write!(f, "the argument {called}"),
            Self::Variable(name) => write!(f, "from the environment variable {name}"),
            Self::File { path, line } => write!(f, "from {path}, line {line}"),
            Self::Program => f.write_str("from this program"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// A setting's values in the layer that wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub values: Vec<String>,
    pub origin: Origin,
}

const DEFAULT_FILE: &str = "redrive.toml";

/// All layers, read once.
pub struct Layers<'e> {
    given: Given,
    pub(super) environment: Environment<'e>,
    pub(super) file: Option<File>,
}

impl<'e> Layers<'e> {
    /// Reads the settings file, if one is named or `./redrive.toml` exists.
    ///
    /// # Errors
    /// When the file that is named cannot be read, or any file is no settings file.
    pub fn read(given: Given, environment: Environment<'e>) -> Result<Self, SettingsError> {
        let mut layers = Self::named(given, environment)?;
        if layers.file.is_none() && Path::new(DEFAULT_FILE).exists() {
            layers.file = Some(File::read(Path::new(DEFAULT_FILE), &Origin::Default)?);
        }
        Ok(layers)
    }

    /// Reads the settings file if one is named, and no other.
    ///
    /// # Errors
    /// As [`Layers::read`].
    pub fn named(given: Given, environment: Environment<'e>) -> Result<Self, SettingsError> {
        let mut layers = Self::without_file(given, environment);
        if let Some(Found { values, origin }) = layers.find(&table::CONFIG) {
            let path = values.into_iter().next_back();
            layers.file = path.map(|path| File::read(Path::new(&path), &origin)).transpose()?;
        }
        Ok(layers)
    }

    /// Flags and environment alone: enough to say how to speak about a settings file that cannot be read.
    #[must_use]
    pub fn without_file(given: Given, environment: Environment<'e>) -> Self {
        Self { given, environment, file: None }
    }

    /// The same layers, with these values as if they were flags.
    pub(super) fn filled<'s>(&self, with: impl IntoIterator<Item = (&'s Setting, &'s str)>) -> Self {
        let mut given = self.given.clone();
        with.into_iter().for_each(|(setting, value)| given.set(setting, vec![value.to_owned()]));
        Self { given, environment: self.environment, file: self.file.clone() }
    }

    /// The same layers with another file, which a flag of this name gives.
    pub(super) fn with_file(&self, path: &Path, flag: &'static str) -> Result<Self, SettingsError> {
        let file = File::read(path, &Origin::Flag(flag))?;
        Ok(Self { given: self.given.clone(), environment: self.environment, file: Some(file) })
    }

    /// The same layers without the rules of the file.
    pub(super) fn without_rules(mut self) -> Self {
        self.file.iter_mut().for_each(|file| file.rules = Arc::default());
        self
    }

    /// True when the command line has it.
    #[must_use]
    pub fn is_flag(&self, setting: &Setting) -> bool {
        self.given.values.contains_key(setting.name)
    }

    /// What the command line says of a setting; nothing where it does not.
    #[must_use]
    pub fn flags(&self, setting: &Setting) -> &[String] {
        self.given.values(setting)
    }

    /// The last word of it.
    #[must_use]
    pub fn flag(&self, setting: &Setting) -> Option<&str> {
        self.flags(setting).last().map(String::as_str)
    }

    /// What each layer says about a setting, the winner first.
    pub(super) fn all(&self, setting: &Setting) -> impl Iterator<Item = Found> {
        let argument = self.given.arguments.get(setting.name);
        let argument = argument.map(|(called, value)| Found { values: vec![value.clone()], origin: Origin::Argument(called) });
        let flag = self.given.values.get(setting.name).map(|values| {
            let values = values.iter().flat_map(|value| split_flag(setting.kind, value)).collect();
            Found { values, origin: self.given.origin(setting) }
        });
        let ours = Some(setting.variable());
        let variables = [ours, setting.other_variable.map(str::to_owned)];
        let variable = variables.into_iter().flatten().find_map(|name| {
            let text = (self.environment)(&name)?;
            Some(Found { values: split(setting.kind, &text), origin: Origin::Variable(name) })
        });
        let file = self.file.as_ref().and_then(|file| file.get(&setting.key()));
        let default = setting.default.map(|text| Found { values: vec![text.to_owned()], origin: Origin::Default });
        [argument, flag, variable, file, default].into_iter().flatten()
    }

    pub(super) fn find(&self, setting: &Setting) -> Option<Found> {
        self.all(setting).next()
    }

    /// A setting's one value, understood by `read`; `None` where no layer has it.
    pub(super) fn maybe<T>(&self, setting: &Setting, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, SettingsError> {
        let Some(Found { values, origin }) = self.find(setting) else { return Ok(None) };
        let text = values.into_iter().next_back().unwrap_or_default();
        match read(&text) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => Err(SettingsError::Invalid { name: setting.name.to_owned(), given: masked(&text), origin, expected }),
        }
    }

    /// As `maybe`, for a setting that must be there.
    pub(super) fn one<T>(&self, setting: &Setting, read: impl Fn(&str) -> Result<T, String>) -> Result<T, SettingsError> {
        self.maybe(setting, read)?.ok_or_else(|| missing(setting))
    }

    /// All values of a list, each understood by `read`; the same value twice is one.
    pub(super) fn many(
        &self,
        setting: &Setting,
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Vec<String>, SettingsError> {
        let Some(Found { values, origin }) = self.find(setting) else { return Ok(Vec::new()) };
        let mut all = Vec::with_capacity(values.len());
        for text in values {
            let value = read(&text).map_err(|expected| SettingsError::Invalid {
                name: setting.name.to_owned(),
                given: masked(&text),
                origin: origin.clone(),
                expected,
            })?;
            if !all.contains(&value) {
                all.push(value);
            }
        }
        Ok(all)
    }

    pub(super) fn is_on(&self, setting: &Setting) -> Result<bool, SettingsError> {
        let read = |text: &str| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("true or false{}", did_you_mean(text, ["true", "false"]))),
        };
        Ok(self.maybe(setting, read)?.unwrap_or_default())
    }
}

pub(super) fn missing(setting: &Setting) -> SettingsError {
    SettingsError::Missing { name: setting.name, variable: setting.variable(), key: setting.key() }
}

/// No topic has a comma in its name; a pattern may.
fn split_flag(kind: Kind, value: &str) -> Vec<String> {
    match kind {
        Kind::Names if !value.starts_with('^') => value.split(',').map(|name| name.trim().to_owned()).collect(),
        _ => vec![value.to_owned()],
    }
}

fn split(kind: Kind, text: &str) -> Vec<String> {
    let part = |text: &str, by: &[char]| {
        text.split(by).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    match kind {
        Kind::Many => part(text, &['\n']),
        // A pattern may hold commas itself.
        Kind::Names if !text.contains('^') => part(text, &[',', '\n']),
        Kind::Names => part(text, &['\n']),
        Kind::One | Kind::Secret | Kind::Switch | Kind::Count => vec![text.to_owned()],
    }
}
