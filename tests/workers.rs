//! The exec worker that the tests observe deliveries through: it notes what it did before it answers.

use std::collections::BTreeSet;

use crate::support::Folder;

/// Notes each delivery as `RECEIVER PARTITION OFFSET LATE` in one append, and fails every hundredth event (id ending in 07). One that is
/// mortal dies of an event now and then, whose id leaves [`DIES_OF`] when it is divided by [`DIES_EVERY`].
/// Arguments: receiver, seconds per delivery; or the receiver, 0, and those two.
const WORKER: &str = r#"
import json, os, sys, time
receiver, pause, mortal = sys.argv[1], float(sys.argv[2]), [int(number) for number in sys.argv[3:]]
notes = os.open("deliveries", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
for line in sys.stdin:
    delivery = json.loads(line)
    record, event = delivery["record"], delivery["event"]
    if pause:
        time.sleep(pause)
    if mortal and int(event["id"]) % mortal[0] == mortal[1]:
        os._exit(1)
    if int(event["id"]) % 100 == 7:
        answer = {"ok": False, "class": "permanent", "code": "unlucky", "message": "event %s ends in 07" % event["id"]}
    else:
        os.write(notes, b"%s %d %d %s\n" % (receiver.encode(), record["partition"], record["offset"], str(delivery["late"]).encode()))
        answer = {"ok": True}
    print(json.dumps({"sendid": delivery["sendid"], **answer}), flush=True)
"#;

pub(crate) const DIES_EVERY: i32 = 3_000;
pub(crate) const DIES_OF: i32 = 13;

/// There is a file `waits` while it has not answered; it answers once there is a file `open`.
const GATE: &str = r#"
while IFS= read -r line; do
    touch waits
    while [ ! -e open ]; do sleep 0.02; done
    rm waits
    sendid=${line#*\"sendid\":}
    echo "{\"sendid\":${sendid%%,*},\"ok\":true}"
done
"#;

/// A delivery that was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Made {
    pub(crate) receiver: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Writes the worker into a folder, and gives the target of a receiver of this name.
pub(crate) fn target(folder: &Folder, receiver: &str, pause: f64) -> String {
    folder.write("worker.py", WORKER);
    format!("{receiver}=exec:python3 worker.py {receiver} {pause}")
}

/// As [`target`], of a receiver whose process dies by itself.
pub(crate) fn mortal(folder: &Folder, receiver: &str) -> String {
    format!("{} {DIES_EVERY} {DIES_OF}", target(folder, receiver, 0.0))
}

/// A receiver `gated` that keeps what it gets in flight until the test writes a file `open` into the folder.
pub(crate) fn gated(folder: &Folder) -> String {
    folder.write("gate.sh", GATE);
    "gated=exec:/bin/sh gate.sh".to_owned()
}

/// What was delivered so far, in the order in which it was.
pub(crate) fn deliveries(folder: &Folder) -> Vec<Made> {
    let made = |line: String| {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap_or_else(|| panic!("a whole line: {line}"));
        let receiver = next().to_owned();
        Made { receiver, partition: next().parse().unwrap(), offset: next().parse().unwrap() }
    };
    folder.lines("deliveries").into_iter().map(made).collect()
}

/// Where a receiver's deliveries were made.
pub(crate) fn places(made: &[Made], receiver: &str) -> BTreeSet<(i32, i64)> {
    made.iter().filter(|made| made.receiver == receiver).map(|made| (made.partition, made.offset)).collect()
}
