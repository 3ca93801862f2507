//! The rules of `tests/architecture.toml`, and what of them the tree breaks.
//!
//! A rule that allows more than the code needs is broken as well, so that the table always says what is, not what once was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;

use serde::Deserialize;

use super::names::{Kind, Name};
use super::tree::SourceFile;

/// Where the rules are, for messages.
const TABLE: &str = "tests/architecture.toml";
/// As many uses of one forbidden edge are shown.
const MOST_LINES: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    modules: Vec<Row>,
    #[serde(default)]
    reserved: Vec<Reserved>,
    #[serde(default)]
    barred: Vec<Barred>,
    #[serde(default)]
    files: Files,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    uses: Vec<String>,
}

/// Names that only these places may use.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserved {
    names: Vec<String>,
    places: Vec<String>,
    why: String,
}

/// Names that these places may not use.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Barred {
    places: Vec<String>,
    names: Vec<String>,
    why: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    max_lines: usize,
    longer: Vec<Longer>,
    banned_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Longer {
    path: String,
    why: String,
}

/// Reads the rules.
pub(super) fn read_table(text: &str) -> Result<Table, String> {
    toml::from_str(text).map_err(|error| format!("{TABLE}: {error}"))
}

impl Table {
    /// Every module has a row, and uses the modules of its row: no other, and each of them.
    pub(super) fn broken_edges(&self, tree: &[SourceFile]) -> Vec<String> {
        let mut found = self.misplaced_rows(tree);
        let (edges, lost) = edges(tree);
        found.extend(lost);
        for row in &self.modules {
            let Row { name, uses } = row;
            let targets = edges.get(name.as_str());
            let forbidden = targets.into_iter().flatten().filter(|(target, _)| !uses.iter().any(|allowed| allowed == *target));
            found.extend(forbidden.map(|(target, places)| forbidden_edge(row, target, places)));
            let unused = uses.iter().filter(|target| targets.is_none_or(|targets| !targets.contains_key(target.as_str())));
            found.extend(
                unused.map(|target| {
                    format!("{TABLE}: {name} may use {target}, but nothing in it does: take {target:?} out of its row")
                }),
            );
        }
        found
    }

    /// The rows are the modules of the tree, and use only what stands above them.
    fn misplaced_rows(&self, tree: &[SourceFile]) -> Vec<String> {
        let modules: BTreeSet<&str> = tree.iter().map(SourceFile::top).collect();
        let rows: BTreeSet<&str> = self.modules.iter().map(|row| row.name.as_str()).collect();
        let without_row = modules.difference(&rows).map(|module| format!("{TABLE}: {module} is a module of src and has no row"));
        let without_module = rows.difference(&modules).map(|row| format!("{TABLE}: {row} has a row and is no module of src"));
        let mut found: Vec<String> = without_row.chain(without_module).collect();
        let mut above: BTreeSet<&str> = BTreeSet::new();
        for row in &self.modules {
            let upward = row.uses.iter().filter(|target| !above.contains(target.as_str()));
            found.extend(upward.map(|target| {
                let name = &row.name;
                format!("{TABLE}: {name} may use {target}, but the row of {target} is not above: dependencies point one way")
            }));
            above.insert(&row.name);
        }
        found
    }

    /// Reserved names are used in their places only, and in each of them.
    pub(super) fn broken_reservations(&self, tree: &[SourceFile]) -> Vec<String> {
        let mut found = Vec::new();
        for rule in &self.reserved {
            let places = if rule.places.is_empty() { "nowhere".to_owned() } else { format!("only in {}", rule.places.join(", ")) };
            let mut in_use: BTreeSet<&str> = BTreeSet::new();
            for (file, name) in uses_of(&rule.names, tree) {
                match rule.places.iter().find(|place| file.is_in(place)) {
                    Some(place) => _ = in_use.insert(place),
                    None => found.push(at(file, name, format!("found {name}, expected it {places}: {}", rule.why))),
                }
            }
            // A rule that nobody needs yet stands for what is to come.
            let idle = rule.places.iter().filter(|place| !in_use.is_empty() && !in_use.contains(place.as_str()));
            found.extend(idle.map(|place| {
                let names = rule.names.join(", ");
                format!("{TABLE}: {place} may use {names}, but uses none of them: take {place:?} out of the places")
            }));
        }
        found
    }

    /// Barred names are not used in the places they are barred from.
    pub(super) fn broken_bars(&self, tree: &[SourceFile]) -> Vec<String> {
        let mut found = Vec::new();
        for rule in &self.barred {
            let unknown = rule.places.iter().filter(|place| !tree.iter().any(|file| file.is_in(place)));
            found.extend(unknown.map(|place| format!("{TABLE}: {place} is no module of src")));
            let uses = uses_of(&rule.names, tree).filter(|(file, _)| rule.places.iter().any(|place| file.is_in(place)));
            found.extend(uses.map(|(file, name)| at(file, name, format!("found {name}, expected none here: {}", rule.why))));
        }
        found
    }

    /// No file is too long, and none has a name under which anything could be put.
    pub(super) fn broken_files(&self, tree: &[SourceFile]) -> Vec<String> {
        let Files { max_lines, longer, banned_names } = &self.files;
        let mut found = Vec::new();
        for file in tree {
            let path = file.path.display();
            let reason = longer.iter().find(|longer| Path::new(&longer.path) == file.path);
            match (file.lines > *max_lines, reason) {
                (true, None) => {
                    found.push(format!("{path}: found {} lines without tests, expected at most {max_lines}", file.lines));
                }
                (false, Some(Longer { why, .. })) => found.push(format!(
                    "{TABLE}: {path} may be longer ({why}), but has {} lines: take it out of files.longer",
                    file.lines
                )),
                _ => {}
            }
            let banned = file.module.last().filter(|name| banned_names.contains(name));
            found.extend(banned.map(|name| format!("{path}: found a module called {name}, expected the name of one concept")));
        }
        let is_gone = |longer: &&Longer| !tree.iter().any(|file| Path::new(&longer.path) == file.path);
        found.extend(longer.iter().filter(is_gone).map(|longer| format!("{TABLE}: {} is no file of src", longer.path)));
        found
    }
}

/// A module hands on no other module's things (only the facade does), and imports things by their names.
pub(super) fn broken_imports(tree: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, name) in all_names(tree) {
        let is_foreign = name.is_ours() && name.path.get(1).is_some_and(|top| top != file.top());
        match name.kind {
            Kind::Glob => found.push(at(file, name, format!("found {name}::*, expected the names that are used"))),
            Kind::Reexport if is_foreign && file.top() != "lib" => {
                found.push(at(file, name, format!("found {name} re-exported, expected that only in src/lib.rs")));
            }
            _ => {}
        }
    }
    found
}

/// From each top-level module to those it uses, each with the places where it does; and the names that lead nowhere.
type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Vec<(&'a SourceFile, &'a Name)>>>;

fn edges(tree: &[SourceFile]) -> (Edges<'_>, Vec<String>) {
    let modules: BTreeSet<&str> = tree.iter().map(SourceFile::top).collect();
    let facade = facade(tree);
    let mut edges = Edges::new();
    let mut lost = Vec::new();
    for (file, name) in all_names(tree).filter(|(_, name)| name.is_ours()) {
        let first = name.path.get(1).map(String::as_str);
        let target = first.and_then(|first| modules.get(first).or_else(|| facade.get(first)));
        match target {
            Some(target) if *target != file.top() => {
                edges.entry(file.top()).or_default().entry(target).or_default().push((file, name));
            }
            Some(_) => {}
            None => {
                lost.push(at(file, name, format!("found {name}, expected a module, or what src/lib.rs re-exports by this name")));
            }
        }
    }
    (edges, lost)
}

fn forbidden_edge(row: &Row, target: &str, places: &[(&SourceFile, &Name)]) -> String {
    let Row { name: from, uses } = row;
    let expected = if uses.is_empty() { "no other module".to_owned() } else { format!("only {}", uses.join(", ")) };
    let seen = places.iter().take(MOST_LINES).map(|(file, name)| at(file, name, format!("found {name}")));
    let lines = seen.collect::<Vec<_>>().join("\n");
    let more = places.len().saturating_sub(MOST_LINES);
    let more = if more == 0 { String::new() } else { format!(" in {more} more lines") };
    format!("{lines}\n    {from} uses {target}{more}; expected {expected}, as the row of {from} in {TABLE} says")
}

/// What `src/lib.rs` re-exports: from its name there to the module it comes from.
fn facade(tree: &[SourceFile]) -> HashMap<&str, &str> {
    let reexports = all_names(tree).filter(|(file, name)| file.top() == "lib" && name.kind == Kind::Reexport && name.is_ours());
    reexports.filter_map(|(_, name)| Some((name.path.last()?.as_str(), name.path.get(1)?.as_str()))).collect()
}

fn all_names(tree: &[SourceFile]) -> impl Iterator<Item = (&SourceFile, &Name)> {
    tree.iter().flat_map(|file| file.names.iter().map(move |name| (file, name)))
}

fn uses_of<'a>(names: &'a [String], tree: &'a [SourceFile]) -> impl Iterator<Item = (&'a SourceFile, &'a Name)> {
    all_names(tree).filter(|(_, name)| names.iter().any(|rule| is_use_of(&name.path, rule)))
}

/// A macro is known by its last word, everything else by how its path starts.
fn is_use_of(path: &[String], rule: &str) -> bool {
    if rule.ends_with('!') {
        return path.last().is_some_and(|last| last == rule);
    }
    let rule: Vec<&str> = rule.split("::").collect();
    path.iter().take(rule.len()).eq(&rule)
}

fn at(file: &SourceFile, name: &Name, problem: impl Display) -> String {
    format!("{}:{}: {problem}", file.path.display(), name.line)
}
