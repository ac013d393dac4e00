//! The TCP sockets of this network namespace, asked of the kernel by netlink (sock_diag(7)). The
//! tables in `/proc/net` tell the same, but take the kernel five times as long: it walks the
//! machine's whole hash table for each of them, however few sockets the namespace has.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags},
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};

/// As much as the kernel gives at a time.
const BUFFER: usize = 32 * 1024;

/// One of them, as the kernel tells it.
pub struct Found {
    pub inode: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// By its number in `include/net/tcp_states.h`.
    pub state: u8,
}

pub fn all() -> io::Result<Vec<Found>> {
    of_states(StateFlags::all())
}

/// Those that listen: the kernel finds them without walking the table of connections.
pub fn listening() -> io::Result<Vec<Found>> {
    of_states(StateFlags::LISTEN)
}

fn of_states(states: StateFlags) -> io::Result<Vec<Found>> {
    let mut found = of(AF_INET, SocketId::new_v4(), states.clone())?;
    match of(AF_INET6, SocketId::new_v6(), states) {
        Ok(more) => found.extend(more),
        // A kernel without IPv6 has no such sockets.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// Those of an address family; `any` is an address of it.
fn of(family: u8, any: SocketId, states: StateFlags) -> io::Result<Vec<Found>> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states,
        socket_id: any,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.send(&bytes, 0)?;
    let mut found = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let size = socket.recv(&mut &mut buffer[..], 0)?;
        let mut rest = buffer.get(..size).unwrap_or_default();
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(told)) => {
                    found.push(read(&told));
                }
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                other => {
                    return Err(io::Error::other(format!(
                        "the kernel tells something else than its sockets: {other:?}"
                    )));
                }
            }
            // Messages begin at multiples of four bytes.
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn read(told: &InetResponse) -> Found {
    let id = &told.header.socket_id;
    let address = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
    Found {
        inode: told.header.inode.into(),
        local: address(id.source_address, id.source_port),
        remote: address(id.destination_address, id.destination_port),
        state: told.header.state,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn both_ends_of_a_connection_are_told_with_their_states() {
        for (at, loopback) in [("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "127.0.0.1")] {
            let listener = TcpListener::bind(at).expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let client = TcpStream::connect((loopback, port)).expect("a connection");
            let (_server, peer) = listener.accept().expect("a connection");
            let all = all().expect("the sockets");
            let state = |local: SocketAddr, remote: u16| {
                let mut those = all
                    .iter()
                    .filter(|one| one.local.port() == local.port() && one.remote.port() == remote);
                (those.next().map(|one| one.state), those.count())
            };
            let own = client.local_addr().expect("an address");
            assert_eq!(own.port(), peer.port());
            let listening = listener.local_addr().expect("an address");
            assert_eq!(state(listening, 0), (Some(10), 0));
            assert_eq!(state(own, port), (Some(1), 0));
            assert_eq!(state(listening, own.port()), (Some(1), 0));
            let listeners = super::listening().expect("the listeners");
            let mut of_port = listeners.iter().filter(|one| one.local.port() == port);
            assert_eq!(of_port.next().map(|one| one.state), Some(10));
            assert!(of_port.next().is_none(), "its connection does not listen");
            let ours = all
                .iter()
                .find(|one| one.local == own)
                .expect("the client's end");
            assert_eq!(ours.remote.to_string(), format!("127.0.0.1:{port}"));
        }
    }

    /// More than one answer of the kernel holds.
    #[test]
    fn many_are_all_told() {
        let listeners: Vec<TcpListener> = (0..600)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect();
        let all = all().expect("the sockets");
        for listener in &listeners {
            let address = listener.local_addr().expect("an address");
            assert!(all.iter().any(|one| one.local == address), "{address}");
        }
    }
}
