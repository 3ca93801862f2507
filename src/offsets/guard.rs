//! The guard before each move: who may not be moved, and why.
//!
//! Members of a group hold its offsets in their memory, and commit over whatever was committed meanwhile.

use thiserror::Error;

use crate::offsets::{AdminError, GroupAdmin, GroupMember, GroupProtocol, GroupView, called};

/// Why a group cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GuardError {
    #[error("group {} is a share group: Kafka keeps what became of each of its records, and no committed offsets", called(group))]
    Share { group: String },
    #[error("group {} has {} live member{}, so its offsets cannot be moved", called(group), members.len(), if members.len() == 1 { "" } else { "s" })]
    Members { group: String, members: Vec<GroupMember> },
    #[error("group {} is in the state {state}, so its offsets cannot be moved: expected Empty", called(group))]
    NotEmpty { group: String, state: String },
    /// `there`: all groups that there are.
    #[error("there is no group {} on this cluster", called(group))]
    Unknown { group: String, there: Vec<String> },
    #[error("group {} has no committed offsets", called(group))]
    NoOffsets { group: String },
}

/// What Kafka calls a group without members, and one that is not there.
const QUIET: [&str; 2] = ["Empty", "Dead"];

#[must_use]
fn is_quiet(view: &GroupView) -> bool {
    view.members.is_empty() && QUIET.contains(&view.state.as_str())
}

/// Lets pass what has no members.
pub(super) fn check(group: &str, view: &GroupView) -> Result<(), GuardError> {
    let GroupView { protocol, state, members } = view;
    let group = group.to_owned();
    match () {
        () if *protocol == GroupProtocol::Share => Err(GuardError::Share { group }),
        () if !members.is_empty() => Err(GuardError::Members { group, members: members.clone() }),
        () if !is_quiet(view) => Err(GuardError::NotEmpty { group, state: state.clone() }),
        () => Ok(()),
    }
}

/// What a group is that has committed nothing.
pub(super) fn no_offsets(admin: &dyn GroupAdmin, group: &str, state: &str) -> Result<GuardError, AdminError> {
    let group = group.to_owned();
    if state != "Dead" {
        return Ok(GuardError::NoOffsets { group });
    }
    Ok(GuardError::Unknown { group, there: admin.groups()?.into_iter().map(|listing| listing.group).collect() })
}

/// Looks at a group until it has no members, or until `goes_on`, which pauses between two looks, is false. What came of it is for the guard
/// to say.
///
/// # Errors
/// When its coordinator does not answer.
pub fn wait_empty(admin: &dyn GroupAdmin, group: &str, mut goes_on: impl FnMut() -> bool) -> Result<(), AdminError> {
    while !is_quiet(&admin.describe(group)?) && goes_on() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::doubles::{Cluster, member};

    fn view(protocol: GroupProtocol, state: &str, members: &[&str]) -> GroupView {
        GroupView { protocol, state: state.into(), members: members.iter().map(|id| member(id)).collect() }
    }

    #[test]
    fn only_a_quiet_group_passes() {
        let said = |protocol, state: &str, members: &[&str]| {
            check("shop", &view(protocol, state, members)).map_err(|error| error.to_string())
        };
        for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
            assert_eq!(said(protocol.clone(), "Empty", &[]), Ok(()));
            assert_eq!(said(protocol.clone(), "Dead", &[]), Ok(()));
            let members = "group shop has 2 live members, so its offsets cannot be moved";
            assert_eq!(said(protocol.clone(), "Stable", &["a", "b"]), Err(members.into()));
            let one = "group shop has 1 live member, so its offsets cannot be moved";
            assert_eq!(said(protocol.clone(), "Empty", &["a"]), Err(one.into()), "whatever its state is");
            let state = "group shop is in the state PreparingRebalance, so its offsets cannot be moved: expected Empty";
            assert_eq!(said(protocol, "PreparingRebalance", &[]), Err(state.into()));
        }
        assert!(said(GroupProtocol::Share, "Empty", &[]).unwrap_err().contains("is a share group"));
    }

    #[test]
    fn it_waits_until_the_last_member_is_gone_or_patience_is() {
        let cluster = Cluster::new();
        cluster.joins("a");
        let mut looks = 0;
        let waited = wait_empty(&cluster, "shop", || {
            looks += 1;
            if looks == 3 {
                cluster.leaves();
            }
            true
        });
        assert_eq!((waited, looks), (Ok(()), 3));
        cluster.joins("b");
        assert_eq!(wait_empty(&cluster, "shop", || false), Ok(()));
        assert!(check("shop", &cluster.describe("shop").unwrap()).is_err(), "the guard still says who is left");
        cluster.fails_at("describe", 1);
        assert!(wait_empty(&cluster, "shop", || true).is_err());
    }
}
