//! The house rules that no lint holds: which module may use which, and what may be named where. The rules are data, in
//! `tests/architecture.toml`.
//!
//! What the checks themselves see is tested in `small_house`, so that a rule cannot be obeyed by hiding from it.

mod names;
mod small_house;
mod table;
mod tree;

use std::path::{Path, PathBuf};

use self::table::{Table, broken_imports, read_table};
use self::tree::{SourceFile, files_below, read_tree};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with what `check` finds broken in this repository.
#[track_caller]
fn must_hold(check: impl Fn(&Table, &[SourceFile]) -> Vec<String>) {
    let found = read_table(include_str!("architecture.toml")).and_then(|table| Ok(check(&table, &read_tree(repository())?)));
    let found = found.unwrap_or_else(|error| vec![error]);
    assert!(found.is_empty(), "{} broken:\n{}", found.len(), found.join("\n"));
}

#[test]
fn modules_use_what_the_table_allows() {
    must_hold(Table::broken_edges);
}

#[test]
fn reserved_names_stay_in_their_places() {
    must_hold(Table::broken_reservations);
}

#[test]
fn pure_modules_do_no_input_or_output_and_read_no_clock() {
    must_hold(Table::broken_bars);
}

#[test]
fn files_are_short_and_named_after_one_concept() {
    must_hold(Table::broken_files);
}

#[test]
fn imports_name_things_at_their_home() {
    must_hold(|_, tree| broken_imports(tree));
}

#[test]
fn every_file_of_src_is_part_of_the_crate() {
    must_hold(|_, tree| {
        let files = files_below(repository(), Path::new("src")).unwrap_or_else(|error| vec![PathBuf::from(error)]);
        let orphans = files.iter().filter(|path| !tree.iter().any(|file| file.path == **path));
        orphans.map(|path| format!("{}: found a file that no `mod` reaches, expected none", path.display())).collect()
    });
}

#[test]
fn every_file_says_its_purpose() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "examples"].into_iter().filter(|folder| repository().join(folder).is_dir()) {
        for path in files_below(repository(), Path::new(folder)).unwrap() {
            let text = std::fs::read_to_string(repository().join(&path)).unwrap();
            if !text.starts_with("//! ") {
                let first = text.lines().next().unwrap_or_default();
                found.push(format!("{}:1: found {first:?}, expected `//!` and the purpose of the file", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{} broken:\n{}", found.len(), found.join("\n"));
}
