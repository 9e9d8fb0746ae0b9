//! DNS of the environment: the names that the world knows resolve to its containers, anything else does not exist.
//!
//! Every question is written down. Only address questions for known names have answers.

use super::limits;
use crate::{
    event::{What, emit_from},
    fault::Special,
    faults::Faults,
    world::{INDEX_HOST, World},
};
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

/// The names that there are.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    aws: Ipv4Addr,
    github: Option<Ipv4Addr>,
    /// Further names of `github`.
    hosts: Arc<[String]>,
}

/// Who answers questions.
#[derive(Clone, Debug)]
struct Resolver {
    zone: Zone,
    faults: Arc<Faults>,
}

/// How long a client may take over TCP for a question, or to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves DNS over UDP and TCP.
pub(super) fn serve(world: &World, faults: &Arc<Faults>, udp: UdpSocket, tcp: TcpListener) {
    let resolver = Resolver { zone: Zone::of(world), faults: Arc::clone(faults) };
    let over_tcp = resolver.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            match udp.recv_from(&mut buffer).await {
                Ok((length, peer)) => {
                    if let Some(answer) = resolver.answer(&buffer[..length], peer.ip())
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
    limits::serve(tcp, move |stream, peer| over_tcp.clone().over_tcp(stream, peer.ip()));
}

impl Zone {
    pub(super) fn of(world: &World) -> Self {
        Self { aws: world.aws, github: world.github, hosts: world.hosts.clone().into() }
    }

    /// A zone of this machine alone.
    #[cfg(test)]
    pub(super) fn local() -> Self {
        Self { aws: Ipv4Addr::LOCALHOST, github: Some(Ipv4Addr::LOCALHOST), hosts: [].into() }
    }

    /// The address of a name, lower case and without the final dot.
    pub(super) fn resolve(&self, name: &str) -> Option<Ipv4Addr> {
        match name {
            "localhost" => Some(Ipv4Addr::LOCALHOST),
            "github.com" | "api.github.com" | INDEX_HOST => self.github,
            _ if self.hosts.iter().any(|host| host == name) => self.github,
            _ if name.ends_with(".amazonaws.com") => Some(self.aws),
            _ => None,
        }
    }
}

impl Resolver {
    async fn over_tcp(self, mut stream: TcpStream, peer: IpAddr) {
        while let Ok(Some(())) = timeout(PATIENCE, self.one_over_tcp(&mut stream, peer)).await {}
    }

    /// Answers the next question; nothing if there is none.
    async fn one_over_tcp(&self, stream: &mut TcpStream, peer: IpAddr) -> Option<()> {
        let length = stream.read_u16().await.ok()?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.ok()?;
        let answer = self.answer(&question, peer)?;
        stream.write_u16(u16::try_from(answer.len()).ok()?).await.ok()?;
        stream.write_all(&answer).await.ok()
    }

    /// The answer to a question, encoded; `None` for what is no question, and where a fault keeps the answer back.
    fn answer(&self, question: &[u8], peer: IpAddr) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        let known = self.zone.resolve(&name);
        let fault = known.and_then(|_| self.faults.of_name(&name));
        let address = if fault == Some(Special::DnsSinkhole) { Some(Ipv4Addr::LOCALHOST) } else { known };
        let asked_address = query.query_type() == RecordType::A;
        match (address, fault) {
            (_, Some(Special::DnsNxdomain)) | (None, _) => answer.metadata.response_code = ResponseCode::NXDomain,
            (_, Some(Special::DnsServfail)) => answer.metadata.response_code = ResponseCode::ServFail,
            (Some(address), _) if asked_address => {
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(A(address))));
            }
            (Some(_), _) => {}
        }
        answer.add_query(query.clone());
        let record = query.query_type().to_string();
        // An empty answer about a known name is no sign of the outside world.
        let given = !answer.answers.is_empty();
        let shown = address.map(|address| if given { IpAddr::V4(address).to_string() } else { String::new() });
        emit_from(peer, What::Dns { name, record, answer: shown });
        answer.to_vec().ok().filter(|_| fault != Some(Special::DnsTimeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::{op::Query, rr::Name};

    fn resolver(faults: &[&str]) -> Resolver {
        let hosts = ["pypi.example.com".to_owned()].into();
        let zone = Zone { aws: Ipv4Addr::new(10, 0, 0, 2), github: Some(Ipv4Addr::new(10, 0, 0, 3)), hosts };
        let on = Arc::new(Faults::default());
        for fault in faults {
            on.begin(fault.parse().unwrap());
        }
        Resolver { zone, faults: on }
    }

    fn asked(resolver: &Resolver, name: &str, kind: RecordType) -> Option<Message> {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        resolver
            .answer(&question.to_vec().unwrap(), Ipv4Addr::LOCALHOST.into())
            .map(|answer| Message::from_vec(&answer).unwrap())
    }

    fn ask(name: &str, kind: RecordType) -> Message {
        asked(&resolver(&[]), name, kind).unwrap()
    }

    #[test]
    fn a_fault_strikes_the_names_that_it_is_about_and_no_others() {
        fidelity::fidelity!("fault-8");
        let on = resolver(&[
            "dns.nxdomain host=github.com",
            "dns.servfail host=kms.eu-west-1.amazonaws.com times=1",
            "dns.timeout host=credentials.iot.eu-west-1.amazonaws.com",
            "dns.sinkhole host=packages.greenproof.internal",
        ]);
        let code = |name: &str| asked(&on, name, RecordType::A).map(|answer| answer.metadata.response_code);
        assert_eq!(code("GitHub.com."), Some(ResponseCode::NXDomain));
        assert_eq!(code("api.github.com."), Some(ResponseCode::NXDomain));
        let kms = "kms.eu-west-1.amazonaws.com.";
        assert_eq!([code(kms), code(kms)], [Some(ResponseCode::ServFail), Some(ResponseCode::NoError)]);
        assert_eq!(code("abc.credentials.iot.eu-west-1.amazonaws.com."), None);
        let sinkhole = asked(&on, "packages.greenproof.internal.", RecordType::A).unwrap();
        assert_eq!(sinkhole.answers[0].data, RData::A(A(Ipv4Addr::LOCALHOST)));
        on.faults.end("dns.nxdomain");
        assert_eq!(code("github.com."), Some(ResponseCode::NoError));
    }

    #[test]
    fn knows_the_world_and_nothing_else() {
        fidelity::fidelity!("dns-1", "dns-2");
        let aws = ask("SecretsManager.ap-northeast-1.amazonaws.com.", RecordType::A);
        assert_eq!(aws.answers[0].data, RData::A(A(Ipv4Addr::new(10, 0, 0, 2))));
        for name in ["github.com.", "PyPI.example.com."] {
            let github = ask(name, RecordType::A);
            assert_eq!(github.answers[0].data, RData::A(A(Ipv4Addr::new(10, 0, 0, 3))));
        }
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
