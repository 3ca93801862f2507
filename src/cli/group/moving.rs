//! What a reset and an undo have in common: the waiting, the preview, and the move itself.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::cli::error::CommandError;
use crate::cli::group::keeping::{Keeping, file_name, who};
use crate::cli::group::plan::{self, Told};
use crate::cli::group::{Means, refusals};
use crate::cli::times;
use crate::engine::ledger::{Ledger as _, RunEnd};
use crate::journal::{Beginning, Reader, Writer};
use crate::offsets::{self, MoveId, Prepared};
use crate::settings::Verbosity;

/// From one look at a group to the next.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(super) struct MoveArgs {
    /// Do it
    #[arg(long)]
    execute: bool,
    /// Why; `group history` shows it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Wait this long for the group's members to go
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait_empty: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    offsets::duration(text).ok_or_else(|| "expected a duration like 10s, 5m or 2h".to_owned())
}

impl MoveArgs {
    /// Until the group has no members, or for as long as the arguments say.
    pub(super) fn wait(&self, group: &str, means: &Means<'_>) -> Result<(), CommandError> {
        let Some(within) = self.wait_empty else { return Ok(()) };
        if means.session.global.verbosity != Verbosity::Quiet {
            let lasts = times::lasted(SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX));
            means
                .session
                .output
                .note(&format!("waits until group {} has no members, for {lasts} at most", offsets::called(group)))?;
        }
        let began = Instant::now();
        offsets::wait_empty(means.admin, group, || {
            let left = within.saturating_sub(began.elapsed());
            thread::park_timeout(left.min(LOOKS_EVERY));
            !left.is_zero()
        })?;
        Ok(())
    }
}

/// Shows what would happen, or makes it happen and shows what did. A journal may have to be waited for, so the group is looked at behind
/// that: the plan is of now.
pub(super) fn finish(
    (name, group): (&'static str, &str),
    (args, reader): (&MoveArgs, Option<&Reader>),
    means: &Means<'_>,
    prepare: impl FnOnce() -> Result<Prepared, CommandError>,
) -> Result<u8, CommandError> {
    let session = means.session;
    if !args.execute {
        let journal = reader.map(|reader| session.output.journal(reader));
        return plan::show(name, &prepare()?, (journal, &Told::Preview), session).map(|()| 0);
    }
    let client_id = session.connection()?.client_id().to_owned();
    let beginning = Beginning { command: "group", group: group.to_owned(), client_id, receivers: Vec::new(), hands: 0 };
    let writer = Writer::open(&session.journal(), &beginning)?;
    let file = means.folder.join(file_name(group, Timestamp::now()));
    let mut keeping = Keeping { writer, file };
    let outcome = prepare().and_then(|prepared| Ok((execute(&prepared, args, &mut keeping, means)?, prepared)));
    let Keeping { mut writer, file } = keeping;
    let (end, code) = match &outcome {
        Ok(_) => (RunEnd::Done, 0),
        Err(error) => (RunEnd::Error, error.kind.exit_code()),
    };
    let uuid = writer.run().journal_uuid.clone();
    let closed = writer.end(end, Some(code));
    let (id, prepared) = outcome?;
    closed?;
    let path = session.global.journal.display().to_string();
    let journal = crate::cli::hint::Journal { program: session.output.program(), path: &path, id: &uuid };
    plan::show(name, &prepared, (Some(journal), &Told::Done { id, file: &file }), session).map(|()| 0)
}

fn execute(prepared: &Prepared, args: &MoveArgs, keeping: &mut Keeping, means: &Means<'_>) -> Result<MoveId, CommandError> {
    let intent = prepared.intent(who(), args.reason.clone());
    let ended = offsets::carry_out(means.admin, keeping, &intent)?;
    refusals::of_end(&ended, &intent, means.session).map_or(Ok(ended.id), Err)
}
