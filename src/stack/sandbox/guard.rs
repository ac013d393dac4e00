//! The process between a run and its sandbox. bubblewrap ends a sandbox when its own parent
//! dies, but not in the first moments, while it is still being made: then its first process may
//! not have asked for that yet. The guard outlives the run for just as long as it takes to end
//! all of it. Its session and process group are its own and the whole sandbox's, so that neither
//! a terminal nor a moment lets anything of it escape.

use std::{ffi::OsString, io};

use rustix::process::{
    Signal, getppid, kill_current_process_group, set_parent_process_death_signal, setsid,
};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

/// Runs `command` (bubblewrap) in a session and a process group of the guard's own, and ends the
/// whole group when the run is gone. Returns the command's exit code.
///
/// # Errors
/// A command that cannot be started, signals that cannot be heard.
pub async fn guard(command: &[OsString]) -> io::Result<u8> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    setsid()?;
    // Else its keys could be read from within, as by every program that a person starts. Where that
    // is not possible, there are none: the system has no keyrings, or denies them to everybody here.
    let _ = keyutils::Keyring::join_anonymous_session();
    let mut ended = signal(SignalKind::terminate())?;
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid() != parent {
        // The run was gone before the kernel was asked to tell.
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let mut child = Command::new(program).args(args).spawn()?;
    let code = tokio::select! {
        status = child.wait() => status?.code(),
        _ = ended.recv() => None,
    };
    match code {
        Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
        None => {
            // bubblewrap did not end by itself: what is left of the sandbox goes, and the guard.
            let _ = kill_current_process_group(Signal::KILL);
            Ok(1)
        }
    }
}
