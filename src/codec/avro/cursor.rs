//! A body read from its front, piece by piece, in Avro's encoding. Nothing that is only claimed is believed.

/// Why a body cannot be read on.
#[derive(Debug)]
pub(super) enum Problem {
    /// So many bytes are wanted and not there.
    Ends(u64),
    Mismatch(String),
    TooDeep,
    TooLarge,
    LongDecimal(usize),
}

pub(super) type Read<T> = Result<T, Problem>;

pub(super) struct Cursor<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.body.len() - self.at
    }

    pub(super) fn take(&mut self, length: u64) -> Read<&'b [u8]> {
        let rest = self.rest();
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or(Problem::Ends(length.saturating_sub(rest.len() as u64)))?;
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let rest = self.rest();
        let taken = rest.first_chunk().ok_or(Problem::Ends((N - rest.len().min(N)) as u64))?;
        self.at += N;
        Ok(*taken)
    }

    pub(super) fn boolean(&mut self) -> Read<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Problem::Mismatch(format!("a boolean is {other}: expected 0 or 1"))),
        }
    }

    pub(super) fn int(&mut self) -> Read<i32> {
        let value = self.long("an int")?;
        i32::try_from(value).map_err(|_| Problem::Mismatch(format!("an int is {value}: it has more than 32 bits")))
    }

    /// A number that is called `what`.
    #[inline]
    pub(super) fn long(&mut self, what: &str) -> Read<i64> {
        // Nearly all are one byte: a length below 64.
        if let Some(first @ ..0x80) = self.body.get(self.at) {
            self.at += 1;
            return Ok(i64::from(first >> 1) ^ -i64::from(first & 1));
        }
        self.longer(what)
    }

    fn longer(&mut self, what: &str) -> Read<i64> {
        let rest = self.rest();
        let mut value = 0u64;
        for (at, byte) in rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if at == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.at += at + 1;
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        if rest.len() < 10 {
            return Err(Problem::Ends(1));
        }
        self.at += 10;
        Err(Problem::Mismatch(format!("{what} has more than 64 bits")))
    }

    /// Bytes behind their length.
    pub(super) fn sized(&mut self) -> Read<&'b [u8]> {
        let length = self.long("a length")?;
        let length = u64::try_from(length).map_err(|_| Problem::Mismatch(format!("a length is {length}")))?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Read<&'b str> {
        let bytes = self.sized()?;
        std::str::from_utf8(bytes).map_err(|error| Problem::Mismatch(format!("a string is not UTF-8: {error}")))
    }

    /// The one of `of` whose place is given.
    pub(super) fn choice<'n, T>(&mut self, of: &'n [T], what: &str) -> Read<&'n T> {
        let index = self.long(what)?;
        let chosen = usize::try_from(index).ok().and_then(|index| of.get(index));
        chosen.ok_or_else(|| Problem::Mismatch(format!("the {what} is number {index}, and there are {}", of.len())))
    }

    /// How many items the next block has; `None` at the end. A negative count is followed by the block's size.
    pub(super) fn block(&mut self) -> Read<Option<u64>> {
        let count = self.long("the number of items in a block")?;
        if count < 0 {
            let size = self.long("the size of a block")?;
            let left = self.left() as u64;
            match u64::try_from(size) {
                Err(_) => return Err(Problem::Mismatch(format!("a block has {size} bytes"))),
                Ok(size) if size > left => return Err(Problem::Ends(size - left)),
                Ok(_) => {}
            }
        }
        Ok(Some(count.unsigned_abs()).filter(|count| *count > 0))
    }

    fn rest(&self) -> &'b [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }
}
