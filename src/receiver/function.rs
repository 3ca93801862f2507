//! Rust functions as receivers, and the registration that a user's own program makes.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::event::Event;
use crate::receiver::{Delivery, Receiver, ReceiverError, Step, panicked};

/// For [`Receivers::on`]: a receiver that takes every type.
pub const ALL_TYPES: [&str; 0] = [];

/// The receivers that a program brings along.
#[derive(Clone, Default)]
pub struct Receivers(Vec<Registered>);

/// A receiver with the types that it takes.
#[derive(Clone)]
pub struct Registered {
    pub name: String,
    /// Exact, or a prefix followed by `.*`; none: all.
    pub types: Vec<String>,
    pub receiver: Arc<dyn Receiver>,
}

impl Receivers {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An async function. It runs on the event loop, so it must not block: what does belongs in [`Receivers::on_blocking`].
    ///
    /// What it returns is what the journal says. A panic is its own failure, `panicked`.
    #[must_use]
    pub fn on<F, Fut>(self, name: &str, types: impl IntoIterator<Item = impl Into<String>>, function: F) -> Self
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ReceiverError>> + Send + 'static,
    {
        self.with(name, types, Arc::new(Async(function)))
    }

    /// A function that may block: it runs on threads of its own, at most 256 at once.
    ///
    /// A timeout gives up on the call's answer; the call itself cannot be ended and keeps its thread until it returns.
    #[must_use]
    pub fn on_blocking<F>(self, name: &str, types: impl IntoIterator<Item = impl Into<String>>, function: F) -> Self
    where
        F: Fn(&Event) -> Result<(), ReceiverError> + Send + Sync + 'static,
    {
        self.with(name, types, Arc::new(Blocking::new(Arc::new(function))))
    }

    /// A receiver of any kind.
    #[must_use]
    pub fn with(mut self, name: &str, types: impl IntoIterator<Item = impl Into<String>>, receiver: Arc<dyn Receiver>) -> Self {
        let types = types.into_iter().map(Into::into).collect();
        self.0.push(Registered { name: name.to_owned(), types, receiver });
        self
    }

    /// All of them, in the order in which they were registered.
    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.0.iter()
    }
}

struct Async<F>(F);

impl<F, Fut> Receiver for Async<F>
where
    F: Fn(Event) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ReceiverError>> + Send + 'static,
{
    fn deliver(&self, delivery: Delivery) -> Step {
        Step::Pending(Box::pin((self.0)(delivery.event)))
    }
}

type BlockingFunction = dyn Fn(&Event) -> Result<(), ReceiverError> + Send + Sync;

/// Threads that one blocking function may have. A call that never returns keeps its thread for ever, so this also bounds what such calls
/// can take.
const THREADS: usize = 256;

/// Threads of its own, so that a function that hangs takes none from another receiver.
struct Blocking {
    function: Arc<BlockingFunction>,
    /// Nothing but its pool of threads is used. They are made when they are needed and go when they are idle.
    threads: Result<Runtime, String>,
    /// One for each thread, so that nothing is ever queued where a timeout could not take it back.
    free: Arc<Semaphore>,
}

impl Blocking {
    fn new(function: Arc<BlockingFunction>) -> Self {
        let mut threads = tokio::runtime::Builder::new_current_thread();
        let threads = threads.max_blocking_threads(THREADS).thread_name("redrive-blocking").build();
        Self { function, threads: threads.map_err(|error| error.to_string()), free: Arc::new(Semaphore::new(THREADS)) }
    }
}

impl Receiver for Blocking {
    fn deliver(&self, delivery: Delivery) -> Step {
        let threads = match &self.threads {
            Ok(threads) => threads.handle().clone(),
            Err(error) => return Step::Done(Err(ReceiverError::unknown(format!("no threads can be made: {error}")))),
        };
        let (function, free) = (Arc::clone(&self.function), Arc::clone(&self.free));
        // A timeout cannot take the event from a thread that holds it: on its own, so that it pins no batch.
        let event = delivery.event.detach();
        Step::Pending(Box::pin(async move {
            let place = free.acquire_owned().await.map_err(ReceiverError::unknown)?;
            let call = threads.spawn_blocking(move || {
                let answer = function(&event);
                drop(place);
                answer
            });
            call.await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(payload) => Err(panicked(payload.as_ref())),
                Err(error) => Err(ReceiverError::unknown(error)),
            })
        }))
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        // Waiting for a thread that hangs would hang whoever lets go of this.
        if let Ok(threads) = std::mem::replace(&mut self.threads, Err(String::new())) {
            threads.shutdown_background();
        }
    }
}
