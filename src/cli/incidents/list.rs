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
use crate::cli::table::{Cell, Choice, Column, Give, Shows, Table};
use crate::cli::window::{Layout, Listed, Shown, WindowArgs};
use crate::cli::{heading, mistyped, times, word};
use crate::engine::ledger::IncidentKind;
use crate::journal::{IncidentItem, IncidentSelection, IncidentState, Named, Place, Reader};

pub(super) const NAME: &str = "incidents list";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive incidents list --state open,ended --kind broker_away,receiver_down
  redrive incidents list -o json | jq '.items[].message'
Exit status: 0 done, 1 the journal cannot be read, 2 usage or no journal.";

const NARROWING: &[Give] = &[
    Give::Column("MESSAGE", 40),
    Give::Column("GROUP", 12),
    Give::Column("RECEIVER", 12),
    Give::Column("TOPIC/PARTITION", 24),
    Give::Column("MESSAGE", 20),
    Give::Column("RECEIVER", 8),
    Give::Names(8),
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
    /// Of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = word::one_of(IncidentKind::ALL, IncidentKind::as_str))]
    kind: Vec<IncidentKind>,
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
        let kinds = kind.iter().map(|kind| kind.as_str().to_owned()).collect();
        IncidentSelection { states: state.clone(), kinds, groups: group.clone(), topics: topic.clone() }
    }

    /// What is asked for, each with its flag: the states, and then all others that were given.
    fn filters(&self) -> Vec<(&'static str, String)> {
        let states: Vec<_> = self.state.iter().map(|state| state.as_str()).collect();
        let kinds: Vec<_> = self.kind.iter().map(|kind| kind.as_str()).collect();
        let lists = [
            ("--state", states.join(",")),
            ("--kind", kinds.join(",")),
            ("--group", self.group.join(",")),
            ("--topic", self.topic.join(",")),
        ];
        lists.into_iter().filter(|(_, list)| !list.is_empty()).collect()
    }

    /// The command that lists what follows.
    fn next(&self, after: i64) -> Vec<String> {
        let mut words = vec!["incidents".to_owned(), "list".to_owned()];
        let given = self.filters().into_iter().filter(|(flag, _)| *flag != "--state" || self.state != [IncidentState::Open]);
        words.extend(given.flat_map(|(flag, list)| [flag.to_owned(), list]));
        words.extend(self.window.words());
        words.extend(["--after".to_owned(), after.to_string()]);
        words
    }
}

pub(super) fn run(args: &ListArgs, place: &Place, output: &Output) -> Result<u8, CommandError> {
    let selection = args.selection();
    let reader = Reader::open(place)?;
    let page = |window| reader.incidents(&selection, window);
    let count = args.window.list(output, &reader, page, || {
        Ok(Listing { args, journal: output.journal(&reader), screen: output.screen(), open: reader.open_incidents()? })
    })?;
    if count == 0 {
        mistyped::warn(&reader, &[(Named::Topic, &args.topic), (Named::Group, &args.group)])?;
    }
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
    pub(super) args: &'l ListArgs,
    pub(super) journal: Journal<'l>,
    pub(super) screen: Screen,
    pub(super) open: u64,
}

impl Listing<'_> {
    fn choice(&self) -> Choice {
        Choice::of(&self.args.state, self.screen)
    }
}

impl Layout<IncidentItem> for Listing<'_> {
    fn heading(&self) -> Vec<String> {
        self.screen.join([heading::journal(self.journal), counted(self.open, "open incident")])
    }

    fn table(&self) -> Table {
        let columns = self.choice().of_all([
            (Shows::Always, Column::new("ID")),
            (Shows::WithStates, Column::new("STATE")),
            (Shows::Always, Column::new("LAST-SEEN")),
            (Shows::Always, Column::new("KIND")),
            (Shows::Wide, Column::new("GROUP")),
            (Shows::Always, Column::cut_in_the_middle("TOPIC/PARTITION")),
            (Shows::Wide, Column::new("OFFSETS")),
            (Shows::Always, Column::new("RECEIVER")),
            (Shows::Always, Column::new("COUNT")),
            (Shows::Always, Column::new("MESSAGE")),
        ]);
        Table::new(columns, NARROWING)
    }

    fn row(&self, item: &IncidentItem) -> Vec<Cell> {
        self.choice().of_all([
            (Shows::Always, Cell::new(item.id.to_string())),
            (Shows::WithStates, Cell::new(item.state.as_str()).painted(paint(item.state))),
            (Shows::Always, Cell::new(times::second(item.last_at_us))),
            (Shows::Always, Cell::new(&item.kind)),
            (Shows::Wide, Cell::new(&item.group)),
            (Shows::Always, Cell::new(place_of(item))),
            (Shows::Wide, Cell::new(offsets_of(item))),
            (Shows::Always, Cell::new(item.receiver.as_deref().unwrap_or_default())),
            (Shows::Always, Cell::new(item.count.to_string())),
            (Shows::Always, Cell::new(&item.message)),
        ])
    }

    fn ending(&self, shown: Shown) -> Vec<String> {
        let Self { args, journal, screen, .. } = self;
        let Some(first) = shown.first else {
            return screen.join([heading::nothing_fits("incident", &args.filters())]);
        };
        let mut parts = vec![format!("{} shown", shown.count)];
        parts.extend(shown.next.map(|after| format!("next: {}", journal.command(&args.next(after)))));
        parts.push(format!("details: {}", journal.hint(&format!("incidents show {first}"))));
        screen.join(parts)
    }
}
