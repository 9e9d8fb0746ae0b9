//! Keeps the device running as the loader keeps a nucleus running: it is started again when the core ends.

use super::device_logs::DeviceLogs;
use crate::{
    docker::{Container, Engine},
    evidence::{Restart, log},
};
use futures_util::StreamExt;
use std::sync::{Arc, Mutex, PoisonError};

/// How often in a row the loader starts a nucleus again that ended otherwise.
const TRIES: u32 = 3;

/// What the engine says of a container that is being removed.
const REMOVED: &str = "marked for removal";

/// How often a device that has ended is looked for again.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// The times that a device was started again; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts(Arc<Mutex<Vec<Restart>>>);

impl Restarts {
    /// Notes that the device is started again, now; says whether that is nobody's fault.
    pub(super) fn note(&self, code: Option<i64>, killed: bool) -> bool {
        let restart = Restart { time: log::instant(log::now()), code, killed };
        let fault = restart.is_fault();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(restart);
        !fault
    }

    pub(super) fn all(&self) -> Vec<Restart> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps a device running that has been started, until it ends for good.
pub(super) async fn keep_running(engine: &Engine, device: &Container, logs: &DeviceLogs, restarts: &Restarts) {
    let mut failures = 0;
    loop {
        if logs.are_told {
            logs.follow(engine, device).await;
        } else {
            tokio::join!(logs.follow(engine, device), ended(engine, device));
        }
        let code = engine.state(&device.id).await.ok().and_then(|state| state.exit_code);
        if failures == TRIES {
            return;
        }
        failures = if restarts.note(code, false) { 0 } else { failures + 1 };
        if let Err(error) = engine.start(device).await {
            // Whoever removes the device ends it, too.
            if !error.to_string().contains(REMOVED) {
                tracing::warn!(%error, "can't start the device again");
            }
            return;
        }
    }
}

/// Follows the logs of a device that the engine keeps running, until it ends for good.
pub(super) async fn watch(engine: &Engine, device: &Container, logs: &DeviceLogs, restarts: &Restarts) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let (code, ()) = tokio::join!(engine.next_end(device), logs.follow(engine, device));
        restarts.note(code, false);
        // The engine waits a moment before it starts a container again, and says meanwhile that it runs.
        if !engine.state(&device.id).await.is_ok_and(|state| state.running) {
            return;
        }
    }
}

async fn ended(engine: &Engine, device: &Container) {
    let mut lines = engine.follow_logs(device);
    while let Some(line) = lines.next().await {
        tracing::debug!(container = device.name, line = line.unwrap_or_default());
    }
}
