//! What the client library is told to fetch: which partitions, from where, and whether they flow.

use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset as RawOffset, TopicPartitionList};

use crate::engine::source::{Flow, SourceError, Start, StartAt};
use crate::kafka::reading::Reading;
use crate::kafka::slots::State;
use crate::record::Slot;

impl Reading {
    /// Starts slots that are still ours to start.
    pub(in crate::kafka) fn start(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        let refused = |error: KafkaError| refused("the partitions cannot be assigned", &error);
        let (mut slots, mut already) = (Vec::new(), Vec::new());
        for Start { partition, at, .. } in starts {
            let slot = partition.slot;
            let Some(place) = self.slots.get_mut(slot) else { continue };
            if self.offering.take_reoffered(slot) || place.state != State::Offered {
                already.push(slot);
            }
            match at {
                StartAt::At(position) => {
                    place.position = *position;
                    place.state = State::Flowing;
                }
                StartAt::Held => place.state = State::Held,
            }
            slots.push(slot);
        }
        if !slots.is_empty() || starts.is_empty() {
            self.fetch(&slots, &already).map_err(refused)?;
        }
        self.let_flow(&slots).map_err(refused)
    }

    /// Holds or opens all that flows.
    pub(in crate::kafka) fn set_flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        let refused = |error: KafkaError| refused("the flow of records cannot be changed", &error);
        self.flow = flow;
        let flowing: Vec<Slot> =
            self.slots.assigned().filter(|(_, place)| place.state == State::Flowing).map(|(slot, _)| slot).collect();
        self.change_flow(flowing.into_iter().filter(|slot| !self.standing.contains(slot)), flow).map_err(refused)
    }

    /// Holds or opens some of what flows.
    pub(in crate::kafka) fn set_flow_of(&mut self, slots: &[Slot], flow: Flow) -> Result<(), SourceError> {
        for slot in slots {
            match flow {
                Flow::Held => self.standing.insert(*slot),
                Flow::Open => self.standing.remove(slot),
            };
        }
        if self.flow == Flow::Held {
            return Ok(());
        }
        let flowing = |slot: &Slot| self.slots.get(*slot).is_some_and(|place| place.state == State::Flowing);
        let done = self.change_flow(slots.iter().copied().filter(flowing), flow);
        done.map_err(|error| refused("the flow of partitions cannot be changed", &error))
    }

    fn change_flow(&self, slots: impl Iterator<Item = Slot>, flow: Flow) -> KafkaResult<()> {
        let list = self.list(slots)?;
        match flow {
            Flow::Held => self.consumer.pause(&list),
            Flow::Open => self.consumer.resume(&list),
        }
    }

    /// Gives slots back, but for those that are only started anew: the client library keeps them.
    pub(in crate::kafka) fn give_back(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        let refused = |error: &KafkaError| refused("partitions cannot be given back", error);
        let (again, slots): (Vec<Slot>, Vec<Slot>) = slots.iter().copied().partition(|slot| self.offering.is_again(*slot));
        if slots.is_empty() && !again.is_empty() {
            return Ok(());
        }
        let mut given_back: Vec<Slot> = self.slots.assigned().map(|(slot, _)| slot).filter(|slot| slots.contains(slot)).collect();
        given_back.extend(slots.iter().filter(|slot| self.offering.take_reoffered(**slot)));
        let list = self.list(given_back.iter().copied()).map_err(|error| refused(&error))?;
        slots.iter().for_each(|slot| {
            self.standing.remove(slot);
            if let Some(place) = self.slots.get_mut(*slot) {
                place.state = State::Away;
            }
        });
        let done = if self.is_cooperative() { self.consumer.incremental_unassign(&list) } else { self.consumer.unassign() };
        match done {
            Err(error) if !given_back.is_empty() => Err(refused(&error)),
            _ => Ok(()),
        }
    }

    /// Reads no more of these slots, and goes on with the others: what is assigned without a group is assigned as a whole, so they only
    /// stand still.
    pub(in crate::kafka) fn leave(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        let list = self.list(slots.iter().copied()).map_err(|error| refused("partitions cannot be left", &error))?;
        for slot in slots {
            if let Some(place) = self.slots.get_mut(*slot) {
                place.state = State::Held;
            }
        }
        self.judge_no_more(slots);
        self.consumer.pause(&list).map_err(|error| refused("partitions cannot be left", &error))
    }

    /// Tells the client library which partitions it fetches: those of `slots`, or all, as its protocol wants it. What it has already
    /// is taken from it first: a partition that ran out of its log stands still there, and is not sought.
    fn fetch(&self, slots: &[Slot], already: &[Slot]) -> KafkaResult<()> {
        if !self.is_cooperative() {
            return self.consumer.assign(&self.list(self.slots.assigned().map(|(slot, _)| slot))?);
        }
        if !already.is_empty() {
            self.consumer.incremental_unassign(&self.list(already.iter().copied())?)?;
        }
        self.consumer.incremental_assign(&self.list(slots.iter().copied())?)
    }

    /// Holds or opens partitions that were just assigned. Opens, too: the client library remembers that a partition was paused, even
    /// one that was somebody else's meanwhile.
    fn let_flow(&self, slots: &[Slot]) -> KafkaResult<()> {
        let flows = |slot: &Slot| {
            let may = self.flow == Flow::Open && !self.standing.contains(slot);
            may && self.slots.get(*slot).is_some_and(|place| place.state == State::Flowing)
        };
        let (flowing, standing): (Vec<Slot>, Vec<Slot>) = slots.iter().partition(|slot| flows(slot));
        self.consumer.pause(&self.list(standing)?)?;
        self.consumer.resume(&self.list(flowing)?)
    }

    fn list(&self, slots: impl IntoIterator<Item = Slot>) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for place in slots.into_iter().filter_map(|slot| self.slots.get(slot)) {
            list.add_partition_offset(&place.topic, place.partition, RawOffset::Offset(place.position.get()))?;
        }
        Ok(list)
    }

    fn is_cooperative(&self) -> bool {
        matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
    }
}

fn refused(what: &str, error: &KafkaError) -> SourceError {
    SourceError::Request { what: what.to_owned(), message: error.to_string() }
}
