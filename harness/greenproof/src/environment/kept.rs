//! An environment that stays when its process ends, and a process that goes on with one.

use super::{
    DeviceLogs, Environment, Orders, Restarts, containers, follow, supervisor,
    watch::{self, Watching},
};
use crate::{
    docker::{Container, Engine, Kept, LocalStack, Network, Upload},
    evidence::log,
    journal::Journal,
    plan::{Plan, Record},
    stage::Error,
};
use cloud::world::{self, World};
use std::{net::Ipv4Addr, path::PathBuf, sync::Mutex};
use tokio::sync;

/// The folder of what an `aws` container was told.
const FOLDER: &str = "/etc/greenproof";
/// Where the record of a kept environment stands in it.
pub(crate) const RECORD: &str = "/etc/greenproof/record.json";

/// The containers of an environment that stands, and what they were told.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What is known of it on the host.
    pub kept: Kept,
    /// What its cloud was told.
    pub world: World,
    /// What else it was raised with.
    pub record: Record,
    /// Its device.
    pub device: Container,
    /// The port at 127.0.0.1 that its account's owner works through; absent once it does not run.
    pub port: Option<u16>,
    pub(crate) aws: Container,
    pub(crate) github: Option<Container>,
    /// Who watches the device, if it is watched.
    watch: Option<Container>,
}

impl Standing {
    /// Reads a kept environment's containers.
    ///
    /// # Errors
    /// When one is gone, or was made by another version of greenproof.
    pub async fn of(engine: &Engine, kept: &Kept) -> Result<Self, Error> {
        Self::beside(engine, kept, async |_| Ok(())).await.map(|(standing, ())| standing)
    }

    /// Reads them while its clouds are made to take orders, which takes as long.
    ///
    /// # Errors
    /// As [`Standing::of`].
    pub(crate) async fn ordered(engine: &Engine, kept: &Kept) -> Result<(Self, Orders), Error> {
        Self::beside(engine, kept, async |(aws, github)| {
            let orders = Orders::new(engine, aws, github);
            orders.expect().await.map(|()| orders)
        })
        .await
    }

    async fn beside<T>(
        engine: &Engine,
        kept: &Kept,
        work: impl AsyncFnOnce((&Container, Option<&Container>)) -> Result<T, Error>,
    ) -> Result<(Self, T), Error> {
        let hint = format!("remove what is left with `greenproof down --name {}`, and raise it anew", kept.name);
        let gone = |what: &str| Error::surrounding(&format!("looking at `{}`", kept.name), what, hint.clone());
        let mut containers = engine.containers_of(&kept.id).await?;
        let mut part = |role: &str| containers.remove(role).ok_or_else(|| gone(&format!("its `{role}` is gone")));
        let (aws, device) = (part("aws")?, part("device")?);
        let github = containers.remove("github");
        let (told, published, done) = tokio::join!(
            engine.read_tar(&aws.id, FOLDER),
            engine.published(&aws, world::ENDPOINT_PORT),
            work((&aws, github.as_ref()))
        );
        let mut told = told?;
        let mut file = |path: &str| {
            let below = path.trim_start_matches(FOLDER).trim_start_matches('/');
            told.remove(below).map(|file| file.bytes).unwrap_or_default()
        };
        let other = |error: &dyn std::fmt::Display| gone(&format!("another version of greenproof raised it: {error}"));
        let world: World = serde_json::from_slice(&file(world::PATH)).map_err(|error| other(&error))?;
        if world.github.is_some() && github.is_none() {
            return Err(gone("its `github` is gone"));
        }
        let watch = containers.remove(watch::ROLE);
        let standing = Self {
            world,
            record: serde_json::from_slice(&file(RECORD)).map_err(|error| other(&error))?,
            port: published?,
            kept: kept.clone(),
            aws,
            github,
            device,
            watch,
        };
        Ok((standing, done?))
    }

    /// Puts the plan's repositories in place of those that the environment has.
    ///
    /// # Errors
    /// When the engine refuses.
    pub(crate) fn put_repositories<'a>(
        &'a self,
        engine: &'a Engine,
        plan: &Plan,
    ) -> impl Future<Output = Result<(), Error>> + use<'a> {
        let repositories: Vec<_> = containers::repositories(plan).collect();
        async move {
            match &self.github {
                Some(github) => Ok(engine.put(github, &repositories).await?),
                None => Ok(()),
            }
        }
    }
}

impl Environment {
    /// Lets go of the environment without removing it. The engine keeps its device running from now on, as its loader
    /// would. Should this fail or be interrupted, the environment goes as any other.
    ///
    /// # Errors
    /// When the engine refuses, or the note can't be written.
    ///
    /// # Panics
    /// Never: a record always serialises.
    pub async fn keep(mut self, name: &str, scenario: Option<PathBuf>) -> Result<(), Error> {
        let record = serde_json::to_vec(&self.plan.record(scenario)).expect("a record always serialises");
        self.engine.put(&self.aws, &[Upload::file(RECORD, record, 0o600)]).await?;
        self.engine.keep_running(&self.device).await?;
        let note = Kept::new(&self.plan.environment, name, &self.localstack, self.plan.claims());
        let lease = self.lease.take().expect("who raised an environment has its lease");
        lease.keep(&note)?;
        self.let_device_go();
        self.read_no_more();
        Ok(())
    }

    /// Lets go of a kept environment.
    pub(crate) fn let_go(&self) {
        self.let_device_go();
        self.read_no_more();
    }

    /// Goes on with an environment that stands. What it had seen before is known, but is nothing of this run's.
    ///
    /// # Errors
    /// When its clouds no longer run.
    pub(crate) async fn attach(
        engine: &Engine,
        standing: &Standing,
        orders: Orders,
        plan: Plan,
    ) -> Result<Self, Error> {
        let (journal, ended) = (Journal::default(), sync::watch::Sender::new(None));
        let clouds = [&standing.aws].into_iter().chain(&standing.github);
        let readers = clouds.map(|cloud| follow(engine, cloud.clone(), &journal, &ended)).collect();
        let aws = standing.world.aws;
        let now = log::now();
        let environment = Self {
            logs: DeviceLogs::of(&plan.scenario),
            began: now,
            restarts: Restarts::default(),
            network: Network {
                name: format!("greenproof-{}", standing.kept.id),
                subnet: Ipv4Addr::from_bits(aws.to_bits() & !0xF),
            },
            localstack: LocalStack::of_kept(standing.world.localstack.clone(), &standing.kept),
            plan,
            journal,
            device: standing.device.clone(),
            engine: engine.clone(),
            timings: Vec::new(),
            orders,
            aws: standing.aws.clone(),
            github: standing.github.clone(),
            readers,
            watching: standing.watch.clone().map(|container| Box::new(Watching::follow(engine, container))),
            supervisor: Mutex::default(),
            ended,
            lease: None,
            is_ours: false,
            since: now,
        };
        environment.ready().await?;
        environment.supervise(|engine, device, logs, restarts| async move {
            supervisor::watch(&engine, &device, &logs, &restarts).await;
        });
        Ok(environment)
    }
}
