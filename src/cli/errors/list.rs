//! `redrive errors list`.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::filters::Filters;
use crate::cli::hint::Journal;
use crate::cli::json::FailureJson;
use crate::cli::numbers::grouped;
use crate::cli::output::Output;
use crate::cli::screen::{Paint, Screen};
use crate::cli::table::{Cell, Choice, Column, Give, Shows, Table};
use crate::cli::window::{Layout, Listed, Shown, WindowArgs};
use crate::cli::{heading, mistyped, times};
use crate::failure::Class;
use crate::journal::{FailureItem, FailureSelection, FailureState, MissedInAll, Named, Place, Reader, StateCounts};

pub(super) const NAME: &str = "errors list";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive errors list --receiver billing --since 2h
  redrive errors list --offset orders:3:1200..1300 --state open,resolved,ignored
  redrive errors list --limit 0 -o jsonl | jq -r .code | sort | uniq -c
On a terminal, rows are cut to its width; CLASS and TYPE are there from 140 columns. Without one, nothing is left out.
Exit status: 0 done, 1 the journal cannot be read, 2 usage or no journal, 6 with --fail-if-any when anything is listed.";

/// Below this width times are shortened.
const NARROW: usize = 100;
/// The message gives way first, then the type, then the receiver; the code, which says the most in the fewest letters, last. A message of
/// which too little is left to be read makes room for them.
const NARROWING: &[Give] = &[
    Give::Column("MESSAGE", 40),
    Give::Column("TYPE", 16),
    Give::Column("RECEIVER", 16),
    Give::Column("TOPIC/PARTITION/OFFSET", 32),
    Give::Column("MESSAGE", 20),
    Give::Names(8),
    Give::Column("TYPE", 12),
    Give::Column("TOPIC/PARTITION/OFFSET", 20),
    Give::Column("MESSAGE", 12),
    Give::Column("TYPE", 8),
    Give::Column("RECEIVER", 8),
    Give::Column("TOPIC/PARTITION/OFFSET", 14),
    Give::Names(4),
    Give::Column("MESSAGE", 8),
    Give::All("MESSAGE"),
    Give::Column("RECEIVER", 6),
    Give::Column("CODE", 10),
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
    let count = args.window.list(output, &reader, page, || {
        let (counts, open_incidents, missed) = (reader.counts()?, reader.open_incidents()?, reader.all_missed()?);
        Ok(Listing { args, journal: output.journal(&reader), screen: output.screen(), counts, open_incidents, missed })
    })?;
    if count == 0 {
        let FailureSelection { topics, groups, receivers, codes, .. } = &selection;
        let named: [(_, &[String]); 4] =
            [(Named::Topic, topics), (Named::Group, groups), (Named::Receiver, receivers), (Named::Code, codes)];
        mistyped::warn(&reader, &named)?;
    }
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
    pub(super) args: &'l ListArgs,
    pub(super) journal: Journal<'l>,
    pub(super) screen: Screen,
    pub(super) counts: StateCounts,
    pub(super) open_incidents: u64,
    /// What receivers missed, which is no failure.
    pub(super) missed: Vec<MissedInAll>,
}

impl Listing<'_> {
    fn choice(&self) -> Choice {
        Choice::of(&self.args.filters.states(), self.screen)
    }

    /// How much of what there is this is. With filters, nobody has counted what fits.
    fn shown(&self, shown: Shown) -> String {
        let filters = &self.args.filters;
        let count = grouped(shown.count as u64);
        if shown.count == 0 {
            return heading::nothing_fits("failure", &filters.given());
        }
        if !filters.are_none() {
            return if shown.next.is_some() { format!("{count} shown, more follow") } else { format!("{count} shown") };
        }
        format!("{count} of {}", grouped(self.counts.of(&filters.states())))
    }
}

impl Layout<FailureItem> for Listing<'_> {
    fn heading(&self) -> Vec<String> {
        let StateCounts { open, resolved, ignored } = self.counts;
        let counts = format!("{} open, {} resolved, {} ignored", grouped(open), grouped(resolved), grouped(ignored));
        self.screen.join([heading::journal(self.journal), counts])
    }

    fn table(&self) -> Table {
        let columns = self.choice().of_all([
            (Shows::Always, Column::new("ID")),
            (Shows::WithStates, Column::new("STATE")),
            (Shows::Always, Column::new("LAST-FAILED")),
            (Shows::Always, Column::cut_in_the_middle("TOPIC/PARTITION/OFFSET")),
            (Shows::Always, Column::new("STAGE")),
            (Shows::Always, Column::new("RECEIVER")),
            (Shows::Wide, Column::new("CLASS")),
            (Shows::Wide, Column::new("TYPE")),
            (Shows::Always, Column::new("CODE")),
            (Shows::Always, Column::new("ATTEMPTS")),
            (Shows::Always, Column::new("MESSAGE")),
        ]);
        Table::new(columns, NARROWING)
    }

    fn row(&self, item: &FailureItem) -> Vec<Cell> {
        let time = if self.screen.is_narrower_than(NARROW) { times::minute } else { times::second };
        self.choice().of_all([
            (Shows::Always, Cell::new(item.id.to_string())),
            (Shows::WithStates, Cell::new(item.state.as_str()).painted(paint_of_state(item.state))),
            (Shows::Always, Cell::new(time(item.last_failed_at_us))),
            (Shows::Always, Cell::new(item.place())),
            (Shows::Always, Cell::new(item.stage.as_str())),
            (Shows::Always, Cell::new(item.receiver.as_deref().unwrap_or_default())),
            (Shows::Wide, Cell::new(item.class.as_str()).painted(paint_of_class(item.class))),
            (Shows::Wide, Cell::new(item.event.event_type.as_deref().unwrap_or_default())),
            (Shows::Always, Cell::new(&item.code)),
            (Shows::Always, Cell::new(item.attempts.to_string())),
            (Shows::Always, Cell::new(&item.message)),
        ])
    }

    fn ending(&self, shown: Shown) -> Vec<String> {
        let Self { args, journal, .. } = self;
        let mut parts = vec![self.shown(shown)];
        if let Some(next) = shown.next {
            let mut words = vec!["errors".to_owned(), "list".to_owned()];
            words.extend(args.filters.words());
            words.extend(args.window.words());
            words.extend(["--after".to_owned(), next.to_string()]);
            parts.push(format!("next: {}", journal.command(&words)));
        }
        parts.extend(shown.first.map(|first| format!("details: {}", journal.hint(&format!("errors show {first}")))));
        parts.push(heading::open_incidents(self.open_incidents, *journal));
        parts.extend(heading::missed(&self.missed, *journal));
        self.screen.join(parts)
    }
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
