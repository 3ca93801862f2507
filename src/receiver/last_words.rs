//! The last lines that a process wrote to stderr: the detail of whatever goes wrong with it.
//!
//! All of it is read, so that the process never waits for us; what is kept is bounded.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

const LINES: usize = 20;
/// The longest line that is kept whole, in bytes.
const LINE: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct LastWords {
    lines: VecDeque<Vec<u8>>,
    is_line_open: bool,
}

impl LastWords {
    fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            if !self.is_line_open {
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(Vec::new());
            }
            if let Some(line) = self.lines.back_mut() {
                let room = LINE.saturating_sub(line.len());
                line.extend_from_slice(text.get(..room).unwrap_or(text));
            }
            self.is_line_open = !ends;
        }
    }

    /// The last line that says something.
    pub(super) fn last_line(&self) -> Option<String> {
        let mut lines = self.lines.iter().rev().map(|line| line.trim_ascii());
        lines.find(|line| !line.is_empty()).map(|line| String::from_utf8_lossy(line).into_owned())
    }

    pub(super) fn text(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|line| String::from_utf8_lossy(line.trim_ascii_end())).collect();
        lines.join("\n")
    }
}

/// Reads until the end.
pub(super) async fn listen(mut stderr: impl AsyncRead + Unpin, words: watch::Sender<LastWords>) {
    let mut buffer = [0; 8 * 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        words.send_modify(|words| words.hear(buffer.get(..read).unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(parts: &[&[u8]]) -> String {
        let mut words = LastWords::default();
        parts.iter().for_each(|part| words.hear(part));
        words.text()
    }

    #[test]
    fn lines_come_in_any_parts() {
        assert_eq!(words(&[]), "");
        assert_eq!(words(&[b"a\nb"]), "a\nb");
        assert_eq!(words(&[b"a", b"b\r\n", b"\n", b"c\n"]), "ab\n\nc");
        assert_eq!(words(&[b"\xff\n"]), "\u{fffd}");
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        let mut words = LastWords::default();
        assert_eq!(words.last_line(), None);
        words.hear(b"first\n no total \n\n  \n");
        assert_eq!(words.last_line().as_deref(), Some("no total"));
    }

    #[test]
    fn only_the_end_is_kept() {
        let many: Vec<_> = (0..1_000).map(|at| format!("line {at}\n")).collect();
        let text = words(&many.iter().map(String::as_bytes).collect::<Vec<_>>());
        assert_eq!(text.lines().count(), LINES);
        assert!(text.starts_with("line 980\n") && text.ends_with("line 999"));
        let long = vec![b'x'; 1_000_000];
        assert_eq!(words(&[&long, &long, b"\ny"]), format!("{}\ny", "x".repeat(LINE)));
    }
}
