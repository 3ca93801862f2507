//! `redrive group undo`.

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::flags::GroupFlag;
use crate::cli::group::moving::{self, MoveArgs};
use crate::cli::group::{Means, refusals};
use crate::cli::session::Session;
use crate::cli::word;
use crate::journal::Reader;
use crate::offsets::{self, Force, MoveId, PastMove, called};
use crate::settings;

pub(super) const NAME: &str = "group undo";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive group undo -g shop
  redrive group undo 7 --execute --reason 'it was the wrong topic'
Without --execute nothing is changed. Offset and metadata become what they were,
and where nothing was committed, nothing is. An undo is a move, too: to undo it
is to make the first move again.
Exit status: 0 done or shown, 1 could not go on or something differs, 2 usage or
no such move, 5 refused: the group has members, or has moved on.";

#[derive(Args, Debug)]
pub(super) struct UndoArgs {
    /// The move, as `group history` has it [default: the group's last one]
    #[arg(value_name = "MOVE", value_parser = word::number::<i64>(1, i64::MAX))]
    id: Option<i64>,
    #[command(flatten)]
    pub(super) group: GroupFlag,
    /// Put the old offsets back even where the group has moved on
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    moving: MoveArgs,
}

impl UndoArgs {
    /// The move that is to be taken back.
    pub(super) fn past(&self, session: &Session<'_>) -> Result<(Reader, PastMove), CommandError> {
        let group = settings::maybe_group(&session.layers)?;
        let reader = Reader::open(&session.journal())?;
        let id = match self.id {
            Some(id) => MoveId(id),
            None => newest(&reader, group.as_deref(), session)?,
        };
        let history = || session.command(&["group", "history"]);
        let Some(past) = reader.one_move(id)? else {
            let path = reader.path();
            return Err(CommandError::usage(format!("move {} is not in the journal {path}", id.0))
                .hint(format!("see which there are: {}", history())));
        };
        match group {
            Some(group) if group != past.group => {
                let told =
                    CommandError::usage(format!("move {} is of group {}, not of {}", id.0, called(&past.group), called(&group)));
                Err(told.hint(format!("see which there are: {}", history())))
            }
            _ => Ok((reader, past)),
        }
    }
}

/// The last move of the group, or of the only one that has any.
fn newest(reader: &Reader, group: Option<&str>, session: &Session<'_>) -> Result<MoveId, CommandError> {
    let newest = reader.newest_moves()?;
    let of_group: Vec<_> = newest.iter().filter(|(name, _)| group.is_none_or(|group| group == name)).collect();
    match of_group.as_slice() {
        [(_, id)] => Ok(*id),
        [] => {
            let of = group.map_or_else(String::new, |group| format!(" of group {}", called(group)));
            let told = CommandError::usage(format!("there is no move{of} in the journal {}", reader.path()));
            let meant = group.and_then(|group| settings::nearest(group, newest.iter().map(|(name, _)| name.as_str())));
            Err(match meant {
                Some(meant) => told.hint(format!("did you mean {meant}?")),
                None => told.hint(format!("see which there are: {}", session.command(&["group", "history"]))),
            })
        }
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| called(name)).collect();
            Err(CommandError::usage(format!("there are moves of several groups: {}", names.join(", ")))
                .hint("name the group with -g, or the move"))
        }
    }
}

pub(super) fn run(args: &UndoArgs, (reader, past): (&Reader, &PastMove), means: &Means<'_>) -> Result<u8, CommandError> {
    args.moving.wait(&past.group, means)?;
    let force = if args.force { Force::Yes } else { Force::No };
    moving::finish((NAME, &past.group), (&args.moving, Some(reader)), means, || {
        offsets::prepare_undo(means.admin, reader, past, force).map_err(|error| refusals::of_undo(error, means.session))
    })
}
