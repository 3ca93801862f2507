//! What a process of the benchmark is told to do, and what it tells when that is done: JSON both ways, an argument and a line.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::ailing::Illness;
use crate::{Result, ailing, avro, bare, ours, posting, replay, service};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) role: Role,
    pub(crate) bootstrap: String,
    pub(crate) topic: String,
    /// The consumer group; the bare loop has none.
    pub(crate) group: String,
    /// Events to read.
    pub(crate) count: u64,
    /// Where events are posted to, by those that post; where schemas are asked for, by those that need one.
    pub(crate) url: Option<String>,
    /// The range that is replayed, as the command takes it.
    pub(crate) offset: Option<String>,
    /// How it goes with the receiver that ails.
    pub(crate) illness: Option<Illness>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// The bare loop.
    Bare,
    /// redrive with a receiver that parses each event.
    Ours,
    /// redrive with a receiver that fails each event.
    Failing,
    /// redrive's replay to a receiver that parses each event: of a range of offsets, or of all that is journaled.
    Replay,
    /// redrive with two receivers, of which one is down for a while.
    Ailing,
    /// redrive with a receiver that never answers. It has to be ended from outside.
    Hanging,
    /// The server that events are posted to. It has to be ended from outside.
    Service,
    /// The bare loop over the HTTP client, on one thread.
    BarePosts,
    /// The same on a thread for each core.
    BarePostsOnAllCores,
    /// redrive with its HTTP receiver.
    OurPosts,
    /// The bare loop over events in Avro, into a struct.
    AvroToStruct,
    /// The same into JSON.
    AvroToJson,
    /// redrive with a receiver that gets them in JSON.
    OurAvro,
}

/// What a process measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) events: u64,
    /// From the first event to the last, as all that follows.
    pub(crate) seconds: f64,
    pub(crate) processor_seconds: f64,
    /// The time of day of the first event, in seconds since 1970.
    pub(crate) first_at: f64,
    /// The most memory that the process had resident since its start.
    pub(crate) peak_bytes: u64,
}

impl Task {
    /// Does it in this process, and prints what came of it.
    pub(crate) fn perform(&self) -> Result<()> {
        let measured = match self.role {
            Role::Bare => bare::run(self)?,
            Role::Ours => ours::run(self)?,
            Role::Failing => ours::fail(self)?,
            Role::Replay => replay::run(self)?,
            Role::Ailing => return tell(&ailing::run(self)?),
            Role::Hanging => return ours::hang(self),
            Role::Service => return service::run(),
            Role::BarePosts => posting::bare(self, Builder::new_current_thread())?,
            Role::BarePostsOnAllCores => posting::bare(self, Builder::new_multi_thread())?,
            Role::OurPosts => posting::ours(self)?,
            Role::AvroToStruct => avro::to_struct(self)?,
            Role::AvroToJson => avro::to_json(self)?,
            Role::OurAvro => avro::ours(self)?,
        };
        tell(&measured)
    }
}

fn tell(measured: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

impl FromStr for Task {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

impl Measured {
    pub(crate) fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// Of the whole process, the client library's threads included.
    pub(crate) fn processor_seconds_per_million(&self) -> f64 {
        self.processor_seconds * 1e6 / self.events as f64
    }
}
