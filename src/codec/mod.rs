//! The forms of data: JSON, read without building it, and bytes inside of it.

pub mod bytes;
pub mod json;
