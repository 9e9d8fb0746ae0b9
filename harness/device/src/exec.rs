//! Processes of component scripts: start, output by line, end and kill.

use crate::clock::Clock;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    collections::BTreeMap, fs, io, os::unix::process::ExitStatusExt, path::PathBuf, process::Stdio, sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    sync::watch,
};

/// How long a process may go on after SIGTERM, and its pipes after SIGKILL.
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
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    pub(crate) folder: PathBuf,
    /// Laid over the core's own environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// A started process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pid: u32,
    exit: watch::Receiver<Option<i32>>,
}

impl Plan {
    /// Starts the process; its lines go to `sink`, trimmed.
    ///
    /// # Errors
    /// If it can't be started.
    pub(crate) fn spawn(&self, sink: Sink) -> io::Result<Process> {
        let (program, arguments) = self.argv.split_first().ok_or_else(|| io::Error::other("no program"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        let out = copy(child.stdout.take(), Stream::Stdout, sink.clone());
        let err = copy(child.stderr.take(), Stream::Stderr, sink);
        let (done, exit) = watch::channel(None);
        tokio::spawn(async move {
            // The pipe to standard input stays open as long as the process lives, as the JVM's does.
            let input = child.stdin.take();
            tokio::join!(out, err);
            let code = match child.wait().await {
                Ok(status) => status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
                Err(_) => -1,
            };
            drop(input);
            _ = done.send(Some(code));
        });
        Ok(Process { pid, exit })
    }
}

impl Process {
    /// Waits for the exit code; a process that a signal ended has 128 plus its number.
    pub(crate) async fn wait(&self) -> i32 {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|code| *code).unwrap_or(-1)
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Ends the process and its descendants: SIGTERM, after 5 s SIGKILL. Returns false if something survived.
    pub(crate) async fn kill(&self, clock: Clock) -> bool {
        let family = settled_family(self.pid);
        signal(&family, Signal::SIGTERM);
        if clock.timeout(GRACE, self.gone(&family)).await.is_ok() {
            return true;
        }
        let family: Vec<u32> = family.into_iter().chain(crate::exec::family(self.pid)).collect();
        signal(&family, Signal::SIGKILL);
        clock.timeout(GRACE, self.wait()).await.is_ok()
    }

    /// Waits until the process and every member of its family has ended.
    async fn gone(&self, family: &[u32]) {
        self.wait().await;
        // Looking again is no period of the nucleus: it keeps the world's pace.
        let mut look = Clock::default().interval(LOOK);
        while family.iter().any(|pid| *pid != self.pid && lives(*pid)) {
            look.tick().await;
        }
    }
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Ok(pid) = i32::try_from(*pid) {
            // It may have ended by itself.
            _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

fn lives(pid: u32) -> bool {
    status(pid).is_some_and(|(_, state)| state != 'Z')
}

/// Parent and state of a process.
fn status(pid: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// A process and all its descendants, the process first.
fn family(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, status(pid)?.0))
        })
        .collect();
    let mut family = vec![root];
    let mut index = 0;
    while let Some(parent) = family.get(index).copied() {
        family.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        index += 1;
    }
    family
}

/// The family once it has stopped growing: a shell that has only just started forks while its family is looked up, and
/// the orphan of a killed shell isn't found any more.
fn settled_family(root: u32) -> Vec<u32> {
    let mut known = family(root);
    for _ in 0..10 {
        let again = family(root);
        if again == known {
            break;
        }
        known = again;
    }
    known
}

async fn copy(pipe: Option<impl AsyncRead + Unpin>, stream: Stream, sink: Sink) {
    let Some(mut pipe) = pipe else { return };
    let mut lines = Lines::default();
    let mut buffer = [0; 8192];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => lines.push(&buffer[..length], |line| sink(stream, line)),
        }
    }
    lines.finish(|line| sink(stream, line));
}

/// Splits bytes at `\n`, `\r` and `\r\n`, and trims each line as Java does: of everything up to U+0020, and of nothing
/// else. Newlines that follow a `\r` belong to it, however many they are.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    after_return: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    take(trim(&String::from_utf8_lossy(&std::mem::take(&mut self.line))));
                }
                _ => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
        }
    }

    fn finish(self, mut take: impl FnMut(&str)) {
        if !self.line.is_empty() {
            take(trim(&String::from_utf8_lossy(&self.line)));
        }
    }
}

fn trim(line: &str) -> &str {
    line.trim_matches(|character| character <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use std::sync::Mutex;

    #[test]
    fn lines_end_at_returns_and_are_trimmed() {
        fidelity!("core-exec-3");
        let mut found = Vec::new();
        let mut lines = Lines::default();
        lines.push(b"  a \r\n10%\r20%\r", |line| found.push(line.to_owned()));
        lines.push(b"\n\nb\n\n\x1b \xc2\xa0c\xff\t\nlast", |line| found.push(line.to_owned()));
        lines.finish(|line| found.push(line.to_owned()));
        assert_eq!(found, ["a", "10%", "20%", "b", "", "\u{a0}c\u{fffd}", "last"]);
    }

    #[tokio::test]
    async fn a_process_is_killed_with_its_children() {
        fidelity!("core-exec-4");
        let said = Arc::new(Mutex::new(Vec::new()));
        let (ready, mut is_ready) = watch::channel(false);
        let sink: Sink = {
            let said = said.clone();
            Arc::new(move |stream, line: &str| {
                said.lock().unwrap().push((stream, line.to_owned()));
                _ = ready.send(true);
            })
        };
        let plan = Plan {
            argv: ["sh", "-c", "sh -c 'echo up; exec sleep 60' & wait"].map(Into::into).into(),
            folder: std::env::temp_dir(),
            environment: BTreeMap::new(),
        };
        let process = plan.spawn(sink).unwrap();
        is_ready.wait_for(|ready| *ready).await.unwrap();
        assert_eq!(family(process.pid).len(), 2);
        assert!(process.kill(Clock::default()).await);
        assert_eq!(process.wait().await, 143);
        assert_eq!(*said.lock().unwrap(), [(Stream::Stdout, "up".to_owned())]);
    }
}
