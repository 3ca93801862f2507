//! Commands to run next, as they can be pasted into a shell: of this program, on the journal that is looked at.

use crate::cli::escape::escape;

/// Where the journal is when nobody says so.
const USUAL: [&str; 2] = ["redrive.db", "./redrive.db"];

/// The journal that a command is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journal<'j> {
    /// How this program is called.
    pub(super) program: &'j str,
    pub(super) path: &'j str,
    /// Its uuid.
    pub(super) id: &'j str,
}

impl Journal<'_> {
    /// The command of these words, on this journal.
    pub(super) fn command(self, words: &[String]) -> String {
        let mut all = vec![self.program.to_owned()];
        all.extend_from_slice(words);
        if !USUAL.contains(&self.path) {
            all.extend(["--journal".to_owned(), self.path.to_owned()]);
        }
        escape(&shell_words::join(all)).into_owned()
    }

    /// As `command`, of words without spaces.
    pub(super) fn hint(self, words: &str) -> String {
        self.command(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Journal<'_> {
        Journal { program: "shop", path, id: "7c1f09aa" }
    }

    #[test]
    fn a_hint_can_be_pasted() {
        assert_eq!(at("redrive.db").hint("errors list"), "shop errors list");
        assert_eq!(at("/tmp/my journal.db").hint("errors show 7"), "shop errors show 7 --journal '/tmp/my journal.db'");
        let words = ["errors", "list", "--type", "it's; rm -rf"].map(str::to_owned);
        assert_eq!(shell_words::split(&at("j").command(&words)).unwrap()[4], "it's; rm -rf");
    }
}
