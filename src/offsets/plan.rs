//! The plan of a reset: what each partition gets, decided as `kafka-consumer-groups.sh --reset-offsets` does. Pure.

use jiff::Timestamp;

use crate::offsets::{LogBounds, Shift, Wanted};
use crate::record::NextOffset;

/// What is known of a partition that is to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) committed: Option<NextOffset>,
    pub(super) bounds: LogBounds,
}

/// Where one partition is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Earliest,
    Latest,
    Offset(Wanted),
    Shift(Shift),
    Current,
    /// The first record at or after a time, where there is one.
    Since(Timestamp, Option<NextOffset>),
}

/// What was asked for lies outside of the log: the nearest end of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    Below {
        wanted: Wanted,
        start: NextOffset,
    },
    Above {
        wanted: Wanted,
        end: NextOffset,
    },
    /// No record is so young.
    Since {
        time: Timestamp,
        end: NextOffset,
    },
}

/// How many offsets a move makes the group read again, and how many it will never read. Holes in the log count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub delivered_again: u64,
    pub skipped: u64,
}

/// Where the partition goes, and what was wrong with where it was to go; `None`: there is no offset that could be shifted.
pub(super) fn destination(standing: Standing, goal: Goal) -> Option<(NextOffset, Option<Outside>)> {
    let LogBounds { start, end } = standing.bounds;
    Some(match goal {
        Goal::Earliest => (start, None),
        Goal::Latest => (end, None),
        Goal::Offset(wanted) => within(wanted, standing.bounds),
        Goal::Shift(by) => within(by.from(standing.committed?), standing.bounds),
        // Wherever that is.
        Goal::Current => (standing.committed.unwrap_or(end), None),
        Goal::Since(_, Some(first)) => (first, None),
        Goal::Since(time, None) => (end, Some(Outside::Since { time, end })),
    })
}

fn within(wanted: Wanted, bounds: LogBounds) -> (NextOffset, Option<Outside>) {
    let LogBounds { start, end } = bounds;
    match NextOffset::new(wanted.get()) {
        Some(next) if next > end => (end, Some(Outside::Above { wanted, end })),
        Some(next) if next >= start => (next, None),
        _ => (start, Some(Outside::Below { wanted, start })),
    }
}

/// What a move from one offset to another means. A group without an offset has read nothing; what the log no longer has is not counted.
pub(super) fn counts(from: Option<NextOffset>, to: Option<NextOffset>, bounds: LogBounds) -> Counts {
    let LogBounds { start, end } = bounds;
    let Some(to) = to else { return Counts::default() };
    let from = from.unwrap_or(start);
    let between = |low: NextOffset, high: NextOffset| {
        let (low, high) = (low.max(start), high.min(end));
        high.get().saturating_sub(low.get()).max(0).unsigned_abs()
    };
    Counts { delivered_again: between(to, from), skipped: between(from, to) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::offsets::doubles::{bounds, next};

    fn wanted(text: &str) -> Wanted {
        Wanted::parse(text).unwrap()
    }

    /// The log holds 10 to 100.
    fn standing(committed: Option<i64>) -> Standing {
        Standing { committed: committed.map(next), bounds: bounds(10, 100) }
    }

    fn to(committed: Option<i64>, goal: Goal) -> Option<(i64, Option<Outside>)> {
        destination(standing(committed), goal).map(|(next, outside)| (next.get(), outside))
    }

    /// As `ConsumerGroupCommand.prepareOffsetsToReset` has it.
    #[test]
    fn each_target_as_kafkas_own_tool_has_it() {
        let (start, end) = (next(10), next(100));
        let offset = |text: &str| Goal::Offset(wanted(text));
        let shift = |text: &str| Goal::Shift(Shift::parse(text).unwrap());
        let below = |text: &str| Some(Outside::Below { wanted: wanted(text), start });
        let above = |text: &str| Some(Outside::Above { wanted: wanted(text), end });
        let time: Timestamp = "2026-11-23T05:00:00Z".parse().unwrap();
        for (committed, goal, expected) in [
            (Some(50), Goal::Earliest, Some((10, None))),
            (None, Goal::Earliest, Some((10, None))),
            (Some(50), Goal::Latest, Some((100, None))),
            (Some(50), offset("42"), Some((42, None))),
            (Some(50), offset("10"), Some((10, None))),
            (Some(50), offset("100"), Some((100, None))),
            (Some(50), offset("9"), Some((10, below("9")))),
            (Some(50), offset("-7"), Some((10, below("-7")))),
            (None, offset("101"), Some((100, above("101")))),
            (Some(50), shift("-8"), Some((42, None))),
            (Some(50), shift("+8"), Some((58, None))),
            (Some(50), shift("-41"), Some((10, below("9")))),
            (Some(50), shift("51"), Some((100, above("101")))),
            (Some(50), shift("9223372036854775807"), Some((100, above("9223372036854775807")))),
            (Some(500), shift("-1"), Some((100, above("499")))),
            (None, shift("5"), None),
            (Some(50), Goal::Current, Some((50, None))),
            (Some(5), Goal::Current, Some((5, None))),
            (None, Goal::Current, Some((100, None))),
            (Some(50), Goal::Since(time, Some(next(42))), Some((42, None))),
            (Some(50), Goal::Since(time, None), Some((100, Some(Outside::Since { time, end })))),
        ] {
            assert_eq!(to(committed, goal), expected, "{committed:?} {goal:?}");
        }
    }

    #[test]
    fn what_a_move_means() {
        let counted = |from: Option<i64>, to: Option<i64>| {
            let Counts { delivered_again, skipped } = counts(from.map(next), to.map(next), bounds(10, 100));
            (delivered_again, skipped)
        };
        for (from, to, expected) in [
            (Some(50), Some(42), (8, 0)),
            (Some(50), Some(58), (0, 8)),
            (Some(50), Some(50), (0, 0)),
            (Some(5), Some(10), (0, 0)),
            (Some(5), Some(100), (0, 90)),
            (Some(500), Some(100), (0, 0)),
            (Some(500), Some(10), (90, 0)),
            (None, Some(10), (0, 0)),
            (None, Some(100), (0, 90)),
            (Some(50), None, (0, 0)),
        ] {
            assert_eq!(counted(from, to), expected, "{from:?} {to:?}");
        }
    }

    proptest! {
        #[test]
        fn a_destination_lies_within_the_log(committed in 0i64..200, by in any::<i64>(), start in 0i64..100, length in 0i64..100) {
            let standing = Standing { committed: Some(next(committed)), bounds: bounds(start, start + length) };
            for goal in [Goal::Earliest, Goal::Latest, Goal::Offset(wanted(&by.to_string())), Goal::Shift(Shift::parse(&by.to_string()).unwrap())] {
                let (to, outside) = destination(standing, goal).unwrap();
                prop_assert!((standing.bounds.start..=standing.bounds.end).contains(&to), "{goal:?}");
                let asked = match goal {
                    Goal::Offset(wanted) => Some(i128::from(wanted.get())),
                    Goal::Shift(_) => Some((i128::from(committed) + i128::from(by)).clamp(i64::MIN.into(), i64::MAX.into())),
                    _ => None,
                };
                prop_assert_eq!(outside.is_some(), asked.is_some_and(|asked| asked != i128::from(to.get())));
            }
            let there = counts(Some(next(committed)), Some(standing.bounds.start), standing.bounds);
            let back = counts(Some(standing.bounds.start), Some(next(committed)), standing.bounds);
            prop_assert_eq!((there.delivered_again, there.skipped), (back.skipped, back.delivered_again));
        }
    }
}
