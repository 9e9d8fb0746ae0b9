//! How a world comes up: network and clouds first, the device when they are ready.

use super::{
    DeviceLogs, Environment, Orders, Restarts, containers,
    watch::{self, Watching},
};
use crate::{
    docker::{self, Container, ContainerSpec, Engine, Lease, LocalStack, Network},
    evidence::{
        Timing,
        log::{self, Millis},
    },
    journal::Journal,
    plan::{Outside, Plan},
    redact::Redactor,
    report::{Reader, Silent, Told},
    stage::{Error, Extra, Stage},
};
use cloud::event::{Event, What};
use futures_util::{StreamExt, future::OptionFuture};
use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};
use tokio::{sync, task::JoinHandle};

/// How long the clouds may take to say that they are ready.
const READY: Duration = Duration::from_secs(30);

impl Environment {
    /// Raises the world of a plan. The device connects and takes its deployment as soon as the clouds are ready.
    ///
    /// # Errors
    /// When Docker refuses, or a cloud does not become ready; nothing is left behind.
    pub async fn raise(stage: &Stage, plan: Plan) -> Result<Self, Error> {
        Box::pin(Self::raise_telling(stage, plan, &Silent)).await
    }

    /// Raises the world of a plan, telling of what has to be made for it first.
    ///
    /// # Errors
    /// As [`Environment::raise`].
    pub(crate) async fn raise_telling(stage: &Stage, plan: Plan, reader: &dyn Reader) -> Result<Self, Error> {
        if plan.scenario.fleet.is_some() {
            return Err(Error::usage(
                "a fleet is raised by `greenproof run` alone",
                "leave `[fleet]` out of the scenario",
            ));
        }
        let environment = plan.environment.clone();
        whole(&stage.engine, &environment, Box::pin(Self::try_raise(stage, plan, reader))).await
    }

    async fn try_raise(stage: &Stage, plan: Plan, reader: &dyn Reader) -> Result<Self, Error> {
        let engine = stage.engine.clone();
        let extra = Box::pin(stage.extra(&plan.scenario, reader)).await?;
        let began = Instant::now();
        let lease = Lease::take(&engine, &plan.environment)?;
        let (localstack, network) = Self::ground(stage, &plan, &lease, reader).await?;
        let mut timings = vec![Timing::new("network and LocalStack", began.elapsed())];
        let edge = if plan.outside == Outside::Nowhere { None } else { Some(engine.create_edge(&lease).await?) };
        let began = Instant::now();
        let device = containers::device(stage, &plan, &network, &lease, &extra);
        let ground = (&network, &localstack, edge.as_ref());
        let (clouds, device) = tokio::join!(
            clouds(stage, &plan, &lease, ground, &extra),
            Self::with_watcher(stage, &plan, &lease, &device)
        );
        let ((aws, github), (device, watching)) = (clouds?, device?);
        let (journal, ended) = (Journal::default(), sync::watch::Sender::new(None));
        if edge.is_some() {
            engine.seal(&aws, &stage.images.device, &lease).await?;
        }
        let clouds = [&aws].into_iter().chain(&github);
        let readers = clouds.map(|cloud| follow(&engine, cloud.clone(), &journal, &ended)).collect();
        let mut raised = Self {
            logs: DeviceLogs::of(&plan.scenario),
            began: log::now(),
            restarts: Restarts::default(),
            plan,
            journal,
            device,
            engine,
            timings: Vec::new(),
            orders: Orders::new(&stage.engine, &aws, github.as_ref()),
            aws,
            github,
            readers,
            watching,
            supervisor: Mutex::default(),
            ended,
            network,
            lease: Some(lease),
            is_ours: true,
            localstack,
            since: Millis::MIN,
        };
        let (ready, ()) = tokio::join!(raised.ready(), raised.watching());
        ready?;
        // Only now, so that the device finds every seed and never has to ask twice.
        raised.start_device().await?;
        timings.push(Timing::new("containers", began.elapsed()));
        raised.timings = timings;
        Ok(raised)
    }

    /// What the containers stand on.
    pub(super) async fn ground(
        Stage { engine, images, .. }: &Stage,
        plan: &Plan,
        lease: &Lease,
        reader: &dyn Reader,
    ) -> Result<(LocalStack, Network), docker::Error> {
        let (claims, devices) = (plan.claims(), plan.scenario.fleet.as_ref().map_or(1, |fleet| fleet.devices));
        let starting = || reader.tell(Told::Waiting { what: "LocalStack to start".to_owned() });
        let localstack = docker::localstack(engine, &images.localstack, &claims, &starting);
        let (localstack, network) = tokio::join!(localstack, engine.create_network(lease, devices));
        Ok((localstack?, network?))
    }

    /// Makes the device, and what watches it.
    async fn with_watcher(
        stage: &Stage,
        plan: &Plan,
        lease: &Lease,
        device: &ContainerSpec,
    ) -> Result<(Container, Option<Box<Watching>>), docker::Error> {
        // Files have the time of the kernel's last tick.
        let made = leak::watch::now().saturating_sub(100);
        let device = stage.engine.create(device).await?;
        let watching = Self::watch(stage, plan, lease, (&device, made)).await;
        Ok((device, watching))
    }

    /// Waits until the device is watched, if it is to be.
    async fn watching(&self) {
        if let Some(watching) = &self.watching {
            watching.ready().await;
        }
    }

    /// Watches a device that is about to be started, if its scenario says something of leaks. What hinders it is in the
    /// verdict.
    async fn watch(stage: &Stage, plan: &Plan, lease: &Lease, device: (&Container, u64)) -> Option<Box<Watching>> {
        plan.scenario.leaks.as_ref()?;
        match stage.engine.launch(&watch::spec(&stage.images.cloud, plan.canaries(), lease, device)).await {
            Ok(container) => Some(Box::new(Watching::follow(&stage.engine, container))),
            Err(error) => {
                tracing::warn!(%error, "the device is not watched");
                None
            }
        }
    }

    /// Waits until the clouds are ready.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        let clouds = 1 + usize::from(self.github.is_some());
        ready(&self.engine, (clouds, &self.journal, &self.ended), &self.plan.redactor).await
    }
}

/// Raises a world as a whole: what stands of one that could not be raised is removed.
pub(super) async fn whole<T>(
    engine: &Engine,
    environment: &str,
    raising: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let raised = raising.await;
    if raised.is_err()
        && let Err(error) = docker::remove_abandoned(engine, environment).await
    {
        // Why it did not come up is what counts; the next sweep tries again.
        tracing::warn!(%error, "removing what stands of it");
    }
    raised
}

/// Launches `aws`, and `github` where the devices reach it.
pub(super) async fn clouds(
    stage: &Stage,
    plan: &Plan,
    lease: &Lease,
    (network, localstack, edge): (&Network, &LocalStack, Option<&String>),
    extra: &Extra,
) -> Result<(Container, Option<Container>), Error> {
    let packages = match &extra.wheels {
        Some(wheels) => stage.engine.packages(&wheels.tag, lease).await?,
        None => BTreeMap::new(),
    };
    let aws = containers::aws(stage, plan, network, lease, localstack, edge);
    let github = containers::github(stage, plan, network, lease, packages)?;
    let github = OptionFuture::from(github.as_ref().map(|github| stage.engine.launch(github)));
    let (aws, github) = tokio::join!(stage.engine.launch(&aws), github);
    Ok((aws?, github.transpose()?))
}

/// Waits until so many clouds are ready.
pub(super) async fn ready(
    engine: &Engine,
    (clouds, journal, ended): (usize, &Journal, &sync::watch::Sender<Option<Container>>),
    redactor: &Redactor,
) -> Result<(), Error> {
    let answer = journal.wait(READY, |events| {
        let failed = events.iter().find_map(|event| match &event.what {
            What::Failed { reason } => Some(Err(reason.clone())),
            _ => None,
        });
        let ready = events.iter().filter(|event| matches!(event.what, What::Ready)).count();
        failed.or((ready == clouds).then_some(Ok(())))
    });
    let answer = tokio::select! {
        answer = answer => answer,
        what = died(engine, journal, ended) => Some(Err(what)),
    };
    let waiting = || format!("waited {} s for the clouds to be ready", READY.as_secs());
    match answer.unwrap_or_else(|| Err(waiting())) {
        Ok(()) => Ok(()),
        Err(reason) => Err(Error::surrounding("raising the environment", redactor.apply(&reason), "")),
    }
}

/// Waits until one of the containers has ended; says which, and its last words.
pub(super) async fn died(engine: &Engine, journal: &Journal, ended: &sync::watch::Sender<Option<Container>>) -> String {
    let mut ended = ended.subscribe();
    let Ok(container) = ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) else {
        return "the containers are no longer followed".into();
    };
    let container = container.expect("it was waited for");
    let reason = |event: &Event| match &event.what {
        What::Failed { reason } => Some(reason.clone()),
        _ => None,
    };
    let failed = journal.read(|events| events.iter().find_map(reason));
    let words = match failed {
        Some(reason) => reason,
        None => engine.last_lines(&container.id, 5).await,
    };
    format!("container `{}` ended: {words}", container.name)
}

/// Follows a cloud's output into the journal; its end is told on `end`.
pub(super) fn follow(
    engine: &Engine,
    container: Container,
    journal: &Journal,
    end: &sync::watch::Sender<Option<Container>>,
) -> JoinHandle<()> {
    let (mut lines, journal, end) = (engine.follow_logs(&container), journal.clone(), end.clone());
    tokio::spawn(async move {
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => journal.take(&line),
                Err(error) => tracing::warn!(%error, "lost the log of a container"),
            }
        }
        end.send_if_modified(|ended| ended.is_none().then(|| *ended = Some(container)).is_some());
    })
}
