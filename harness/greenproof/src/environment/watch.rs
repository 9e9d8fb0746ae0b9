//! The watcher beside a device: a container of the same program that sees the machine's processes, and reports what of the
//! run's secrets others could read. Only an environment whose scenario says something of leaks has one.

use super::Environment;
use crate::{
    docker::{Container, ContainerSpec, Engine, Lease, Upload},
    evidence::log,
};
use futures_util::StreamExt;
use leak::{
    Canary,
    watch::{self, Said, Sighting, Summary, Watch, now},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch::Sender, task::JoinHandle, time::timeout};

/// The part that the container plays.
pub(super) const ROLE: &str = "watch";

/// What it takes to be told of processes, to read what they were given and their files, to be told of files, and to go
/// before others.
const CAPABILITIES: [&str; 4] = ["NET_ADMIN", "SYS_PTRACE", "SYS_ADMIN", "SYS_NICE"];

/// How long it may take until it watches, and until it has searched what is left.
const READY: Duration = Duration::from_secs(20);
const SEARCH: Duration = Duration::from_mins(1);

/// The signal that orders a search.
const ORDER: &str = "SIGUSR1";

/// A watcher and what it has said.
#[derive(Debug)]
pub(crate) struct Watching {
    pub(super) container: Container,
    said: Arc<Mutex<Vec<Said>>>,
    changed: Sender<usize>,
    pub(super) reader: JoinHandle<()>,
}

/// What came of watching.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Every leak.
    pub(crate) sightings: Vec<Sighting>,
    /// What the search comes to; absent when the watcher did not answer.
    pub(crate) summary: Option<Summary>,
    /// Why processes were only looked for again and again, if so.
    pub(crate) sampled: Option<String>,
    /// Why files were not watched while they lived, if so.
    pub(crate) unwatched: Option<String>,
    /// Why there is no answer, if there is none.
    pub(crate) trouble: Option<String>,
}

/// The container that watches a device which was made at a time and is not started yet.
pub(super) fn spec(
    image: &str,
    canaries: Vec<Canary>,
    lease: &Lease,
    (device, made): (&Container, u64),
) -> ContainerSpec {
    let watch = Watch { container: device.id.clone(), since: made, canaries, sampled: false };
    let watch = serde_json::to_vec(&watch).expect("what a watcher is told always serialises");
    ContainerSpec {
        name: format!("greenproof-{}-{ROLE}", lease.id()),
        image: image.to_owned(),
        command: ["greenproof", "watch"].map(str::to_owned).to_vec(),
        labels: lease.labels(ROLE),
        network: "host".to_owned(),
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
        machine: true,
        unfiltered: true,
        files: vec![Upload::file(watch::PATH, watch, 0o600)],
        ..ContainerSpec::default()
    }
}

impl Watching {
    /// Follows what a watcher says.
    pub(super) fn follow(engine: &Engine, container: Container) -> Self {
        let (said, changed) = (Arc::<Mutex<Vec<Said>>>::default(), Sender::new(0));
        let mut lines = engine.follow_logs(&container);
        let (all, tell) = (Arc::clone(&said), changed.clone());
        let reader = tokio::spawn(async move {
            let take = |line: Said| {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(line);
                let count = all.len();
                // Who waits looks at all of it while it holds what is told.
                drop(all);
                tell.send_replace(count);
            };
            while let Some(Ok(line)) = lines.next().await {
                if let Ok(line) = serde_json::from_str(&line) {
                    take(line);
                }
            }
            take(Said::Failed { reason: "the watcher has ended".to_owned() });
        });
        Self { container, said, changed, reader }
    }

    /// Waits until something was said that gives an answer.
    async fn wait<T>(&self, patience: Duration, mut answer: impl FnMut(&[Said]) -> Option<T>) -> Option<T> {
        let mut changed = self.changed.subscribe();
        let mut found = None;
        let waited = changed.wait_for(|_| {
            found = answer(&self.said.lock().unwrap_or_else(PoisonError::into_inner));
            found.is_some()
        });
        _ = timeout(patience, waited).await;
        found
    }

    /// Waits until it watches; a watcher that does not is told of when it is asked.
    pub(super) async fn ready(&self) {
        let begun = |said: &[Said]| (!said.is_empty()).then_some(());
        if self.wait(READY, begun).await.is_none() {
            tracing::warn!("the watcher does not say that it watches");
        }
    }

    /// Waits until it says how it watches, and gives that.
    pub(super) async fn how(&self) -> Result<(Option<String>, Option<String>), String> {
        let how = self.wait(READY, |said| {
            said.iter().find_map(|said| match said {
                Said::Watching { sampled, unwatched } => Some(Ok((sampled.clone(), unwatched.clone()))),
                Said::Failed { reason } => Some(Err(reason.clone())),
                _ => None,
            })
        });
        how.await.unwrap_or_else(|| Err(format!("the watcher says nothing in {} s", READY.as_secs())))
    }

    /// Has it search what is left, and tells all that it has seen.
    async fn search(&self, engine: &Engine) -> Watched {
        let ordered = now();
        let mut watched = Watched::default();
        if let Err(error) = engine.signal(&self.container, ORDER).await {
            watched.trouble = Some(error.to_string());
        }
        let answered = |said: &[Said]| {
            said.iter().rev().find_map(|said| match said {
                Said::Searched(summary) if summary.ordered >= ordered => Some(Ok(())),
                Said::Failed { reason } => Some(Err(reason.clone())),
                _ => None,
            })
        };
        match self.wait(SEARCH, answered).await {
            Some(Ok(())) => {}
            Some(Err(reason)) => watched.trouble = Some(reason),
            None => watched.trouble = Some(format!("the watcher gave no answer in {} s", SEARCH.as_secs())),
        }
        self.take(&mut watched);
        watched
    }

    /// What was said: the last answer, and how it watches.
    fn take(&self, watched: &mut Watched) {
        for said in self.said.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            match said {
                Said::Watching { sampled, unwatched } => {
                    watched.sampled.clone_from(sampled);
                    watched.unwatched.clone_from(unwatched);
                }
                Said::Leak(sighting) => {
                    // Each answer tells all of it again.
                    if watched.summary.take().is_some() {
                        watched.sightings.clear();
                    }
                    watched.sightings.push((**sighting).clone());
                }
                Said::Searched(summary) => {
                    if watched.summary.replace((**summary).clone()).is_some() {
                        watched.sightings.clear();
                    }
                }
                Said::Failed { reason } => watched.trouble = Some(reason.clone()),
            }
        }
        if watched.trouble.is_some() {
            watched.summary = None;
        }
    }
}

impl Environment {
    /// What `aws` and `github` wrote down in this run, line by line; a line without a time of its own counts as of it.
    pub(crate) async fn said_by_clouds(&self) -> (Vec<String>, Vec<String>) {
        let of = async |container: &Container| {
            let mut lines = self.engine.read_logs(container).await.unwrap_or_default();
            lines.retain(|line| {
                let time =
                    serde_json::from_str::<cloud::event::Event>(line).ok().and_then(|it| log::millis_of(&it.time));
                time.is_none_or(|time| time >= self.since)
            });
            lines
        };
        let github = async {
            match &self.github {
                Some(github) => of(github).await,
                None => Vec::new(),
            }
        };
        tokio::join!(of(&self.aws), github)
    }

    /// What the watcher has seen until now, with what is left on the device; nothing where there is no watcher.
    pub(crate) async fn watched(&self) -> Option<Watched> {
        let watching = self.watching.as_ref()?;
        let mut watched = watching.search(&self.engine).await;
        let since = u64::try_from(self.since).unwrap_or_default();
        watched.sightings.retain(|sighting| sighting.stays || sighting.last >= since);
        Some(watched)
    }
}
