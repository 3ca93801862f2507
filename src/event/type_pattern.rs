//! What users call event types: an exact one, or a prefix followed by `.*`.

use std::fmt;

use thiserror::Error;

/// A type, or all that begin with a prefix and its dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypePattern {
    /// With its last dot, when it is a prefix.
    text: String,
    is_prefix: bool,
}

/// A pattern of types that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{pattern}` is no event type: expected an exact type, or a prefix followed by `.*` (order.*)")]
pub struct TypePatternError {
    pub pattern: String,
}

impl TypePattern {
    /// # Errors
    /// When it is neither a type nor a prefix.
    pub fn parse(pattern: &str) -> Result<Self, TypePatternError> {
        let (text, is_prefix) = match pattern.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('.') => (prefix, true),
            Some(_) => ("", false),
            None => (pattern, false),
        };
        if text.is_empty() || text == "." || text.contains('*') {
            return Err(TypePatternError { pattern: pattern.to_owned() });
        }
        Ok(Self { text: text.to_owned(), is_prefix })
    }

    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        if self.is_prefix { event_type.starts_with(&self.text) } else { event_type == self.text }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}
