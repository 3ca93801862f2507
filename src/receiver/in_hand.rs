//! What code of the program has in hand, noted before it is called and cleared when it came back: a record that kills its process, or
//! stands in the way of a loop, is found by that.
//!
//! A few stores for each call, without a lock and without a system call. Where the hands are kept, and whether they outlive the process,
//! is the business of whoever hands them in.

mod turn;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;

use crate::receiver::function::THREADS;
use crate::receiver::{Address, Binding, Runs};
use crate::record::{Offset, Partition};

pub(crate) use turn::{Kept, Turn, Whose};

/// What one thread or task has in hand: at most one thing. Any bytes are one, and zeros are an empty one.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Hand {
    /// In the lower half the number of a name, 0 while it is empty; in the upper half how often something was in it.
    what: AtomicU64,
    offset: AtomicI64,
    /// Not 0: somebody's. Of no meaning to whoever reads what a process left behind.
    owned: AtomicU64,
}

/// What a hand holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// As [`Hands::name`] gave it.
    pub name: NonZeroU32,
    pub offset: i64,
    /// Tells it from the same thing in the same hand at another time.
    pub times: u32,
}

/// A record on its way to a receiver, as hands note it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    pub name: NonZeroU32,
    pub offset: Offset,
}

/// All hands of a run.
pub trait Hands: Send + Sync {
    fn all(&self) -> &[Hand];

    /// A number for what comes from this partition and goes to this receiver. `None`: nothing of it can be noted.
    fn name(&self, partition: &Partition, to: &Address) -> Option<NonZeroU32>;

    /// From now on a death of the process has nothing to do with what is in hand.
    fn disown(&self);
}

/// How many hands a run needs at most for these receivers: two for each loop, since a run may be made beside it, and one for each thread
/// that blocks. 0: none of them is code of this program.
#[must_use]
pub fn wanted(bindings: &[Binding]) -> usize {
    let of = |runs| bindings.iter().filter(|binding| binding.receiver.runs() == runs).count();
    let loops = thread::available_parallelism().map_or(1, usize::from).saturating_mul(2);
    match (of(Runs::OnTheLoop), of(Runs::OnThreads)) {
        (0, 0) => 0,
        (_, threads) => loops + threads * THREADS,
    }
}

impl Hand {
    /// What is in it. `None`, too, when that changes just now.
    #[must_use]
    pub fn look(&self) -> Option<Held> {
        let what = self.what.load(Ordering::Acquire);
        let offset = self.offset.load(Ordering::Acquire);
        (self.what.load(Ordering::Acquire) == what).then(|| held(what, offset)).flatten()
    }

    /// What was in one of which these are the bytes.
    #[must_use]
    pub fn read(bytes: &[u8; size_of::<Self>()]) -> Option<Held> {
        let ([what, offset, ..], _) = bytes.as_chunks() else { return None };
        held(u64::from_ne_bytes(*what), i64::from_ne_bytes(*offset))
    }

    /// Each store is seen only after the one before, so that a name never stands beside the offset of another time, whenever the process
    /// ends.
    fn take_up(&self, item: Item) {
        let times = self.times().wrapping_add(1);
        self.offset.store(item.offset.get(), Ordering::Release);
        self.what.store(u64::from(times) << 32 | u64::from(item.name.get()), Ordering::Release);
    }

    fn put_down(&self) {
        self.what.store(u64::from(self.times()) << 32, Ordering::Release);
    }

    fn times(&self) -> u32 {
        (self.what.load(Ordering::Relaxed) >> 32) as u32
    }
}

fn held(what: u64, offset: i64) -> Option<Held> {
    Some(Held { name: NonZeroU32::new(what as u32)?, offset, times: (what >> 32) as u32 })
}

/// A hand that is somebody's for as long as this lives.
pub struct Taken {
    hands: Arc<dyn Hands>,
    at: usize,
}

impl Taken {
    /// A free one.
    #[must_use]
    pub fn one_of(hands: &Arc<dyn Hands>) -> Option<Self> {
        let is_free = |hand: &Hand| hand.owned.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let at = hands.all().iter().position(is_free)?;
        Some(Self { hands: Arc::clone(hands), at })
    }

    /// Calls what has the item in hand.
    pub fn during<T>(&self, item: Item, call: impl FnOnce() -> T) -> T {
        let Some(hand) = self.hands.all().get(self.at) else { return call() };
        hand.take_up(item);
        let _when_it_came_back = Emptied(hand);
        call()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(hand) = self.hands.all().get(self.at) {
            hand.owned.store(0, Ordering::Release);
        }
    }
}

/// Also when it panics.
struct Emptied<'h>(&'h Hand);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        self.0.put_down();
    }
}

/// What a receiver that has threads of its own notes while it is called on one of them.
#[derive(Clone)]
pub struct Noting {
    pub(crate) hands: Arc<dyn Hands>,
    pub(crate) item: Item,
    /// Of a suspect: its turn lasts as long as the call does.
    #[expect(dead_code, reason = "it is held until it is dropped")]
    pub(crate) turn: Option<Kept>,
}

impl Noting {
    /// Calls what has it in hand, on this thread.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        match Taken::one_of(&self.hands) {
            Some(taken) => taken.during(self.item, call),
            None => call(),
        }
    }
}

impl fmt::Debug for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.item.fmt(f)
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;

    pub(crate) use super::turn::samples::alone;

    /// Hands in memory, and the names that were given, as `receiver topic/partition`.
    #[derive(Default)]
    pub(crate) struct MemoryHands {
        hands: Vec<Hand>,
        pub(crate) names: Mutex<Vec<String>>,
        pub(crate) is_disowned: AtomicBool,
    }

    impl MemoryHands {
        pub(crate) fn new(hands: usize) -> Arc<Self> {
            Arc::new(Self { hands: (0..hands).map(|_| Hand::default()).collect(), ..Self::default() })
        }

        /// Receiver, partition and offset of all that is in hand.
        pub(crate) fn held(&self) -> Vec<String> {
            let names = self.names.lock().unwrap();
            let named = |held: Held| format!("{}/{}", names[held.name.get() as usize - 1], held.offset);
            self.hands.iter().filter_map(Hand::look).map(named).collect()
        }
    }

    impl Hands for MemoryHands {
        fn all(&self) -> &[Hand] {
            &self.hands
        }

        fn name(&self, partition: &Partition, to: &Address) -> Option<NonZeroU32> {
            let mut names = self.names.lock().unwrap();
            names.push(format!("{} {partition}", to.receiver));
            NonZeroU32::new(u32::try_from(names.len()).unwrap())
        }

        fn disown(&self) {
            self.is_disowned.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::samples::MemoryHands;
    use super::*;

    fn item(name: u32, offset: i64) -> Item {
        Item { name: NonZeroU32::new(name).unwrap(), offset: Offset::new(offset).unwrap() }
    }

    #[test]
    fn it_is_in_hand_during_the_call_and_at_no_other_time() {
        let hands: Arc<dyn Hands> = MemoryHands::new(2);
        let (one, two) = (Taken::one_of(&hands).unwrap(), Taken::one_of(&hands).unwrap());
        assert!(Taken::one_of(&hands).is_none(), "each is somebody's");
        let look = || hands.all().iter().map(|hand| hand.look().map(|held| (held.name.get(), held.offset, held.times)));
        let inside: Vec<_> = one.during(item(7, 3), || two.during(item(8, i64::MAX), || look().collect()));
        assert_eq!(inside, [Some((7, 3, 1)), Some((8, i64::MAX, 1))]);
        assert!(look().all(|held| held.is_none()));
        assert_eq!(one.during(item(7, 3), || look().next()), Some(Some((7, 3, 2))), "told from the time before");
        drop(one);
        assert!(Taken::one_of(&hands).is_some());
    }

    #[test]
    fn a_panic_empties_it() {
        let hands: Arc<dyn Hands> = MemoryHands::new(1);
        let taken = Taken::one_of(&hands).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| taken.during(item(1, 1), || panic!("oh"))));
        assert!(panicked.is_err() && hands.all()[0].look().is_none());
    }

    #[test]
    fn its_bytes_say_what_was_in_it() {
        let bytes = |what: u64, offset: i64| {
            let mut bytes = [0; 64];
            bytes[..8].copy_from_slice(&what.to_ne_bytes());
            bytes[8..16].copy_from_slice(&offset.to_ne_bytes());
            bytes
        };
        assert_eq!(Hand::read(&bytes(5 << 32, 9)), None, "it was put down");
        let held = Held { name: NonZeroU32::new(3).unwrap(), offset: 9, times: 5 };
        assert_eq!(Hand::read(&bytes(5 << 32 | 3, 9)), Some(held));
        // The layout that is read is the layout that is written.
        assert_eq!((std::mem::offset_of!(Hand, what), std::mem::offset_of!(Hand, offset), size_of::<Hand>()), (0, 8, 64));
    }
}
