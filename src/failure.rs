//! The vocabulary of what went wrong: where a record failed, of what kind, with which code, and how often it was tried.
//!
//! These words are the same in code, in the journal, in JSON and on the screen.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::record::ReceiverIx;

/// Where a record can fail, in the order in which it walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Which event is it? Headers, or the structured body.
    Identify,
    /// Which receivers take its type?
    Route,
    /// Is its value what those receivers need?
    Decode,
    /// One receiver's delivery.
    Receive,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Identify, Self::Route, Self::Decode, Self::Receive];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Route => "route",
            Self::Decode => "decode",
            Self::Receive => "receive",
        }
    }

    /// The stage that a record must have passed to come to this one.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        Self::ALL.into_iter().rfind(|stage| *stage < self)
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

/// What kind of failure it is, which says whether another try can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// May heal by itself: worth a retry.
    Transient,
    /// This event with this code fails every time.
    Permanent,
    /// The consumer's own trouble: every event would fail.
    Consumer,
    Unknown,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::Transient, Self::Permanent, Self::Consumer, Self::Unknown];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Consumer => "consumer",
            Self::Unknown => "unknown",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// A stable failure code, `[a-z0-9_]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// A code of ours, known to be well formed.
    #[must_use]
    pub const fn known(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// A code that a receiver gave; `None` when it is not `[a-z0-9_]{1,64}`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let fits =
            (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        fits.then(|| Self(Cow::Owned(code.to_owned())))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One try that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// When the try ended.
    pub at: Timestamp,
    pub duration: Duration,
    pub class: Class,
    pub code: Code,
    pub message: String,
}

/// One (record, stage, receiver) that did not succeed, with all of its tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub stage: Stage,
    /// Set exactly at [`Stage::Receive`].
    pub receiver: Option<ReceiverIx>,
    pub class: Class,
    pub code: Code,
    /// One line for people; at most 1,000 characters are kept.
    pub message: String,
    /// What it was caused by, outermost first.
    pub causes: Vec<String>,
    /// Whatever else helps: a stack trace, an answer's body, the last lines of stderr.
    pub detail: String,
    /// Oldest first, at least one; the last one has this failure's class, code and message.
    pub tries: Vec<Try>,
}

/// Why a stage before the receivers refused a record. It becomes a [`Failure`] with one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub class: Class,
    pub message: String,
}

impl Refusal {
    /// A refusal that another try cannot mend.
    #[must_use]
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Code::known(code), class: Class::Permanent, message: message.into() }
    }

    /// The failure of a record at `stage`, tried once, at `at`.
    #[must_use]
    pub fn into_failure(self, stage: Stage, at: Timestamp) -> Failure {
        let only = Try { at, duration: Duration::ZERO, class: self.class, code: self.code.clone(), message: self.message.clone() };
        Failure {
            stage,
            receiver: None,
            class: self.class,
            code: self.code,
            message: self.message,
            causes: Vec::new(),
            detail: String::new(),
            tries: vec![only],
        }
    }
}

/// As much of a text from outside as is kept: at most `longest` bytes, and no torn character.
pub(crate) fn kept(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest)).unwrap_or_default()
}

/// As many characters of a message, or of an attribute of an event, does a listing carry.
const LONGEST_LINE: usize = 1_000;

/// A text as the journal keeps it in a listing. NUL would end it for every reader in C.
pub(crate) fn kept_line(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_LINE && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| *c != '\0').take(LONGEST_LINE).collect())
}
