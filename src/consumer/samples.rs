//! What a dry run may find, for tests of whoever shows it.

use crate::consumer::{Preview, WouldDeliver, WouldFail, WouldSkip};
use crate::failure::{Code, Stage};

pub(crate) fn preview() -> Preview {
    let delivery = |event_type: Option<&str>, count| WouldDeliver {
        receiver: "audit".to_owned(),
        event_type: event_type.map(str::to_owned),
        count,
    };
    Preview {
        deliveries: vec![delivery(Some("order\n.placed"), 1_200), delivery(None, 7)],
        failures: vec![WouldFail { stage: Stage::Decode, code: Code::known("invalid_json"), count: 3 }],
        skipped: vec![WouldSkip { event_type: Some("user.created".to_owned()), count: 12 }],
    }
}
