//! Questions to the brokers, asked on a thread of their own: an answer may take seconds or never come, and whoever polls must not wait.
//!
//! The thread also asks by itself, every few seconds: whether any broker answers, and whether the topics are still the same ones; and now
//! and then which topics there are, where they are chosen by patterns or no group says which partitions are ours.
//! Events alone do not tell. The client library keeps an error that repeats to itself for 30 s, says once that all brokers are down, and
//! says nothing for a minute when a broker hangs with its connections open; and it reads on in a topic that was made again as if it were
//! the old one.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::engine::source::SourceError;
use crate::engine::start::StartFrom;
use crate::kafka::choice::{There, TopicChoice};
use crate::kafka::cluster;
use crate::kafka::connection::Connection;
use crate::kafka::native;
use crate::kafka::reading::Subscription;
use crate::kafka::reading::looking::{self, Seen, TopicUuid, Unseen, Wanted};
use crate::record::Slot;

/// From one look at the brokers to the next while all is well. Each is two small requests.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// However many complaints there are, nobody is asked more often.
const WATCH_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// How long one look waits for an answer, and from one that has none to the next.
const WATCH_FOR: Duration = Duration::from_secs(3);
/// So many looks in a row without an answer are a silence. One is no proof: its request waits behind a fetch, which may take half a second
/// to come back, behind the stalls of a busy machine, and while a leader moves or a broker that is back takes its place.
const SILENCE: u32 = 3;

/// What the thread found out.
#[derive(Debug)]
pub(super) enum Answer {
    /// About the partitions that were asked about, each on its own.
    Looked(Vec<(Slot, Result<Seen, Unseen>)>),
    /// A broker answers, and this is what it says of the topics; `there` are those that were chosen, when it was asked to list them.
    Heard { uuids: Vec<TopicUuid>, there: Option<There> },
    /// No broker answers.
    Silent(String),
}

/// Whether topics are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Listing {
    Never,
    /// They were listed just now.
    NowAndThen,
    /// At once, and then now and then.
    AtOnce,
}

enum Question {
    Look(Vec<Wanted>),
    /// Something is wrong with a broker: does any answer?
    Anybody,
}

/// The way to the thread.
pub(super) struct Asking {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

struct Asker<C: ConsumerContext> {
    consumer: Arc<BaseConsumer<C>>,
    bootstrap: String,
    from: Option<StartFrom>,
    choice: TopicChoice,
    /// `None`: never.
    list_at: Option<Instant>,
    list_every: Duration,
    /// The topics that were looked at.
    looked_at: BTreeSet<String>,
    questions: Receiver<Question>,
    answers: Sender<Answer>,
    watched: Instant,
    watch_at: Instant,
    /// Looks in a row without an answer.
    misses: u32,
}

impl Asking {
    pub(super) fn start<C: ConsumerContext + 'static>(
        consumer: Arc<BaseConsumer<C>>,
        connection: &Connection,
        subscription: &Subscription,
        listing: Listing,
    ) -> io::Result<Self> {
        // Bounded by the source: one look at a time, and a complaint only while it polls, a few in a second.
        let (questions, theirs) = mpsc::channel();
        // Bounded by the questions, and by one answer of the thread's own in a second.
        let (answered, answers) = mpsc::channel();
        let now = Instant::now();
        let list_every = connection.lists_every();
        let list_at = match listing {
            Listing::Never => None,
            Listing::NowAndThen => Some(now + list_every),
            Listing::AtOnce => Some(now),
        };
        let asker = Asker {
            consumer,
            bootstrap: connection.bootstrap().to_owned(),
            from: subscription.from,
            choice: subscription.topics.clone(),
            list_at,
            list_every,
            looked_at: BTreeSet::new(),
            questions: theirs,
            answers: answered,
            watched: now,
            watch_at: list_at.map_or(now + WATCH_EVERY, |at| at.min(now + WATCH_EVERY)),
            misses: 0,
        };
        let thread = thread::Builder::new().name("redrive-ask".to_owned()).spawn(move || asker.run())?;
        Ok(Self { questions, answers, thread })
    }

    /// Asks about partitions; [`Answer::Looked`] answers, whatever happens.
    pub(super) fn look(&self, wanted: Vec<Wanted>) -> Result<(), SourceError> {
        self.ask(Question::Look(wanted))
    }

    /// Asks soon whether any broker answers.
    pub(super) fn anybody(&self) -> Result<(), SourceError> {
        self.ask(Question::Anybody)
    }

    fn ask(&self, question: Question) -> Result<(), SourceError> {
        self.questions.send(question).map_err(|_| SourceError::Request {
            what: "the brokers cannot be asked".to_owned(),
            message: "the thread that asks them is gone; this is a defect of redrive".to_owned(),
        })
    }

    /// The next answer, if there is one.
    pub(super) fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    /// Ends the thread, after the request that is out: that takes as long as a broker may take to answer it.
    pub(super) fn end(self) {
        let Self { questions, answers, thread } = self;
        drop((questions, answers));
        if thread.join().is_err() {
            tracing::warn!("the thread that asks the brokers died; this is a defect of redrive");
        }
    }
}

impl<C: ConsumerContext> Asker<C> {
    fn run(mut self) {
        loop {
            let question = self.questions.recv_timeout(self.watch_at.saturating_duration_since(Instant::now()));
            let answer = match question {
                Ok(Question::Look(wanted)) => Some(self.look(wanted)),
                Ok(Question::Anybody) => {
                    self.watch_soon();
                    None
                }
                Err(RecvTimeoutError::Timeout) => self.watch(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if answer.is_some_and(|answer| self.answers.send(answer).is_err()) {
                return;
            }
        }
    }

    fn watch_soon(&mut self) {
        if self.misses == 0 {
            self.watch_at = self.watch_at.min(self.watched + WATCH_AT_MOST_EVERY);
        }
    }

    fn look(&mut self, wanted: Vec<Wanted>) -> Answer {
        self.looked_at.extend(wanted.iter().map(|wanted| wanted.topic.clone()));
        // While nobody answers that is found out first: each of these questions would wait for longer.
        let nobody = || wanted.iter().map(|_| Err(Unseen::Unanswered("no broker answers".to_owned()))).collect();
        let seen = if self.misses > 0 { nobody() } else { looking::look(&self.consumer, &wanted, self.from) };
        if seen.iter().any(Result::is_err) {
            self.watch_soon();
        }
        Answer::Looked(wanted.into_iter().map(|wanted| wanted.slot).zip(seen).collect())
    }

    fn watch(&mut self) -> Option<Answer> {
        self.watched = Instant::now();
        match self.ask_anybody() {
            Ok((broker, there)) => {
                self.misses = 0;
                if there.is_some() {
                    self.list_at = Some(self.watched + self.list_every);
                }
                let next = self.watched + WATCH_EVERY;
                self.watch_at = self.list_at.map_or(next, |at| at.min(next));
                Some(Answer::Heard { uuids: looking::uuids(&self.consumer, &self.looked_at, broker), there })
            }
            Err(error) => {
                tracing::debug!(error, "no broker answers");
                self.misses += 1;
                self.watch_at = self.watched + WATCH_FOR;
                (self.misses >= SILENCE).then_some(Answer::Silent(error))
            }
        }
    }

    /// The broker that answers, and the topics that it lists when it is time for that.
    fn ask_anybody(&self) -> Result<(i32, Option<There>), String> {
        let is_listing = self.list_at.is_some_and(|at| self.watched >= at);
        // One topic stands for all when it is not about them.
        let any = || self.looked_at.first().or(self.choice.names().first()).map(String::as_str);
        let topic = if is_listing { self.choice.only() } else { any() };
        let answer = self.consumer.fetch_metadata(topic, WATCH_FOR);
        let (error, is_nobody_known) = match answer {
            Ok(metadata) if !metadata.brokers().is_empty() => {
                return Ok((cluster::a_broker(&metadata), is_listing.then(|| self.choice.among(&metadata))));
            }
            Ok(_) => ("the cluster names no broker".to_owned(), true),
            Err(error) => {
                let code = error.rdkafka_error_code();
                (error.to_string(), code == Some(RDKafkaErrorCode::BrokerTransportFailure))
            }
        };
        if is_nobody_known {
            native::add_brokers(self.consumer.client(), &self.bootstrap);
        }
        Err(error)
    }
}
