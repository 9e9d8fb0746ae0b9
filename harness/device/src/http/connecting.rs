//! The time-out of a connection. It begins when the address is known: Java resolves a name before it connects, and waits for
//! that as long as the system does.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    error::Error,
    future::Future,
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::lookup_host, sync::watch, time::timeout};
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// How many names the connection that is being made waits for.
    static NAMES: watch::Sender<usize>;
}

/// Asks the system for addresses.
pub(super) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(naming(async move {
            let found: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        }))
    }
}

/// Takes note that a name is looked up as long as it is.
async fn naming<T>(lookup: impl Future<Output = T>) -> T {
    let names = NAMES.try_with(Clone::clone).ok();
    let note = |change: fn(&mut usize)| names.iter().for_each(|names| names.send_modify(change));
    note(|names| *names += 1);
    let found = lookup.await;
    note(|names| *names -= 1);
    found
}

/// Gives each connection so long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within(pub(super) Duration);

impl<S> Layer<S> for Within {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, limit: self.0 }
    }
}

/// What makes connections, within a time.
#[derive(Clone, Debug)]
pub(super) struct Limited<S> {
    inner: S,
    limit: Duration,
}

type Failure = Box<dyn Error + Send + Sync>;

impl<S, R> Service<R> for Limited<S>
where
    S: Service<R, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (names, waiting) = watch::channel(0);
        let connecting = NAMES.scope(names, self.inner.call(request));
        let limit = self.limit;
        Box::pin(async move {
            tokio::select! {
                connected = connecting => connected,
                () = expired(waiting, limit) => Err(io::Error::new(ErrorKind::TimedOut, "operation timed out").into()),
            }
        })
    }
}

/// Waits until no name has been waited for, for so long.
async fn expired(mut names: watch::Receiver<usize>, limit: Duration) {
    loop {
        // It ends with the connection, and so does who asks.
        _ = names.wait_for(|names| *names == 0).await;
        if timeout(limit, names.changed()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use std::future::{pending, ready};

    const LIMIT: Duration = Duration::from_millis(50);
    const LONGER: Duration = Duration::from_millis(200);

    type Connecting = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

    /// Makes connections as the function does.
    #[derive(Clone)]
    struct Maker(fn() -> Connecting);

    impl Service<()> for Maker {
        type Response = ();
        type Error = Failure;
        type Future = Connecting;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Connecting {
            self.0()
        }
    }

    async fn made(maker: fn() -> Connecting) -> Result<(), Failure> {
        Within(LIMIT).layer(Maker(maker)).call(()).await
    }

    async fn longer() {
        _ = timeout(LONGER, pending::<()>()).await;
    }

    #[tokio::test]
    async fn a_connections_time_begins_when_its_name_is_known() {
        fidelity!("core-http-2");
        let named_late: fn() -> Connecting = || {
            Box::pin(async {
                naming(longer()).await;
                Ok(())
            })
        };
        assert!(made(named_late).await.is_ok());
        let silent: fn() -> Connecting = || {
            Box::pin(async {
                naming(ready(())).await;
                pending().await
            })
        };
        for maker in [silent, || Box::pin(pending())] {
            let error = timeout(LONGER, made(maker)).await.expect("it is over by then").unwrap_err();
            assert_eq!(error.to_string(), "operation timed out");
        }
        let never_named: fn() -> Connecting = || Box::pin(naming(pending()));
        assert!(timeout(LONGER, made(never_named)).await.is_err(), "the system says how long a name may take");
    }
}
