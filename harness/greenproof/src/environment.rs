//! One raised world: its network, its three containers, and what its clouds say.
//!
//! Removed by [`Environment::remove`]; should the process die first, its lease dies with it and the next run sweeps.

mod containers;
pub mod device_logs;
pub(crate) mod faults;
mod fleet;
mod hand;
mod kept;
mod orders;
pub(crate) mod probe;
mod raise;
mod supervisor;
mod watch;

pub use device_logs::DeviceLogs;
pub use fleet::Fleet;
pub use kept::Standing;

pub(crate) use containers::container;
pub(crate) use orders::Orders;
pub(crate) use watch::Watched;

use raise::follow;

use self::watch::Watching;
use crate::{
    course::Course,
    docker::{self, Container, Engine, Lease, LocalStack, Network},
    evidence::{
        Evidence, Restart, Timing,
        log::{self, Millis},
    },
    journal::Journal,
    plan::Plan,
    report::{Reader, Silent},
    stage::Error,
};
use cloud::event::Event;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use supervisor::Restarts;
use tokio::{sync, task::JoinHandle};

/// The nucleus's root folder on the device.
pub const ROOT: &str = "/greengrass/v2";

/// The system's bundle of trusted certificates on Debian.
pub(crate) const TRUST_STORE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where the private CA is put.
pub(crate) const CA: &str = "/etc/greenproof/ca.pem";

/// A raised world.
#[derive(Debug)]
pub struct Environment {
    /// What it was raised from.
    pub plan: Plan,
    /// What its clouds say.
    pub journal: Journal,
    /// Its device.
    pub device: Container,
    /// The device's log files as they grow.
    pub logs: DeviceLogs,
    /// When it was raised.
    pub(crate) began: Millis,
    restarts: Restarts,
    pub(crate) engine: Engine,
    timings: Vec<Timing>,
    aws: Container,
    /// Absent where the device does not reach it.
    github: Option<Container>,
    orders: Orders,
    readers: Vec<JoinHandle<()>>,
    /// Who watches the device, if it is watched.
    watching: Option<Box<Watching>>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    ended: sync::watch::Sender<Option<Container>>,
    pub(crate) network: Network,
    /// Its hold on the world; a process that goes on with a kept one has none, and a fleet holds that of its devices.
    lease: Option<Lease>,
    /// Whether this process raised it.
    is_ours: bool,
    localstack: LocalStack,
    /// What is older is nothing of this run's.
    pub(crate) since: Millis,
}

impl Environment {
    async fn start_device(&self) -> Result<(), Error> {
        self.engine.start(&self.device).await?;
        self.supervise(|engine, device, logs, restarts| async move {
            supervisor::keep_running(&engine, &device, &logs, &restarts).await;
        });
        Ok(())
    }

    /// Follows the device until its supervision ends, which is its end for good.
    fn supervise<F: Future<Output = ()> + Send + 'static>(
        &self,
        supervision: impl FnOnce(Engine, Container, DeviceLogs, Restarts) -> F,
    ) {
        let (device, end) = (self.device.clone(), self.ended.clone());
        let work = supervision(self.engine.clone(), device.clone(), self.logs.clone(), self.restarts.clone());
        let supervisor = tokio::spawn(async move {
            work.await;
            end.send_if_modified(|ended| ended.is_none().then(|| *ended = Some(device)).is_some());
        });
        *self.supervisor.lock().unwrap_or_else(PoisonError::into_inner) = Some(supervisor);
    }

    /// Stops keeping the device running; its end is then nobody's death.
    fn let_device_go(&self) {
        if let Some(supervisor) = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take() {
            supervisor.abort();
        }
    }

    /// Kills the core, the first process of the device, with SIGKILL; all its processes die with it. Its disk stays.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn kill_device(&self) -> Result<(), Error> {
        self.let_device_go();
        Ok(self.engine.kill(&self.device).await?)
    }

    /// Starts the device again after [`Environment::kill_device`], on the disk that it had.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn revive_device(&self) -> Result<(), Error> {
        self.restarts.note(None, true);
        self.start_device().await
    }

    /// Each time that the device was started again.
    #[must_use]
    pub fn restarts(&self) -> Vec<Restart> {
        self.restarts.all()
    }

    pub(crate) const fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("who raised an environment has its lease")
    }

    /// Whether this process raised it, rather than went on with a kept one.
    pub(crate) const fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Base URL of the LocalStack that it shares with others.
    #[must_use]
    pub fn localstack(&self) -> &str {
        &self.localstack.url
    }

    /// Name of that LocalStack's container.
    #[must_use]
    pub fn localstack_container(&self) -> &str {
        &self.localstack.container
    }

    /// Name of its network.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network.name
    }

    /// Carries out the scenario's steps and gathers the evidence.
    pub async fn deploy(&self, patience: Duration) -> Evidence {
        self.deploy_telling(patience, &Silent).await
    }

    /// Carries out the scenario's steps, telling each as it ends, and gathers the evidence.
    pub async fn deploy_telling(&self, patience: Duration, reader: &dyn Reader) -> Evidence {
        Course::new(self, patience).run(self.timings.clone(), reader).await
    }

    /// What the clouds saw of this run, in order of time.
    pub(crate) fn events(&self) -> Vec<Event> {
        let of_run = |event: &&Event| log::millis_of(&event.time).is_none_or(|time| time >= self.since);
        self.journal.read(|events| events.iter().filter(of_run).cloned().collect())
    }

    /// Waits until one of the containers has ended; says which, and its last words.
    pub(crate) async fn died(&self) -> String {
        self.plan.redactor.apply(&raise::died(&self.engine, &self.journal, &self.ended).await)
    }

    /// Stops following the containers.
    fn read_no_more(&self) {
        let watching = self.watching.as_ref().map(|watching| &watching.reader);
        for reader in self.readers.iter().chain(watching) {
            reader.abort();
        }
    }

    /// Removes the world.
    ///
    /// # Errors
    /// When Docker refuses; a later sweep tries again.
    pub async fn remove(self) -> Result<(), Error> {
        self.let_device_go();
        self.read_no_more();
        Ok(docker::remove_environment(&self.engine, &self.plan.environment).await?)
    }
}
