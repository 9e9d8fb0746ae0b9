//! `github.com` over SSH: OpenSSH's own server, which asks here whom it lets in and what they may do.
//!
//! One `sshd` serves one connection, so there is none until a client comes. It takes a public key for one that GitHub
//! knows if [`authorized`] says so, and runs [`become_git`] in place of whatever the client asked for. Both ask the role on
//! a socket; what is decided there is written down as any other git request. The protocol itself is git's own.

mod decision;

use super::{Shelves, directory::Directory, git::CONFIGURATION};
use crate::{control, faults::Faults};
use decision::{Answer, Question};
use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{OpenOptionsExt as _, PermissionsExt as _, chown},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
};

/// Port of SSH.
const PORT: u16 = 22;
/// Folder of what the server is configured with.
const FOLDER: &str = "/run/greenproof/ssh";
/// Where the server asks.
const SOCKET: &str = "/run/greenproof/ssh.sock";
/// Where `sshd` locks itself in while it does not know who calls.
const EMPTY: &str = "/run/sshd";
/// The user that everybody comes as.
const USER: &str = "git";

/// Serves SSH on its port until the runtime ends.
///
/// # Errors
/// When the port is taken, or the server can't be configured.
pub(super) async fn serve(directory: Arc<Directory>, shelves: &Shelves, faults: Arc<Faults>) -> io::Result<()> {
    let configuration = configure(&directory.hub().host_key.0)?;
    let (user, group) = ids(&fs::read_to_string("/etc/passwd")?).ok_or(io::Error::other("there is no user `git`"))?;
    give(&shelves.repositories, user, group)?;
    let repositories = shelves.repositories.clone();
    control::serve(Path::new(SOCKET), move |question: Question| {
        let answer = question.answer(&directory, &faults, &repositories);
        async move { Ok::<Answer, String>(answer) }
    })?;
    // Git's user asks, too.
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666))?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(converse(stream, configuration.clone()))),
                Err(error) => tracing::warn!(%error, "accepting a connection over SSH"),
            }
        }
    });
    Ok(())
}

/// Lets a server of its own talk to a client.
async fn converse(stream: TcpStream, configuration: PathBuf) {
    let served = async {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        let (reading, writing) = (OwnedFd::from(stream.try_clone()?), OwnedFd::from(stream));
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-i", "-e", "-f"]).arg(configuration).stdin(reading).stdout(writing).stderr(Stdio::inherit());
        let mut child = command.spawn()?;
        // The client's end of the connection is the server's alone.
        drop(command);
        child.wait().await
    };
    if let Err(error) = served.await {
        tracing::error!(%error, "sshd");
    }
}

/// Writes the server's configuration and its key; gives the configuration's path.
fn configure(host_key: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(FOLDER)?;
    fs::create_dir_all(EMPTY)?;
    let key = format!("{FOLDER}/host_key");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&key)?;
    file.write_all(host_key.as_bytes())?;
    let program = std::env::current_exe()?;
    let text = format!(
        "HostKey {key}\n\
         AllowUsers {USER}\n\
         AuthenticationMethods publickey\n\
         AuthorizedKeysFile none\n\
         AuthorizedKeysCommand {program} cloud ssh-key %t %k\n\
         AuthorizedKeysCommandUser root\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         UsePAM no\n\
         AcceptEnv GIT_PROTOCOL\n\
         PrintMotd no\n\
         PidFile none\n\
         LogLevel ERROR\n",
        program = program.display()
    );
    let path = PathBuf::from(format!("{FOLDER}/sshd_config"));
    fs::write(&path, text)?;
    Ok(path)
}

/// The numbers of git's user and group.
fn ids(passwd: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Gives a folder and all in it to a user; one that is not there has nothing.
fn give(path: &Path, user: u32, group: u32) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    chown(path, Some(user), Some(group))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

/// What `sshd` is told of a public key, such as `ssh-ed25519 AAAA…`: a line of `authorized_keys`, or nothing.
///
/// # Errors
/// When the role does not answer.
pub async fn authorized(key: &str) -> Result<String, control::Error> {
    match control::ask_at(Path::new(SOCKET), &Question::Key(key.to_owned())).await? {
        Answer::Known { name } => {
            let program = std::env::current_exe()?;
            Ok(format!("restrict,command=\"{} cloud ssh-git {name}\" {key}\n", program.display()))
        }
        _ => Ok(String::new()),
    }
}

/// Becomes the git program that the holder of a deploy key asked for. Comes back only if that may not be: with what is to
/// be printed on standard error.
///
/// # Errors
/// When the role does not answer, or git can't be run.
pub async fn become_git(key: &str, command: Option<String>) -> Result<String, control::Error> {
    let question = Question::Command { key: key.to_owned(), command: command.unwrap_or_default() };
    match control::ask_at(Path::new(SOCKET), &question).await? {
        Answer::Run { program, repository, hidden } => {
            let mut command = std::process::Command::new(program);
            command.arg(repository);
            let hidden = hidden.as_deref().map(|references| ("uploadpack.hideRefs", references));
            let configuration: Vec<_> = CONFIGURATION.into_iter().chain(hidden).collect();
            command.env("GIT_CONFIG_COUNT", configuration.len().to_string());
            for (index, (key, value)) in configuration.iter().enumerate() {
                command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
            }
            Err(command.exec().into())
        }
        Answer::Refused { text } => Ok(text),
        other => Err(control::Error::Answer(format!("{other:?}"))),
    }
}
