//! What this machine's own `/proc` says of processes and sockets.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::PathBuf,
};

use super::sockets;
use crate::stack::{
    Instance, Socket,
    procfs::{Stat, socket_inode, state, writes},
};

/// One process by its number, or `None` where there is none, or only its remains.
pub fn instance(pid: u32) -> Option<Instance> {
    living(&stat(pid)?)
}

fn living(stat: &Stat) -> Option<Instance> {
    stat.alive().then_some(Instance {
        pid: stat.pid,
        started: stat.started,
    })
}

/// The living children of a process.
pub fn children(parent: u32) -> io::Result<Vec<Instance>> {
    let mut found: Vec<Instance> = pids()?
        .filter_map(stat)
        .filter(|stat| stat.parent == parent)
        .filter_map(|stat| living(&stat))
        .collect();
    found.sort_by_key(|child| child.pid);
    Ok(found)
}

/// Whether a process was stopped by a signal.
pub fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state == 'T')
}

/// Whether a process has ended, or is about to.
pub fn is_ending(pid: u32) -> bool {
    stat(pid).is_none_or(|stat| stat.ending())
}

pub fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Every TCP socket of this network namespace, with the one of `processes` that holds it.
pub fn sockets(processes: &[u32]) -> io::Result<Vec<Socket>> {
    with_holders(sockets::all()?, processes)
}

/// Those of them that listen.
pub fn listeners(processes: &[u32]) -> io::Result<Vec<Socket>> {
    with_holders(sockets::listening()?, processes)
}

fn with_holders(found: Vec<sockets::Found>, processes: &[u32]) -> io::Result<Vec<Socket>> {
    let holders = holders(processes)?;
    let found = found.into_iter().map(|found| Socket {
        pid: holders.get(&found.inode).copied(),
        local: found.local,
        remote: found.remote,
        state: state(found.state),
    });
    Ok(found.collect())
}

/// Which process holds the socket with this inode; of several, the first. nginx's listeners
/// are the master's, who hands them on to the workers.
fn holders(processes: &[u32]) -> io::Result<HashMap<u64, u32>> {
    let mut holders = HashMap::new();
    for pid in processes {
        // A process may be gone by now.
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for file in files.flatten() {
            let Ok(target) = fs::read_link(file.path()) else {
                continue;
            };
            if let Some(inode) = target.to_str().and_then(socket_inode) {
                holders.entry(inode).or_insert(*pid);
            }
        }
    }
    Ok(holders)
}

/// The regular files that a process holds open for writing (for nginx, its logs): the name of each,
/// and a path that leads to it whatever is at that name by now.
pub fn written_files(pid: u32) -> io::Result<BTreeMap<PathBuf, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        // A socket or a pipe has a name, and no place.
        if !target.is_absolute() {
            continue;
        }
        let info = fs::read_to_string(format!(
            "/proc/{pid}/fdinfo/{}",
            entry.file_name().to_string_lossy()
        ));
        let writes = info.is_ok_and(|text| writes(&text));
        if writes && entry.path().is_file() {
            files.insert(target, entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_with_its_sockets() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = std::process::id();
        assert_eq!(instance(own).unwrap().pid, own);
        let found = sockets(&[own]).unwrap();
        let own_socket = found
            .iter()
            .find(|socket| socket.local == listener.local_addr().unwrap())
            .unwrap();
        assert_eq!((own_socket.state, own_socket.pid), ("LISTEN", Some(own)));
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(instance(pid), None);
    }
}
