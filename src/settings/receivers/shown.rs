//! What people are shown of a target, be it one or not: secrets are taken out, also of what was mistyped.

use crate::receiver::{FORMS, Target, TargetError};
use crate::secrets::{masked, masked_command};
use crate::settings::nearest;

/// The target as it was written, for people.
pub(super) fn definition(target: &Target, text: &str) -> String {
    let command = match target {
        Target::Exec(words) => masked_command(words).map(|command| format!("exec:{command}")),
        Target::Run(words) => masked_command(words).map(|command| format!("run:{command}")),
        _ => None,
    };
    command.unwrap_or_else(|| masked(text))
}

/// Why a text is no target.
pub(super) fn refusal(error: &TargetError) -> String {
    match error {
        TargetError::Unknown(text) => {
            let scheme = text.split_once(':').map_or(text.as_str(), |(scheme, _)| scheme);
            match nearest(scheme, FORMS.iter().filter_map(|form| form.split_once(':')).map(|(scheme, _)| scheme)).and_then(form_of)
            {
                Some(form) => format!("`{}` is no target; did you mean {form}?", words(text)),
                None => TargetError::Unknown(words(text)).to_string(),
            }
        }
        TargetError::Url { target, why } => TargetError::Url { target: url(target), why: why.clone() }.to_string(),
        other => masked(&other.to_string()),
    }
}

/// What is no URL. A password in it that is not encoded may have looked like a host, a port or a path.
fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once(':') else { return text.to_owned() };
    let slashes = if rest.starts_with("//") { "//" } else { "" };
    let place = rest.split('?').next().unwrap_or_default();
    match place.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}:{slashes}***@{place}"),
        None => format!("{scheme}:{place}"),
    }
}

/// Why a text is not `NAME=TARGET`.
pub(super) fn not_named(text: &str) -> String {
    match Target::parse(text) {
        Ok(target) => {
            let shown = definition(&target, text);
            format!("it has no name: expected NAME=TARGET, for example {}={shown}", target.scheme())
        }
        Err(_) => "expected NAME=TARGET, for example audit=file:audit.jsonl".to_owned(),
    }
}

/// A text that may be a command.
pub(super) fn words(text: &str) -> String {
    shell_words::split(text).ok().and_then(|words| masked_command(&words)).unwrap_or_else(|| masked(text))
}

fn form_of(scheme: &str) -> Option<&'static str> {
    FORMS.into_iter().find(|form| form.split_once(':').is_some_and(|(of, _)| of == scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        refusal(&Target::parse(text).unwrap_err())
    }

    #[test]
    fn a_mistyped_kind_has_a_nearest_one() {
        for (text, expected) in [
            ("htp://shop/x", "`htp://shop/x` is no target; did you mean http://HOST:PORT/PATH?"),
            ("exce:cat", "`exce:cat` is no target; did you mean exec:PROGRAM ARGS…?"),
            ("stdout", "`stdout` is no target; did you mean stdout:?"),
        ] {
            assert_eq!(refused(text), expected);
        }
        assert!(refused("smtp:x").starts_with("`smtp:x` is no target: expected exec:PROGRAM ARGS…, run:"));
    }

    #[test]
    fn what_is_wrong_is_shown_without_secrets() {
        for text in [
            "python3 worker.py --password s3cret",
            "exce:worker --password s3cret",
            "exec:worker --password 's3cret",
            "htp://me:s3cret@shop/x",
            "http://me:s3/s3cret@shop/x",
            "http://me:s3cret@shop:port/x",
            "http:me:s3cret@shop/x?token=s3cret",
        ] {
            assert!(!refused(text).contains("s3cret"), "{}", refused(text));
        }
        for text in ["exec:worker --password s3cret", "http://me:s3cret@shop/x?token=s3cret", "worker --password s3cret"] {
            assert!(!not_named(text).contains("s3cret"), "{}", not_named(text));
        }
        assert_eq!(not_named("discard:"), "it has no name: expected NAME=TARGET, for example discard=discard:");
    }
}
