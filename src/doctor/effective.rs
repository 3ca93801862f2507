//! The settings that count, each with where it comes from.

use crate::doctor::{Finding, Section};
use crate::settings::Effective;

pub(super) fn findings(effective: &[Effective]) -> impl Iterator<Item = Finding> {
    effective.iter().map(|Effective { name, value, origin }| Finding {
        origin: value.is_some().then(|| origin.clone()),
        ..Section::Settings.ok(name, value.as_deref().unwrap_or("-"))
    })
}
