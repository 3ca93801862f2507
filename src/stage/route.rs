//! Which receivers take which type: exact names, or a prefix followed by `.*`.

use crate::event::{TypePattern, TypePatternError};
use crate::failure::Refusal;
use crate::record::{ReceiverIx, ReceiverSet};

/// What becomes of a type that no receiver takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unrecognized {
    /// An entry, `unrecognized_type`.
    #[default]
    Journal,
    /// Counted, with one incident per new type.
    Skip,
}

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    To(ReceiverSet),
    Skipped,
    Unrecognized(Refusal),
}

#[derive(Clone, Debug)]
struct Rule {
    types: TypePattern,
    receiver: ReceiverIx,
}

/// The receivers' types, checked.
#[derive(Clone, Debug)]
pub struct Router {
    take_all: ReceiverSet,
    rules: Vec<Rule>,
    unrecognized: Unrecognized,
}

impl Router {
    /// `types`: for each receiver, in order, the types it takes; none means all.
    ///
    /// # Errors
    /// When a pattern is neither a type nor a prefix.
    pub fn new<'a>(types: impl Iterator<Item = &'a [String]>, unrecognized: Unrecognized) -> Result<Self, TypePatternError> {
        let mut router = Self { take_all: ReceiverSet::NONE, rules: Vec::new(), unrecognized };
        for (receiver, types) in (0u8..).map(ReceiverIx).zip(types) {
            if types.is_empty() {
                router.take_all = router.take_all.with(receiver);
            }
            for pattern in types {
                router.rules.push(Rule { types: TypePattern::parse(pattern)?, receiver });
            }
        }
        Ok(router)
    }

    #[must_use]
    pub fn route(&self, event_type: &str) -> Routed {
        let matching = self.rules.iter().filter(|rule| rule.types.matches(event_type));
        let to = matching.fold(self.take_all, |set, rule| set.with(rule.receiver));
        if !to.is_empty() {
            return Routed::To(to);
        }
        match self.unrecognized {
            Unrecognized::Skip => Routed::Skipped,
            Unrecognized::Journal => Routed::Unrecognized(Refusal::permanent(
                "unrecognized_type",
                format!("no receiver takes the type \"{event_type}\""),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(types: &[&[&str]], unrecognized: Unrecognized) -> Result<Router, TypePatternError> {
        let types: Vec<Vec<String>> = types.iter().map(|types| types.iter().map(|&t| t.to_owned()).collect()).collect();
        Router::new(types.iter().map(Vec::as_slice), unrecognized)
    }

    fn to(router: &Router, event_type: &str) -> Vec<u8> {
        match router.route(event_type) {
            Routed::To(set) => set.iter().map(|receiver| receiver.0).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn exact_types_prefixes_and_those_that_take_all() {
        let router = router(&[&[], &["order.placed"], &["order.*", "user.created"]], Unrecognized::Journal).unwrap();
        assert_eq!(to(&router, "order.placed"), [0, 1, 2]);
        assert_eq!(to(&router, "order.cancelled"), [0, 2]);
        assert_eq!(to(&router, "user.created"), [0, 2]);
        assert_eq!(to(&router, "orders"), [0]);
        assert_eq!(to(&router, "order."), [0, 2]);
    }

    #[test]
    fn a_type_that_nobody_takes() {
        let journal = router(&[&["a"]], Unrecognized::Journal).unwrap();
        let Routed::Unrecognized(refusal) = journal.route("b") else { panic!("nobody takes it") };
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("unrecognized_type", "no receiver takes the type \"b\""));
        assert_eq!(router(&[&["a"]], Unrecognized::Skip).unwrap().route("b"), Routed::Skipped);
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for pattern in ["", "*", ".*", "order*", "*.placed", "a.*.b", "a.**"] {
            assert!(router(&[&[pattern]], Unrecognized::Journal).is_err(), "{pattern}");
        }
    }
}
