//! Offsets in a file: `topic,partition,offset`, one partition a line, as `kafka-consumer-groups.sh` takes and exports them.
//!
//! A line that begins with `#` says something to people. That is how the file of an undo tells of partitions that had no offset. The names of
//! the columns may come first.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::offsets::{TopicPartition, Wanted};
use crate::record::{NextOffset, is_topic_name};

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct CsvError {
    pub line: usize,
    pub what: String,
}

/// What a file says of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvRow {
    /// Where, from 1.
    pub line: usize,
    pub offset: Wanted,
}

/// The names of the columns: no line of data looks like that.
const HEADER: [&str; 3] = ["topic", "partition", "offset"];

/// # Errors
/// At the first line that is no offset of a partition, or of one that had a line before.
pub fn read_csv(text: &str) -> Result<BTreeMap<TopicPartition, CsvRow>, CsvError> {
    let mut rows: BTreeMap<TopicPartition, CsvRow> = BTreeMap::new();
    let mut is_first = true;
    for (text, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim).zip(1..) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if std::mem::take(&mut is_first) && text.split(',').map(str::trim).eq(HEADER) {
            continue;
        }
        let (at, offset) = read_line(text).map_err(|what| CsvError { line, what })?;
        if let Some(CsvRow { line: first, .. }) = rows.get(&at) {
            return Err(CsvError { line, what: format!("{at} is in line {first} already") });
        }
        rows.insert(at, CsvRow { line, offset });
    }
    Ok(rows)
}

fn read_line(line: &str) -> Result<(TopicPartition, Wanted), String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [topic, partition, offset] = cells.as_slice() else {
        return Err(format!("expected topic,partition,offset, and got {} fields: `{line}`", cells.len()));
    };
    // Kafka's tool puts long names in quotes.
    let topic = topic.strip_prefix('"').and_then(|topic| topic.strip_suffix('"')).unwrap_or(topic);
    if !is_topic_name(topic) {
        return Err(format!("`{topic}` is not the name of a topic"));
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let partition = partition.parse().ok().filter(|_| is_number(partition));
    let partition =
        partition.ok_or_else(|| format!("`{}` is not a partition: expected a number from 0", cells.get(1).unwrap_or(&"")))?;
    let wanted = Wanted::parse(offset).map_err(|error| error.to_string())?;
    Ok((TopicPartition { topic: topic.to_owned(), partition }, wanted))
}

/// What a group had, so that it can be read again: `about` first, for people.
#[must_use]
pub fn write_csv<'o>(about: &str, offsets: impl IntoIterator<Item = (&'o TopicPartition, Option<NextOffset>)>) -> String {
    let mut text = format!("# {}\n", about.replace(['\n', '\r'], " "));
    for (at, offset) in offsets {
        let TopicPartition { topic, partition } = at;
        text.push_str(&match offset {
            Some(offset) => format!("{topic},{partition},{offset}\n"),
            None => format!("# {topic},{partition} had no committed offset\n"),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }

    #[test]
    fn files() {
        let long = "a-topic-whose-name-is-longer-than-24";
        let text = format!("\u{feff}# a comment\r\norders,0,5\r\n\r\n orders , 1 , 0 \n\"{long}\",7,9223372036854775807");
        let expected = [(at("orders", 0), 2, "5"), (at("orders", 1), 4, "0"), (at(long, 7), 5, "9223372036854775807")];
        let expected = expected.map(|(at, line, offset)| (at, CsvRow { line, offset: Wanted::parse(offset).unwrap() }));
        assert_eq!(read_csv(&text), Ok(expected.into()));
        assert_eq!(read_csv("# nothing\n\n"), Ok(BTreeMap::new()));
        let below = CsvRow { line: 3, offset: Wanted::parse("-5").unwrap() };
        assert_eq!(read_csv("# from a table\ntopic, partition, offset\norders,0,-5"), Ok([(at("orders", 0), below)].into()));
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named() {
        for (text, line, what) in [
            ("orders,0,5\norders,1", 2, "expected topic,partition,offset, and got 2 fields: `orders,1`"),
            ("shop,orders,0,5", 1, "expected topic,partition,offset, and got 4 fields: `shop,orders,0,5`"),
            ("topic,partition,lag", 1, "`partition` is not a partition: expected a number from 0"),
            ("orders,0,5\ntopic,partition,offset", 2, "`partition` is not a partition: expected a number from 0"),
            ("topic,partition,offset\ntopic,partition,offset", 2, "`partition` is not a partition: expected a number from 0"),
            ("or ders,0,5", 1, "`or ders` is not the name of a topic"),
            ("orders,-1,5", 1, "`-1` is not a partition: expected a number from 0"),
            ("orders,+1,5", 1, "`+1` is not a partition: expected a number from 0"),
            ("orders,2147483648,5", 1, "`2147483648` is not a partition: expected a number from 0"),
            ("orders,0,+5", 1, "`+5` is not an offset: expected a whole number"),
            ("orders,0,", 1, "`` is not an offset: expected a whole number"),
            ("orders,0,9223372036854775808", 1, "`9223372036854775808` is not an offset: expected a whole number"),
            ("#\norders,0,5\n\norders,0,5", 4, "orders/0 is in line 2 already"),
        ] {
            assert_eq!(read_csv(text), Err(CsvError { line, what: what.into() }), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            all in prop::collection::btree_map(("[a-z][a-z0-9._-]{0,40}", 0..i32::MAX), prop::option::of(0..i64::MAX), 0..20), about in "\\PC*",
        ) {
            let all: Vec<_> = all.into_iter()
                .map(|((topic, partition), offset)| (TopicPartition { topic, partition }, offset.and_then(NextOffset::new))).collect();
            let text = write_csv(&about, all.iter().map(|(at, offset)| (at, *offset)));
            let expected: Vec<_> = all.into_iter().filter_map(|(at, offset)| Some((at, Wanted::from(offset?)))).collect();
            let read: Vec<_> = read_csv(&text).unwrap().into_iter().map(|(at, row)| (at, row.offset)).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*|([a-z\"]{0,3},?[0-9-]{0,20},?\r?\n?){0,9}") {
            drop(read_csv(&text));
        }
    }
}
