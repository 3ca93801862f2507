//! A process of its own for each task: what one run leaves behind in its process reaches no other run, and no figure has the benchmark's
//! own memory in it.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::Result;
use crate::support::Folder;
use crate::support::command::{Command, Running};
use crate::task::{Measured, Task};

/// Reading a whole topic takes seconds.
const RUNS_WITHIN: Duration = Duration::from_secs(600);

/// Does the task to its end, in `folder`.
pub(crate) fn run(task: &Task, folder: &Folder) -> Result<Measured> {
    ask(task, folder)
}

/// The same for tasks that measure something else.
pub(crate) fn ask<T: DeserializeOwned>(task: &Task, folder: &Folder) -> Result<T> {
    let output = command(task, folder)?.within(RUNS_WITHIN).run();
    if !output.status.success() {
        return Err(format!("{task:?} failed ({}): {}", output.status, output.stderr).into());
    }
    Ok(serde_json::from_str(&output.stdout)?)
}

/// Starts the task; it ends when what is returned is dropped.
pub(crate) fn spawn(task: &Task, folder: &Folder) -> Result<Running> {
    Ok(command(task, folder)?.spawn())
}

fn command(task: &Task, folder: &Folder) -> Result<Command> {
    let program = std::env::current_exe()?;
    Ok(folder.program(&program).args(["--task", &serde_json::to_string(task)?]))
}
