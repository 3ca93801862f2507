//! `redrive group reset`.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;

use crate::cli::error::CommandError;
use crate::cli::flags::GroupFlag;
use crate::cli::group::moving::{self, MoveArgs};
use crate::cli::group::target::TargetFlags;
use crate::cli::group::{Means, plan, refusals};
use crate::cli::session::Session;
use crate::journal::Reader;
use crate::offsets::{self, Beyond, CsvRow, GrammarError, Known, ResetRequest, ResetTarget, Scope, TopicPartition, TopicPick};
use crate::settings;

pub(super) const NAME: &str = "group reset";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive group reset -g shop -t orders --to-datetime 2026-11-23T02:10:00Z
  redrive group reset -g shop -t orders:0,3 --shift-by -100 --execute
  redrive group reset -g shop --all-topics --to-failure --execute \\
      --reason 'billing was broken'
Without --execute nothing is changed. With it, the old offsets go to the journal
and to redrive-undo-GROUP-TIME.csv first, and what was done is read back.
Exit status: 0 done or shown, 1 could not go on or something differs, 2 usage,
5 refused: the group has members, or --strict.";

/// The name of a file that is none.
const STDIN: &str = "-";

#[derive(Args, Debug)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    pub(super) group: GroupFlag,
    /// Topic, or some of its partitions (repeatable)
    #[arg(short = 't', long, value_name = "TOPIC[:P,…]")]
    topic: Vec<String>,
    /// All partitions that the group has committed
    #[arg(long, conflicts_with = "topic")]
    all_topics: bool,
    #[command(flatten)]
    target: TargetFlags,
    /// Refuse offsets outside of the log, instead of moving them to its nearest end
    #[arg(long)]
    strict: bool,
    /// Also for a group that has no offsets yet
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    moving: MoveArgs,
}

/// What the arguments say.
pub(super) struct Asked {
    request: ResetRequest,
    reader: Option<Reader>,
    /// The file that they name, and what it says.
    file: Option<(String, BTreeMap<TopicPartition, CsvRow>)>,
}

impl ResetArgs {
    /// Everything that can be wrong without a broker.
    pub(super) fn asked(&self, session: &Session<'_>) -> Result<Asked, CommandError> {
        let target = self.target.target()?;
        let scope = self.scope(&target)?;
        let group = settings::group(&session.layers)?;
        let mut file = None;
        let aim = target.aim(Timestamp::now(), |name| {
            let named = if name == STDIN { "standard input" } else { name };
            let rows = read_file(name, named)?;
            let offsets = rows.iter().map(|(at, row)| (at.clone(), row.offset)).collect();
            file = Some((named.to_owned(), rows));
            Ok::<_, FileError>(offsets)
        })?;
        let needs_journal = matches!(target, ResetTarget::Failure(_) | ResetTarget::Progress);
        let reader = if needs_journal { Some(Reader::open(&session.journal())?) } else { session.reader()? };
        let beyond = if self.strict { Beyond::Refuse } else { Beyond::Clamp };
        let known = if self.create { Known::OrNot } else { Known::Only };
        Ok(Asked { request: ResetRequest { group, scope, aim, beyond, known }, reader, file })
    }

    fn scope(&self, target: &ResetTarget) -> Result<Scope, CommandError> {
        if self.all_topics {
            return Ok(Scope::All);
        }
        let mut picks = Vec::new();
        for text in &self.topic {
            picks.extend(TopicPick::parse_all(text).map_err(|error| CommandError::usage(format!("--topic: {error}")))?);
        }
        match () {
            () if !picks.is_empty() => Ok(Scope::Topics(picks)),
            () if target.names_partitions() => Ok(Scope::Named),
            () => Err(CommandError::usage("nothing says which partitions are to be moved")
                .hint("some: -t TOPIC, or -t TOPIC:P,P")
                .hint("all that the group has committed: --all-topics")),
        }
    }
}

/// Why the arguments cannot be understood at this moment, or with this file.
struct FileError(CommandError);

impl From<GrammarError> for FileError {
    fn from(error: GrammarError) -> Self {
        Self(CommandError::usage(format!("--by-duration: {error}")))
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> Self {
        error.0
    }
}

/// What a file of this name says; `named`: as messages call it.
fn read_file(name: &str, named: &str) -> Result<BTreeMap<TopicPartition, CsvRow>, FileError> {
    let text = if name == STDIN { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(name) };
    let unreadable =
        |error: std::io::Error| FileError(CommandError::usage(format!("--from-file: {named} cannot be read: {error}")));
    offsets::read_csv(&text.map_err(unreadable)?).map_err(|error| FileError(refusals::of_file(named, &error)))
}

pub(super) fn run(args: &ResetArgs, asked: &Asked, means: &Means<'_>) -> Result<u8, CommandError> {
    let Asked { request, reader, file } = asked;
    args.moving.wait(&request.group, means)?;
    let file = file.as_ref().map(|(name, rows)| (name.as_str(), rows));
    moving::finish((NAME, &request.group), (&args.moving, reader.as_ref()), means, || {
        let prepared = offsets::prepare(means.admin, reader.as_ref(), request);
        let prepared = prepared.map_err(|error| refusals::of_reset(error, file, means.session))?;
        plan::warn(&prepared);
        Ok(prepared)
    })
}
