//! Settings: flags over environment over file over defaults. Nothing else reads the environment.

mod screen;

pub use screen::{Color, LogFormat, OutputFormat};
