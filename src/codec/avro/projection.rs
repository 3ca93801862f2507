//! The walk over a body: bytes in, JSON out.
//!
//! A fault costs its path only when it happens: the path is gathered on the way out.

use crate::codec::avro::logical::{self, MAX_DECIMAL};
use crate::codec::avro::schema::{BytesForm, Field, IntForm, LongForm, Node, Nodes};
use crate::codec::avro::{AvroFault, escaping};
use crate::codec::json::{MAX_BYTES, MAX_DEPTH};
use crate::failure::kept;

/// Unions within unions are no levels of JSON, and take room on the stack all the same.
const MAX_CALLS: usize = 4 * MAX_DEPTH;
/// As much of a path as is said, in bytes.
const LONGEST_PATH: usize = 200;

pub(super) struct Projection<'p> {
    nodes: &'p Nodes,
    body: &'p [u8],
    at: usize,
    out: Vec<u8>,
    depth: usize,
    calls: usize,
    /// Where a fault is, innermost first.
    path: Vec<Step<'p>>,
}

enum Step<'p> {
    Field(&'p str),
    Item(usize),
    Key(&'p str),
}

#[derive(Debug)]
enum Problem {
    /// So many bytes are wanted and not there.
    Ends(u64),
    Mismatch(String),
    TooDeep,
    TooLarge,
    LongDecimal(usize),
}

type Walked = Result<(), Problem>;

impl<'p> Projection<'p> {
    pub(super) fn new(nodes: &'p Nodes, body: &'p [u8]) -> Self {
        let out = Vec::with_capacity(body.len().saturating_mul(2).min(64 * 1024));
        Self { nodes, body, at: 0, out, depth: 0, calls: 0, path: Vec::new() }
    }

    pub(super) fn run(mut self) -> Result<Vec<u8>, AvroFault> {
        match self.value(self.nodes.root()) {
            Err(problem) => Err(self.fault(&problem)),
            Ok(()) if self.at < self.body.len() => {
                let (left, at) = (self.body.len() - self.at, self.at);
                let message = format!("{left} bytes are left behind it, from byte {at} on");
                Err(AvroFault { code: "trailing_bytes", message })
            }
            Ok(()) if self.out.len() > MAX_BYTES => Err(self.fault(&Problem::TooLarge)),
            Ok(()) => Ok(self.out),
        }
    }

    fn fault(&self, problem: &Problem) -> AvroFault {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            path.push('/');
            match step {
                Step::Field(name) | Step::Key(name) => path.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Item(at) => path.push_str(&at.to_string()),
            }
        }
        let place = if path.is_empty() { String::new() } else { format!("at {}: ", kept(&path, LONGEST_PATH)) };
        let (code, message) = match problem {
            Problem::Ends(more) => ("schema_mismatch", format!("it ends at byte {}, and {more} more are wanted", self.body.len())),
            Problem::Mismatch(what) => ("schema_mismatch", format!("{what} (before byte {})", self.at)),
            Problem::TooDeep => ("too_large", format!("it nests deeper than {MAX_DEPTH} levels")),
            Problem::TooLarge => ("too_large", format!("as JSON it has more than {MAX_BYTES} bytes")),
            Problem::LongDecimal(bytes) => {
                ("too_large", format!("a decimal has {bytes} bytes, and at most {MAX_DECIMAL} are read"))
            }
        };
        AvroFault { code, message: format!("{place}{message}") }
    }

    fn value(&mut self, node: usize) -> Walked {
        if self.out.len() > MAX_BYTES {
            return Err(Problem::TooLarge);
        }
        let nodes = self.nodes;
        match nodes.get(node) {
            None => return Err(Problem::Mismatch("the schema has no such type".to_owned())),
            Some(Node::Null) => self.out.extend_from_slice(b"null"),
            Some(Node::Boolean) => self.boolean()?,
            Some(Node::Int(form)) => self.int(*form)?,
            Some(Node::Long(form)) => self.long(*form)?,
            Some(Node::Float) => self.float()?,
            Some(Node::Double) => self.double()?,
            Some(Node::Text) => {
                let text = self.text()?;
                escaping::quote(&mut self.out, text);
            }
            Some(Node::Bytes(form)) => {
                let bytes = self.sized()?;
                self.bytes(bytes, *form)?;
            }
            Some(Node::Fixed(size, form)) => {
                let bytes = self.take(*size as u64)?;
                self.bytes(bytes, *form)?;
            }
            Some(Node::Enum(symbols)) => {
                let symbol = self.choice(symbols, "symbol of an enum")?;
                self.out.extend_from_slice(symbol);
            }
            Some(Node::Union(variants)) => {
                let variant = *self.choice(variants, "branch of a union")?;
                self.nested(0, |walk| walk.value(variant))?;
            }
            Some(Node::Record(fields)) => self.nested(1, |walk| walk.record(fields))?,
            Some(Node::Array(items)) => self.nested(1, |walk| walk.array(*items))?,
            Some(Node::Map(values)) => self.nested(1, |walk| walk.map(*values))?,
        }
        Ok(())
    }

    /// One call deeper, and so many levels of JSON.
    fn nested(&mut self, levels: usize, walk: impl FnOnce(&mut Self) -> Walked) -> Walked {
        self.depth += levels;
        self.calls += 1;
        if self.depth > MAX_DEPTH || self.calls > MAX_CALLS {
            return Err(Problem::TooDeep);
        }
        walk(self)?;
        self.depth -= levels;
        self.calls -= 1;
        Ok(())
    }

    fn record(&mut self, fields: &'p [Field]) -> Walked {
        for field in fields {
            self.out.extend_from_slice(&field.before);
            if let Err(problem) = self.value(field.node) {
                self.path.push(Step::Field(&field.name));
                return Err(problem);
            }
        }
        self.out.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
        Ok(())
    }

    fn array(&mut self, items: usize) -> Walked {
        self.out.push(b'[');
        let mut at = 0;
        while let Some(count) = self.block()? {
            for _ in 0..count {
                if at > 0 {
                    self.out.push(b',');
                }
                if let Err(problem) = self.value(items) {
                    self.path.push(Step::Item(at));
                    return Err(problem);
                }
                at += 1;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, values: usize) -> Walked {
        self.out.push(b'{');
        let mut is_first = true;
        while let Some(count) = self.block()? {
            for _ in 0..count {
                if !std::mem::take(&mut is_first) {
                    self.out.push(b',');
                }
                let key = self.text()?;
                escaping::quote(&mut self.out, key);
                self.out.push(b':');
                if let Err(problem) = self.value(values) {
                    self.path.push(Step::Key(key));
                    return Err(problem);
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// How many items the next block has; `None` at the end. A negative count is followed by the block's size.
    fn block(&mut self) -> Result<Option<u64>, Problem> {
        let count = self.varint("the number of items in a block")?;
        if count < 0 {
            let size = self.varint("the size of a block")?;
            let left = (self.body.len() - self.at) as u64;
            match u64::try_from(size) {
                Err(_) => return Err(Problem::Mismatch(format!("a block has {size} bytes"))),
                Ok(size) if size > left => return Err(Problem::Ends(size - left)),
                Ok(_) => {}
            }
        }
        Ok(Some(count.unsigned_abs()).filter(|count| *count > 0))
    }

    fn boolean(&mut self) -> Walked {
        match self.take(1)? {
            [0] => self.out.extend_from_slice(b"false"),
            [1] => self.out.extend_from_slice(b"true"),
            other => {
                return Err(Problem::Mismatch(format!(
                    "a boolean is {}: expected 0 or 1",
                    other.first().copied().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }

    fn int(&mut self, form: IntForm) -> Walked {
        let value = self.varint("an int")?;
        let value = i32::try_from(value).map_err(|_| Problem::Mismatch(format!("an int is {value}: it has more than 32 bits")))?;
        let written = match form {
            IntForm::Plain => None,
            IntForm::Date => logical::date(&mut self.out, value),
            IntForm::TimeMillis => logical::time_millis(&mut self.out, value),
        };
        if written.is_none() {
            self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        Ok(())
    }

    fn long(&mut self, form: LongForm) -> Walked {
        let value = self.varint("a long")?;
        let written = match form {
            LongForm::Plain => None,
            LongForm::TimeMicros => logical::time_micros(&mut self.out, value),
            LongForm::Timestamp(unit, zone) => logical::timestamp(&mut self.out, value, unit, zone),
        };
        if written.is_none() {
            self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        Ok(())
    }

    fn float(&mut self) -> Walked {
        let bytes = self.take(4)?;
        let value = f32::from_le_bytes(bytes.try_into().unwrap_or_default());
        if !self.not_finite(f64::from(value)) {
            self.out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        }
        Ok(())
    }

    fn double(&mut self) -> Walked {
        let bytes = self.take(8)?;
        let value = f64::from_le_bytes(bytes.try_into().unwrap_or_default());
        if !self.not_finite(value) {
            self.out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        }
        Ok(())
    }

    /// Writes what is no number in JSON; says whether it did.
    fn not_finite(&mut self, value: f64) -> bool {
        let text: &[u8] = match value {
            _ if value.is_finite() => return false,
            _ if value.is_nan() => b"\"NaN\"",
            _ if value > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        };
        self.out.extend_from_slice(text);
        true
    }

    fn bytes(&mut self, bytes: &'p [u8], form: BytesForm) -> Walked {
        let written = match form {
            BytesForm::Plain => None,
            BytesForm::Decimal { .. } | BytesForm::BigDecimal if bytes.len() > MAX_DECIMAL + 16 => {
                return Err(Problem::LongDecimal(bytes.len()));
            }
            BytesForm::Decimal { scale } => {
                logical::decimal(&mut self.out, bytes, scale);
                Some(())
            }
            BytesForm::BigDecimal => return self.big_decimal(bytes),
            BytesForm::Uuid => logical::uuid(&mut self.out, bytes),
            BytesForm::Duration => logical::duration(&mut self.out, bytes),
        };
        if written.is_none() {
            logical::base64(&mut self.out, bytes);
        }
        Ok(())
    }

    /// A number with its own scale: in Avro's encoding its bytes, then the scale. What is none is bytes.
    fn big_decimal(&mut self, bytes: &'p [u8]) -> Walked {
        let mut inner = Self::new(self.nodes, bytes);
        let parts = inner.sized().and_then(|number| Ok((number, inner.varint("a scale")?)));
        let whole = parts.ok().filter(|_| inner.at == bytes.len());
        let fits = whole.and_then(|(number, scale)| Some((number, u32::try_from(scale).ok().filter(|scale| *scale <= 1_024)?)));
        match fits {
            Some((number, scale)) => logical::decimal(&mut self.out, number, scale),
            None => logical::base64(&mut self.out, bytes),
        }
        Ok(())
    }

    fn choice<T>(&mut self, of: &'p [T], what: &str) -> Result<&'p T, Problem> {
        let index = self.varint(what)?;
        let chosen = usize::try_from(index).ok().and_then(|index| of.get(index));
        chosen.ok_or_else(|| Problem::Mismatch(format!("the {what} is number {index}, and there are {}", of.len())))
    }

    fn text(&mut self) -> Result<&'p str, Problem> {
        let bytes = self.sized()?;
        std::str::from_utf8(bytes).map_err(|error| Problem::Mismatch(format!("a string is not UTF-8: {error}")))
    }

    fn sized(&mut self) -> Result<&'p [u8], Problem> {
        let length = self.varint("a length")?;
        let length = u64::try_from(length).map_err(|_| Problem::Mismatch(format!("a length is {length}")))?;
        self.take(length)
    }

    fn take(&mut self, length: u64) -> Result<&'p [u8], Problem> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or(Problem::Ends(length.saturating_sub(rest.len() as u64)))?;
        self.at += taken.len();
        Ok(taken)
    }

    #[inline]
    fn varint(&mut self, what: &str) -> Result<i64, Problem> {
        // Nearly all are one byte: a length below 64.
        if let Some(first @ ..0x80) = self.body.get(self.at) {
            self.at += 1;
            return Ok(i64::from(first >> 1) ^ -i64::from(first & 1));
        }
        self.long_varint(what)
    }

    fn long_varint(&mut self, what: &str) -> Result<i64, Problem> {
        let rest = self.body.get(self.at..).unwrap_or_default();
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
        Err(if rest.len() < 10 { Problem::Ends(1) } else { Problem::Mismatch(format!("{what} has more than 64 bits")) })
    }
}
