//! From what was asked to what is selected: the entries in the journal, and the one group in whose name they are delivered.

use std::collections::BTreeSet;

use crate::journal::{OpenError, Place, Selected};
use crate::offsets::OffsetRange;
use crate::replay::error::ReplayError;
use crate::replay::request::{Request, What};

/// What was found of a request before any broker is asked. Of records, nothing is selected yet: where their ranges lie, only a broker
/// knows.
pub(super) struct Selection {
    /// `None`: there is no journal, and records can do without.
    pub(super) selected: Option<Selected>,
    pub(super) group: String,
}

impl Selection {
    pub(super) fn of(place: &Place, request: &Request) -> Result<Self, ReplayError> {
        let mut selected = match (Selected::open(place), &request.what) {
            (Err(OpenError::Missing(_)), What::Records(_)) => None,
            (opened, _) => Some(opened?),
        };
        let asked = request.group.as_deref();
        let group = match (&request.what, &mut selected) {
            (What::Records(ranges), selected) => match asked {
                Some(group) => group.to_owned(),
                None => group_of_topics(selected.as_ref(), &topics_of(ranges))?,
            },
            (What::Ids(ids), Some(selected)) => {
                let missing = selected.select_ids(ids)?;
                if !missing.is_empty() {
                    return Err(ReplayError::UnknownEntries { ids: missing });
                }
                group_of_entries(selected, asked)?
            }
            (What::Entries(filters), Some(selected)) => {
                let mut filters = (**filters).clone();
                filters.groups = asked.map(str::to_owned).into_iter().collect();
                selected.select(&filters)?;
                group_of_entries(selected, asked)?
            }
            (What::Ids(_) | What::Entries(_), None) => return Err(ReplayError::nothing_selected(None)),
        };
        Ok(Self { selected, group })
    }
}

fn group_of_topics(selected: Option<&Selected>, topics: &BTreeSet<&str>) -> Result<String, ReplayError> {
    let groups = selected.map_or(Ok(BTreeSet::new()), |selected| groups_of(selected, topics))?;
    one_of(groups.into_iter().collect()).unwrap_or_else(|| Err(ReplayError::GroupUnknown { topic: listed(topics) }))
}

/// The topics that ranges name.
pub(super) fn topics_of(ranges: &[OffsetRange]) -> BTreeSet<&str> {
    ranges.iter().filter_map(|range| range.topic.as_deref()).collect()
}

/// Who reads them, as far as the journal knows.
pub(super) fn groups_of(selected: &Selected, topics: &BTreeSet<&str>) -> Result<BTreeSet<String>, ReplayError> {
    let mut groups = BTreeSet::new();
    for topic in topics {
        groups.extend(selected.reader().groups_of_topic(topic)?);
    }
    Ok(groups)
}

/// For a message.
pub(super) fn listed(topics: &BTreeSet<&str>) -> String {
    topics.iter().copied().collect::<Vec<_>>().join(", ")
}

fn group_of_entries(selected: &Selected, asked: Option<&str>) -> Result<String, ReplayError> {
    let groups = selected.groups()?;
    match asked {
        Some(asked) if groups.iter().any(|group| group != asked) => {
            Err(ReplayError::OtherGroup { asked: asked.to_owned(), groups })
        }
        _ => one_of(groups).unwrap_or_else(|| Err(ReplayError::nothing_selected(Some(selected)))),
    }
}

/// `None`: there is none.
fn one_of(mut groups: Vec<String>) -> Option<Result<String, ReplayError>> {
    if groups.len() > 1 {
        return Some(Err(ReplayError::SeveralGroups { groups }));
    }
    groups.pop().map(Ok)
}
