//! A server in a process of its own: started until it answers, stopped, started again; its log for the messages of tests that fail.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use super::guard::{Home, Process};
use super::wait;

const STARTS_WITHIN: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(30);
const LOG: &str = "log";

pub(super) struct Daemon {
    /// What it is, for people: "broker".
    name: &'static str,
    // Before its home: it must not write there any more when that is removed. None while it is stopped.
    process: Mutex<Option<Process>>,
    home: Home,
}

impl Daemon {
    /// One that does not run yet, with an empty folder.
    pub(super) fn new(name: &'static str) -> Result<Self, String> {
        Ok(Self { name, process: Mutex::default(), home: Home::new(&format!("redrive-{name}-"))? })
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts it in its home by a command of `guard`, and returns when it answers.
    pub(super) fn run(&self, command: &mut Command, answers: impl Fn() -> bool) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.home().join(LOG));
        let log = log.and_then(|log| Ok([log.try_clone()?, log]));
        let [stdout, stderr] = log.map_err(|error| format!("{LOG}: {error}"))?;
        let command = command.current_dir(self.home()).stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr));
        let mut process = Process::spawn(command)?;
        wait::at_most(STARTS_WITHIN, || (process.ended().is_some() || answers()).then_some(()));
        let is_up = process.ended().is_none() && answers();
        *self.process() = Some(process);
        if is_up { Ok(()) } else { Err(format!("no {} within {STARTS_WITHIN:?}: {}", self.name, self.condition())) }
    }

    /// Stops it in an orderly way.
    #[track_caller]
    pub(super) fn stop(&self) {
        let Some(mut process) = self.process().take() else { panic!("the {} is not running", self.name) };
        process.signal(Signal::TERM);
        wait::until(&format!("the {} stops", self.name), STOPS_WITHIN, || process.ended());
    }

    #[track_caller]
    pub(super) fn signal(&self, signal: Signal) {
        match self.process().as_mut() {
            Some(process) => process.signal(signal),
            None => panic!("the {} is not running", self.name),
        }
    }

    /// Stops it where it is: when this returns, no thread of it runs. A signal alone leaves them running until one of them has its turn.
    #[track_caller]
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
        wait::until(&format!("the {} is paused", self.name), STOPS_WITHIN, || self.is_paused().then_some(()));
    }

    fn is_paused(&self) -> bool {
        let Some(id) = self.process().as_ref().map(Process::id) else { return false };
        let Ok(mut threads) = fs::read_dir(format!("/proc/{id}/task")) else { return false };
        // Its name, in brackets, may have anything in it.
        threads.all(|thread| {
            let state = thread.and_then(|thread| fs::read_to_string(thread.path().join("stat")));
            state.is_ok_and(|state| state.rsplit(')').next().is_some_and(|state| state.starts_with(" T")))
        })
    }

    /// How it is, for the messages of tests that fail.
    pub(super) fn condition(&self) -> String {
        let name = self.name;
        let condition = match self.process().as_mut().map(Process::ended) {
            None => format!("the {name} is stopped"),
            Some(None) => format!("the {name} runs"),
            Some(Some(status)) => format!("the {name} ended by itself ({status})"),
        };
        let log = fs::read_to_string(self.home().join(LOG)).unwrap_or_default();
        let from = log.lines().count().saturating_sub(40);
        let end = log.lines().skip(from).collect::<Vec<_>>().join("\n");
        format!("{condition}; the end of its log:\n{end}")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
