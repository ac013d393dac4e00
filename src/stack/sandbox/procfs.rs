//! What `/proc` says of processes and sockets.

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::stack::{Instance, Socket};

/// One process by its number, or `None` where there is none, or only its remains.
pub fn instance(pid: u32) -> Option<Instance> {
    let (state, _, started) = stat(pid)?;
    (state != 'Z' && state != 'X').then_some(Instance { pid, started })
}

/// The living children of a process.
pub fn children(parent: u32) -> io::Result<Vec<Instance>> {
    let mut found: Vec<Instance> = pids()?
        .filter(|pid| stat(*pid).is_some_and(|(_, of, _)| of == parent))
        .filter_map(instance)
        .collect();
    found.sort_by_key(|child| child.pid);
    Ok(found)
}

fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// State, parent and start of a process: fields 3, 4 and 22 of `/proc/PID/stat` (proc(5)).
fn stat(pid: u32) -> Option<(char, u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything: what follows the last one counts.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((state, parent, started))
}

/// Every TCP socket of this network namespace, with the one of `processes` that holds it.
pub fn sockets(processes: &[u32]) -> io::Result<Vec<Socket>> {
    let holders = holders(processes)?;
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => found.extend(
                text.lines()
                    .skip(1)
                    .filter_map(|line| socket(line, &holders)),
            ),
            // A kernel without IPv6 has no such table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
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
            if let Some(inode) = target.to_str().and_then(|name| {
                name.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            }) {
                holders.entry(inode).or_insert(*pid);
            }
        }
    }
    Ok(holders)
}

fn socket(line: &str, holders: &HashMap<u64, u32>) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let inode: u64 = fields.get(9)?.parse().ok()?;
    Some(Socket {
        pid: holders.get(&inode).copied(),
        local: address(fields.get(1)?)?,
        remote: address(fields.get(2)?)?,
        state: state(fields.get(3)?),
    })
}

/// The kernel writes addresses as 32-bit words in the machine's byte order, ports as they are.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        Some(
            u32::from_str_radix(ip.get(at..at + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        )
    };
    let ip = if ip.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let words = [word(0)?, word(8)?, word(16)?, word(24)?];
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&words.concat());
        let ip = Ipv6Addr::from(bytes);
        ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
    };
    Some(SocketAddr::new(ip, port))
}

/// The names of `include/net/tcp_states.h`.
fn state(code: &str) -> &'static str {
    match code {
        "01" => "ESTABLISHED",
        "02" => "SYN_SENT",
        "03" => "SYN_RECV",
        "04" => "FIN_WAIT1",
        "05" => "FIN_WAIT2",
        "06" => "TIME_WAIT",
        "07" => "CLOSE",
        "08" => "CLOSE_WAIT",
        "09" => "LAST_ACK",
        "0A" => "LISTEN",
        "0B" => "CLOSING",
        _ => "UNKNOWN",
    }
}

/// The regular files that a process holds open for writing: for nginx, its logs.
pub fn written_files(pid: u32) -> io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let info = fs::read_to_string(format!(
            "/proc/{pid}/fdinfo/{}",
            entry.file_name().to_string_lossy()
        ));
        let writes = info.is_ok_and(|text| {
            text.lines()
                .find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok())
                // O_WRONLY or O_RDWR, fcntl.h
                .is_some_and(|flags| flags & 0o3 != 0)
        });
        if writes && target.is_file() && !files.contains(&target) {
            files.push(target);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_addresses_are_read() {
        assert_eq!(
            address("0100007F:1F90").unwrap().to_string(),
            "127.0.0.1:8080"
        );
        assert_eq!(
            address("0000000000000000FFFF00000100007F:0050")
                .unwrap()
                .to_string(),
            "127.0.0.1:80"
        );
        assert_eq!(
            address("00000000000000000000000001000000:0050")
                .unwrap()
                .to_string(),
            "[::1]:80"
        );
        assert_eq!(address("nonsense"), None);
    }

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
