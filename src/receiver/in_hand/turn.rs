//! Turns of suspects: of all that are in this process one is in hand at a time, so that an innocent one is never there when another one
//! ends it once more.
//!
//! A turn lasts as long as code of the program may run with the record, which is longer than its delivery where a thread is given up at
//! the timeout. That one may never come back, so nobody waits for it any more; but what goes meanwhile is not noted: of what ends the
//! process then, the one in hand is suspected alone, and the others have their turn in the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

static TURN: AtomicU8 = AtomicU8::new(NOBODYS);

const NOBODYS: u8 = 0;
const SOMEBODYS: u8 = 1;
/// Its delivery is over, and its call is not.
const LEFT_BEHIND: u8 = 2;

/// Whose turn it is, as one is told that asks for it.
pub(crate) enum Whose {
    Ours(Turn),
    Somebodys,
    LeftBehind,
}

/// Of a delivery.
pub(crate) struct Turn(Kept);

/// Of its call: whoever has one has it in hand.
#[derive(Clone)]
pub(crate) struct Kept {
    #[expect(dead_code, reason = "it is held until it is dropped")]
    end: Arc<End>,
}

struct End;

impl Turn {
    pub(crate) fn take() -> Whose {
        match TURN.compare_exchange(NOBODYS, SOMEBODYS, Ordering::Acquire, Ordering::Relaxed) {
            // Made only when it is ours: its drop gives the turn away.
            Ok(_) => Whose::Ours(Self(Kept { end: Arc::new(End) })),
            Err(LEFT_BEHIND) => Whose::LeftBehind,
            Err(_) => Whose::Somebodys,
        }
    }

    /// For the call.
    pub(crate) fn keep(&self) -> Kept {
        self.0.clone()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What is kept here is dropped after this, so that this is never said of a turn that is somebody else's by now.
        TURN.store(LEFT_BEHIND, Ordering::Relaxed);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        TURN.store(NOBODYS, Ordering::Release);
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    static ALONE: Mutex<()> = Mutex::new(());

    /// For a test with suspects: turns are the process's, which may be that of other tests, too.
    pub(crate) fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::alone;
    use super::*;

    fn ours() -> Turn {
        let Whose::Ours(turn) = Turn::take() else { panic!("it is nobody's") };
        turn
    }

    #[test]
    fn a_turn_is_somebodys_until_it_is_let_go_of() {
        let _alone = alone();
        let turn = ours();
        for _ in 0..2 {
            assert!(matches!(Turn::take(), Whose::Somebodys), "asking in vain takes it from nobody");
        }
        drop(turn);
        drop(ours());
    }

    #[test]
    fn one_whose_call_goes_on_is_left_behind_until_it_comes_back() {
        let _alone = alone();
        let turn = ours();
        let (call, copy) = (turn.keep(), turn.keep());
        drop(call);
        assert!(matches!(Turn::take(), Whose::Somebodys));
        drop(turn);
        assert!(matches!(Turn::take(), Whose::LeftBehind));
        drop(copy);
        drop(ours());
    }
}
