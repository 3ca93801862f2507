//! SIGINT, SIGTERM and SIGHUP (the terminal is gone): the first one drains, the second one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::report::StopLevel;
use crate::engine::stop::StopToken;

/// How long the end may take after the second signal.
const AT_ONCE: Duration = Duration::from_secs(1);
const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;
/// A write beyond the file size limit. Listened to, so that it is an error of that write instead of the end of the process.
const SIGXFSZ: i32 = 25;

/// Which signals came.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// The number of the second one.
    second: Arc<AtomicU8>,
}

impl Signals {
    /// Listens on a thread of its own, for as long as the process lives.
    ///
    /// # Errors
    /// When the thread or its handlers cannot be made.
    pub(super) fn listen(stop: &StopToken) -> io::Result<Self> {
        let signals = Self::default();
        let (theirs, stop) = (signals.clone(), stop.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate, mut hangup, too_large) = {
            let _inside = runtime.enter();
            // What runs under nohup is to live on when its terminal goes.
            let hangup = if is_ignored(SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, hangup, signal(SignalKind::from_raw(SIGXFSZ))?)
        };
        thread::Builder::new().name("redrive-signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut next = async || {
                    tokio::select! {
                        _ = interrupt.recv() => SIGINT,
                        _ = terminate.recv() => SIGTERM,
                        Some(()) = async { hangup.as_mut()?.recv().await } => SIGHUP,
                    }
                };
                next().await;
                stop.ask(StopLevel::Drain);
                let second = next().await;
                theirs.second.store(second, Ordering::Relaxed);
                stop.ask(StopLevel::Now);
                tokio::time::sleep(AT_ONCE).await;
                drop(too_large);
                #[expect(clippy::disallowed_methods, reason = "a second signal means at once, and this thread cannot reach main")]
                std::process::exit(i32::from(128 + second));
            });
        })?;
        Ok(signals)
    }

    /// The exit status that a second signal asks for.
    pub(super) fn exit_code(&self) -> Option<u8> {
        let second = self.second.load(Ordering::Relaxed);
        (second != 0).then_some(128 + second)
    }
}

/// True when whoever started this process had this signal ignored, as nohup does. Only Linux tells.
fn is_ignored(signal: u8) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, signal))
}

/// The mask of ignored signals, in hexadecimal: its lowest bit is signal 1.
fn ignores(status: &str, signal: u8) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        let status =
            |mask: &str| format!("Name:\tredrive\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\nSigCgt:\tffffffffffffffff\n");
        assert!(ignores(&status("0000000000001001"), SIGHUP));
        assert!(!ignores(&status("0000000000001000"), SIGHUP) && !ignores(&status("0000000000000002"), SIGHUP));
        assert!(!ignores("", SIGHUP) && !ignores(&status("x"), SIGHUP));
    }
}
