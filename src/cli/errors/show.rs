//! `redrive errors show`.

use clap::Args;

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::errors::decoded::Decoded;
use crate::cli::errors::parts::Shown;
use crate::cli::errors::payload::Payload;
use crate::cli::escape::is_fit;
use crate::cli::hint::Journal;
use crate::cli::json::FailureJson;
use crate::cli::output::{Output, Stop};
use crate::cli::word;
use crate::journal::{FailureDetail, Place, Reader};
use crate::settings::OutputFormat;

pub(super) const NAME: &str = "errors show";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive errors show 42 --around 5
  redrive errors show 42 --raw > value.bin
  redrive errors show 42 -o json | jq '.items[0].headers'
Exit status: 0 done, 1 the journal cannot be read, 2 usage, no journal or no such failure, 5 --raw refused.";

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// The failure's ID, as the list has it
    #[arg(value_parser = word::number::<i64>(1, i64::MAX))]
    id: i64,
    /// How the value is shown on the screen [default: json if it is JSON or its schema is kept, else text if it is UTF-8, else hex; at most 16 KiB]
    #[arg(long, value_name = "FORM", value_parser = word::one_of(Payload::ALL, Payload::as_str))]
    payload: Option<Payload>,
    /// Write the value's bytes to stdout, and nothing else, whatever the output format
    #[arg(long, conflicts_with_all = ["payload", "around"])]
    raw: bool,
    /// With the N failures before and behind it in its partition, and the ranges that were settled there
    #[arg(long, value_name = "N", value_parser = word::number::<u32>(1, 1_000))]
    around: Option<u32>,
}

pub(super) fn run(args: &ShowArgs, place: &Place, output: &Output) -> Result<u8, CommandError> {
    let reader = Reader::open(place)?;
    let journal = output.journal(&reader);
    let failure = reader.failure(args.id)?.ok_or_else(|| {
        CommandError::usage(format!("failure {} is not in the journal {}", args.id, journal.path))
            .hint(format!("see which there are: {}", journal.hint("errors list --state open,resolved,ignored")))
    })?;
    if args.raw {
        return raw(&failure, journal, output).map(|()| 0);
    }
    let around = args.around.map(|count| reader.around(args.id, count)).transpose()?;
    let decoded = Decoded::of(&failure, &reader)?;
    if output.format() == OutputFormat::Table {
        let shown = Shown { failure: &failure, decoded: &decoded, around: around.as_ref(), payload: args.payload, journal };
        output.lines(shown.lines(output.screen()))?;
    } else {
        let item = FailureJson::whole(&failure).decoded(&decoded);
        let item = match &around {
            Some((failures, progress)) => item.around(failures, progress),
            None => item,
        };
        output.items(NAME, Some(journal), &[item], None)?;
    }
    Ok(0)
}

/// The bytes as they came in.
fn raw(failure: &FailureDetail, journal: Journal<'_>, output: &Output) -> Result<(), CommandError> {
    let id = failure.item.id;
    if failure.is_value_gone {
        return Err(CommandError::usage(format!("the value of failure {id} is not in the journal any more")));
    }
    let Some(value) = &failure.value else {
        return output.note(&format!("the value of failure {id} is null: a tombstone"));
    };
    if output.screen().is_terminal() && !is_fit(&value.0) {
        let message = format!("the value of failure {id} has bytes that a terminal would act on");
        let show = format!("errors show {id}");
        return Err(CommandError::new(ErrorKind::Refused, message)
            .hint(format!("write it to a file: {} > FILE", journal.hint(&format!("{show} --raw"))))
            .hint(format!("look at it: {}", journal.hint(&format!("{show} --payload hex")))));
    }
    output.print(|out| out.write_all(&value.0).map_err(Stop::Io))
}
