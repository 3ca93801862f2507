//! From an assignment to an offer: what the broker says of each partition is looked up, again and again until it answers.

use std::time::{Duration, Instant};

use rdkafka::Offset as RawOffset;
use rdkafka::consumer::Consumer;

use crate::engine::source::{Appeared, Committed, Notice, Offer};
use crate::kafka::cluster;
use crate::kafka::group_source::{From, GroupSource, Told};
use crate::kafka::native::At;
use crate::kafka::slots::State;
use crate::record::{NextOffset, Slot};

const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Assignments that wait to be offered.
#[derive(Default)]
pub(super) struct Offering {
    waiting: Option<Waiting>,
    /// Slots that the client library still fetches, which are judged anew.
    again: Vec<Slot>,
    reoffered: Vec<Slot>,
    /// The last question was not answered, and that was told.
    is_unanswered: bool,
}

struct Waiting {
    slots: Vec<Slot>,
    ask_at: Option<Instant>,
}

impl Offering {
    /// An assignment, even an empty one: it must be answered.
    pub(super) fn add(&mut self, slots: Vec<Slot>) {
        let waiting = self.waiting.get_or_insert(Waiting { slots: Vec::new(), ask_at: None });
        waiting.slots.extend(slots);
    }

    pub(super) fn forget(&mut self, slots: &[Slot]) {
        if let Some(waiting) = &mut self.waiting {
            waiting.slots.retain(|slot| !slots.contains(slot));
            if waiting.slots.is_empty() {
                self.waiting = None;
            }
        }
        self.again.retain(|slot| !slots.contains(slot));
    }

    /// Offers a slot anew once the engine has let go of it.
    pub(super) fn again(&mut self, slot: Slot) {
        self.again.push(slot);
    }

    pub(super) fn is_again(&self, slot: Slot) -> bool {
        self.again.contains(&slot)
    }

    /// True when this slot was offered anew, once: the client library has its partition already.
    pub(super) fn take_reoffered(&mut self, slot: Slot) -> bool {
        let at = self.reoffered.iter().position(|reoffered| *reoffered == slot);
        at.map(|at| self.reoffered.swap_remove(at)).is_some()
    }
}

impl GroupSource {
    /// The next offer, when one is due.
    pub(super) fn offer(&mut self, now: Instant) -> Option<Result<Vec<Offer>, String>> {
        if self.offering.waiting.is_none() && !self.offering.again.is_empty() && self.untold.is_empty() {
            self.reoffer();
        }
        let waiting = self.offering.waiting.as_ref()?;
        if waiting.ask_at.is_some_and(|at| now < at) {
            return None;
        }
        let slots = waiting.slots.clone();
        let answer = self.look_up(&slots);
        match answer {
            Ok(_) => {
                self.offering.waiting = None;
                if std::mem::take(&mut self.offering.is_unanswered) {
                    self.untold.push_back(Told::Notice(Notice::BrokerBack));
                }
            }
            Err(_) => {
                // The question may have taken seconds: the pause begins now.
                self.offering.waiting = Some(Waiting { slots, ask_at: Some(Instant::now() + ASK_AGAIN) });
                self.offering.is_unanswered = true;
            }
        }
        Some(answer)
    }

    fn reoffer(&mut self) {
        let again = std::mem::take(&mut self.offering.again);
        let places: Vec<_> =
            again.iter().filter_map(|slot| self.slots.get(*slot)).map(|at| (at.topic.clone(), at.partition)).collect();
        let slots: Vec<_> = places.iter().map(|(topic, partition)| self.slots.offer(topic, *partition)).collect();
        self.offering.reoffered.extend(&slots);
        self.offering.add(slots);
    }

    fn look_up(&mut self, slots: &[Slot]) -> Result<Vec<Offer>, String> {
        let places: Vec<_> = slots
            .iter()
            .filter_map(|slot| self.slots.get(*slot).map(|place| (*slot, place)))
            .filter(|(_, place)| place.state == State::Offered)
            .map(|(slot, place)| (slot, place.topic.clone(), place.partition))
            .collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let of: Vec<(&str, i32)> = places.iter().map(|(_, topic, partition)| (topic.as_str(), *partition)).collect();
        let committed = cluster::committed(&self.consumer, &of)?;
        let lows = cluster::list_offsets(&self.consumer, &of, RawOffset::Beginning)?;
        let ends = cluster::list_offsets(&self.consumer, &of, RawOffset::End)?;
        let from = match self.subscription.from {
            Some(From::TimeMs(ms)) => cluster::list_offsets(&self.consumer, &of, RawOffset::Offset(ms))?,
            Some(From::Earliest | From::Latest) | None => Vec::new(),
        };
        let mut names: Vec<&str> = of.iter().map(|(topic, _)| *topic).collect();
        names.sort_unstable();
        names.dedup();
        let uuids = cluster::uuids(self.consumer.client(), &names)?;
        let known = names.iter().map(|name| self.is_known_to_group(name, &committed)).collect::<Result<Vec<_>, _>>()?;
        let mut offers = Vec::with_capacity(places.len());
        for (slot, name, partition) in &places {
            let at = |list: &[At]| find(list, name, *partition).and_then(|at| NextOffset::new(at.offset));
            let (Some(low), Some(end)) = (at(&lows), at(&ends)) else {
                return Err(format!("{name}/{partition}: the broker does not say where its log begins and ends"));
            };
            let nth = names.iter().position(|of| of == name).unwrap_or_default();
            offers.push(Offer {
                slot: *slot,
                topic: self.topics.get(&self.cluster_id, name, uuids.get(nth).cloned().flatten()),
                partition: *partition,
                committed: at(&committed).map(|next| Committed {
                    next,
                    metadata: find(&committed, name, *partition).map_or_else(String::new, |at| at.metadata.clone()),
                }),
                low,
                end,
                topic_known_to_group: known.get(nth).copied().unwrap_or_default(),
                from: match self.subscription.from {
                    Some(From::Earliest) => Some(low),
                    Some(From::Latest) => Some(end),
                    Some(From::TimeMs(_)) => Some(at(&from).unwrap_or(end)),
                    None => None,
                },
                appeared: if self.subscription.there.contains(name) { Appeared::BeforeTheRun } else { Appeared::DuringTheRun },
            });
        }
        Ok(offers)
    }

    /// Whether the group has committed anything for a topic. All its partitions are asked only when those at hand say nothing.
    fn is_known_to_group(&self, topic: &str, committed: &[At]) -> Result<bool, String> {
        if committed.iter().any(|at| at.topic == topic && at.offset >= 0) {
            return Ok(true);
        }
        let metadata = self.consumer.fetch_metadata(Some(topic), cluster::ANSWER).map_err(|error| error.to_string())?;
        let partitions = metadata.topics().iter().filter(|of| of.name() == topic).flat_map(|of| of.partitions());
        let of: Vec<(&str, i32)> = partitions.map(|partition| (topic, partition.id())).collect();
        Ok(cluster::committed(&self.consumer, &of)?.iter().any(|at| at.offset >= 0))
    }
}

fn find<'a>(list: &'a [At], topic: &str, partition: i32) -> Option<&'a At> {
    list.iter().find(|at| at.topic == topic && at.partition == partition)
}
