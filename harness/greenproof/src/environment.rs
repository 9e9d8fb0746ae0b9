//! One raised world: its network, its three containers, and what its clouds say.
//!
//! Removed by [`Environment::remove`]; should the process die first, its lease dies with it and the next run sweeps.

use crate::{
    deployment::Deployment,
    docker::{self, Container, ContainerSpec, Engine, ExecOutput, Lease, LocalStack, Network, Tree, Upload},
    evidence::{Evidence, Timing},
    journal::Journal,
    plan::{Addresses, Plan},
    stage::{Error, Stage},
};
use cloud::{control::Control, event::What, world};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle};

/// The nucleus's root folder on the device.
pub const ROOT: &str = "/greengrass/v2";

/// The system's bundle of trusted certificates on Debian.
pub(crate) const TRUST_STORE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where the private CA is put.
pub(crate) const CA: &str = "/etc/greenproof/ca.pem";
const INIT_CONFIG: &str = "/etc/greengrass/init-config.yaml";

/// Puts Debian's PEP 668 marker back, which the device image diverts.
const RESTORE_MARKER: &str = "for marker in $(dpkg-divert --list '*/EXTERNALLY-MANAGED' | cut -d' ' -f4); do \
dpkg-divert --quiet --local --rename --remove \"$marker\"; done";

/// How long the clouds may take to say that they are ready.
const READY: Duration = Duration::from_secs(30);

/// A raised world.
#[derive(Debug)]
pub struct Environment {
    /// What it was raised from.
    pub plan: Plan,
    /// What its clouds say.
    pub journal: Journal,
    /// Its device.
    pub device: Container,
    pub(crate) engine: Engine,
    timings: Vec<Timing>,
    aws: Container,
    readers: Vec<JoinHandle<()>>,
    device_reader: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Sender<Option<Container>>,
    pub(crate) network: Network,
    pub(crate) lease: Lease,
    localstack: LocalStack,
}

impl Environment {
    /// Raises the world of a plan. The device connects and takes its deployment as soon as the clouds are ready.
    ///
    /// # Errors
    /// When Docker refuses, or a cloud does not become ready; nothing is left behind.
    pub async fn raise(stage: &Stage, plan: Plan) -> Result<Self, Error> {
        let environment = plan.environment.clone();
        match Box::pin(Self::try_raise(stage, plan)).await {
            Ok(raised) => Ok(raised),
            Err(error) => {
                docker::remove_environment(&stage.engine, &environment).await?;
                Err(error)
            }
        }
    }

    async fn try_raise(stage: &Stage, plan: Plan) -> Result<Self, Error> {
        let engine = stage.engine.clone();
        let began = Instant::now();
        let lease = Lease::take(&engine, &plan.environment)?;
        let claims = plan.claims();
        let (localstack, network) =
            tokio::join!(docker::localstack(&engine, &stage.images.localstack, &claims), engine.create_network(&lease));
        let (localstack, network) = (localstack?, network?);
        let mut timings = vec![Timing::new("network and LocalStack", began.elapsed())];
        let began = Instant::now();
        let at = Addresses { aws: network.aws(), github: network.github() };
        let (aws, github, device) = (
            aws(stage, &plan, &network, &lease, &localstack, at),
            github(stage, &plan, &network, &lease, at)?,
            device(stage, &plan, &network, &lease),
        );
        let (aws, github, device) = tokio::join!(engine.launch(&aws), engine.launch(&github), engine.create(&device));
        let device = device?;
        let journal = Journal::default();
        let (ended, aws) = (watch::Sender::new(None), aws?);
        let readers = vec![
            follow(&engine, aws.clone(), Some(&journal), &ended),
            follow(&engine, github?, Some(&journal), &ended),
        ];
        let mut raised = Self {
            plan,
            journal,
            device,
            engine,
            timings: Vec::new(),
            aws,
            readers,
            device_reader: Mutex::default(),
            ended,
            network,
            lease,
            localstack,
        };
        raised.ready().await?;
        // Only now, so that the device finds every seed and never has to ask twice.
        raised.start_device().await?;
        timings.push(Timing::new("containers", began.elapsed()));
        raised.timings = timings;
        Ok(raised)
    }

    /// Waits until both clouds are ready.
    async fn ready(&self) -> Result<(), Error> {
        let answer = self.journal.wait(READY, |events| {
            let failed = events.iter().find_map(|event| match &event.what {
                What::Failed { reason } => Some(Err(reason.clone())),
                _ => None,
            });
            let ready = events.iter().filter(|event| matches!(event.what, What::Ready)).count();
            failed.or((ready == 2).then_some(Ok(())))
        });
        let answer = tokio::select! {
            answer = answer => answer,
            what = self.died() => Some(Err(what)),
        };
        let waiting = || format!("waited {} s for aws and github to be ready", READY.as_secs());
        match answer.unwrap_or_else(|| Err(waiting())) {
            Ok(()) => Ok(()),
            Err(reason) => Err(Error::surrounding("raising the environment", self.plan.redactor.apply(&reason), "")),
        }
    }

    async fn start_device(&self) -> Result<(), Error> {
        self.engine.start(&self.device).await?;
        let reader = follow(&self.engine, self.device.clone(), None, &self.ended);
        *self.device_reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        Ok(())
    }

    /// Stops following the device, whose end is then nobody's death.
    fn let_device_go(&self) {
        if let Some(reader) = self.device_reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
            reader.abort();
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
        self.start_device().await
    }

    /// Gives the cloud an order, as the account's owner does, and waits until it is carried out.
    ///
    /// # Errors
    /// When the cloud can't be reached or refuses the order.
    pub async fn order(&self, order: &Control) -> Result<(), Error> {
        let order = serde_json::to_string(order).expect("an order always serialises");
        let answered = self.engine.exec(&self.aws.id, "", &["greenproof", "cloud", "control", &order], &[]).await?;
        match answered.exit_code {
            0 => Ok(()),
            _ => Err(Error::surrounding("giving the cloud an order", answered.stderr.trim(), "")),
        }
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

    /// Follows the deployment to its end and gathers the evidence.
    pub async fn deploy(&self, patience: Duration) -> Evidence {
        let began = Instant::now();
        let deployment = Deployment::new(self);
        let ending = deployment.settle(patience).await;
        let mut timings = self.timings.clone();
        timings.push(Timing::new("deployment", began.elapsed()));
        deployment.finish(ending, timings).await
    }

    /// The log files on the device by name.
    pub(crate) async fn logs(&self) -> BTreeMap<String, String> {
        let files = self.engine.read_tar(&self.device.id, &format!("{ROOT}/logs")).await.unwrap_or_default();
        files.into_iter().map(|(name, file)| (name, String::from_utf8_lossy(&file.bytes).into_owned())).collect()
    }

    /// Runs a command on the device by hand, as the components' user in its home.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub async fn by_hand(&self, command: &[&str]) -> Result<ExecOutput, Error> {
        let home = [("HOME", "/home/ggc_user")];
        Ok(self.engine.exec(&self.device.id, "ggc_user:ggc_group", command, &home).await?)
    }

    /// Runs a command on the device by hand, as root.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub async fn as_root(&self, command: &[&str]) -> Result<ExecOutput, Error> {
        Ok(self.engine.exec(&self.device.id, "", command, &[]).await?)
    }

    /// Credentials of the device's role session, as the AWS CLI reads them from its environment: asked of the
    /// credentials provider with the device's certificate, as root.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn credentials(&self) -> Result<Vec<(String, String)>, Error> {
        const ASK: &str = "import ssl, sys, urllib.request
context = ssl.create_default_context(cafile='/greengrass/v2/AmazonRootCA1.pem')
context.load_cert_chain('/greengrass/v2/device.pem.crt', '/greengrass/v2/private.pem.key')
request = urllib.request.Request(sys.argv[1], headers={'x-amzn-iot-thingname': sys.argv[2]})
print(urllib.request.urlopen(request, context=context).read().decode())";
        let url = self.plan.credentials_url();
        let asked = self.as_root(&["python3", "-c", ASK, &url, &self.plan.thing]).await?;
        let answer: serde_json::Value = serde_json::from_str(&asked.stdout)
            .map_err(|_| Error::surrounding("asking for credentials", asked.stderr, ""))?;
        let names = [
            ("AWS_ACCESS_KEY_ID", "accessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "secretAccessKey"),
            ("AWS_SESSION_TOKEN", "sessionToken"),
        ];
        let value = |key: &str| answer["credentials"][key].as_str().unwrap_or_default().to_owned();
        let region = ("AWS_DEFAULT_REGION".to_owned(), self.plan.scenario.aws.region.clone());
        Ok(names.into_iter().map(|(name, key)| (name.to_owned(), value(key))).chain([region]).collect())
    }

    /// Waits until one of the containers has ended; says which, and its last words.
    pub(crate) async fn died(&self) -> String {
        let mut ended = self.ended.subscribe();
        let Ok(container) = ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) else {
            return "the containers are no longer followed".into();
        };
        let container = container.expect("it was waited for");
        let failed = self.journal.events().into_iter().find_map(|event| match event.what {
            What::Failed { reason } => Some(reason),
            _ => None,
        });
        let words = match failed {
            Some(reason) => reason,
            None => self.engine.last_lines(&container.id, 5).await,
        };
        self.plan.redactor.apply(&format!("container `{}` ended: {words}", container.name))
    }

    /// Removes the world.
    ///
    /// # Errors
    /// When Docker refuses; a later sweep tries again.
    pub async fn remove(self) -> Result<(), Error> {
        self.let_device_go();
        for reader in &self.readers {
            reader.abort();
        }
        Ok(docker::remove_environment(&self.engine, &self.plan.environment).await?)
    }
}

/// Follows a container's output into the journal, if it is a cloud's; its end is told on `end`.
fn follow(
    engine: &Engine,
    container: Container,
    journal: Option<&Journal>,
    end: &watch::Sender<Option<Container>>,
) -> JoinHandle<()> {
    let (mut lines, journal, end) = (engine.follow_logs(&container), journal.cloned(), end.clone());
    tokio::spawn(async move {
        while let Some(line) = lines.next().await {
            match (line, &journal) {
                (Ok(line), Some(journal)) => journal.take(&line),
                (Ok(line), None) => tracing::debug!(container = container.name, line),
                (Err(error), _) => tracing::warn!(%error, "lost the log of a container"),
            }
        }
        end.send_if_modified(|ended| ended.is_none().then(|| *ended = Some(container)).is_some());
    })
}

/// What all containers of an environment have in common.
pub(crate) fn container(
    network: &Network,
    lease: &Lease,
    role: &str,
    address: Ipv4Addr,
    command: &[&str],
) -> ContainerSpec {
    ContainerSpec {
        name: format!("greenproof-{}-{role}", lease.id()),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        labels: lease.labels(role),
        network: network.name.clone(),
        address: Some(address),
        hostname: role.into(),
        ..ContainerSpec::default()
    }
}

fn aws(
    stage: &Stage,
    plan: &Plan,
    network: &Network,
    lease: &Lease,
    localstack: &LocalStack,
    at: Addresses,
) -> ContainerSpec {
    let world = serde_json::to_vec(&plan.world(&localstack.url, at)).expect("a world always serialises");
    ContainerSpec {
        image: stage.images.cloud.clone(),
        files: vec![Upload::file(world::PATH, world, 0o600)],
        extra_networks: vec![localstack.network.clone()],
        ..container(network, lease, "aws", at.aws, &["greenproof", "cloud", "aws"])
    }
}

fn github(stage: &Stage, plan: &Plan, network: &Network, lease: &Lease, at: Addresses) -> Result<ContainerSpec, Error> {
    let hub = plan.hub(at).map_err(|error| Error::surrounding("planning", error, ""))?;
    let hub = serde_json::to_vec(&hub).expect("a hub always serialises");
    let mut files = vec![Upload::file(world::PATH, hub, 0o600)];
    let mut trees = Vec::new();
    for (name, bare) in &plan.repositories {
        let path = format!("{}/{name}.git", world::REPOSITORIES);
        files.push(Upload::folder(&path, 0o755));
        trees.push(Tree { path, tar: bare.tar.clone().into() });
    }
    Ok(ContainerSpec {
        image: stage.images.cloud.clone(),
        files,
        trees,
        ..container(network, lease, "github", at.github, &["greenproof", "cloud", "github"])
    })
}

/// The device. The CA variables are what a site with TLS inspection sets for the core, since the AWS CLI carries its
/// own bundle; they reach components through the core's environment.
fn device(stage: &Stage, plan: &Plan, network: &Network, lease: &Lease) -> ContainerSpec {
    let (nameserver, trust_ca) = (network.aws().to_string(), plan.scenario.device.trust_ca);
    let mut command = vec!["greenproof", "device", "--nameserver", &nameserver, "--gateway", &nameserver];
    command.extend(["--init-config", INIT_CONFIG, "--root", ROOT]);
    if trust_ca {
        command.extend(["--trust", CA]);
    }
    let script = format!("{RESTORE_MARKER} && exec {}", command.join(" "));
    if plan.scenario.device.pep668 {
        command = vec!["sh", "-c", &script];
    }
    let trusting = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"];
    ContainerSpec {
        image: stage.images.device.clone(),
        capabilities: vec!["NET_ADMIN".into()],
        env: trusting.into_iter().filter(|_| trust_ca).map(|name| (name.into(), TRUST_STORE.into())).collect(),
        files: vec![
            Upload::file(CA, plan.ca.clone(), 0o644),
            Upload::file(INIT_CONFIG, plan.init_config(ROOT), 0o644),
            Upload::file(&format!("{ROOT}/AmazonRootCA1.pem"), plan.ca.clone(), 0o644),
            Upload::file(&format!("{ROOT}/device.pem.crt"), plan.identity.certificate.clone(), 0o644),
            Upload::file(&format!("{ROOT}/private.pem.key"), plan.identity.key.clone(), 0o600),
            Upload::file("/etc/pip.conf", pip_conf(), 0o644),
        ],
        hostname: plan.thing.clone(),
        ..container(network, lease, "device", network.device(), &command)
    }
}

fn pip_conf() -> String {
    format!("[global]\nindex-url = https://{}/simple/\n", world::INDEX_HOST)
}
