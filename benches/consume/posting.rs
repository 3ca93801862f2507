//! Posting to the server: a bare loop over the same HTTP client with the same options, and redrive with its own receiver.
//!
//! Both send the same bodies under the same headers, over as many connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redrive::receiver::{Endpoint, Http};
use redrive::settings::table;
use redrive::{ALL_TYPES, Delivery, Receiver, Receivers, Step};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::runtime::Builder;

use crate::meter::Meter;
use crate::ours;
use crate::task::{Measured, Task};
use crate::{Result, event};

/// Requests in flight, each on a connection of its own.
pub(crate) const CONNECTIONS: usize = 200;

/// Bodies that the bare loop sends in turn: making each anew would be work that redrive does not have.
const BODIES: u64 = 1_000;

/// As many tasks as connections; each posts one event after the other. `runtime`: on one thread or on many.
pub(crate) fn bare(task: &Task, mut runtime: Builder) -> Result<Measured> {
    let meter = Meter::for_ever(task.count);
    let client = Client::builder().user_agent("redrive/0.1.0").redirect(Policy::none()).referer(false).no_proxy().build()?;
    let (url, next) = (url(task)?, Arc::new(AtomicU64::new(0)));
    let bodies: Arc<Vec<Vec<u8>>> = Arc::new((0..BODIES).filter_map(|number| event::sample(number).value).collect());
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async {
        let count = task.count;
        let posters: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (client, url, next, bodies) = (client.clone(), url.clone(), Arc::clone(&next), Arc::clone(&bodies));
                tokio::spawn(async move {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(body) = bodies.get((number % BODIES) as usize).filter(|_| number < count) else {
                            return Ok(());
                        };
                        let request = headers(client.post(url.clone()), number).body(body.clone());
                        request.send().await?.error_for_status()?.bytes().await?;
                        meter.count();
                    }
                })
            })
            .collect();
        for poster in posters {
            let posted: reqwest::Result<()> = poster.await?;
            posted?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    meter.read()
}

/// What redrive's receiver sends with each of these events.
fn headers(request: reqwest::RequestBuilder, number: u64) -> reqwest::RequestBuilder {
    request
        .header("ce-deliveryid", format!("shop/orders@1a2bcfc4/{}/{number}/service", number % 12))
        .header("ce-deliveryattempt", "1")
        .header("ce-deliverymode", "live")
        .header("ce-deliverylate", "false")
        .header("ce-kafkatopic", "orders")
        .header("ce-kafkapartition", number % 12)
        .header("ce-kafkaoffset", number)
        .header("ce-kafkatimestamp", "2026-11-23T05:00:00.123Z")
        .header("ce-specversion", "1.0")
        .header("ce-id", format!("{number:016x}"))
        .header("ce-source", "/tests")
        .header("ce-type", "order.placed")
        .header("ce-time", "2026-11-23T05:00:00.123Z")
        .header("content-type", "application/json")
}

/// The receiver, with a count of what it delivered.
struct Metered {
    http: Http,
    meter: &'static Meter,
}

impl Receiver for Metered {
    fn deliver(&self, delivery: Delivery) -> Step {
        let meter = self.meter;
        match self.http.deliver(delivery) {
            Step::Done(answer) => Step::Done(answer),
            Step::Pending(future) => Step::Pending(Box::pin(async move {
                let answer = future.await;
                if answer.is_ok() {
                    meter.count();
                }
                answer
            })),
        }
    }
}

pub(crate) fn ours(task: &Task) -> Result<Measured> {
    let meter = Meter::for_ever(task.count);
    let http = Http::open(Endpoint::at(url(task)?.as_str())?)?;
    let receivers = Receivers::new().with("service", ALL_TYPES, Arc::new(Metered { http, meter }));
    let connections = CONNECTIONS.to_string();
    ours::deliver(task, &receivers, meter, &[(&table::ORDER, "none"), (&table::CONCURRENCY, &connections)])
}

fn url(task: &Task) -> Result<Url> {
    Ok(task.url.as_deref().ok_or("the task has no URL")?.parse()?)
}
