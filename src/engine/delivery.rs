//! One try of one delivery: the receiver is called, and whatever it does becomes a value.
//!
//! The future is polled once before anything else: a receiver that answers at once costs no timer and no queue.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::engine::in_hand::Out;
use crate::engine::lanes::{History, LaneId};
use crate::receiver::{Binding, Delivery, ReceiverError, Step, panicked};

pub(super) type Answer = Result<(), ReceiverError>;
pub(super) type Pending = BoxFuture<'static, Answer>;

/// What came of starting a try.
pub(super) enum Started {
    Answered(Answer),
    Pending(Pending),
}

/// Calls the receiver; a panic is its failure, nobody else's.
pub(super) fn start(binding: &Binding, delivery: Delivery) -> Started {
    let step = catch_unwind(AssertUnwindSafe(|| binding.receiver.deliver(delivery)));
    let mut future = match step {
        Ok(Step::Done(answer)) => return Started::Answered(answer),
        Ok(Step::Pending(future)) => future,
        Err(payload) => return Started::Answered(Err(panicked(payload.as_ref()))),
    };
    match poll(&mut future, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => {
            let_go(future);
            Started::Answered(answer)
        }
        Poll::Pending => Started::Pending(future),
    }
}

/// What a receiver's future holds is dropped as its code: a panic there ends nobody else's delivery either.
fn let_go(future: Pending) {
    if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
        tracing::warn!("a receiver panicked while its delivery was dropped");
    }
}

fn poll(future: &mut Pending, context: &mut Context<'_>) -> Poll<Answer> {
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled,
        Err(payload) => Poll::Ready(Err(panicked(payload.as_ref()))),
    }
}

/// A try that is out.
pub(super) struct Running {
    pub(super) lane: LaneId,
    /// The record, in the shard's table.
    pub(super) record: usize,
    pub(super) history: History,
    pub(super) started: Instant,
    /// `None` once it is let go of.
    future: Option<Pending>,
    /// `None`: the receiver watches the time itself.
    timer: Option<(Pin<Box<Sleep>>, Duration)>,
    in_hand: Out,
}

/// A try that came back.
pub(super) struct Done {
    pub(super) lane: LaneId,
    pub(super) record: usize,
    pub(super) history: History,
    pub(super) started: Instant,
    pub(super) answer: Answer,
}

impl Running {
    pub(super) fn new(
        lane: LaneId,
        record: usize,
        history: History,
        started: Instant,
        of: (Pending, Option<Duration>, Out),
    ) -> Self {
        let (future, timeout, in_hand) = of;
        let timer = timeout.map(|timeout| (Box::pin(sleep_until(started + timeout)), timeout));
        Self { lane, record, history, started, future: Some(future), timer, in_hand }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.in_hand.during(|| let_go(future));
        }
    }
}

impl Future for Running {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Done> {
        let Self { future, in_hand, .. } = &mut *self;
        let Some(future) = future else { return Poll::Pending };
        let answer = match in_hand.during(|| poll(future, context)) {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let late = |(timer, timeout): &mut (Pin<Box<Sleep>>, Duration)| {
                    timer.as_mut().poll(context).is_ready().then_some(*timeout)
                };
                match self.timer.as_mut().and_then(late) {
                    Some(timeout) => Err(ReceiverError::timed_out(timeout)),
                    None => return Poll::Pending,
                }
            }
        };
        let history = std::mem::take(&mut self.history);
        Poll::Ready(Done { lane: self.lane, record: self.record, history, started: self.started, answer })
    }
}
