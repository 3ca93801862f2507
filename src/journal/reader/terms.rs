//! Conditions of a listing. Values are always bound, never written into the text.

use rusqlite::types::Value as SqlValue;

use crate::offsets::{Bounds, first_ms};

/// Conditions, each beginning with ` AND `, and the values that they bind.
#[derive(Clone, Default)]
pub(in crate::journal) struct Terms {
    pub(in crate::journal) text: String,
    pub(in crate::journal) values: Vec<SqlValue>,
}

impl Terms {
    /// `column` is one of the values. No values: nothing fits.
    pub(in crate::journal) fn any<V: Into<SqlValue>>(&mut self, column: &str, values: impl IntoIterator<Item = V>) {
        let before = self.values.len();
        self.values.extend(values.into_iter().map(Into::into));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.text.push_str(&format!(" AND {column} IN ({marks})"));
    }

    /// As `any`; no values: no condition.
    pub(in crate::journal) fn any_if<V: Into<SqlValue>>(&mut self, column: &str, values: impl IntoIterator<Item = V>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.any(column, values);
        }
    }

    pub(in crate::journal) fn bound(&mut self, condition: &str, value: impl Into<SqlValue>) {
        self.text.push_str(&format!(" AND {condition}"));
        self.values.push(value.into());
    }

    pub(in crate::journal) fn bound_if(&mut self, condition: &str, value: Option<impl Into<SqlValue>>) {
        if let Some(value) = value {
            self.bound(condition, value);
        }
    }

    /// The offset of `failure f`, or the timestamp of its `record c`.
    pub(in crate::journal) fn within(&mut self, bounds: Bounds) {
        match bounds {
            Bounds::Offsets { from, to } => {
                self.bound("f.offset >= ?", from.get());
                self.bound_if("f.offset < ?", to.map(|to| to.get()));
            }
            Bounds::Times { from, to } => {
                self.bound("c.timestamp_ms >= ?", first_ms(from));
                self.bound_if("c.timestamp_ms < ?", to.map(first_ms));
            }
        }
    }

    /// One of several conjunctions holds.
    pub(in crate::journal) fn either(&mut self, alternatives: Vec<Self>) {
        let texts: Vec<_> = alternatives.iter().map(|each| format!("(1{})", each.text)).collect();
        self.text.push_str(&format!(" AND ({})", texts.join(" OR ")));
        self.values.extend(alternatives.into_iter().flat_map(|each| each.values));
    }

    pub(in crate::journal) fn and(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.values.extend(other.values.iter().cloned());
    }
}
