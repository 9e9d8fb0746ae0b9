//! Connections to addresses that no name of this world resolves to.
//!
//! `aws` is the device's default gateway. A rule of its kernel turns every TCP connection that is not meant for it to
//! one port, where the destination is written down and the connection reset.

use super::Error;
use crate::{
    event::{What, emit},
    world::World,
};
use socket2::SockRef;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, process::Command};

const PORT: u16 = 9;

/// Starts catching stray connections.
pub(super) async fn serve(world: &World) -> Result<(), Error> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.map_err(Error::io("serving stray connections"))?;
    let rule = ["-w", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "!", "-d"];
    let (own, port) = (world.aws.to_string(), PORT.to_string());
    let output = Command::new("iptables")
        .args(rule)
        .args([&own, "-j", "REDIRECT", "--to-ports", &port])
        .output()
        .await
        .map_err(Error::io("running iptables"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Setup(format!("catching stray connections with iptables: {}", reason.trim())));
    }
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let socket = SockRef::from(&stream);
            let original = socket.original_dst_v4().ok().and_then(|address| address.as_socket());
            let destination = original.map_or_else(|| "unknown".to_owned(), |address: SocketAddr| address.to_string());
            emit(What::RawAddress { destination });
            // With no time to linger, closing resets.
            if let Err(error) = socket.set_linger(Some(Duration::ZERO)) {
                tracing::warn!(%error, "a stray connection is closed instead of reset");
            }
        }
    });
    Ok(())
}
