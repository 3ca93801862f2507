//! Rust functions as receivers, and the registration that a user's own program makes.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;

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

    /// A function that may block: each call has a thread.
    #[must_use]
    pub fn on_blocking<F>(self, name: &str, types: impl IntoIterator<Item = impl Into<String>>, function: F) -> Self
    where
        F: Fn(&Event) -> Result<(), ReceiverError> + Send + Sync + 'static,
    {
        self.with(name, types, Arc::new(Blocking(Arc::new(function))))
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

struct Blocking(Arc<BlockingFunction>);

impl Receiver for Blocking {
    fn deliver(&self, delivery: Delivery) -> Step {
        let function = Arc::clone(&self.0);
        // The event is kept by a thread that a timeout cannot take it from: on its own, so that it pins no batch.
        let event = delivery.event.detach();
        let task = tokio::task::spawn_blocking(move || {
            catch_unwind(AssertUnwindSafe(|| function(&event))).unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
        });
        Step::Pending(Box::pin(task.map(|joined| joined.unwrap_or_else(|error| Err(ReceiverError::unknown(error))))))
    }
}
