//! Commands to run next, as they can be pasted into a shell.

use crate::cli::escape::escape;

/// Where the journal is when nobody says so.
const USUAL: [&str; 2] = ["redrive.db", "./redrive.db"];

/// The command of these words, on the same journal.
pub(super) fn command(journal: &str, words: &[String]) -> String {
    let mut all = vec!["redrive".to_owned()];
    all.extend_from_slice(words);
    if !USUAL.contains(&journal) {
        all.extend(["--journal".to_owned(), journal.to_owned()]);
    }
    escape(&shell_words::join(all)).into_owned()
}

/// As `command`, of words without spaces.
pub(super) fn of(journal: &str, words: &str) -> String {
    command(journal, &words.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_pasted() {
        assert_eq!(of("redrive.db", "errors list"), "redrive errors list");
        assert_eq!(of("/tmp/my journal.db", "errors show 7"), "redrive errors show 7 --journal '/tmp/my journal.db'");
        let words = ["errors", "list", "--type", "it's; rm -rf"].map(str::to_owned);
        assert_eq!(shell_words::split(&command("j", &words)).unwrap()[4], "it's; rm -rf");
    }
}
