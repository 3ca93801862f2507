//! What a dry run found: for people as a few aligned lines, for programs as an object.

use serde_json::{Value, json};

use crate::cli::escape::escape;
use crate::cli::numbers::grouped;
use crate::consumer::{Preview, WouldDeliver, WouldFail, WouldSkip};

/// Lines of each kind that are shown to people; programs get all.
const MOST: usize = 40;
/// What events beyond the bound are called.
const OTHERS: &str = "(other types)";

pub(super) fn item(preview: &Preview) -> Value {
    let deliveries = preview.deliveries.iter().map(
        |WouldDeliver { receiver, event_type, count, .. }| json!({ "receiver": receiver, "type": event_type, "count": count }),
    );
    let failures = preview
        .failures
        .iter()
        .map(|WouldFail { stage, code, count, .. }| json!({ "stage": stage.as_str(), "code": code.as_str(), "count": count }));
    let skipped = preview.skipped.iter().map(|WouldSkip { event_type, count, .. }| json!({ "type": event_type, "count": count }));
    json!({
        "deliveries": deliveries.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
    })
}

/// Fit for a screen.
pub(super) fn lines(preview: &Preview) -> Vec<String> {
    let named = |event_type: &Option<String>| event_type.as_deref().map_or(OTHERS.into(), |of| escape(of).into_owned());
    let deliveries = preview.deliveries.iter().map(|of| (format!("{} would get", of.receiver), of.count, named(&of.event_type)));
    let failures =
        preview.failures.iter().map(|of| ("would fail".to_owned(), of.count, format!("{}  {}", of.stage.as_str(), of.code)));
    let skipped = preview.skipped.iter().map(|of| ("would be skipped".to_owned(), of.count, named(&of.event_type)));
    let rows = [
        bounded(deliveries.collect(), "receivers would get"),
        bounded(failures.collect(), "would fail"),
        bounded(skipped.collect(), "would be skipped"),
    ];
    let rows: Vec<(String, String, String)> =
        rows.into_iter().flatten().map(|(what, count, of)| (what, grouped(count), of)).collect();
    let width = |cell: fn(&(String, String, String)) -> &str| rows.iter().map(|row| cell(row).len()).max().unwrap_or_default();
    let (first, second) = (width(|row| &row.0), width(|row| &row.1));
    rows.iter().map(|(what, count, of)| format!("  {what:first$}  {count:>second$}  {of}")).collect()
}

/// When there are too many: the most frequent ones first, and the rest of them together, which is called `rest`.
fn bounded(mut rows: Vec<(String, u64, String)>, rest: &str) -> Vec<(String, u64, String)> {
    if rows.len() > MOST {
        rows.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        let others = rows.split_off(MOST);
        let together = others.iter().map(|(_, count, _)| count).sum();
        rows.push((rest.to_owned(), together, format!("in {} further rows: -o json has them", others.len())));
    }
    rows
}

#[cfg(test)]
mod tests {
    use crate::consumer::Preview;
    use crate::consumer::samples::preview;

    use super::*;

    #[test]
    fn people_see_columns_and_programs_see_all() {
        let preview = preview();
        assert_eq!(
            lines(&preview),
            [
                "  audit would get   1,200  order\\n.placed",
                "  audit would get       7  (other types)",
                "  would fail            3  decode  invalid_json",
                "  would be skipped     12  user.created",
            ]
        );
        assert_eq!(
            item(&preview),
            json!({
                "deliveries": [
                    { "receiver": "audit", "type": "order\n.placed", "count": 1_200 },
                    { "receiver": "audit", "type": null, "count": 7 },
                ],
                "failures": [{ "stage": "decode", "code": "invalid_json", "count": 3 }],
                "skipped": [{ "type": "user.created", "count": 12 }],
            })
        );
    }

    #[test]
    fn a_topic_that_makes_up_types_fills_no_screen() {
        let mut many = preview();
        let one = many.skipped[0].clone();
        many.skipped = (0..1_000).map(|n| WouldSkip { event_type: Some(format!("type-{n}")), count: n, ..one.clone() }).collect();
        let shown = lines(&many);
        assert_eq!(shown.len(), 3 + MOST + 1);
        assert!(
            shown[3].ends_with("999  type-999") && shown[3 + MOST].ends_with("in 960 further rows: -o json has them"),
            "{shown:#?}"
        );
        assert_eq!(item(&many)["skipped"].as_array().map(Vec::len), Some(1_000));
        assert_eq!(lines(&Preview::default()), Vec::<String>::new());
    }
}
