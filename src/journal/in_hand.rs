//! The file in which a run has its hands: beside the journal, mapped, so that what was in hand is there when the process has died.
//!
//! It is for deaths of the process, not of the machine: nothing of it is synced. Its run holds a lock on it, which ends with the process
//! however that ends; a file whose lock is free is that of a dead run. It has a head, then the hands, then a line for each name.

mod map;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::journal::in_hand::map::Mapped;
use crate::receiver::Address;
use crate::receiver::in_hand::{Hand, Hands};
use crate::record::{Offset, Partition, Topic};

/// Between the journal's name and what tells one run's file from another's.
const SUFFIX: &str = "-inhand-";
/// Where the hands begin: a page.
const HEAD: usize = 4096;
/// What is read of such a file; names of a million partitions.
const MOST_READ: u64 = 256 * 1024 * 1024;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Head {
    journal: String,
    run: i64,
    hands: usize,
}

#[derive(Deserialize, Serialize)]
struct Name {
    name: NonZeroU32,
    group: String,
    receiver: String,
    cluster_id: String,
    topic: String,
    topic_id: Option<String>,
    partition: i32,
}

/// The file of a run that lives. It is gone when this is let go of: then the run ended, and did not die.
pub(super) struct HandsFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Locked.
    file: File,
    map: Mapped,
    names: AtomicU32,
}

impl HandsFile {
    /// Makes it, beside the journal of this path.
    pub(super) fn create(journal: &Path, (uuid, run): (&str, i64), hands: usize) -> io::Result<Self> {
        let mut name = journal.file_name().unwrap_or_default().to_owned();
        name.push(format!("{SUFFIX}{}-{run}", uuid.get(..8).unwrap_or(uuid)));
        let path = real(journal)?.with_file_name(name);
        let made = Self::fill(&path, &Head { journal: uuid.to_owned(), run, hands });
        if made.is_err() {
            remove(&path)?;
        }
        made
    }

    fn fill(path: &Path, head: &Head) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
        // Whoever looks for dead runs may have it for a moment, and leaves it alone as long as it has no head.
        file.lock()?;
        let mut bytes = serde_json::to_vec(head)?;
        bytes.push(b'\n');
        // All of it is written, so that no page is without its block.
        bytes.resize(HEAD + head.hands * size_of::<Hand>(), 0);
        file.write_all(&bytes)?;
        let map = Mapped::of(&file, HEAD, head.hands)?;
        Ok(Self(Arc::new(Inner { path: path.to_owned(), file, map, names: AtomicU32::new(0) })))
    }

    pub(super) fn hands(&self) -> Arc<dyn Hands> {
        Arc::<Inner>::clone(&self.0)
    }
}

impl Drop for HandsFile {
    fn drop(&mut self) {
        self.0.disown();
    }
}

impl Hands for Inner {
    fn all(&self) -> &[Hand] {
        self.map.hands()
    }

    fn name(&self, partition: &Partition, to: &Address) -> Option<NonZeroU32> {
        let name = NonZeroU32::new(self.names.fetch_add(1, Ordering::Relaxed).wrapping_add(1))?;
        let Topic { cluster_id, name: topic, uuid } = &*partition.topic;
        let Address { group, receiver } = to;
        let line = serde_json::to_string(&Name {
            name,
            group: group.clone(),
            receiver: receiver.clone(),
            cluster_id: cluster_id.clone(),
            topic: topic.clone(),
            topic_id: uuid.clone(),
            partition: partition.number,
        });
        // On a full disk half of the line before may be there.
        let line = format!("\n{}\n", line.ok()?);
        (&self.file).write_all(line.as_bytes()).is_ok().then_some(name)
    }

    fn disown(&self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "{} could not be removed", self.path.display());
        }
    }
}

/// The journal may be reached by several names; what belongs to it lies where it is.
fn real(journal: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(journal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(journal),
        other => other,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// What a run that died has left behind.
pub(super) struct Left {
    pub(super) journal: String,
    pub(super) run: i64,
    pub(super) in_hand: Vec<InHand>,
    path: PathBuf,
    /// Locked, so that nobody else reads it.
    _file: File,
}

/// A record that was in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InHand {
    pub(super) group: String,
    pub(super) receiver: String,
    pub(super) topic: Topic,
    pub(super) partition: i32,
    pub(super) offset: Offset,
}

impl Left {
    /// It has been counted.
    pub(super) fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// The files of dead runs beside the journal of this path.
pub(super) fn left_behind(journal: &Path) -> io::Result<Vec<Left>> {
    let journal = real(journal)?;
    let Some(folder) = journal.parent() else { return Ok(Vec::new()) };
    let prefix = [journal.file_name().unwrap_or_default().as_bytes(), SUFFIX.as_bytes()].concat();
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(&prefix) && entry.file_type()?.is_file() {
            all.extend(of_dead_run(entry.path())?);
        }
    }
    Ok(all)
}

/// `None`: its run lives, or begins.
fn of_dead_run(path: PathBuf) -> io::Result<Option<Left>> {
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut bytes = Vec::new();
    (&file).take(MOST_READ).read_to_end(&mut bytes)?;
    // Without a head it is just being made.
    let left = |Head { journal, run, hands }| Left { journal, run, in_hand: in_hand(&bytes, hands), path, _file: file };
    Ok(head(&bytes).map(left))
}

fn head(bytes: &[u8]) -> Option<Head> {
    let line = bytes.get(..HEAD)?.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

fn in_hand(bytes: &[u8], hands: usize) -> Vec<InHand> {
    let (Some(bytes), Some(length)) = (bytes.get(HEAD..), hands.checked_mul(size_of::<Hand>())) else { return Vec::new() };
    let Some((hands, names)) = bytes.split_at_checked(length) else { return Vec::new() };
    let names = names.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Name>(line).ok());
    let names: HashMap<NonZeroU32, Name> = names.map(|name| (name.name, name)).collect();
    let (hands, _) = hands.as_chunks();
    hands
        .iter()
        .filter_map(|hand| {
            let held = Hand::read(hand)?;
            let Name { group, receiver, cluster_id, topic, topic_id, partition, .. } = names.get(&held.name)?;
            let topic = Topic { cluster_id: cluster_id.clone(), name: topic.clone(), uuid: topic_id.clone() };
            let (group, receiver) = (group.clone(), receiver.clone());
            Some(InHand { group, receiver, topic, partition: *partition, offset: Offset::new(held.offset)? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::receiver::in_hand::{Item, Taken};
    use crate::record::samples::partition_of;

    fn to(receiver: &str) -> Address {
        Address { group: "shop".into(), receiver: receiver.into() }
    }

    fn files(folder: &tempfile::TempDir) -> Vec<PathBuf> {
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_was_in_hand_is_read_when_its_run_is_dead_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("redrive.db");
        let file = HandsFile::create(&journal, ("d125e8aa-1", 12), 3).unwrap();
        let hands = file.hands();
        let partition = partition_of("orders");
        let item =
            |receiver, offset| Item { name: hands.name(&partition, &to(receiver)).unwrap(), offset: Offset::new(offset).unwrap() };
        let (one, two, three) = (item("billing", 7), item("search", 9), item("audit", 1));
        let [a, b, c] = [(); 3].map(|()| Taken::one_of(&hands).unwrap());
        c.during(three, || ());
        let path = a.during(one, || {
            b.during(two, || {
                let [path] = &files(&folder)[..] else { panic!("one file") };
                assert!(left_behind(&journal).unwrap().is_empty(), "it lives");
                // As a death leaves it: with the same bytes, and without its lock.
                fs::copy(path, folder.path().join("redrive.db-inhand-dead")).unwrap();
                path.clone()
            })
        });
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let [left] = &left_behind(&journal).unwrap()[..] else { panic!("one of a dead run") };
        assert_eq!((left.journal.as_str(), left.run), ("d125e8aa-1", 12));
        let places: Vec<_> = left.in_hand.iter().map(|of| (of.receiver.as_str(), of.partition, of.offset.get())).collect();
        assert_eq!(places, [("billing", 0, 7), ("search", 0, 9)]);
        assert_eq!((&left.in_hand[0].topic, left.in_hand[0].group.as_str()), (&*partition.topic, "shop"));
        assert!(left_behind(&folder.path().join("other.db")).unwrap().is_empty(), "another journal's are not looked at");
        drop(file);
        assert!(!path.exists(), "one that ends has nothing in hand");
    }

    #[test]
    fn of_two_who_look_one_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("redrive.db");
        let path = folder.path().join("redrive.db-inhand-x-1");
        fs::write(&path, b"").unwrap();
        assert!(left_behind(&journal).unwrap().is_empty(), "it is just being made");
        let mut head = serde_json::to_vec(&Head { journal: "x".into(), run: 1, hands: 0 }).unwrap();
        head.resize(HEAD, b'\n');
        fs::write(&path, head).unwrap();
        let left = left_behind(&journal).unwrap();
        assert_eq!((left.len(), left_behind(&journal).unwrap().len()), (1, 0));
        left.into_iter().for_each(|left| left.remove().unwrap());
        assert!(files(&folder).is_empty());
    }

    #[test]
    fn whatever_the_file_holds_is_no_trouble() {
        let whole = {
            let folder = tempfile::tempdir().unwrap();
            let file = HandsFile::create(&folder.path().join("j"), ("d125e8aa", 1), 2).unwrap();
            let hands = file.hands();
            let item = Item { name: hands.name(&partition_of("t"), &to("r")).unwrap(), offset: Offset::ZERO };
            Taken::one_of(&hands).unwrap().during(item, || fs::read(&files(&folder)[0]).unwrap())
        };
        assert_eq!(in_hand(&whole, 2).len(), 1);
        for length in 0..whole.len() {
            let bytes = &whole[..length];
            let hands = head(bytes).map_or(0, |head| head.hands);
            assert!(in_hand(bytes, hands).is_empty() || length > whole.len() - 2, "{length}");
        }
        assert!(in_hand(&whole, usize::MAX).is_empty() && in_hand(&whole, usize::MAX / 64).is_empty());
        assert!(in_hand(&whole, 3).is_empty(), "not as many as it says");
    }
}
