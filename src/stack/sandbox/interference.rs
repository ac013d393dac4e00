//! What befell the programs of a sandbox that is not the gateway's own doing: somebody killed
//! or stopped one, or the disk is full.

use std::{os::unix::process::ExitStatusExt as _, path::Path, process::ExitStatus};

use rustix::process::Signal;

use super::{layout, process::Process, procfs};
use crate::stack::{Service, StackError};

/// Where the programs of the sandbox write but the gateway.
const PLACE: &str = "/run";

const PORTS: [u16; 2] = [80, 8080];

/// Signals that a program does not die of by its own fault.
const FROM_OUTSIDE: [Signal; 5] = [
    Signal::KILL,
    Signal::TERM,
    Signal::INT,
    Signal::QUIT,
    Signal::HUP,
];

/// Where nothing can be written any more, if anywhere.
pub fn full_disk() -> Option<String> {
    rustix::fs::statvfs(Path::new(PLACE))
        .is_ok_and(|held| held.f_blocks > 0 && held.f_bavail == 0)
        .then(|| format!("no room is left on the disk at {PLACE}"))
}

/// Between two gateways nobody listens on their ports: what does is not the candidate's, which
/// could not bind them.
pub fn ports_free() -> Result<(), StackError> {
    let sockets = procfs::sockets(&[]).map_err(|source| StackError::Io {
        what: "reading the socket table".to_owned(),
        service: Service::Gateway,
        source,
    })?;
    let taken = sockets
        .iter()
        .find(|socket| socket.state == "LISTEN" && PORTS.contains(&socket.local.port()));
    taken.map_or(Ok(()), |socket| {
        Err(StackError::Service {
            service: Service::Gateway,
            what: format!(
                "it was stopped, and something else listens on port {}",
                socket.local.port()
            ),
        })
    })
}

/// What somebody did to a program, if anything. `answered`: it came up and answered, so it did
/// not end by its own configuration.
pub async fn with_program(
    service: Service,
    process: &mut Process,
    answered: bool,
) -> Option<String> {
    let ended = process.ended_by_now().await;
    if process.was_never_started().await {
        return Some(format!(
            "{service}: bubblewrap could not confine it: {}",
            layout::last_words(service)
        ));
    }
    if let Some(status) = ended {
        return ended_from_outside(status, answered).map(|how| format!("{service}: {how}"));
    }
    let pid = process.pid();
    // Children that cannot be listed are told by whoever needs them.
    let children = procfs::children(pid).unwrap_or_default();
    std::iter::once(pid)
        .chain(children.iter().map(|child| child.pid))
        .find(|pid| procfs::is_stopped(*pid))
        .map(|pid| format!("{service}: process {pid} was stopped by somebody (SIGSTOP)"))
}

/// How a program was ended by somebody else, if it was. nginx ends with 0 only when it is told to.
fn ended_from_outside(status: ExitStatus, answered: bool) -> Option<String> {
    // bubblewrap, whose status it is, ends as a shell does: with 128 more than the signal's number.
    let signal = status
        .signal()
        .or_else(|| status.code()?.checked_sub(128).filter(|number| *number > 0));
    match (signal, status.code()) {
        (Some(signal), _) => FROM_OUTSIDE
            .iter()
            .any(|known| known.as_raw() == signal)
            .then(|| format!("it was killed by somebody (signal {signal})")),
        (None, Some(0)) if answered => {
            Some("it was told to end by somebody, and ended with 0".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_from_outside_is_interference() {
        for killed in [
            ExitStatus::from_raw(9),
            ExitStatus::from_raw((128 + 9) << 8),
        ] {
            let how = ended_from_outside(killed, false);
            assert!(how.is_some_and(|how| how.contains("signal 9")));
        }
        let crashed = ExitStatus::from_raw(11);
        assert_eq!(ended_from_outside(crashed, true), None);
        let gave_up = ExitStatus::from_raw(1 << 8);
        assert_eq!(ended_from_outside(gave_up, true), None);
        let done = ExitStatus::from_raw(0);
        assert!(ended_from_outside(done, true).is_some());
        assert_eq!(ended_from_outside(done, false), None);
    }
}
