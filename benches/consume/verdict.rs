//! Whether what was measured keeps to the line that redrive promises.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Missed,
}

impl Verdict {
    pub(crate) fn at_least(line: f64, measured: f64) -> Self {
        if measured >= line { Self::Holds } else { Self::Missed }
    }

    pub(crate) fn below(line: f64, measured: f64) -> Self {
        if measured < line { Self::Holds } else { Self::Missed }
    }

    /// Both hold.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Holds { other } else { self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::Missed => "MISSED",
        })
    }
}
