//! Which records code of the program had in hand when its process died, and how often.

use std::sync::Arc;

use crate::record::Offset;

/// Deaths after which nobody else can be to blame: after the first one it was delivered alone.
const CONDEMNED_AFTER: u32 = 2;

/// A record that a receiver had in hand when the process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub offset: Offset,
    pub receiver: String,
    pub deaths: u32,
    /// The run that died first with it in hand, and the one that died last.
    pub runs: (i64, i64),
}

impl Suspect {
    /// It is what killed the process.
    #[must_use]
    pub fn is_condemned(&self) -> bool {
        self.deaths >= CONDEMNED_AFTER
    }
}

/// The suspects of a partition, as they were when it was assigned. Copies share the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspects(Arc<[Suspect]>);

impl Suspects {
    #[must_use]
    pub fn new(mut all: Vec<Suspect>) -> Self {
        all.sort_by_key(|suspect| suspect.offset);
        Self(all.into())
    }

    /// Asked of every record's partition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of one record: a receiver each.
    #[must_use]
    pub fn of(&self, offset: Offset) -> &[Suspect] {
        let rest = self.0.get(self.0.partition_point(|suspect| suspect.offset < offset)..).unwrap_or_default();
        rest.get(..rest.partition_point(|suspect| suspect.offset == offset)).unwrap_or_default()
    }

    /// Ascending; one that several receivers had is there more than once.
    pub fn offsets(&self) -> impl Iterator<Item = Offset> {
        self.0.iter().map(|suspect| suspect.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_own_suspects_and_is_condemned_at_the_second_death() {
        let suspect = |at, receiver: &str, deaths| Suspect {
            offset: Offset::new(at).unwrap(),
            receiver: receiver.into(),
            deaths,
            runs: (1, i64::from(deaths)),
        };
        let suspects = Suspects::new(vec![suspect(7, "a", 1), suspect(3, "b", 2), suspect(7, "c", 3)]);
        let of = |at| suspects.of(Offset::new(at).unwrap()).iter().map(|suspect| suspect.receiver.as_str()).collect::<Vec<_>>();
        assert_eq!((of(2), of(3), of(5), of(7), of(8)), (vec![], vec!["b"], vec![], vec!["a", "c"], vec![]));
        let condemned: Vec<_> = suspects.0.iter().map(Suspect::is_condemned).collect();
        assert_eq!(condemned, [true, false, true]);
        assert!(Suspects::default().is_empty() && Suspects::default().of(Offset::ZERO).is_empty());
    }
}
