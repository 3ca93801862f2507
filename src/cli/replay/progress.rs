//! How far a replay is, as a bar on a terminal.
//!
//! The engine's threads must not wait for whoever looks at stderr: they leave numbers, and a thread of its own draws them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::numbers::grouped;
use crate::cli::screen;
use crate::cli::session::Session;
use crate::replay::{Tally, Watcher};
use crate::settings::{LogFormat, Verbosity};

/// How often it is drawn.
const BETWEEN: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{bar:24} {human_pos} of {human_len} · {msg} · {eta} left";

/// The numbers of a replay that runs, and whoever draws them.
pub(super) struct Progress {
    seen: Arc<Seen>,
    /// `None`: nobody would look at it.
    drawing: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    delivered: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    is_over: AtomicBool,
}

impl Seen {
    fn so_far(&self) -> Tally {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Tally { delivered: of(&self.delivered), failed: of(&self.failed), skipped: of(&self.skipped) }
    }
}

impl Watcher for Seen {
    fn done(&self, Tally { delivered, failed, skipped }: Tally) {
        self.delivered.store(delivered, Ordering::Relaxed);
        self.failed.store(failed, Ordering::Relaxed);
        self.skipped.store(skipped, Ordering::Relaxed);
    }
}

impl Progress {
    /// Of at most `deliveries`.
    pub(super) fn start(session: &Session<'_>, deliveries: u64) -> io::Result<Self> {
        let seen = Arc::<Seen>::default();
        let is_looked_at = screen::width_of(&io::stderr()).is_some()
            && session.global.verbosity != Verbosity::Quiet
            && session.global.log_format == LogFormat::Text;
        let theirs = Arc::clone(&seen);
        let draw = move || draw(&theirs, &bar(deliveries));
        let drawing = is_looked_at.then(|| thread::Builder::new().name("redrive-progress".to_owned()).spawn(draw));
        Ok(Self { seen, drawing: drawing.transpose()? })
    }

    pub(super) fn watcher(&self) -> Arc<dyn Watcher> {
        Arc::clone(&self.seen) as Arc<dyn Watcher>
    }

    /// Takes the bar away, so that what follows stands where it was.
    pub(super) fn finish(self) {
        self.seen.is_over.store(true, Ordering::Relaxed);
        let Some(drawing) = self.drawing else { return };
        drawing.thread().unpark();
        if drawing.join().is_err() {
            tracing::debug!("the progress bar's thread panicked");
        }
    }
}

fn draw(seen: &Seen, bar: &ProgressBar) {
    while !seen.is_over.load(Ordering::Relaxed) {
        let so_far = seen.so_far();
        bar.set_message(message(so_far, bar.per_sec()));
        bar.set_position(position(so_far));
        thread::park_timeout(BETWEEN);
    }
    bar.finish_and_clear();
}

fn bar(deliveries: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(deliveries), ProgressDrawTarget::stderr()).with_style(style)
}

fn position(so_far: Tally) -> u64 {
    so_far.delivered + so_far.failed + so_far.skipped
}

fn message(so_far: Tally, a_second: f64) -> String {
    let skipped = if so_far.skipped > 0 { format!(", {} skipped", grouped(so_far.skipped)) } else { String::new() };
    format!("{a_second:.0}/s · {} failed{skipped}", grouped(so_far.failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_has_the_numbers_of_the_moment_until_it_is_over() {
        let (seen, bar) = (Arc::<Seen>::default(), bar(9_412));
        bar.set_draw_target(ProgressDrawTarget::hidden());
        seen.done(Tally { delivered: 1_200, failed: 12, skipped: 3 });
        thread::scope(|scope| {
            let drawing = scope.spawn(|| draw(&seen, &bar));
            let deadline = std::time::Instant::now() + Duration::from_secs(10);
            while bar.position() != 1_215 && std::time::Instant::now() < deadline {
                thread::yield_now();
            }
            assert_eq!((bar.position(), bar.length(), bar.is_finished()), (1_215, Some(9_412), false));
            assert!(bar.message().ends_with("/s · 12 failed, 3 skipped"), "{}", bar.message());
            seen.is_over.store(true, Ordering::Relaxed);
            drawing.thread().unpark();
        });
        assert!(bar.is_finished());
    }

    #[test]
    fn the_line_of_the_bar_can_be_read() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        assert_eq!(message(Tally { delivered: 1, failed: 0, skipped: 0 }, 41.7), "42/s · 0 failed");
    }
}
