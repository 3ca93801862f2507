//! The client of an endpoint: whom it trusts, who it is, and what is said when no whole answer comes.
//!
//! For receivers and for schema registries. What either of them asks, and what an answer means to it, is its own.

mod authorization;
mod connection;
#[cfg(test)]
pub(crate) mod doubles;
mod identity;
mod said;
mod silence;

pub(crate) use authorization::{Authorization, Sent};
pub(crate) use connection::{Tls, client, invalid};
pub(crate) use identity::without_user;
pub(crate) use said::{QUOTED, plain_place, reason, said};
pub(crate) use silence::{Silence, place, silence};

pub use identity::{ClientCertificate, Credentials, Secret};

/// What the settings of an endpoint are called: what is wrong with one names it.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) ca_file: &'static str,
    pub(crate) certificate_file: &'static str,
    pub(crate) key_file: &'static str,
    pub(crate) bearer_token: &'static str,
    pub(crate) basic_auth: &'static str,
    /// Behind them, where they alone do not say whose they are.
    pub(crate) whose: &'static str,
}
