//! The part of a listing that is asked for, and the pages in which it is read.
//!
//! Pages are short statements: a reader that takes its time holds nothing back.

use std::cell::RefCell;
use std::io::Write;

use clap::Args;
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use crate::cli::error::CommandError;
use crate::cli::hint::Journal;
use crate::cli::output::{Flowing, Output, Stop, write_line};
use crate::cli::table::{Cell, Fitted, Table};
use crate::cli::word;
use crate::journal::{Page, ReadError, Reader, Sort, Window};
use crate::settings::OutputFormat;

/// The most items that are read at a time.
const PAGE: usize = 1_000;
/// How many are listed when nobody says so.
const USUAL: usize = 50;

/// An item of a listing.
pub(super) trait Listed {
    /// The words of the command that lists such items.
    const LISTING: &'static str;

    /// What `--after` takes.
    fn id(&self) -> i64;

    /// As a list has it.
    fn json(&self) -> impl Serialize;
}

#[derive(Args, Clone, Debug)]
pub(super) struct WindowArgs {
    /// List at most this many; 0: all
    #[arg(long, value_name = "N", default_value_t = USUAL, value_parser = word::number::<usize>(0, i64::MAX))]
    limit: usize,
    /// Go on behind this ID: the next page, as the end of a page says
    #[arg(long, value_name = "ID", value_parser = word::number::<i64>(0, i64::MAX))]
    after: Option<i64>,
    /// What comes first
    #[arg(long, value_name = "ORDER", default_value = "newest", value_parser = word::one_of(Sort::ALL, Sort::as_str))]
    sort: Sort,
}

/// What a listing looks like on a screen.
pub(super) trait Layout<T> {
    fn heading(&self) -> Vec<String>;
    /// Its columns, still without rows.
    fn table(&self) -> Table;
    fn row(&self, item: &T) -> Vec<Cell>;
    fn ending(&self, shown: Shown) -> Vec<String>;
}

/// What was listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) count: usize,
    /// The id of the first one.
    pub(super) first: Option<i64>,
    /// Behind which more follow.
    pub(super) next: Option<i64>,
}

impl Shown {
    fn add<T: Listed>(&mut self, turn: &Turn<T>) {
        self.count += turn.items.len();
        self.first = self.first.or_else(|| turn.items.first().map(T::id));
        self.next = turn.next;
    }
}

/// A page, and the id behind which more follow.
pub(super) struct Turn<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<i64>,
}

/// The pages of a window, one after the other.
struct Turns<P> {
    page: P,
    sort: Sort,
    left: usize,
    after: Option<i64>,
    is_over: bool,
}

impl<T: Listed, P: Fn(Window) -> Result<Page<T>, ReadError>> Turns<P> {
    /// There is always one, if only of nothing; then `None` at the end.
    fn turn(&mut self) -> Result<Option<Turn<T>>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        let Page { items, has_more } = (self.page)(Window { limit: self.left.min(PAGE), after: self.after, sort: self.sort })?;
        self.left = self.left.saturating_sub(items.len());
        self.after = items.last().map(T::id).filter(|_| has_more);
        self.is_over = self.left == 0 || self.after.is_none();
        Ok(Some(Turn { items, next: self.after }))
    }
}

impl WindowArgs {
    /// Writes a listing as the output wants it, and returns how many items there were. `page` reads from `reader`. However many there are,
    /// no more than a page of them is in memory.
    pub(super) fn list<T: Listed, L: Layout<T>>(
        &self,
        output: &Output,
        reader: &Reader,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
        layout: impl FnOnce() -> Result<L, CommandError>,
    ) -> Result<usize, CommandError> {
        match output.format() {
            OutputFormat::Jsonl => self.stream(output, page),
            OutputFormat::Json => self.document(output, output.journal(reader), page),
            OutputFormat::Table => self.show(output, page, &layout()?),
        }
    }

    fn turns<P>(&self, page: P) -> Turns<P> {
        let left = if self.limit == 0 { usize::MAX } else { self.limit };
        Turns { page, sort: self.sort, left, after: self.after, is_over: false }
    }

    /// Writes item after item as it is read.
    fn stream<T: Listed>(
        &self,
        output: &Output,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
    ) -> Result<usize, CommandError> {
        let (mut turns, mut shown) = (self.turns(page), Shown::default());
        output.print(|out| {
            while let Some(turn) = turns.turn()? {
                shown.add(&turn);
                turn.items.iter().try_for_each(|item| write_line(out, &item.json()))?;
            }
            Ok(())
        })?;
        Ok(shown.count)
    }

    /// Writes one document. What goes wrong with the first page is told instead of it.
    fn document<T: Listed>(
        &self,
        output: &Output,
        journal: Journal<'_>,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
    ) -> Result<usize, CommandError> {
        let mut turns = self.turns(page);
        let first = turns.turn()?;
        let flow = Flow(RefCell::new(Flowed { first, turns, shown: Shown::default(), error: None }));
        output.flow(T::LISTING, journal, &flow)?;
        Ok(flow.0.into_inner().shown.count)
    }

    /// Writes a table. More than a page is read twice: first for how wide its columns are.
    fn show<T: Listed, L: Layout<T>>(
        &self,
        output: &Output,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
        layout: &L,
    ) -> Result<usize, CommandError> {
        let mut table = layout.table();
        let mut turns = self.turns(&page);
        let mut only = turns.turn()?;
        only.iter().flat_map(|turn| &turn.items).for_each(|item| table.measure(&layout.row(item)));
        while let Some(turn) = turns.turn()? {
            only = None;
            turn.items.iter().for_each(|item| table.measure(&layout.row(item)));
        }
        let mut again = self.turns(&page);
        again.is_over = only.is_some();
        let mut turn = || only.take().map_or_else(|| again.turn(), |only| Ok(Some(only)));
        let mut shown = Shown::default();
        output.print(|out| {
            shown = compose(out, layout, &table.fitted(output.screen()), &mut turn)?;
            Ok(())
        })?;
        Ok(shown.count)
    }

    /// All but `after`, as it was typed.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.limit != USUAL {
            words.extend(["--limit".to_owned(), self.limit.to_string()]);
        }
        if self.sort != Sort::default() {
            words.extend(["--sort".to_owned(), self.sort.as_str().to_owned()]);
        }
        words
    }
}

/// Writes what stands before the table, its rows page by page, and what stands behind it.
pub(super) fn compose<T: Listed, L: Layout<T>>(
    out: &mut dyn Write,
    layout: &L,
    table: &Fitted<'_>,
    turn: &mut dyn FnMut() -> Result<Option<Turn<T>>, ReadError>,
) -> Result<Shown, Stop> {
    let mut shown = Shown::default();
    let mut line = |line: String| writeln!(out, "{line}").map_err(Stop::Io);
    layout.heading().into_iter().try_for_each(&mut line)?;
    while let Some(turn) = turn()? {
        if shown.count == 0 && !turn.items.is_empty() {
            line(table.names())?;
        }
        shown.add(&turn);
        turn.items.iter().try_for_each(|item| line(table.line(&layout.row(item))))?;
    }
    layout.ending(shown).into_iter().try_for_each(line)?;
    Ok(shown)
}

/// The items of a document.
struct Flow<T, P>(RefCell<Flowed<T, P>>);

struct Flowed<T, P> {
    /// It was read before the document was begun.
    first: Option<Turn<T>>,
    turns: Turns<P>,
    shown: Shown,
    error: Option<CommandError>,
}

impl<T: Listed, P: Fn(Window) -> Result<Page<T>, ReadError>> Flowed<T, P> {
    fn turn(&mut self) -> Option<Turn<T>> {
        let turn = self.first.take().map_or_else(|| self.turns.turn(), |first| Ok(Some(first)));
        let turn = turn.unwrap_or_else(|error| {
            self.error = Some(error.into());
            None
        })?;
        self.shown.add(&turn);
        Some(turn)
    }
}

impl<T: Listed, P: Fn(Window) -> Result<Page<T>, ReadError>> Serialize for Flow<T, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut flowed = self.0.borrow_mut();
        let mut items = serializer.serialize_seq(None)?;
        while let Some(turn) = flowed.turn() {
            turn.items.iter().try_for_each(|item| items.serialize_element(&item.json()))?;
        }
        items.end()
    }
}

impl<T: Listed, P: Fn(Window) -> Result<Page<T>, ReadError>> Flowing for Flow<T, P> {
    fn next(&self) -> Option<i64> {
        self.0.borrow().shown.next
    }

    fn take_error(&self) -> Option<CommandError> {
        self.0.borrow_mut().error.take()
    }
}

#[cfg(test)]
pub(super) mod composed {
    //! A screen that a test looks at.

    use super::*;
    use crate::cli::screen::Screen;

    /// The lines of one page.
    pub(in crate::cli) fn composed<T: Listed, L: Layout<T>>(layout: &L, turn: Turn<T>, screen: Screen) -> String {
        let mut table = layout.table();
        turn.items.iter().for_each(|item| table.measure(&layout.row(item)));
        let (mut out, mut turn) = (Vec::new(), Some(turn));
        assert!(compose(&mut out, layout, &table.fitted(screen), &mut || Ok(turn.take())).is_ok());
        String::from_utf8(out).unwrap().trim_end_matches('\n').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::table::Column;

    impl Listed for i64 {
        const LISTING: &'static str = "numbers list";

        fn id(&self) -> i64 {
            *self
        }

        fn json(&self) -> impl Serialize {
            json!({ "id": self, "text": "\u{202e}" })
        }
    }

    struct Numbers;

    impl Layout<i64> for Numbers {
        fn heading(&self) -> Vec<String> {
            vec!["numbers".to_owned()]
        }

        fn table(&self) -> Table {
            Table::new(vec![Column::new("N"), Column::new("AGAIN")], &[])
        }

        fn row(&self, item: &i64) -> Vec<Cell> {
            vec![Cell::new(item.to_string()), Cell::new(item.to_string())]
        }

        fn ending(&self, shown: Shown) -> Vec<String> {
            vec![format!("{shown:?}")]
        }
    }

    fn window(limit: usize, after: Option<i64>) -> WindowArgs {
        WindowArgs { limit, after, sort: Sort::Newest }
    }

    /// The ids 1 to `last`, newest first, as the journal gives them.
    fn page(last: i64) -> impl Fn(Window) -> Result<Page<i64>, ReadError> {
        move |window| {
            assert!((1..=PAGE).contains(&window.limit));
            let ids: Vec<i64> = (1..=last).rev().filter(|id| window.after.is_none_or(|after| *id < after)).collect();
            Ok(Page { items: ids.iter().copied().take(window.limit).collect(), has_more: ids.len() > window.limit })
        }
    }

    fn read(last: i64, limit: usize, after: Option<i64>) -> (Vec<i64>, Option<i64>) {
        let (mut turns, mut items, mut next) = (window(limit, after).turns(page(last)), Vec::new(), None);
        while let Some(turn) = turns.turn().unwrap() {
            items.extend(turn.items);
            next = turn.next;
        }
        (items, next)
    }

    #[test]
    fn pages_are_put_together() {
        assert_eq!(read(3, 2, None), (vec![3, 2], Some(2)));
        assert_eq!(read(3, 2, Some(2)), (vec![1], None));
        assert_eq!(read(0, 2, None), (vec![], None));
        assert_eq!(read(2, 2, None), (vec![2, 1], None));
        assert_eq!(read(2_500, 0, None), ((1..=2_500).rev().collect(), None), "all");
        assert_eq!(read(2_500, 2_100, None), ((401..=2_500).rev().collect(), Some(401)));
    }

    #[test]
    fn a_stream_is_written_page_by_page() {
        let (output, captured) = Output::captured(OutputFormat::Jsonl, None);
        let count = window(0, None).stream(&output, page(1_500)).unwrap();
        assert_eq!((count, captured.stdout().lines().count()), (1_500, 1_500));
    }

    fn document(limit: usize, page: impl Fn(Window) -> Result<Page<i64>, ReadError>) -> (Result<usize, CommandError>, Value) {
        let (output, captured) = Output::captured(OutputFormat::Json, None);
        let journal = Journal { program: "redrive", path: "redrive.db", id: "7c1f" };
        let count = window(limit, None).document(&output, journal, page);
        if let Err(error) = &count {
            assert_eq!(output.error("numbers list", error), error.kind.exit_code());
        }
        assert!(!captured.stdout().contains('\u{202e}'));
        (count, serde_json::from_str(&captured.stdout()).unwrap())
    }

    #[test]
    fn a_document_is_written_page_by_page() {
        let (count, written) = document(0, page(1_500));
        let items: Vec<_> = (1..=1_500).rev().map(|id| json!({ "id": id, "text": "\u{202e}" })).collect();
        let journal = json!({ "path": "redrive.db", "id": "7c1f" });
        let whole = json!({ "version": 1, "command": "numbers list", "journal": journal, "items": items, "next": null });
        assert_eq!((count, written), (Ok(1_500), whole));
        assert_eq!(document(2, page(3)).1["next"], "2");
        assert_eq!(document(2, page(0)).1["items"], json!([]));
    }

    #[test]
    fn an_error_is_told_in_the_one_document_that_was_begun_or_instead_of_it() {
        let damaged = || ReadError::Damaged { path: "redrive.db".into(), what: "a page is gone".into() };
        let (count, written) = document(0, |window| if window.after.is_some() { Err(damaged()) } else { page(1_500)(window) });
        assert_eq!((written["items"].as_array().unwrap().len(), &written["next"]), (PAGE, &"501".into()));
        assert_eq!(written["error"]["message"], count.unwrap_err().message);
        let (count, written) = document(0, |_| Err(damaged()));
        assert!(count.is_err() && written["error"]["kind"].is_string() && written.get("items").is_none(), "{written}");
    }

    /// The widest row may be on any page.
    #[test]
    fn a_table_of_many_pages_is_aligned_and_each_item_is_there_once() {
        for width in [None, Some(80)] {
            let (output, captured) = Output::captured(OutputFormat::Table, width);
            assert_eq!(window(0, None).show(&output, page(12_345), &Numbers), Ok(12_345));
            let lines: Vec<_> = captured.stdout().lines().map(str::to_owned).collect();
            assert_eq!((lines[0].as_str(), lines[1].as_str(), lines[2].as_str()), ("numbers", "N      AGAIN", "12345  12345"));
            assert_eq!((lines[12_346].as_str(), lines.len()), ("1      1", 12_348));
            assert_eq!(lines[12_347], "Shown { count: 12345, first: Some(12345), next: None }");
        }
        let (output, captured) = Output::captured(OutputFormat::Table, None);
        assert_eq!(window(2, None).show(&output, page(0), &Numbers), Ok(0));
        assert_eq!(captured.stdout(), "numbers\nShown { count: 0, first: None, next: None }\n");
    }
}
