//! Which stages each topic has passed in this run, as one shard knows it.
//!
//! Asked once per record and stage, so the common answer (the same topic as before, everything passed) is one pointer comparison.

use std::collections::HashMap;
use std::sync::Arc;

use crate::failure::Stage;
use crate::record::Topic;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stages {
    identify: bool,
    route: bool,
    decode: bool,
}

impl Stages {
    const ALL: Self = Self { identify: true, route: true, decode: true };

    /// Marks a stage; says whether that is news.
    fn pass(&mut self, stage: Stage) -> bool {
        let flag = match stage {
            Stage::Identify => &mut self.identify,
            Stage::Route => &mut self.route,
            Stage::Decode => &mut self.decode,
            Stage::Receive => return false,
        };
        !std::mem::replace(flag, true)
    }
}

#[derive(Debug, Default)]
pub(super) struct Passed {
    topics: HashMap<String, Stages>,
    /// A topic that has passed everything.
    last: Option<Arc<Topic>>,
}

impl Passed {
    /// Marks a stage as passed; says whether that is news.
    pub(super) fn pass(&mut self, topic: &Arc<Topic>, stage: Stage) -> bool {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, topic)) {
            return false;
        }
        let is_news = self.pass_by_name(&topic.name, stage);
        if self.topics.get(&topic.name) == Some(&Stages::ALL) {
            self.last = Some(Arc::clone(topic));
        }
        is_news
    }

    pub(super) fn pass_by_name(&mut self, topic: &str, stage: Stage) -> bool {
        match self.topics.get_mut(topic) {
            Some(stages) => stages.pass(stage),
            None => self.topics.entry(topic.to_owned()).or_default().pass(stage),
        }
    }

    pub(super) fn has_passed(&self, topic: &str, stage: Stage) -> bool {
        self.topics.get(topic).is_some_and(|stages| match stage {
            Stage::Identify => stages.identify,
            Stage::Route => stages.route,
            Stage::Decode => stages.decode,
            Stage::Receive => true,
        })
    }
}
