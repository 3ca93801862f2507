//! Names of groups in messages: one that could be overlooked, or read as several words, is put in quotes.

use std::borrow::Cow;

/// The name as a message has it.
#[must_use]
pub fn called(name: &str) -> Cow<'_, str> {
    let is_plain = !name.is_empty() && !name.contains(char::is_whitespace);
    if is_plain { Cow::Borrowed(name) } else { Cow::Owned(format!("`{name}`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_could_be_overlooked_is_quoted() {
        for (name, expected) in [("shop", "shop"), ("-x", "-x"), ("", "``"), (" ", "` `"), ("a b", "`a b`"), ("a\n", "`a\n`")] {
            assert_eq!(called(name), expected);
        }
    }
}
