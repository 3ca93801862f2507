//! `redrive incidents list`.

use clap::Args;
use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::hint::Journal;
use crate::cli::incidents::{offsets_of, paint, place_of};
use crate::cli::json::IncidentJson;
use crate::cli::numbers::counted;
use crate::cli::output::Output;
use crate::cli::screen::Screen;
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::window::{Listed, WindowArgs};
use crate::cli::{heading, times, word};
use crate::journal::{IncidentItem, IncidentSelection, IncidentState, Place, Reader};

pub(super) const NAME: &str = "incidents list";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive incidents list --state open,ended --kind broker_away,receiver_down
  redrive incidents list -o json | jq '.items[].message'
Exit status: 0 done, 1 the journal cannot be read, 2 usage or no journal.";

/// From this width on there is room for all columns.
const WIDE: usize = 140;
const NARROWING: &[Give] = &[
    Give::Column("MESSAGE", 40),
    Give::Column("GROUP", 12),
    Give::Column("RECEIVER", 12),
    Give::Column("TOPIC/PARTITION", 24),
    Give::Column("MESSAGE", 20),
    Give::Column("RECEIVER", 8),
    Give::Names,
    Give::Column("TOPIC/PARTITION", 10),
    Give::Column("MESSAGE", 8),
];

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// In these states
    #[arg(long, value_name = "STATE", value_delimiter = ',', default_value = "open")]
    #[arg(value_parser = word::one_of(IncidentState::ALL, IncidentState::as_str))]
    state: Vec<IncidentState>,
    /// Of these kinds, like gap or receiver_down
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
    /// Of these consumer groups
    #[arg(short = 'g', long, value_name = "GROUP", value_delimiter = ',')]
    group: Vec<String>,
    /// Of these topics
    #[arg(short = 't', long, value_name = "TOPIC", value_delimiter = ',')]
    topic: Vec<String>,
}

impl ListArgs {
    fn selection(&self) -> IncidentSelection {
        let Self { state, kind, group, topic, .. } = self;
        IncidentSelection { states: state.clone(), kinds: kind.clone(), groups: group.clone(), topics: topic.clone() }
    }

    /// The command that lists what follows.
    fn next(&self, after: i64) -> Vec<String> {
        let mut words = vec!["incidents".to_owned(), "list".to_owned()];
        let states = if self.state == [IncidentState::Open] { Vec::new() } else { self.state.clone() };
        let states: Vec<_> = states.into_iter().map(IncidentState::as_str).collect();
        let lists = [
            ("--state", states.join(",")),
            ("--kind", self.kind.join(",")),
            ("--group", self.group.join(",")),
            ("--topic", self.topic.join(",")),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        words.extend(lists.flat_map(|(flag, list)| [flag.to_owned(), list]));
        words.extend(self.window.words());
        words.extend(["--after".to_owned(), after.to_string()]);
        words
    }
}

pub(super) fn run(args: &ListArgs, place: &Place, output: &Output) -> Result<u8, CommandError> {
    let selection = args.selection();
    let reader = Reader::open(place)?;
    let page = |window| reader.incidents(&selection, window);
    args.window.list(output, &reader, page, |items, next| {
        let listing = Listing { items, next, open: reader.open_incidents()? };
        Ok(listing.lines(args, output.journal(&reader), output.screen()))
    })?;
    Ok(0)
}

impl Listed for IncidentItem {
    const LISTING: &'static str = NAME;

    fn id(&self) -> i64 {
        self.id
    }

    fn json(&self) -> impl Serialize {
        IncidentJson::of(self)
    }
}

/// What a screen shows.
pub(super) struct Listing<'l> {
    pub(super) items: &'l [IncidentItem],
    /// Behind which more follow.
    pub(super) next: Option<i64>,
    pub(super) open: u64,
}

impl Listing<'_> {
    pub(super) fn lines(&self, args: &ListArgs, journal: Journal<'_>, screen: Screen) -> Vec<String> {
        let mut lines = screen.join([heading::journal(journal), counted(self.open, "open incident")]);
        if !self.items.is_empty() {
            lines.extend(table(self.items, &args.state, screen).lines(screen));
        }
        lines.extend(screen.join(self.ending(args, journal)));
        lines
    }

    fn ending(&self, args: &ListArgs, journal: Journal<'_>) -> Vec<String> {
        let Some(first) = self.items.first() else {
            let states: Vec<_> = args.state.iter().map(|state| state.as_str()).collect();
            return vec![format!("no incident fits: state {}", states.join(" or "))];
        };
        let mut parts = vec![format!("{} shown", self.items.len())];
        parts.extend(self.next.map(|after| format!("next: {}", journal.command(&args.next(after)))));
        parts.push(format!("details: {}", journal.hint(&format!("incidents show {}", first.id))));
        parts
    }
}

fn table(items: &[IncidentItem], states: &[IncidentState], screen: Screen) -> Table {
    let has_state = states.iter().any(|state| states.first() != Some(state));
    let is_wide = !screen.is_narrower_than(WIDE);
    let columns = [
        Some(Column::new("ID")),
        has_state.then_some(Column::new("STATE")),
        Some(Column::new("LAST-SEEN")),
        Some(Column::new("KIND")),
        is_wide.then_some(Column::new("GROUP")),
        Some(Column::cut_in_the_middle("TOPIC/PARTITION")),
        is_wide.then_some(Column::new("OFFSETS")),
        Some(Column::new("RECEIVER")),
        Some(Column::new("COUNT")),
        Some(Column::new("MESSAGE")),
    ];
    let mut table = Table::new(columns.into_iter().flatten().collect(), NARROWING);
    for item in items {
        let cells = [
            Some(Cell::new(item.id.to_string())),
            has_state.then(|| Cell::new(item.state.as_str()).painted(paint(item.state))),
            Some(Cell::new(times::second(item.last_at_us))),
            Some(Cell::new(&item.kind)),
            is_wide.then(|| Cell::new(&item.group)),
            Some(Cell::new(place_of(item))),
            is_wide.then(|| Cell::new(offsets_of(item))),
            Some(Cell::new(item.receiver.as_deref().unwrap_or_default())),
            Some(Cell::new(item.count.to_string())),
            Some(Cell::new(&item.message)),
        ];
        table.push(cells.into_iter().flatten().collect());
    }
    table
}
