//! `redrive policy explain`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::heading;
use crate::cli::policy::explained::{Explained, ExplainedJson};
use crate::cli::policy::listing::{self, Behind, RuleJson};
use crate::cli::session::Session;
use crate::cli::word;
use crate::journal::{FailureItem, FailureSelection, Named, Reader, Window};
use crate::policy::BuiltIn;
use crate::settings::{OutputFormat, PolicySettings};

pub(super) const NAME: &str = "policy explain";
pub(super) const HELP: &str = "\
Without an entry, all rules are listed: those of the settings file, then the
built-in ones. Of an entry it says which rule decided about its latest attempt,
and which one would decide now; with --rules, which one of another file. How
often it was tried, and a Retry-After, are not asked about.
Examples:
  redrive policy explain
  redrive policy explain 42
  redrive policy explain --last 1000 --rules new.toml
  redrive policy explain --last 1000 -o jsonl | jq -r .would.name | sort | uniq -c
Exit status: 0 done, 1 the journal cannot be read, 2 usage, no journal or a rule
that means nothing.";

/// Each is read and shown.
const MOST: i64 = 100_000;
/// Read at a time.
const PAGE: usize = 1_000;

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// Entries, by their IDs as the list has them
    #[arg(value_name = "ID", value_parser = word::number::<i64>(1, i64::MAX))]
    ids: Vec<i64>,
    /// The last N entries
    #[arg(long, value_name = "N", conflicts_with = "ids", value_parser = word::number::<usize>(1, MOST))]
    last: Option<usize>,
    /// Settings file with the rules that would decide [default: --config, or redrive.toml]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

pub(super) fn run(args: &ExplainArgs, session: &Session<'_>) -> Result<u8, CommandError> {
    let settings = match &args.rules {
        Some(path) => PolicySettings::of_file(&session.layers, path, &session.receivers)?,
        None => PolicySettings::read(&session.layers, &session.receivers),
    };
    if args.ids.is_empty() && args.last.is_none() {
        settings.check(&[])?;
        return list(args, &settings, session).map(|()| 0);
    }
    let reader = Reader::open(&session.journal())?;
    check(&settings, &reader, session)?;
    let entries = match args.last {
        Some(count) => last(&reader, count)?,
        None => once(&args.ids).map(|id| one(&reader, id, session)).collect::<Result<_, _>>()?,
    };
    let explained = Explained::new(&entries, &settings.rules);
    let output = &session.output;
    if output.format() == OutputFormat::Table {
        let screen = output.screen();
        let mut lines = screen.join([heading::journal(output.journal(&reader)), source(&settings)]);
        lines.extend(explained.lines(screen));
        lines.extend(screen.join([format!("what each rule says: {}", next(args, session, &[]))]));
        output.lines(lines)?;
    } else {
        let items: Vec<ExplainedJson<'_>> = explained.items().collect();
        output.items(NAME, Some(output.journal(&reader)), &items, None)?;
    }
    Ok(0)
}

/// A rule may be about a receiver that is here no more, but has entries.
fn check(settings: &PolicySettings, reader: &Reader, session: &Session<'_>) -> Result<(), CommandError> {
    let mut others = PolicySettings::read(&session.layers, &session.receivers).receivers;
    others.extend(reader.all(Named::Receiver)?);
    Ok(settings.check(&others)?)
}

/// The same entry again is no other one.
fn once(ids: &[i64]) -> impl Iterator<Item = i64> {
    let mut seen = BTreeSet::new();
    ids.iter().copied().filter(move |id| seen.insert(*id))
}

/// The same command with other words, and the same rules.
fn next(args: &ExplainArgs, session: &Session<'_>, words: &[&str]) -> String {
    let rules = args.rules.as_ref().map(|rules| rules.display().to_string());
    let rules = rules.iter().flat_map(|rules| ["--rules", rules]);
    session.command(&["policy", "explain"].into_iter().chain(words.iter().copied()).chain(rules).collect::<Vec<_>>())
}

fn one(reader: &Reader, id: i64, session: &Session<'_>) -> Result<FailureItem, CommandError> {
    let journal = session.output.journal(reader);
    let found = reader.failure(id)?.map(|failure| failure.item);
    found.ok_or_else(|| {
        CommandError::usage(format!("failure {id} is not in the journal {}", journal.path))
            .hint(format!("see which there are: {}", journal.hint("errors list --state open,resolved,ignored")))
    })
}

fn last(reader: &Reader, count: usize) -> Result<Vec<FailureItem>, CommandError> {
    let mut all = Vec::new();
    let mut window = Window { limit: count.min(PAGE), ..Window::default() };
    loop {
        let page = reader.failures(&FailureSelection::default(), window)?;
        all.extend(page.items);
        window.after = all.last().map(|item| item.id);
        window.limit = count.saturating_sub(all.len()).min(PAGE);
        if window.limit == 0 || !page.has_more {
            return Ok(all);
        }
    }
}

fn source(settings: &PolicySettings) -> String {
    match &settings.file {
        Some(file) => format!("rules of {file}, then the built-in ones"),
        None => "no settings file: the built-in rules".to_owned(),
    }
}

fn list(args: &ExplainArgs, settings: &PolicySettings, session: &Session<'_>) -> Result<(), CommandError> {
    let output = &session.output;
    if output.format() != OutputFormat::Table {
        let users = listing::users(&settings.rules).map(RuleJson::of_rule);
        let items: Vec<_> = users.chain(BuiltIn::ALL.map(RuleJson::of_built_in)).collect();
        return output.items(NAME, None, &items, None);
    }
    let screen = output.screen();
    let mut lines = screen.join([source(settings), "the first one that matches decides".to_owned()]);
    lines.extend(listing::table(&settings.rules, Behind::BuiltIn).lines(screen));
    lines.extend(screen.join([format!("on what has failed: {}", next(args, session, &["--last", "1000"]))]));
    output.lines(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_a_set_in_the_order_in_which_they_are_given() {
        assert_eq!(once(&[3, 1, 3, 3, 2, 1]).collect::<Vec<_>>(), [3, 1, 2]);
    }
}
