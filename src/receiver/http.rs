//! `http:` and `https:` post each event as a CloudEvent.

mod endpoint;

pub use endpoint::{ClientCertificate, Credentials, Encoding, Endpoint, Secret};
