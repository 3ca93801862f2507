//! `redrive policy check`.

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::escape::escape;
use crate::cli::numbers::counted;
use crate::cli::policy::listing::{self, RuleJson};
use crate::cli::session::Session;
use crate::policy::Shadowed;
use crate::settings::{Given, OutputFormat, PolicySettings, table};

pub(super) const NAME: &str = "policy check";
pub(super) const HELP: &str = "\
A rule may be about the receivers of the file, of the environment and of this
program; where there are none, their names are not checked. A rule that can
never match, because one before it matches all that it is about, is a warning.
Examples:
  redrive policy check
  redrive policy check new.toml && redrive policy explain --last 1000 --rules new.toml
Exit status: 0 all of it is right, 2 something means nothing, or there is no file.";

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Settings file with the rules [default: --config, or redrive.toml]
    #[arg(value_name = "FILE")]
    file: Option<String>,
}

impl CheckArgs {
    /// The file is read as the settings file.
    pub(super) fn settings(&self) -> Given {
        let mut given = Given::default();
        self.file.iter().for_each(|file| given.set_argument(&table::CONFIG, "FILE", file.clone()));
        given
    }
}

/// What is wrong was told when the file was read, but for receivers that are not there.
pub(super) fn run(args: &CheckArgs, session: &Session<'_>) -> Result<u8, CommandError> {
    let settings = PolicySettings::read(&session.layers, &session.receivers);
    let Some(file) = &settings.file else {
        return Err(CommandError::usage("there is no settings file to check: no --config, and no redrive.toml here")
            .hint(format!("name it: {} policy check FILE", session.output.program())));
    };
    settings.check(&[])?;
    let output = &session.output;
    let warnings: Vec<String> = settings.rules.shadowed().into_iter().map(warning).collect();
    if output.format() != OutputFormat::Table {
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let items: Vec<_> = listing::users(&settings.rules).map(RuleJson::of_rule).collect();
        output.items(NAME, None, &items, None)?;
        return Ok(0);
    }
    let count = settings.rules.iter().count();
    let found = match warnings.len() {
        0 => "nothing is wrong".to_owned(),
        some => counted(some as u64, "warning"),
    };
    let mut lines = output.screen().join([format!("{} of {file}", counted(count as u64, "rule")), found]);
    lines.extend(warnings.iter().map(|warning| format!("warning: {}", escape(warning))));
    if count > 0 {
        lines.extend(listing::table(&settings.rules, listing::Behind::Nothing).lines(output.screen()));
    }
    let mut words = vec!["policy", "explain", "--last", "1000"];
    words.extend(args.file.iter().flat_map(|file| ["--rules", file]));
    lines.extend(
        output.screen().join([
            "behind them are the built-in ones".to_owned(),
            format!("what they would have done: {}", session.command(&words)),
        ]),
    );
    output.lines(lines)?;
    Ok(0)
}

/// A rule that is never asked is right, and most likely not what was meant.
fn warning(Shadowed { rule, by }: Shadowed<'_>) -> String {
    let (name, before) = (&rule.name, &by.name);
    format!(
        "rule `{name}` ({}) can never match: `{before}` (line {}) goes before it, and matches all that it is about",
        rule.place(),
        by.line
    )
}
