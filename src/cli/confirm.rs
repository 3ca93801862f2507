//! A question before something that is hard to take back. Asked on a terminal only: a program that could answer by mistake is not asked.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use crate::cli::error::{CommandError, ErrorKind};
use crate::engine::stop::StopToken;

/// How often it is looked whether the process is to end instead.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// There is somebody who can answer.
pub(super) fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on stderr, and waits for a line on stdin or until `stop` is asked to. True for a plain yes.
pub(super) fn ask(question: &str, stop: &StopToken) -> Result<bool, CommandError> {
    let failed = |error| CommandError::new(ErrorKind::CannotGoOn, "the question could not be asked").cause(error);
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    drop(stderr);
    // Reading a terminal cannot be broken off: when a signal comes, the thread is left behind.
    let reading = thread::Builder::new().name("redrive-answer".to_owned()).spawn(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let reading = reading.map_err(failed)?;
    while !reading.is_finished() {
        if stop.level().is_some() {
            // What follows stands on a line of its own.
            writeln!(io::stderr()).map_err(failed)?;
            return Ok(false);
        }
        thread::park_timeout(LOOK_AROUND);
    }
    match reading.join() {
        Ok(Ok(line)) => Ok(is_yes(&line)),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Ok(false),
    }
}

fn is_yes(line: &str) -> bool {
    ["y", "yes"].contains(&line.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        for line in ["y\n", "YES\r\n", " yes"] {
            assert!(is_yes(line), "{line:?}");
        }
        for line in ["", "\n", "n\n", "yess\n", "y n\n"] {
            assert!(!is_yes(line), "{line:?}");
        }
    }
}
