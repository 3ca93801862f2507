//! A schema as a flat list of nodes, ready to be walked: names are quoted once, here.

use serde_avro_fast::schema::{LogicalType, RegularType, SchemaKey, SchemaMut, SchemaNode};
use serde_json::Value;

use crate::failure::kept;

/// The longest text that is parsed, with all it refers to.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// A decimal of more digits behind its point is shown as the bytes that it is.
const MAX_SCALE: u32 = 1_024;
/// As much of a parser's words as is kept, in bytes.
const LONGEST_REASON: usize = 400;

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
    pub(super) fn root(&self) -> usize {
        self.root
    }

    pub(super) fn get(&self, at: usize) -> Option<&Node> {
        self.all.get(at)
    }
}

/// # Errors
/// Says what is wrong with it.
pub(super) fn parse(text: &str, references: &[String]) -> Result<Nodes, String> {
    let size = references.iter().map(String::len).sum::<usize>().saturating_add(text.len());
    if size > MAX_TEXT {
        return Err(format!("it has {size} bytes, and at most {MAX_TEXT} are read"));
    }
    let readable = |text: &str| {
        let mut value: Value = serde_json::from_str(text).map_err(|error| reason(&error))?;
        mend(&mut value);
        Ok::<_, String>(value)
    };
    let references = references.iter().map(|text| readable(text).map(|value| value.to_string())).collect::<Result<Vec<_>, _>>()?;
    // The parser tells where the root is only of a schema that is more than a name.
    let wrapped = serde_json::json!({ "type": "array", "items": readable(text)? }).to_string();
    let parsed = SchemaMut::from_schemata(&wrapped, &references).map_err(|error| reason(&error))?;
    let RegularType::Array(wrapper) = &parsed.root().type_ else { return Err("it has no root".to_owned()) };
    let nodes = Nodes { all: parsed.nodes().iter().map(node).collect(), root: wrapper.items.idx() };
    check(&nodes)?;
    Ok(nodes)
}

fn reason(error: &dyn std::fmt::Display) -> String {
    kept(&error.to_string(), LONGEST_REASON).to_owned()
}

/// What other libraries read and this parser does not: decimals that leave out their scale, which is 0 then, and logical types whose
/// attributes are none, which the specification wants ignored.
fn mend(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(mend),
        Value::Object(members) => {
            members.values_mut().for_each(mend);
            let is_number = |value: &Value| value.as_u64().is_some_and(|number| u32::try_from(number).is_ok());
            let is_wrong = |name: &&str| members.get(*name).is_some_and(|value| !is_number(value));
            let wrong: Vec<&str> = ["scale", "precision"].into_iter().filter(is_wrong).collect();
            let fits = wrong.is_empty();
            wrong.into_iter().for_each(|name| drop(members.remove(name)));
            match members.get("logicalType") {
                Some(Value::String(name)) if name == "decimal" && fits => {
                    members.entry("scale").or_insert(Value::from(0));
                    members.entry("precision").or_insert(Value::from(1));
                }
                Some(Value::String(name)) if name != "decimal" => {}
                _ => drop(members.remove("logicalType")),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every node that is named is there.
fn check(nodes: &Nodes) -> Result<(), String> {
    let is_there = |at: &usize| *at < nodes.all.len();
    let all_there = nodes.all.iter().all(|node| match node {
        Node::Array(at) | Node::Map(at) => is_there(at),
        Node::Union(variants) => variants.iter().all(is_there),
        Node::Record(fields) => fields.iter().all(|field| is_there(&field.node)),
        _ => true,
    });
    if all_there && is_there(&nodes.root) { Ok(()) } else { Err("it names types that are not there".to_owned()) }
}

fn node(of: &SchemaNode) -> Node {
    let logical = of.logical_type.as_ref();
    let name = logical.map(LogicalType::as_str).unwrap_or_default();
    match &of.type_ {
        RegularType::Null => Node::Null,
        RegularType::Boolean => Node::Boolean,
        RegularType::Int => Node::Int(match name {
            "date" => IntForm::Date,
            "time-millis" => IntForm::TimeMillis,
            _ => IntForm::Plain,
        }),
        RegularType::Long => Node::Long(long_form(name)),
        RegularType::Float => Node::Float,
        RegularType::Double => Node::Double,
        RegularType::Bytes => Node::Bytes(match (name, logical) {
            ("big-decimal", _) => BytesForm::BigDecimal,
            (_, logical) => decimal(logical),
        }),
        RegularType::String => Node::Text,
        RegularType::Fixed(fixed) => Node::Fixed(
            fixed.size,
            match (name, fixed.size) {
                ("uuid", 16) => BytesForm::Uuid,
                ("duration", 12) => BytesForm::Duration,
                _ => decimal(logical),
            },
        ),
        RegularType::Enum(of) => Node::Enum(of.symbols.iter().map(|symbol| quoted(symbol)).collect()),
        RegularType::Array(array) => Node::Array(array.items.idx()),
        RegularType::Map(map) => Node::Map(map.values.idx()),
        RegularType::Union(union) => Node::Union(union.variants.iter().map(|key| SchemaKey::idx(*key)).collect()),
        RegularType::Record(record) => Node::Record(
            record
                .fields
                .iter()
                .enumerate()
                .map(|(at, field)| {
                    let begin: &[u8] = if at == 0 { b"{" } else { b"," };
                    let before = [begin, &quoted(&field.name), b":"].concat();
                    Field { name: field.name.clone(), before, node: field.type_.idx() }
                })
                .collect(),
        ),
    }
}

fn long_form(name: &str) -> LongForm {
    let (name, zone) = match name.strip_prefix("local-") {
        Some(name) => (name, Zone::Local),
        None => (name, Zone::Utc),
    };
    match name {
        "time-micros" if matches!(zone, Zone::Utc) => LongForm::TimeMicros,
        "timestamp-millis" => LongForm::Timestamp(Unit::Millis, zone),
        "timestamp-micros" => LongForm::Timestamp(Unit::Micros, zone),
        "timestamp-nanos" => LongForm::Timestamp(Unit::Nanos, zone),
        _ => LongForm::Plain,
    }
}

fn decimal(logical: Option<&LogicalType>) -> BytesForm {
    match logical {
        Some(LogicalType::Decimal(decimal)) if decimal.scale <= MAX_SCALE => BytesForm::Decimal { scale: decimal.scale },
        _ => BytesForm::Plain,
    }
}

fn quoted(text: &str) -> Vec<u8> {
    Value::from(text).to_string().into_bytes()
}
