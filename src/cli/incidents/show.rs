//! `redrive incidents show`.

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::escape::{escape, escape_lines};
use crate::cli::incidents::{offsets_of, paint, place_of};
use crate::cli::json::IncidentJson;
use crate::cli::numbers::grouped;
use crate::cli::output::Output;
use crate::cli::screen::Screen;
use crate::cli::sheet::Sheet;
use crate::cli::{times, word};
use crate::journal::{IncidentItem, Place, Reader};
use crate::settings::OutputFormat;

pub(super) const NAME: &str = "incidents show";

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// The incident's ID, as the list has it
    #[arg(value_parser = word::number::<i64>(1, i64::MAX))]
    id: i64,
}

pub(super) fn run(args: &ShowArgs, place: &Place, output: &Output) -> Result<u8, CommandError> {
    let reader = Reader::open(place)?;
    let incident = reader.incident(args.id)?.ok_or_else(|| {
        let journal = output.journal(&reader);
        CommandError::usage(format!("incident {} is not in the journal {}", args.id, journal.path))
            .hint(format!("see which there are: {}", journal.hint("incidents list --state open,ended,acked")))
    })?;
    if output.format() == OutputFormat::Table {
        output.lines(lines(&incident, output.screen()))?;
    } else {
        output.items(NAME, Some(output.journal(&reader)), &[IncidentJson::of(&incident)], None)?;
    }
    Ok(0)
}

pub(super) fn lines(item: &IncidentItem, screen: Screen) -> Vec<String> {
    let state = screen.paint(item.state.as_str(), paint(item.state)).into_owned();
    let mut sheet = Sheet::headed(screen.join([format!("incident {}", item.id), state, escape(&item.kind).into_owned()]));
    let named = |name: &str, value: String| (!value.is_empty()).then(|| format!("{name} {}", escape(&value)));
    let place = place_of(item);
    let mut parts = vec![format!("group {}", escape(&item.group))];
    parts.extend((!place.is_empty()).then(|| escape(&place).into_owned()));
    parts.extend(named("offsets", offsets_of(item)));
    parts.extend(named("receiver", item.receiver.clone().unwrap_or_default()));
    sheet.part("where", screen.join(parts));
    sheet.part("what", escape_lines(&item.message));
    let (first, last) = (times::second(item.first_at_us), times::second(item.last_at_us));
    let seen = if item.count == 1 { first } else { format!("{} times, from {first} to {last}", grouped(item.count)) };
    let ended = item.ended_at_us.map(|at| format!("ended {}", times::second(at)));
    sheet.part("seen", screen.join([Some(seen), ended].into_iter().flatten()));
    if item.data.as_object().is_some_and(|data| !data.is_empty()) {
        sheet.part("data", escape_lines(&format!("{:#}", item.data)));
    }
    sheet.into_lines()
}
