//! Connections to addresses that no name of this world resolves to, or to ports that nothing of it serves.
//!
//! The device's container catches them, since an engine may drop them on their way, and tells here, a line each, where
//! they were meant to go.

use super::Error;
use crate::event::{What, emit_from};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{TcpListener, TcpStream},
};

const PORT: u16 = 9;

/// `255.255.255.255:65535` and its line feed.
const LONGEST: u64 = 22;

/// Starts writing them down.
pub(super) async fn serve(aws: Ipv4Addr, github: Option<Ipv4Addr>) -> Result<(), Error> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.map_err(Error::io("serving stray connections"))?;
    tokio::spawn(async move {
        loop {
            let (stream, peer) = super::accept(&listener).await;
            tokio::spawn(tokio::time::timeout(Duration::from_secs(5), write_down(stream, peer.ip(), (aws, github))));
        }
    });
    Ok(())
}

async fn write_down(stream: TcpStream, peer: IpAddr, (aws, github): (Ipv4Addr, Option<Ipv4Addr>)) {
    let mut line = String::new();
    let read = BufReader::new(stream.take(LONGEST)).read_line(&mut line).await;
    // A device that says something else was asked for port 9 by name.
    let destination = read.ok().and_then(|_| line.trim().parse::<SocketAddrV4>().ok());
    let destination = match destination {
        None => "port 9 of aws".to_owned(),
        Some(to) if *to.ip() == aws => format!("port {} of aws", to.port()),
        Some(to) if Some(*to.ip()) == github => format!("port {} of github", to.port()),
        Some(to) => to.to_string(),
    };
    emit_from(peer, What::RawAddress { destination });
}
