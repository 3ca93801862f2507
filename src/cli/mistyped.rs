//! Names in filters that the journal has never seen: most likely mistyped. Told when nothing fits, because nothing else would say so.

use crate::cli::error::CommandError;
use crate::journal::{Named, Reader};
use crate::settings::did_you_mean;

/// Longer lists help nobody.
const LISTED: usize = 8;

/// Warns of each name that is not there, with the nearest one or all that there are.
pub(super) fn warn(reader: &Reader, named: &[(Named, &[String])]) -> Result<(), CommandError> {
    for (kind, names) in named.iter().filter(|(_, names)| !names.is_empty()) {
        let there = reader.all(*kind)?;
        for name in names.iter().filter(|name| !there.contains(name)) {
            tracing::warn!("the journal knows no {} `{name}`{}", word(*kind), instead(name, &there));
        }
    }
    Ok(())
}

fn word(kind: Named) -> &'static str {
    match kind {
        Named::Topic => "topic",
        Named::Group => "group",
        Named::Receiver => "receiver",
        Named::Code => "code",
    }
}

fn instead(name: &str, there: &[String]) -> String {
    let meant = did_you_mean(name, there.iter().map(String::as_str));
    match there {
        _ if !meant.is_empty() => meant,
        [] => ": it has none".to_owned(),
        few if few.len() <= LISTED => format!(": it has {}", few.join(", ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_has_a_nearest_one_or_a_few_others() {
        let there = ["orders", "payments"].map(str::to_owned);
        assert_eq!(instead("ordrs", &there), "; did you mean `orders`?");
        assert_eq!(instead("invoices", &there), ": it has orders, payments");
        assert_eq!(instead("orders", &[]), ": it has none");
        let many: Vec<_> = (0..LISTED + 1).map(|number| format!("topic-{number}")).collect();
        assert_eq!(instead("orders", &many), "");
    }
}
