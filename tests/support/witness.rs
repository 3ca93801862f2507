//! Kafka's own tools as the witness: what they print, read into values. Nothing of redrive has a part in it.

use std::collections::BTreeMap;

use super::broker::Broker;
use super::java::{Java, Kind};

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const ALL_GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// A way to Kafka's tools; each question starts one of them, which takes about half a second.
pub(crate) struct Witness<'b> {
    broker: &'b Broker,
}

/// A partition of a group, as `kafka-consumer-groups.sh --describe` shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupOffset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) committed: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) lag: Option<i64>,
    /// The client id of the member that has the partition.
    pub(crate) client: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupState {
    pub(crate) state: String,
    pub(crate) members: usize,
}

/// One commit, as the broker's own log of them has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// None: the offset was deleted.
    pub(crate) offset: Option<i64>,
    pub(crate) metadata: String,
}

/// Where `kafka-consumer-groups.sh --reset-offsets` puts a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetTo {
    Earliest,
    Latest,
    Offset(i64),
}

impl<'b> Witness<'b> {
    pub(super) fn of(broker: &'b Broker) -> Self {
        Self { broker }
    }

    /// What the group has committed, in order of topic and partition; empty for a group that the broker does not know.
    #[track_caller]
    pub(crate) fn group_offsets(&self, group: &str) -> Vec<GroupOffset> {
        let printed = self.ask(GROUPS, &["--describe", "--group", group]);
        let mut offsets: Vec<_> = rows(&printed, group).iter().map(|cells| group_offset(cells)).collect();
        offsets.sort();
        offsets
    }

    /// What is left for the group to read: the lags of all its partitions together. Every partition must have committed.
    #[track_caller]
    pub(crate) fn lag(&self, group: &str) -> i64 {
        let offsets = self.group_offsets(group);
        assert!(!offsets.is_empty(), "the broker knows no offsets of group {group}");
        offsets.iter().map(|at| at.lag.unwrap_or_else(|| panic!("{}/{} has no lag yet", at.topic, at.partition))).sum()
    }

    /// `None` for a group that the broker does not know.
    #[track_caller]
    pub(crate) fn group_state(&self, group: &str) -> Option<GroupState> {
        let printed = self.ask(GROUPS, &["--describe", "--state", "--group", group]);
        let rows = rows(&printed, group);
        // GROUP, COORDINATOR, (ID), ASSIGNMENT-STRATEGY, STATE, #MEMBERS; the strategy is empty at times, so count from the end.
        let [.., state, members] = rows.first()?.as_slice() else { panic!("not a group's state:\n{printed}") };
        Some(GroupState { state: (*state).to_owned(), members: number(members) })
    }

    /// Moves a group without members, as an operator would.
    #[track_caller]
    pub(crate) fn reset_offsets(&self, group: &str, topic: &str, to: ResetTo) {
        let offset;
        let target: &[&str] = match to {
            ResetTo::Earliest => &["--to-earliest"],
            ResetTo::Latest => &["--to-latest"],
            ResetTo::Offset(to) => {
                offset = to.to_string();
                &["--to-offset", &offset]
            }
        };
        let arguments = [&["--reset-offsets", "--execute", "--group", group, "--topic", topic], target].concat();
        let printed = self.ask(GROUPS, &arguments);
        assert!(!rows(&printed, group).is_empty(), "group {group} was not moved:\n{printed}");
    }

    /// Moves a group without members as these arguments of `kafka-consumer-groups.sh --reset-offsets` say, and returns what it printed.
    #[track_caller]
    pub(crate) fn reset(&self, group: &str, arguments: &[&str]) -> String {
        self.ask(GROUPS, &[&["--reset-offsets", "--execute", "--group", group], arguments].concat())
    }

    /// Makes a group without members forget a partition or (`topic` alone) a topic.
    #[track_caller]
    pub(crate) fn delete_offsets(&self, group: &str, topic: &str) {
        let printed = self.ask(GROUPS, &["--delete-offsets", "--group", group, "--topic", topic]);
        assert!(printed.contains("Request succeeded"), "the offsets of group {group} were not deleted:\n{printed}");
    }

    /// The offset after the last record of each partition.
    #[track_caller]
    pub(crate) fn ends(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.offsets(topic, "latest")
    }

    /// The offset of the first record that is still there, of each partition.
    #[track_caller]
    pub(crate) fn starts(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.offsets(topic, "earliest")
    }

    /// The offset of the first record at or after a time in milliseconds; partitions without one are left out.
    #[track_caller]
    pub(crate) fn at_time(&self, topic: &str, ms: i64) -> BTreeMap<i32, i64> {
        self.offsets(topic, &ms.to_string()).into_iter().filter(|(_, offset)| *offset >= 0).collect()
    }

    /// All groups with their types, such as `Classic`.
    #[track_caller]
    pub(crate) fn groups(&self) -> BTreeMap<String, String> {
        let printed = self.ask(ALL_GROUPS, &["--list"]);
        let rows = printed.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter_map(|cells| Some(((*cells.first()?).to_owned(), (*cells.get(1)?).to_owned()))).collect()
    }

    #[track_caller]
    fn offsets(&self, topic: &str, time: &str) -> BTreeMap<i32, i64> {
        let printed = self.ask(OFFSETS, &["--topic", topic, "--time", time]);
        let lines = printed.lines().map(|line| {
            let mut cells = line.rsplitn(3, ':');
            let offset = number(cells.next().unwrap_or_default());
            (number(cells.next().unwrap_or_default()), offset)
        });
        lines.collect()
    }

    /// The id of a topic.
    #[track_caller]
    pub(crate) fn topic_id(&self, topic: &str) -> String {
        let printed = self.ask(TOPICS, &["--describe", "--topic", topic]);
        let mut words = printed.split_whitespace().skip_while(|word| *word != "TopicId:").skip(1);
        words.next().unwrap_or_else(|| panic!("no id of {topic}:\n{printed}")).to_owned()
    }

    /// Every commit of the group since the broker's first start, in order.
    #[track_caller]
    pub(crate) fn commits(&self, group: &str) -> Vec<Commit> {
        let formatter = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter";
        let topic = ["--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", "4000", "--formatter", formatter];
        let printed = self.ask(CONSUMER, &topic);
        let written = serde_json::Deserializer::from_str(&printed).into_iter::<serde_json::Value>();
        let written = written.map(|entry| entry.unwrap_or_else(|error| panic!("not the log of commits: {error}\n{printed}")));
        written.filter(|entry| entry["key"]["data"]["group"] == group).map(|entry| commit(&entry)).collect()
    }

    /// Runs one of the tools and returns what it printed. A tool that fails says so in its text, not in its exit code.
    #[track_caller]
    fn ask(&self, tool: &str, arguments: &[&str]) -> String {
        let java = Java::with_kafka(Kind::Tool).unwrap_or_else(|error| panic!("{error}"));
        let output = java.command().arg(tool).args(["--bootstrap-server", &self.broker.bootstrap()]).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{tool} cannot be run: {error}"));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_unknown_group = printed.contains("GroupIdNotFoundException");
        let has_failed = !output.status.success() || (printed.contains("Error:") && !is_unknown_group);
        if has_failed {
            let said = String::from_utf8_lossy(&output.stderr);
            let broker = self.broker.condition();
            panic!("{tool} {arguments:?} failed ({}): {broker}\n{printed}\n{said}", output.status);
        }
        printed
    }
}

/// The rows of a table that are about `group`, as cells; titles and remarks are left out.
fn rows<'p>(printed: &'p str, group: &str) -> Vec<Vec<&'p str>> {
    let lines = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|cells| cells.first() == Some(&group)).collect()
}

#[track_caller]
fn group_offset(cells: &[&str]) -> GroupOffset {
    let [_, topic, partition, committed, end, lag, _, _, client] = cells else { panic!("not a partition of a group: {cells:?}") };
    GroupOffset {
        topic: (*topic).to_owned(),
        partition: number(partition),
        committed: known(committed).map(number),
        end: known(end).map(number),
        lag: known(lag).map(number),
        client: known(client).map(str::to_owned),
    }
}

#[track_caller]
fn commit(entry: &serde_json::Value) -> Commit {
    let (key, value) = (&entry["key"]["data"], &entry["value"]["data"]);
    Commit {
        topic: key["topic"].as_str().unwrap_or_default().to_owned(),
        partition: number(&key["partition"].to_string()),
        offset: value["offset"].as_i64(),
        metadata: value["metadata"].as_str().unwrap_or_default().to_owned(),
    }
}

fn known(cell: &str) -> Option<&str> {
    (cell != "-").then_some(cell)
}

#[track_caller]
fn number<N: std::str::FromStr>(cell: &str) -> N {
    cell.parse().unwrap_or_else(|_| panic!("{cell:?} is not a number"))
}
