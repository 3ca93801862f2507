//! All integration tests in one binary, so that what they share is compiled and started once.
#![cfg(test)]

mod architecture;
