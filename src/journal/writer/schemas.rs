//! Schemas that a registry served: kept, so that what is journaled can be read without it.

use crate::engine::ledger::Served;
use crate::journal::sql;
use crate::journal::writer::Writing;

impl Writing<'_> {
    pub(super) fn served(&mut self, served: &Served) -> rusqlite::Result<()> {
        let Served { registry, id, schema } = served;
        let named = serde_json::Value::from(schema.references.clone()).to_string();
        let values = (registry, id.to_string(), schema.kind.as_str(), &schema.text, named, self.now_us);
        self.transaction.prepare_cached(sql::KEEP_SCHEMA)?.execute(values).map(drop)
    }
}
