//! Programs of receivers: whether one can be started, how it is started, and how it is ended with all that it started.
//!
//! It is looked for as the system will: in the folders of PATH, unless its name has a slash in it. Each gets a process group of its own.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::receiver::ReceiverError;

/// From SIGTERM to SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// From SIGKILL to giving up on a process that the system cannot end.
pub(super) const AGONY: Duration = Duration::from_millis(1_500);
/// How long we read on when a process is gone but somebody else still holds its pipes.
pub(super) const READ_ON: Duration = Duration::from_secs(1);

/// A process group: a process, and whatever it started that did not leave it.
#[derive(Clone, Copy)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// Of a process that [`command`] made and that was not waited for yet.
    pub(super) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    pub(super) fn signal(self, signal: Signal) {
        if let Some(Err(error)) = self.0.map(|group| kill_process_group(group, signal)) {
            tracing::debug!(%error, "a signal to the process group of a receiver came too late");
        }
    }
}

/// A command of these words, with pipes for stdin and stderr, and in a process group of its own: whatever it starts ends with it, and
/// Ctrl-C in a terminal does not reach it.
pub(super) fn command(words: &[String]) -> io::Result<Command> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    Ok(command)
}

pub(super) fn cannot_start(words: &[String], error: &io::Error) -> ReceiverError {
    let program = words.first().map_or("", String::as_str);
    // The system says the same of a program as of what its first line names.
    let is_there = error.kind() == io::ErrorKind::NotFound && Path::new(program).is_file();
    let more = if is_there { " (the interpreter that its first line names)" } else { "" };
    ReceiverError::unreachable(format!("the program {program} cannot be started: {error}{more}"))
}

/// How a process ended, as the end of a sentence.
pub(super) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// Asked when a receiver is opened: a mistyped name would make every event fail.
///
/// `search`: what PATH is; without it nobody but the system knows where it looks.
///
/// # Errors
/// When there is no such program, or it may not be run.
pub fn check_program(program: &str, search: Option<&str>) -> io::Result<()> {
    if program.contains('/') {
        return may_run(Path::new(program));
    }
    let Some(search) = search else { return Ok(()) };
    let folders = std::env::split_paths(OsStr::new(search));
    let found: Vec<_> = folders.map(|folder| may_run(&folder.join(program))).collect();
    if found.iter().any(Result::is_ok) {
        return Ok(());
    }
    let denied = found.into_iter().filter_map(Result::err).find(|error| error.kind() == io::ErrorKind::PermissionDenied);
    let missing = || {
        let here = Path::new(program).is_file().then(|| format!("; the one in this folder is called ./{program}"));
        let message = format!("there is no program {program} in the folders of PATH, {search}{}", here.unwrap_or_default());
        io::Error::new(io::ErrorKind::NotFound, message)
    };
    Err(denied.unwrap_or_else(missing))
}

fn may_run(path: &Path) -> io::Result<()> {
    let name = path.display();
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("there is no program {name}")))
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        Ok(metadata) if !metadata.is_file() => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is not a file"))),
        Ok(_) if access(path, Access::EXEC_OK).is_err() => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{name} may not be run: chmod +x makes a file a program")))
        }
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_is_looked_for_where_the_system_will() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (name, mode) in [("worker", 0o755), ("text", 0o644)] {
            fs::write(path(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        }
        let search = format!("/nowhere:{}:/bin", folder.path().display());
        let check = |program: &str| check_program(program, Some(&search)).map_err(|error| error.to_string());
        assert_eq!((check("worker"), check("sh"), check(&path("worker"))), (Ok(()), Ok(()), Ok(())));
        assert_eq!(check("wroker"), Err(format!("there is no program wroker in the folders of PATH, {search}")));
        assert_eq!(check("text"), Err(format!("{} may not be run: chmod +x makes a file a program", path("text"))));
        assert_eq!(check(&path("wroker")), Err(format!("there is no program {}", path("wroker"))));
        assert_eq!(check(&path("")), Err(format!("{} is not a file", path(""))));
        assert!(check_program("wroker", None).is_ok(), "the system has its own list");
    }
}
