//! The source tree: every file that `src/lib.rs` and `src/main.rs` reach through `mod`, with the names it uses.
//!
//! Test code, whatever stands behind `#[cfg(test)]`, is part of the tree, but its names do not count.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proc_macro2::{LineColumn, TokenStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, Meta, Token};

use super::names::{Name, Scope, names};

/// A file of the crate.
pub(super) struct SourceFile {
    /// From the repository's root.
    pub(super) path: PathBuf,
    /// From `crate`: `src/engine/shard.rs` is `crate::engine::shard`; `src/main.rs` stands as `crate::main`.
    pub(super) module: Vec<String>,
    /// Lines that are not test code.
    pub(super) lines: usize,
    pub(super) names: Vec<Name>,
}

impl SourceFile {
    /// The top-level module that it belongs to; `lib` for `src/lib.rs`.
    pub(super) fn top(&self) -> &str {
        self.module.get(1).map_or("lib", String::as_str)
    }

    /// True when it is, or lies in, the module `place`, written without `crate`.
    pub(super) fn is_in(&self, place: &str) -> bool {
        let place: Vec<&str> = place.split("::").collect();
        self.module.iter().skip(1).take(place.len()).eq(&place)
    }

    /// Reads one file, and the modules that it declares to be other files.
    pub(super) fn parse(path: &Path, module: Vec<String>, text: &str) -> Result<(Self, Vec<ItsFile>), String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: not Rust: {error}", path.display());
        let tokens: TokenStream = text.parse().map_err(|error| failed(&error))?;
        let syntax: syn::File = syn::parse2(tokens.clone()).map_err(|error| failed(&error))?;
        let mut outline = Outline { module: module.clone(), ..Outline::default() };
        outline.visit_file(&syntax);
        let scope = Scope { module: &module, declared: &outline.declared, tests: &outline.tests };
        let names = names(tokens, &scope);
        let test_lines: usize = outline.tests.iter().map(|range| range.end.line - range.start.line + 1).sum();
        let file = Self { path: path.to_owned(), module, lines: text.lines().count() - test_lines, names };
        Ok((file, outline.files))
    }
}

/// A module that is a file of its own.
pub(super) struct ItsFile {
    /// From `crate`.
    pub(super) module: Vec<String>,
    pub(super) is_test: bool,
}

/// Reads the tree below `root`, the repository.
pub(super) fn read_tree(root: &Path) -> Result<Vec<SourceFile>, String> {
    let crate_root = || vec!["crate".to_owned()];
    let main = ItsFile { module: [crate_root(), vec!["main".to_owned()]].concat(), is_test: false };
    let mut waiting = vec![ItsFile { module: crate_root(), is_test: false }, main];
    let mut files = Vec::new();
    while let Some(next) = waiting.pop() {
        let path = path_of(root, &next.module)?;
        let text = fs::read_to_string(root.join(&path)).map_err(|error| format!("{}: {error}", path.display()))?;
        let (mut file, children) = SourceFile::parse(&path, next.module, &text)?;
        waiting.extend(children.into_iter().map(|child| ItsFile { is_test: child.is_test || next.is_test, ..child }));
        if next.is_test {
            file.names.clear();
            file.lines = 0;
        }
        files.push(file);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// `crate::engine::shard` is `src/engine/shard.rs` or `src/engine/shard/mod.rs`; `crate` is `src/lib.rs`.
fn path_of(root: &Path, module: &[String]) -> Result<PathBuf, String> {
    let below: PathBuf = module.iter().skip(1).collect();
    let stem = Path::new("src").join(below);
    let candidates =
        if module.len() == 1 { vec![stem.join("lib.rs")] } else { vec![stem.with_extension("rs"), stem.join("mod.rs")] };
    let found = candidates.into_iter().find(|path| root.join(path).is_file());
    found.ok_or_else(|| format!("{}: the module has no file {}.rs", module.join("::"), stem.display()))
}

/// All `.rs` files below `folder`, from `root`.
pub(super) fn files_below(root: &Path, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = folder.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            files.extend(files_below(root, &path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The shape of a file: where its test code is, and which modules it declares.
#[derive(Default)]
struct Outline {
    module: Vec<String>,
    tests: Vec<Range<LineColumn>>,
    declared: HashSet<Vec<String>>,
    files: Vec<ItsFile>,
}

impl Outline {
    /// True when `item` is test code, which is noted.
    fn note_test(&mut self, attributes: &[Attribute], item: proc_macro2::Span) -> bool {
        let is_test = attributes.iter().any(is_for_tests);
        if is_test {
            self.tests.push(item.start()..item.end());
        }
        is_test
    }

    fn declare(&mut self, item: &ItemMod) {
        let module = [self.module.as_slice(), &[item.ident.to_string()]].concat();
        self.declared.insert(module.clone());
        if item.content.is_none() {
            self.files.push(ItsFile { module, is_test: item.attrs.iter().any(is_for_tests) });
        }
    }
}

impl Visit<'_> for Outline {
    fn visit_item(&mut self, item: &Item) {
        if let Item::Mod(module) = item {
            self.declare(module);
        }
        if !self.note_test(attributes(item), item.span()) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_impl_item(&mut self, item: &ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if !self.note_test(attributes, item.span()) {
            visit::visit_impl_item(self, item);
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// True for `#[cfg(test)]` and for every condition that holds only in tests.
fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(|condition| implies_test(&condition))
}

fn implies_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
    if list.path.is_ident("all") {
        parts.iter().any(implies_test)
    } else {
        list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(implies_test)
    }
}
