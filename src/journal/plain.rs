//! What SQLite says, for people: without the statement it was about, and with damage told apart from what may be over in a moment.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use crate::engine::ledger::LedgerError;

/// The error in a few words. rusqlite would add the statement, which may be a whole migration, or the name of a file that nobody asked for.
pub(super) fn plain(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, .. } => msg.clone(),
        Error::QueryReturnedNoRows => "a row that every journal has is missing".to_owned(),
        Error::SqliteFailure(error, _) if error.code == ErrorCode::CannotOpen => {
            "SQLite can open neither it nor what belongs beside it".to_owned()
        }
        other => other.to_string(),
    }
}

/// True for what only a damaged file gives: what SQLite calls corrupt, and tables, rows and values that are not those of the schema.
pub(super) fn is_damage(error: &Error) -> bool {
    let is_unexpected = matches!(
        error,
        Error::SqlInputError { .. }
            | Error::QueryReturnedNoRows
            | Error::InvalidColumnType(..)
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
    );
    // The statements are right, so an error in one means that its table is not there, or not the one that it was.
    let is_of_schema = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_ERROR);
    is_unexpected || is_of_schema || error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Somebody else has the lock: the same may be tried again.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The error of somebody who wanted to write.
pub(super) fn not_written(path: &Path, error: &Error) -> LedgerError {
    let path = path.display().to_string();
    if is_busy(error) {
        return LedgerError::Locked { path };
    }
    let message = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk, or what the journal may use of it, is full".to_owned(),
        _ if is_damage(error) => format!("it is damaged ({})", plain(error)),
        _ => plain(error),
    };
    LedgerError::Write { path, message }
}
