//! The flags that say where a group is to go: exactly one of them.

use clap::builder::Arg;
use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::error::CommandError;
use crate::offsets::{GrammarError, ResetTarget};

/// A target as a flag.
struct Flag {
    name: &'static str,
    /// What its value is called; empty: it has none.
    value: &'static str,
    help: &'static str,
}

const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value, help }
}

const FLAGS: [Flag; 10] = [
    flag("to-earliest", "", "To the first offset that the log still has"),
    flag("to-latest", "", "To the end of the log"),
    flag("to-offset", "N", "To this offset"),
    flag("to-datetime", "TIME", "To the first record at or after this time (RFC 3339, with a zone)"),
    flag(AGO, "DURATION", "To the first record that is at most this old: PnDTnHnMnS, or 2h, 7d"),
    flag("shift-by", "N", "So many offsets on, or back when it is below 0"),
    flag("to-current", "", "To where it is; to the end where nothing is committed"),
    flag("from-file", "CSV", "To the offsets in a file (-: standard input), one topic,partition,offset a line"),
    flag(ENTRY, "ID", "To the oldest open entry of each partition, or to that entry"),
    flag("to-progress", "", "To where this journal saw the group last"),
];

/// Its value may be left away.
const ENTRY: &str = "to-failure";
const AGO: &str = "by-duration";

/// What was given of targets: the flag, and its value.
#[derive(Clone, Debug, Default)]
pub(super) struct TargetFlags(Vec<(&'static str, Option<String>)>);

impl Args for TargetFlags {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.map(|Flag { name, value, help }| {
            let arg = Arg::new(name).long(name).help(help).help_heading("Where to (exactly one)");
            match value {
                "" => arg.action(ArgAction::SetTrue),
                _ if name == ENTRY => arg.value_name(value).num_args(0..=1),
                // What is wrong with a sign, the duration says itself.
                _ if name == AGO => arg.value_name(value).allow_hyphen_values(true),
                _ => arg.value_name(value),
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TargetFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = FLAGS.iter().filter(|flag| matches.value_source(flag.name) == Some(clap::parser::ValueSource::CommandLine));
        let value = |flag: &Flag| match flag.value {
            "" => None,
            _ => matches.get_one::<String>(flag.name).cloned(),
        };
        Ok(Self(given.map(|flag| (flag.name, value(flag))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl TargetFlags {
    pub(super) fn target(&self) -> Result<ResetTarget, CommandError> {
        let (name, value) = match self.0.as_slice() {
            [one] => one,
            [] => return Err(CommandError::usage("nothing says where the group is to go").hint(all())),
            several => {
                let named: Vec<String> = several.iter().map(|(name, _)| format!("--{name}")).collect();
                return Err(CommandError::usage(format!("{} cannot be given together", named.join(" and "))).hint(all()));
            }
        };
        let read = |parse: fn(&str) -> Result<ResetTarget, GrammarError>| {
            parse(value.as_deref().unwrap_or_default()).map_err(|error| CommandError::usage(format!("--{name}: {error}")))
        };
        match *name {
            "to-earliest" => Ok(ResetTarget::Earliest),
            "to-latest" => Ok(ResetTarget::Latest),
            "to-offset" => read(ResetTarget::offset),
            "to-datetime" => read(ResetTarget::time),
            AGO => read(ResetTarget::ago),
            "shift-by" => read(ResetTarget::shift),
            "to-current" => Ok(ResetTarget::Current),
            "from-file" => Ok(ResetTarget::File(value.clone().unwrap_or_default())),
            ENTRY => read(ResetTarget::failure),
            _ => Ok(ResetTarget::Progress),
        }
    }
}

fn all() -> String {
    let names: Vec<String> = FLAGS.iter().map(|flag| format!("--{}", flag.name)).collect();
    format!("give exactly one of {}", names.join(" "))
}
