//! The part of a listing that is asked for, and the pages in which it is read.
//!
//! Pages are short statements: a reader that takes its time holds nothing back.

use std::io::Write;

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::output::{Output, Stop};
use crate::cli::word;
use crate::journal::{Page, ReadError, Sort, Window};

/// The most items that are read at a time.
const PAGE: usize = 1_000;

#[derive(Args, Clone, Debug)]
pub(super) struct WindowArgs {
    /// List at most this many; 0: all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
    /// Go on behind this ID: the next page, as the end of a page says
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(0..))]
    pub(super) after: Option<i64>,
    /// What comes first
    #[arg(long, value_name = "ORDER", default_value = "newest", value_parser = word::one_of(Sort::ALL, Sort::as_str))]
    pub(super) sort: Sort,
}

impl WindowArgs {
    /// The items, and the id behind which more follow.
    pub(super) fn collect<T>(
        &self,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
        id: fn(&T) -> i64,
    ) -> Result<(Vec<T>, Option<i64>), CommandError> {
        let mut items = Vec::new();
        let mut next = None;
        self.pages(page, id, |page, more| {
            items.extend(page);
            next = more;
            Ok::<_, CommandError>(())
        })?;
        Ok((items, next))
    }

    /// Writes item after item as it is read; returns how many there were.
    pub(super) fn stream<T>(
        &self,
        output: &Output,
        (page, id): (impl Fn(Window) -> Result<Page<T>, ReadError>, fn(&T) -> i64),
        write: impl Fn(&mut dyn Write, &T) -> Result<(), Stop>,
    ) -> Result<usize, CommandError> {
        let mut count = 0;
        output.print(|out| {
            self.pages(page, id, |page, _| {
                count += page.len();
                page.iter().try_for_each(|item| write(out, item))
            })
        })?;
        Ok(count)
    }

    /// Hands over page after page, and the id behind which more follow.
    fn pages<T, E: From<ReadError>>(
        &self,
        page: impl Fn(Window) -> Result<Page<T>, ReadError>,
        id: fn(&T) -> i64,
        mut each: impl FnMut(Vec<T>, Option<i64>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut after = self.after;
        loop {
            let Page { items, has_more } = page(Window { limit: left.min(PAGE), after, sort: self.sort })?;
            left = left.saturating_sub(items.len());
            after = items.last().map(id).filter(|_| has_more);
            each(items, after)?;
            if left == 0 || after.is_none() {
                return Ok(());
            }
        }
    }

    /// All but `after`, as it was typed.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.limit != 50 {
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
    use crate::cli::output::write_line;
    use crate::settings::OutputFormat;

    /// The ids 1 to `last`, newest first, as the journal gives them.
    fn page(last: i64) -> impl Fn(Window) -> Result<Page<i64>, ReadError> {
        move |window| {
            assert!((1..=PAGE).contains(&window.limit));
            let ids: Vec<i64> = (1..=last).rev().filter(|id| window.after.is_none_or(|after| *id < after)).collect();
            Ok(Page { items: ids.iter().copied().take(window.limit).collect(), has_more: ids.len() > window.limit })
        }
    }

    fn read(last: i64, limit: usize, after: Option<i64>) -> (Vec<i64>, Option<i64>) {
        WindowArgs { limit, after, sort: Sort::Newest }.collect(page(last), |id| *id).unwrap()
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
        let count = window.stream(&output, (page(1_500), |id| *id), |out, id| write_line(out, id)).unwrap();
        assert_eq!((count, captured.stdout().lines().count()), (1_500, 1_500));
    }
}
