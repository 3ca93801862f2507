//! The screen that stdout is: how wide, and whether it has colours.
//!
//! Without a terminal there is no width to keep to: whoever reads a pipe or a file, as with `kubectl` and `kcat`, gets whole lines.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use crate::cli::cut::width;
use crate::settings::Color;

/// Of a terminal that does not say how wide it is.
const USUAL: usize = 80;

/// How text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Columns; `None`: it is no terminal, and there is no limit.
    pub(super) width: Option<usize>,
    pub(super) is_colored: bool,
}

/// Colours say what asks for attention: nothing else is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Red,
    Yellow,
    Green,
    Magenta,
    Dim,
}

impl Paint {
    fn code(self) -> u8 {
        match self {
            Self::Red => 31,
            Self::Yellow => 33,
            Self::Green => 32,
            Self::Magenta => 35,
            Self::Dim => 2,
        }
    }
}

impl Screen {
    /// As stdout is.
    pub(super) fn of_stdout(color: Color) -> Self {
        let width = width_of(&io::stdout());
        Self {
            width,
            is_colored: match color {
                Color::Auto => width.is_some(),
                Color::Always => true,
                Color::Never => false,
            },
        }
    }

    /// As stderr is; nothing on it is coloured.
    pub(super) fn of_stderr() -> Self {
        Self { width: width_of(&io::stderr()), is_colored: false }
    }

    pub(super) fn is_terminal(self) -> bool {
        self.width.is_some()
    }

    pub(super) fn is_narrower_than(self, columns: usize) -> bool {
        self.width.is_some_and(|width| width < columns)
    }

    /// Text that is fit for a screen, with its colour.
    pub(super) fn paint<'t>(self, text: &'t str, paint: Option<Paint>) -> Cow<'t, str> {
        match paint {
            Some(paint) if self.is_colored => Cow::Owned(format!("\x1b[{}m{text}\x1b[0m", paint.code())),
            _ => Cow::Borrowed(text),
        }
    }

    /// Parts of one statement, ` · ` between them, on as many lines as the screen needs. A part is never broken.
    pub(super) fn join(self, parts: impl IntoIterator<Item = String>) -> Vec<String> {
        const BETWEEN: &str = " · ";
        let mut lines: Vec<String> = Vec::new();
        for part in parts {
            match lines.last_mut() {
                Some(line) if self.width.is_none_or(|most| shown(line) + width(BETWEEN) + shown(&part) <= most) => {
                    line.push_str(BETWEEN);
                    line.push_str(&part);
                }
                _ => lines.push(part),
            }
        }
        lines
    }

    /// What is left of the screen behind an indentation.
    pub(super) fn indented(self, by: usize) -> Self {
        Self { width: self.width.map(|width| width.saturating_sub(by)), ..self }
    }
}

/// The columns of a terminal; `None` when it is none.
pub(super) fn width_of(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let columns = || rustix::termios::tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col));
    stream.is_terminal().then(|| columns().filter(|columns| *columns > 0).unwrap_or(USUAL))
}

/// The columns that text takes with its colours.
fn shown(text: &str) -> usize {
    let mut pieces = text.split('\x1b');
    let first = pieces.next().map(width).unwrap_or_default();
    first + pieces.map(|piece| piece.split_once('m').map_or(0, |(_, after)| width(after))).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_on_the_next_line_when_the_screen_ends() {
        let parts = || ["50 of 9,418", "next: list", "1 open incident"].map(str::to_owned);
        let screen = |width| Screen { width, is_colored: false };
        assert_eq!(screen(None).join(parts()), ["50 of 9,418 · next: list · 1 open incident"]);
        assert_eq!(screen(Some(24)).join(parts()), ["50 of 9,418 · next: list", "1 open incident"]);
        assert_eq!(screen(Some(3)).join(parts()), parts(), "a part is never broken");
    }

    #[test]
    fn colours_are_put_on_only_where_they_are_wanted() {
        let text = |is_colored, paint| Screen { width: None, is_colored }.paint("open", paint).into_owned();
        assert_eq!(text(true, Some(Paint::Red)), "\x1b[31mopen\x1b[0m");
        assert_eq!((text(true, None), text(false, Some(Paint::Red))), ("open".into(), "open".into()));
        assert_eq!(shown(&format!("a {} b", text(true, Some(Paint::Red)))), 8);
    }
}
