//! A consumer inside the test process, with Rust functions as receivers: what a program of a user's own is.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redrive::Receivers;
use redrive::consumer::{self, Ended, Place};
use redrive::engine::observer::Unobserved;
use redrive::engine::report::StopLevel;
use redrive::engine::stop::StopToken;
use redrive::journal::{self, Safety};
use redrive::kafka::Connection;
use redrive::settings::table::{self, Setting};
use redrive::settings::{ConsumeSettings, Given, Layers};

use super::{Broker, Folder, wait};

/// A consumer that runs on a thread of its own.
pub(crate) struct Consumer {
    stop: StopToken,
    thread: Option<JoinHandle<Ended>>,
}

impl Consumer {
    /// Starts a consumer of a topic by a group, from its beginning; its journal is the folder's.
    #[track_caller]
    pub(crate) fn start(
        broker: &Broker,
        folder: &Folder,
        of: (&str, &str),
        receivers: &Receivers,
        more: &[(&Setting, &str)],
    ) -> Self {
        let settings = settings(of, receivers, more);
        let place = Place {
            connection: Connection::new(broker.bootstrap(), Vec::new()).unwrap(),
            journal: journal::Place { path: folder.path().join("redrive.db"), safety: Safety::Safe },
            command: "consume",
        };
        let stop = StopToken::default();
        let stopped = stop.clone();
        let run = move || consumer::run(&place, settings, &stopped, |_| Arc::new(Unobserved)).unwrap();
        Self { stop, thread: Some(thread::Builder::new().name("consumer".to_owned()).spawn(run).unwrap()) }
    }

    /// Asks it to stop, and waits for its end.
    #[track_caller]
    pub(crate) fn stop(self, within: Duration) -> Ended {
        self.stop.ask(StopLevel::Drain);
        self.wait(within)
    }

    /// Waits for its end, and closes its journal.
    #[track_caller]
    pub(crate) fn wait(mut self, within: Duration) -> Ended {
        let thread = self.thread.take().unwrap();
        wait::until("the consumer ends", within, || thread.is_finished().then_some(()));
        thread.join().unwrap()
    }
}

/// What `consume` is told by these settings and by nothing else.
#[track_caller]
pub(crate) fn settings((topic, group): (&str, &str), receivers: &Receivers, more: &[(&Setting, &str)]) -> ConsumeSettings {
    let mut given = Given::default();
    for (setting, value) in [(&table::TOPIC, topic), (&table::GROUP, group), (&table::FROM, "earliest")].iter().chain(more) {
        given.set(setting, vec![(*value).to_owned()]);
    }
    ConsumeSettings::read(&Layers::without_file(given, &|_| None), receivers).unwrap()
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop.ask(StopLevel::Now);
    }
}
