//! A schema's text as nodes, by Avro's specification, and more lenient than it where others are.
//!
//! The text may come from anybody: nothing here calls itself deeper than the JSON nests, which its parser bounds at 127 levels, and the
//! work grows with the text and no faster.
//!
//! Lenient: names are any text, a type may be used before it is defined, and defined again in the same words. What surrounds a type, as
//! in `{"type": {"type": "long"}, "logicalType": "date"}`, says nothing about it: implementations differ, and Java's refuses it.

use std::collections::{HashMap, HashSet};
use std::f64::consts::LOG10_2;

use serde_json::{Map, Value};

use crate::codec::avro::logical::MAX_SCALE;
use crate::codec::avro::schema::{BytesForm, Field, IntForm, LongForm, Node, Nodes, Unit, Zone};
use crate::failure::kept;

/// The longest text that is parsed, with all it refers to.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// As much of what is wrong as is said, in bytes.
const LONGEST_REASON: usize = 400;
/// As much of a name as is said, in bytes.
const LONGEST_NAME: usize = 100;

/// # Errors
/// Says what is wrong with it.
pub(super) fn parse(text: &str, references: &[String]) -> Result<Nodes, String> {
    let size = references.iter().map(String::len).sum::<usize>().saturating_add(text.len());
    if size > MAX_TEXT {
        return Err(format!("it has {size} bytes with what it refers to, and at most {MAX_TEXT} are read"));
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let schemas = references.iter().map(String::as_str).chain([text]).map(read).collect::<Result<Vec<_>, _>>();
    let nodes = schemas.and_then(|schemas| Parser::default().all(&schemas));
    nodes.map_err(|what| kept(&what, LONGEST_REASON).to_owned())
}

fn said(name: &str) -> &str {
    kept(name, LONGEST_NAME)
}

#[derive(Default)]
struct Parser<'t> {
    nodes: Vec<Node>,
    names: HashMap<Name<'t>, Named<'t>>,
    spaces: HashMap<&'t str, Space>,
}

/// A namespace by its number, so that a long one costs no more than a short one wherever it holds.
type Space = usize;

/// No namespace.
const NONE: Space = 0;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name<'t> {
    space: Space,
    name: &'t str,
}

struct Named<'t> {
    node: usize,
    /// `None` as long as it is only referred to.
    definition: Option<&'t Value>,
}

type Members = Map<String, Value>;

impl<'t> Parser<'t> {
    /// The last of them is the root.
    fn all(mut self, schemas: &'t [Value]) -> Result<Nodes, String> {
        self.spaces.insert("", NONE);
        let mut root = 0;
        for schema in schemas {
            root = self.schema(schema, NONE)?;
        }
        let undefined = self.names.iter().filter(|(_, named)| named.definition.is_none());
        match undefined.min_by_key(|(_, named)| named.node) {
            Some((name, _)) => Err(format!("nothing defines {}", self.full(*name))),
            None if is_endless(&self.nodes) => Err("a record has itself in it, whatever its values are".to_owned()),
            None => Ok(Nodes::new(self.nodes, root)),
        }
    }

    /// The node of a schema within a namespace.
    fn schema(&mut self, schema: &'t Value, space: Space) -> Result<usize, String> {
        match schema {
            Value::String(name) => Ok(self.called(name, None, space)),
            Value::Array(variants) => {
                let variants = variants.iter().map(|variant| self.schema(variant, space));
                let union = Node::Union(variants.collect::<Result<_, _>>()?);
                Ok(self.add(union))
            }
            Value::Object(members) => match members.get("type") {
                Some(Value::String(of)) => self.described(of, schema, members, space),
                Some(inner) => self.schema(inner, space),
                None => Err("a type is an object without \"type\"".to_owned()),
            },
            other => Err(format!("a type is {other}: expected a name, an object or an array of types")),
        }
    }

    fn described(&mut self, of: &'t str, schema: &'t Value, members: &'t Members, space: Space) -> Result<usize, String> {
        let (part, node): (_, fn(usize) -> Node) = match of {
            "record" | "error" | "enum" | "fixed" => return self.defined(of, schema, members, space),
            "array" => ("items", Node::Array),
            "map" => ("values", Node::Map),
            name => return Ok(self.called(name, Some(members), space)),
        };
        let inner = members.get(part).ok_or_else(|| format!("a type is \"{of}\" and has no \"{part}\""))?;
        let inner = self.schema(inner, space)?;
        Ok(self.add(node(inner)))
    }

    /// A type with a name; defined again with the same words it is the same.
    fn defined(&mut self, of: &str, schema: &'t Value, members: &'t Members, space: Space) -> Result<usize, String> {
        let text = |part: &str| members.get(part).and_then(Value::as_str);
        let name = text("name").ok_or_else(|| format!("a type is \"{of}\" and has no \"name\""))?;
        let space = text("namespace").map_or(space, |space| self.space(space));
        let name = self.name(name, space);
        let at = self.named(name);
        match self.names.get_mut(&name) {
            Some(Named { definition: Some(definition), .. }) if *definition == schema => return Ok(at),
            Some(Named { definition: Some(_), .. }) => return Err(format!("{} is defined twice, differently", self.full(name))),
            Some(Named { definition, .. }) => *definition = Some(schema),
            None => {}
        }
        let node = match of {
            "enum" => symbols(members).map_err(|what| format!("{} {what}", self.full(name)))?,
            "fixed" => fixed(members).map_err(|what| format!("{} {what}", self.full(name)))?,
            _ => self.record(members, name)?,
        };
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = node;
        }
        Ok(at)
    }

    fn record(&mut self, members: &'t Members, record: Name<'t>) -> Result<Node, String> {
        let fields = members.get("fields").and_then(Value::as_array);
        let fields = fields.ok_or_else(|| format!("{} is a record and has no \"fields\"", self.full(record)))?;
        let mut names = HashSet::new();
        let field = |(at, field): (usize, &'t Value)| {
            let name = field.get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| format!("{} has no name for field {}", self.full(record), at + 1))?;
            if !names.insert(name) {
                return Err(format!("{} has two fields named {}", self.full(record), said(name)));
            }
            let of = field.get("type");
            let of = of.ok_or_else(|| format!("{} has no type for its field {}", self.full(record), said(name)))?;
            let node = self.schema(of, record.space);
            let node = node.map_err(|what| format!("{what}, in field {} of {}", said(name), self.full(record)))?;
            let begin: &[u8] = if at == 0 { b"{" } else { b"," };
            Ok(Field { name: name.to_owned(), before: [begin, &quoted(name), b":"].concat(), node })
        };
        Ok(Node::Record(fields.iter().enumerate().map(field).collect::<Result<_, _>>()?))
    }

    /// What is meant by a name: one without a namespace is known in each, as in Java, when it is defined there already.
    fn called(&mut self, name: &'t str, members: Option<&Members>, space: Space) -> usize {
        if let Some(node) = primitive(name, members) {
            return self.add(node);
        }
        let full = self.name(name, space);
        match self.names.get(&Name { space: NONE, name }) {
            Some(Named { node, definition: Some(_) }) if !self.names.contains_key(&full) => *node,
            _ => self.named(full),
        }
    }

    fn named(&mut self, name: Name<'t>) -> usize {
        if let Some(named) = self.names.get(&name) {
            return named.node;
        }
        let node = self.add(Node::Null);
        self.names.insert(name, Named { node, definition: None });
        node
    }

    /// What is before a name's last dot goes before the namespace.
    fn name(&mut self, name: &'t str, space: Space) -> Name<'t> {
        match name.rsplit_once('.') {
            Some((space, name)) => Name { space: self.space(space), name },
            None => Name { space, name },
        }
    }

    fn space(&mut self, space: &'t str) -> Space {
        let next = self.spaces.len();
        *self.spaces.entry(space).or_insert(next)
    }

    /// A name in full, as far as it is said.
    fn full(&self, Name { space, name }: Name<'_>) -> String {
        match self.spaces.iter().find(|(text, number)| **number == space && !text.is_empty()) {
            Some((space, _)) => format!("{}.{}", said(space), said(name)),
            None => said(name).to_owned(),
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

fn symbols(members: &Members) -> Result<Node, String> {
    let symbols = members.get("symbols").and_then(Value::as_array).ok_or("is an enum and has no \"symbols\"")?;
    let symbols = symbols.iter().map(|symbol| symbol.as_str().map(quoted));
    Ok(Node::Enum(symbols.collect::<Option<_>>().ok_or("has a symbol that is no text")?))
}

fn fixed(members: &Members) -> Result<Node, String> {
    let size = members.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or("is \"fixed\" and has no \"size\", or one that is no number of bytes")?;
    let form = match (logical(members), size) {
        ("uuid", 16) => BytesForm::Uuid,
        ("duration", 12) => BytesForm::Duration,
        ("decimal", _) if fits(members, size) => decimal(members),
        _ => BytesForm::Plain,
    };
    Ok(Node::Fixed(size, form))
}

fn primitive(name: &str, members: Option<&Members>) -> Option<Node> {
    let logical = members.map(logical).unwrap_or_default();
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" => Node::Int(match logical {
            "date" => IntForm::Date,
            "time-millis" => IntForm::TimeMillis,
            _ => IntForm::Plain,
        }),
        "long" => Node::Long(long_form(logical)),
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes(match (logical, members) {
            ("big-decimal", _) => BytesForm::BigDecimal,
            ("decimal", Some(members)) => decimal(members),
            _ => BytesForm::Plain,
        }),
        "string" => Node::Text,
        _ => return None,
    })
}

fn logical(members: &Members) -> &str {
    members.get("logicalType").and_then(Value::as_str).unwrap_or_default()
}

fn long_form(logical: &str) -> LongForm {
    let (logical, zone) = match logical.strip_prefix("local-") {
        Some(logical) => (logical, Zone::Local),
        None => (logical, Zone::Utc),
    };
    match logical {
        "time-micros" if matches!(zone, Zone::Utc) => LongForm::TimeMicros,
        "timestamp-millis" => LongForm::Timestamp(Unit::Millis, zone),
        "timestamp-micros" => LongForm::Timestamp(Unit::Micros, zone),
        "timestamp-nanos" => LongForm::Timestamp(Unit::Nanos, zone),
        _ => LongForm::Plain,
    }
}

/// Whether so many bytes have room for all the digits of a decimal.
fn fits(members: &Members, size: usize) -> bool {
    let bits = 8.0 * size as f64 - 1.0;
    members.get("precision").and_then(Value::as_f64).is_some_and(|precision| precision <= bits * LOG10_2)
}

/// A decimal that the specification calls invalid is the bytes that it is.
fn decimal(members: &Members) -> BytesForm {
    let scale = members.get("scale").map_or(Some(0), Value::as_u64).and_then(|scale| u32::try_from(scale).ok());
    let precision = members.get("precision").and_then(Value::as_u64).filter(|precision| *precision > 0);
    match (scale, precision) {
        (Some(scale), Some(precision)) if scale <= MAX_SCALE && u64::from(scale) <= precision => BytesForm::Decimal { scale },
        _ => BytesForm::Plain,
    }
}

fn quoted(text: &str) -> Vec<u8> {
    Value::from(text).to_string().into_bytes()
}

/// True when a record has itself in it with no union, array or map on the way: none has a value.
///
/// Takes away, again and again, the records that have no others in them. What is left is in a circle, or has one in it.
fn is_endless(nodes: &[Node]) -> bool {
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waits_for = vec![0usize; nodes.len()];
    for (at, (node, waits_for)) in nodes.iter().zip(&mut waits_for).enumerate() {
        let Node::Record(fields) = node else { continue };
        for field in fields.iter().filter(|field| matches!(nodes.get(field.node), Some(Node::Record(_)))) {
            *waits_for += 1;
            within.get_mut(field.node).into_iter().for_each(|within| within.push(at));
        }
    }
    let mut ready: Vec<usize> = waits_for.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| at).collect();
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        for outer in within.get_mut(at).map(std::mem::take).unwrap_or_default() {
            let Some(count) = waits_for.get_mut(outer) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push(outer);
            }
        }
    }
    done < nodes.len()
}
