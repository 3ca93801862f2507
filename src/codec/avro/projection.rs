//! The walk over a body: bytes in, JSON out.
//!
//! A fault costs its path only when it happens: the path is gathered on the way out.

use crate::codec::avro::cursor::{Cursor, Problem, Read};
use crate::codec::avro::logical::{self, MAX_DECIMAL, MAX_SCALE};
use crate::codec::avro::schema::{BytesForm, Field, IntForm, LongForm, Node, Nodes};
use crate::codec::avro::{AvroFault, escaping};
use crate::codec::json::{MAX_BYTES, MAX_DEPTH};
use crate::failure::kept;

/// Unions within unions are no levels of JSON, and take room on the stack all the same.
const MAX_CALLS: usize = 4 * MAX_DEPTH;
/// What takes no bytes at all can be there without end: JSON is at most so much longer than the body that it is made of, in bytes for each
/// of its own, beside some that any body may have.
const SWELLS: usize = 128;
const ALWAYS: usize = 64 * 1024;
/// As much of a path as is said, in bytes.
const LONGEST_PATH: usize = 200;
/// Room beyond the text that is too little to be given back, in bytes.
const SPARE: usize = 4 * 1024;

pub(super) struct Projection<'p> {
    nodes: &'p Nodes,
    input: Cursor<'p>,
    out: Vec<u8>,
    /// Bytes that `out` may have.
    most: usize,
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

impl<'p> Projection<'p> {
    pub(super) fn new(nodes: &'p Nodes, body: &'p [u8]) -> Self {
        let out = Vec::with_capacity(body.len().saturating_mul(2).min(64 * 1024));
        let most = body.len().saturating_mul(SWELLS).saturating_add(ALWAYS).min(MAX_BYTES);
        Self { nodes, input: Cursor::new(body), out, most, depth: 0, calls: 0, path: Vec::new() }
    }

    pub(super) fn run(mut self) -> Result<Vec<u8>, AvroFault> {
        match self.value(self.nodes.root()) {
            Err(problem) => Err(self.fault(&problem)),
            Ok(()) if self.input.left() > 0 => {
                let (left, at) = (self.input.left(), self.input.at());
                let message = format!("{left} bytes are left behind it, from byte {at} on");
                Err(AvroFault { code: "trailing_bytes", message })
            }
            Ok(()) if self.out.len() > self.most => Err(self.fault(&Problem::TooLarge)),
            Ok(()) => Ok(fitted(self.out)),
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
            Problem::Ends(more) => {
                let end = self.input.at() + self.input.left();
                ("schema_mismatch", format!("it ends at byte {end}, and {more} more are wanted"))
            }
            Problem::Mismatch(what) => ("schema_mismatch", format!("{what} (before byte {})", self.input.at())),
            Problem::TooDeep => ("too_large", format!("it nests deeper than {MAX_DEPTH} levels")),
            Problem::TooLarge => {
                let bytes = self.input.at() + self.input.left();
                ("too_large", format!("as JSON it has more than {} bytes, and is made of {bytes}", self.most))
            }
            Problem::LongDecimal(bytes) => {
                ("too_large", format!("a decimal has {bytes} bytes, and at most {MAX_DECIMAL} are read"))
            }
        };
        AvroFault { code, message: format!("{place}{message}") }
    }

    fn value(&mut self, node: usize) -> Read<()> {
        if self.out.len() > self.most {
            return Err(Problem::TooLarge);
        }
        let nodes = self.nodes;
        match nodes.get(node) {
            None => return Err(Problem::Mismatch("the schema has no such type".to_owned())),
            Some(Node::Null) => self.out.extend_from_slice(b"null"),
            Some(Node::Boolean) => {
                let text: &[u8] = if self.input.boolean()? { b"true" } else { b"false" };
                self.out.extend_from_slice(text);
            }
            Some(Node::Int(form)) => self.int(*form)?,
            Some(Node::Long(form)) => self.long(*form)?,
            Some(Node::Float) => self.float()?,
            Some(Node::Double) => self.double()?,
            Some(Node::Text) => {
                let text = self.input.text()?;
                escaping::quote(&mut self.out, text);
            }
            Some(Node::Bytes(form)) => {
                let bytes = self.input.sized()?;
                self.bytes(bytes, *form)?;
            }
            Some(Node::Fixed(size, form)) => {
                let bytes = self.input.take(*size as u64)?;
                self.bytes(bytes, *form)?;
            }
            Some(Node::Enum(symbols)) => {
                let symbol = self.input.choice(symbols, "symbol of an enum")?;
                self.out.extend_from_slice(symbol);
            }
            Some(Node::Union(variants)) => {
                let variant = *self.input.choice(variants, "branch of a union")?;
                self.nested(0, |walk| walk.value(variant))?;
            }
            Some(Node::Record(fields)) => self.nested(1, |walk| walk.record(fields))?,
            Some(Node::Array(items)) => self.nested(1, |walk| walk.array(*items))?,
            Some(Node::Map(values)) => self.nested(1, |walk| walk.map(*values))?,
        }
        Ok(())
    }

    /// One call deeper, and so many levels of JSON.
    fn nested(&mut self, levels: usize, walk: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
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

    fn record(&mut self, fields: &'p [Field]) -> Read<()> {
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

    fn array(&mut self, items: usize) -> Read<()> {
        self.out.push(b'[');
        let mut at = 0;
        while let Some(count) = self.input.block()? {
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

    fn map(&mut self, values: usize) -> Read<()> {
        self.out.push(b'{');
        let mut is_first = true;
        while let Some(count) = self.input.block()? {
            for _ in 0..count {
                if !std::mem::take(&mut is_first) {
                    self.out.push(b',');
                }
                let key = self.input.text()?;
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

    fn int(&mut self, form: IntForm) -> Read<()> {
        let value = self.input.int()?;
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

    fn long(&mut self, form: LongForm) -> Read<()> {
        let value = self.input.long("a long")?;
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

    fn float(&mut self) -> Read<()> {
        let value = f32::from_le_bytes(self.input.array()?);
        if !self.not_finite(f64::from(value)) {
            self.out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        }
        Ok(())
    }

    fn double(&mut self) -> Read<()> {
        let value = f64::from_le_bytes(self.input.array()?);
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

    fn bytes(&mut self, bytes: &[u8], form: BytesForm) -> Read<()> {
        let written = match form {
            BytesForm::Plain => None,
            BytesForm::Decimal { scale } => Some(self.decimal(bytes, scale)?),
            BytesForm::BigDecimal => match big_decimal(bytes) {
                Some((number, scale)) => Some(self.decimal(number, scale)?),
                None => None,
            },
            BytesForm::Uuid => logical::uuid(&mut self.out, bytes),
            BytesForm::Duration => logical::duration(&mut self.out, bytes),
        };
        if written.is_none() {
            logical::base64(&mut self.out, bytes);
        }
        Ok(())
    }

    fn decimal(&mut self, number: &[u8], scale: u32) -> Read<()> {
        if number.len() > MAX_DECIMAL {
            return Err(Problem::LongDecimal(number.len()));
        }
        logical::decimal(&mut self.out, number, scale);
        Ok(())
    }
}

/// A number with its own scale: in Avro's encoding its bytes, then the scale. What is none is bytes.
fn big_decimal(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let mut input = Cursor::new(bytes);
    let (number, scale) = (input.sized().ok()?, input.int().ok()?);
    let scale = u32::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE)?;
    (input.left() == 0).then_some((number, scale))
}

/// The text is kept until it is delivered, so the room that it does not need is given back.
fn fitted(mut text: Vec<u8>) -> Vec<u8> {
    let spare = text.capacity() - text.len();
    if spare > SPARE.max(text.len() / 2) {
        text.shrink_to_fit();
    }
    text
}
