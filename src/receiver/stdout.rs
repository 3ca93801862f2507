//! `stdout:` writes a JSON line for each event, and settles it once whoever reads has all of it.
//!
//! It writes past the standard library's own buffer, which would keep what could not be written and write it later, when its event has
//! long failed. Two receivers take turns: a line is never in the middle of another.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use rustix::fs::{OFlags, fcntl_getfl, fstat, stat};

use crate::receiver::groups::{Groups, Sink, WINDOW};
use crate::receiver::{Delivery, Needs, Receiver, Runs, Step};

/// The standard output of this process.
pub struct Stdout(Groups);

impl Stdout {
    /// Finds out whether there is a standard output. One that is closed is no error to write to: before `main`, the standard library puts
    /// `/dev/null` in its place, for reading and writing, which a shell's `> /dev/null` is not.
    ///
    /// # Errors
    /// When it is closed.
    pub fn check() -> io::Result<()> {
        let stdout = io::stdout();
        let is_readable = fcntl_getfl(&stdout)?.contains(OFlags::RDWR);
        let (ours, null) = (fstat(&stdout)?, stat("/dev/null")?);
        let is_null = (ours.st_dev, ours.st_ino) == (null.st_dev, null.st_ino);
        if is_readable && is_null {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "standard output is closed: what is written there is lost"));
        }
        Ok(())
    }

    /// `retries`: tries of what cannot be written, after the first one.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn open(retries: u32) -> io::Result<Self> {
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self(Groups::start("redrive-stdout", Shared(Lines { out, is_torn: false }), retries)?))
    }
}

impl Receiver for Stdout {
    fn deliver(&self, delivery: Delivery) -> Step {
        self.0.deliver(delivery)
    }

    fn needs(&self) -> Needs {
        Needs::ValidJson
    }

    fn window(&self) -> NonZeroUsize {
        WINDOW
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.0.stop()
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}

/// One receiver's share of standard output: while it writes, it holds the lock that all of this process write under.
struct Shared(Lines<File>);

/// Whether the last line on standard output is not whole. Guarded by the lock of standard output.
static IS_TORN: AtomicBool = AtomicBool::new(false);

impl Sink for Shared {
    fn write(&mut self, group: &[u8]) -> io::Result<()> {
        let turn = io::stdout().lock();
        // Another receiver may have left it, or ended it.
        self.0.is_torn = IS_TORN.load(Ordering::Relaxed);
        let written = self.0.write(group);
        IS_TORN.store(self.0.is_torn, Ordering::Relaxed);
        drop(turn);
        written
    }

    fn refusal(&self) -> String {
        "stdout cannot be written".to_owned()
    }
}

struct Lines<W> {
    out: W,
    /// An error left a line that is not whole.
    is_torn: bool,
}

impl<W: Write> Lines<W> {
    /// What was written of a group that failed cannot be taken back, and comes again; its last line is ended before the next.
    fn write(&mut self, group: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.out.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = group;
        while !rest.is_empty() {
            let written = match self.out.write(rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => written,
            };
            let written = written.inspect_err(|_| self.is_torn = !is_at_line_end(group, rest))?;
            rest = rest.get(written..).unwrap_or_default();
        }
        self.out.flush()
    }
}

/// Whether what was written of the group, all but the rest, ends with a line break.
fn is_at_line_end(group: &[u8], rest: &[u8]) -> bool {
    let written = group.len().saturating_sub(rest.len());
    written.checked_sub(1).is_none_or(|last| group.get(last) == Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at once, and none any more when it is full.
    struct Pipe {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room).min(3);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(room: usize) -> Lines<Pipe> {
        Lines { out: Pipe { taken: Vec::new(), room }, is_torn: false }
    }

    #[test]
    fn a_line_that_an_error_tore_is_ended_before_the_next() {
        let mut lines = lines(7);
        lines.write(b"one\n").unwrap();
        assert_eq!(lines.write(b"two\nthree\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        lines.out.room = 100;
        lines.write(b"two\nthree\n").unwrap();
        assert_eq!(lines.out.taken, b"one\ntwo\ntwo\nthree\n", "what was written whole stays, and comes again");
    }

    #[test]
    fn an_error_between_two_lines_tears_none() {
        let mut lines = lines(4);
        assert!(lines.write(b"one\ntwo\n").is_err());
        lines.out.room = 100;
        lines.write(b"two\n").unwrap();
        assert_eq!(lines.out.taken, b"one\ntwo\n");
    }

    #[test]
    fn a_sink_that_is_full_from_the_start_has_torn_nothing() {
        let mut lines = lines(0);
        assert!(lines.write(b"one\n").is_err());
        lines.out.room = 100;
        lines.write(b"one\n").unwrap();
        assert_eq!(lines.out.taken, b"one\n");
    }
}
