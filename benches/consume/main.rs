//! The benchmark: what redrive costs beside a bare loop over the same Kafka or HTTP client, how much memory it takes when a receiver
//! hangs, how soon it delivers after a start, and how fast it delivers again what failed.
//!
//! ```sh
//! cargo bench                                             # everything, in a few minutes
//! cargo bench -- speed --rounds 9                         # one part, more rounds
//! cargo bench -- memory start --events 1000000            # a smaller topic
//! cargo bench -- replay --events 100000                   # what replay alone needs of it
//! ```
//!
//! It starts a real Apache Kafka of its own (a JDK and Maven must be there, as for the tests), fills one topic with events of 1,024 bytes
//! of JSON and six headers, and reads it once, so that the broker has it in memory. Whatever is measured runs in a process of its own:
//! `task` is what such a process is told, `meter` what it measures itself by. The machine is shared with the broker; so figures of one
//! run may be compared with each other, and never with those of another run.
//!
//! - **speed**: in turn, several times, a bare loop (`bare`) and redrive with a Rust receiver (`ours`). Both parse every event into the
//!   same struct, and both have the same client properties. A line for each round: events per second from the first event to the last,
//!   their ratio, the processor time of each process for a million events, and its peak of resident memory. The line that must hold is
//!   about the median ratio.
//! - **outage**: redrive with two Rust receivers, of which one is down for a while and then catches up on what it missed. A line for each
//!   round, and each round is a process: what the other one does in a second while both are well, while one is down, and while that one
//!   catches up. Two lines are about the ratios of the latter to the first. Then the same with a receiver that takes 20 ms for each event,
//!   and the line is about its own speed while it catches up, to that while both were well.
//! - **memory**: redrive with a receiver that never answers, before the whole topic: its peak of resident memory, once that stands still.
//! - **start**: from the start of the process to the first delivery, several times, each after a clean stop of the one before.
//! - **hand**: what each call of a Rust receiver costs more because it is noted that it has a record in hand. It needs no topic.
//! - **http**: in turn, several times, a bare loop over the HTTP client and redrive with its `http:` receiver, both with 200 connections to
//!   a minimal server in a process of its own. The bare loop runs on one thread and on all cores, and the faster one counts. A line for
//!   each round, as for speed.
//! - **avro**: in turn, several times, over a topic of events of 300 bytes with a record in a record: a bare loop that decodes them, and
//!   redrive with a Rust receiver that is handed them in JSON, its schema from a registry. The bare loop has the fastest decoder there is, and
//!   is measured twice: into a struct that was compiled in, and into JSON by a schema that was not. The line is about the second, which is the
//!   work that redrive does. A line for each round, as for speed.
//! - **replay**: three things. In turn, several times: redrive live with a Rust receiver that takes 100,000 events; live with one that
//!   fails all of them, so that all are journaled; and `replay` of those to one that takes them, with a broker that says what the group
//!   has committed, as the command does. Rates are from the first delivery to the moment when all outcomes are on disk (of events that
//!   are taken live nothing is written: to the last delivery). The line is about the ratio of replay to the live run that *fails*, since
//!   both have a row of the journal to write for each event; the ratio to the one that takes all is printed beside it. Then: 5 of
//!   5,000,000 entries are selected from a journal that was made with plain SQL, by their ids, by filters and by their offsets, with its
//!   opening and the counts of a plan. Then: a range of 1,000,000 records from the middle of a larger topic, several times; what went
//!   over the machine's own network meanwhile is what was fetched, and that must be little more than the range.
//!
//! The exit code is 1 when a line does not hold.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a benchmark is for is what it prints")]

mod ailing;
mod avro;
mod bare;
mod child;
mod event;
mod hand;
mod http;
mod memory;
mod meter;
mod numbers;
mod ours;
mod outage;
mod posting;
mod process;
mod replay;
mod service;
mod speed;
mod start;
#[expect(clippy::allow_attributes, reason = "what the tests use of it and the benchmark does not changes with the tests")]
#[allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the tests' own support: it fails a test, and a benchmark, by panicking"
)]
#[path = "../../tests/support/mod.rs"]
mod support;
mod task;
mod topic;
mod verdict;

use std::error::Error;
use std::process::ExitCode;
use std::thread;

use clap::{Parser, ValueEnum, value_parser};

use numbers::grouped;
use support::Broker;
use task::Task;
use topic::Events;
use verdict::Verdict;

/// What goes wrong in a benchmark ends it, and is told.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Measures redrive beside a bare loop over the same Kafka client.
#[derive(Parser)]
struct Arguments {
    /// What to measure [default: everything]
    parts: Vec<Part>,
    /// Events in the topic
    #[arg(long, default_value_t = 2_000_000, value_parser = value_parser!(u64).range(100_000..))]
    events: u64,
    /// How often each part is measured
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Entries in the journal from which some are selected
    #[arg(long, default_value_t = 5_000_000, value_parser = value_parser!(u64).range(10_000..))]
    entries: u64,
    /// Records in the range that is replayed
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(10_000..))]
    records: u64,
    /// Said by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Do this one task, in this process, and print what came of it
    #[arg(long, hide = true)]
    task: Option<Task>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Speed,
    Outage,
    Memory,
    Start,
    Hand,
    Http,
    Avro,
    Replay,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.task {
        Some(task) => task.perform().map(|()| Verdict::Holds),
        None => measure(&arguments),
    };
    match done {
        Ok(Verdict::Holds) => ExitCode::SUCCESS,
        Ok(Verdict::Missed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Verdict> {
    if arguments.parts == [Part::Hand] {
        return hand::measure(arguments.rounds);
    }
    let broker = Broker::own();
    let events = Events::produce(&broker, arguments.events);
    let cores = thread::available_parallelism()?;
    println!(
        "{cores} cores, with the broker beside · {} events of {} bytes of JSON and 6 headers, {} keys, {} partitions",
        grouped(events.count()),
        event::BYTES,
        grouped(event::KEYS),
        topic::PARTITIONS,
    );
    let mut verdict = Verdict::Holds;
    for part in [Part::Speed, Part::Outage, Part::Memory, Part::Start, Part::Hand, Part::Http, Part::Avro, Part::Replay] {
        if !arguments.parts.is_empty() && !arguments.parts.contains(&part) {
            continue;
        }
        let measured = match part {
            Part::Speed => speed::measure(&events, arguments.rounds)?,
            Part::Outage => outage::measure(&events, arguments.rounds)?,
            Part::Memory => memory::measure(&events)?,
            Part::Start => start::measure(&events, arguments.rounds)?,
            Part::Hand => hand::measure(arguments.rounds)?,
            Part::Http => http::measure(&events, arguments.rounds)?,
            Part::Avro => avro::measure(&broker, arguments.events, arguments.rounds)?,
            Part::Replay => replay::measure(&broker, &events, arguments)?,
        };
        verdict = verdict.and(measured);
    }
    Ok(verdict)
}
