//! What is raised is removed, however a command ends: `greenproof sweep`, and what stands in for it on Ctrl-C.

use super::{answer, command::Failure, config, shown::terminal};
use greenproof::{
    Options, docker, exit,
    report::{Reader, Told},
};

/// Carries out what raises worlds; they are removed when it fails or is interrupted.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut interrupt = Interrupt::new()?;
    let result = tokio::select! {
        result = work => result,
        signal = interrupt.received() => {
            // The run was dropped, and its lease with it, so that a sweep takes what it raised.
            let told = tokio::select! {
                swept = clean_up() => format!("interrupted by {signal}; {swept}"),
                again = interrupt.received() => {
                    format!("interrupted by {signal}, and by {again} while what stands was removed; run `greenproof sweep`")
                }
            };
            return Err(Failure::new(exit::INTERRUPTED, told, ""));
        }
    };
    if result.is_err() {
        clean_up().await;
    }
    result
}

pub(crate) async fn sweep(all: bool, json: bool) -> Result<u8, Failure> {
    let swept = sweep_each(all).await?;
    if json {
        answer::json(&swept)?;
        return Ok(exit::PASSED);
    }
    let note = if swept.is_empty() { "nothing to remove".to_owned() } else { format!("removed {swept}") };
    terminal().tell(Told::note(note));
    Ok(exit::PASSED)
}

/// What the library is told for each engine.
fn each() -> Result<Vec<Options>, Failure> {
    Ok(config::options()?.on_each(config::engines()))
}

/// Sweeps each engine, whatever the others say; fails as the first that does.
async fn sweep_each(all: bool) -> Result<docker::Swept, Failure> {
    let (mut sum, mut failed) = (docker::Swept::default(), None);
    for options in each()? {
        let swept = async { Ok::<_, Failure>(docker::sweep(&options.connect().await?, all).await?) };
        match swept.await {
            Ok(swept) => sum += swept,
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    failed.map_or(Ok(sum), Err)
}

/// Removes what this process raised, once its runs are dropped; says what was done.
pub(crate) async fn clean_up() -> String {
    match sweep_each(false).await {
        Ok(swept) if swept.is_empty() => "nothing was left to remove".into(),
        Ok(swept) => format!("removed {swept}"),
        Err(Failure { message, .. }) => format!("could not clean up: {message}; run `greenproof sweep`"),
    }
}

/// Ctrl-C, `SIGTERM`, and the end of the terminal unless who called us wants none of it (`nohup`).
struct Interrupt {
    ctrl_c: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Interrupt {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(exit::FAULT, format!("can't listen for signals: {error}"), ""))
        };
        Ok(Self {
            ctrl_c: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: if ignores_hangup() { None } else { Some(listen(SignalKind::hangup())?) },
        })
    }

    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.ctrl_c.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            Some(()) = async { self.hangup.as_mut()?.recv().await } => "SIGHUP",
        }
    }
}

/// Whether this process was started with SIGHUP ignored: bit 0 of the mask in `/proc/self/status`, which proc(5) describes.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
