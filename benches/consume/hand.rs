//! Hand: what it costs to note that code of the program has something in hand, in the file that outlives the process.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use redrive::engine::ledger::{Ledger as _, RunEnd};
use redrive::journal::{Beginning, Place, Safety, Writer};
use redrive::receiver::Address;
use redrive::receiver::in_hand::{Item, Taken};
use redrive::record::{Offset, Partition, Slot, Topic};

use crate::Result;
use crate::numbers::median;
use crate::support::Folder;
use crate::verdict::Verdict;

/// The median must be below this.
const NANOSECONDS: f64 = 20.0;
const CALLS: i64 = 20_000_000;

pub(crate) fn measure(rounds: u32) -> Result<Verdict> {
    let folder = Folder::new();
    let place = Place { path: folder.path().join("redrive.db"), safety: Safety::Safe };
    let (group, client_id) = ("hand".to_owned(), "redrive".to_owned());
    let beginning = Beginning { command: "consume", group: group.clone(), client_id, receivers: Vec::new(), hands: 1 };
    let mut writer = Writer::open(&place, &beginning)?;
    let hands = writer.hands().ok_or("the run has hands")?;
    let topic = Arc::new(Topic { cluster_id: "cluster".to_owned(), name: "orders".to_owned(), uuid: None });
    let partition = Partition::unknown(Slot { index: 0, epoch: 1 }, topic, 0);
    let name = hands.name(&partition, &Address { group, receiver: "billing".to_owned() }).ok_or("it has a name")?;
    let taken = Taken::one_of(&hands).ok_or("there is a free one")?;
    let mut all = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        for offset in (0..CALLS).filter_map(Offset::new) {
            taken.during(Item { name, offset }, || black_box(offset));
        }
        all.push(began.elapsed().as_secs_f64() * 1e9 / CALLS as f64);
    }
    writer.end(RunEnd::Done, Some(0))?;
    let each = all.iter().map(|nanoseconds| format!("{nanoseconds:.1}")).collect::<Vec<_>>().join(" ");
    let median = median(all.into_iter());
    println!("\nhand    to note a call and its end, ns: {each} · median {median:.1}");
    let verdict = Verdict::below(NANOSECONDS, median);
    println!("the line: a median below {NANOSECONDS:.0} ns · {verdict}");
    Ok(verdict)
}
