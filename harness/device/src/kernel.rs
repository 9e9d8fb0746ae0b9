//! The services of the core and what they share.

use crate::{
    config::{Config, VERSION},
    credentials::Provider,
    fleet, lifecycle,
    local::Local,
    log::Logs,
    service::{Effect, Request, Service, Spec, State},
    store::Store,
    tes::{self, Tokens},
};
use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
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
    /// Our own user and group id.
    pub(crate) own: (u32, u32),
    pub(crate) home: PathBuf,
    path: String,
    services: Mutex<BTreeMap<String, Entry>>,
    variables: Mutex<BTreeMap<String, String>>,
    fleet: mpsc::UnboundedSender<fleet::Event>,
    local: OnceLock<Arc<Local>>,
    tick: watch::Sender<u64>,
}

#[derive(Debug)]
struct Entry {
    service: Arc<Service>,
    task: JoinHandle<()>,
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
        let own = std::fs::metadata("/proc/self").map_or((0, 0), |own| (own.uid(), own.gid()));
        let socket = config.root.join("ipc.socket").to_string_lossy().into_owned();
        let variables = [
            ("PATH", path.clone()),
            ("HOME", home.to_string_lossy().into_owned()),
            ("GG_ROOT_CA_PATH", config.root_ca.to_string_lossy().into_owned()),
            ("AWS_REGION", config.region.clone()),
            ("AWS_DEFAULT_REGION", config.region.clone()),
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
            own,
            home,
            path,
            services: Mutex::default(),
            variables: Mutex::new(variables.map(|(key, value)| (key.into(), value)).into()),
            fleet,
            local: OnceLock::new(),
            tick: watch::Sender::new(0),
        })
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
        self.services().get(name).map(|entry| entry.service.clone())
    }

    /// All services by name.
    pub(crate) fn all(&self) -> Vec<Arc<Service>> {
        self.services().values().map(|entry| entry.service.clone()).collect()
    }

    /// Adds a service, or redefines it and asks for what the change needs. Returns what that is; `None` for a new one.
    pub(crate) fn define(self: &Arc<Self>, name: &str, spec: Spec) -> Option<Effect> {
        if let Some(service) = self.service(name) {
            let old = service.spec();
            let mut effect = old.effect(&spec, service.state());
            service.define(spec);
            if name == tes::NAME && tes::changed(self, &service, &old.configuration) && effect == Effect::Nothing {
                effect = Effect::Restart;
            }
            match effect {
                Effect::Nothing => {}
                Effect::Restart => service.request(Request::Restart),
                Effect::Reinstall => service.request(Request::Reinstall),
            }
            return Some(effect);
        }
        if name != tes::NAME {
            self.logs.open(name);
        }
        let (service, requests) = Service::new(name, spec);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(service.token.clone());
        // The map is locked over the start, so that the new service can't look for itself too early.
        let mut services = self.services();
        let task = tokio::spawn(lifecycle::drive(self.clone(), service.clone(), requests));
        services.insert(name.into(), Entry { service, task });
        None
    }

    /// Stops a service and forgets it.
    pub(crate) async fn remove(&self, name: &str) {
        let Some(entry) = self.services().remove(name) else { return };
        entry.service.request(Request::Close);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry.service.token);
        if let Err(error) = entry.task.await {
            tracing::error!(%error, name, "lifecycle ended badly");
        }
    }

    /// Stops every service, dependers before what they depend on.
    pub(crate) async fn shut_down(&self) {
        let stop = async {
            loop {
                let services = self.all();
                let needed = |name: &str| {
                    services.iter().any(|other| other.spec().dependencies.iter().any(|(on, hard)| *hard && on == name))
                };
                let free: Vec<String> =
                    services.iter().map(|service| service.name.clone()).filter(|name| !needed(name)).collect();
                // A circle can't be resolved by order; then any order does.
                let Some(next) = free.first().or(services.first().map(|service| &service.name)) else { return };
                self.remove(next).await;
            }
        };
        if self.config.clock.timeout(SHUTDOWN, stop).await.is_err() {
            tracing::warn!("services did not stop in time");
        }
    }

    /// Whether every hard dependency of `service` is ready.
    pub(crate) fn dependencies_ready(&self, service: &Service) -> bool {
        self.bad_dependency(service).is_none()
    }

    /// The first hard dependency that isn't ready.
    pub(crate) fn bad_dependency(&self, service: &Service) -> Option<String> {
        let ready = |name: &str| {
            let state = self.service(name).map(|dependency| dependency.state());
            matches!(state, Some(State::Running | State::Finished | State::Stopping))
        };
        let spec = service.spec();
        spec.dependencies
            .iter()
            .find(|(name, hard)| *hard && name != crate::config::NUCLEUS && !ready(name))
            .map(|(name, _)| name.clone())
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

    fn services(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
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
