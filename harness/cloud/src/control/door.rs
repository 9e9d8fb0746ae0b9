//! The socket on which a role takes orders.

use serde::{Serialize, de::DeserializeOwned};
use std::{io, path::Path};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

/// The longest order in bytes.
const MAX_ORDER: u64 = 4 * 1024 * 1024;

/// Takes orders on a socket, one a connection, and lets them be carried out.
///
/// # Errors
/// When the socket can't be made.
pub(crate) fn serve<Q, A, F>(socket: &Path, carry_out: impl Fn(Q) -> F + Clone + Send + 'static) -> io::Result<()>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    F: Future<Output = Result<A, String>> + Send + 'static,
{
    let listener = listen(socket)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(take(stream, carry_out.clone()))),
                Err(error) => tracing::warn!(%error, "an order could not be taken"),
            }
            tokio::task::yield_now().await;
        }
    });
    Ok(())
}

/// The socket, in place of one that an earlier process of a restarted container left.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

async fn take<Q, A, F>(stream: UnixStream, carry_out: impl Fn(Q) -> F)
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, String>>,
{
    let (reading, mut writing) = stream.into_split();
    let mut line = Vec::new();
    let read = BufReader::new(reading.take(MAX_ORDER)).read_until(b'\n', &mut line).await;
    let order = read
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice::<Q>(&line).map_err(|error| format!("this is no order: {error}")));
    let answer = match order {
        Ok(order) => carry_out(order).await,
        Err(error) => Err(error),
    };
    let Ok(answer) = serde_json::to_vec(&answer) else { return };
    if let Err(error) = writing.write_all(&answer).await {
        tracing::warn!(%error, "nobody waited for the answer to an order");
    }
}
