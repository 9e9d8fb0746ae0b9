//! Another Docker engine on this machine, with a network namespace, data and sockets of its own: what is done to it never
//! touches the machine's own.

use crate::run_program as run;
use anyhow::{Result, ensure};
use std::{
    fs::{self, File},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long an engine may take until it answers.
const READY: Duration = Duration::from_mins(1);

/// A running engine; it ends, with all that it has, when this is dropped.
#[derive(Debug)]
pub struct Extra {
    folder: TempDir,
    number: u8,
    arguments: Vec<String>,
    running: Option<Child>,
}

impl Extra {
    /// Starts an engine. The number, from 1, names its network: two that live at once have different ones.
    ///
    /// # Errors
    /// When it does not answer within a minute.
    pub fn start(number: u8) -> Result<Self> {
        Self::start_with(number, &[])
    }

    /// Starts an engine with more arguments of `dockerd`.
    ///
    /// # Errors
    /// As [`Extra::start`].
    pub fn start_with(number: u8, arguments: &[&str]) -> Result<Self> {
        Self::make(number, arguments, None)
    }

    /// Starts an engine whose disk is memory of this machine, and has so many mebibytes.
    ///
    /// # Errors
    /// As [`Extra::start`].
    pub fn start_small(number: u8, disk: u32) -> Result<Self> {
        Self::make(number, &[], Some(disk))
    }

    fn make(number: u8, arguments: &[&str], disk: Option<u32>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("extra-engine-").tempdir()?;
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        let mut extra = Self { folder, number, arguments, running: None };
        fs::create_dir(extra.data())?;
        // What stores the images of the machine's own engine can store these.
        let driver = crate::docker(&["info", "--format", "{{json .Driver}}"])?;
        fs::write(extra.folder().join("config.json"), format!("{{\"storage-driver\": {driver}}}"))?;
        if let Some(disk) = disk {
            let size = format!("size={disk}m");
            run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &extra.data().display().to_string()])?;
        }
        let (space, here, there) = (extra.name(), extra.name(), extra.address());
        // What an interrupted test left.
        _ = run("ip", &["netns", "delete", &space]);
        _ = run("ip", &["link", "delete", &here]);
        run("ip", &["netns", "add", &space])?;
        run("ip", &["link", "add", &here, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
        run("ip", &["address", "add", &format!("10.99.{number}.1/30"), "dev", &here])?;
        run("ip", &["link", "set", &here, "up"])?;
        for words in [
            ["address", "add", &format!("{there}/30"), "dev", "eth0"].as_slice(),
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
            &["route", "add", "default", "via", &format!("10.99.{number}.1")],
        ] {
            run("ip", &[&["-netns", &space], words].concat())?;
        }
        extra.up()?;
        Ok(extra)
    }

    /// Its folder: data, sockets, log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its socket as `DOCKER_HOST` has it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its address on a network that only this machine has.
    #[must_use]
    pub fn address(&self) -> String {
        format!("10.99.{}.2", self.number)
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn up(&mut self) -> Result<()> {
        let folder = self.folder().to_owned();
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let own = |name: &str| folder.join(name).display().to_string();
        let space = format!("--net=/var/run/netns/{}", self.name());
        let child = Command::new("nsenter")
            .args([&space, "unshare", "--mount", "dockerd", "--data-root", &own("data"), "--exec-root", &own("exec")])
            .args(["--pidfile", &own("pid"), "--host", &self.host(), "--config-file", &own("config.json")])
            .args(&self.arguments)
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()?;
        self.running = Some(child);
        let began = Instant::now();
        while UnixStream::connect(self.socket()).is_err() || run("docker", &["-H", &self.host(), "version"]).is_err() {
            let ended = self.running.as_mut().and_then(|child| child.try_wait().ok().flatten());
            ensure!(ended.is_none() && began.elapsed() < READY, "the engine does not answer: {}", self.log());
        }
        Ok(())
    }

    /// Ends it; containers end with it.
    ///
    /// # Errors
    /// When it can't be told to.
    pub fn down(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        run("kill", &[&running.id().to_string()])?;
        running.wait()?;
        Ok(())
    }

    /// What `docker` prints about it with these words, which must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn docker(&self, words: &[&str]) -> Result<String> {
        crate::docker(&[&["--host", &self.host()], words].concat())
    }

    /// The disk that it has.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    fn socket(&self) -> PathBuf {
        self.folder().join("docker.sock")
    }

    /// What its network namespace is called, and this machine's end of the link to it.
    fn name(&self) -> String {
        format!("extra-{}", self.number)
    }
}

impl Drop for Extra {
    fn drop(&mut self) {
        // What does not end here is told by the test that looks at the machine.
        if let Ok(ids) = self.docker(&["ps", "--all", "--quiet"]) {
            ids.lines().for_each(|id| _ = self.docker(&["rm", "--force", id]));
        }
        _ = self.down();
        _ = run("ip", &["netns", "delete", &self.name()]);
        _ = run("ip", &["link", "delete", &self.name()]);
        _ = run("umount", &[&self.data().display().to_string()]);
    }
}
