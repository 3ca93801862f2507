//! A part of a file as hands, shared with whoever reads the file: what is in them outlives the process that put it there.
//!
//! The one place outside of `kafka/` that cannot be written without `unsafe`: to note something by a system call would cost each delivery
//! half a microsecond, a store into a mapping costs a nanosecond.
#![expect(unsafe_code, reason = "the memory of a mapping is not the compiler's")]

use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};

use crate::receiver::in_hand::Hand;

pub(super) struct Mapped {
    map: MmapRaw,
    hands: usize,
}

impl Mapped {
    /// So many hands from this offset of the file on, which has them all and is never shortened: a page of it without a block on the disk
    /// would end the process when the disk is full. The offset is that of a hand.
    pub(super) fn of(file: &File, at: usize, hands: usize) -> io::Result<Self> {
        let length = hands.saturating_mul(size_of::<Hand>());
        let map = MmapOptions::new().offset(at as u64).len(length).map_raw(file)?;
        let is_aligned = (map.as_ptr() as usize).is_multiple_of(align_of::<Hand>());
        if is_aligned { Ok(Self { map, hands }) } else { Err(io::Error::other("the offset is not that of a hand")) }
    }

    pub(super) fn hands(&self) -> &[Hand] {
        // SAFETY: the mapping is as long as these hands, aligned for them (both are seen to in `of`), and lives as long as `self`, from which
        // the slice borrows. A hand is three atomic integers, of which any bytes are valid, and which may be changed through a shared
        // reference, by this process as by another one.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<Hand>(), self.hands) }
    }
}
