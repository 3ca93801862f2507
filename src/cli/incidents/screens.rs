//! The screens, looked at.

use clap::Parser as _;

use crate::cli::incidents::list::{ListArgs, Listing};
use crate::cli::incidents::show;
use crate::cli::samples::{self, JOURNAL};
use crate::cli::screen::Screen;
use crate::cli::window::Turn;
use crate::cli::window::composed::composed;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: ListArgs,
}

fn list(words: &str, screen: Screen) -> String {
    let Line { args } = Line::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{error}"));
    let listing = Listing { args: &args, journal: JOURNAL, screen, open: 2 };
    composed(&listing, Turn { items: samples::incidents(), next: Some(2) }, screen)
}

#[test]
fn lists() {
    for width in [80, 100, 200] {
        let screen = Screen { width: Some(width), is_colored: false };
        insta::assert_snapshot!(format!("incidents_at_{width}_columns"), list("list", screen));
    }
    let screen = Screen { width: Some(160), is_colored: true };
    insta::assert_snapshot!("incidents_of_two_states_in_colour", list("list --state open,ended --topic orders", screen));
}

#[test]
fn one_incident() {
    for item in samples::incidents() {
        let lines = show::lines(&item, Screen { width: Some(100), is_colored: false });
        insta::assert_snapshot!(format!("incident_{}", item.kind), lines.join("\n"));
    }
}
