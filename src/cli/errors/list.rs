//! `redrive errors list`.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::errors::filters::Filters;
use crate::cli::hint::Journal;
use crate::cli::json::FailureJson;
use crate::cli::numbers::grouped;
use crate::cli::output::Output;
use crate::cli::screen::{Paint, Screen};
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::window::{Listed, WindowArgs};
use crate::cli::{heading, times};
use crate::failure::Class;
use crate::journal::{FailureItem, FailureState, Place, Reader, StateCounts};

pub(super) const NAME: &str = "errors list";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive errors list --receiver billing --since 2h
  redrive errors list --offset orders:3:1200..1300 --state open,resolved,ignored
  redrive errors list --limit 0 -o jsonl | jq -r .code | sort | uniq -c
On a terminal, rows are cut to its width; CLASS and TYPE are there from 140 columns. Without one, nothing is left out.
Exit status: 0 done, 1 the journal cannot be read, 2 usage or no journal, 6 with --fail-if-any when anything is listed.";

/// From this width on there is room for all columns.
const WIDE: usize = 140;
/// Below this width times are shortened.
const NARROW: usize = 100;
/// The message gives way first; the code, which says the most in the fewest letters, last.
const NARROWING: &[Give] = &[
    Give::Column("MESSAGE", 40),
    Give::Column("TYPE", 16),
    Give::Column("RECEIVER", 12),
    Give::Column("TOPIC/PARTITION/OFFSET", 32),
    Give::Column("MESSAGE", 20),
    Give::Column("TYPE", 12),
    Give::Column("RECEIVER", 8),
    Give::Names,
    Give::Column("TOPIC/PARTITION/OFFSET", 14),
    Give::Column("MESSAGE", 12),
    Give::Column("TYPE", 8),
    Give::Column("RECEIVER", 6),
    Give::Column("CODE", 10),
    Give::Column("MESSAGE", 8),
];

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// Exit with 6 when anything is listed
    #[arg(long)]
    fail_if_any: bool,
    #[command(flatten)]
    filters: Filters,
}

pub(super) fn run(args: &ListArgs, place: &Place, output: &Output) -> Result<u8, CommandError> {
    let selection = args.filters.selection(Timestamp::now())?;
    let reader = Reader::open(place)?;
    let page = |window| reader.failures(&selection, window);
    let count = args.window.list(output, &reader, page, |items, next| {
        let listing = Listing { items, next, counts: reader.counts()?, open_incidents: reader.open_incidents()? };
        Ok(listing.lines(args, output.journal(&reader), output.screen()))
    })?;
    Ok(if args.fail_if_any && count > 0 { ErrorKind::Found.exit_code() } else { 0 })
}

impl Listed for FailureItem {
    const LISTING: &'static str = NAME;

    fn id(&self) -> i64 {
        self.id
    }

    fn json(&self) -> impl Serialize {
        FailureJson::listed(self)
    }
}

/// What a screen shows.
pub(super) struct Listing<'l> {
    pub(super) items: &'l [FailureItem],
    /// Behind which more follow.
    pub(super) next: Option<i64>,
    pub(super) counts: StateCounts,
    pub(super) open_incidents: u64,
}

impl Listing<'_> {
    pub(super) fn lines(&self, args: &ListArgs, journal: Journal<'_>, screen: Screen) -> Vec<String> {
        let StateCounts { open, resolved, ignored } = self.counts;
        let counts = format!("{} open, {} resolved, {} ignored", grouped(open), grouped(resolved), grouped(ignored));
        let mut lines = screen.join([heading::journal(journal), counts]);
        if !self.items.is_empty() {
            lines.extend(table(self.items, &args.filters.state, screen).lines(screen));
        }
        let mut parts = vec![self.shown(&args.filters)];
        if let Some(next) = self.next {
            let mut words = vec!["errors".to_owned(), "list".to_owned()];
            words.extend(args.filters.words());
            words.extend(args.window.words());
            words.extend(["--after".to_owned(), next.to_string()]);
            parts.push(format!("next: {}", journal.command(&words)));
        }
        if let Some(first) = self.items.first() {
            parts.push(format!("details: {}", journal.hint(&format!("errors show {}", first.id))));
        }
        parts.push(heading::open_incidents(self.open_incidents, journal));
        lines.extend(screen.join(parts));
        lines
    }

    /// How much of what is there this is. With filters, nobody has counted what fits.
    fn shown(&self, filters: &Filters) -> String {
        let shown = grouped(self.items.len() as u64);
        if !filters.are_none() {
            return match (self.items.len(), self.next) {
                (0, _) => "no failure fits the filters".to_owned(),
                (_, Some(_)) => format!("{shown} shown, more follow"),
                (_, None) => format!("{shown} shown"),
            };
        }
        format!("{shown} of {}", grouped(self.counts.of(&filters.state)))
    }
}

fn table(items: &[FailureItem], states: &[FailureState], screen: Screen) -> Table {
    let has_state = states.iter().any(|state| states.first() != Some(state));
    let is_wide = !screen.is_narrower_than(WIDE);
    let columns = [
        Some(Column::new("ID")),
        has_state.then_some(Column::new("STATE")),
        Some(Column::new("LAST-FAILED")),
        Some(Column::cut_in_the_middle("TOPIC/PARTITION/OFFSET")),
        Some(Column::new("STAGE")),
        Some(Column::new("RECEIVER")),
        is_wide.then_some(Column::new("CLASS")),
        is_wide.then_some(Column::new("TYPE")),
        Some(Column::new("CODE")),
        Some(Column::new("ATTEMPTS")),
        Some(Column::new("MESSAGE")),
    ];
    let mut table = Table::new(columns.into_iter().flatten().collect(), NARROWING);
    let time = if screen.is_narrower_than(NARROW) { times::minute } else { times::second };
    for item in items {
        let cells = [
            Some(Cell::new(item.id.to_string())),
            has_state.then(|| Cell::new(item.state.as_str()).painted(paint_of_state(item.state))),
            Some(Cell::new(time(item.last_failed_at_us))),
            Some(Cell::new(item.place())),
            Some(Cell::new(item.stage.as_str())),
            Some(Cell::new(item.receiver.as_deref().unwrap_or_default())),
            is_wide.then(|| Cell::new(item.class.as_str()).painted(paint_of_class(item.class))),
            is_wide.then(|| Cell::new(item.event.event_type.as_deref().unwrap_or_default())),
            Some(Cell::new(&item.code)),
            Some(Cell::new(item.attempts.to_string())),
            Some(Cell::new(&item.message)),
        ];
        table.push(cells.into_iter().flatten().collect());
    }
    table
}

pub(super) fn paint_of_state(state: FailureState) -> Option<Paint> {
    Some(match state {
        FailureState::Open => Paint::Red,
        FailureState::Resolved => Paint::Green,
        FailureState::Ignored => Paint::Dim,
    })
}

pub(super) fn paint_of_class(class: Class) -> Option<Paint> {
    match class {
        Class::Transient => Some(Paint::Yellow),
        Class::Permanent => Some(Paint::Red),
        Class::Consumer => Some(Paint::Magenta),
        Class::Unknown => None,
    }
}
