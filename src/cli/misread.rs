//! Arguments that were not understood: what is said of them, and the help.
//!
//! What clap finds is told as any other error is, in our own words: which flag or command it is, what was expected and what was
//! given, and which name was meant. A stray word may be a secret whose flag was mistyped.

use std::borrow::Cow;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory as _};

use crate::cli::Arguments;
use crate::cli::error::CommandError;
use crate::cli::output::Output;
use crate::cli::session::{Caller, plain, screen};
use crate::secrets::masked_word;
use crate::settings::{self, Given, Layers, OutputFormat, did_you_mean, nearest};

/// More commands than these are not listed.
const NAMED: usize = 3;

/// Tells what is wrong with arguments, or prints the help that was asked for.
pub(super) fn not_understood(arguments: &[OsString], error: &clap::Error, caller: &Caller<'_>) -> u8 {
    if !error.use_stderr() {
        // Help and version; a reader that has gone away wanted no more of it.
        return u8::from(error.print().is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe));
    }
    let output = asked_output(arguments, caller);
    let heard = Heard::of(arguments, output.program());
    let told = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            return command_missing(&heard, error, &output);
        }
        // It may be shown as what it is not.
        _ if heard.arguments.len() < arguments.len() => not_utf8(arguments),
        ErrorKind::InvalidSubcommand => heard.unknown_command(&text(error, ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument => match text(error, ContextKind::InvalidArg) {
            flag if flag.starts_with('-') => heard.unknown_flag(&flag),
            word => heard.stray(&word),
        },
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => wrong_value(error),
        ErrorKind::MissingRequiredArgument => missing(error),
        ErrorKind::ArgumentConflict => conflict(error),
        ErrorKind::TooManyValues => no_value(error),
        _ => in_its_words(error),
    };
    output.error(&heard.name(), &told.hint(heard.help()))
}

/// What could be made of a command line.
struct Heard<'h> {
    arguments: Vec<&'h str>,
    program: &'h str,
    root: Command,
    /// The words of the command that is meant, as far as they can be found.
    words: Vec<String>,
}

impl<'h> Heard<'h> {
    fn of(arguments: &'h [OsString], program: &'h str) -> Self {
        let mut root = Arguments::command();
        root.build();
        let (mut command, mut words) = (&root, Vec::new());
        for argument in arguments.iter().skip(1) {
            if let Some(found) = command.find_subcommand(argument).filter(|found| found.get_name() != "help") {
                words.push(found.get_name().to_owned());
                command = found;
            }
        }
        let arguments = arguments.iter().filter_map(|argument| argument.to_str()).collect();
        Self { arguments, program, words, root }
    }

    /// As documents name the command.
    fn name(&self) -> String {
        if self.words.is_empty() { "redrive".to_owned() } else { self.words.join(" ") }
    }

    /// As it is typed.
    fn typed(&self) -> String {
        let words = self.words.iter().map(String::as_str);
        std::iter::once(self.program).chain(words).collect::<Vec<_>>().join(" ")
    }

    fn help(&self) -> String {
        format!("all that it takes: {} --help", self.typed())
    }

    fn command(&self) -> &Command {
        self.words.iter().fold(&self.root, |command, word| command.find_subcommand(word).unwrap_or(command))
    }

    fn unknown_command(&self, word: &str) -> CommandError {
        let typed = self.typed();
        let told = CommandError::usage(format!("{typed} has no command `{word}`"));
        let there: Vec<&str> = children(self.command()).map(Command::get_name).collect();
        if let Some(like) = nearest(word, there.iter().copied()) {
            return told.hint(format!("did you mean {typed} {like}?"));
        }
        let within = children(self.command()).filter(|child| child.find_subcommand(word).is_some());
        let within: Vec<String> = within.map(|child| format!("{typed} {} {word}", child.get_name())).collect();
        if within.is_empty() {
            return told.hint(format!("it has {}", there.join(", ")));
        }
        told.hint(format!("did you mean {}?", within.join(" or ")))
    }

    fn unknown_flag(&self, flag: &str) -> CommandError {
        let typed = self.typed();
        if has_flag(self.command(), flag) {
            let told = CommandError::usage(format!("{flag} is a flag of {typed}, and stands before it"));
            return told.hint(format!("write it behind: {typed} {flag} …"));
        }
        let told = CommandError::usage(format!("{typed} has no flag {flag}"));
        if let Some(meant) = self.with_one_dash() {
            return told.hint(meant);
        }
        let owners = self.owners(flag);
        if !owners.is_empty() {
            let more = if owners.len() > NAMED { ", …" } else { "" };
            let named: Vec<&str> = owners.iter().take(NAMED).map(String::as_str).collect();
            return told.hint(format!("it is a flag of {}{more}", named.join(" and ")));
        }
        let like = nearest(flag.trim_start_matches('-'), longs(self.command()));
        match like.filter(|_| flag.starts_with("--")) {
            Some(like) => told.hint(format!("did you mean --{like}?")),
            None => told,
        }
    }

    /// A word that is neither a flag nor the value of one.
    fn stray(&self, word: &str) -> CommandError {
        let at = self.arguments.iter().rposition(|argument| *argument == word).unwrap_or_default();
        let before = |back: usize| at.checked_sub(back).and_then(|at| self.arguments.get(at).copied()).unwrap_or_default();
        let shown = masked_word(before(1), word);
        let further = if self.command().get_positionals().next().is_some() { "further " } else { "" };
        let told = CommandError::usage(format!("{} takes no {further}argument `{shown}`", self.typed()));
        if let Some(meant) = self.with_one_dash() {
            return told.hint(meant);
        }
        let (flag, value) = (before(2), before(1));
        match (self.flag(value), self.flag(flag)) {
            (Some(switch), _) if !switch.get_action().takes_values() => {
                told.hint(format!("{value} is a switch: it takes no value"))
            }
            (None, Some(arg)) if is_pair(arg) && !value.contains('=') => {
                told.hint(format!("its value is one word, with a = in it: {flag} {value}=…"))
            }
            (None, Some(arg)) if matches!(arg.get_action(), ArgAction::Append) => {
                told.hint(format!("to give {flag} several values, repeat it: {flag} … {flag} …"))
            }
            _ if self.root.find_subcommand(word).is_some() => {
                told.hint(format!("{word} is a command of its own: {} {word} …", self.program))
            }
            _ => told,
        }
    }

    /// `-topic` is `-t opic` to whoever reads flags of one letter.
    fn with_one_dash(&self) -> Option<String> {
        self.arguments.iter().find_map(|argument| {
            let name = argument.strip_prefix('-')?.split('=').next()?;
            (name.len() > 1 && longs(self.command()).any(|long| long == name))
                .then(|| format!("did you mean --{name}, with two dashes?"))
        })
    }

    /// A flag of the command; `None` for any other word.
    fn flag(&self, flag: &str) -> Option<&Arg> {
        let is_it = |arg: &&Arg| {
            let mut longs = arg.get_long_and_visible_aliases().into_iter().flatten();
            flag.strip_prefix("--").is_some_and(|long| longs.any(|of| of == long)) || is_short(arg, flag)
        };
        self.command().get_arguments().find(is_it)
    }

    /// The commands that have the flag.
    fn owners(&self, flag: &str) -> Vec<String> {
        fn collect(command: &Command, typed: &str, flag: &str, owners: &mut Vec<String>) {
            for child in children(command) {
                let typed = format!("{typed} {}", child.get_name());
                if has_flag(child, flag) {
                    owners.push(typed.clone());
                }
                collect(child, &typed, flag, owners);
            }
        }
        let mut owners = Vec::new();
        collect(&self.root, self.program, flag, &mut owners);
        owners
    }
}

/// But for the one that clap adds.
fn children(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|child| child.get_name() != "help")
}

fn longs(command: &Command) -> impl Iterator<Item = &str> {
    command.get_arguments().filter_map(Arg::get_long_and_visible_aliases).flatten()
}

fn has_flag(command: &Command, flag: &str) -> bool {
    match flag.strip_prefix("--") {
        Some(name) => longs(command).any(|long| long == name),
        None => command.get_arguments().any(|arg| is_short(arg, flag)),
    }
}

/// Its value is `KEY=VALUE`.
fn is_pair(arg: &Arg) -> bool {
    arg.get_value_names().unwrap_or_default().iter().any(|name| name.contains('='))
}

fn is_short(arg: &Arg, flag: &str) -> bool {
    let mut letters = flag.chars();
    letters.next() == Some('-') && letters.next().is_some_and(|letter| arg.get_short() == Some(letter)) && letters.next().is_none()
}

/// `--limit <N>` and `[ID]...` without what only a usage needs.
fn text(error: &clap::Error, kind: ContextKind) -> String {
    let text = match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" and "),
        _ => String::new(),
    };
    text.trim_end_matches("...").replace(['<', '>', '[', ']'], "")
}

/// Without what its value is called.
fn flag(error: &clap::Error, kind: ContextKind) -> String {
    text(error, kind).split(' ').next().unwrap_or_default().trim_matches(['[', ']']).to_owned()
}

fn wrong_value(error: &clap::Error) -> CommandError {
    let flag = flag(error, ContextKind::InvalidArg);
    let given = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(given)) => given.as_str(),
        _ => "",
    };
    if let Some(source) = std::error::Error::source(error) {
        return CommandError::usage(format!("{flag} is `{given}`: {source}"));
    }
    let words: Vec<&str> = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) => words.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let expected = match words.as_slice() {
        [] => text(error, ContextKind::InvalidArg),
        [one] => (*one).to_owned(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    };
    if given.is_empty() {
        return CommandError::usage(format!("{flag} needs a value: expected {expected}"));
    }
    CommandError::usage(format!("{flag} is `{given}`: expected {expected}{}", did_you_mean(given, words)))
}

fn missing(error: &clap::Error) -> CommandError {
    let told = CommandError::usage(format!("{} is missing", text(error, ContextKind::InvalidArg)));
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return told };
    let usage = usage.to_string().replace(['<', '>'], "");
    told.hint(format!("expected {}", usage.trim_start_matches("Usage: ").trim()))
}

fn conflict(error: &clap::Error) -> CommandError {
    let (one, other) = (flag(error, ContextKind::InvalidArg), flag(error, ContextKind::PriorArg));
    CommandError::usage(format!("{one} and {other} cannot be given together")).hint("leave one of them away")
}

fn no_value(error: &clap::Error) -> CommandError {
    let flag = flag(error, ContextKind::InvalidArg);
    CommandError::usage(format!(
        "{flag} is a switch: it takes no value, and `{}` was given",
        text(error, ContextKind::InvalidValue)
    ))
    .hint(format!("{flag} alone switches it on; to leave it off, leave it away"))
}

fn not_utf8(arguments: &[OsString]) -> CommandError {
    let before = std::iter::once("".into()).chain(arguments.iter().map(|argument| argument.to_string_lossy()));
    let wrong = before.zip(arguments).filter(|(_, of)| of.to_str().is_none());
    let shown = |(before, of): (Cow<'_, str>, &OsString)| {
        let text = of.to_string_lossy();
        let masked = masked_word(&before, &text);
        if masked == text { format!("{of:?}") } else { masked }
    };
    let wrong: Vec<String> = wrong.map(shown).collect();
    CommandError::usage(format!("not UTF-8: {}", wrong.join(", "))).hint("all arguments have to be UTF-8")
}

/// What else there may be.
fn in_its_words(error: &clap::Error) -> CommandError {
    let text = error.render().to_string();
    let first = text.trim().split("\n\n").next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    CommandError::usage(message.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Nothing says what is to be done: that is a question for the help.
fn command_missing(heard: &Heard<'_>, error: &clap::Error, output: &Output) -> u8 {
    let told = CommandError::usage("no command is given").hint(heard.help());
    if output.format() != OutputFormat::Table || error.kind() == ErrorKind::MissingSubcommand {
        return output.error(&heard.name(), &told);
    }
    if let Err(untold) = error.print() {
        tracing::debug!(%untold, "the help could not be written");
    }
    told.kind.exit_code()
}

/// How to speak when the arguments could not be parsed: as far as they can be read.
fn asked_output(arguments: &[OsString], caller: &Caller<'_>) -> Output {
    let Caller { program, environment, .. } = caller;
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let mut given = Given::default();
    for (at, text) in texts.iter().enumerate() {
        let next = texts.get(at + 1).copied();
        let value = match *text {
            "-o" | "--output" => next,
            _ => text.strip_prefix("--output=").or_else(|| text.strip_prefix("-o")),
        };
        if let Some(value) = value {
            given.set(&settings::table::OUTPUT, vec![value.trim_start_matches('=').to_owned()]);
        }
    }
    screen(program, &Layers::without_file(given, *environment)).unwrap_or_else(|_| plain(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_are_not_understood_still_say_which_command_is_meant() {
        for (arguments, expected) in [
            (&["redrive", "errors", "list", "-o", "json", "--nosuch"][..], "errors list"),
            (&["redrive", "-o", "json", "consume", "--nosuch"], "consume"),
            (&["redrive", "errors", "-o", "json"], "errors"),
            (&["redrive", "--nosuch"], "redrive"),
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(Heard::of(&arguments, "redrive").name(), expected);
        }
    }
}
