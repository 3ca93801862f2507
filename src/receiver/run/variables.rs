//! What a program of `run:` finds in its environment: the delivery, for programs that do not read JSON.
//!
//! The environment takes no NUL and no text without end, and events may have both: a NUL is replaced, and what is too long is left out.
//! The JSON line on stdin has all of it as it is.

use std::borrow::Cow;

use tokio::process::Command;

use crate::receiver::{Delivery, Mode, line};

/// The longest value, in bytes. Linux takes 128 KiB for one of them.
const LONGEST: usize = 32 * 1024;

/// Their names, in the order in which they are set.
pub const VARIABLES: [&str; 13] = [
    "REDRIVE_DELIVERY_ID",
    "REDRIVE_DELIVERY_ATTEMPT",
    "REDRIVE_DELIVERY_MODE",
    "REDRIVE_DELIVERY_LATE",
    "REDRIVE_DELIVERY_REPLAYID",
    "REDRIVE_RECORD_TOPIC",
    "REDRIVE_RECORD_PARTITION",
    "REDRIVE_RECORD_OFFSET",
    "REDRIVE_RECORD_TIMESTAMP",
    "REDRIVE_EVENT_ID",
    "REDRIVE_EVENT_SOURCE",
    "REDRIVE_EVENT_TYPE",
    "REDRIVE_EVENT_TIME",
];

/// Sets each variable, or takes it away: what this process found in its own environment is of no delivery of ours.
pub(super) fn set(command: &mut Command, delivery: &Delivery) {
    for (name, value) in VARIABLES.into_iter().zip(values(delivery)) {
        match value.filter(|value| value.len() <= LONGEST) {
            Some(value) => command.env(name, value.replace('\0', "\u{fffd}")),
            None => command.env_remove(name),
        };
    }
}

fn values(delivery: &Delivery) -> [Option<String>; VARIABLES.len()] {
    let (event, record) = (&delivery.event, delivery.event.record());
    let (mode, replay) = match delivery.mode {
        Mode::Live => ("live", None),
        Mode::Replay(id) => ("replay", Some(id.to_string())),
    };
    [
        Some(line::delivery_id(delivery)),
        Some(delivery.attempt.to_string()),
        Some(mode.to_owned()),
        Some(record.is_late().to_string()),
        replay,
        Some(record.topic().to_owned()),
        Some(record.partition().number.to_string()),
        Some(record.offset().to_string()),
        record.timestamp().rfc_3339(),
        Some(event.id().into_owned()),
        Some(event.source().into_owned()),
        Some(event.event_type().into_owned()),
        event.time().map(Cow::into_owned),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::receiver::samples::{delivery, delivery_from};

    fn environment(delivery: &Delivery) -> BTreeMap<String, Option<String>> {
        let mut command = Command::new("true");
        set(&mut command, delivery);
        let text = |of: &std::ffi::OsStr| of.to_str().unwrap().to_owned();
        command.as_std().get_envs().map(|(name, value)| (text(name), value.map(text))).collect()
    }

    #[test]
    fn a_delivery_is_in_the_environment() {
        let live = delivery(7, 0, &json!({}));
        let found = environment(&Delivery { attempt: 3, mode: Mode::Replay(5), ..live.clone() });
        let expected = [
            ("DELIVERY_ATTEMPT", "3"),
            ("DELIVERY_ID", "shop/orders@1a2bcfc4/0/7/billing"),
            ("DELIVERY_LATE", "false"),
            ("DELIVERY_MODE", "replay"),
            ("DELIVERY_REPLAYID", "5"),
            ("EVENT_ID", "orders/0/7"),
            ("EVENT_SOURCE", "kafka:cluster/orders"),
            ("EVENT_TIME", "2023-11-14T22:13:20.000Z"),
            ("EVENT_TYPE", "orders"),
            ("RECORD_OFFSET", "7"),
            ("RECORD_PARTITION", "0"),
            ("RECORD_TIMESTAMP", "2023-11-14T22:13:20.000Z"),
            ("RECORD_TOPIC", "orders"),
        ];
        let expected = expected.map(|(name, value)| (format!("REDRIVE_{name}"), Some(value.to_owned())));
        assert_eq!(found, BTreeMap::from(expected));
        assert_eq!(environment(&live)["REDRIVE_DELIVERY_REPLAYID"], None, "nor that of whoever started us");
    }

    #[test]
    fn what_no_environment_takes_is_replaced_or_left_out() {
        assert_eq!(environment(&delivery_from("a\0b", 0, 0, &json!({})))["REDRIVE_EVENT_TYPE"].as_deref(), Some("a\u{fffd}b"));
        let long = delivery_from(&"x".repeat(LONGEST + 1), 0, 0, &json!({}));
        assert_eq!(environment(&long)["REDRIVE_EVENT_TYPE"], None);
    }
}
