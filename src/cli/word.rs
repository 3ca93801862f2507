//! Flags whose values are words of a type, or whole numbers.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Reads one of `all` by its name; the help and the errors list the names.
pub(super) fn one_of<T, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name))
        .try_map(move |word| all.into_iter().find(|one| name(*one) == word).ok_or("not one of these words"))
}

/// Reads a whole number from `least` to `most`.
pub(super) fn number<T>(least: i64, most: i64) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<i64> + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match most {
            i64::MAX => format!("expected a whole number from {least}"),
            _ => format!("expected a whole number from {least} to {most}"),
        })
    }
}
