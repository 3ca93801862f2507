//! The schemas that a schema refers to, and those that they refer to: fetched once each, within bounds, dependencies first.

use std::collections::HashSet;
use std::vec;

use crate::codec::framing::SchemaId;
use crate::codec::registry::answer::{self, Lack, Served};
use crate::codec::registry::place::{Place, Question, Reference};
use crate::codec::schema::SchemaText;

/// References from one schema to the next.
const DEEPEST: usize = 16;
/// Schemas, with the one that was asked for.
const MOST: usize = 256;
/// Bytes of all texts together.
const LARGEST: usize = 8 * 1024 * 1024;

/// A schema whose references are being fetched.
struct Open {
    text: String,
    pending: vec::IntoIter<Reference>,
}

impl Open {
    fn of(served: Served) -> Self {
        Self { text: served.text, pending: served.references.into_iter() }
    }
}

/// The schema with the texts of all that it refers to; each stands behind what it refers to itself, as far as that is possible: of those
/// that refer to each other one must be first.
///
/// # Errors
/// When one of them is not there, they are too many, or nobody answers.
pub(super) async fn gathered(place: &Place, id: SchemaId, root: Served) -> Result<SchemaText, Lack> {
    let beyond = |bound: String| Lack::Unusable(format!("schema {id} cannot be had whole: {bound}"));
    let kind = root.kind.clone();
    let mut bytes = root.text.len();
    let mut seen: HashSet<Reference> = HashSet::new();
    let mut references: Vec<String> = Vec::new();
    let (mut open, mut way) = (Open::of(root), Vec::new());
    loop {
        if let Some(reference) = open.pending.next() {
            if seen.contains(&reference) {
                continue;
            }
            if way.len() == DEEPEST {
                return Err(beyond(format!("its references go deeper than {DEEPEST}")));
            }
            if seen.len() + 1 == MOST {
                return Err(beyond(format!("with all that it refers to it is more than {MOST} schemas")));
            }
            let reply = place.answer(&Question::Reference(&reference)).await?;
            let served = answer::reference(id, &reference, &reply)?;
            seen.insert(reference);
            bytes += served.text.len();
            if bytes > LARGEST {
                return Err(beyond(format!("with all that it refers to it is longer than {} MiB", LARGEST >> 20)));
            }
            way.push(std::mem::replace(&mut open, Open::of(served)));
            continue;
        }
        let Some(before) = way.pop() else { break };
        let Open { text, .. } = std::mem::replace(&mut open, before);
        // The same schema may be there under two subjects.
        if !references.contains(&text) {
            references.push(text);
        }
    }
    references.retain(|text| *text != open.text);
    Ok(SchemaText { kind, text: open.text, references })
}
