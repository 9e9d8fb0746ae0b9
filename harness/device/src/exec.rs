//! Processes of component scripts: start, output by line, end and kill.

mod family;
mod lines;

use crate::{
    clock::Clock,
    log::{Line, Logs},
};
use lines::Lines;
use std::{
    collections::BTreeMap,
    io,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    sync::watch,
};

/// Logger of what is done to processes.
const LOGGER: &str = "com.aws.greengrass.util.platforms.Platform";
/// How long a process may go on after SIGTERM, and its pipes after its end.
const GRACE: Duration = Duration::from_secs(5);
/// How often the end of descendants is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Takes the lines of a process.
pub(crate) type Sink = Arc<dyn Fn(Stream, &str) + Send + Sync>;

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the command is put behind so that another user runs it.
    pub(crate) sudo: Vec<String>,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    pub(crate) folder: PathBuf,
    /// Laid over the core's own environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// A started process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pid: u32,
    sudo: Vec<String>,
    /// The exit code of the process.
    exit: watch::Receiver<Option<i32>>,
    /// Whether standard error and standard output have ended.
    ended: [watch::Receiver<bool>; 2],
}

/// What ending a process needs.
#[derive(Clone, Copy)]
pub(crate) struct Killer<'a> {
    pub(crate) clock: Clock,
    pub(crate) logs: &'a Logs,
}

/// A program as the JVM finds it: by the core's own search path, whatever the script's is.
pub(crate) fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").filter(|_| !program.contains('/'));
    let folders: Vec<_> = path.iter().flat_map(std::env::split_paths).collect();
    let runs = |file: &PathBuf| file.metadata().is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0);
    folders.into_iter().map(|folder| folder.join(program)).find(runs).unwrap_or_else(|| program.into())
}

impl Plan {
    /// Starts the process; its lines go to `sink`, trimmed.
    ///
    /// # Errors
    /// If it can't be started.
    pub(crate) fn spawn(&self, sink: Sink) -> io::Result<Process> {
        let mut argv = self.sudo.iter().chain(&self.command);
        let program = argv.next().ok_or_else(|| io::Error::other("no program"))?;
        let mut child = Command::new(found(program))
            .arg0(program)
            .args(argv)
            .current_dir(&self.folder)
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        let ended =
            [copy(child.stderr.take(), Stream::Stderr, sink.clone()), copy(child.stdout.take(), Stream::Stdout, sink)];
        let (done, exit) = watch::channel(None);
        tokio::spawn(async move {
            // The pipe to standard input stays open as long as the process lives, as the JVM's does.
            let input = child.stdin.take();
            let code = match child.wait().await {
                Ok(status) => status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
                Err(_) => -1,
            };
            drop(input);
            _ = done.send(Some(code));
        });
        Ok(Process { pid, sudo: self.sudo.clone(), exit, ended })
    }

    /// What Java says if it can't start the process.
    pub(crate) fn failure(&self, error: &io::Error) -> (String, String) {
        let number = error.raw_os_error().unwrap_or_default();
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let program = self.sudo.first().or(self.command.first()).map_or("", String::as_str);
        let reason = format!("error={number}, {text}");
        (format!("Cannot run program \"{program}\" (in directory \"{}\"): {reason}", self.folder.display()), reason)
    }
}

impl Process {
    /// Waits for the exit code; a process that a signal ended has 128 plus its number.
    pub(crate) async fn exited(&self) -> i32 {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|code| *code).unwrap_or(-1)
    }

    /// Waits for the exit code and for the end of both pipes, which a child in the background may hold open.
    pub(crate) async fn finished(&self) -> i32 {
        for ended in &self.ended {
            // A sender that is gone has ended too.
            _ = ended.clone().wait_for(|ended| *ended).await;
        }
        self.exited().await
    }

    /// Waits for the exit code, and then for each pipe for a limited time.
    pub(crate) async fn waited_for(&self, clock: Clock) -> i32 {
        let code = self.exited().await;
        for ended in &self.ended {
            _ = clock.timeout(GRACE, ended.clone().wait_for(|ended| *ended)).await;
        }
        code
    }

    /// Whether the process itself still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Whether the process has exited and both its pipes have ended.
    pub(crate) fn is_finished(&self) -> bool {
        !self.is_alive() && self.ended.iter().all(|ended| *ended.borrow())
    }

    /// Gives the process the time that the nucleus gives an interrupted one, then kills it alone. Returns whether that
    /// was needed.
    pub(crate) async fn interrupt(&self, clock: Clock) -> bool {
        if clock.timeout(GRACE, self.exited()).await.is_ok() {
            return false;
        }
        _ = Command::new("kill").args(["-9", &self.pid.to_string()]).output().await;
        self.exited().await;
        true
    }

    /// Ends the process and its descendants: SIGTERM, and after 5 s for each that stays, SIGKILL. The signals are sent
    /// as the user of the process. Calls `stubborn` before SIGKILL; returns false if the process is still there 5 s later.
    pub(crate) async fn close(&self, killer: Killer<'_>, stubborn: impl FnOnce()) -> bool {
        if !self.is_alive() {
            return true;
        }
        let mut family = family::descendants(self.pid);
        self.signal_all(&family, false, killer).await;
        let mut survivors = false;
        for pid in family.iter().copied().chain([self.pid]) {
            survivors |= killer.clock.timeout(GRACE, self.gone(pid)).await.is_err();
        }
        if survivors {
            stubborn();
            family.extend(family::descendants(self.pid));
            self.kill(&family, killer).await;
        }
        killer.clock.timeout(GRACE, self.exited()).await.is_ok()
    }

    /// Ends the process and its descendants with SIGKILL at once.
    pub(crate) async fn force(&self, killer: Killer<'_>) {
        if self.is_alive() {
            self.kill(&family::descendants(self.pid), killer).await;
            _ = killer.clock.timeout(GRACE, self.exited()).await;
        }
    }

    async fn kill(&self, family: &[u32], killer: Killer<'_>) {
        self.signal_all(family, true, killer).await;
        if self.is_alive() {
            // The core itself may kill its own child, even one that is another user's sudo.
            _ = Command::new("kill").args(["-9", &self.pid.to_string()]).output().await;
        }
    }

    async fn signal_all(&self, family: &[u32], force: bool, killer: Killer<'_>) {
        let pid = self.pid;
        let tell = |text: String| killer.logs.nucleus(&Line::info(LOGGER).message(text));
        tell(format!("Killing child processes of pid {pid}, force is {force}"));
        for pid in family.iter().copied().filter(|pid| family::lives(*pid)) {
            self.signal(pid, force, killer.logs).await;
        }
        tell(format!("Killing parent process {pid}, force is {force}"));
        if self.is_alive() {
            self.signal(pid, force, killer.logs).await;
        }
    }

    async fn signal(&self, pid: u32, force: bool, logs: &Logs) {
        let number = pid.to_string();
        let kill = ["kill", if force { "-9" } else { "-15" }, &number];
        let mut argv = self.sudo.iter().map(String::as_str).chain(kill);
        let Some(program) = argv.next() else { return };
        match Command::new(program).args(argv).stdin(Stdio::null()).output().await {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let line = Line::warn(LOGGER).message("kill exited non-zero (process not found or other error)");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
                let line = line.with("pid", number).with("exit-code", output.status.code().unwrap_or(-1).to_string());
                logs.nucleus(&line.with("stdout", text(&output.stdout)).with("stderr", text(&output.stderr)));
            }
            Err(error) => tracing::warn!(%error, pid, "running kill"),
        }
    }

    /// Waits until a member of the family has ended.
    async fn gone(&self, pid: u32) {
        if pid == self.pid {
            self.exited().await;
            return;
        }
        // Looking again is no period of the nucleus: it keeps the world's pace.
        let mut look = Clock::default().interval(LOOK);
        while family::lives(pid) {
            look.tick().await;
        }
    }
}

/// Gives the lines of a pipe to `sink`; tells when the pipe has ended.
fn copy(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, stream: Stream, sink: Sink) -> watch::Receiver<bool> {
    let (done, ended) = watch::channel(false);
    tokio::spawn(async move {
        let mut lines = Lines::default();
        let mut buffer = [0; 8192];
        if let Some(mut pipe) = pipe {
            while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
                lines.push(&buffer[..length], |line| sink(stream, line));
            }
        }
        lines.finish(|line| sink(stream, line));
        _ = done.send(true);
    });
    ended
}

#[cfg(test)]
mod tests;
