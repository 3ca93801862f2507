//! A schema as a flat list of nodes, ready to be walked: names are quoted once, when it is parsed.

/// Nodes name each other by their place, so that one that holds itself is no circle in memory, and none is dropped from within another.
#[derive(Debug)]
pub(super) struct Nodes {
    all: Vec<Node>,
    root: usize,
}

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int(IntForm),
    Long(LongForm),
    Float,
    Double,
    Bytes(BytesForm),
    Text,
    Fixed(usize, BytesForm),
    /// In quotes.
    Enum(Vec<Vec<u8>>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<Field>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// `{"name":` of the first, `,"name":` of the others.
    pub(super) before: Vec<u8>,
    pub(super) node: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum IntForm {
    Plain,
    Date,
    TimeMillis,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum LongForm {
    Plain,
    TimeMicros,
    Timestamp(Unit, Zone),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Zone {
    Utc,
    Local,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum BytesForm {
    Plain,
    Decimal { scale: u32 },
    BigDecimal,
    Uuid,
    Duration,
}

impl Nodes {
    pub(super) fn new(all: Vec<Node>, root: usize) -> Self {
        Self { all, root }
    }

    pub(super) fn root(&self) -> usize {
        self.root
    }

    pub(super) fn get(&self, at: usize) -> Option<&Node> {
        self.all.get(at)
    }
}
