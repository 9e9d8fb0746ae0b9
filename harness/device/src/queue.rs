//! The queue of deployments: IoT jobs, the thing's shadow and the local command line share it, and one at a time is
//! carried out.

use crate::{
    clock::Clock,
    log::{Line, Logs},
    tree,
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

const LOGGER: &str = "com.aws.greengrass.deployment.DeploymentQueue";
const SERVICE: &str = "com.aws.greengrass.deployment.DeploymentService";

/// The channel that a deployment came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An IoT job, as for thing groups.
    Job,
    /// The thing's own shadow.
    Shadow,
    /// The command line on the device.
    Local,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job => "IOT_JOBS",
            Self::Shadow => "SHADOW",
            Self::Local => "LOCAL",
        })
    }
}

/// A deployment that waits to be carried out, or is being.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    /// The job's id, the configuration's ARN, or the local request's id.
    pub(crate) id: String,
    /// The document as it came: `classic 7.1` from the cloud, `classic 7.10` from the command line.
    pub(crate) document: Value,
    /// Becomes true when it is cancelled while it is carried out.
    pub(crate) cancelled: watch::Receiver<bool>,
    cancel: watch::Sender<bool>,
    over: Arc<AtomicBool>,
    /// The queue's polls, if it is polled.
    polls: Option<watch::Receiver<u64>>,
}

impl Item {
    /// An item that nobody has cancelled.
    pub(crate) fn new(kind: Kind, id: impl Into<String>, document: Value) -> Self {
        let (cancel, cancelled) = watch::channel(false);
        Self { kind, id: id.into(), document, cancelled, cancel, over: Arc::default(), polls: None }
    }

    /// Notes that only its report is left to do, so that it can't be cancelled any more. A polled queue finds that out
    /// at its next poll, for which this waits.
    pub(crate) async fn over(&self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(mut polls) = self.polls.clone() {
            polls.mark_unchanged();
            // The queue lives as long as the core.
            _ = polls.changed().await;
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// What waits and what is being carried out.
#[derive(Debug)]
pub(crate) struct Queue {
    logs: Arc<Logs>,
    inner: Mutex<Inner>,
    arrived: Notify,
    /// Counts the polls, if it is polled.
    polls: OnceLock<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Entry>,
    current: Option<Item>,
}

#[derive(Debug)]
enum Entry {
    Deployment(Item),
    /// Cancels the current deployment if it is of this kind.
    Cancellation(Kind),
}

impl Entry {
    fn is_shadow(&self) -> bool {
        match self {
            Self::Deployment(item) => item.kind == Kind::Shadow,
            Self::Cancellation(kind) => *kind == Kind::Shadow,
        }
    }
}

impl Queue {
    pub(crate) fn new(logs: Arc<Logs>) -> Arc<Self> {
        Arc::new(Self { logs, inner: Mutex::default(), arrived: Notify::new(), polls: OnceLock::new() })
    }

    /// Has the queue looked at every `period` only, as the real nucleus does.
    pub(crate) fn poll_every(self: &Arc<Self>, period: Duration, clock: Clock) {
        let queue = self.clone();
        let polls = self.polls.get_or_init(|| watch::Sender::new(0)).clone();
        tokio::spawn(async move {
            let mut ticks = clock.interval(period);
            loop {
                ticks.tick().await;
                queue.look();
                polls.send_modify(|count| *count += 1);
            }
        });
    }

    /// Puts a deployment at the end; a newer one of the shadow takes the waiting one's place. Returns whether it was
    /// taken: the id of one that waits already is a repetition.
    pub(crate) fn offer(&self, item: Item) -> bool {
        let mut inner = self.inner();
        if item.kind == Kind::Shadow {
            self.replace(&mut inner, Entry::Deployment(item));
        } else {
            let same = |entry: &Entry| matches!(entry, Entry::Deployment(known) if known.id == item.id);
            if inner.waiting.iter().any(same) {
                let line = Line::info(LOGGER).message("New deployment ignored as duplicate");
                self.logs.nucleus(&line.with("DeploymentId", &item.id));
                return false;
            }
            inner.waiting.push_back(Entry::Deployment(item));
        }
        drop(inner);
        self.changed();
        true
    }

    /// Cancels the deployment under way if it is of this kind. A cancelled job that still waits is carried out, since
    /// the nucleus can't tell which one is meant. Returns whether there was anything to do.
    pub(crate) fn cancel(&self, kind: Kind) -> bool {
        let mut inner = self.inner();
        if kind == Kind::Shadow {
            self.replace(&mut inner, Entry::Cancellation(kind));
        } else {
            let current = inner.current.as_ref().is_some_and(|item| item.kind == kind);
            if !current || !inner.waiting.is_empty() {
                return false;
            }
            inner.waiting.push_back(Entry::Cancellation(kind));
        }
        drop(inner);
        self.changed();
        true
    }

    /// Cancels the local deployment with this id: the waiting one goes; else the one under way, if it is local, ends.
    pub(crate) fn cancel_local(&self, id: &str) {
        let mut inner = self.inner();
        let same = |entry: &Entry| matches!(entry, Entry::Deployment(item) if item.id == id);
        match inner.waiting.iter().position(same) {
            Some(place) => _ = inner.waiting.remove(place),
            None => inner.waiting.push_back(Entry::Cancellation(Kind::Local)),
        }
        drop(inner);
        self.changed();
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner().waiting.is_empty()
    }

    /// The next deployment, once there is one; the one before it is over.
    pub(crate) async fn next(&self) -> Item {
        let first = self.inner().current.take().is_none();
        let mut polls = self.polls.get().map(watch::Sender::subscribe);
        // After a deployment, the poll that found it over goes on to the next one.
        let mut looking = polls.is_none() || !first;
        loop {
            if looking && let Some(item) = self.take() {
                return Item { polls, ..item };
            }
            match &mut polls {
                // The queue lives as long as the core.
                Some(polls) => _ = polls.changed().await,
                None => self.arrived.notified().await,
            }
            looking = true;
        }
    }

    fn take(&self) -> Option<Item> {
        let mut inner = self.inner();
        self.attend(&mut inner);
        let Some(Entry::Deployment(item)) = inner.waiting.pop_front() else { return None };
        inner.current = Some(item.clone());
        if self.polls.get().is_none() {
            self.attend(&mut inner);
        }
        Some(item)
    }

    /// Something arrived; a polled queue is looked at later.
    fn changed(&self) {
        if self.polls.get().is_none() {
            self.look();
            self.arrived.notify_one();
        }
    }

    fn look(&self) {
        self.attend(&mut self.inner());
    }

    /// Kind and id of the deployment under way.
    pub(crate) fn current(&self) -> Option<(Kind, String)> {
        self.inner().current.as_ref().map(|item| (item.kind, item.id.clone()))
    }

    fn replace(&self, inner: &mut Inner, entry: Entry) {
        let Some(place) = inner.waiting.iter_mut().find(|waiting| waiting.is_shadow()) else {
            return inner.waiting.push_back(entry);
        };
        let id = |entry: &Entry| match entry {
            Entry::Deployment(item) => item.id.clone(),
            Entry::Cancellation(_) => "null".to_owned(),
        };
        let line = Line::info(LOGGER).message("New deployment replacing enqueued deployment");
        let line = line.with("DeploymentId", id(&entry)).with("DiscardedDeploymentId", id(place));
        self.logs.nucleus(&line);
        *place = entry;
    }

    /// Looks at the head of the queue as the deployment service does: cancellations take effect, repetitions go.
    fn attend(&self, inner: &mut Inner) {
        loop {
            // The real nucleus looks at its queue between deployments: one that is over has ended by then.
            let current = inner.current.as_ref().filter(|item| !item.is_over());
            let done = match (inner.waiting.front(), current) {
                (Some(Entry::Cancellation(kind)), Some(current)) if current.kind == *kind => {
                    self.stop(current, "Canceling current deployment");
                    true
                }
                (Some(Entry::Cancellation(_)), Some(current)) => {
                    let line = Line::info(SERVICE).message("The current deployment cannot be cancelled");
                    self.logs.nucleus(&line.with("DeploymentId", &current.id));
                    true
                }
                (Some(Entry::Cancellation(_)), None) => true,
                (Some(Entry::Deployment(item)), Some(current)) => self.superseded(item, current),
                _ => false,
            };
            if !done {
                break;
            }
            inner.waiting.pop_front();
        }
    }

    /// Whether the next deployment is the current one again; a newer one of the shadow cancels it.
    fn superseded(&self, next: &Item, current: &Item) -> bool {
        if next.kind != current.kind || next.kind == Kind::Local {
            return false;
        }
        if next.id == current.id {
            let what = if next.kind == Kind::Shadow { "SHADOW" } else { "IoT Jobs" };
            let line = Line::info(SERVICE).message(format!("Skip the duplicated {what} deployment"));
            self.logs.nucleus(&line.with("DeploymentId", &next.id));
            return true;
        }
        if next.kind == Kind::Shadow && !*current.cancel.borrow() {
            self.stop(current, "Canceling current device deployment");
        }
        false
    }

    fn stop(&self, current: &Item, text: &str) {
        let line = Line::info(SERVICE).message(text).with("DeploymentId", &current.id);
        self.logs.nucleus(&line);
        current.cancel.send_replace(true);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often the nucleus looks at its queue.
pub(crate) fn period(nucleus: &Value) -> Duration {
    let seconds = tree::text(nucleus, "deploymentPollingFrequencySeconds").and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Speed;
    use serde_json::json;

    fn queue() -> (tempfile::TempDir, Arc<Queue>) {
        let folder = tempfile::tempdir().unwrap();
        let logs = Arc::new(Logs::new(folder.path()));
        (folder, Queue::new(logs))
    }

    fn item(kind: Kind, id: &str) -> Item {
        Item::new(kind, id, json!({}))
    }

    #[tokio::test]
    async fn order_and_repetition() {
        fidelity::fidelity!("core-channel-1");
        let (_folder, queue) = queue();
        assert!(queue.offer(item(Kind::Job, "a")));
        assert!(!queue.offer(item(Kind::Job, "a")));
        assert!(queue.offer(item(Kind::Local, "b")));
        assert_eq!(queue.next().await.id, "a");
        assert_eq!(queue.current(), Some((Kind::Job, "a".into())));
        // The one under way, again: dropped when its turn comes.
        assert!(queue.offer(item(Kind::Job, "a")));
        assert_eq!(queue.next().await.id, "b");
    }

    #[tokio::test]
    async fn newer_shadow_takes_the_waiting_ones_place() {
        fidelity::fidelity!("core-channel-1");
        let (folder, queue) = queue();
        queue.offer(item(Kind::Shadow, "thing/T:1"));
        queue.offer(item(Kind::Job, "j"));
        queue.offer(item(Kind::Shadow, "thing/T:2"));
        let first = queue.next().await;
        assert_eq!(first.id, "thing/T:2");
        // Behind a job it can't reach the current one yet.
        queue.offer(item(Kind::Shadow, "thing/T:3"));
        assert!(!*first.cancelled.borrow());
        assert_eq!(queue.next().await.id, "j");
        assert_eq!(queue.next().await.id, "thing/T:3");
        let log = std::fs::read_to_string(folder.path().join("greengrass.log")).unwrap();
        let line = "DeploymentQueue: New deployment replacing enqueued deployment. {DeploymentId=thing/T:2, \
                    DiscardedDeploymentId=thing/T:1}";
        assert!(log.contains(line), "{log}");
    }

    #[tokio::test]
    async fn newer_shadow_cancels_the_running_one() {
        fidelity::fidelity!("core-channel-1");
        let (_folder, queue) = queue();
        queue.offer(item(Kind::Shadow, "thing/T:1"));
        let first = queue.next().await;
        queue.offer(item(Kind::Shadow, "thing/T:1"));
        assert!(!*first.cancelled.borrow());
        queue.offer(item(Kind::Shadow, "thing/T:2"));
        assert!(*first.cancelled.borrow());
        assert_eq!(queue.next().await.id, "thing/T:2");
    }

    #[tokio::test]
    async fn a_polled_queue_takes_a_deployment_at_its_poll() {
        fidelity::fidelity!("core-channel-3");
        let (_folder, queue) = queue();
        let clock = Clock::new(Speed::try_from(10.0).unwrap());
        queue.poll_every(Duration::from_secs(15), clock);
        let began = clock.now();
        queue.offer(item(Kind::Job, "a"));
        queue.offer(item(Kind::Job, "b"));
        let job = queue.next().await;
        let waited = clock.since(began);
        assert!(waited >= Duration::from_secs(14), "{waited:?}");
        job.over().await;
        assert!(clock.since(began) >= waited + Duration::from_secs(10), "its end is found at a poll too");
        let before = clock.now();
        assert_eq!(queue.next().await.id, "b");
        assert!(clock.since(before) < Duration::from_secs(10), "the next one follows at the same poll");
    }

    #[tokio::test]
    async fn one_that_is_over_is_not_cancelled() {
        fidelity::fidelity!("core-channel-2");
        let (folder, queue) = queue();
        queue.offer(item(Kind::Job, "a"));
        let job = queue.next().await;
        job.over().await;
        assert!(queue.cancel(Kind::Job), "it is under way until it is reported");
        assert!(!*job.cancelled.borrow());
        let log = std::fs::read_to_string(folder.path().join("greengrass.log")).unwrap_or_default();
        assert!(!log.contains("Canceling"), "{log}");
    }

    #[tokio::test]
    async fn cancellation_reaches_its_own_kind_only() {
        fidelity::fidelity!("core-channel-2");
        let (_folder, queue) = queue();
        assert!(!queue.cancel(Kind::Job));
        queue.offer(item(Kind::Job, "a"));
        let job = queue.next().await;
        queue.cancel(Kind::Shadow);
        assert!(!*job.cancelled.borrow());
        queue.offer(item(Kind::Job, "b"));
        assert!(!queue.cancel(Kind::Job), "with another deployment waiting nothing is cancelled");
        assert_eq!(queue.next().await.id, "b");
        let job = queue.next();
        queue.offer(item(Kind::Job, "c"));
        let job = job.await;
        assert!(queue.cancel(Kind::Job));
        assert!(*job.cancelled.borrow());
    }
}
