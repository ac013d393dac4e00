//! The name server on 127.0.0.11, as Docker's is: many configurations say `resolver 127.0.0.11`.

use std::net::Ipv4Addr;

use simple_dns::{
    CLASS, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE,
    rdata::{A, RData},
};
use tokio::net::UdpSocket;

/// Where it listens.
pub const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);

/// How long an answer may be kept, in seconds; Docker's name server says 600.
const TTL: u32 = 600;

/// Answers for `names` with the sandbox's loopback, until it is dropped.
pub async fn serve(socket: UdpSocket, names: Vec<String>) {
    let mut buffer = [0_u8; 1500];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if let Some(answer) = buffer.get(..length).and_then(|query| answer(query, &names)) {
            // Who asked and does not listen any more asks again.
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

/// The answer to a query: an address for a known name, nothing for other record types of it,
/// NXDOMAIN for any other name. `None` for what is no query.
fn answer(query: &[u8], names: &[String]) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    reply.questions.push(question.clone());
    let name = question.qname.to_string();
    let known = names
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name.trim_end_matches('.')));
    if !known {
        *reply.rcode_mut() = RCODE::NameError;
    } else if matches!(question.qtype, QTYPE::TYPE(TYPE::A) | QTYPE::ANY)
        && matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY)
    {
        let address = RData::A(A {
            address: Ipv4Addr::LOCALHOST.into(),
        });
        reply.answers.push(ResourceRecord::new(
            question.qname.clone(),
            CLASS::IN,
            TTL,
            address,
        ));
    }
    reply.build_bytes_vec().ok()
}

#[cfg(test)]
mod tests {
    use simple_dns::{Name, Question};

    use super::*;

    fn ask(name: &str, record: TYPE) -> (RCODE, usize) {
        let mut query = Packet::new_query(7);
        let name = Name::new_unchecked(name);
        query.questions.push(Question::new(
            name,
            QTYPE::TYPE(record),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        let names = ["litellm".to_owned()];
        let bytes = answer(&query.build_bytes_vec().unwrap(), &names).unwrap();
        let reply = Packet::parse(&bytes).unwrap();
        assert_eq!(reply.id(), 7);
        (reply.rcode(), reply.answers.len())
    }

    #[test]
    fn a_known_name_has_an_address_and_no_other_record() {
        assert_eq!(ask("LiteLLM", TYPE::A), (RCODE::NoError, 1));
        assert_eq!(ask("litellm", TYPE::AAAA), (RCODE::NoError, 0));
    }

    #[test]
    fn any_other_name_does_not_exist() {
        assert_eq!(ask("example.com", TYPE::A), (RCODE::NameError, 0));
    }

    #[test]
    fn what_is_no_query_gets_no_answer() {
        assert_eq!(answer(b"\x00\x01", &[]), None);
    }
}
