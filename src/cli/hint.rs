//! Commands to run next, as they can be pasted into a shell: of this program, on the journal that is looked at.

use clap::{Command, CommandFactory as _};

use crate::cli::Arguments;
use crate::cli::escape::is_unfit;

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
        let mut all = vec![quoted(self.program)];
        all.extend(typed(words));
        if !USUAL.contains(&self.path) {
            all.push(flag("--journal", self.path));
        }
        all.join(" ")
    }

    /// As `command`, of words without spaces.
    pub(super) fn hint(self, words: &str) -> String {
        self.command(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }
}

/// A flag and its value, as they are typed.
pub(super) fn flag(flag: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{flag}{between}{}", quoted(value))
}

/// The words as they are typed. A value that would be taken for a flag is joined to its own: `-g=-x`.
fn typed(words: &[String]) -> Vec<String> {
    let is_flag = |word: &String| word.starts_with('-');
    if !words.iter().zip(words.iter().skip(1)).any(|(one, next)| is_flag(one) && is_flag(next)) {
        return words.iter().map(|word| quoted(word)).collect();
    }
    let mut root = Arguments::command();
    root.build();
    let (mut command, mut all, mut rest) = (&root, Vec::new(), words.iter());
    while let Some(word) = rest.next() {
        let value = if takes_value(command, word) { rest.next() } else { None };
        all.push(value.map_or_else(|| quoted(word), |value| flag(word, value)));
        command = command.find_subcommand(word).unwrap_or(command);
    }
    all
}

fn takes_value(command: &Command, flag: &str) -> bool {
    let is_it = |arg: &&clap::Arg| match flag.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|all| all.contains(&long)),
        None => flag.strip_prefix('-').is_some_and(|short| arg.get_short().is_some_and(|of| short.chars().eq([of]))),
    };
    let least = |arg: &clap::Arg| arg.get_num_args().map_or(0, |count| count.min_values());
    command.get_arguments().find(is_it).is_some_and(|arg| arg.get_action().takes_values() && least(arg) > 0)
}

/// A word as a shell reads it back; what is not fit for a screen is written in the `$'…'` that bash, zsh and POSIX have.
fn quoted(word: &str) -> String {
    if !word.chars().any(is_unfit) {
        return shell_words::quote(word).into_owned();
    }
    let mut text = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' | '\'' => text.extend(['\\', c]),
            c if is_unfit(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.push_str(&format!("\\{byte:03o}"))),
            c => text.push(c),
        }
    }
    text.push('\'');
    text
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
        let command = |words: &[&str]| at("redrive.db").command(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(command(&["group", "history", "-g", "-x"]), "shop group history -g=-x");
        let reset = ["group", "reset", "--to-failure", "-g", "group", "--topic", "--a b", "--execute", "-b", "h:1"];
        assert_eq!(command(&reset), "shop group reset --to-failure -g group --topic='--a b' --execute -b h:1");
        assert_eq!(
            command(&["errors", "list", "--all-of-it", "--type", "--no", "--", "-1"]),
            "shop errors list --all-of-it --type=--no -- -1"
        );
        assert_eq!(command(&["group", "describe", "-g", "new\nline"]), r"shop group describe -g $'new\nline'");
        assert_eq!(
            command(&["group", "describe", "-g", "\\it's\t\u{1b}[2J\u{202e}1"]),
            r"shop group describe -g $'\\it\'s\t\033[2J\342\200\2561'"
        );
        assert_eq!((flag("-g", "-x"), flag("-g", " ")), ("-g=-x".to_owned(), "-g ' '".to_owned()));
        let words = ["errors", "list", "--type", "it's; rm -rf"].map(str::to_owned);
        assert_eq!(shell_words::split(&at("j").command(&words)).unwrap()[4], "it's; rm -rf");
    }
}
