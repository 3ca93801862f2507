//! The part of a listing that is asked for, and the pages in which it is read.
//!
//! Pages are short statements: a reader that takes its time holds nothing back.

use clap::Args;
use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::output::{Output, write_line};
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
    #[arg(long, value_name = "N", default_value_t = USUAL)]
    limit: usize,
    /// Go on behind this ID: the next page, as the end of a page says
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// What comes first
    #[arg(long, value_name = "ORDER", default_value = "newest", value_parser = word::one_of(Sort::ALL, Sort::as_str))]
    sort: Sort,
}

impl WindowArgs {
    /// Writes a listing as the output wants it, and returns how many items there were. `page` reads from `reader`; `lines` makes a screen of
    /// the items and of the id behind which more follow.
    pub(super) fn list<T: Listed>(
        &self,
        output: &Output,
        reader: &Reader,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
        lines: impl FnOnce(&[T], Option<i64>) -> Result<Vec<String>, CommandError>,
    ) -> Result<usize, CommandError> {
        if output.format() == OutputFormat::Jsonl {
            return self.stream(output, page);
        }
        let (items, next) = self.collect(page)?;
        if output.format() == OutputFormat::Json {
            let json: Vec<_> = items.iter().map(T::json).collect();
            output.items(T::LISTING, Some(output.journal(reader)), &json, next)?;
        } else {
            output.lines(lines(&items, next)?)?;
        }
        Ok(items.len())
    }

    /// The items, and the id behind which more follow.
    fn collect<T: Listed>(
        &self,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
    ) -> Result<(Vec<T>, Option<i64>), CommandError> {
        let mut items = Vec::new();
        let mut next = None;
        self.pages(page, |page, more| {
            items.extend(page);
            next = more;
            Ok::<_, CommandError>(())
        })?;
        Ok((items, next))
    }

    /// Writes item after item as it is read.
    fn stream<T: Listed>(
        &self,
        output: &Output,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
    ) -> Result<usize, CommandError> {
        let mut count = 0;
        output.print(|out| {
            self.pages(page, |page: Vec<T>, _| {
                count += page.len();
                page.iter().try_for_each(|item| write_line(out, &item.json()))
            })
        })?;
        Ok(count)
    }

    /// Hands over page after page, and the id behind which more follow.
    fn pages<T: Listed, E: From<ReadError>>(
        &self,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
        mut each: impl FnMut(Vec<T>, Option<i64>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut after = self.after;
        loop {
            let Page { items, has_more } = page(Window { limit: left.min(PAGE), after, sort: self.sort })?;
            left = left.saturating_sub(items.len());
            after = items.last().map(T::id).filter(|_| has_more);
            each(items, after)?;
            if left == 0 || after.is_none() {
                return Ok(());
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    impl Listed for i64 {
        const LISTING: &'static str = "numbers list";

        fn id(&self) -> i64 {
            *self
        }

        fn json(&self) -> impl Serialize {
            self
        }
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
        WindowArgs { limit, after, sort: Sort::Newest }.collect(page(last)).unwrap()
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
        let window = WindowArgs { limit: 0, after: None, sort: Sort::Newest };
        let count = window.stream(&output, page(1_500)).unwrap();
        assert_eq!((count, captured.stdout().lines().count()), (1_500, 1_500));
    }
}
