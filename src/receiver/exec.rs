//! `exec:` a pool of long-lived processes that read a JSON line for each delivery and answer with a JSON line.
//!
//! One task owns the pool. A process that dies takes nobody with it: what it held is handed to a fresh one, one at a time, and only a
//! delivery that was alone in a process that died has failed.

mod answer;
mod pool;
mod process;

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::failure::{Class, Code};
use crate::receiver::exec::pool::{Job, Pool, ToPool};
use crate::receiver::{Delivery, Needs, Receiver, ReceiverError, Step, Timekeeper};

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

/// A pool of processes. They are started when they are first needed.
pub struct Exec {
    options: ExecOptions,
    pool: OnceLock<mpsc::UnboundedSender<ToPool>>,
}

impl Exec {
    #[must_use]
    pub fn new(options: ExecOptions) -> Self {
        Self { options, pool: OnceLock::new() }
    }

    /// The pool's inbox. Bounded by the deliveries that the engine lets out at once.
    fn pool(&self) -> &mpsc::UnboundedSender<ToPool> {
        self.pool.get_or_init(|| {
            let (to_pool, inbox) = mpsc::unbounded_channel();
            tokio::spawn(Pool::new(self.options.clone(), inbox, to_pool.clone()).run());
            to_pool
        })
    }
}

impl Receiver for Exec {
    fn deliver(&self, delivery: Delivery) -> Step {
        let (reply, answer) = oneshot::channel();
        if self.pool().send(ToPool::Deliver(Job::new(delivery, reply))).is_err() {
            return Step::Done(Err(unreachable("its processes were stopped")));
        }
        Step::Pending(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(unreachable("its processes were stopped"))) }))
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
        let (reply, stopped) = oneshot::channel();
        let is_running = self.pool.get().is_some_and(|pool| pool.send(ToPool::Stop(reply)).is_ok());
        Box::pin(async move {
            if is_running {
                stopped.await.unwrap_or_default();
            }
        })
    }
}

fn unreachable(message: impl std::fmt::Display) -> ReceiverError {
    ReceiverError::known(Class::Transient, const { Code::known("unreachable") }, message)
}
