//! `exec:` a pool of long-lived processes that read a JSON line for each delivery and answer with a JSON line.
//!
//! One task owns the pool. A process that dies takes nobody with it: what it held is handed to a fresh one, one at a time, and only a
//! delivery that was alone in a process that died by itself has failed.

mod answer;
mod conversation;
mod pool;
mod process;
#[cfg(test)]
mod tests;
mod worker;

pub use conversation::{Exchange, Exchanged, Idle, Outcome, converse, start_and_end};

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::receiver::exec::pool::{Pool, ToPool};
use crate::receiver::exec::worker::Job;
use crate::receiver::{Delivery, Needs, Receiver, ReceiverError, Runs, Step, Timekeeper};

/// How a pool is run.
#[derive(Clone, Debug)]
pub struct ExecOptions {
    /// Program and arguments.
    pub command: Vec<String>,
    pub processes: NonZeroUsize,
    /// Unanswered deliveries that one process may hold.
    pub window: NonZeroUsize,
    /// For one delivery, from the moment a process was handed it.
    pub timeout: Duration,
}

/// A pool of processes. They are started when they are first needed, so the first delivery must be made inside a tokio runtime.
pub struct Exec {
    options: ExecOptions,
    pool: OnceLock<mpsc::UnboundedSender<ToPool>>,
}

impl Exec {
    #[must_use]
    pub fn new(options: ExecOptions) -> Self {
        Self { options, pool: OnceLock::new() }
    }

    fn pool(&self) -> &mpsc::UnboundedSender<ToPool> {
        self.pool.get_or_init(|| {
            // Bounded by the deliveries that the engine lets out at once.
            let (to_pool, inbox) = mpsc::unbounded_channel();
            tokio::spawn(Pool::new(self.options.clone(), inbox).run());
            to_pool
        })
    }
}

impl Receiver for Exec {
    fn deliver(&self, mut delivery: Delivery) -> Step {
        // It may wait for its turn: on its own, so that it pins no batch.
        delivery.event = delivery.event.detach();
        let (reply, answer) = oneshot::channel();
        if self.pool().send(ToPool::Deliver(Box::new(Job::new(delivery, reply)))).is_err() {
            return Step::Done(Err(stopped()));
        }
        Step::Pending(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(stopped())) }))
    }

    fn needs(&self) -> Needs {
        Needs::ValidJson
    }

    fn window(&self) -> NonZeroUsize {
        self.options.window
    }

    fn timekeeper(&self) -> Timekeeper {
        Timekeeper::Receiver
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let (guard, stopped) = oneshot::channel::<()>();
        let is_running = self.pool.get().is_some_and(|pool| pool.send(ToPool::Stop(guard)).is_ok());
        Box::pin(async move {
            if is_running {
                // The pool drops its end of it when the last process is gone.
                stopped.await.unwrap_or_default();
            }
        })
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}

fn stopped() -> ReceiverError {
    ReceiverError::unreachable("the processes of this receiver were stopped")
}
