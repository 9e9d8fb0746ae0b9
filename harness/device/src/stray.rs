//! Connections to addresses outside the environment's network, caught before they leave the container.
//!
//! A Docker engine that filters bridged traffic drops them on the way, unseen and with a time-out for the component. So
//! a rule of the container's own kernel turns each to a port here, which tells the gateway where it was meant to go
//! and resets it.

use socket2::SockRef;
use std::{io, net::Ipv4Addr, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    process::Command,
};

/// The port that catches, here, and that is told, at the gateway.
const PORT: u16 = 9;

/// Starts catching; the environment's network is the /28 around the gateway.
///
/// # Errors
/// If the rule or the port can't be set up.
pub(crate) async fn catch(gateway: Ipv4Addr) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await?;
    let (network, port) = (format!("{gateway}/28"), PORT.to_string());
    let rule = ["OUTPUT", "-p", "tcp", "-m", "addrtype", "!", "--dst-type", "LOCAL"];
    let to = ["!", "-d", &network, "-j", "REDIRECT", "--to-ports", &port];
    let iptables = |verb: &str| Command::new("iptables").args(["-w", "-t", "nat", verb]).args(rule).args(to).output();
    // A core that was launched again finds its rule.
    if !iptables("-C").await?.status.success() {
        let output = iptables("-A").await?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
    }
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(tell(stream, gateway))),
                Err(error) => tracing::warn!(%error, "a stray connection was not caught"),
            }
        }
    });
    Ok(())
}

async fn tell(stream: TcpStream, gateway: Ipv4Addr) {
    let socket = SockRef::from(&stream);
    let told = async {
        let meant = socket.original_dst_v4()?.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        let mut gateway = TcpStream::connect((gateway, PORT)).await?;
        gateway.write_all(format!("{meant}\n").as_bytes()).await
    };
    if let Err(error) = told.await {
        tracing::warn!(%error, "a stray connection was not told");
    }
    // With no time to linger, closing resets.
    _ = socket.set_linger(Some(Duration::ZERO));
}
