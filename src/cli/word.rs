//! Flags whose values are words of a type.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Reads one of `all` by its name; the help and the errors list the names.
pub(super) fn one_of<T, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name))
        .try_map(move |word| all.into_iter().find(|one| name(*one) == word).ok_or("not one of these words"))
}
