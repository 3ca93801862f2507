//! The flags of settings, made from the table of settings: what a flag is called, and what its help says, is written there.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::settings::Given;
use crate::settings::table::{self, Kind, Scope, Setting};

/// What was given of the settings that every command has.
#[derive(Clone, Debug, Default)]
pub(super) struct GlobalFlags(pub(super) Given);

/// What was given of the settings of `consume`.
#[derive(Clone, Debug, Default)]
pub(super) struct ConsumeFlags(pub(super) Given);

/// What was given of the settings of `replay`.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplayFlags(pub(super) Given);

/// What was given of the setting `group`, for commands that take no other setting of `consume`.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupFlag(pub(super) Given);

/// Which settings a command has as flags.
type Has = fn(&Setting) -> bool;

/// What flags mean in `replay`, where it is not what they mean elsewhere: the name of the setting, its value and its help.
const IN_REPLAY: [(&str, &str, &str); 2] = [
    (
        table::GROUP.name,
        "GROUP",
        "The consumer group in whose name it is delivered: one [default: the one that the selection is of]",
    ),
    (
        table::RECEIVER.name,
        "NAME=TARGET|NAME,…",
        "NAME=TARGET, as for consume, says who gets events; NAME alone, several parted by commas, is a filter: entries of these \
         receivers (repeatable)",
    ),
];

fn of(has: Has) -> impl Iterator<Item = Setting> {
    table::ALL.into_iter().filter(has)
}

fn flag(setting: Setting) -> Arg {
    let mut help = setting.help.to_owned();
    if let Some(default) = setting.default {
        help = format!("{help} [default: {default}]");
    }
    if let Some(other) = setting.other_variable {
        help = format!("{help} [env: {other}]");
    }
    let arg = Arg::new(setting.name).long(setting.name).short(setting.short).visible_alias(setting.alias).help(help);
    let arg = if setting.scope == Scope::Global { arg.global(true).help_heading("Global options") } else { arg };
    match setting.kind {
        Kind::One | Kind::Secret => arg.value_name(setting.value).action(ArgAction::Set),
        Kind::Many | Kind::Names => arg.value_name(setting.value).action(ArgAction::Append),
        Kind::Switch => arg.action(ArgAction::SetTrue),
        Kind::Count => arg.action(ArgAction::Count),
    }
}

fn in_replay(arg: Arg) -> Arg {
    let arg = arg.help_heading("Settings (also from the environment and redrive.toml)");
    match IN_REPLAY.into_iter().find(|(name, ..)| arg.get_id() == name) {
        Some((_, value, help)) => arg.value_name(value).help(help),
        None => arg,
    }
}

fn given(matches: &ArgMatches, has: Has) -> Given {
    let mut given = Given::default();
    for setting in of(has) {
        if matches.value_source(setting.name) != Some(clap::parser::ValueSource::CommandLine) {
            continue;
        }
        let values = match setting.kind {
            Kind::Switch => vec!["true".to_owned()],
            Kind::Count => vec![matches.get_count(setting.name).to_string()],
            Kind::One | Kind::Secret | Kind::Many | Kind::Names => {
                matches.get_many::<String>(setting.name).into_iter().flatten().cloned().collect()
            }
        };
        given.set(&setting, values);
    }
    given
}

macro_rules! flags_of {
    ($flags:ident, $has:expr, $flag:expr) => {
        impl Args for $flags {
            fn augment_args(command: Command) -> Command {
                command.args(of($has).map($flag))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $flags {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(given(matches, $has)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = given(matches, $has);
                Ok(())
            }
        }
    };
}

flags_of!(GlobalFlags, |setting| setting.scope == Scope::Global, flag);
flags_of!(ConsumeFlags, |setting| matches!(setting.scope, Scope::Delivery | Scope::Consume), flag);
flags_of!(ReplayFlags, |setting| setting.scope == Scope::Delivery, |setting| in_replay(flag(setting)));
flags_of!(GroupFlag, |setting| setting.name == table::GROUP.name, flag);
