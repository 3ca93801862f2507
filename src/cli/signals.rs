//! SIGINT and SIGTERM: the first one drains, the second one ends at once.

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
        let (mut interrupt, mut terminate, too_large) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::from_raw(SIGXFSZ))?)
        };
        thread::Builder::new().name("redrive-signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut next = async || {
                    tokio::select! {
                        _ = interrupt.recv() => SIGINT,
                        _ = terminate.recv() => SIGTERM,
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
