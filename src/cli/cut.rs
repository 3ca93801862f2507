//! Text cut to a width on a screen. A width counts columns, of which a character takes none, one or two.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// What stands for what was cut.
const CUT: char = '…';

/// The columns that `text` takes. Emoji that a terminal may join are counted one by one, so this is never too few.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(of).sum()
}

fn of(c: char) -> usize {
    c.width().unwrap_or_default()
}

/// The start of `text`, in at most `most` columns.
pub(super) fn cut_end(text: &str, most: usize) -> Cow<'_, str> {
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    let Some(room) = most.checked_sub(1) else { return Cow::Borrowed("") };
    Cow::Owned(format!("{}{CUT}", start(text, room)))
}

/// The start and the end of `text`, in at most `most` columns. The end gets more: in `TOPIC/PARTITION/OFFSET` it tells the most.
pub(super) fn cut_middle(text: &str, most: usize) -> Cow<'_, str> {
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    let Some(room) = most.checked_sub(1) else { return Cow::Borrowed("") };
    let end = end(text, room - room / 3);
    Cow::Owned(format!("{}{CUT}{end}", start(text, room - width(end))))
}

fn start(text: &str, room: usize) -> &str {
    let mut used = 0;
    let cut = text.char_indices().find(|(_, c)| {
        used += of(*c);
        used > room
    });
    cut.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

fn end(text: &str, room: usize) -> &str {
    let mut used = 0;
    let cut = text.char_indices().rev().find(|(_, c)| {
        used += of(*c);
        used > room
    });
    cut.and_then(|(at, c)| text.get(at + c.len_utf8()..)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts() {
        assert_eq!(cut_end("order has no total", 10), "order has…");
        assert_eq!(cut_end("short", 5), "short");
        assert_eq!(cut_end("short", 1), "…");
        assert_eq!(cut_end("short", 0), "");
        assert_eq!(cut_end("注文が空です", 6), "注文…", "each takes two columns");
        assert_eq!(cut_middle("a-topic-with-a-long-name/12/1234567", 20), "a-topi…me/12/1234567");
        assert_eq!(cut_middle("orders/0/7", 10), "orders/0/7");
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in "\\PC*|[a-z注😀]{0,40}", most in 0usize..40) {
            for cut in [cut_end(&text, most), cut_middle(&text, most)] {
                prop_assert!(width(&cut) <= most);
                prop_assert_eq!(cut == text, width(&text) <= most || cut.contains(CUT) && text == cut);
            }
            let (end, middle) = (cut_end(&text, most), cut_middle(&text, most));
            prop_assert!(text.starts_with(end.trim_end_matches(CUT)));
            // The text may have such a character of its own.
            let fits = |(before, after): (&str, &str)| text.starts_with(before) && text.ends_with(after.strip_prefix(CUT).unwrap_or(after));
            prop_assert!(middle.char_indices().any(|(at, _)| fits(middle.split_at(at))) || middle.is_empty());
        }
    }
}
