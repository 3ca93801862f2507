//! Processes and folders that do not outlive the test process, however it ends.
//!
//! Each has a watcher, a small shell that reads from a pipe which only the test process holds. When the pipe closes without a word,
//! its owner is gone, and the watcher cleans up: that also happens after SIGKILL, where nothing of ours can run any more.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Becomes the program itself, so its process id is the program's; the watcher is a child that it does not know of.
const RUN: &str = r#"
exec 3<&0 </dev/null
{ read -r released <&3 || kill -KILL $$; } >/dev/null 2>&1 &
exec "$@" 3<&-
"#;

/// Tries again, because a process that is being killed may still be writing there.
const REMOVE: &str = r#"
read -r never
for try in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1"
    [ -e "$1" ] || exit 0
    sleep 0.2
done
"#;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pipe: Option<ChildStdin>,
}

/// A folder of its own under the system's temporary one.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    watcher: Child,
}

/// A command for [`Process::spawn`]: arguments, environment and output are the caller's to add; standard input is empty.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", RUN, "guard"]).arg(program);
    command
}

impl Process {
    /// Starts a command that [`command`] made, in a process group of its own: Ctrl-C on the terminal ends the tests, and they end it.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, String> {
        let child = command.stdin(Stdio::piped()).process_group(0).spawn();
        let mut child = child.map_err(|error| format!("{command:?} cannot be started: {error}"))?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        if let Some(mut pipe) = self.pipe.take() {
            // The process id is free to be used again: the watcher must not kill it. It may be gone itself, which is as good.
            pipe.write_all(b"released\n").ok();
        }
        Some(status)
    }

    /// Does nothing when it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let id = Pid::from_child(&self.child);
            kill_process(id, signal).unwrap_or_else(|error| panic!("{signal:?} cannot be sent to {id:?}: {error}"));
        }
    }

    /// Where its output comes from; each only once, and only when the command said so.
    pub(crate) fn outputs(&mut self) -> [Option<Box<dyn Read + Send>>; 2] {
        let stdout = self.child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let stderr = self.child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        [stdout, stderr]
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        self.ended();
    }
}

impl Home {
    pub(crate) fn new(prefix: &str) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir();
        let path = folder.map_err(|error| format!("a temporary folder cannot be made: {error}"))?.keep();
        let watcher = Command::new("/bin/sh")
            .args(["-c", REMOVE, "guard"])
            .arg(&path)
            .stdin(Stdio::piped())
            .process_group(0)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("/bin/sh cannot be started: {error}"))?;
        Ok(Self { path, watcher })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Waiting closes the pipe first, which is what the watcher waits for.
        self.watcher.wait().ok();
    }
}
