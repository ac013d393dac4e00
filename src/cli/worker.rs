//! `verify worker`: what runs inside the sandbox. Not for people.

use super::error::CliError;
use crate::{engine, gate::ExitStatus, stack::sandbox};

/// Runs the engine's half inside the sandbox, or one of the two gateways side by side.
pub fn worker(side_by_side: bool) -> Result<ExitStatus, CliError> {
    if side_by_side {
        sandbox::member().map_err(|error| CliError::environment(error.to_string()))?;
        return Ok(ExitStatus::Pass);
    }
    // The doubles answer while the steps wait for them: two threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::environment(format!("cannot start: {error}")))?;
    runtime
        .block_on(engine::worker::work())
        .map_err(|error| CliError::environment(error.to_string()))?;
    Ok(ExitStatus::Pass)
}
