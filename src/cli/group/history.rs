//! `redrive group history`.

use clap::Args;
use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::flags::GroupFlag;
use crate::cli::hint::Journal;
use crate::cli::numbers::counted;
use crate::cli::screen::{Paint, Screen};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::window::{Layout, Listed, Shown, WindowArgs};
use crate::cli::{heading, times};
use crate::journal::Reader;
use crate::offsets::{GroupOffset, MoveState, PastItem, PastMove};
use crate::settings;

pub(super) const NAME: &str = "group history";
pub(super) const EXAMPLES: &str = "\
Examples:
  redrive group history -g shop
  redrive group history -o jsonl | jq -c 'select(.state != \"done\")'
States: planned (nobody saw its end: it may have been made or not), done (it was
read back), differs (something else was read back), failed (something was refused
or not answered).
Exit status: 0 done, 1 the journal cannot be read, 2 usage or no journal.";

/// Below this width times are shortened.
const NARROW: usize = 100;
/// Where the group stands among the columns.
const GROUP: usize = 3;
const NARROWING: &[Give] = &[
    Give::Column("MOVED", 40),
    Give::Column("REASON", 24),
    Give::Column("HOST", 12),
    Give::Column("WHO", 8),
    Give::Column("MOVED", 20),
    Give::Column("REASON", 8),
    Give::Names(5),
    Give::Column("HOST", 6),
    Give::Column("GROUP", 8),
    Give::Column("MOVED", 8),
];

#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) group: GroupFlag,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Serialize)]
struct MoveJson<'i> {
    move_id: i64,
    group: &'i str,
    state: &'static str,
    undoes: Option<i64>,
    at: String,
    who: &'i str,
    host: &'i str,
    reason: &'i str,
    items: Vec<ItemJson<'i>>,
}

#[derive(Serialize)]
struct ItemJson<'i> {
    topic: &'i str,
    partition: i32,
    from: Option<i64>,
    to: Option<i64>,
    read_back: Option<i64>,
    error: Option<&'i str>,
}

impl<'i> MoveJson<'i> {
    fn of(of: &'i PastMove) -> Self {
        let PastMove { id, group, undoes, state, reason, who, host, at_us, items } = of;
        let (undoes, at) = (undoes.map(|id| id.0), times::microsecond(*at_us));
        let items = items.iter().map(ItemJson::of).collect();
        Self { move_id: id.0, group, state: state.as_str(), undoes, at, who, host, reason, items }
    }
}

impl<'i> ItemJson<'i> {
    fn of(item: &'i PastItem) -> Self {
        let PastItem { at, read_back, error, .. } = item;
        let (from, to) = ends(item);
        let (read_back, error) = (read_back.map(|next| next.get()), error.as_deref());
        Self { topic: &at.topic, partition: at.partition, from, to, read_back, error }
    }
}

/// From where to where.
fn ends(item: &PastItem) -> (Option<i64>, Option<i64>) {
    let number = |offset: Option<&GroupOffset>| offset.map(|offset| offset.next.get());
    (number(item.old.as_ref()), number(item.new.as_ref()))
}

pub(super) fn run(args: &HistoryArgs, session: &Session<'_>) -> Result<u8, CommandError> {
    let group = settings::maybe_group(&session.layers)?;
    let reader = Reader::open(&session.journal())?;
    let output = &session.output;
    let page = |window| reader.moves(group.as_deref(), window);
    args.window.list(output, &reader, page, || {
        Ok(Listing {
            args,
            group: group.as_deref(),
            journal: output.journal(&reader),
            screen: output.screen(),
            brokers: session.brokers(),
        })
    })?;
    Ok(0)
}

impl Listed for PastMove {
    const LISTING: &'static str = NAME;

    fn id(&self) -> i64 {
        self.id.0
    }

    fn json(&self) -> impl Serialize {
        MoveJson::of(self)
    }
}

/// What a screen shows.
pub(super) struct Listing<'l> {
    pub(super) args: &'l HistoryArgs,
    pub(super) group: Option<&'l str>,
    pub(super) journal: Journal<'l>,
    pub(super) screen: Screen,
    /// The words that lead to the brokers.
    pub(super) brokers: Vec<String>,
}

impl Listing<'_> {
    /// What every list has, of all columns or of a row's cells: the group only where it is not said already.
    fn of_all<C, const N: usize>(&self, all: [C; N]) -> Vec<C> {
        let is_shown = |at: usize| at != GROUP || self.group.is_none();
        all.into_iter().enumerate().filter(|(at, _)| is_shown(*at)).map(|(_, one)| one).collect()
    }
}

impl Layout<PastMove> for Listing<'_> {
    fn heading(&self) -> Vec<String> {
        self.screen.join([heading::journal(self.journal)])
    }

    fn table(&self) -> Table {
        let names = ["MOVE", "WHEN", "STATE", "GROUP", "UNDOES", "WHO", "HOST", "REASON", "MOVED"];
        Table::new(self.of_all(names.map(Column::new)), NARROWING)
    }

    fn row(&self, of: &PastMove) -> Vec<Cell> {
        let undoes = of.undoes.map(|id| id.0.to_string()).unwrap_or_default();
        let time = if self.screen.is_narrower_than(NARROW) { times::minute } else { times::second };
        self.of_all([
            Cell::new(of.id.0.to_string()),
            Cell::new(time(of.at_us)),
            Cell::new(of.state.as_str()).painted(paint(of.state)),
            Cell::new(&of.group),
            Cell::new(undoes),
            Cell::new(&of.who),
            Cell::new(&of.host),
            Cell::new(&of.reason),
            Cell::new(of.items.iter().map(moved).collect::<Vec<_>>().join(" ")),
        ])
    }

    fn ending(&self, shown: Shown) -> Vec<String> {
        let mut parts = vec![format!("{} shown", counted(shown.count as u64, "move"))];
        let mut words = vec!["group".to_owned(), "history".to_owned()];
        words.extend(self.group.iter().flat_map(|group| ["-g".to_owned(), (*group).to_owned()]));
        if let Some(after) = shown.next {
            words.extend(self.args.window.words());
            words.extend(["--after".to_owned(), after.to_string()]);
            parts.push(format!("next: {}", self.journal.command(&words)));
        }
        if let Some(first) = shown.first {
            let undo = ["group".to_owned(), "undo".to_owned(), first.to_string()];
            let undo: Vec<String> = undo.into_iter().chain(self.brokers.iter().cloned()).collect();
            parts.push(format!("to take one back: {}", self.journal.command(&undo)));
        }
        self.screen.join(parts)
    }
}

/// `orders/3:2210→1004`
fn moved(item: &PastItem) -> String {
    let told = |next: Option<i64>| next.map_or("none".to_owned(), |next| next.to_string());
    let (from, to) = ends(item);
    let wrong = if item.error.is_some() { "!" } else { "" };
    format!("{}:{}→{}{wrong}", item.at, told(from), told(to))
}

fn paint(state: MoveState) -> Option<Paint> {
    match state {
        MoveState::Done => Some(Paint::Green),
        MoveState::Planned => Some(Paint::Yellow),
        MoveState::Differs | MoveState::Failed => Some(Paint::Red),
    }
}
