//! The formats of `/proc`: what the kernel writes about processes and sockets, as text. Where
//! the text comes from is each kind of stack's own matter.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::Socket;

/// What a line of `/proc/PID/stat` tells (proc(5)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Field 1.
    pub pid: u32,
    /// The program's name, without its brackets.
    pub name: String,
    /// Field 3.
    pub state: char,
    /// Field 4.
    pub parent: u32,
    /// Field 9: `PF_` flags of the kernel.
    pub flags: u32,
    /// Field 22: its start, in clock ticks since boot.
    pub started: u64,
}

impl Stat {
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        // The name, in brackets, may hold anything: what follows the last one counts.
        let (head, tail) = line.rsplit_once(')')?;
        let (pid, name) = head.split_once(" (")?;
        let mut fields = tail.split_whitespace();
        Some(Self {
            pid: pid.trim().parse().ok()?,
            name: name.to_owned(),
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            flags: fields.nth(4)?.parse().ok()?,
            started: fields.nth(12)?.parse().ok()?,
        })
    }

    /// Whether the process is about to end: the kernel clears away what it holds, and, where it is
    /// the first of a namespace, all others in there before it.
    #[must_use]
    pub fn ending(&self) -> bool {
        const PF_EXITING: u32 = 0x4;
        self.flags & PF_EXITING != 0 || !self.alive()
    }

    /// Whether the process lives: a zombie is only its remains.
    #[must_use]
    pub fn alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// The inode in the target of a link in `/proc/PID/fd`, where it is a socket.
#[must_use]
pub fn socket_inode(target: &str) -> Option<u64> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The sockets of a table like `/proc/net/tcp`, heading included. `holders` tells which
/// process holds the socket with an inode.
pub fn table(text: &str, holders: &HashMap<u64, u32>) -> Vec<Socket> {
    text.lines()
        .skip(1)
        .filter_map(|line| socket(line, holders))
        .collect()
}

fn socket(line: &str, holders: &HashMap<u64, u32>) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let inode: u64 = fields.get(9)?.parse().ok()?;
    Some(Socket {
        pid: holders.get(&inode).copied(),
        local: address(fields.get(1)?)?,
        remote: address(fields.get(2)?)?,
        state: state(u8::from_str_radix(fields.get(3)?, 16).ok()?),
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

/// The name of a state by its number in `include/net/tcp_states.h`.
#[must_use]
pub fn state(number: u8) -> &'static str {
    match number {
        1 => "ESTABLISHED",
        2 => "SYN_SENT",
        3 => "SYN_RECV",
        4 => "FIN_WAIT1",
        5 => "FIN_WAIT2",
        6 => "TIME_WAIT",
        7 => "CLOSE",
        8 => "CLOSE_WAIT",
        9 => "LAST_ACK",
        10 => "LISTEN",
        11 => "CLOSING",
        _ => "UNKNOWN",
    }
}

/// Whether the flags in a text of `/proc/PID/fdinfo` allow writing.
#[must_use]
pub fn writes(fdinfo: &str) -> bool {
    fdinfo
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok())
        // O_WRONLY or O_RDWR, fcntl.h
        .is_some_and(|flags| flags & 0o3 != 0)
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
    fn a_name_may_hold_brackets_and_spaces() {
        let tail = "S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let stat = Stat::parse(&format!("12 (a) (b c) {tail}")).unwrap();
        assert_eq!(
            (stat.pid, stat.name.as_str(), stat.parent, stat.started),
            (12, "a) (b c", 1, 4711)
        );
    }
}
