//! An engine behind SSH: the user's own `ssh` forwards a socket of ours to the engine's, for as long as the engine is used.
//!
//! One connection carries everything, so that a server that takes few sessions at a time is no hindrance. `ssh` runs a command
//! that ends with our end of its input: when this process dies, however it does, so does the connection.

use super::error::Error;
use crate::scratch::Scratch;
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdin, Command},
};

/// Asks the machine's own `docker` where its engine is.
const WHERE: &str = "docker context inspect --format '{{.Endpoints.docker.Host}}'";

/// Says that the socket is there, and stays until its input ends.
const STAY: &str = "echo ready && exec cat";

/// A socket that leads to the engine.
#[derive(Debug)]
pub(super) struct Tunnel {
    folder: Scratch,
    _ssh: Child,
    _input: ChildStdin,
}

impl Tunnel {
    /// Opens one to `ssh://[USER@]HOST[:PORT]`.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with what `ssh` says, [`Error::Io`] if there is no place for the socket.
    pub(super) async fn open(cache: &Path, address: &str) -> Result<Self, Error> {
        let refused = |cause: String| Error::Unreachable { address: address.to_owned(), cause };
        let engine = engine(address).await.map_err(refused)?;
        std::fs::create_dir_all(cache).map_err(Error::io("creating", cache))?;
        let folder = Scratch::new_in(cache, "tunnel").map_err(Error::io("creating a folder in", cache))?;
        let forward = format!("{}:{engine}", socket(folder.path()).display());
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "ExitOnForwardFailure=yes", "-L", &forward]).args(words(address)).arg(STAY);
        let piped = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = piped.map_err(|error| refused(format!("can't start ssh: {error}")))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err(refused("ssh has no pipes".into())) };
        let mut first = String::new();
        let read = BufReader::new(output).read_line(&mut first).await;
        if first.trim() != "ready" {
            return Err(refused(said(&mut child, read.err()).await));
        }
        Ok(Self { folder, _ssh: child, _input: input })
    }

    /// The socket, as an address.
    pub(super) fn address(&self) -> String {
        format!("unix://{}", socket(self.folder.path()).display())
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("engine")
}

/// The machine as `ssh` takes it.
fn words(address: &str) -> [&str; 2] {
    // OpenSSH reads the address as it is.
    ["--", address]
}

/// Where the engine is on the machine: a path, or a host and a port.
async fn engine(address: &str) -> Result<String, String> {
    let mut ssh = Command::new("ssh");
    ssh.args(words(address)).arg(WHERE).stdin(Stdio::null()).kill_on_drop(true);
    let output = ssh.output().await.map_err(|error| format!("can't start ssh: {error}"))?;
    if !output.status.success() {
        return Err(last(&output.stderr).unwrap_or_else(|| output.status.to_string()));
    }
    let host = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let known = host.strip_prefix("unix://").or_else(|| host.strip_prefix("tcp://"));
    known.map(str::to_owned).ok_or_else(|| format!("its engine is at `{host}`, which can't be forwarded"))
}

/// What `ssh` said at its end.
async fn said(child: &mut Child, error: Option<io::Error>) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        _ = stderr.read_to_end(&mut text).await;
    }
    last(&text).or_else(|| error.map(|error| error.to_string())).unwrap_or_else(|| "ssh ended".to_owned())
}

fn last(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}
