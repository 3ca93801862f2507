//! The schemas that the journal keeps.

use std::collections::{HashMap, HashSet};

use rusqlite::Row;

use crate::codec::framing::SchemaId;
use crate::codec::schema::{SchemaKind, SchemaText};
use crate::journal::reader::{ReadError, Reader};
use crate::journal::sql;

/// The first schema of the journal that has them.
const SINCE_VERSION: i64 = 2;

impl Reader {
    /// The schemas of a registry, under any of its names. Of all registries when there is no name, but for ids that mean one thing here
    /// and another there.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn schemas(&self, names: &[&str]) -> Result<HashMap<SchemaId, SchemaText>, ReadError> {
        if names.is_empty() {
            return self.kept_schemas(None).map_err(|error| self.failed(error));
        }
        let mut all = HashMap::new();
        for name in names {
            let kept = self.kept_schemas(Some(name)).map_err(|error| self.failed(error))?;
            for (id, schema) in kept {
                all.entry(id).or_insert(schema);
            }
        }
        Ok(all)
    }

    fn kept_schemas(&self, registry: Option<&str>) -> rusqlite::Result<HashMap<SchemaId, SchemaText>> {
        let (mut kept, mut doubtful) = (HashMap::new(), HashSet::new());
        let version: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version < SINCE_VERSION {
            return Ok(kept);
        }
        let mut select = self.connection.prepare(sql::KEPT_SCHEMAS)?;
        let rows = select.query_map([registry], schema)?;
        for (id, schema) in rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            let before = kept.insert(id, schema);
            if before.is_some_and(|before| kept.get(&id) != Some(&before)) {
                doubtful.insert(id);
            }
        }
        kept.retain(|id, _| !doubtful.contains(id));
        Ok(kept)
    }
}

/// `None`: a row that this version cannot have written.
fn schema(row: &Row<'_>) -> rusqlite::Result<Option<(SchemaId, SchemaText)>> {
    let (id, kind, text, named): (String, String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let (Ok(id), Ok(references)) = (id.parse(), serde_json::from_str(&named)) else { return Ok(None) };
    Ok(Some((id, SchemaText { kind: SchemaKind::named(&kind), text, references })))
}
