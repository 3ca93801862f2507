//! Rust functions as receivers, and the registration that a user's own program makes.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::event::Event;
use crate::receiver::in_hand::Noting;
use crate::receiver::{Delivery, Receiver, ReceiverError, Runs, Step, panicked};

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
pub(super) const THREADS: usize = 256;

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
        let (event, noting) = (delivery.event.detach(), delivery.noting);
        Step::Pending(Box::pin(async move {
            let place = free.acquire_owned().await.map_err(ReceiverError::unknown)?;
            let call = threads.spawn_blocking(move || {
                let answer = call(noting.as_ref(), || function(&event));
                drop(place);
                answer
            });
            call.await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(payload) => Err(panicked(payload.as_ref())),
                Err(error) => Err(ReceiverError::unknown(error)),
            })
        }))
    }

    fn runs(&self) -> Runs {
        Runs::OnThreads
    }
}

fn call<T>(noting: Option<&Noting>, function: impl FnOnce() -> T) -> T {
    match noting {
        Some(noting) => noting.during(function),
        None => function(),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use futures_util::future::join_all;
    use serde_json::json;

    use super::*;
    use crate::receiver::samples::{deliver, delivery, until, why};

    fn only(receivers: &Receivers) -> Arc<dyn Receiver> {
        receivers.iter().next().unwrap().receiver.clone()
    }

    /// A blocking function that hangs until the sender is dropped; and how often it was called.
    fn hanging() -> (Arc<dyn Receiver>, Sender<()>, Arc<AtomicUsize>) {
        let (free, gate) = channel::<()>();
        let (gate, calls) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        let receivers = Receivers::new().on_blocking("search", ALL_TYPES, move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            gate.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap_or_default();
            Ok(())
        });
        (only(&receivers), free, calls)
    }

    #[tokio::test]
    async fn an_async_function_answers() {
        async fn bill(event: Event) -> Result<(), ReceiverError> {
            match event.json::<u32>()? {
                0 => Err(ReceiverError::permanent("empty_order", "the order has no total")),
                _ => Ok(()),
            }
        }
        let receivers = Receivers::new().on("billing", ["order.placed", "order.*"], bill);
        assert_eq!(receivers.iter().next().unwrap().types, ["order.placed", "order.*"]);
        let billing = only(&receivers);
        assert_eq!(deliver(&*billing, delivery(0, 0, &json!(1))).await, Ok(()));
        let empty = deliver(&*billing, delivery(1, 0, &json!(0))).await;
        assert_eq!(why(empty), ("permanent", "empty_order".into(), "the order has no total".into()));
        let (class, code, _) = why(deliver(&*billing, delivery(2, 0, &json!("x"))).await);
        assert_eq!((class, code.as_str()), ("permanent", "invalid_json"));
    }

    #[tokio::test]
    async fn a_blocking_function_has_threads_of_its_own_and_its_panics_are_failures() {
        let receivers = Receivers::new().on_blocking("search", ALL_TYPES, |event| match event.json::<u32>()? {
            0 => panic!("no index for {}", event.record().place()),
            _ => Err(ReceiverError::unknown(std::thread::current().name().unwrap_or_default())),
        });
        let search = only(&receivers);
        let answers = join_all((0..2).map(|at| deliver(&*search, delivery(at, 0, &json!(at))))).await;
        let [panicked, named] = answers.try_into().unwrap();
        assert_eq!(why(panicked), ("unknown", "panicked".into(), "the receiver panicked: no index for orders/0/0".into()));
        assert_eq!(why(named), ("unknown", "rejected".into(), "redrive-blocking".into()));
    }

    #[tokio::test]
    async fn a_function_that_hangs_takes_all_its_own_threads_and_nobody_elses() {
        let (search, free, calls) = hanging();
        let hung: Vec<_> = (0..THREADS).map(|_| Box::pin(deliver(&*search, delivery(0, 0, &json!(0))))).collect();
        let hung = tokio::spawn(join_all(hung));
        until("all its threads hang", || calls.load(Ordering::SeqCst) == THREADS).await;
        let one_more = tokio::time::timeout(Duration::from_millis(20), deliver(&*search, delivery(0, 0, &json!(0))));
        assert!(one_more.await.is_err());
        let (other, other_free, _) = hanging();
        drop(other_free);
        assert_eq!(deliver(&*other, delivery(0, 0, &json!(0))).await, Ok(()));
        drop(free);
        assert!(hung.await.unwrap().iter().all(Result::is_ok));
        assert_eq!(deliver(&*search, delivery(0, 0, &json!(0))).await, Ok(()), "its threads are free again");
        assert_eq!(calls.load(Ordering::SeqCst), THREADS + 1, "what was given up while it waited is never called");
    }

    #[test]
    fn a_function_that_hangs_does_not_stop_the_end() {
        let (search, free, _) = hanging();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (began, was_given_up) = (Instant::now(), Duration::from_millis(50));
        runtime.block_on(async {
            let hung = tokio::time::timeout(was_given_up, deliver(&*search, delivery(0, 0, &json!(0))));
            assert!(hung.await.is_err());
            drop(search);
        });
        drop(runtime);
        assert!(began.elapsed() < Duration::from_secs(10), "nobody waited for the thread");
        drop(free);
    }
}
