//! A container prepared for a core that is not ours: resolver, route, trust and the catcher of stray connections.
//!
//! The first process prepares the container and then becomes the program that it is told, such as an init system; what
//! catches stray connections goes on beside it, as a process of its own.

use crate::{Error, entry};
use std::{
    io::{self, BufRead, BufReader},
    net::Ipv4Addr,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What a core's container gets before its core starts.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Name server to write into `/etc/resolv.conf`.
    pub nameserver: Option<Ipv4Addr>,
    /// Default gateway, which is told of connections to addresses outside its network.
    pub gateway: Option<Ipv4Addr>,
    /// PEM file with the authority to add to the system's trust store.
    pub trust: Option<PathBuf>,
}

/// What the process that catches says when it does.
const READY: &str = "ready";

/// Prepares the container, tells so on standard output, and catches stray connections for ever.
///
/// # Errors
/// If the container can't be prepared.
pub async fn surround(surroundings: &Surroundings) -> Result<(), Error> {
    entry::prepare(surroundings).await?;
    {
        use io::Write;
        writeln!(io::stdout(), "{READY}")?;
    }
    std::future::pending().await
}

/// Starts [`surround`] with the same arguments as a process beside, waits until it is ready, and becomes the program.
///
/// # Errors
/// Always, if it returns: the container could not be prepared, or the program not be run.
pub fn become_program(arguments: &[String], program: &[String]) -> Result<(), Error> {
    let own = std::env::current_exe()?;
    let mut beside = Command::new(own).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(output) = beside.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let [name, words @ ..] = program else { return Err(io::Error::other("there is no program to become").into()) };
    if line.trim() != READY {
        return Err(io::Error::other("the container could not be prepared").into());
    }
    Err(Command::new(name).args(words).exec().into())
}
