//! The receivers: those of the file, those of flags or environment, and those that the program brings along, joined by name.
//!
//! `keys` has every key once; `told` is what is said of one receiver.

mod endpoint;
pub(super) mod keys;
mod outage;
mod shown;
#[cfg(test)]
mod tests;
pub(super) mod told;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::event::TypePattern;
use crate::offsets;
use crate::receiver::{Endpoint, MadeOf, OnOutage, Receivers, Registered, Specification, Target, TargetError};
use crate::record::ReceiverSet;
use crate::settings::error::SettingsError;
use crate::settings::file::ReceiverTable;
use crate::settings::layers::{Found, Layers, Origin};
use crate::settings::receivers::told::{ReceiverOption, Told};
use crate::settings::table::{RECEIVER, RETRIES};
use crate::settings::{delivery, did_you_mean};

const TWICE: &str = "it is there twice: each needs a name of its own";

/// A receiver of which not everything was said yet.
struct Draft<'r> {
    name: String,
    made_of: Option<(MadeOf, String)>,
    /// Of a function; what is said of its types goes over it.
    types: Vec<String>,
    table: Option<&'r ReceiverTable>,
    origin: Origin,
    /// The scheme that the table's keys are meant for: none when its target is from elsewhere.
    table_scheme: Option<String>,
}

/// All receivers: those of the program first, then the file's, then the others, each in its own order. A target that flags or
/// environment give to a name of the file replaces the file's; all else that the file says of it stays.
pub(super) fn read(layers: &Layers<'_>, brought: &Receivers) -> Result<Vec<Specification>, SettingsError> {
    let mut drafts = Vec::new();
    for registered in brought.iter() {
        add_brought(&mut drafts, registered)?;
    }
    for table in layers.file.iter().flat_map(|file| &file.receivers) {
        add_table(&mut drafts, table)?;
    }
    if let Some(found) = layers.find(&RECEIVER) {
        add_targets(&mut drafts, &found)?;
    }
    if drafts.is_empty() {
        return Err(SettingsError::NoReceiver);
    }
    if drafts.len() > ReceiverSet::MAX {
        return Err(SettingsError::TooManyReceivers { found: drafts.len() });
    }
    let options = ReceiverOption::all(layers)?;
    check_names(&options, &drafts)?;
    let by_default = outage::by_default(drafts.len(), delivery::order(layers)?);
    drafts.into_iter().map(|draft| finish(draft, &options, layers, by_default)).collect()
}

/// The names of all of them, whatever else is said of each.
pub(super) fn names(layers: &Layers<'_>, brought: &Receivers) -> Vec<String> {
    let given = layers.find(&RECEIVER).map(|found| found.values).unwrap_or_default();
    let given = given.iter().filter_map(|text| text.split_once('=')).map(|(name, _)| name);
    let tables = layers.file.iter().flat_map(|file| &file.receivers).filter_map(|table| table.one("name"));
    brought.iter().map(|registered| registered.name.as_str()).chain(tables).chain(given).map(str::to_owned).collect()
}

/// Options are for receivers that are there.
fn check_names(options: &[ReceiverOption], drafts: &[Draft<'_>]) -> Result<(), SettingsError> {
    let names = || drafts.iter().map(|draft| draft.name.as_str());
    let Some(stray) = options.iter().find(|option| names().all(|name| name != option.receiver)) else { return Ok(()) };
    let meant = did_you_mean(&stray.receiver, names());
    let there = if meant.is_empty() { format!(": expected {}", names().collect::<Vec<_>>().join(", ")) } else { meant };
    let message = format!("there is no such receiver{there}");
    Err(SettingsError::Receiver { name: stray.receiver.clone(), message, origin: stray.origin.clone() })
}

fn add_brought(drafts: &mut Vec<Draft<'_>>, registered: &Registered) -> Result<(), SettingsError> {
    let Registered { name, types, receiver } = registered;
    check_name(name, &Origin::Program)?;
    if drafts.iter().any(|draft| draft.name == *name) {
        return Err(wrong(name, TWICE, &Origin::Program));
    }
    let made_of = Some((MadeOf::Function(receiver.clone()), "a function of this program".to_owned()));
    drafts.push(Draft {
        name: name.clone(),
        made_of,
        types: types.clone(),
        table: None,
        origin: Origin::Program,
        table_scheme: None,
    });
    Ok(())
}

fn add_table<'r>(drafts: &mut Vec<Draft<'r>>, table: &'r ReceiverTable) -> Result<(), SettingsError> {
    let origin = &table.origin;
    let name = table.one("name").ok_or_else(|| wrong("?", "it has no name: add name = \"NAME\"", origin))?;
    check_name(name, origin)?;
    let made_of = match table.many("target") {
        [] => None,
        [kind, words @ ..] if table.is_target_in_words => {
            Some(target(name, Target::from_words(kind, words.to_vec()), &format!("{kind}:{}", words.join(" ")), origin)?)
        }
        [text, ..] => Some(target(name, Target::parse(text), text, origin)?),
    };
    let table_scheme = made_of.as_ref().map(|(made_of, _)| scheme(made_of).to_owned());
    match drafts.iter_mut().find(|draft| draft.name == name) {
        Some(draft) if draft.table.is_some() => return Err(wrong(name, TWICE, origin)),
        Some(draft) => {
            // Of a receiver that the program brings along, the file may change how it is run.
            draft.made_of = made_of.or(draft.made_of.take());
            draft.table_scheme = draft.made_of.as_ref().map(|(made_of, _)| scheme(made_of).to_owned());
            draft.table = Some(table);
        }
        None => {
            let (name, origin) = (name.to_owned(), origin.clone());
            drafts.push(Draft { name, made_of, types: Vec::new(), table: Some(table), origin, table_scheme });
        }
    }
    Ok(())
}

fn add_targets(drafts: &mut Vec<Draft<'_>>, found: &Found) -> Result<(), SettingsError> {
    let Found { values, origin } = found;
    for (at, text) in values.iter().enumerate() {
        // What has a colon before its first `=` is a target alone: a URL, a command.
        let (name, text) = text
            .split_once('=')
            .filter(|(name, _)| !name.contains(':'))
            .ok_or_else(|| wrong(&format!("`{}`", shown::words(text)), &shown::not_named(text), origin))?;
        check_name(name, origin)?;
        if values.iter().take(at).any(|other| other.split_once('=').is_some_and(|(other, _)| other == name)) {
            return Err(wrong(name, TWICE, origin));
        }
        let made_of = Some(target(name, Target::parse(text), text, origin)?);
        match drafts.iter_mut().find(|draft| draft.name == name) {
            Some(draft) => {
                draft.made_of = made_of;
                draft.table_scheme = None;
            }
            None => {
                let (name, origin) = (name.to_owned(), origin.clone());
                drafts.push(Draft { name, made_of, types: Vec::new(), table: None, origin, table_scheme: None });
            }
        }
    }
    Ok(())
}

fn target(name: &str, target: Result<Target, TargetError>, text: &str, origin: &Origin) -> Result<(MadeOf, String), SettingsError> {
    let target = target.map_err(|error| wrong(name, &shown::refusal(&error), origin))?;
    let definition = shown::definition(&target, text);
    Ok((MadeOf::Target(target), definition))
}

fn finish(
    draft: Draft<'_>,
    options: &[ReceiverOption],
    layers: &Layers<'_>,
    by_default: OnOutage,
) -> Result<Specification, SettingsError> {
    let Draft { name, made_of, types, table, origin, table_scheme } = draft;
    let Some((made_of, definition)) = made_of else {
        return Err(wrong(
            &name,
            "it has no target: add target = \"exec:PROGRAM ARGS…\", or another kind (consume --help has them)",
            &origin,
        ));
    };
    let told = Told { name: &name, table, options };
    told.check(scheme(&made_of), table_scheme.as_deref())?;
    let (types, origin) = told.of(&keys::TYPES).map_or((types, origin), |said| (said.values, said.origin));
    types.iter().try_for_each(|of| TypePattern::parse(of).map(drop).map_err(|error| wrong(&name, &error.to_string(), &origin)))?;
    let on_outage = told.read(&keys::ON_OUTAGE, outage::read)?.unwrap_or(by_default);
    let retries = match told.read(&keys::RETRIES, number)? {
        Some(retries) => retries,
        None => layers.one(&RETRIES, number)?,
    };
    let (timeout, window, processes) =
        (told.one(&keys::TIMEOUT, timeout)?, told.one(&keys::WINDOW, count)?, told.one(&keys::PROCESSES, count)?);
    let made_of = match made_of {
        MadeOf::Target(Target::Http(at)) => {
            let endpoint: Endpoint = endpoint::complete(*at, &told, layers)?;
            MadeOf::Target(Target::Http(Box::new(endpoint)))
        }
        other => other,
    };
    Ok(Specification { name, made_of, definition, types, timeout, retries, on_outage, window, processes })
}

/// A function of the program has none of its own.
pub(super) fn scheme(made_of: &MadeOf) -> &str {
    match made_of {
        MadeOf::Target(target) => target.scheme(),
        MadeOf::Function(_) => "a function of this program",
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    offsets::duration(text).filter(|of| !of.is_zero()).ok_or_else(|| "a duration like 500ms, 30s or 5m".to_owned())
}

fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number from 1".to_owned())
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a whole number from 0".to_owned())
}

fn check_name(name: &str, origin: &Origin) -> Result<(), SettingsError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins = name.bytes().next().is_some_and(is_plain);
    if begins && name.len() <= 63 && name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'_' | b'-')) {
        return Ok(());
    }
    let expected = "its name must be of a-z, 0-9, _ and -, beginning with a letter or digit, at most 63 long";
    Err(wrong(&shown::words(name), expected, origin))
}

fn wrong(name: &str, message: &str, origin: &Origin) -> SettingsError {
    SettingsError::Receiver { name: name.to_owned(), message: message.to_owned(), origin: origin.clone() }
}
