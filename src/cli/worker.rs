//! `verify worker`: the processes that a run starts of its own program. Not for people, so it
//! is no part of the command line that they see.

use std::{ffi::OsString, fmt, io, net::Ipv4Addr, path::Path};

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
    let word = |at: usize| (args.get(at).and_then(|word| word.to_str())).unwrap_or_default();
    let after = |at: usize| args.get(at..).unwrap_or_default();
    match word(0) {
        "--guard" => guard(word(1), args.get(2), after(3))?,
        "--become" => {
            let (user, error) = (word(1), sandbox::become_user(word(1), after(2)));
            return Err(broken("cannot become user ")(format!("{user}: {error}")));
        }
        "--answers" => answers(word(1), word(2)).map_err(broken(""))?,
        "--watchdog" => runtime()?
            .block_on(labels::watch(word(1)))
            .map_err(broken(""))?,
        "--side-by-side" => sandbox::member().map_err(broken(""))?,
        inside => {
            if inside == "--inside" {
                sandbox::settle_in().map_err(broken("the sandbox cannot be settled in: "))?;
            }
            // The doubles answer while the steps wait for them: two threads.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(broken("cannot start: "))?;
            runtime
                .block_on(engine::worker::work())
                .map_err(broken(""))?;
        }
    }
    Ok(ExitStatus::Pass)
}

/// Starts a sandbox without a descriptor of this process, in a control group where there is one.
fn guard(count: &str, group: Option<&OsString>, command: &[OsString]) -> Result<(), CliError> {
    sandbox::close_inherited(count).map_err(broken("inherited descriptors cannot be closed: "))?;
    if let Some(group) = group.filter(|group| !group.is_empty())
        && let Err(error) = sandbox::enter(Path::new(group))
    {
        tracing::warn!(%error, "the run is not bounded by its control group");
    }
    let code = runtime()?
        .block_on(sandbox::guard(command))
        .map_err(broken("the sandbox cannot be started: "))?;
    match code {
        0 => Ok(()),
        code => Err(broken("the sandbox ended with exit code ")(code)),
    }
}

fn broken<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> CliError {
    move |error| CliError::environment(format!("{what}{error}"))
}

/// Whether something answers 200 on a port of this machine: the health check of the doubles'
/// containers, which hold no other program.
fn answers(port: &str, path: &str) -> io::Result<()> {
    let port: u16 = port.parse().map_err(io::Error::other)?;
    Client::connect((Ipv4Addr::LOCALHOST, port).into())?
        .block(path, 1)
        .map(drop)
}
