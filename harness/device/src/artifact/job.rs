//! What every step of one artifact's preparation knows: whose it is, how its troubles are worded, when it ends.

use crate::{
    clock::Clock,
    failure::Failure,
    log::{Line, Logs},
    recipe::{Artifact, Recipe},
};
use rand::RngExt;
use std::time::Duration;
use tokio::sync::watch;

/// The period between two tries; the nucleus waits for half of it at least.
const INTERVAL: Duration = Duration::from_mins(1);

/// The preparation of one artifact.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) artifact: &'a Artifact,
    pub(super) clock: Clock,
    pub(super) logs: &'a Logs,
    pub(super) cancelled: &'a watch::Receiver<bool>,
    /// The class of the nucleus that downloads it.
    pub(super) logger: &'static str,
}

/// Why a try didn't work.
#[derive(Debug)]
pub(super) enum Problem {
    /// Worth another try, for ever.
    Again(String),
    /// The end of the deployment.
    Fatal(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Fatal(failure)
    }
}

/// Tries of one task, with the nucleus's pauses between them.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    job: &'a Job<'a>,
    task: &'static str,
    /// How many have failed.
    pub(super) failed: u32,
}

impl Job<'_> {
    /// A reason in the frame that the nucleus puts around it.
    pub(super) fn reason(&self, reason: &str) -> String {
        let Recipe { name, version, .. } = self.recipe;
        let uri = &self.artifact.uri;
        format!("Failed to download artifact name: '{uri}' for component {name}-{version}, reason: {reason}")
    }

    /// The failure of a download.
    pub(super) fn failure(&self, reason: &str, codes: &[&'static str]) -> Failure {
        let codes: Vec<_> = ["ARTIFACT_DOWNLOAD_ERROR"].iter().chain(codes).copied().collect();
        Failure::new(self.reason(reason), &codes)
    }

    /// Logs a line with what the nucleus says about every line of a download.
    pub(super) fn log(&self, line: impl FnOnce(&str) -> Line) {
        let line = line(self.logger).with("artifactUri", &self.artifact.uri);
        self.logs.nucleus(&line.with("componentIdentifier", &self.recipe.name));
    }

    /// The tries of a task.
    pub(super) fn tries(&self, task: &'static str) -> Tries<'_> {
        Tries { job: self, task, failed: 0 }
    }

    /// # Errors
    /// If the deployment was cancelled.
    pub(super) fn check_cancelled(&self) -> Result<(), Failure> {
        if *self.cancelled.borrow() { Err(cancellation()) } else { Ok(()) }
    }
}

impl Tries<'_> {
    /// Takes a problem: waits for the next try, or passes on what ends the deployment.
    ///
    /// # Errors
    /// As said, or if the deployment is cancelled meanwhile.
    pub(super) async fn next(&mut self, problem: Problem) -> Result<(), Failure> {
        let cause = match problem {
            Problem::Again(cause) => cause,
            Problem::Fatal(failure) => return Err(failure),
        };
        self.failed += 1;
        if self.failed == 1 || self.failed.is_multiple_of(20) {
            self.job.log(|logger| {
                let line = Line::info(logger).event(self.task).message("task failed and will be retried");
                line.with("task-attempt", self.failed.to_string()).cause(cause)
            });
        }
        pause(self.job.clock, self.job.cancelled, INTERVAL / 2, INTERVAL).await
    }
}

/// Waits for a random time within the limits, or until the deployment is cancelled.
///
/// # Errors
/// If it is cancelled.
pub(crate) async fn pause(
    clock: Clock,
    cancelled: &watch::Receiver<bool>,
    least: Duration,
    most: Duration,
) -> Result<(), Failure> {
    let wait = rand::rng().random_range(least..=most);
    let mut cancelled = cancelled.clone();
    let signal = async {
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            // Nobody is left that could cancel.
            std::future::pending::<()>().await;
        }
    };
    match clock.timeout(wait, signal).await {
        Ok(()) => Err(cancellation()),
        Err(_) => Ok(()),
    }
}

fn cancellation() -> Failure {
    Failure::new("Deployment was cancelled", &["DEPLOYMENT_INTERRUPTED"])
}
