//! An emulated AWS IoT Greengrass core device, in the behaviour of the newest classic nucleus.
//!
//! It is the first process of a device container: it prepares the container, connects to AWS over the wire that a real
//! core uses (MQTT jobs, data plane, credentials provider, S3), and installs and runs components.
//! It doesn't emulate Greengrass IPC, plugins, Lambda functions, containers or `aws.greengrass.*` components other than
//! the token exchange service; whatever needs one of them leaves a line with the event `greenproof-unsupported` in
//! `greengrass.log`. Nothing of it reaches around the wire.

mod artifact;
mod channel;
mod clock;
mod config;
mod configuration;
mod credentials;
mod dataplane;
mod deployment;
mod entry;
mod exec;
mod failure;
mod fleet;
mod http;
pub mod inside;
pub mod inspect;
mod interpolate;
mod ipc;
mod jobs;
mod kernel;
mod lifecycle;
mod local;
mod log;
mod mqtt;
mod platform;
mod queue;
mod recipe;
mod requirement;
#[cfg(test)]
mod rig;
mod service;
mod shadow;
mod status;
mod step;
mod store;
mod stray;
mod surround;
mod tes;
mod tree;
mod user;

pub use clock::{InvalidSpeed, InvalidTiming, Speed, Timing};
pub use surround::{Surroundings, become_program, surround};

use artifact::{Artifacts, s3::S3};
use clock::Clock;
use config::Config;
use credentials::Provider;
use dataplane::DataPlane;
use deployment::{Deployer, Resumed};
use kernel::Kernel;
pub use local::client::run as greengrass_cli;
use log::{Line, Logs};
use std::{io, os::unix::process::CommandExt, path::PathBuf, pin::Pin, sync::Arc};
use store::Store;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// How the core is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// What its container gets first.
    pub surroundings: Surroundings,
    /// The nucleus's configuration file, as its `--init-config` takes it.
    pub init_config: PathBuf,
    /// The nucleus's root folder, by convention `/greengrass/v2`.
    pub root: PathBuf,
    /// How many times as fast as the world the core's periods pass.
    pub speed: Speed,
    /// Whether it waits where the nucleus does.
    pub timing: Timing,
    /// Whether it says on its standard output what it writes into its log files, as `tail --verbose` does.
    pub tell_logs: bool,
}

/// Why the core can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container couldn't be prepared.
    #[error("preparing the container: {doing}")]
    Entry {
        /// What was being done.
        doing: &'static str,
        /// Why it didn't work.
        source: io::Error,
    },
    /// The configuration can't be used.
    #[error("configuring the core")]
    Configuration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The nucleus's folders or its signal handlers couldn't be made.
    #[error("starting the core")]
    Start(#[from] io::Error),
}

/// Runs the core until SIGTERM or SIGINT, then stops its components.
///
/// # Errors
/// If the core can't start; what fails later is logged, as a real core does.
#[must_use]
pub fn run(options: Options) -> Part {
    Box::pin(run_core(options))
}

/// The life of a part, boxed so that its code is made with this crate and not with the program that awaits it.
pub type Part = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

async fn run_core(options: Options) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    entry::prepare(&options.surroundings).await?;
    let kernel = start(&options)?;
    let code = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        code = kernel.0.exiting() => Some(code),
    };
    let logs = &kernel.0.logs;
    logs.nucleus(&lifecycle_line().event("system-shutdown").with("main", "main"));
    logs.nucleus(&lifecycle_line().message("Waiting for services to shutdown"));
    kernel.0.shut_down().await;
    logs.nucleus(&lifecycle_line().event("executor-service-shutdown-initiated"));
    logs.nucleus(&lifecycle_line().message("Waiting for executors to shutdown"));
    let line = lifecycle_line().event("executor-service-shutdown-complete").with("executor-terminated", "true");
    logs.nucleus(&line.with("scheduled-executor-terminated", "true"));
    logs.nucleus(&lifecycle_line().event("context-shutdown-initiated"));
    kernel.1.disconnect().await;
    logs.nucleus(&lifecycle_line().event("context-shutdown-complete"));
    let Some(code) = code else { return Ok(()) };
    logs.nucleus(&lifecycle_line().event("system-shutdown").with("exitCode", code.to_string()));
    Err(launch_again(code).into())
}

/// A line of what starts and stops the nucleus.
fn lifecycle_line() -> Line {
    Line::info("com.aws.greengrass.lifecyclemanager.KernelLifecycle").thread("main")
}

/// Becomes a new core in the same process, as the nucleus's loader does it; returns only if that can't be done. A
/// reboot ends every other process of the device before.
fn launch_again(code: i32) -> io::Error {
    if code == deployment::REBOOT && std::process::id() == 1 {
        // Nobody may be left.
        _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), nix::sys::signal::Signal::SIGKILL);
    }
    match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    }
}

/// Starts everything; the tasks run on by themselves.
fn start(options: &Options) -> Result<(Arc<Kernel>, mqtt::Mqtt), Error> {
    let (config, resumed) = configure(options)?;
    let store = Store::open(&options.root)?;
    let logs = Logs::at(&store.logs(), config.clock);
    let logs = Arc::new(if options.tell_logs { logs.telling(Box::new(io::stdout())) } else { logs });
    logs.configure(&config.nucleus());
    logs.open("main");
    let line = lifecycle_line().event("system-start").message("Launch Nucleus");
    let line = line.with("configPath", options.root.join("config").to_string_lossy());
    logs.nucleus(&line.with("rootPath", options.root.to_string_lossy()).with("version", config::VERSION));
    deployment::launch::Launch::new(&options.root).set_up()?;

    if resumed.is_none() {
        let text = "No ongoing deployment detected. Proceed as default";
        logs.nucleus(&Line::info("com.aws.greengrass.lifecyclemanager.Kernel").thread("main").message(text));
    }
    let timeouts = http::Timeouts::of(&config.nucleus());
    let iot = http::iot_client(&config, timeouts).map_err(configuration)?;
    let provider = Arc::new(Provider::new(&config, iot.clone(), logs.clone()));
    let s3 = S3 {
        client: http::s3_client(&config, timeouts).map_err(configuration)?,
        provider: provider.clone(),
        region: config.region.clone(),
        base: None,
    };
    let tls = http::iot_tls(&config).map_err(configuration)?;
    let (mqtt, incoming) = mqtt::connect(&config, tls, logs.clone());
    let (events, fleet_events) = mpsc::unbounded_channel();
    let data_plane = DataPlane::new(&config, iot);
    let clock = config.clock;
    let kernel = Kernel::new(config, store.clone(), logs.clone(), provider, events);
    kernel.configure(&kernel.config.nucleus());
    logs.nucleus(&lifecycle_line().event("system-start").with("main", "main"));
    ipc::watch(kernel.clone())?;
    inside::tell(kernel.clone())?;
    kernel.dump_configuration();
    tokio::spawn(fleet::Fleet::new(kernel.clone(), mqtt.clone()).run(fleet_events));
    let queue = queue::Queue::new(logs.clone());
    if clock.is_real() {
        queue.poll_every(queue::period(&kernel.config.nucleus()), clock);
    }
    let jobs = jobs::Jobs::new(kernel.clone(), mqtt.clone(), queue.clone());
    let shadow = shadow::Shadow::new(kernel.clone(), mqtt.clone(), queue.clone());
    let keeper = status::Keeper::new(kernel.clone(), jobs.clone(), shadow.clone());
    kernel.offer_locally(local::Local::new(queue.clone()));
    let channel = channel::Channel { kernel: kernel.clone(), mqtt: mqtt.clone(), jobs, shadow, keeper: keeper.clone() };
    let artifacts = Artifacts { s3, store, logs, clock };
    let deployer = Deployer::new(kernel.clone(), keeper, data_plane, artifacts);
    kernel.report(fleet::Event::Launch);
    let work = Work { kernel: kernel.clone(), deployer, queue, resumed };
    tokio::spawn(work.begin(async { channel.run(incoming).await }));
    Ok((kernel, mqtt))
}

/// What the core does once it stands.
struct Work {
    kernel: Arc<Kernel>,
    deployer: Deployer,
    queue: Arc<queue::Queue>,
    resumed: Option<Resumed>,
}

impl Work {
    /// Goes on with what a restart interrupted, starts the components and talks to the cloud.
    async fn begin(self, channel: impl Future<Output = ()> + Send + 'static) {
        let Self { kernel, deployer, queue, resumed } = self;
        let resumed = match resumed {
            Some(resumed) => Some(deployer.bootstrap(resumed).await),
            None => None,
        };
        // Before the cloud can offer it again.
        if let Some(resumed) = &resumed {
            queue.offer(resumed.item());
        }
        tokio::spawn(channel);
        // Deployments count on all components being there.
        kernel.take_up(&kernel.specs().into_keys().collect()).await;
        deployer.run(queue, resumed).await;
    }
}

/// The configuration, and the deployment that a restart interrupted, whose configuration it then is.
fn configure(options: &Options) -> Result<(Config, Option<Resumed>), Error> {
    let load = || Config::load(&options.init_config, &options.root).map_err(configuration);
    let mut config = load()?;
    let resumed = Resumed::find(&options.root, &config.configuration);
    if resumed.is_some() {
        config = load()?;
    }
    Ok((Config { clock: Clock::new(options.speed).timed(options.timing), ..config }, resumed))
}

fn configuration(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Configuration(Box::new(error))
}
