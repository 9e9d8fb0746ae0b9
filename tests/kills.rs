//! A core that is killed at chosen instants of its deployments, and what must hold when it is started again.
//!
//! One world serves many kills: version after version of one component is deployed, the core is killed within a phase
//! that the seed chooses, and started again. Each third version can't be installed and must be rolled back. The phase
//! that was really hit is read from the dead core's disk, not assumed.

use anyhow::{Context, Result, ensure};
use cloud::{
    control::Control,
    event::{Event, What},
    world::{Deployment, FailureHandling, Target, Wanted},
};
use greenproof::{
    Environment, Plan, Scenario, Stage,
    component::{Component, Object, Place},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

const NAME: &str = "com.example.Kill";
/// Versions that one world has, so kills that it serves.
pub const PER_WORLD: u64 = 28;
/// Files in the component's archive.
const FILES: usize = 120;
/// Components that it depends on, each a question to the cloud, so that resolving takes its time.
const DEPENDENCIES: usize = 14;
/// How long the core may take to end what was interrupted.
const PATIENCE: Duration = Duration::from_mins(1);

/// Part of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the component versions were all known.
    Resolve,
    /// While the archive was fetched.
    Download,
    /// While it was unpacked.
    Unarchive,
    /// While the install script ran.
    Install,
    /// From the end of the install script until the deployment's end was known to the core.
    Run,
    /// From then on.
    Report,
    /// While an earlier version was brought back.
    Rollback,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 7] =
        [Self::Resolve, Self::Download, Self::Unarchive, Self::Install, Self::Run, Self::Report, Self::Rollback];

    /// What the core logs when the phase begins, and how long it lasts at most, in milliseconds.
    const fn begins(self) -> (&'static str, u64) {
        match self {
            Self::Resolve => ("resolve-all-group-dependencies-start", 60),
            Self::Download => ("resolve-all-group-dependencies-finish", 60),
            Self::Unarchive => ("packageIdentifier=com.example.Kill-v", 400),
            Self::Install => ("lifecycle.Install, serviceName=com.example.Kill, currentState=NEW, command", 200),
            Self::Run => ("currentState=INSTALLED, newState=STARTING", 150),
            Self::Report => ("Current deployment finished", 30),
            Self::Rollback => ("Rolling back failed deployment", 200),
        }
    }
}

/// How many kills hit each phase, and how their deployments ended.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<Phase, BTreeMap<String, u32>>);

impl Table {
    fn count(&mut self, phase: Phase, ending: &str) {
        *self.0.entry(phase).or_default().entry(ending.to_owned()).or_default() += 1;
    }

    /// Adds another table, as its [`fmt::Display`] wrote it.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            let Some((phase, endings)) = line.split_once(": ") else { continue };
            let Some(phase) = Phase::ALL.into_iter().find(|known| format!("{known:?}") == phase) else { continue };
            for ending in endings.split(", ") {
                if let Some((times, ending)) = ending.split_once(" x ") {
                    let known = self.0.entry(phase).or_default().entry(ending.to_owned()).or_default();
                    *known += times.parse::<u32>().unwrap_or_default();
                }
            }
        }
    }

    /// How many kills hit a phase.
    #[must_use]
    pub fn of(&self, phase: Phase) -> u32 {
        self.0.get(&phase).map_or(0, |endings| endings.values().sum())
    }

    /// How many kills there were.
    #[must_use]
    pub fn total(&self) -> u32 {
        Phase::ALL.into_iter().map(|phase| self.of(phase)).sum()
    }

    /// The phase that was hit least.
    #[must_use]
    pub fn rarest(&self) -> Phase {
        Phase::ALL.into_iter().min_by_key(|phase| self.of(*phase)).unwrap_or(Phase::Resolve)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (phase, endings) in &self.0 {
            let endings: Vec<_> = endings.iter().map(|(ending, times)| format!("{times} x {ending}")).collect();
            writeln!(f, "{phase:?}: {}", endings.join(", "))?;
        }
        Ok(())
    }
}

/// A world with a component in many versions.
#[derive(Debug)]
pub struct World {
    environment: Environment,
    _archive: tempfile::TempDir,
    /// The version that is installed, and the next one.
    good: u64,
    next: u64,
}

impl World {
    /// Raises it and waits for the first version, which nothing kills.
    ///
    /// # Errors
    /// When it can't be raised or the first version does not succeed.
    pub async fn raise(stage: &Stage) -> Result<Self> {
        let archive = archive()?;
        let mut scenario = Scenario::load(&crate::fixture("kills/kills.toml"))?;
        let bucket = format!("greenproof-kills-{}", greenproof::mint::name(10));
        scenario.aws.role.policies.insert("archive".into(), may_read(&bucket));
        scenario.components.extend((0..DEPENDENCIES).map(dependency));
        scenario.components.extend((1..=PER_WORLD).map(|number| version(number, &bucket, archive.path())));
        let environment = Environment::raise(stage, Plan::of(scenario)?).await?;
        let world = Self { environment, _archive: archive, good: 0, next: 1 };
        let ended = world.environment.journal.wait(PATIENCE, |events| ended(events, None)).await;
        let (status, details) = ended.context("the first deployment ends")?;
        ensure!(status == "SUCCEEDED", "the first deployment: {status} {details}");
        Ok(world)
    }

    /// Whether it has a version left to deploy.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        self.next <= PER_WORLD
    }

    /// Deploys the next version, kills the core within a phase, starts it again, and checks the end.
    ///
    /// # Errors
    /// When a result is lost or false.
    pub async fn kill(&mut self, aim: Phase, random: u64, table: &mut Table) -> Result<()> {
        // Only what fails is rolled back, and only what doesn't is run.
        while self.can_go_on() && fails(self.next) != (aim == Phase::Rollback) {
            self.next += 1;
        }
        if !self.can_go_on() {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        let mut log = Follower::start(&self.environment.device.id)?;
        let deployment = self.deploy(number).await?;
        let (marker, width) = aim.begins();
        log.wait_for(marker).with_context(|| format!("version 1.0.{number} never came to {aim:?}"))?;
        pause(random % width).await;
        self.environment.kill_device().await?;
        let phase = Disk::of(&self.environment, number)?.phase(number);
        self.environment.revive_device().await?;
        let journal = &self.environment.journal;
        let ended = journal.wait(PATIENCE, |events| ended(events, Some(&deployment))).await;
        let about = || format!("version 1.0.{number}, killed in {phase:?}");
        let (status, details) = ended.with_context(|| format!("{}: its deployment never ends", about()))?;
        let detailed = details["detailed-deployment-status"].as_str().unwrap_or_default();
        let expected = if fails(number) { "FAILED" } else { "SUCCEEDED" };
        ensure!(status == expected, "{}: {status} {details}", about());
        if !fails(number) {
            self.good = number;
        }
        self.settled(number).await.with_context(about)?;
        table.count(phase, detailed);
        Ok(())
    }

    async fn deploy(&self, number: u64) -> Result<String> {
        let plan = &self.environment.plan;
        let id = uuid();
        let components = BTreeMap::from([(NAME.to_owned(), Wanted::version(format!("1.0.{number}")))]);
        let order = Control::Deploy(Deployment {
            id: id.clone(),
            job: uuid(),
            name: None,
            target: Target::Group(format!("{}-group", plan.thing)),
            components,
            failure_handling: FailureHandling::Rollback,
            update: None,
            validation_timeout: None,
            required_capabilities: Vec::new(),
            job_configuration: cloud::world::JobConfiguration::default(),
        });
        self.environment.order(&order).await?;
        Ok(id)
    }

    /// Waits until the right version is installed and has run, then looks whether everything of it is there.
    async fn settled(&self, number: u64) -> Result<()> {
        let good = format!("1.0.{}", self.good);
        let files = if self.good == 0 { 0 } else { FILES };
        let wanted = format!("installed {good}\nran {good}\nfiles {files}\n");
        let script = format!(
            "cd /greengrass/v2/work/{NAME}; echo installed $(cat installed); echo ran $(tail -n 1 ran); \
             echo files $(find /greengrass/v2/packages/artifacts-unarchived/{NAME}/{good} -type f | wc -l)"
        );
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        loop {
            looks.tick().await;
            let seen = self.environment.as_root(&["sh", "-c", &script]).await?.stdout;
            if seen == wanted {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let log = self.environment.as_root(&["tail", "-n", "60", "/greengrass/v2/logs/greengrass.log"]).await?;
                ensure!(false, "after version 1.0.{number}: {seen}instead of {wanted}{}", log.stdout);
            }
        }
    }

    /// Removes the world.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn remove(self) -> Result<()> {
        Ok(self.environment.remove().await?)
    }
}

/// What a dead core left.
struct Disk {
    /// Its log since the deployment of the version was queued.
    log: String,
    fetched: bool,
}

impl Disk {
    fn of(environment: &Environment, number: u64) -> Result<Self> {
        let device = &environment.device.id;
        let log = copy(device, "/greengrass/v2/logs/greengrass.log")?;
        let own = copy(device, &format!("/greengrass/v2/logs/{NAME}.log")).unwrap_or_default();
        let start = log.rfind("Received deployment in the queue").unwrap_or(0);
        let archive = format!("/greengrass/v2/packages/artifacts/{NAME}/1.0.{number}/kill.zip");
        let fetched =
            Command::new("docker").args(["cp", &format!("{device}:{archive}"), "-"]).output()?.status.success();
        let merged = format!("{}{}", &log[start..], own.lines().last().unwrap_or_default());
        Ok(Self { log: merged, fetched })
    }

    fn phase(&self, number: u64) -> Phase {
        let has = |text: &str| self.log.contains(text);
        if has("Current deployment finished") || has("Deployment task failed") {
            Phase::Report
        } else if has("Rolling back failed deployment") {
            Phase::Rollback
        } else if has("newState=INSTALLED") || has("newState=BROKEN") {
            Phase::Run
        } else if has("currentState=NEW") {
            Phase::Install
        } else if has(&format!("packageIdentifier={NAME}-v1.0.{number}")) && self.fetched {
            Phase::Unarchive
        } else if has("resolve-all-group-dependencies-finish") {
            Phase::Download
        } else {
            Phase::Resolve
        }
    }
}

/// Follows the core's logs as they are written.
struct Follower {
    tail: Child,
    lines: mpsc::Receiver<String>,
}

impl Follower {
    fn start(device: &str) -> Result<Self> {
        let own = format!("/greengrass/v2/logs/{NAME}.log");
        let words =
            ["exec", device, "tail", "-q", "-n", "1", "-s", "0.005", "-F", "/greengrass/v2/logs/greengrass.log", &own];
        let mut tail = Command::new("docker").args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let out = BufReader::new(tail.stdout.take().context("its output is piped")?);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut follower = Self { tail, lines };
        // The last line that is there already: from here on none is missed.
        follower.wait_for("")?;
        Ok(follower)
    }

    fn wait_for(&mut self, text: &str) -> Result<()> {
        let mut seen = String::new();
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).with_context(|| format!("no line has `{text}`; last: {seen}"))?;
            if line.contains(text) {
                return Ok(());
            }
            seen = line;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It ends with the container; this only makes sure.
        _ = self.tail.kill();
        _ = self.tail.wait();
    }
}

/// Status and details of a deployment that has ended; of any when none is named.
fn ended(events: &[Event], id: Option<&str>) -> Option<(String, Value)> {
    events.iter().rev().find_map(|event| match &event.what {
        What::Job { deployment, status, details, .. }
            if id.is_none_or(|id| id == deployment)
                && ["SUCCEEDED", "FAILED", "REJECTED"].contains(&status.as_str()) =>
        {
            Some((status.clone(), details.clone()))
        }
        _ => None,
    })
}

/// Whether a version can't be installed.
const fn fails(number: u64) -> bool {
    number.is_multiple_of(3)
}

fn version(number: u64, bucket: &str, archive: &Path) -> Component {
    let key = format!("{NAME}/kill.zip");
    let dependencies: Vec<_> =
        (0..DEPENDENCIES).map(|of| format!("  com.example.D{of}: {{VersionRequirement: '^1.0.0'}}")).collect();
    let install = if fails(number) {
        "exit 1".to_owned()
    } else {
        format!("sleep 0.2; echo 1.0.{number} > installing; mv installing installed")
    };
    let recipe = format!(
        "---\nRecipeFormatVersion: '2020-01-25'\nComponentName: {NAME}\nComponentVersion: '1.0.{number}'\n\
         ComponentDependencies:\n{}\nManifests:\n  - Platform: {{os: linux}}\n    Lifecycle:\n      Install: {install}\n      \
         Run: sleep 0.1; echo 1.0.{number} >> ran\n    Artifacts:\n      - URI: s3://{bucket}/{key}\n        Unarchive: ZIP\n",
        dependencies.join("\n")
    );
    let place = Place::S3 { bucket: bucket.into(), key };
    let objects = vec![Object { place, source: archive.into(), only: None }];
    Component { name: NAME.into(), version: format!("1.0.{number}"), recipe, objects, project: None }
}

fn dependency(of: usize) -> Component {
    let recipe = format!(
        "---\nRecipeFormatVersion: '2020-01-25'\nComponentName: com.example.D{of}\nComponentVersion: '1.0.0'\nManifests:\n  - {{}}\n"
    );
    Component {
        name: format!("com.example.D{of}"),
        version: "1.0.0".into(),
        recipe,
        objects: Vec::new(),
        project: None,
    }
}

/// A folder whose archive takes a moment to fetch and to unpack.
fn archive() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for number in 0..FILES {
        let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> (number % 13)).to_le_bytes()[0];
        let bytes: Vec<u8> = (0..16_384).map(noise).collect();
        std::fs::write(folder.path().join(format!("part-{number}")), bytes)?;
    }
    Ok(folder)
}

fn may_read(bucket: &str) -> String {
    let resource = format!("arn:aws:s3:::{bucket}/*");
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:GetObject","Resource":"{resource}"}}}}"#
    )
}

/// A file of a container that has ended.
fn copy(container: &str, path: &str) -> Result<String> {
    let to = tempfile::tempdir()?;
    let file = to.path().join("file");
    let copied = Command::new("docker").args(["cp", &format!("{container}:{path}")]).arg(&file).output()?;
    ensure!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned())
}

async fn pause(milliseconds: u64) {
    _ = tokio::time::timeout(Duration::from_millis(milliseconds), std::future::pending::<()>()).await;
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
