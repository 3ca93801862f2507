//! Which partitions a reset is about: `-t TOPIC[:P,…]` or all that the group has committed.

use std::fmt;

use crate::offsets::GrammarError;
use crate::record::is_topic_name;

/// The partitions that a reset is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that the group has committed.
    All,
    Topics(Vec<TopicPick>),
    /// Those that the target names.
    Named,
}

/// A topic, or some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPick {
    pub topic: String,
    /// `None`: all of them.
    pub partitions: Option<Vec<i32>>,
}

impl TopicPick {
    /// Reads `TOPIC`, `TOPIC:P,P` and several of them, parted by commas. A number behind partitions is one of them, too.
    ///
    /// # Errors
    /// When something in it is neither a topic nor a partition.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, GrammarError> {
        let mut picks: Vec<Self> = Vec::new();
        for item in text.split(',') {
            if let (Some(Self { partitions: Some(partitions), .. }), Some(number)) = (picks.last_mut(), digits(item)) {
                partitions.push(number.ok_or_else(|| GrammarError::Partition(item.to_owned()))?);
                continue;
            }
            let (topic, partition) = item.split_once(':').map_or((item, None), |(topic, partition)| (topic, Some(partition)));
            if !is_topic_name(topic) {
                return Err(GrammarError::Topic(topic.to_owned()));
            }
            let number = |text: &str| digits(text).flatten().ok_or_else(|| GrammarError::Partition(text.to_owned()));
            let partitions = match partition {
                None | Some("*") => None,
                Some(partition) => Some(vec![number(partition)?]),
            };
            picks.push(Self { topic: topic.to_owned(), partitions });
        }
        Ok(picks)
    }

    #[must_use]
    pub(super) fn holds(&self, topic: &str, partition: i32) -> bool {
        self.topic == topic && self.partitions.as_ref().is_none_or(|partitions| partitions.contains(&partition))
    }
}

/// The number of a partition; `Some(None)`: digits, and too many of them.
fn digits(text: &str) -> Option<Option<i32>> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())
}

impl fmt::Display for TopicPick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.topic)?;
        for (at, partition) in self.partitions.iter().flatten().enumerate() {
            write!(f, "{}{partition}", if at == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pick(topic: &str, partitions: Option<&[i32]>) -> TopicPick {
        TopicPick { topic: topic.into(), partitions: partitions.map(<[i32]>::to_vec) }
    }

    #[test]
    fn topics_and_partitions() {
        for (text, expected) in [
            ("orders", vec![pick("orders", None)]),
            ("orders:*", vec![pick("orders", None)]),
            ("orders:3", vec![pick("orders", Some(&[3]))]),
            ("orders:0,1,2", vec![pick("orders", Some(&[0, 1, 2]))]),
            ("orders,payments:1", vec![pick("orders", None), pick("payments", Some(&[1]))]),
            ("orders:0,1,payments,7", vec![pick("orders", Some(&[0, 1])), pick("payments", None), pick("7", None)]),
        ] {
            assert_eq!(TopicPick::parse_all(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("", GrammarError::Topic(String::new())),
            ("orders,", GrammarError::Topic(String::new())),
            (":1", GrammarError::Topic(String::new())),
            ("^ord.*", GrammarError::Topic("^ord.*".into())),
            ("orders:x", GrammarError::Partition("x".into())),
            ("orders:", GrammarError::Partition(String::new())),
            ("orders:-1", GrammarError::Partition("-1".into())),
            ("orders:1:2", GrammarError::Partition("1:2".into())),
            ("orders:0,2147483648", GrammarError::Partition("2147483648".into())),
        ] {
            assert_eq!(TopicPick::parse_all(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(picks in prop::collection::vec(
            ("[a-z][a-z0-9._-]{0,9}", prop::option::of(prop::collection::vec(0..i32::MAX, 1..5))), 1..5,
        )) {
            let picks: Vec<_> = picks.into_iter().map(|(topic, partitions)| TopicPick { topic, partitions }).collect();
            let text = picks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(TopicPick::parse_all(&text), Ok(picks));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*|[a-z:,0-9*]{0,20}") {
            if let Ok(picks) = TopicPick::parse_all(&text) {
                prop_assert!(!picks.is_empty());
            }
        }
    }
}
