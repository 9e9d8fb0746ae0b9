//! DNS of the environment: the names that the world knows resolve to its containers, anything else does not exist.
//!
//! Every question is written down. Only address questions for known names have answers.

use super::limits;
use crate::{
    event::{What, emit},
    world::{INDEX_HOST, World},
};
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

/// The names that there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    aws: Ipv4Addr,
    github: Ipv4Addr,
}

/// How long a client may take over TCP for a question, or to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves DNS over UDP and TCP.
pub(super) fn serve(world: &World, udp: UdpSocket, tcp: TcpListener) {
    let zone = Zone::of(world);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            match udp.recv_from(&mut buffer).await {
                Ok((length, peer)) => {
                    if let Some(answer) = zone.answer(&buffer[..length])
                        && let Err(error) = udp.send_to(&answer, peer).await
                    {
                        tracing::warn!(%error, %peer, "a DNS answer was not sent");
                    }
                }
                Err(error) => tracing::warn!(%error, "a DNS question could not be received"),
            }
            tokio::task::yield_now().await;
        }
    });
    limits::serve(tcp, move |stream, _| zone.over_tcp(stream));
}

impl Zone {
    pub(super) const fn of(world: &World) -> Self {
        Self { aws: world.aws, github: world.github }
    }

    /// A zone of this machine alone.
    #[cfg(test)]
    pub(super) const fn local() -> Self {
        Self { aws: Ipv4Addr::LOCALHOST, github: Ipv4Addr::LOCALHOST }
    }

    async fn over_tcp(self, mut stream: TcpStream) {
        while let Ok(Some(())) = timeout(PATIENCE, self.one_over_tcp(&mut stream)).await {}
    }

    /// Answers the next question; nothing if there is none.
    async fn one_over_tcp(self, stream: &mut TcpStream) -> Option<()> {
        let length = stream.read_u16().await.ok()?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.ok()?;
        let answer = self.answer(&question)?;
        stream.write_u16(u16::try_from(answer.len()).ok()?).await.ok()?;
        stream.write_all(&answer).await.ok()
    }

    /// The answer to a question, encoded; `None` for what is no question.
    fn answer(self, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        let address = self.resolve(&name);
        let asked_address = query.query_type() == RecordType::A;
        match address {
            Some(address) if asked_address => {
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(A(address))));
            }
            Some(_) => {}
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        answer.add_query(query.clone());
        let record = query.query_type().to_string();
        // An empty answer about a known name is no sign of the outside world.
        let shown = address.map(|address| if asked_address { IpAddr::V4(address).to_string() } else { String::new() });
        emit(What::Dns { name, record, answer: shown });
        answer.to_vec().ok()
    }

    /// The address of a name, lower case and without the final dot.
    pub(super) fn resolve(self, name: &str) -> Option<Ipv4Addr> {
        match name {
            "localhost" => Some(Ipv4Addr::LOCALHOST),
            "github.com" | "api.github.com" | INDEX_HOST => Some(self.github),
            _ if name.ends_with(".amazonaws.com") => Some(self.aws),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::{op::Query, rr::Name};

    fn ask(name: &str, kind: RecordType) -> Message {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let zone = Zone { aws: Ipv4Addr::new(10, 0, 0, 2), github: Ipv4Addr::new(10, 0, 0, 3) };
        Message::from_vec(&zone.answer(&question.to_vec().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn knows_the_world_and_nothing_else() {
        fidelity::fidelity!("dns-1", "dns-2");
        let aws = ask("SecretsManager.ap-northeast-1.amazonaws.com.", RecordType::A);
        assert_eq!(aws.answers[0].data, RData::A(A(Ipv4Addr::new(10, 0, 0, 2))));
        let github = ask("github.com.", RecordType::A);
        assert_eq!(github.answers[0].data, RData::A(A(Ipv4Addr::new(10, 0, 0, 3))));
        for outside in ["example.com.", "evilgithub.com.", "amazonaws.com.evil.", "raw.github.com."] {
            assert_eq!(ask(outside, RecordType::A).metadata.response_code, ResponseCode::NXDomain, "{outside}");
        }
    }

    #[test]
    fn has_no_other_record_of_a_known_name() {
        fidelity::fidelity!("dns-3");
        let answer = ask("github.com.", RecordType::AAAA);
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 0));
    }
}
