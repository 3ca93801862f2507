//! From the receivers of the settings to those of a run.

use std::io;

use crate::journal::{self, ReceiverDefinition};
use crate::receiver::{self, Binding, MadeOf, OpenReceiverError, Specification, Target};
use crate::settings;

/// Finds out what can be known without opening any.
pub(super) fn check(receivers: &[Specification], journal: &journal::Place) -> Result<(), OpenReceiverError> {
    let search = settings::environment("PATH");
    let check = |made_of: &MadeOf| match made_of {
        MadeOf::Target(Target::File(path)) if journal.owns(path) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is the journal's own file"))
        }
        MadeOf::Target(Target::Exec(command) | Target::Run(command)) => {
            command.first().map_or(Ok(()), |program| receiver::check_program(program, search.as_deref()))
        }
        MadeOf::Target(_) | MadeOf::Function(_) => Ok(()),
    };
    for Specification { name, definition, made_of, .. } in receivers {
        let refused = |source| OpenReceiverError { name: name.clone(), definition: definition.clone(), source };
        check(made_of).map_err(refused)?;
    }
    Ok(())
}

pub(super) fn open(receivers: &[Specification]) -> Result<Vec<Binding>, OpenReceiverError> {
    receivers.iter().cloned().map(Specification::open).collect()
}

/// What the journal keeps of them, for people.
pub(super) fn definitions(bindings: &[Binding]) -> Vec<ReceiverDefinition> {
    let definition = |binding: &Binding| ReceiverDefinition {
        name: binding.name.clone(),
        definition: serde_json::json!({
            "target": binding.definition,
            "types": binding.types,
            "timeout_ms": u64::try_from(binding.timeout.as_millis()).unwrap_or(u64::MAX),
            "retries": binding.retries,
        }),
    };
    bindings.iter().map(definition).collect()
}
