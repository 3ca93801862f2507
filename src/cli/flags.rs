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

fn of(scope: Scope) -> impl Iterator<Item = Setting> {
    table::ALL.into_iter().filter(move |setting| setting.scope == scope)
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
        Kind::One => arg.value_name(setting.value).action(ArgAction::Set),
        Kind::Many | Kind::Names => arg.value_name(setting.value).action(ArgAction::Append),
        Kind::Switch => arg.action(ArgAction::SetTrue),
        Kind::Count => arg.action(ArgAction::Count),
    }
}

fn given(matches: &ArgMatches, scope: Scope) -> Given {
    let mut given = Given::default();
    for setting in of(scope) {
        if matches.value_source(setting.name) != Some(clap::parser::ValueSource::CommandLine) {
            continue;
        }
        let values = match setting.kind {
            Kind::Switch => vec!["true".to_owned()],
            Kind::Count => vec![matches.get_count(setting.name).to_string()],
            Kind::One | Kind::Many | Kind::Names => {
                matches.get_many::<String>(setting.name).into_iter().flatten().cloned().collect()
            }
        };
        given.set(&setting, values);
    }
    given
}

macro_rules! flags_of {
    ($flags:ident, $scope:expr) => {
        impl Args for $flags {
            fn augment_args(command: Command) -> Command {
                command.args(of($scope).map(flag))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $flags {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(given(matches, $scope)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = given(matches, $scope);
                Ok(())
            }
        }
    };
}

flags_of!(GlobalFlags, Scope::Global);
flags_of!(ConsumeFlags, Scope::Consume);
