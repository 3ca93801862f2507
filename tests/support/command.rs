//! Programs run as a user runs them: their own environment, arguments, exit code, standard output and error.
//!
//! Nothing of the environment of the tests reaches them but PATH, and none outlives its test.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;

use super::guard::{self, Process};
use super::wait;

/// How long a command may run that is not told to go on for ever.
const RUNS_WITHIN: Duration = Duration::from_secs(60);
/// How long its output may stay open after its end.
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// A command that is being put together.
pub(crate) struct Command {
    command: std::process::Command,
    within: Duration,
}

/// A command that runs; killed when dropped.
pub(crate) struct Running {
    process: Process,
    stdout: Stream,
    stderr: Stream,
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a program has written so far, read by a thread of its own.
struct Stream {
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Command {
    pub(super) fn new(program: &Path, folder: &Path) -> Self {
        let mut command = guard::command(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder).current_dir(folder);
        Self { command, within: RUNS_WITHIN }
    }

    pub(crate) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// An argument that need not be UTF-8.
    pub(crate) fn bytes(mut self, argument: &[u8]) -> Self {
        self.command.arg(OsStr::from_bytes(argument));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// How long [`Command::run`] waits for the end.
    pub(crate) fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Output {
        let within = self.within;
        self.spawn().wait(within)
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn spawn(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut self.command).unwrap_or_else(|error| panic!("{error}"));
        let [Some(stdout), Some(stderr)] = process.outputs() else { panic!("its output is a pipe") };
        Running { process, stdout: Stream::of("stdout", stdout), stderr: Stream::of("stderr", stderr) }
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The most memory that it ever had, in bytes.
    #[track_caller]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it runs");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a size") * 1024
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until a line of standard error contains `part`, and returns that line. The end of the program ends the waiting.
    #[track_caller]
    pub(crate) fn line(&mut self, part: &str, within: Duration) -> String {
        self.until(&format!("a line with {part:?}"), within, |so_far| {
            so_far
                .split_inclusive('\n')
                .find(|line| line.contains(part) && line.ends_with('\n'))
                .map(|line| line.trim_end().to_owned())
        })
    }

    /// Waits until there is something to see, on standard error or elsewhere. The end of the program ends the waiting.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, within: Duration, mut look: impl FnMut(&str) -> Option<T>) -> T {
        let found = wait::at_most(within, || {
            let ended = self.process.ended();
            if ended.is_some() {
                wait::at_most(CLOSES_WITHIN, || self.stderr.is_closed().then_some(()));
            }
            // Looked at after the end: what was written last is seen too.
            match (look(&self.stderr.text()), ended) {
                (Some(found), _) => Some(Ok(found)),
                (None, Some(status)) => Some(Err(format!("the program ended ({status})"))),
                (None, None) => None,
            }
        });
        match found.unwrap_or_else(|| Err(format!("not within {within:?}"))) {
            Ok(found) => found,
            Err(why) => panic!("{what}: {why}; it said:\n{}", self.stderr.text()),
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(mut self, within: Duration) -> Output {
        let Some(status) = wait::at_most(within, || self.process.ended()) else {
            panic!("the program has not ended within {within:?}; it said:\n{}", self.stderr.text());
        };
        let is_closed = || self.stdout.is_closed() && self.stderr.is_closed();
        wait::until("a process that it left behind lets go of its output", CLOSES_WITHIN, || is_closed().then_some(()));
        Output { status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Output {
    /// `None` when a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test, with all that was written, when the exit code is another.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}\nstdout:\n{}\nstderr:\n{}", self.status, self.stdout, self.stderr);
        self
    }
}

impl Stream {
    fn of(name: &str, mut pipe: Box<dyn Read + Send>) -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&written);
        let reader = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(size @ 1..) = pipe.read(&mut chunk) {
                into.lock().unwrap().extend_from_slice(&chunk[..size]);
            }
        });
        Self { written, reader: reader.expect("a thread can be started") }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    fn is_closed(&self) -> bool {
        self.reader.is_finished()
    }
}
