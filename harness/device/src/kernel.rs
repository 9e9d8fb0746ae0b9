//! The services of the core and what they share.

use crate::{
    config::{Config, VERSION},
    configuration::is_built_in,
    credentials::Provider,
    fleet, http,
    inside::Places,
    lifecycle::{self, Lifecycle},
    local::Local,
    log::{Cause, Line, Logs},
    service::{Effect, Request, Service, Spec, State},
    step::coerce,
    store::Store,
    tes::{self, Tokens},
    tree,
    user::Own,
};
use semver::Version;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// How long the nucleus gives its services to stop.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// What every service can reach.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) logs: Arc<Logs>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) tokens: Tokens,
    pub(crate) places: Places,
    /// Who the core runs as.
    pub(crate) own: Own,
    pub(crate) home: PathBuf,
    path: String,
    services: Mutex<BTreeMap<String, Lifecycle>>,
    variables: Mutex<BTreeMap<String, String>>,
    fleet: mpsc::UnboundedSender<fleet::Event>,
    local: OnceLock<Arc<Local>>,
    tick: watch::Sender<u64>,
    exit: watch::Sender<Option<i32>>,
}

impl Kernel {
    /// A kernel without services.
    pub(crate) fn new(
        config: Config,
        store: Store,
        logs: Arc<Logs>,
        provider: Arc<Provider>,
        fleet: mpsc::UnboundedSender<fleet::Event>,
    ) -> Arc<Self> {
        let inherited: BTreeMap<String, String> = std::env::vars().collect();
        let path = search_path(inherited.get("PATH").map(String::as_str).unwrap_or_default());
        let home = inherited.get("HOME").map_or_else(|| "/root".into(), PathBuf::from);
        let (uid, gid) = std::fs::metadata("/proc/self").map_or((0, 0), |own| (own.uid(), own.gid()));
        let fips = tree::get(&config.nucleus(), "fipsMode").is_some_and(coerce::truth).to_string();
        let socket = config.root.join("ipc.socket").to_string_lossy().into_owned();
        let variables = [
            ("PATH", path.clone()),
            ("HOME", home.to_string_lossy().into_owned()),
            ("GG_ROOT_CA_PATH", config.root_ca.to_string_lossy().into_owned()),
            ("AWS_REGION", config.region.clone()),
            ("AWS_DEFAULT_REGION", config.region.clone()),
            // `DeviceConfiguration` sets both with the region, whatever the mode is; a change of the mode restarts the core.
            ("AWS_USE_FIPS_ENDPOINT", fips.clone()),
            ("AWS_GG_FIPS_MODE", fips),
            ("AWS_IOT_THING_NAME", config.thing.clone()),
            ("GGC_VERSION", VERSION.into()),
            ("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH", socket.clone()),
            ("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", socket),
        ];
        Arc::new(Self {
            config,
            store,
            logs,
            provider,
            tokens: Tokens::default(),
            places: Places::default(),
            own: Own::new(uid, gid),
            home,
            path,
            services: Mutex::default(),
            variables: Mutex::new(variables.map(|(key, value)| (key.into(), value)).into()),
            fleet,
            local: OnceLock::new(),
            tick: watch::Sender::new(0),
            exit: watch::Sender::new(None),
        })
    }

    /// Follows the nucleus's own configuration, at the start and whenever it changes, in what can change while it runs:
    /// logging, role alias and credentials endpoint. What isn't emulated is told.
    pub(crate) fn configure(&self, nucleus: &Value) {
        self.logs.configure(nucleus);
        self.provider.configure(nucleus);
        if let Some(what) = http::unsupported(nucleus) {
            let line = Line::error("com.aws.greengrass.deployment.DeviceConfiguration");
            self.logs.nucleus(&line.event("greenproof-unsupported").message(what));
        }
    }

    /// The environment that every component gets.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets a variable for every component that starts from now on.
    pub(crate) fn set_variable(&self, name: &str, value: String) {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), value);
    }

    /// The nucleus's own search path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn service(&self, name: &str) -> Option<Arc<Service>> {
        self.services().get(name).map(|lifecycle| lifecycle.service().clone())
    }

    /// All services by name.
    pub(crate) fn all(&self) -> Vec<Arc<Service>> {
        self.services().values().map(|lifecycle| lifecycle.service().clone()).collect()
    }

    /// Adds a service, or redefines it and asks for what the change needs. Returns what that is; `None` for a new one.
    pub(crate) fn define(self: &Arc<Self>, name: &str, spec: Spec) -> Option<Effect> {
        if let Some(service) = self.service(name) {
            let old = service.spec();
            let mut effect = lifecycle::redefine(self, &service, spec);
            if name == tes::NAME && tes::changed(self, &service, &old.configuration) && effect == Effect::Nothing {
                service.request(Request::Restart);
                effect = Effect::Restart;
            }
            return Some(effect);
        }
        if name != tes::NAME {
            self.logs.open(name);
        }
        let (service, inbox) = Service::new(name, spec);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(service.token.clone());
        // The map is locked over the start, so that the new service can't look for itself too early.
        let mut services = self.services();
        services.insert(name.into(), Lifecycle::start(self, &service, inbox));
        None
    }

    /// Makes components what the configuration says they are; a broken one is installed anew, whatever has changed of it.
    ///
    /// The token exchange service comes first. In the real nucleus it starts in the same process, long before the first
    /// script of another component is spawned with the environment that it sets.
    pub(crate) async fn take_up(self: &Arc<Self>, names: &BTreeSet<String>) {
        let specs = self.specs().into_iter().filter(|(name, _)| names.contains(name));
        let (built_in, others): (Vec<_>, Vec<_>) = specs.partition(|(name, _)| name == tes::NAME);
        for (name, spec) in built_in.into_iter().chain(others) {
            let broken = self.service(&name).filter(|service| service.state() == State::Broken);
            let effect = self.define(&name, spec);
            if let Some(service) = broken.filter(|_| effect != Some(Effect::Reinstall)) {
                service.request(Request::Reinstall);
            }
            if name == tes::NAME {
                self.started(&name).await;
            }
        }
    }

    /// Waits until a service is up or broken.
    async fn started(&self, name: &str) {
        let mut ticks = self.ticks();
        let up = |service: Arc<Service>| matches!(service.state(), State::Running | State::Broken);
        while !self.service(name).is_none_or(up) {
            // The sender lives as long as the kernel.
            _ = ticks.changed().await;
        }
    }

    /// The definitions of all components, as the configuration has them.
    pub(crate) fn specs(&self) -> BTreeMap<String, Spec> {
        let services = self.config.configuration.read(|tree| tree.get(&["services"])).unwrap_or_default();
        let services = services.as_object().into_iter().flatten().filter(|(name, _)| !is_built_in(name));
        let spec = |(name, section): (&String, &Value)| {
            let version = Version::parse(&tree::text(section, "version")?).ok()?;
            let arn = self.store.arn(name, &version).unwrap_or_default();
            Some((name.clone(), Spec::read(section, arn)?))
        };
        services.filter_map(spec).collect()
    }

    /// The named components and all that depend on them.
    pub(crate) fn with_dependers(&self, mut names: BTreeSet<String>) -> BTreeSet<String> {
        let services = self.all();
        loop {
            let depends = |service: &&Arc<Service>| {
                service.spec().dependencies.iter().any(|(on, hard)| *hard && names.contains(on))
            };
            let more: Vec<String> = services.iter().filter(depends).map(|service| service.name.clone()).collect();
            let before = names.len();
            names.extend(more);
            if names.len() == before {
                return names;
            }
        }
    }

    /// The error type of what a component did wrong.
    pub(crate) fn component_error(&self, name: &str) -> &'static str {
        let arn = self.specs().remove(name).map(|spec| spec.arn).unwrap_or_default();
        match arn.split(':').nth(4) {
            Some("aws") => "AWS_COMPONENT_ERROR",
            Some(account) if !account.is_empty() => "USER_COMPONENT_ERROR",
            _ => "COMPONENT_ERROR",
        }
    }

    /// Asks the core to end with this exit code of the nucleus.
    pub(crate) fn exit(&self, code: i32) {
        self.exit.send_replace(Some(code));
    }

    /// Waits until somebody asks the core to end.
    pub(crate) async fn exiting(&self) -> i32 {
        let mut exit = self.exit.subscribe();
        exit.wait_for(Option::is_some).await.ok().and_then(|code| *code).unwrap_or_default()
    }

    /// Writes `config/effectiveConfig.yaml`.
    pub(crate) fn dump_configuration(&self) {
        match self.config.configuration.dump() {
            Ok(file) => {
                let line =
                    Line::info("com.aws.greengrass.lifecyclemanager.Kernel").event("effective-config-dump-complete");
                self.logs.nucleus(&line.with("file", file.to_string_lossy()));
            }
            Err(error) => tracing::warn!(%error, "writing the effective configuration"),
        }
    }

    /// Stops a component for good, with its `uninstall` step, and forgets it.
    pub(crate) async fn remove(self: &Arc<Self>, name: &str) {
        let Some(service) = self.service(name) else { return };
        service.request(Request::Uninstall);
        let Some(close) = self.services().get_mut(name).map(|lifecycle| lifecycle.close(self)) else { return };
        close.await;
        self.services().remove(name);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(&service.token);
    }

    /// Stops every service, dependers before what they depend on.
    pub(crate) async fn shut_down(self: &Arc<Self>) {
        let line = |line: fn(&'static str) -> Line| line("com.aws.greengrass.lifecyclemanager.KernelLifecycle");
        let mut closing = JoinSet::new();
        for name in self.dependers_first() {
            if let Some(lifecycle) = self.services().get_mut(&name) {
                let close = lifecycle.close(self);
                closing.spawn(async move {
                    close.await;
                    name
                });
            }
        }
        self.logs.nucleus(&line(Line::info).message("Waiting for services to shutdown"));
        let mut unclosed: BTreeSet<String> = self.services().keys().cloned().collect();
        let closed = async {
            while let Some(closed) = closing.join_next().await {
                unclosed.remove(&closed.unwrap_or_default());
            }
        };
        if self.config.clock.timeout(SHUTDOWN, closed).await.is_err() {
            let names = unclosed.iter().cloned().collect::<Vec<_>>().join(", ");
            let line = line(Line::error).event("services-shutdown-errored").message("Force closing services");
            let line = line.cause(Cause::new("java.util.concurrent.TimeoutException", ""));
            self.logs.nucleus(&line.with("unclosedServices", format!("[{names}]")));
            for name in unclosed {
                let lifecycle = self.services().remove(&name);
                if let Some(lifecycle) = lifecycle {
                    lifecycle.force().await;
                }
            }
        }
        self.services().clear();
    }

    /// The names of all services, each before those that it needs.
    fn dependers_first(&self) -> Vec<String> {
        let mut services = self.all();
        let mut ordered = Vec::new();
        while !services.is_empty() {
            let needs = |other: &Service, name: &str| other.spec().dependencies.iter().any(|(on, _)| on == name);
            let free = |service: &Arc<Service>| !services.iter().any(|other| needs(other, &service.name));
            // A circle can't be resolved by order; then any order does.
            let next = services.iter().position(free).unwrap_or_default();
            ordered.push(services.remove(next).name.clone());
        }
        ordered
    }

    /// Tells everybody who waits that the state of `service` is now `new`.
    pub(crate) fn changed(&self, service: &Arc<Service>, new: State) {
        let trouble = service.trouble();
        _ = self.fleet.send(fleet::Event::State { service: service.clone(), state: new, trouble });
        self.tick.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Gives the command line its queue; once.
    pub(crate) fn offer_locally(&self, local: Arc<Local>) {
        // A second one would come too late.
        _ = self.local.set(local);
    }

    /// The local channel.
    pub(crate) fn local(&self) -> Option<&Arc<Local>> {
        self.local.get()
    }

    /// Tells the fleet status service something.
    pub(crate) fn report(&self, event: fleet::Event) {
        // It ends only with the core.
        _ = self.fleet.send(event);
    }

    /// Changes with every state change of any service.
    pub(crate) fn ticks(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<String, Lifecycle>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search path with the folders that the nucleus makes sure of.
fn search_path(inherited: &str) -> String {
    let mut folders: Vec<&str> = inherited.split(':').filter(|folder| !folder.is_empty()).collect();
    for folder in ["/bin", "/usr/bin", "/sbin", "/usr/sbin"] {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}
