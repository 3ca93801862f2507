//! `NAME=TARGET`: what kind of receiver a user names.

use std::path::PathBuf;

use thiserror::Error;

/// What a receiver is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Program and arguments, without a shell.
    Exec(Vec<String>),
    File(PathBuf),
    Discard,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    #[error("`{0}` is no target: expected exec:PROGRAM ARGS…, file:PATH or discard:")]
    Unknown(String),
    #[error("`{target}` cannot be split into words: {why}")]
    Words { target: String, why: String },
    #[error("`{0}` names nothing: expected exec:PROGRAM ARGS… or file:PATH")]
    Empty(String),
}

impl Target {
    /// Reads `exec:PROGRAM ARGS…` (words as in a POSIX shell, without expansion), `file:PATH` or `discard:`.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (kind, rest) = text.split_once(':').ok_or_else(|| TargetError::Unknown(text.to_owned()))?;
        match kind {
            "exec" => {
                let words = shell_words::split(rest)
                    .map_err(|error| TargetError::Words { target: text.to_owned(), why: error.to_string() })?;
                Self::from_words("exec", words).map_err(|_| TargetError::Empty(text.to_owned()))
            }
            "file" if rest.is_empty() => Err(TargetError::Empty(text.to_owned())),
            "file" => Ok(Self::File(PathBuf::from(rest))),
            "discard" if rest.is_empty() => Ok(Self::Discard),
            _ => Err(TargetError::Unknown(text.to_owned())),
        }
    }

    /// The form of the settings file: `["exec", "PROGRAM", "ARG"]`.
    ///
    /// # Errors
    /// When the kind takes no words, or there are none.
    pub fn from_words(kind: &str, words: Vec<String>) -> Result<Self, TargetError> {
        match kind {
            "exec" if words.first().is_some_and(|program| !program.is_empty()) => Ok(Self::Exec(words)),
            "exec" => Err(TargetError::Empty("exec:".to_owned())),
            _ => Err(TargetError::Unknown(kind.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let exec = |words: &[&str]| Ok(Target::Exec(words.iter().map(|&word| word.to_owned()).collect()));
        assert_eq!(Target::parse("exec:python3 'my worker.py' --x=$HOME"), exec(&["python3", "my worker.py", "--x=$HOME"]));
        assert_eq!(Target::parse("file:a b.jsonl"), Ok(Target::File("a b.jsonl".into())));
        assert_eq!(Target::parse("discard:"), Ok(Target::Discard));
        for bad in ["", "exec", "exec:", "exec:''", "exec:'a", "file:", "discard:x", "smtp:x"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
