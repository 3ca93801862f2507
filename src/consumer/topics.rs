//! The topics that are read, as they are when a run begins.

use crate::consumer::BeginError;
use crate::kafka::{Cluster, TopicChoice, TopicInfo};

/// Every name must be there; a pattern may match nothing yet.
pub(super) fn find(cluster: &Cluster, choice: &TopicChoice) -> Result<Vec<TopicInfo>, BeginError> {
    let mut found = if choice.has_patterns() { cluster.topics()? } else { Vec::new() };
    found.retain(|topic| choice.has(&topic.name));
    for name in choice.names() {
        match cluster.topic(name)? {
            // A pattern may have found it as well.
            Some(topic) if found.iter().any(|of| of.name == topic.name) => {}
            Some(topic) => found.push(topic),
            None => {
                let there = cluster.topics()?.into_iter().map(|topic| topic.name).collect();
                return Err(BeginError::UnknownTopic { name: name.clone(), there });
            }
        }
    }
    Ok(found)
}
