//! Temporary: replaced by the listing's escaping.
use std::borrow::Cow;
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
