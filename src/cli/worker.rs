//! `verify worker`: the processes that a run starts of its own program. Not for people, so it
//! is no part of the command line that they see.

use std::{ffi::OsString, io, net::Ipv4Addr, path::Path};

use super::{error::CliError, process::runtime};
use crate::{
    engine,
    gate::ExitStatus,
    stack::{docker::labels, measure::Client, sandbox},
};

/// What follows `verify worker`, where that is what this process was started as.
pub fn asked() -> Option<Vec<OsString>> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == "worker").then(|| args.collect())
}

/// Runs the engine's half inside the sandbox, the guard outside of it, or one of the two
/// gateways that are measured side by side.
pub fn worker(args: &[OsString]) -> Result<ExitStatus, CliError> {
    let broken = |error: String| CliError::environment(error);
    match args.first().and_then(|arg| arg.to_str()) {
        Some("--guard") => {
            let count = args
                .get(1)
                .and_then(|count| count.to_str())
                .unwrap_or_default();
            sandbox::close_inherited(count).map_err(|error| {
                broken(format!("inherited descriptors cannot be closed: {error}"))
            })?;
            if let Some(group) = args.get(2).filter(|group| !group.is_empty())
                && let Err(error) = sandbox::enter(Path::new(group))
            {
                tracing::warn!(%error, "the run is not bounded by its control group");
            }
            let command = args.get(3..).unwrap_or_default();
            let code = runtime()?
                .block_on(sandbox::guard(command))
                .map_err(|error| broken(format!("the sandbox cannot be started: {error}")))?;
            if code == 0 {
                Ok(ExitStatus::Pass)
            } else {
                Err(broken(format!("the sandbox ended with exit code {code}")))
            }
        }
        Some("--become") => {
            let user = args
                .get(1)
                .and_then(|user| user.to_str())
                .unwrap_or_default();
            let error = sandbox::become_user(user, args.get(2..).unwrap_or_default());
            Err(broken(format!("cannot become user {user}: {error}")))
        }
        Some("--answers") => {
            let word = |at: usize| args.get(at).and_then(|word| word.to_str());
            answers(word(1).unwrap_or_default(), word(2).unwrap_or_default())
                .map_err(|error| broken(error.to_string()))?;
            Ok(ExitStatus::Pass)
        }
        Some("--watchdog") => {
            let run = args.get(1).and_then(|run| run.to_str()).unwrap_or_default();
            runtime()?
                .block_on(labels::watch(run))
                .map_err(|error| broken(error.to_string()))?;
            Ok(ExitStatus::Pass)
        }
        Some("--side-by-side") => {
            sandbox::member().map_err(|error| broken(error.to_string()))?;
            Ok(ExitStatus::Pass)
        }
        inside => {
            if inside == Some("--inside") {
                sandbox::settle_in().map_err(|error| {
                    broken(format!("the sandbox cannot be settled in: {error}"))
                })?;
            }
            // The doubles answer while the steps wait for them: two threads.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|error| broken(format!("cannot start: {error}")))?;
            runtime
                .block_on(engine::worker::work())
                .map_err(|error| broken(error.to_string()))?;
            Ok(ExitStatus::Pass)
        }
    }
}

/// Whether something answers 200 on a port of this machine: the health check of the doubles'
/// containers, which hold no other program.
fn answers(port: &str, path: &str) -> io::Result<()> {
    let port: u16 = port.parse().map_err(io::Error::other)?;
    Client::connect((Ipv4Addr::LOCALHOST, port).into())?
        .block(path, 1)
        .map(drop)
}
