//! Where old offsets are kept before a group is moved: in a file that can be read again, and in the journal.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use jiff::Timestamp;
use thiserror::Error;

use crate::cli::error::{CommandError, ErrorKind};
use crate::engine::ledger::LedgerError;
use crate::journal::Writer;
use crate::offsets::{Found, GroupOffset, Intent, MoveId, MoveLog, MoveState, called, write_csv};
use crate::settings::environment;

/// So much of a group's name is in the name of its file.
const LONGEST: usize = 100;

/// Both places. The file comes first: when it cannot be written, no move is begun.
pub(super) struct Keeping {
    pub(super) writer: Writer,
    pub(super) file: PathBuf,
}

/// Why the old offsets are not kept.
#[derive(Debug, Error)]
pub(super) enum KeepError {
    #[error("{path} cannot be written: {source}")]
    File { path: String, source: io::Error },
    #[error(transparent)]
    Journal(#[from] LedgerError),
}

impl From<KeepError> for CommandError {
    fn from(error: KeepError) -> Self {
        let told = Self::new(ErrorKind::CannotGoOn, format!("nothing was changed: {error}"));
        match error {
            KeepError::File { .. } => {
                told.hint("the old offsets are kept in the folder where the command runs: run it where files can be written")
            }
            KeepError::Journal(_) => {
                told.hint("the old offsets are kept in the journal, too: mend that, or name another one with --journal PATH")
            }
        }
    }
}

impl MoveLog for Keeping {
    type Error = KeepError;

    fn begin_move(&mut self, intent: &Intent) -> Result<(MoveId, Vec<Option<GroupOffset>>), KeepError> {
        self.write(intent).map_err(|source| KeepError::File { path: self.file.display().to_string(), source })?;
        let begun = self.writer.begin_move(intent);
        if begun.is_err()
            && let Err(error) = fs::remove_file(&self.file)
        {
            tracing::warn!("{} is of a move that was not made, and cannot be removed: {error}", self.file.display());
        }
        Ok(begun?)
    }

    fn end_move(&mut self, id: MoveId, state: MoveState, found: &[Found]) -> Result<(), KeepError> {
        Ok(self.writer.end_move(id, state, found)?)
    }
}

impl Keeping {
    fn write(&self, intent: &Intent) -> io::Result<()> {
        let about =
            format!("what group {} had committed; put it back: redrive group reset -g … --from-file …", called(&intent.group));
        let offsets = intent.steps.iter().map(|step| (&step.at, step.old.as_ref().map(|old| old.next)));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&self.file)?;
        file.write_all(write_csv(&about, offsets).as_bytes())?;
        file.sync_all()
    }
}

/// `redrive-undo-GROUP-TIME.csv`
pub(super) fn file_name(group: &str, at: Timestamp) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let group: String = group.chars().take(LONGEST).map(|c| if is_plain(&c) { c } else { '_' }).collect();
    format!("redrive-undo-{group}-{}.csv", at.strftime("%Y%m%dT%H%M%S.%6fZ"))
}

/// Who makes a move.
pub(super) fn who() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(environment);
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_group_has_a_file_name() {
        let at: Timestamp = "2026-11-23T05:00:00.12Z".parse().unwrap();
        assert_eq!(file_name("shop", at), "redrive-undo-shop-20261123T050000.120000Z.csv");
        assert_eq!(file_name("../a b/ü\n", at), "redrive-undo-.._a_b___-20261123T050000.120000Z.csv");
        assert!(file_name(&"g".repeat(300), at).len() < 200);
    }
}
