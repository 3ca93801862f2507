//! Servers and certificates for tests of clients.

pub(crate) mod certificates;
pub(crate) mod server;
