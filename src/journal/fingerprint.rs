//! Fingerprints: which failures are of one kind.
//!
//! Version 1 is a hash over stage, receiver, code and the message with all that varies from event to event taken out: quoted parts,
//! uuids, hex, digits. Pure, and the same on every machine, so that journals can be compared and merged.

use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest, Sha256};

use crate::failure::{self, Stage};

/// A kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    pub hash: [u8; 16],
    /// The message with `‹…›` in place of what varies.
    pub template: String,
}

const VERSION: &[u8] = b"1";
/// The part of a message that counts, in bytes: long messages differ in their tails.
const LONGEST: usize = 400;

/// What varies, the longest forms first: earlier alternatives win where two match at one place.
static VARIES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?P<text>"[^"]*" | '[^']*' | `[^`]*` | “[^”]*” | ‘[^’]*’ | «[^»]*»)
      | (?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)
      | (?P<hex>\b0[xX][0-9a-fA-F]+\b | \b[0-9a-fA-F]*[0-9][0-9a-fA-F]*[a-fA-F][0-9a-fA-F]*\b | \b[0-9a-fA-F]{12,}\b)
      | (?P<number>[0-9]+(?:[.,:_][0-9]+)*)
    "#,
    )
    .ok()
});

impl Fingerprint {
    /// The kind of a failure.
    #[must_use]
    pub fn of(stage: Stage, receiver: Option<&str>, code: &str, message: &str) -> Self {
        let template = template(message);
        let mut hash = Sha256::new();
        for part in
            [VERSION, stage.as_str().as_bytes(), receiver.unwrap_or_default().as_bytes(), code.as_bytes(), template.as_bytes()]
        {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut first = [0; 16];
        first.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self { hash: first, template }
    }
}

/// The message without what varies.
fn template(message: &str) -> String {
    let message = failure::kept(message, LONGEST);
    let Some(varies) = VARIES.as_ref() else { return message.to_owned() };
    let replaced = varies.replace_all(message, |found: &regex::Captures<'_>| {
        let is = |name: &str| found.name(name).is_some();
        if is("text") {
            "‹text›"
        } else if is("uuid") {
            "‹id›"
        } else if is("hex") {
            "‹hex›"
        } else {
            "‹n›"
        }
    });
    replaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(message: &str) -> Fingerprint {
        Fingerprint::of(Stage::Receive, Some("billing"), "rejected", message)
    }

    #[test]
    fn what_varies_is_taken_out() {
        let rows = [
            ("order 1234 has no total", "order ‹n› has no total"),
            ("order \"A-1\" is unknown", "order ‹text› is unknown"),
            ("event 0f5c2b7a-90f1-4ab1-8c11-5a1fd1c2a111 is bad", "event ‹id› is bad"),
            ("at 0xDEADBEEF, or 9f2c41d0", "at ‹hex›, or ‹hex›"),
            ("took 12.5 s at 10:20:30", "took ‹n› s at ‹n›"),
            ("  spaces\n and lines ", "spaces and lines"),
            ("dead beef added", "dead beef added"),
        ];
        for (message, expected) in rows {
            assert_eq!(template(message), expected);
        }
    }

    #[test]
    fn the_hash_is_fixed() {
        let hex: String = of("order 7 has no total").hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0d0d2b158445d1b0ff32e0274d505f23", "version 1 must never change: journals on disk hold it");
    }

    #[test]
    fn stage_receiver_and_code_tell_kinds_apart() {
        let all = [
            Fingerprint::of(Stage::Receive, Some("a"), "x", "m"),
            Fingerprint::of(Stage::Receive, Some("b"), "x", "m"),
            Fingerprint::of(Stage::Receive, Some("a"), "y", "m"),
            Fingerprint::of(Stage::Decode, None, "x", "m"),
            Fingerprint::of(Stage::Receive, Some("a"), "x", "n"),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().map(|one| one.hash).collect();
        assert_eq!(distinct.len(), all.len());
    }

    proptest! {
        #[test]
        fn digits_and_uuids_do_not_matter(one in any::<u64>(), other in any::<u64>(), id in any::<[u8; 16]>()) {
            let message = |number: u64| format!("order {number} of {} failed after {number} ms", uuid::Uuid::from_bytes(id));
            prop_assert_eq!(of(&message(one)), of(&message(other)));
        }

        #[test]
        fn any_message_has_one(message in "\\PC*") {
            prop_assert_eq!(of(&message), of(&message));
            prop_assert!(of(&message).template.len() <= LONGEST * 9);
        }

        #[test]
        fn templates_are_fixed_points(message in "[a-z ]{0,40}[0-9]{0,9}[a-z ]{0,40}") {
            let once = template(&message);
            prop_assert_eq!(template(&once), once);
        }
    }
}
