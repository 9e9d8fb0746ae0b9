//! One raised world: its network, its three containers, and what its clouds say.
//!
//! Removed by [`Environment::remove`]; should the process die first, its lease dies with it and the next run sweeps.

mod containers;
pub mod device_logs;
mod kept;
mod supervisor;

pub use device_logs::DeviceLogs;
pub use kept::Standing;

pub(crate) use containers::container;

use crate::{
    core::{Core, journald},
    course::Course,
    docker::{self, Container, Engine, ExecOutput, Lease, LocalStack, Network},
    evidence::{
        Evidence, Restart, Timing,
        log::{self, Millis},
    },
    journal::Journal,
    plan::{Outside, Plan},
    report::{Reader, Silent},
    stage::{Error, Stage},
};
use cloud::{
    control::Control,
    event::{Event, What},
    fault::Role,
};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use supervisor::Restarts;
use tokio::{sync::watch, task::JoinHandle};

/// The nucleus's root folder on the device.
pub const ROOT: &str = "/greengrass/v2";

/// The system's bundle of trusted certificates on Debian.
pub(crate) const TRUST_STORE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where the private CA is put.
pub(crate) const CA: &str = "/etc/greenproof/ca.pem";

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
    /// The device's log files as they grow.
    pub logs: DeviceLogs,
    /// When it was raised.
    pub(crate) began: Millis,
    restarts: Restarts,
    pub(crate) engine: Engine,
    timings: Vec<Timing>,
    aws: Container,
    github: Container,
    readers: Vec<JoinHandle<()>>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Sender<Option<Container>>,
    pub(crate) network: Network,
    /// Its hold on the world; a process that goes on with a kept one has none.
    lease: Option<Lease>,
    localstack: LocalStack,
    /// What is older is nothing of this run's.
    pub(crate) since: Millis,
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
        let extra = Box::pin(stage.extra(&plan.scenario, &Silent)).await?;
        let began = Instant::now();
        let lease = Lease::take(&engine, &plan.environment)?;
        let claims = plan.claims();
        let (localstack, network) =
            tokio::join!(docker::localstack(&engine, &stage.images.localstack, &claims), engine.create_network(&lease));
        let (localstack, network) = (localstack?, network?);
        let mut timings = vec![Timing::new("network and LocalStack", began.elapsed())];
        let edge = if plan.outside == Outside::Nowhere { None } else { Some(engine.create_edge(&lease).await?) };
        let began = Instant::now();
        let packages = match &extra.wheels {
            Some(wheels) => engine.packages(&wheels.tag, &lease).await?,
            None => BTreeMap::new(),
        };
        let (aws, github, device) = (
            containers::aws(stage, &plan, &network, &lease, &localstack, edge.as_ref()),
            containers::github(stage, &plan, &network, &lease, packages)?,
            containers::device(stage, &plan, &network, &lease, &extra),
        );
        let (aws, github, device) = tokio::join!(engine.launch(&aws), engine.launch(&github), engine.create(&device));
        let device = device?;
        let journal = Journal::default();
        let (ended, aws, github) = (watch::Sender::new(None), aws?, github?);
        if edge.is_some() {
            engine.seal(&aws, &stage.images.device, &lease).await?;
        }
        let readers =
            vec![follow(&engine, aws.clone(), &journal, &ended), follow(&engine, github.clone(), &journal, &ended)];
        let mut raised = Self {
            logs: DeviceLogs::of(&plan.scenario),
            began: log::now(),
            restarts: Restarts::default(),
            plan,
            journal,
            device,
            engine,
            timings: Vec::new(),
            aws,
            github,
            readers,
            supervisor: Mutex::default(),
            ended,
            network,
            lease: Some(lease),
            localstack,
            since: Millis::MIN,
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

    /// Gives an order to the clouds that it is for, and waits until it is carried out.
    ///
    /// # Errors
    /// When the cloud can't be reached or refuses the order.
    ///
    /// # Panics
    /// Never: an order always serialises.
    pub async fn order(&self, order: &Control) -> Result<(), Error> {
        let text = serde_json::to_string(order).expect("an order always serialises");
        for role in order.roles() {
            let cloud = match role {
                Role::Aws => &self.aws,
                Role::Github => &self.github,
            };
            let answered = self.engine.exec(&cloud.id, "", &["greenproof", "cloud", "control", &text], &[]).await?;
            if answered.exit_code != 0 {
                return Err(Error::surrounding("giving the cloud an order", answered.stderr.trim(), ""));
            }
        }
        Ok(())
    }

    pub(crate) const fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("who raised an environment has its lease")
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
        let mut events = self.journal.events();
        events.retain(|event| log::millis_of(&event.time).is_none_or(|time| time >= self.since));
        events
    }

    /// The log files on the device by name without `.log`, with what was rotated away before what is current.
    pub(crate) async fn whole_logs(&self) -> BTreeMap<String, String> {
        let core = self.plan.scenario.device.core;
        if core == Core::Lite {
            let journal = self.engine.exec(&self.device.id, "", &journald::WHOLE, &[]).await;
            return journal.map(|journal| self.logs.reader().files(&journal.stdout)).unwrap_or_default();
        }
        let files = self.engine.read_tar(&self.device.id, &format!("{ROOT}/logs")).await.unwrap_or_default();
        let mut files: Vec<_> = files.iter().filter_map(|(name, file)| Some((part_of(name)?, &file.bytes))).collect();
        files.sort();
        let mut logs: BTreeMap<String, String> = BTreeMap::new();
        for ((name, _, _), bytes) in files {
            logs.entry(name.to_owned()).or_default().push_str(&String::from_utf8_lossy(bytes));
        }
        logs
    }

    /// Runs a command on the device by hand, as the components' user in its home.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub async fn by_hand(&self, command: &[&str]) -> Result<ExecOutput, Error> {
        let core = self.plan.scenario.device.core;
        Ok(self.engine.exec(&self.device.id, core.user(), command, &[("HOME", core.home())]).await?)
    }

    /// Runs a command on the device by hand, as root.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub async fn as_root(&self, command: &[&str]) -> Result<ExecOutput, Error> {
        Ok(self.engine.exec(&self.device.id, "", command, &[]).await?)
    }

    /// Runs a command on the device as a user; an empty name is root.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub(crate) async fn run_as(&self, user: &str, command: &[&str]) -> Result<ExecOutput, Error> {
        Ok(self.engine.exec(&self.device.id, user, command, &[]).await?)
    }

    /// Credentials of the device's role session, as the AWS CLI reads them from its environment: asked of the
    /// credentials provider with the device's certificate, as root.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn credentials(&self) -> Result<Vec<(String, String)>, Error> {
        const ASK: &str = "import ssl, sys, urllib.request
root = sys.argv[3]
context = ssl.create_default_context(cafile=root + '/AmazonRootCA1.pem')
context.load_cert_chain(root + '/device.pem.crt', root + '/private.pem.key')
request = urllib.request.Request(sys.argv[1], headers={'x-amzn-iot-thingname': sys.argv[2]})
print(urllib.request.urlopen(request, context=context).read().decode())";
        let (url, root) = (self.plan.credentials_url(), self.plan.scenario.device.core.root());
        let asked = self.as_root(&["python3", "-c", ASK, &url, &self.plan.thing, root]).await?;
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

/// Follows a cloud's output into the journal; its end is told on `end`.
fn follow(
    engine: &Engine,
    container: Container,
    journal: &Journal,
    end: &watch::Sender<Option<Container>>,
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

/// Which log a file is part of, with the hour and the number of a rotated part (`NAME_yyyy_MM_dd_HH_i.log`); the
/// current part comes last.
fn part_of(file: &str) -> Option<(&str, &str, u32)> {
    const CURRENT: &str = "~";
    let name = file.strip_suffix(".log")?;
    let rotated = || {
        let (rest, number) = name.rsplit_once('_')?;
        let (log, hour) = rest.split_at_checked(rest.len().checked_sub("_yyyy_MM_dd_HH".len())?)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        (hour.starts_with('_') && digits(hour) && !log.is_empty()).then_some((log, hour, number.parse().ok()?))
    };
    Some(rotated().unwrap_or((name, CURRENT, 0)))
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn parts_of_a_log_come_in_their_order() {
        let mut parts = ["a.log", "a_2022_03_23_11_0.log", "a_2022_03_23_10_10.log", "a_2022_03_23_10_9.log"];
        parts.sort_by_key(|file| part_of(file));
        assert_eq!(parts, ["a_2022_03_23_10_9.log", "a_2022_03_23_10_10.log", "a_2022_03_23_11_0.log", "a.log"]);
        assert_eq!(part_of("com.example_1.log"), Some(("com.example_1", "~", 0)));
        assert_eq!(part_of("core.tlog"), None);
    }
}
