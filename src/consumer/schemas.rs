//! What a run knows of schemas before it begins: the registry that it may ask, and what the journal keeps of it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::framing::SchemaId;
use crate::codec::registry::{Registry, RegistrySettings};
use crate::codec::schema::SchemaText;
use crate::consumer::BeginError;
use crate::engine::schemas::Schemas;
use crate::journal::ReadError;

/// Connects to nobody: what is wrong with the settings is said before anything is begun.
///
/// # Errors
/// When the settings name files that cannot be used.
pub(crate) fn registry(settings: Option<&RegistrySettings>) -> Result<Option<Registry>, BeginError> {
    settings.map(Registry::new).transpose().map_err(BeginError::Registry)
}

/// `kept`: what the journal keeps of the registry of these names, of all when there is none.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) fn known(
    registry: Option<Registry>,
    kept: impl FnOnce(&[&str]) -> Result<HashMap<SchemaId, SchemaText>, ReadError>,
) -> Result<Schemas, ReadError> {
    let kept = kept(&registry.as_ref().map(Registry::names).unwrap_or_default())?;
    Ok(Schemas { source: registry.map(|registry| Arc::new(registry) as _), kept })
}
