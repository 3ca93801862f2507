//! JSON lines in groups: whatever waits is written at once by a thread of its own, and none of it settles before the whole group is safe.
//!
//! What is safe is for the sink to say: a file is synced, a pipe has taken the bytes.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::receiver::{Delivery, ReceiverError, Step, line};

/// Deliveries of one lane that may wait for one group: they are written in the order given.
pub(super) const WINDOW: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// A group is written once it is this large, even if more waits.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

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
    pub(super) fn start(thread: &str, sink: impl Sink) -> io::Result<Self> {
        // Bounded by the deliveries that the engine lets out at once.
        let (to_writer, inbox) = channel();
        let writer = Writer { sink, sendid: 0 };
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
        let written = self.sink.write(group);
        let answer = written.map_err(|error| ReceiverError::unreachable(format!("{}: {error}", self.sink.refusal())));
        for reply in replies {
            // A delivery that was given up on has nobody who listens.
            drop(reply.send(answer.clone()));
        }
    }
}

fn closed() -> ReceiverError {
    ReceiverError::unreachable("this receiver is closed")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
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
        Writer { sink: Memory(Arc::clone(&written)), sendid: 0 }.run(&inbox);
        assert_eq!(answer.try_recv(), Ok(Ok(())));
        let line: Value = serde_json::from_slice(&written.lock().unwrap()).unwrap();
        assert_eq!(line["record"]["offset"], 1);
    }
}
