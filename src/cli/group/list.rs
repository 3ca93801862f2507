//! `redrive group list`.

use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::escape::escape;
use crate::cli::group::{Means, maybe, protocol};
use crate::cli::numbers::{counted, grouped};
use crate::cli::table::{Cell, Column, Give, Table};
use crate::offsets::{self, Overview, called};
use crate::settings::OutputFormat;

pub(super) const NAME: &str = "group list";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive group list -b localhost:9092
  redrive group list -o jsonl | jq -r 'select(.lag > 0) | .group'
Exit status: 0 done, 1 the brokers do not answer, 2 usage.";

const NARROWING: &[Give] = &[Give::Column("GROUP", 24), Give::Names(8), Give::Column("GROUP", 8)];

#[derive(Serialize)]
struct OverviewJson<'i> {
    group: &'i str,
    state: &'i str,
    protocol: &'i str,
    members: Option<usize>,
    lag: Option<u64>,
}

impl<'i> OverviewJson<'i> {
    fn of(of: &'i Overview) -> Self {
        let Overview { listing, members, lag, .. } = of;
        Self { group: &listing.group, state: &listing.state, protocol: protocol(&listing.protocol), members: *members, lag: *lag }
    }
}

pub(super) fn run(means: &Means<'_>) -> Result<u8, CommandError> {
    let output = &means.session.output;
    let groups = offsets::overview(means.admin)?;
    for unanswered in groups.iter().flat_map(|group| &group.unanswered) {
        tracing::warn!("{unanswered}");
    }
    if output.format() != OutputFormat::Table {
        let items: Vec<_> = groups.iter().map(OverviewJson::of).collect();
        return output.items(NAME, None, &items, None).map(|()| 0);
    }
    let mut lines = Vec::new();
    if !groups.is_empty() {
        lines.extend(table(&groups).lines(output.screen()));
    }
    let mut parts = vec![counted(groups.len() as u64, "group")];
    // A group without a name cannot be asked for.
    if let Some(first) = groups.iter().find(|group| !group.listing.group.is_empty()) {
        parts.push(format!("details: {}", escape(&means.session.command(&["group", "describe", "-g", &first.listing.group]))));
    }
    lines.extend(output.screen().join(parts));
    output.lines(lines).map(|()| 0)
}

fn table(groups: &[Overview]) -> Table {
    let columns = ["GROUP", "STATE", "PROTOCOL", "MEMBERS", "LAG"].map(Column::new);
    let mut table = Table::new(columns.to_vec(), NARROWING);
    for Overview { listing, members, lag, .. } in groups {
        // What looks like an empty cell is a name, too.
        let name = if listing.group.trim().is_empty() { called(&listing.group) } else { listing.group.as_str().into() };
        table.push(vec![
            Cell::new(name),
            Cell::new(&listing.state),
            Cell::new(protocol(&listing.protocol)),
            Cell::new(maybe(*members)),
            Cell::new(lag.map(grouped).unwrap_or_default()),
        ]);
    }
    table
}
