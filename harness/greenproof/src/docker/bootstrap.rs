//! A Debian base image made from Debian's packages, for engines without a registry.

use super::{
    Engine, Progress,
    embedded::Base,
    error::{self, Error},
    images::Watch,
    logs::Tail,
};
use crate::scratch::Scratch;
use bollard::{
    body_try_stream,
    query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Command,
};

/// Makes a base image and tags it. The caller holds the build lock.
pub(crate) async fn bootstrap(
    engine: &Engine,
    base: &Base,
    tag: &str,
    mirror: Option<&str>,
    install_missing: bool,
    progress: Watch<'_>,
) -> Result<(), Error> {
    let say = |line: &str| progress(Progress { image: base.name.clone(), line: line.to_owned() });
    let tool = Tool::find(base, install_missing, &say).await?;
    let root = Scratch::new_in(&engine.cache, "bootstrap");
    let root = root.map_err(Error::io("creating a folder in", &engine.cache))?;
    let target = tool.target(&root)?;
    run(base, &mut tool.command(base, mirror, &target), &say).await?;
    say("importing into Docker");
    match tool {
        Tool::Debootstrap => import_folder(engine, base, tag, &target).await,
        Tool::Mmdebstrap => {
            let file = tokio::fs::File::open(&target).await.map_err(Error::io("reading", &target))?;
            import(engine, base, tag, file).await
        }
    }
}

/// A program that makes a Debian root folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Debootstrap,
    /// Needs no root.
    Mmdebstrap,
}

impl Tool {
    async fn find(base: &Base, install_missing: bool, say: &impl Fn(&str)) -> Result<Self, Error> {
        match bootstrapping() {
            Bootstrapping::Debootstrap => return Ok(Self::Debootstrap),
            Bootstrapping::Mmdebstrap => return Ok(Self::Mmdebstrap),
            Bootstrapping::NotRoot => return Err(Error::NotRoot { base: base.name.clone() }),
            Bootstrapping::Missing if !install_missing => return Err(Error::NoBootstrap { base: base.name.clone() }),
            Bootstrapping::Missing if !is_root() => return Err(Error::NotRoot { base: base.name.clone() }),
            Bootstrapping::Missing => {}
        }
        say("installing debootstrap");
        run(base, Command::new("apt-get").arg("update"), say).await?;
        let packages = ["install", "-y", "--no-install-recommends", "debootstrap", "debian-archive-keyring"];
        run(base, Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(packages), say).await?;
        Ok(Self::Debootstrap)
    }

    /// Where it puts its result: a folder, or a tar archive, which can hold owners that a user can't create.
    fn target(self, root: &Scratch) -> Result<PathBuf, Error> {
        if self == Self::Mmdebstrap {
            return Ok(root.path().join("root.tar"));
        }
        // The temporary folder is closed to others; this one becomes `/` of the image.
        let folder = root.path().join("root");
        fs::DirBuilder::new().mode(0o755).create(&folder).map_err(Error::io("creating", &folder))?;
        Ok(folder)
    }

    fn command(self, base: &Base, mirror: Option<&str>, target: &Path) -> Command {
        let mut command = Command::new(match self {
            Self::Debootstrap => "debootstrap",
            Self::Mmdebstrap => "mmdebstrap",
        });
        command.arg("--variant=minbase").arg(format!("--include={}", base.include.join(",")));
        command.arg(&base.suite).arg(target).args(mirror);
        command
    }
}

/// What there is to make a Debian root folder with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrapping {
    /// debootstrap, and we are root.
    Debootstrap,
    /// mmdebstrap, for any user.
    Mmdebstrap,
    /// debootstrap, which needs root, and we are somebody else.
    NotRoot,
    /// Nothing.
    Missing,
}

/// What there is on this machine to make a Debian root folder with.
#[must_use]
pub fn bootstrapping() -> Bootstrapping {
    match (installed("debootstrap"), installed("mmdebstrap")) {
        (true, _) if is_root() => Bootstrapping::Debootstrap,
        (_, true) => Bootstrapping::Mmdebstrap,
        (true, false) => Bootstrapping::NotRoot,
        (false, false) => Bootstrapping::Missing,
    }
}

/// The owner of our own entry in /proc is the user that we are.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn installed(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

/// Runs a program to its end and says its output line by line.
async fn run(base: &Base, command: &mut Command, say: &impl Fn(&str)) -> Result<(), Error> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let failed = |reason: String, tail: &Tail| Error::Bootstrap { base: base.name.clone(), reason, log: tail.text() };
    let mut tail = Tail::new();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(format!("starting `{program}`: {error}"), &tail))?;
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
    let mut stderr = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
    let (mut more_out, mut more_err) = (true, true);
    while more_out || more_err {
        let line = tokio::select! {
            line = stdout.next_line(), if more_out => line.inspect(|line| more_out = line.is_some()),
            line = stderr.next_line(), if more_err => line.inspect(|line| more_err = line.is_some()),
        };
        let line = line.map_err(|error| failed(format!("reading from `{program}`: {error}"), &tail))?;
        if let Some(line) = line.as_deref().map(str::trim).filter(|line| !line.is_empty()) {
            tail.push(line);
            say(line);
        }
    }
    let status = child.wait().await.map_err(|error| failed(format!("waiting for `{program}`: {error}"), &tail))?;
    if status.success() { Ok(()) } else { Err(failed(format!("`{program}` ended with {status}"), &tail)) }
}

/// Makes an image of a root folder.
async fn import_folder(engine: &Engine, base: &Base, tag: &str, root: &Path) -> Result<(), Error> {
    let failed = |reason: String| Error::Bootstrap { base: base.name.clone(), reason, log: String::new() };
    let mut child = Command::new("tar")
        .args(["--numeric-owner", "--one-file-system", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*"])
        .args(["--exclude=./var/cache/apt/*.bin", "--exclude=./var/cache/apt/archives/*.deb"])
        .args(["--exclude=./var/lib/apt/lists/*_*", "--exclude=./var/log/bootstrap.log", "-c", "."])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("starting `tar`: {error}")))?;
    import(engine, base, tag, child.stdout.take().expect("standard output is piped")).await?;
    let status = child.wait().await.map_err(|error| failed(format!("waiting for `tar`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    // An image of half a root folder must not be taken for a whole one.
    _ = engine.docker.remove_image(tag, None::<RemoveImageOptions>, None).await;
    Err(failed(format!("`tar` ended with {status}")))
}

/// Streams a tar archive into a new image.
async fn import(
    engine: &Engine,
    base: &Base,
    tag: &str,
    archive: impl AsyncRead + Send + Unpin + 'static,
) -> Result<(), Error> {
    let (repository, version) = tag.split_once(':').expect("our tags have a version");
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(version)
        .changes(vec!["CMD [\"bash\"]".to_owned()])
        .build();
    let docker = engine.patient();
    let mut answers = docker.create_image(Some(options), Some(body_try_stream(chunks(archive))), None).boxed();
    while let Some(answer) = answers.next().await {
        answer.map_err(|error| Error::Bootstrap {
            base: base.name.clone(),
            reason: error::cause(&error),
            log: String::new(),
        })?;
    }
    Ok(())
}

fn chunks(source: impl AsyncRead + Send + Unpin + 'static) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::unfold(source, async |mut source| {
        let mut buffer = Vec::with_capacity(1 << 18);
        match source.read_buf(&mut buffer).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(buffer.into()), source)),
            Err(error) => Some((Err(error), source)),
        }
    })
}
