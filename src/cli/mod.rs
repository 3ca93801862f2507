//! The commands: build the inputs, call one library function, render what it returns.

pub mod error;
