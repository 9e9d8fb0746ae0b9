//! What a client may take of the role: time, bytes and connections. Whoever takes more is refused or cut, and takes nothing
//! from others.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a client may let the role wait: for a TLS handshake, the head of a request, the next piece of a body, an MQTT
/// CONNECT, a DNS question over TCP, or for taking what it is sent over MQTT.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many times as long a whole body may take.
const WHOLE: u32 = 10;

/// Connections of one port at a time; more wait to be accepted.
const CONNECTIONS: usize = 1024;

/// The longest object that S3 takes in one piece, and the longest body of any other call, in bytes.
pub(super) const OBJECT: usize = 128 * 1024 * 1024;
pub(super) const BODY: usize = 10 * 1024 * 1024;

/// What the bodies that are being read may have together, in KiB. Bodies of less than [`SMALL`] bytes don't count.
const BODIES: u32 = 256 * 1024;
const SMALL: usize = 64 * 1024;

/// The limits of one role.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) patience: Duration,
    bodies: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(PATIENCE)
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// It is longer than the limit, in bytes.
    Long(usize),
    /// It came too slowly.
    Slow,
    /// Too much else is being read.
    Crowded,
}

impl Limits {
    /// The usual ones, with this patience.
    pub(super) fn of(patience: Duration) -> Self {
        Self { patience, bodies: Arc::new(Semaphore::new(BODIES as usize)) }
    }

    /// Reads a body of at most so many bytes. One that breaks off is empty: it doesn't fit its signature.
    ///
    /// # Errors
    /// If it exceeds a limit; nothing more of it is read then.
    pub(super) async fn body<B>(&self, mut body: B, most: usize) -> Result<Bytes, Excess>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let announced = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced.is_some_and(|length| length > most) {
            return Err(Excess::Long(most));
        }
        let _held = self.hold(announced.unwrap_or(most)).await?;
        let mut read = BytesMut::new();
        let reading = async {
            loop {
                let Ok(next) = timeout(self.patience, body.frame()).await else { return Err(Excess::Slow) };
                match next {
                    None => return Ok(()),
                    Some(Err(_)) => {
                        read.clear();
                        return Ok(());
                    }
                    Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                }
                if read.len() > most {
                    return Err(Excess::Long(most));
                }
            }
        };
        timeout(self.patience * WHOLE, reading).await.unwrap_or(Err(Excess::Slow))?;
        Ok(read.freeze())
    }

    /// Room for a body of this length.
    async fn hold(&self, length: usize) -> Result<Option<OwnedSemaphorePermit>, Excess> {
        if length < SMALL {
            return Ok(None);
        }
        let kib = u32::try_from(length / 1024).unwrap_or(BODIES);
        let held = timeout(self.patience, Arc::clone(&self.bodies).acquire_many_owned(kib)).await;
        held.ok().and_then(Result::ok).map(Some).ok_or(Excess::Crowded)
    }
}

/// Serves the connections of a port, so many at a time.
pub(super) fn serve<F, S>(listener: TcpListener, serve: F)
where
    F: Fn(TcpStream, SocketAddr) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::spawn(async move {
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let (stream, peer) = super::accept(&listener).await;
            _ = stream.set_nodelay(true);
            let serving = serve(stream, peer);
            tokio::spawn(async move {
                serving.await;
                drop(place);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;

    fn limits() -> Limits {
        Limits::of(Duration::from_millis(50))
    }

    /// A body that does not say its length.
    fn pieces(pieces: Vec<Vec<u8>>) -> impl Body<Data = Bytes> + Unpin {
        let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        StreamBody::new(stream::iter(frames))
    }

    #[tokio::test]
    async fn a_body_is_read_whole_or_not_at_all() {
        fidelity::fidelity!("registry-11");
        let full = |length| Full::new(Bytes::from(vec![b'x'; length]));
        assert_eq!(limits().body(full(1000), 1000).await.unwrap().len(), 1000);
        assert_eq!(limits().body(full(1001), 1000).await, Err(Excess::Long(1000)));
        assert_eq!(limits().body(pieces(vec![vec![0; 600], vec![0; 400]]), 1000).await.unwrap().len(), 1000);
        assert_eq!(limits().body(pieces(vec![vec![0; 600], vec![0; 401]]), 1000).await, Err(Excess::Long(1000)));
        let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        assert_eq!(limits().body(endless, 1000).await, Err(Excess::Slow));
    }

    #[tokio::test]
    async fn bodies_that_are_read_at_the_same_time_have_a_bound_together() {
        fidelity::fidelity!("registry-11");
        let limits = limits();
        let held = [limits.hold(OBJECT).await.unwrap(), limits.hold(OBJECT).await.unwrap()];
        assert_eq!(limits.hold(SMALL).await.err(), Some(Excess::Crowded));
        assert!(limits.hold(SMALL - 1).await.is_ok());
        drop(held);
        assert!(limits.hold(OBJECT).await.is_ok());
    }
}
