//! What a command says when it did not do what was asked: kind, message, causes, and the commands that help.
//!
//! The kind alone decides the exit code.

/// The exit codes of the contract, but 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// Journal, broker, fatal Kafka error, I/O.
    CannotGoOn,
    /// Bad flag, unknown topic or group, no journal there, unreadable file, newer journal, no receiver, nothing selected.
    Usage,
    /// It ran, and something failed.
    StillFailing,
    /// Stopped by a limit, the start-up guard, `--on-gap halt` or a rule.
    Stopped,
    /// Refused by a guard: live members, out of range, not confirmed.
    Refused,
    /// A check found a problem.
    Found,
}

impl ErrorKind {
    #[must_use]
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::CannotGoOn => 1,
            Self::Usage => 2,
            Self::StillFailing => 3,
            Self::Stopped => 4,
            Self::Refused => 5,
            Self::Found => 6,
        }
    }

    /// The word in JSON documents.
    #[must_use]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::CannotGoOn => "cannot_go_on",
            Self::Usage => "usage",
            Self::StillFailing => "still_failing",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Found => "found",
        }
    }
}

/// Why a command ended with another exit code than 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandError {
    pub(super) kind: ErrorKind,
    /// What happened, to which thing, expected and got.
    pub(super) message: String,
    /// Outermost first.
    pub(super) causes: Vec<String>,
    /// Each one a sentence, or a literal command to run next.
    pub(super) hints: Vec<String>,
}

impl CommandError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    #[must_use]
    pub(super) fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
