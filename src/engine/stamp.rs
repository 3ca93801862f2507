//! The text that is committed beside an offset: which journal vouches for it, and which run or move wrote it.
//!
//! `rd1:<journal uuid>:<offset>:r<run>` or `…:m<move>`. It tells our own commits from those of another tool or another journal.

use std::fmt;

use crate::record::NextOffset;

/// Who wrote a committed offset, when it was one of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub journal_uuid: String,
    pub next: NextOffset,
    pub by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A run of `consume`.
    Run(i64),
    /// A move of the group's offsets.
    Move(i64),
}

impl Stamp {
    /// `None` for the metadata of other tools.
    #[must_use]
    pub fn parse(metadata: &str) -> Option<Self> {
        let mut parts = metadata.strip_prefix("rd1:")?.split(':');
        let (uuid, offset, by) = (parts.next()?, parts.next()?, parts.next()?);
        if uuid.is_empty() || parts.next().is_some() {
            return None;
        }
        let by = match by.split_at_checked(1)? {
            ("r", run) => By::Run(run.parse().ok()?),
            ("m", number) => By::Move(number.parse().ok()?),
            _ => return None,
        };
        Some(Self { journal_uuid: uuid.to_owned(), next: NextOffset::new(offset.parse().ok()?)?, by })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rd1:{}:{}:", self.journal_uuid, self.next)?;
        match self.by {
            By::Run(run) => write!(f, "r{run}"),
            By::Move(number) => write!(f, "m{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(journal_uuid in "[0-9a-f-]{1,36}", offset in 0i64.., number in any::<i64>(), is_run in any::<bool>()) {
            let by = if is_run { By::Run(number) } else { By::Move(number) };
            let stamp = Stamp { journal_uuid, next: NextOffset::new(offset).unwrap(), by };
            prop_assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp));
        }

        #[test]
        fn any_text_is_read_without_a_panic(metadata in "\\PC*") {
            prop_assert!(Stamp::parse(&metadata).is_none_or(|stamp| metadata == stamp.to_string()));
        }
    }

    #[test]
    fn other_metadata_is_not_ours() {
        for metadata in ["", "rd1", "rd1:", "rd1::5:r1", "rd1:u:-1:r1", "rd1:u:5:x1", "rd1:u:5:r1:more", "rd2:u:5:r1", "rd1:u:5:é"]
        {
            assert_eq!(Stamp::parse(metadata), None, "{metadata}");
        }
    }
}
