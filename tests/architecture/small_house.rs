//! Shows that the checks see what they are for: each rule is broken on a small source, in every form that could hide it.
//!
//! The house has two modules, `ground` and `roof`; `roof` may use `ground`, and `lib` re-exports a `Tile` of `roof`.

use std::path::Path;

use super::table::{Table, broken_imports, read_table};
use super::tree::SourceFile;

const LIB: &str = "pub mod ground;\npub mod roof;\npub use roof::Tile;";
const ROOF: &str = "use crate::ground::Stone;";

/// The table of the house, with `rules` added.
fn table(rules: &str) -> Table {
    let rows = r#"
        modules = [
            { name = "ground", uses = [] },
            { name = "roof", uses = ["ground"] },
            { name = "lib", uses = ["roof"] },
        ]
        "#;
    read_table(&format!("{rows}\n{rules}")).unwrap()
}

/// The house, with these texts as `ground` and `roof`.
fn house(ground: &str, roof: &str) -> Vec<SourceFile> {
    let files = [("lib", LIB), ("ground", ground), ("roof", roof)].map(|(name, text)| {
        let module = ["crate", name].into_iter().filter(|word| *word != "lib").map(str::to_owned).collect();
        SourceFile::parse(&Path::new("src").join(name).with_extension("rs"), module, text).unwrap().0
    });
    files.into()
}

#[track_caller]
fn assert_found(found: &[String], expected: &[&str]) {
    let is_same = found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
    assert!(is_same, "found {found:#?}, expected {expected:#?}");
}

#[test]
fn the_house_itself_is_in_order() {
    assert_found(&table("").broken_edges(&house("", ROOF)), &[]);
}

#[test]
fn a_forbidden_edge_is_seen_in_every_form() {
    let forms = [
        ("use crate::roof::Tile;", 1, "crate::roof::Tile"),
        ("use crate::{\n    roof::{self, Tile as T},\n};", 2, "crate::roof"),
        ("use crate::roof as r;", 1, "crate::roof"),
        ("use super::roof::Tile;", 1, "crate::roof::Tile"),
        ("mod cellar {\n    fn dig() { super::super::roof::fall(); }\n}", 2, "crate::roof::fall"),
        ("fn dig() {\n    use crate::roof::fall;\n}", 2, "crate::roof::fall"),
        ("fn dig(on: &dyn crate::roof::Tile) {}", 1, "crate::roof::Tile"),
        ("fn dig() {\n    assert!(crate::roof::fall());\n}", 2, "crate::roof::fall"),
        ("macro_rules! dig {\n    () => { $crate::roof::fall() };\n}", 2, "crate::roof::fall"),
        (
            "#[derive(Serialize)]\nstruct Stone {\n    #[serde(with = \"crate::roof::text\")]\n    weight: u8,\n}",
            3,
            "crate::roof::text",
        ),
        ("pub use crate::Tile;", 1, "crate::Tile"),
        ("#[cfg(any(test, unix))]\nuse crate::roof::fall;", 2, "crate::roof::fall"),
        ("#[cfg(not(test))]\nuse crate::roof::fall;", 2, "crate::roof::fall"),
    ];
    for (ground, line, what) in forms {
        let found = table("").broken_edges(&house(ground, ROOF));
        assert_found(&found, &["ground uses roof; expected no other module"]);
        assert_found(&found, &[&format!("src/ground.rs:{line}: found {what}\n")]);
    }
}

#[test]
fn test_code_is_exempt() {
    let forms = [
        "#[cfg(test)]\nuse crate::roof::fall;",
        "#[cfg(all(test, unix))]\nmod tests {\n    use crate::roof::fall;\n}",
        "struct Stone;\nimpl Stone {\n    #[cfg(test)]\n    fn dig() { crate::roof::fall(); }\n}",
        "/// See [`crate::roof::fall`].\nstruct Stone;",
    ];
    for ground in forms {
        assert_found(&table("").broken_edges(&house(ground, ROOF)), &[]);
    }
}

#[test]
fn a_name_at_the_root_must_lead_somewhere() {
    let found = table("").broken_edges(&house("use crate::Chimney;\nuse crate as all;", ROOF));
    assert_found(
        &found,
        &["src/ground.rs:1: found crate::Chimney, expected a module", "src/ground.rs:2: found crate, expected a module"],
    );
}

#[test]
fn the_table_must_fit_the_tree() {
    let rows = |rows: &str| read_table(&format!("modules = [{rows}]")).unwrap();
    let unused = rows(r#"{name="ground",uses=[]}, {name="roof",uses=["ground"]}, {name="lib",uses=["ground","roof"]}"#);
    assert_found(&unused.broken_edges(&house("", ROOF)), &["lib may use ground, but nothing in it does"]);

    let without_row = rows(r#"{name="ground",uses=[]}, {name="roof",uses=["ground"]}"#);
    assert_found(&without_row.broken_edges(&house("", ROOF)), &["lib is a module of src and has no row"]);

    let without_module =
        rows(r#"{name="ground",uses=[]}, {name="roof",uses=["ground"]}, {name="lib",uses=["roof"]}, {name="attic",uses=[]}"#);
    assert_found(&without_module.broken_edges(&house("", ROOF)), &["attic has a row and is no module of src"]);

    let upward = rows(r#"{name="ground",uses=["roof"]}, {name="roof",uses=["ground"]}, {name="lib",uses=["roof"]}"#);
    let found = upward.broken_edges(&house("use crate::roof::Tile;", ROOF));
    assert_found(&found, &["ground may use roof, but the row of roof is not above"]);
}

#[test]
fn a_reserved_name_is_seen_in_every_form() {
    let rules = table(
        r#"
        [[reserved]]
        names = ["kafka", "std::env::var", "std::time::Instant::now", ".elapsed()", "println!", "unsafe"]
        places = ["roof"]
        why = "it is the roof's"
        "#,
    );
    let forms = [
        ("use kafka::Client;", 1, "kafka::Client"),
        ("use kafka as k;", 1, "kafka"),
        ("fn dig() {\n    use std::env;\n    env::var(\"SPADE\");\n}", 3, "std::env::var"),
        ("use std::env::var as read;", 1, "std::env::var"),
        (
            "use std::time::{Duration, Instant};\nfn dig(at: Option<Instant>) {\n    at.unwrap_or_else(Instant::now);\n}",
            3,
            "std::time::Instant::now",
        ),
        ("use std::time::Instant as Clock;\nfn dig() { info!(at = Clock::now()); }", 2, "std::time::Instant::now"),
        ("fn dig(began: Instant) { info!(after = ?began.elapsed()); }", 1, ".elapsed()"),
        ("fn dig() { std::println!(\"deep\"); }", 1, "std::println!"),
        ("fn dig() {\n    vec![unsafe { stone() }];\n}", 2, "unsafe"),
        ("unsafe impl Send for Stone {}", 1, "unsafe"),
    ];
    for (ground, line, what) in forms {
        let expected = format!("src/ground.rs:{line}: found {what}, expected it only in roof: it is the roof's");
        assert_found(&rules.broken_reservations(&house(ground, ROOF)), &[&expected]);
        assert_found(&rules.broken_reservations(&house("", ground)), &[]);
    }
    assert_found(&rules.broken_reservations(&house("fn dig(print: Fields) { print.elapsed; a != b; }", ROOF)), &[]);
}

#[test]
fn an_idle_place_is_seen_once_the_name_is_in_use() {
    let rules = table(
        r#"
        [[reserved]]
        names = ["unsafe"]
        places = ["roof", "ground::cellar"]
        why = "falling"
        "#,
    );
    assert_found(&rules.broken_reservations(&house("", ROOF)), &[]);
    let found = rules.broken_reservations(&house("", "unsafe fn fall() {}"));
    assert_found(&found, &["ground::cellar may use unsafe, but uses none of them"]);
}

#[test]
fn a_barred_name_is_seen() {
    let rules = table(
        r#"
        [[barred]]
        places = ["ground", "attic"]
        names = ["std::fs"]
        why = "it is pure"
        "#,
    );
    let found = rules.broken_bars(&house("use std::fs::File;", "use std::fs::File;"));
    assert_found(&found, &["attic is no module of src", "src/ground.rs:1: found std::fs::File, expected none here: it is pure"]);
}

#[test]
fn only_the_facade_hands_on_and_nobody_imports_a_glob() {
    let found = broken_imports(&house("use kafka::prelude::*;", "pub(crate) use crate::ground::Stone;\npub use self::tile::Tile;"));
    assert_found(&found, &["src/ground.rs:1: found kafka::prelude::*", "src/roof.rs:1: found crate::ground::Stone re-exported"]);
}

#[test]
fn a_long_file_and_a_name_for_anything_are_seen() {
    let rules = |longer: &str| table(&format!("[files]\nmax_lines = 2\nbanned_names = [\"roof\"]\nlonger = [{longer}]"));
    let long = "//! One.\n\nstruct Two;\n#[cfg(test)]\nmod tests {}\n";
    let found = rules("").broken_files(&house(long, ""));
    assert_found(&found, &["src/lib.rs: found 3 lines", "src/ground.rs: found 3 lines", "src/roof.rs: found a module called roof"]);

    let excused = rules(r#"{path="src/roof.rs",why="steep"}, {path="src/lib.rs",why="wide"}, {path="src/attic.rs",why="gone"}"#);
    let found = excused.broken_files(&house("", ""));
    let expected = ["src/roof.rs may be longer (steep), but has 0 lines", "a module called roof", "src/attic.rs is no file of src"];
    assert_found(&found, &expected);
}
