//! Conditions of a listing. Values are always bound, never written into the text.

use rusqlite::types::Value as SqlValue;

/// Conditions, each beginning with ` AND `, and the values that they bind.
#[derive(Clone, Default)]
pub(super) struct Terms {
    pub(super) text: String,
    pub(super) values: Vec<SqlValue>,
}

impl Terms {
    /// `column` is one of the values. No values: nothing fits.
    pub(super) fn any<V: Into<SqlValue>>(&mut self, column: &str, values: impl IntoIterator<Item = V>) {
        let before = self.values.len();
        self.values.extend(values.into_iter().map(Into::into));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.text.push_str(&format!(" AND {column} IN ({marks})"));
    }

    /// As `any`; no values: no condition.
    pub(super) fn any_if<V: Into<SqlValue>>(&mut self, column: &str, values: impl IntoIterator<Item = V>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.any(column, values);
        }
    }

    pub(super) fn bound(&mut self, condition: &str, value: impl Into<SqlValue>) {
        self.text.push_str(&format!(" AND {condition}"));
        self.values.push(value.into());
    }

    pub(super) fn bound_if(&mut self, condition: &str, value: Option<impl Into<SqlValue>>) {
        if let Some(value) = value {
            self.bound(condition, value);
        }
    }

    /// One of several conjunctions holds.
    pub(super) fn either(&mut self, alternatives: Vec<Self>) {
        let texts: Vec<_> = alternatives.iter().map(|each| format!("(1{})", each.text)).collect();
        self.text.push_str(&format!(" AND ({})", texts.join(" OR ")));
        self.values.extend(alternatives.into_iter().flat_map(|each| each.values));
    }

    pub(super) fn and(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.values.extend(other.values.iter().cloned());
    }
}
