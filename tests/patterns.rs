//! Topics that are chosen by a pattern: which ones, from when on, and what `--topic-prefix` makes of them.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Broker, Folder, Sample, unique};

const SOON: Duration = Duration::from_secs(30);
const REFRESH: [&str; 2] = ["-X", "topic.metadata.refresh.interval.ms=500"];

/// The topics of what a receiver got.
fn topics(folder: &Folder) -> BTreeSet<String> {
    let topic = |line: String| {
        let delivery: serde_json::Value = serde_json::from_str(&line).unwrap();
        delivery["record"]["topic"].as_str().unwrap().to_owned()
    };
    folder.lines("all.jsonl").into_iter().map(topic).collect()
}

/// The client library has a dialect of its own, in which `\d` means nothing; the banner and the group must mean the same topics. One
/// that appears is read from its beginning, also by members that have partitions already, with both protocols and both ways to assign.
#[test]
fn a_pattern_means_the_same_topics_for_everybody() {
    for (protocol, strategy) in [("classic", "cooperative-sticky"), ("classic", "range"), ("consumer", "")] {
        let (broker, folder, prefix) = (Broker::shared(), Folder::new(), unique("same"));
        let sample = || [Sample::event("t", "1", "{}")];
        let [first, other] = ["n", "x"].map(|kind| broker.topic(&format!("{prefix}-{kind}"), 2));
        first.produce(&sample());
        other.produce(&sample());
        let pattern = format!(r"^n-\d+$|^{prefix}-n-\d+$");
        let protocol = format!("group.protocol={protocol}");
        let strategy = format!("partition.assignment.strategy={strategy}");
        let mut properties = vec!["-X", &protocol];
        if !strategy.ends_with('=') {
            properties.extend(["-X", &strategy]);
        }
        let arguments = ["consume", "-b", &broker.bootstrap(), "-t", &pattern, "-g", &prefix, "--receiver", "all=file:all.jsonl"];
        let consume = || folder.redrive(arguments).args(properties.iter().copied()).args(["--from", "latest"]).args(REFRESH);
        let mut running = consume().spawn();
        running.line(&format!("{} (2 partitions)", first.name()), SOON);
        running.line("2 partitions assigned", SOON);
        let second = broker.topic(&format!("{prefix}-n"), 1);
        second.produce(&sample());
        running.until("it is read", SOON, |_| (folder.lines("all.jsonl").len() == 1).then_some(()));
        first.produce(&sample());
        running.until("the first one goes on", SOON, |_| (folder.lines("all.jsonl").len() == 2).then_some(()));
        running.signal(Signal::TERM);
        running.wait(SOON).expect_code(0);
        assert_eq!(topics(&folder), BTreeSet::from([first.name().to_owned(), second.name().to_owned()]), "{protocol} {strategy}");
        assert_eq!(broker.witness().lag(&prefix), 0);
        assert_eq!(folder.journal().incidents(), []);
    }
}

#[test]
fn a_prefix_goes_before_names_and_into_patterns() {
    let (broker, folder, prefix) = (Broker::shared(), Folder::new(), unique("dev.eu"));
    // What a prefix means is no pattern: its dot is a dot.
    let names = [format!("{prefix}-orders"), format!("{prefix}-users"), format!("{}-users", prefix.replace('.', "-"))];
    let [orders, users, elsewhere] = names.map(|name| broker.topic(&name, 1));
    [&orders, &users, &elsewhere].iter().for_each(|topic| topic.produce(&[Sample::event("t", "1", "{}")]));
    let name = orders.name().strip_prefix(&format!("{prefix}-")).unwrap().to_owned();
    let always =
        ["consume", "-b", &broker.bootstrap(), "--topic-prefix", &prefix, "-g", &prefix, "--from", "earliest", "--until-end"];
    let receiver = ["--receiver", "all=file:all.jsonl"];
    folder.redrive(always).args(["-t", &name, "-t", "^users.*|.*-users"]).args(receiver).run().expect_code(0);
    assert_eq!(topics(&folder), BTreeSet::from([orders.name().to_owned(), users.name().to_owned()]));
    let output = folder.redrive(always).args(["-t", elsewhere.name()]).args(receiver).run().expect_code(2);
    assert!(output.stderr.contains(&format!("there is no topic {prefix}-{}", elsewhere.name())), "{}", output.stderr);
}

/// `^.*` once meant the log of committed offsets as well, which grows with everything that is read.
#[test]
fn a_pattern_never_means_kafkas_own_topics() {
    let (broker, folder, group) = (Broker::own(), Folder::new(), unique("own"));
    let topic = broker.topic("shop", 1);
    topic.produce(&[Sample::event("t", "1", "{}")]);
    let arguments =
        ["consume", "-b", &broker.bootstrap(), "-t", "^.*", "-g", &group, "--from", "earliest", "--receiver", "all=discard:"];
    for more in [&["--until-end"][..], &["--until-end", "--dry-run"]] {
        let output = folder.redrive(arguments).args(more.iter().copied()).within(SOON).run().expect_code(0);
        assert!(output.stderr.contains("1 partition assigned"), "{}", output.stderr);
    }
    assert_eq!(broker.witness().group_offsets(&group).len(), 1);
}
