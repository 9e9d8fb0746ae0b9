//! The `github` role: the internet as a core device needs it.
//!
//! One TLS server answers to three host names: `github.com` is git over smart HTTP behind GitHub's token rules
//! ([`git`]), `api.github.com` a small part of the REST interface ([`api`]), [`world::INDEX_HOST`] a Python package index
//! ([`index`]), and what a hub names beside it a private one. Who is who, the [`directory`] knows; who may read which repository is decided in one place,
//! [`access`].
//! Over [`ssh`] git comes with a deploy key; [`plain`] HTTP leads to HTTPS.
//! It knows only what the [`Hub`] names: there is no sign-up, no push, no web page and no download ([`downloads`]).

mod access;
mod api;
mod directory;
mod downloads;
mod faulty;
mod git;
mod index;
mod jwt;
mod plain;
mod server;
pub mod ssh;
#[cfg(test)]
mod tests;

pub(crate) use downloads::unsupported;

use crate::{
    Part,
    control::{self, Answer, Control, SOCKET},
    event::{self, What},
    faults::Faults,
    world::{self, Hub},
};
use directory::Directory;
use std::{
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Port of HTTPS.
const PORT: u16 = 443;
/// Port of plain HTTP.
const PLAIN_PORT: u16 = 80;

/// Why the `github` role can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that describes the environment can't be read.
    #[error("reading `{path}`: {0}", path = world::PATH)]
    Read(#[source] io::Error),
    /// The file that describes the environment is not a [`Hub`].
    #[error("reading `{path}`: {0}", path = world::PATH)]
    Parse(#[source] serde_json::Error),
    /// The server certificate or its key is not PEM.
    #[error("reading the server certificate: {0}")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The server certificate and its key can't serve TLS.
    #[error("preparing TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// Nobody could give orders.
    #[error("listening for orders: {0}")]
    Orders(#[source] io::Error),
    /// SSH can't be served.
    #[error("serving SSH: {0}")]
    Ssh(#[source] io::Error),
    /// A port is not to be had.
    #[error("listening on port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The process can't hear the signals that end it.
    #[error("waiting for a signal: {0}")]
    Signal(#[source] io::Error),
}

/// Plays the role until SIGTERM or SIGINT: reads the [`Hub`] at [`world::PATH`], listens on ports 443, 80 and 22 and
/// says [`What::Ready`]. A reason not to start is also said as [`What::Failed`].
///
/// # Errors
/// When the hub is missing or wrong, or the port is taken.
#[must_use]
pub fn run() -> Part<Error> {
    Box::pin(async {
        let outcome = play().await;
        if let Err(error) = &outcome {
            event::emit(What::Failed { reason: error.to_string() });
        }
        outcome
    })
}

async fn play() -> Result<(), Error> {
    // The first process of a container gets no default action for a signal: it must ask for them itself, and early.
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;

    let text = tokio::fs::read(world::PATH).await.map_err(Error::Read)?;
    let hub: Hub = serde_json::from_slice(&text).map_err(Error::Parse)?;
    let shelves = Shelves {
        repositories: world::REPOSITORIES.into(),
        packages: world::PACKAGES.into(),
        private: world::PRIVATE_PACKAGES.into(),
    };
    let faults = Arc::new(Faults::default());
    hub.faults.iter().cloned().for_each(|fault| faults.begin(fault));
    let directory = Arc::new(Directory::new(hub, Arc::clone(&faults)));
    ssh::serve(Arc::clone(&directory), &shelves, Arc::clone(&faults)).await.map_err(Error::Ssh)?;
    let server = server::Server::new(Arc::clone(&directory), shelves, Arc::clone(&faults))?;
    take_orders(faults, Path::new(SOCKET)).map_err(Error::Orders)?;
    let (listener, plain) = (listen(PORT).await?, listen(PLAIN_PORT).await?);
    event::emit(What::Ready);

    tokio::select! {
        never = server.serve(listener) => match never {},
        never = plain::serve(directory, plain) => match never {},
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(|source| Error::Listen { port, source })
}

/// Takes orders on a socket: to let something go wrong, and to let it be right again.
fn take_orders(faults: Arc<Faults>, socket: &Path) -> io::Result<()> {
    control::serve(socket, move |order| {
        let faults = Arc::clone(&faults);
        async move {
            match order {
                Control::Fault(fault) => {
                    let name = fault.name();
                    faults.begin(fault);
                    Ok(Answer::Faulty { name })
                }
                Control::FaultEnd(name) => {
                    faults.end(&name);
                    Ok(Answer::Sound { name })
                }
                _ => Err("GitHub takes no such order".to_owned()),
            }
        }
    })
}

/// Where the role's files are.
#[derive(Debug)]
struct Shelves {
    /// Folder of the bare repositories, as `OWNER/NAME.git`.
    repositories: PathBuf,
    /// Folder of the package index's files.
    packages: PathBuf,
    /// Folder of the files that a private index alone has.
    private: PathBuf,
}
