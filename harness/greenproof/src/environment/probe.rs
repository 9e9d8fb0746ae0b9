//! What the machine's kernel lets a device and its watcher do: tried out, with a network, a device without a core and the
//! very watcher that a run has.

use super::watch::{self, Watching};
use crate::{
    docker::{self, Container, ContainerSpec, Engine, Lease, Tags},
    mint,
    stage::Error,
};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// What the device says once it is prepared.
const CAUGHT: &str = "prepared";
/// Says how many processes there may be, by either version of control groups.
const LIMIT: &str = "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2> /dev/null";
/// How long it may take until it does.
const READY: Duration = Duration::from_secs(20);

/// What was tried. Each absent text is a success; each text says why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Connections to raw addresses are caught.
    pub(crate) raw: Option<String>,
    /// The kernel tells of every process.
    pub(crate) processes: Option<String>,
    /// The kernel tells of files that are written.
    pub(crate) files: Option<String>,
    /// A network can be slow.
    pub(crate) netem: Option<String>,
    /// How many processes a device may have, if there is a limit.
    pub(crate) limit: Option<u64>,
}

impl Probe {
    /// Tries it out. The images have to be here; what is raised is removed.
    ///
    /// # Errors
    /// When the engine refuses what every run asks of it.
    pub(crate) async fn of(engine: &Engine, images: &Tags) -> Result<Self, Error> {
        let lease = Lease::take(engine, &mint::name(8))?;
        let probe = Self::on(engine, images, &lease).await;
        docker::remove_environment(engine, lease.id()).await?;
        probe
    }

    async fn on(engine: &Engine, images: &Tags, lease: &Lease) -> Result<Self, Error> {
        let network = engine.create_network(lease, 1).await?;
        let gateway = network.aws().to_string();
        let stays = format!("echo {CAUGHT}; exec tail -f /dev/null");
        let command = ["greenproof", "surround", "--gateway", &gateway, "--", "sh", "-c", &stays];
        let made = leak::watch::now();
        let device = ContainerSpec {
            image: images.device.clone(),
            capabilities: vec!["NET_ADMIN".into()],
            ..super::container(&network, lease, "device", network.device(), &command)
        };
        let device = engine.create(&device).await?;
        let mut probe = Self::default();
        (probe.processes, probe.files) = match watched(engine, images, lease, (&device, made)).await {
            Ok(how) => how,
            Err(reason) => (Some(reason.clone()), Some(reason)),
        };
        engine.start(&device).await?;
        probe.raw = prepared(engine, &device).await.err();
        if probe.raw.is_none() {
            let run = async |words: &[&str]| engine.exec(&device.id, "root", words, &[]).await;
            let slowed = run(&["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]).await?;
            probe.netem = (slowed.exit_code != 0).then(|| slowed.stderr.trim().to_owned());
            probe.limit = run(&["sh", "-c", LIMIT]).await?.stdout.trim().parse().ok();
        }
        Ok(probe)
    }
}

/// How the watcher watches: why not as the kernel can tell of processes, and of files.
async fn watched(
    engine: &Engine,
    images: &Tags,
    lease: &Lease,
    device: (&Container, u64),
) -> Result<(Option<String>, Option<String>), String> {
    let watcher = engine.launch(&watch::spec(&images.cloud, Vec::new(), lease, device)).await;
    let watching = Watching::follow(engine, watcher.map_err(|error| error.to_string())?);
    let how = watching.how().await;
    watching.reader.abort();
    how
}

/// Waits until the device is prepared; the error is its last words.
async fn prepared(engine: &Engine, device: &Container) -> Result<(), String> {
    let mut lines = engine.follow_logs(device);
    let said = async {
        while let Some(Ok(line)) = lines.next().await {
            if line.contains(CAUGHT) {
                return true;
            }
        }
        false
    };
    match timeout(READY, said).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(engine.last_lines(&device.id, 2).await.replace('\n', "; ")),
        Err(_) => Err(format!("the device is not prepared after {} s", READY.as_secs())),
    }
}
