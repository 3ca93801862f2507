//! Tables for people: aligned, one row a line, never wider than the screen.
//!
//! Nothing wraps: on a narrow screen columns give way. Without a screen nothing is cut, so that `grep` and `awk` see it all.

use std::borrow::Cow;

use crate::cli::cut::{cut_end, cut_middle, width};
use crate::cli::escape::escape;
use crate::cli::screen::{Paint, Screen};

/// From this width on there is room for all columns.
const WIDE: usize = 140;

/// Between two columns.
const GAP: usize = 2;

/// A column's name, and where its text is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    cut: for<'t> fn(&'t str, usize) -> Cow<'t, str>,
}

/// When a listing has a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Always,
    /// When more states than one are asked for.
    WithStates,
    /// On a wide screen.
    Wide,
}

/// Which columns a listing has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    has_states: bool,
    is_wide: bool,
}

impl Choice {
    /// Those that say something when these states are asked for, and that the screen has room for.
    pub(super) fn of<S: PartialEq>(states: &[S], screen: Screen) -> Self {
        let has_states = states.iter().any(|state| states.first() != Some(state));
        Self { has_states, is_wide: !screen.is_narrower_than(WIDE) }
    }

    /// The chosen ones of all columns, or of a row's cells.
    pub(super) fn of_all<C, const N: usize>(self, all: [(Shows, C); N]) -> Vec<C> {
        let is_chosen = |shows| match shows {
            Shows::Always => true,
            Shows::WithStates => self.has_states,
            Shows::Wide => self.is_wide,
        };
        all.into_iter().filter(|(shows, _)| is_chosen(*shows)).map(|(_, one)| one).collect()
    }
}

/// One step of making a table narrower.
#[derive(Clone, Copy, Debug)]
pub(super) enum Give {
    /// The column of this name, down to this width.
    Column(&'static str, usize),
    /// Names that are wider than what is under them, down to this width.
    Names(usize),
    /// The column of this name, and all behind it.
    All(&'static str),
}

impl Column {
    /// A column whose text is cut at its end, if at all.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, cut: cut_end }
    }

    /// A column whose text is cut in its middle.
    pub(super) const fn cut_in_the_middle(name: &'static str) -> Self {
        Self { name, cut: cut_middle }
    }
}

/// What one row has in one column.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// Text from anywhere; nothing is shown as `-`, so that every row has every column.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        Self { text: if text.is_empty() { "-".to_owned() } else { escape(text).into_owned() }, paint: None }
    }

    pub(super) fn painted(self, paint: Option<Paint>) -> Self {
        Self { paint, ..self }
    }
}

/// Rows under their columns' names.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    narrowing: &'static [Give],
    /// The widest cell of each column.
    cells: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

/// A table's columns, as wide as a screen lets them be.
pub(super) struct Fitted<'t> {
    columns: &'t [Column],
    widths: Vec<usize>,
    screen: Screen,
}

impl Table {
    /// `narrowing`: what gives way to a narrow screen, step after step, until the rest fits.
    pub(super) fn new(columns: Vec<Column>, narrowing: &'static [Give]) -> Self {
        Self { cells: vec![0; columns.len()], columns, narrowing, rows: Vec::new() }
    }

    /// One cell for each column.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        self.measure(&row);
        self.rows.push(row);
    }

    /// Makes room for a row that is written later: there may be more of them than there is memory.
    pub(super) fn measure(&mut self, row: &[Cell]) {
        for (widest, cell) in self.cells.iter_mut().zip(row) {
            *widest = width(&cell.text).max(*widest);
        }
    }

    /// The names, then the rows.
    pub(super) fn lines(&self, screen: Screen) -> impl Iterator<Item = String> {
        let fitted = self.fitted(screen);
        std::iter::once(fitted.names()).chain(self.rows.iter().map(move |row| fitted.line(row)))
    }

    pub(super) fn fitted(&self, screen: Screen) -> Fitted<'_> {
        Fitted { columns: &self.columns, widths: self.widths(self.columns.len(), screen.width), screen }
    }

    /// The widths of the first `count` columns, or of fewer where they make room for the others.
    fn widths(&self, count: usize, limit: Option<usize>) -> Vec<usize> {
        let cells = self.cells.iter().take(count);
        let mut widths: Vec<usize> =
            self.columns.iter().zip(cells.clone()).map(|(column, cells)| width(column.name).max(*cells)).collect();
        let Some(limit) = limit else { return widths };
        for give in self.narrowing {
            for (at, (column, cells)) in self.columns.iter().zip(cells.clone()).enumerate() {
                match give {
                    Give::Column(name, least) if *name == column.name => shrink(&mut widths, at, *least, limit),
                    Give::Names(least) => shrink(&mut widths, at, (*cells).max(*least), limit),
                    Give::All(name) if *name == column.name && total(&widths) > limit => return self.widths(at, Some(limit)),
                    Give::Column(..) | Give::All(_) => {}
                }
            }
        }
        widths
    }
}

impl Fitted<'_> {
    pub(super) fn names(&self) -> String {
        let name = |(column, wide): (&Column, &usize)| Cell { text: cut_end(column.name, *wide).into_owned(), paint: None };
        let names: Vec<Cell> = self.columns.iter().zip(&self.widths).map(name).collect();
        self.line(&names)
    }

    /// At a screen that is too narrow even so, the line ends where the screen does. Without one, nothing is cut, also of a row that nobody
    /// has measured.
    pub(super) fn line(&self, row: &[Cell]) -> String {
        let mut line = String::new();
        let (mut used, mut owed) = (0, 0);
        for ((column, cell), wide) in self.columns.iter().zip(row).zip(&self.widths) {
            let room = self.screen.width.map_or(usize::MAX, |limit| limit.saturating_sub(used + owed).min(*wide));
            if room == 0 {
                break;
            }
            let text = (column.cut)(&cell.text, room);
            line.extend(std::iter::repeat_n(' ', owed));
            let taken = width(&text);
            line.push_str(&self.screen.paint(&text, cell.paint));
            used += owed + taken;
            owed = wide.saturating_sub(taken) + GAP;
        }
        line
    }
}

/// Takes from one column what is too much, but leaves it `least`.
fn shrink(widths: &mut [usize], at: usize, least: usize, limit: usize) {
    let excess = total(widths).saturating_sub(limit);
    if let Some(wide) = widths.get_mut(at) {
        *wide = (*wide).min(wide.saturating_sub(excess).max(least));
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NARROWING: &[Give] = &[
        Give::Column("MESSAGE", 10),
        Give::Column("RECEIVER", 8),
        Give::Names(4),
        Give::Column("PLACE", 6),
        Give::Column("MESSAGE", 5),
    ];

    fn table(rows: &[[&str; 4]]) -> Table {
        let columns = [Column::new("ID"), Column::cut_in_the_middle("PLACE"), Column::new("RECEIVER"), Column::new("MESSAGE")];
        let mut table = Table::new(columns.to_vec(), NARROWING);
        for row in rows {
            table.push(row.iter().map(Cell::new).collect());
        }
        table
    }

    fn lines(table: &Table, width: Option<usize>) -> Vec<String> {
        table.lines(Screen { width, is_colored: false }).collect()
    }

    #[test]
    fn columns_give_way_step_after_step() {
        let table = table(&[["1", "orders/12/1234567", "billing-service", "order has no total"], ["20", "o/0/1", "", "x\ny"]]);
        assert_eq!(
            lines(&table, None),
            [
                "ID  PLACE              RECEIVER         MESSAGE",
                "1   orders/12/1234567  billing-service  order has no total",
                "20  o/0/1              -                x\\ny",
            ]
        );
        for (width, expected) in [
            (58, "1   orders/12/1234567  billing-service  order has no total"),
            (50, "1   orders/12/1234567  billing-service  order has…"),
            (43, "1   orders/12/1234567  billing…  order has…"),
            (38, "1   ord…/1234567  billing…  order has…"),
            (32, "1   o…4567  billing…  order has…"),
            (28, "1   o…4567  billing…  order…"),
            (25, "1   o…4567  billing…  or…"),
            (16, "1   o…4567  bil…"),
            (12, "1   o…4567"),
            (3, "1"),
        ] {
            assert_eq!(lines(&table, Some(width))[1], expected, "{width}");
        }
    }

    #[test]
    fn names_give_way_to_what_is_under_them() {
        let columns = vec![Column::new("A-LONG-NAME"), Column::new("ID"), Column::new("MESSAGE")];
        let mut table = Table::new(columns, &[Give::Column("MESSAGE", 6), Give::Names(4), Give::All("MESSAGE")]);
        table.push(vec![Cell::new("1"), Cell::new("7"), Cell::new("abcdefgh")]);
        assert_eq!(lines(&table, Some(18)), ["A-LON…  ID  MESSA…", "1       7   abcde…"]);
        assert_eq!(lines(&table, Some(17)), ["A-LO…  ID  MESSA…", "1      7   abcde…"]);
        assert_eq!(lines(&table, Some(15)), ["A-LONG-NAME  ID", "1            7"], "a column that cannot be read makes room");
        assert_eq!(lines(&table, Some(10)), ["A-LON…  ID", "1       7"], "a short name stays whole");
    }

    #[test]
    fn a_row_that_nobody_has_measured_is_cut_on_a_terminal_only() {
        let table = table(&[["1", "orders/0/1", "billing", "short"]]);
        let row = ["2", "orders/0/2", "billing", "longer than that"].map(Cell::new);
        let line = |width| table.fitted(Screen { width, is_colored: false }).line(&row);
        assert_eq!(line(None), "2   orders/0/2  billing   longer than that");
        assert_eq!(line(Some(200)), "2   orders/0/2  billing   longer…");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_screen(rows in prop::collection::vec(any::<[String; 4]>(), 0..5), most in 0usize..100) {
            let mut table = table(&[]);
            for row in rows {
                table.push(row.iter().map(Cell::new).collect());
            }
            for line in lines(&table, Some(most)) {
                prop_assert!(width(&line) <= most, "{} > {most}: {line}", width(&line));
            }
        }
    }
}
