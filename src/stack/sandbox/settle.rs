//! What a worker does first inside a sandbox, while it is a single thread: the settings of its
//! network, its own limits, and then it gives up what it has of privileges.

use std::{fs, io};

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CapabilitySet, CapabilitySets, set_capabilities},
};

/// The lowest port that needs no privilege; the kernel's own is 1024.
const UNPRIVILEGED_PORTS: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// The most files that a process may hold open, where the system allows as many.
const FILES: u64 = 65_536;

/// Settles in.
///
/// # Errors
/// Where the system refuses one of these.
pub fn settle_in() -> io::Result<()> {
    fs::write(UNPRIVILEGED_PORTS, "0")?;
    let files = getrlimit(Resource::Nofile)
        .maximum
        .map_or(FILES, |most| most.min(FILES));
    let exactly = |value| Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    setrlimit(Resource::Nofile, exactly(files))?;
    setrlimit(Resource::Core, exactly(0))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, none)?)
}
