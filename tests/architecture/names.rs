//! The names that a file of source text uses: paths, macros, methods and `unsafe`.
//!
//! They are read from its tokens, not from its syntax tree, so that the inside of a macro call is read like all other code. Imports
//! are followed within their file; what a glob or a local type alias stands for is not known here.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use proc_macro2::{Delimiter, Ident, LineColumn, TokenStream, TokenTree};

/// The library's name, for the binary that uses it from outside.
const LIBRARY: &str = "redrive";

/// One use of a name.
pub(super) struct Name {
    pub(super) line: usize,
    /// What it stands for, from the root: `crate::engine::source::Offer`, `std::time::Instant::now`, `println!`, `.elapsed()`, `unsafe`.
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
}

impl Name {
    /// True when it is not from outside.
    pub(super) fn is_ours(&self) -> bool {
        self.path.first().is_some_and(|first| first == "crate")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("::"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mention,
    Import,
    /// An import that is handed on: `pub use`, whatever the visibility.
    Reexport,
    Glob,
}

/// What must be known of a file to read its names.
pub(super) struct Scope<'a> {
    /// The module that the file is, from `crate`.
    pub(super) module: &'a [String],
    /// The modules declared in the file, each from `crate`.
    pub(super) declared: &'a HashSet<Vec<String>>,
    /// Where its test code lies.
    pub(super) tests: &'a [Range<LineColumn>],
}

/// The names in `tokens`, in their order, without those of test code.
pub(super) fn names(tokens: TokenStream, scope: &Scope<'_>) -> Vec<Name> {
    let mut reader =
        Reader { scope, module: scope.module.to_vec(), literal_line: None, names: Vec::new(), imports: HashMap::new() };
    reader.read(tokens);
    let Reader { names, imports, .. } = reader;
    names.into_iter().flat_map(|name| follow_import(name, &imports)).collect()
}

/// Replaces the first segment of a path by all that the file imports under this word.
fn follow_import(name: Name, imports: &HashMap<String, Vec<Vec<String>>>) -> Vec<Name> {
    let Some((first, tail)) = name.path.split_first() else { return Vec::new() };
    match imports.get(first) {
        Some(origins) => {
            let followed = origins.iter().map(|origin| Name { path: [origin, tail].concat(), ..name });
            followed.collect()
        }
        None => vec![name],
    }
}

struct Reader<'a> {
    scope: &'a Scope<'a>,
    /// The module that is being read: the file's own, or one inside it.
    module: Vec<String>,
    /// The line of the string literal that is being read as code.
    literal_line: Option<usize>,
    names: Vec<Name>,
    /// From the word in this file to what it was imported from.
    imports: HashMap<String, Vec<Vec<String>>>,
}

impl Reader<'_> {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().filter(|token| !self.is_test(token)).collect();
        let mut rest = tokens.as_slice();
        while let [token, after @ ..] = rest {
            rest = match token {
                TokenTree::Ident(word) => self.word(word, after),
                TokenTree::Group(group) => {
                    self.read(group.stream());
                    after
                }
                TokenTree::Punct(punct) if punct.as_char() == '.' => self.method(after),
                TokenTree::Punct(_) => after,
                TokenTree::Literal(literal) => {
                    self.literal(&literal.to_string(), literal.span().start().line);
                    after
                }
            };
        }
    }

    fn is_test(&self, token: &TokenTree) -> bool {
        // A literal that is read as code lies in a file of its own, whose lines start again.
        self.literal_line.is_none() && self.scope.tests.iter().any(|range| range.contains(&token.span().start()))
    }

    fn word<'t>(&mut self, word: &Ident, after: &'t [TokenTree]) -> &'t [TokenTree] {
        match (word.to_string().as_str(), after) {
            ("unsafe", _) => {
                self.push(vec!["unsafe".to_owned()], Kind::Mention, self.line(word));
                after
            }
            ("pub", [TokenTree::Group(_), TokenTree::Ident(next), tree @ ..] | [TokenTree::Ident(next), tree @ ..])
                if next == "use" =>
            {
                self.import(tree, Kind::Reexport)
            }
            // `use<'a>` among the bounds of a type is no import.
            ("use", [TokenTree::Punct(punct), ..]) if punct.as_char() == '<' => after,
            ("use", tree) => self.import(tree, Kind::Import),
            ("mod", [TokenTree::Ident(name), TokenTree::Group(body), rest @ ..]) => {
                self.module.push(name.to_string());
                self.read(body.stream());
                self.module.pop();
                rest
            }
            _ => self.path(word, after),
        }
    }

    /// A path in code. A single word counts only as the name of a macro: any other was imported, and that counts.
    fn path<'t>(&mut self, first: &Ident, after: &'t [TokenTree]) -> &'t [TokenTree] {
        let mut path = vec![first.to_string()];
        let mut rest = after;
        while let [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(word), more @ ..] = rest
            && (one.as_char(), two.as_char()) == (':', ':')
        {
            path.push(word.to_string());
            rest = more;
        }
        let is_macro = matches!(rest, [TokenTree::Punct(bang), TokenTree::Group(_), ..] if bang.as_char() == '!');
        if is_macro && let Some(last) = path.last_mut() {
            last.push('!');
        }
        if is_macro || path.len() > 1 {
            self.push(self.absolute(path), Kind::Mention, self.line(first));
        }
        rest
    }

    /// What follows a dot: the call of a method, or a field, which is no name of interest. Neither starts a path.
    fn method<'t>(&mut self, after: &'t [TokenTree]) -> &'t [TokenTree] {
        let [TokenTree::Ident(word), rest @ ..] = after else { return after };
        if matches!(rest, [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Parenthesis) {
            self.push(vec![format!(".{word}()")], Kind::Mention, self.line(word));
        }
        rest
    }

    /// `#[serde(with = "crate::…")]`: attributes name code in strings.
    fn literal(&mut self, text: &str, line: usize) {
        let code = text.trim_matches('"');
        if code.starts_with("crate::")
            && let Ok(tokens) = code.parse()
        {
            let outer = self.literal_line.replace(line);
            self.read(tokens);
            self.literal_line = outer;
        }
    }

    /// Reads what follows `use`, up to the semicolon, and returns what follows that.
    fn import<'t>(&mut self, after: &'t [TokenTree], kind: Kind) -> &'t [TokenTree] {
        let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
        let end = after.iter().position(is_end).unwrap_or(after.len());
        let (tree, rest) = after.split_at(end);
        self.import_tree(Vec::new(), tree, kind);
        rest
    }

    fn import_tree(&mut self, mut path: Vec<String>, tree: &[TokenTree], kind: Kind) {
        let mut line = tree.first().map_or(0, |token| token.span().start().line);
        let mut rest = tree;
        while let [token, after @ ..] = rest {
            match (token, after) {
                (TokenTree::Ident(word), [TokenTree::Ident(alias)]) if word == "as" => {
                    return self.imported(path, Some(alias.to_string()), kind, line);
                }
                (TokenTree::Ident(word), _) => {
                    line = self.line(word);
                    path.push(word.to_string());
                }
                (TokenTree::Group(group), _) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    for part in inner.split(is_comma).filter(|part| !part.is_empty()) {
                        self.import_tree(path.clone(), part, kind);
                    }
                    return;
                }
                (TokenTree::Punct(star), _) if star.as_char() == '*' => {
                    let path = self.absolute(path);
                    return self.push(path, Kind::Glob, line);
                }
                _ => {}
            }
            rest = after;
        }
        self.imported(path, None, kind, line);
    }

    fn imported(&mut self, mut path: Vec<String>, alias: Option<String>, kind: Kind, line: usize) {
        path.pop_if(|last| last == "self");
        let word = alias.or_else(|| path.last().cloned());
        let path = self.absolute(path);
        if let Some(word) = word {
            self.imports.entry(word).or_default().push(path.clone());
        }
        self.push(path, kind, line);
    }

    /// From the root, as far as that is known before all imports of the file are.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let Some((first, tail)) = path.split_first() else { return path };
        match first.as_str() {
            "self" => [&self.module, tail].concat(),
            "super" => {
                let supers = path.iter().take_while(|word| *word == "super").count();
                let kept = self.module.len().saturating_sub(supers);
                self.module.iter().take(kept).chain(path.iter().skip(supers)).cloned().collect()
            }
            LIBRARY => ["crate".to_owned()].iter().chain(tail).cloned().collect(),
            _ => {
                let child = [&self.module, std::slice::from_ref(first)].concat();
                if self.scope.declared.contains(&child) { [child.as_slice(), tail].concat() } else { path }
            }
        }
    }

    fn push(&mut self, path: Vec<String>, kind: Kind, line: usize) {
        self.names.push(Name { line, path, kind });
    }

    fn line(&self, word: &Ident) -> usize {
        self.literal_line.unwrap_or_else(|| word.span().start().line)
    }
}
