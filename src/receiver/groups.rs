//! JSON lines in groups: whatever waits is written at once by a thread of its own, and none of it settles before the whole group is safe.
//!
//! What is safe is for the sink to say: a file is synced, a pipe has taken the bytes. A group that is refused is tried again here and not
//! by the engine, which would let later lines of a lane go first.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread;
use std::time::Duration;
use std::{io, iter};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::receiver::{Delivery, ReceiverError, Step, line};

/// Deliveries of one lane that may wait for one group: they are written in the order given.
pub(super) const WINDOW: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// A group is written once it is this large, even if more waits.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Before a group is tried again; doubled each time, up to [`LONGEST_WAIT`], [`LONGEST`] in all: as the engine would.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(10);

/// Where the lines go. It lives on a thread of its own, and may block it.
pub(super) trait Sink: Send + 'static {
    /// Takes a group of whole lines. `Ok` means that all of it is as safe as this sink promises; after an error, whoever reads it finds
    /// no line joined to another.
    fn write(&mut self, group: &[u8]) -> io::Result<()>;

    /// What an error means, as the first half of a sentence.
    fn refusal(&self) -> String;
}

/// The way to the thread of a sink.
pub(super) struct Groups(Sender<Job>);

type Reply = oneshot::Sender<Result<(), ReceiverError>>;

enum Job {
    Write(Box<Delivery>, Reply),
    /// The guard is dropped when all that came before it is written.
    Stop(oneshot::Sender<()>),
}

impl Groups {
    /// `retries`: tries of a group after the first one.
    pub(super) fn start(thread: &str, sink: impl Sink, retries: u32) -> io::Result<Self> {
        // Bounded by the deliveries that the engine lets out at once.
        let (to_writer, inbox) = channel();
        let writer = Writer { sink, sendid: 0, waits: waits(retries) };
        thread::Builder::new().name(thread.to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Self(to_writer))
    }

    pub(super) fn deliver(&self, mut delivery: Delivery) -> Step {
        // A slow sink keeps it for long: on its own, so that it pins no batch.
        delivery.event = delivery.event.detach();
        let (reply, answer) = oneshot::channel();
        if self.0.send(Job::Write(Box::new(delivery), reply)).is_err() {
            return Step::Done(Err(closed()));
        }
        Step::Pending(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(closed())) }))
    }

    pub(super) fn stop(&self) -> BoxFuture<'static, ()> {
        let (guard, stopped) = oneshot::channel::<()>();
        let is_running = self.0.send(Job::Stop(guard)).is_ok();
        Box::pin(async move {
            if is_running {
                stopped.await.unwrap_or_default();
            }
        })
    }
}

/// The sink on its thread.
struct Writer<S> {
    sink: S,
    sendid: u64,
    /// Before each try after the first one.
    waits: Vec<Duration>,
}

impl<S: Sink> Writer<S> {
    fn run(mut self, inbox: &Inbox<Job>) {
        let mut guard = None;
        while guard.is_none() {
            let Ok(first) = inbox.recv() else { return };
            let (mut group, mut replies) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    // Given up while it waited.
                    Job::Write(_, reply) if reply.is_closed() => {}
                    Job::Write(delivery, reply) => {
                        self.sendid += 1;
                        line::write(&mut group, &delivery, self.sendid);
                        replies.push(reply);
                    }
                    Job::Stop(stopped) => guard = Some(stopped),
                }
                let is_full = group.len() >= GROUP_BYTES || guard.is_some();
                next = if is_full { None } else { inbox.try_recv().ok() };
            }
            self.settle(&group, replies);
        }
    }

    fn settle(&mut self, group: &[u8], replies: Vec<Reply>) {
        if replies.is_empty() {
            return;
        }
        let mut written = self.sink.write(group);
        for wait in &self.waits {
            if written.is_ok() {
                break;
            }
            thread::park_timeout(*wait);
            written = self.sink.write(group);
        }
        let answer = written.map_err(|error| {
            let error = ReceiverError::unreachable(format!("{}: {error}", self.sink.refusal()));
            // It was tried often enough.
            error.with_retry_after(Duration::MAX)
        });
        for reply in replies {
            // A delivery that was given up on has nobody who listens.
            drop(reply.send(answer.clone()));
        }
    }
}

fn waits(retries: u32) -> Vec<Duration> {
    let doubling = iter::successors(Some(FIRST_WAIT), |wait| Some((*wait * 2).min(LONGEST_WAIT)));
    let mut left = LONGEST;
    let fits = |wait: &Duration| {
        let is_in_time = *wait <= left;
        left = left.saturating_sub(*wait);
        is_in_time
    };
    doubling.take(usize::try_from(retries).unwrap_or(usize::MAX)).take_while(fits).collect()
}

fn closed() -> ReceiverError {
    ReceiverError::unreachable("this receiver is closed")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::*;
    use crate::failure::Class;
    use crate::receiver::samples::delivery;

    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Sink for Memory {
        fn write(&mut self, group: &[u8]) -> io::Result<()> {
            self.0.lock().unwrap().extend_from_slice(group);
            Ok(())
        }

        fn refusal(&self) -> String {
            unreachable!("it takes everything")
        }
    }

    #[test]
    fn what_was_given_up_while_it_waited_is_not_written() {
        let written = Arc::new(Mutex::default());
        let (to_writer, inbox) = channel();
        let (given_up, _) = oneshot::channel();
        let (wanted, mut answer) = oneshot::channel();
        for (offset, reply) in [(0, given_up), (1, wanted)] {
            to_writer.send(Job::Write(Box::new(delivery(offset, 0, &json!(1))), reply)).unwrap();
        }
        drop(to_writer);
        Writer { sink: Memory(Arc::clone(&written)), sendid: 0, waits: Vec::new() }.run(&inbox);
        assert_eq!(answer.try_recv(), Ok(Ok(())));
        let line: Value = serde_json::from_slice(&written.lock().unwrap()).unwrap();
        assert_eq!(line["record"]["offset"], 1);
    }

    /// Refuses so many groups, then takes everything.
    struct Refusing(u32, Arc<Mutex<Vec<u8>>>);

    impl Sink for Refusing {
        fn write(&mut self, group: &[u8]) -> io::Result<()> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(io::Error::other("not now"));
            }
            self.1.lock().unwrap().extend_from_slice(group);
            Ok(())
        }

        fn refusal(&self) -> String {
            "it cannot be written".to_owned()
        }
    }

    /// What comes behind a refused group waits for it.
    #[tokio::test]
    async fn a_group_is_tried_again_before_the_next() {
        let written = Arc::new(Mutex::default());
        let groups = Groups::start("test", Refusing(2, Arc::clone(&written)), 2).unwrap();
        let answers = join_all((0..50).map(|offset| settled(groups.deliver(delivery(offset, 0, &json!(1))))));
        assert!(answers.await.iter().all(Result::is_ok));
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let offset = |line: &str| serde_json::from_str::<Value>(line).unwrap()["record"]["offset"].as_i64().unwrap();
        assert_eq!(text.lines().map(offset).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_engine_does_not_try_again_what_was_tried_here() {
        let groups = Groups::start("test", Refusing(2, Arc::default()), 1).unwrap();
        let error = settled(groups.deliver(delivery(0, 0, &json!(1)))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Transient, "unreachable"));
        assert_eq!((error.message.as_str(), error.retry_after), ("it cannot be written: not now", Some(Duration::MAX)));
    }

    #[test]
    fn waits_double_and_end_after_ten_seconds() {
        assert_eq!(waits(0), []);
        assert_eq!(waits(2), [200, 400].map(Duration::from_millis));
        assert_eq!(waits(u32::MAX), [200, 400, 800, 1_600, 3_200].map(Duration::from_millis));
    }

    async fn settled(step: Step) -> Result<(), ReceiverError> {
        match step {
            Step::Done(answer) => answer,
            Step::Pending(answer) => answer.await,
        }
    }
}
