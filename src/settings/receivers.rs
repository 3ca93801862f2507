//! The receivers: those of the file, those of flags or environment, and those that the program brings along, joined by name.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::offsets;
use crate::receiver::{MadeOf, Receivers, Registered, Specification, Target, TargetError};
use crate::record::ReceiverSet;
use crate::settings::error::SettingsError;
use crate::settings::file::ReceiverTable;
use crate::settings::layers::{Found, Layers, Origin};
use crate::settings::properties::{masked, masked_command};
use crate::settings::table::{RECEIVER, RETRIES};
use crate::stage::check_type;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A receiver of which not everything was said yet.
struct Draft<'r> {
    name: String,
    made_of: Option<(MadeOf, String)>,
    types: Vec<String>,
    table: Option<&'r ReceiverTable>,
    origin: Origin,
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
    let retries = layers.one(&RETRIES, number)?;
    drafts.into_iter().map(|draft| finish(draft, retries)).collect()
}

fn add_brought(drafts: &mut Vec<Draft<'_>>, registered: &Registered) -> Result<(), SettingsError> {
    let Registered { name, types, receiver } = registered;
    check_name(name, &Origin::Program)?;
    if drafts.iter().any(|draft| draft.name == *name) {
        return Err(wrong(name, "it is there twice", &Origin::Program));
    }
    let made_of = Some((MadeOf::Function(receiver.clone()), "a function of this program".to_owned()));
    drafts.push(Draft { name: name.clone(), made_of, types: types.clone(), table: None, origin: Origin::Program });
    Ok(())
}

fn add_table<'r>(drafts: &mut Vec<Draft<'r>>, table: &'r ReceiverTable) -> Result<(), SettingsError> {
    let origin = &table.origin;
    let name = table.one("name").ok_or_else(|| wrong("?", "it has no name", origin))?;
    check_name(name, origin)?;
    let made_of = match table.many("target") {
        [] => None,
        [kind, words @ ..] if table.is_target_in_words => {
            Some(target(name, Target::from_words(kind, words.to_vec()), &format!("{kind}:{}", words.join(" ")), origin)?)
        }
        [text, ..] => Some(target(name, Target::parse(text), text, origin)?),
    };
    let types = table.many("types").to_vec();
    match drafts.iter_mut().find(|draft| draft.name == name) {
        Some(draft) if draft.table.is_some() => return Err(wrong(name, "it is there twice", origin)),
        Some(draft) => {
            // Of a receiver that the program brings along, the file may change how it is run.
            draft.made_of = made_of.or(draft.made_of.take());
            draft.types = if types.is_empty() { std::mem::take(&mut draft.types) } else { types };
            draft.table = Some(table);
        }
        None => drafts.push(Draft { name: name.to_owned(), made_of, types, table: Some(table), origin: origin.clone() }),
    }
    Ok(())
}

fn add_targets(drafts: &mut Vec<Draft<'_>>, found: &Found) -> Result<(), SettingsError> {
    let Found { values, origin } = found;
    for (at, text) in values.iter().enumerate() {
        let (name, text) = text
            .split_once('=')
            .ok_or_else(|| wrong(&masked(text), "expected NAME=TARGET, for example audit=file:audit.jsonl", origin))?;
        check_name(name, origin)?;
        if values.iter().take(at).any(|other| other.split_once('=').is_some_and(|(other, _)| other == name)) {
            return Err(wrong(name, "it is there twice", origin));
        }
        let made_of = Some(target(name, Target::parse(text), text, origin)?);
        match drafts.iter_mut().find(|draft| draft.name == name) {
            Some(draft) => draft.made_of = made_of,
            None => drafts.push(Draft { name: name.to_owned(), made_of, types: Vec::new(), table: None, origin: origin.clone() }),
        }
    }
    Ok(())
}

fn target(name: &str, target: Result<Target, TargetError>, text: &str, origin: &Origin) -> Result<(MadeOf, String), SettingsError> {
    let target = target.map_err(|error| wrong(name, &masked(&error.to_string()), origin))?;
    let definition = match &target {
        Target::Exec(words) => masked_command(words).map(|command| format!("exec:{command}")),
        Target::Run(words) => masked_command(words).map(|command| format!("run:{command}")),
        _ => None,
    };
    let definition = definition.unwrap_or_else(|| masked(text));
    Ok((MadeOf::Target(target), definition))
}

fn finish(draft: Draft<'_>, retries: u32) -> Result<Specification, SettingsError> {
    let Draft { name, made_of, types, table, origin } = draft;
    let Some((made_of, definition)) = made_of else {
        return Err(wrong(
            &name,
            "it has no target: add target = \"exec:PROGRAM ARGS…\", or another one of the kinds that `consume --help` names",
            &origin,
        ));
    };
    let own_types = table.filter(|table| !table.many("types").is_empty());
    let origin_of_types = own_types.map_or(&origin, |table| &table.origin);
    types.iter().try_for_each(|of| check_type(of).map_err(|error| wrong(&name, &error.to_string(), origin_of_types)))?;
    // Whatever else is said of it stands in its table.
    let origin = table.map_or(&origin, |table| &table.origin);
    let one = |key: &str| table.and_then(|table| table.one(key));
    let read = |key: &'static str, expected: &str, given: &str| SettingsError::Invalid {
        name: format!("{key} of receiver {name}"),
        given: given.to_owned(),
        origin: origin.clone(),
        expected: expected.to_owned(),
    };
    if let Some(other) = one("on_outage").filter(|what| *what != "journal") {
        return Err(read("on_outage", "journal (an entry per event)", other));
    }
    let timeout = one("timeout").map_or(Ok(TIMEOUT), |text| {
        offsets::duration(text).filter(|of| !of.is_zero()).ok_or_else(|| read("timeout", "a duration like 500ms, 30s or 5m", text))
    })?;
    let count = |key: &'static str| {
        one(key).map_or(Ok(NonZeroUsize::MIN), |text| text.parse().map_err(|_| read(key, "a whole number from 1", text)))
    };
    let retries = one("retries").map_or(Ok(retries), |text| number(text).map_err(|expected| read("retries", &expected, text)))?;
    let (window, processes) = (count("window")?, count("processes")?);
    Ok(Specification { name, made_of, definition, types, timeout, retries, window, processes })
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
    Err(wrong(name, "its name must be of a-z, 0-9, _ and -, beginning with a letter or digit, at most 63 long", origin))
}

fn wrong(name: &str, message: &str, origin: &Origin) -> SettingsError {
    SettingsError::Receiver { name: name.to_owned(), message: message.to_owned(), origin: origin.clone() }
}
