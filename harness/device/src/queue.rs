//! The queue of deployments: IoT jobs, the thing's shadow and the local command line share it, and one at a time is
//! carried out.

use crate::log::{Line, Logs};
use serde_json::Value;
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
}

impl Item {
    /// An item that nobody has cancelled.
    pub(crate) fn new(kind: Kind, id: impl Into<String>, document: Value) -> Self {
        let (cancel, cancelled) = watch::channel(false);
        Self { kind, id: id.into(), document, cancelled, cancel, over: Arc::default() }
    }

    /// Notes that only its report is left to do, so that it can't be cancelled any more.
    pub(crate) fn over(&self) {
        self.over.store(true, Ordering::SeqCst);
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
        Arc::new(Self { logs, inner: Mutex::default(), arrived: Notify::new() })
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
        self.attend(&mut inner);
        self.arrived.notify_one();
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
        self.attend(&mut inner);
        self.arrived.notify_one();
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
        self.attend(&mut inner);
        self.arrived.notify_one();
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner().waiting.is_empty()
    }

    /// The next deployment, once there is one; the one before it is over.
    pub(crate) async fn next(&self) -> Item {
        self.inner().current = None;
        loop {
            let arrived = self.arrived.notified();
            {
                let mut inner = self.inner();
                self.attend(&mut inner);
                if let Some(Entry::Deployment(item)) = inner.waiting.pop_front() {
                    inner.current = Some(item.clone());
                    self.attend(&mut inner);
                    return item;
                }
            }
            arrived.await;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
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
    async fn one_that_is_over_is_not_cancelled() {
        let (folder, queue) = queue();
        queue.offer(item(Kind::Job, "a"));
        let job = queue.next().await;
        job.over();
        assert!(queue.cancel(Kind::Job), "it is under way until it is reported");
        assert!(!*job.cancelled.borrow());
        let log = std::fs::read_to_string(folder.path().join("greengrass.log")).unwrap_or_default();
        assert!(!log.contains("Canceling"), "{log}");
    }

    #[tokio::test]
    async fn cancellation_reaches_its_own_kind_only() {
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
