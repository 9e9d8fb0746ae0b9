//! Connections to addresses outside the environment's network, and to ports that nobody serves in it, caught before they leave
//! the container.
//!
//! A Docker engine that filters bridged traffic drops them on the way, unseen and with a time-out for the component. So
//! a rule of the container's own kernel turns each to a port here, which tells the gateway where it was meant to go
//! and resets it.

use socket2::SockRef;
use std::{io, net::Ipv4Addr, process::Stdio, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    process::Command,
};

/// The port that catches, here, and that is told, at the gateway.
const PORT: u16 = 9;

/// The ports that the gateway serves, which is AWS.
const OF_AWS: &str = "9,53,443,3128,4566,8443,8883";

/// The ports that others of the network serve.
const OF_GITHUB: &str = "22,80,443";

/// Starts catching; the environment's network is the /28 around the gateway.
///
/// # Errors
/// If the rules or the port can't be set up.
pub(crate) async fn catch(gateway: Ipv4Addr) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await?;
    let rules = rules(gateway);
    let mut known = Command::new("iptables");
    // A core that was launched again finds its rules.
    let known = known.args(["-w", "-t", "nat", "-C"]).args(rules[0].split(' ')).output().await?;
    if !known.status.success() {
        let added = rules.map(|rule| format!("-A {rule}\n")).concat();
        let mut restore = Command::new("iptables-restore");
        restore.args(["-w", "--noflush"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut restore = restore.spawn()?;
        if let Some(mut input) = restore.stdin.take() {
            input.write_all(format!("*nat\n{added}COMMIT\n").as_bytes()).await?;
        }
        let output = restore.wait_with_output().await?;
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

/// What catches: connections out of the network, and those within to ports that nobody serves.
fn rules(gateway: Ipv4Addr) -> [String; 4] {
    let caught = format!("-j REDIRECT --to-ports {PORT}");
    let other = |ports: &str| format!("-p tcp -m addrtype ! --dst-type LOCAL -m multiport ! --dports {ports} {caught}");
    [
        format!("OUTPUT ! -d {gateway}/28 -p tcp -m addrtype ! --dst-type LOCAL {caught}"),
        format!("OUTPUT -d {gateway}/32 {}", other(OF_AWS)),
        format!("OUTPUT -d {gateway}/32 -j RETURN"),
        format!("OUTPUT -d {gateway}/28 {}", other(OF_GITHUB)),
    ]
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
