//! What was selected and is not delivered: for people with what helps, for programs as items.

use serde::Serialize;

use crate::cli::cut::cut_end;
use crate::cli::escape::escape;
use crate::cli::numbers::grouped;
use crate::cli::screen::Screen;
use crate::replay::{SkipReason, Skipped};

/// As much of a definition as a screen shows, in columns.
const DEFINITION: usize = 60;

#[derive(Serialize)]
pub(super) struct SkippedJson<'s> {
    reason: &'static str,
    count: u64,
    receiver: Option<&'s str>,
    definition: Option<&'s str>,
}

pub(super) fn items(skipped: &[Skipped]) -> Vec<SkippedJson<'_>> {
    skipped.iter().map(SkippedJson::of).collect()
}

impl<'s> SkippedJson<'s> {
    fn of(skipped: &'s Skipped) -> Self {
        let Skipped { reason, count, receiver, definition } = skipped;
        Self { reason: reason.as_str(), count: *count, receiver: receiver.as_deref(), definition: definition.as_deref() }
    }
}

/// Each reason on a line of its own, fit for a screen.
pub(super) fn lines(skipped: &[Skipped], screen: Screen) -> Vec<String> {
    if skipped.is_empty() {
        return vec![grouped(0)];
    }
    let widest = skipped.iter().map(|of| grouped(of.count).len()).max().unwrap_or_default();
    let inner = screen.indented(widest + 2);
    let line = |of: &Skipped| {
        let mut count = grouped(of.count);
        let told = inner.join(parts(of, screen));
        let mut lines = Vec::with_capacity(told.len());
        for part in told {
            lines.push(format!("{count:>widest$}  {part}"));
            count.clear();
        }
        lines
    };
    skipped.iter().flat_map(line).collect()
}

fn parts(skipped: &Skipped, screen: Screen) -> Vec<String> {
    let Skipped { reason, receiver, definition, .. } = skipped;
    let named = receiver.as_deref().map_or_else(String::new, |name| format!(": {}", escape(name)));
    let mut parts = vec![format!("{}{named}", reason.as_str())];
    // Whoever reads a pipe gets all of it.
    let most = if screen.is_terminal() { DEFINITION } else { usize::MAX };
    parts.extend(definition.as_deref().map(|was| format!("it was {}", cut_end(&escape(was), most))));
    let receiver = receiver.as_deref().unwrap_or("OLD");
    parts.extend(match reason {
        SkipReason::NotConfigured => {
            Some(format!("--receiver {0}=TARGET, or --map {0}=NEW", escape(&shell_words::quote(receiver))))
        }
        SkipReason::ConsumerWill => Some("all the same: --include-uncommitted".to_owned()),
        SkipReason::ReceiverDown | SkipReason::RegistryAway => Some("once it is back: the same command again".to_owned()),
        SkipReason::SkippedByRule => Some("its entry stays as it is".to_owned()),
        SkipReason::GoneFromTopic => Some("what the journal has of it: --source auto".to_owned()),
        SkipReason::AlreadyDelivered => Some("once more: --to all, or --to NAME".to_owned()),
        SkipReason::PayloadDamaged => Some("from the topic, if it has it still: --source topic".to_owned()),
        SkipReason::NotRouted
        | SkipReason::Unrecognized
        | SkipReason::HeldByAnother
        | SkipReason::AnotherRunDelivers
        | SkipReason::PayloadGone => None,
    });
    parts
}
