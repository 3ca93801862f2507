//! Tables for people: aligned, one row a line, never wider than the screen.
//!
//! Nothing wraps: on a narrow screen columns give way. Without a screen nothing is cut, so that `grep` and `awk` see it all.

use std::borrow::Cow;

use crate::cli::cut::{cut_end, cut_middle, width};
use crate::cli::escape::escape;
use crate::cli::screen::{Paint, Screen};

/// Between two columns.
const GAP: usize = 2;

/// The width down to which a column's name stays with it.
const SHORT_NAME: usize = 4;

/// A column's name, and where its text is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    cut: for<'t> fn(&'t str, usize) -> Cow<'t, str>,
}

/// One step of making a table narrower.
#[derive(Clone, Copy, Debug)]
pub(super) enum Give {
    /// The column of this name, down to this width.
    Column(&'static str, usize),
    /// Names that are wider than what is under them.
    Names,
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
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// `narrowing`: what gives way to a narrow screen, step after step, until the rest fits.
    pub(super) fn new(columns: Vec<Column>, narrowing: &'static [Give]) -> Self {
        Self { columns, narrowing, rows: Vec::new() }
    }

    /// One cell for each column.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The names, then the rows.
    pub(super) fn lines(&self, screen: Screen) -> impl Iterator<Item = String> {
        let widths = self.widths(screen.width);
        let names: Vec<Cell> = self.columns.iter().map(|column| Cell { text: column.name.to_owned(), paint: None }).collect();
        let names = self.line(&names, &widths, screen);
        std::iter::once(names).chain(self.rows.iter().map(move |row| self.line(row, &widths, screen)))
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let cells: Vec<usize> = (0..self.columns.len())
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| width(&cell.text)).max().unwrap_or_default())
            .collect();
        let mut widths: Vec<usize> =
            self.columns.iter().zip(&cells).map(|(column, cells)| width(column.name).max(*cells)).collect();
        let Some(limit) = limit else { return widths };
        for give in self.narrowing {
            for (at, (column, cells)) in self.columns.iter().zip(&cells).enumerate() {
                match give {
                    Give::Column(name, least) if *name == column.name => shrink(&mut widths, at, *least, limit),
                    Give::Names => shrink(&mut widths, at, (*cells).max(SHORT_NAME), limit),
                    Give::Column(..) => {}
                }
            }
        }
        widths
    }

    /// At a screen that is too narrow even so, the line ends where the screen does.
    fn line(&self, row: &[Cell], widths: &[usize], screen: Screen) -> String {
        let mut line = String::new();
        let (mut used, mut owed) = (0, 0);
        for ((column, cell), wide) in self.columns.iter().zip(row).zip(widths) {
            let room = screen.width.map_or(*wide, |limit| limit.saturating_sub(used + owed).min(*wide));
            if room == 0 {
                break;
            }
            let text = (column.cut)(&cell.text, room);
            line.extend(std::iter::repeat_n(' ', owed));
            let taken = width(&text);
            line.push_str(&screen.paint(&text, cell.paint));
            used += owed + taken;
            owed = wide.saturating_sub(taken) + GAP;
        }
        line
    }
}

/// Takes from one column what is too much, but leaves it `least`.
fn shrink(widths: &mut [usize], at: usize, least: usize, limit: usize) {
    let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let excess = total.saturating_sub(limit);
    if let Some(wide) = widths.get_mut(at) {
        *wide = (*wide).min(wide.saturating_sub(excess).max(least));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NARROWING: &[Give] = &[
        Give::Column("MESSAGE", 10),
        Give::Column("RECEIVER", 8),
        Give::Names,
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
        let mut table = Table::new(columns, &[Give::Column("MESSAGE", 6), Give::Names]);
        table.push(vec![Cell::new("1"), Cell::new("7"), Cell::new("abcdefgh")]);
        assert_eq!(lines(&table, Some(18)), ["A-LON…  ID  MESSA…", "1       7   abcde…"]);
        assert_eq!(lines(&table, Some(10)), ["A-L…  ID", "1     7"], "a short name stays whole");
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
