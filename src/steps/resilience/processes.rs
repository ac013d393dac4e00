//! The gateway's processes, with those that a reload has retired told apart.

use std::path::PathBuf;

use crate::{
    stack::{Instance, ServiceState, StackError},
    steps::prelude::*,
};

/// What runs of the gateway.
#[derive(Debug)]
pub(super) struct Processes {
    /// The master, and the workers that accept connections.
    pub serving: ServiceState,
    /// Workers that shut down: they accept nobody any more, and end when they have answered
    /// whom they have.
    pub retired: Vec<Instance>,
}

impl Processes {
    /// Lists them.
    pub async fn of(run: &Run) -> Result<Self, StackError> {
        let ask = async || {
            let state = run.stack.state(Service::Gateway).await?;
            Ok::<_, StackError>(Self::told_apart(run, state).await)
        };
        // One that has ended since is not listed any more.
        poll(run.deadline(), ask, Result::is_ok).await?
    }

    async fn told_apart(run: &Run, state: ServiceState) -> Result<Self, StackError> {
        let mut retired = Vec::new();
        for worker in &state.workers {
            if shuts_down(run, worker).await? {
                retired.push(*worker);
            }
        }
        let serving = without(state, &retired);
        Ok(Self { serving, retired })
    }
}

/// A state without some of its workers.
pub(super) fn without(mut state: ServiceState, workers: &[Instance]) -> ServiceState {
    state.workers.retain(|worker| !workers.contains(worker));
    state
}

/// nginx writes what a process does into its title.
async fn shuts_down(run: &Run, worker: &Instance) -> Result<bool, StackError> {
    let path = PathBuf::from(format!("/proc/{}/cmdline", worker.pid));
    let title = run.stack.read_file(Service::Gateway, &path).await?;
    if title.is_empty() {
        return Err(StackError::Service {
            service: Service::Gateway,
            what: format!("process {} has no title", worker.pid),
        });
    }
    Ok(String::from_utf8_lossy(&title).contains("shutting down"))
}
