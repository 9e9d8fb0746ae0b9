//! A fleet's world: one network, one `aws`, one `github`, and many devices.
//!
//! Each device is an [`Environment`] of its own over the same world: it knows its own part of the journal, its logs and
//! its course. The fleet holds what is there once, and creates the one deployment when all devices are there.

use super::{DeviceLogs, Environment, Orders, Restarts, containers, raise};
use crate::{
    course::Course,
    docker::{self, Container, ContainerSpec, Engine, Lease, LocalStack, Network},
    evidence::{
        self, Ending, Evidence, Timing,
        log::{self, Millis},
    },
    journal::{Journal, Known},
    plan::Plan,
    report::{Reader, Silent, Told},
    stage::{Error, Extra, Stage},
};
use cloud::{
    control::Control,
    event::{Event, What},
};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, FuturesUnordered},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::{Duration, Instant},
};
use tokio::{sync, task::JoinHandle, time::timeout};

/// How many devices the engine makes or starts at a time: more only wait for each other in it.
const AT_ONCE: usize = 8;

/// How long the devices may take to connect, beyond what one has.
const CONNECTED: Duration = Duration::from_secs(30);

/// A raised fleet.
#[derive(Debug)]
pub struct Fleet {
    /// What it was raised from.
    pub plan: Plan,
    /// What its clouds say of all devices.
    pub journal: Journal,
    /// Its devices, in the order of their numbers.
    pub devices: Vec<Environment>,
    /// What is said of no device that is known.
    common: Journal,
    engine: Engine,
    aws: Container,
    github: Option<Container>,
    orders: Orders,
    readers: Vec<JoinHandle<()>>,
    localstack: LocalStack,
    began: Millis,
    timings: Vec<Timing>,
    _lease: Lease,
}

/// What a fleet's devices stand in.
struct World {
    aws: Container,
    github: Option<Container>,
    network: Network,
    localstack: LocalStack,
    ended: sync::watch::Sender<Option<Container>>,
}

impl Fleet {
    /// Raises the world of a plan with a fleet, with all its devices.
    ///
    /// # Errors
    /// When Docker refuses, or a cloud does not become ready; nothing is left behind.
    pub async fn raise(stage: &Stage, plan: Plan, reader: &dyn Reader) -> Result<Self, Error> {
        let environment = plan.environment.clone();
        raise::whole(&stage.engine, &environment, Box::pin(Self::try_raise(stage, plan, reader))).await
    }

    async fn try_raise(stage: &Stage, plan: Plan, reader: &dyn Reader) -> Result<Self, Error> {
        let engine = stage.engine.clone();
        let extra = Box::pin(stage.extra(&plan.scenario, reader)).await?;
        let (first, start) = (log::now(), Instant::now());
        let lease = Lease::take(&engine, &plan.environment)?;
        let (localstack, network) = Environment::ground(stage, &plan, &lease, reader).await?;
        let mut timings = vec![Timing::new("network and LocalStack", start.elapsed())];
        let start = Instant::now();
        let members = plan.members();
        let made = Self::make(stage, &members, &network, &lease, &extra);
        let clouds = raise::clouds(stage, &plan, &lease, (&network, &localstack, None), &extra);
        let (made, clouds) = tokio::join!(made, clouds);
        let (made, (aws, github)) = (made?, clouds?);
        let (journals, common): (Vec<_>, _) =
            (members.iter().map(|_| Journal::default()).collect(), Journal::default());
        let known = (1..).zip(&members).zip(&journals).map(|((number, plan), journal)| Known {
            thing: &plan.thing,
            certificate: &plan.certificate_id,
            address: network.device_of(number).into(),
            journal: journal.clone(),
        });
        let journal = Journal::sorted(&known.collect::<Vec<_>>(), common.clone());
        let ended = sync::watch::Sender::new(None);
        let readers = [&aws].into_iter().chain(&github);
        let readers = readers.map(|cloud| raise::follow(&engine, cloud.clone(), &journal, &ended)).collect();
        let world = World { aws, github, network, localstack, ended };
        let member = |((plan, device), journal)| world.device(&engine, plan, device, journal);
        let devices: Vec<_> = members.into_iter().zip(made).zip(journals).map(member).collect();
        let World { aws, github, localstack, ended, .. } = world;
        let clouds = (1 + usize::from(github.is_some()), &journal, &ended);
        raise::ready(&engine, clouds, &plan.redactor).await?;
        // Only now, so that the devices find every seed and never have to ask twice.
        let started = stream::iter(&devices).map(Environment::start_device).buffer_unordered(AT_ONCE);
        started.try_collect::<()>().await?;
        timings.push(Timing::new("containers", start.elapsed()));
        let mut raised = Self {
            plan,
            journal,
            devices,
            common,
            engine,
            orders: Orders::new(&stage.engine, &aws, github.as_ref()),
            aws,
            github,
            readers,
            localstack,
            began: first,
            timings,
            _lease: lease,
        };
        let start = Instant::now();
        let missing = raised.connected().await;
        raised.timings.push(Timing::new("connected", start.elapsed()));
        if !missing.is_empty() {
            let names: Vec<_> = missing.into_iter().collect();
            reader.tell(Told::note(format!("  not connected after {} s: {}", CONNECTED.as_secs(), names.join(", "))));
        }
        Ok(raised)
    }

    /// Makes the devices, which start later.
    async fn make(
        stage: &Stage,
        members: &[Plan],
        network: &Network,
        lease: &Lease,
        extra: &Extra,
    ) -> Result<Vec<Container>, Error> {
        let spec = |(number, plan): (u32, &Plan)| ContainerSpec {
            name: format!("greenproof-{}-device-{number}", lease.id()),
            address: Some(network.device_of(number)),
            ..containers::device(stage, plan, network, lease, extra)
        };
        let create = |spec: ContainerSpec| async move { stage.engine.create(&spec).await };
        let made = stream::iter((1..).zip(members).map(spec)).map(create);
        Ok(made.buffered(AT_ONCE).try_collect::<Vec<_>>().await?)
    }

    /// Waits until every device has connected, as long as that may take; gives those that have not.
    async fn connected(&self) -> BTreeSet<String> {
        let mut missing: BTreeSet<_> = self.devices.iter().map(|device| device.plan.thing.clone()).collect();
        let all = async {
            let mut known = 0;
            while !missing.is_empty() {
                let events = self.journal.arrived_after(known).await;
                known += events.len();
                events.iter().filter_map(subscribed).for_each(|client| _ = missing.remove(client));
            }
        };
        _ = timeout(CONNECTED, all).await;
        missing
    }

    /// Creates the deployment, follows it on every device, and gathers the evidence.
    pub async fn deploy_telling(&self, patience: Duration, reader: &dyn Reader) -> Evidence {
        let start = Instant::now();
        for deployment in self.plan.deployments.values() {
            let order = Control::Deploy(deployment.clone());
            if let Err(error) = self.orders.give(&order).await {
                return self.gathered(Ending::Died { what: error.to_string() }, Vec::new(), self.timings.clone());
            }
        }
        let follow =
            |(index, device)| async move { (index, Course::new(device, patience).run(Vec::new(), &Silent).await) };
        let mut courses: FuturesUnordered<_> = self.devices.iter().enumerate().map(follow).collect();
        let mut devices = BTreeMap::new();
        while let Some((index, evidence)) = courses.next().await {
            reader.tell(Told::followed(&evidence));
            devices.insert(index, evidence);
        }
        let mut timings = self.timings.clone();
        timings.push(Timing::new("deployment", start.elapsed()));
        self.gathered(Ending::Settled, devices.into_values().collect(), timings)
    }

    fn gathered(&self, ending: Ending, devices: Vec<Evidence>, timings: Vec<Timing>) -> Evidence {
        let plan = &self.plan;
        Evidence {
            scenario: plan.scenario.name.clone(),
            environment: plan.environment.clone(),
            account: plan.account.clone(),
            thing: String::new(),
            core: plan.scenario.device.core,
            certificate: String::new(),
            steps: Vec::new(),
            ending,
            restarts: Vec::new(),
            events: evidence::redacted(&plan.redactor, &self.common.events()),
            core_log: String::new(),
            component_logs: BTreeMap::new(),
            packages: BTreeMap::new(),
            heads: plan.repositories.iter().map(|(name, bare)| (name.clone(), bare.head.clone())).collect(),
            leaks: Vec::new(),
            search: None,
            timings,
            devices,
        }
    }

    /// What our own programs have written in their containers until now, as [`Environment::outputs`].
    ///
    /// # Errors
    /// When a container is gone.
    pub async fn outputs(&self) -> Result<Vec<(&'static str, Vec<String>)>, Error> {
        let mut outputs = vec![("aws", self.engine.read_output(&self.aws).await?)];
        if let Some(github) = &self.github {
            outputs.push(("github", self.engine.read_output(github).await?));
        }
        for device in &self.devices {
            outputs.push(("device", self.engine.read_output(&device.device).await?));
        }
        let began = i32::try_from(self.began / 1000).unwrap_or_default();
        outputs.push(("localstack", self.engine.read_output_since(&self.localstack.container, began).await?));
        Ok(outputs)
    }

    /// Removes the world.
    ///
    /// # Errors
    /// When Docker refuses; a later sweep tries again.
    pub async fn remove(self) -> Result<(), Error> {
        self.devices.iter().for_each(Environment::let_go);
        self.readers.iter().for_each(JoinHandle::abort);
        Ok(docker::remove_environment(&self.engine, &self.plan.environment).await?)
    }
}

impl World {
    /// A device in it.
    fn device(&self, engine: &Engine, plan: Plan, device: Container, journal: Journal) -> Environment {
        Environment {
            logs: DeviceLogs::of(&plan.scenario),
            began: log::now(),
            restarts: Restarts::default(),
            plan,
            journal,
            device,
            engine: engine.clone(),
            timings: Vec::new(),
            orders: Orders::new(engine, &self.aws, self.github.as_ref()),
            aws: self.aws.clone(),
            github: self.github.clone(),
            readers: Vec::new(),
            watching: None,
            supervisor: Mutex::default(),
            ended: self.ended.clone(),
            network: self.network.clone(),
            lease: None,
            is_ours: true,
            localstack: self.localstack.without_claims(),
            since: Millis::MIN,
        }
    }
}

/// The client that listens to its jobs from now on, if an event tells of one.
fn subscribed(event: &Event) -> Option<&String> {
    match &event.what {
        What::Mqtt { client, action, resource, allowed: true, .. } => {
            (action == "iot:Subscribe" && resource.contains("/jobs/notify-")).then_some(client)
        }
        _ => None,
    }
}
