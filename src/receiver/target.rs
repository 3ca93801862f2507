//! `NAME=TARGET`: what kind of receiver a user names.

use std::path::PathBuf;

use thiserror::Error;

use crate::receiver::{Encoding, Endpoint, Needs};
use crate::record::is_topic_name;

/// What a receiver is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A long-lived program and its arguments, without a shell.
    Exec(Vec<String>),
    /// A program that is started for each event, and its arguments.
    Run(Vec<String>),
    Http(Box<Endpoint>),
    File(PathBuf),
    Stdout,
    /// A topic of the same cluster.
    Kafka(String),
    Discard,
}

/// The forms of a target, as they are shown to people. The part before the colon is the scheme.
pub const FORMS: [&str; 8] = [
    "exec:PROGRAM ARGS…",
    "run:PROGRAM ARGS…",
    "http://HOST:PORT/PATH",
    "https://HOST:PORT/PATH",
    "file:PATH",
    "stdout:",
    "kafka:TOPIC",
    "discard:",
];

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    #[error("`{0}` is no target: expected {forms}", forms = forms())]
    Unknown(String),
    /// Without the words: which of them is a secret shows only when they are split.
    #[error("what follows `{scheme}:` cannot be split into words: {why}")]
    Words { scheme: String, why: String },
    #[error("`{target}` names nothing: expected {form}")]
    Empty { target: String, form: &'static str },
    #[error("`{target}` takes nothing behind its colon")]
    TooMuch { target: String },
    #[error("`{target}` names no topic: expected at most 249 of A-Z, a-z, 0-9, `.`, `_` and `-`, not `.` or `..` alone")]
    Topic { target: String },
    #[error("`{target}` is no URL: {why}")]
    Url { target: String, why: String },
}

impl Target {
    /// Reads one of [`FORMS`]: words as in a POSIX shell, without expansion.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = text.split_once(':').ok_or_else(|| TargetError::Unknown(text.to_owned()))?;
        let form = form_of(scheme).ok_or_else(|| TargetError::Unknown(text.to_owned()))?;
        let filled = || {
            let empty = || TargetError::Empty { target: text.to_owned(), form };
            Some(rest.to_owned()).filter(|rest| !rest.is_empty()).ok_or_else(empty)
        };
        let alone = |target| if rest.is_empty() { Ok(target) } else { Err(TargetError::TooMuch { target: text.to_owned() }) };
        match scheme {
            "exec" | "run" => {
                let words = shell_words::split(rest)
                    .map_err(|error| TargetError::Words { scheme: scheme.to_owned(), why: error.to_string() })?;
                Self::from_words(scheme, words)
            }
            "http" | "https" => Endpoint::at(text)
                .map(|endpoint| Self::Http(Box::new(endpoint)))
                .map_err(|why| TargetError::Url { target: text.to_owned(), why }),
            "file" => Ok(Self::File(PathBuf::from(filled()?))),
            "kafka" => match filled()? {
                topic if is_topic_name(&topic) => Ok(Self::Kafka(topic)),
                _ => Err(TargetError::Topic { target: text.to_owned() }),
            },
            "stdout" => alone(Self::Stdout),
            _ => alone(Self::Discard),
        }
    }

    /// What its receiver needs, known without opening it.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Exec(_) | Self::Run(_) | Self::File(_) | Self::Stdout => Needs::ValidJson,
            Self::Http(endpoint) if endpoint.encoding == Encoding::Structured => Needs::ValidJson,
            Self::Http(_) => Needs::Value,
            Self::Kafka(_) | Self::Discard => Needs::Bytes,
        }
    }

    /// What stands before the colon.
    #[must_use]
    pub fn scheme(&self) -> &str {
        match self {
            Self::Exec(_) => "exec",
            Self::Run(_) => "run",
            Self::Http(endpoint) => endpoint.url.scheme(),
            Self::File(_) => "file",
            Self::Stdout => "stdout",
            Self::Kafka(_) => "kafka",
            Self::Discard => "discard",
        }
    }

    /// The form of the settings file: `["exec", "PROGRAM", "ARG"]`.
    ///
    /// # Errors
    /// When the scheme takes no words, or there are none.
    pub fn from_words(scheme: &str, words: Vec<String>) -> Result<Self, TargetError> {
        let is_filled = words.first().is_some_and(|program| !program.is_empty());
        match (scheme, form_of(scheme)) {
            ("exec", _) if is_filled => Ok(Self::Exec(words)),
            ("run", _) if is_filled => Ok(Self::Run(words)),
            ("exec" | "run", Some(form)) => Err(TargetError::Empty { target: format!("{scheme}:"), form }),
            _ => Err(TargetError::Unknown(scheme.to_owned())),
        }
    }
}

fn forms() -> String {
    let [others @ .., last] = FORMS;
    format!("{} or {last}", others.join(", "))
}

fn form_of(scheme: &str) -> Option<&'static str> {
    FORMS.into_iter().find(|form| form.split_once(':').is_some_and(|(of, _)| of == scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(
            Target::parse("exec:python3 'my worker.py' --x=$HOME"),
            Ok(Target::Exec(owned(&["python3", "my worker.py", "--x=$HOME"])))
        );
        assert_eq!(Target::parse("run:./bill --once"), Ok(Target::Run(owned(&["./bill", "--once"]))));
        assert_eq!(Target::parse("file:a b.jsonl"), Ok(Target::File("a b.jsonl".into())));
        assert_eq!(Target::parse("kafka:orders.audit"), Ok(Target::Kafka("orders.audit".into())));
        assert_eq!(Target::parse("stdout:"), Ok(Target::Stdout));
        assert_eq!(Target::parse("discard:"), Ok(Target::Discard));
        assert!(matches!(Target::parse("https://shop:8443/events?x=1"), Ok(Target::Http(_))));
    }

    #[test]
    fn what_is_none_says_what_was_expected() {
        for (bad, said) in [
            ("", "`` is no target: expected exec:PROGRAM ARGS…, run:"),
            ("exec", "`exec` is no target"),
            ("smtp:x", "`smtp:x` is no target"),
            ("exec:", "`exec:` names nothing: expected exec:PROGRAM ARGS…"),
            ("run:''", "`run:` names nothing: expected run:PROGRAM ARGS…"),
            ("kafka:orders audit", "`kafka:orders audit` names no topic: expected at most 249 of"),
            ("kafka:..", "`kafka:..` names no topic"),
            ("exec:'a", "what follows `exec:` cannot be split into words"),
            ("file:", "`file:` names nothing: expected file:PATH"),
            ("kafka:", "`kafka:` names nothing: expected kafka:TOPIC"),
            ("discard:x", "`discard:x` takes nothing behind its colon"),
            ("stdout:x", "`stdout:x` takes nothing behind its colon"),
            ("http:shop", "`http:shop` is no URL: it has no // before its host"),
            ("http://", "`http://` is no URL: empty host"),
            ("http://shop:port", "`http://shop:port` is no URL: invalid port number"),
        ] {
            let error = Target::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with(said), "{bad}: {error}");
        }
    }
}
