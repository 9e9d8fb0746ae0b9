//! Containers: create with files, start, run commands in them, read from them, end them.

use super::{
    Engine, Entry, Published, Upload, archive,
    creation::carried_out,
    error::{self, Error},
};
use bollard::{
    body_stream,
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
    models::{
        ContainerCreateBody, ContainerUpdateBody, EndpointIpamConfig, EndpointSettings, HostConfig,
        HostConfigCgroupnsModeEnum, HostConfigLogConfig, NetworkConnectRequest, NetworkingConfig,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, KillContainerOptions,
        KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
        UploadToContainerOptionsBuilder, WaitContainerOptions,
    },
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::Ipv4Addr,
    time::Duration,
};

/// What an init system needs: control groups to mount, and system calls that Docker's filters refuse.
const UNFILTERED: [&str; 2] = ["seccomp=unconfined", "apparmor=unconfined"];
/// What the kernel calls the lowest port of users other than root.
const LOWEST_PORT: &str = "net.ipv4.ip_unprivileged_port_start";
/// The machine's own, of a namespace.
const HOST: &str = "host";
/// Folders that are empty after a boot.
const VOLATILE: [&str; 2] = ["/run", "/tmp"];

/// A command that runs in a container.
#[derive(Debug)]
pub struct Begun {
    id: String,
    started: StartExecResults,
    doing: String,
}

/// A container to be.
#[derive(Clone, Default)]
pub struct ContainerSpec {
    /// Its name in the engine.
    pub name: String,
    /// Image id or tag.
    pub image: String,
    /// The program and its arguments, instead of the image's entry point; empty for the image's own.
    pub command: Vec<String>,
    /// Environment variables beyond the image's.
    pub env: Vec<(String, String)>,
    /// Labels, from [`super::Lease::labels`].
    pub labels: HashMap<String, String>,
    /// The network that it is born on.
    pub network: String,
    /// Its address there; absent for any.
    pub address: Option<Ipv4Addr>,
    /// Linux capabilities beyond Docker's own set, such as `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// Folders in memory, and the options that they are mounted with.
    pub mounts: Vec<(String, String)>,
    /// How many bytes of memory it may take; all without.
    pub memory: Option<u64>,
    /// The lowest TCP and UDP port that a user other than root may listen on; the engine's choice, 0, without.
    pub lowest_port: Option<u16>,
    /// Another container whose processes it sees.
    pub beside: Option<String>,
    /// Whether it sees the processes and control groups of the machine; its network is to be `host`.
    pub machine: bool,
    /// Whether the engine filters its system calls as little as it can.
    pub unfiltered: bool,
    /// Whether an init system runs in it: it gets a control group namespace of its own, in-memory folders for what is
    /// gone at a boot, and no filter of system calls.
    pub boots: bool,
    /// Its host name; empty for Docker's choice.
    pub hostname: String,
    /// Files, folders and trees to put in before it starts, in this order.
    pub files: Vec<Upload>,
    /// Networks to connect to besides.
    pub extra_networks: Vec<String>,
    /// A TCP port that the host gets at 127.0.0.1, once the container is connected to an edge network.
    pub published: Option<Published>,
}

/// Says nothing of the values of environment variables, which may be secrets.
impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSpec")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("command", &self.command)
            .field("network", &self.network)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// A container that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The engine's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// How a command in a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; 126 or 127 if it could not be run.
    pub exit_code: i64,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether its main process runs.
    pub running: bool,
    /// The main process's exit code, once it ended.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
}

/// Where a container's output goes. It is evidence, so all of it is kept and can be read back, whatever the engine's own
/// settings say, which count for what is not stated here.
fn whole_log() -> HostConfigLogConfig {
    let config = [("max-size", "1t"), ("mode", "blocking")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config.into()) }
}

impl ContainerSpec {
    fn body(&self) -> ContainerCreateBody {
        let volatile = VOLATILE.iter().filter(|_| self.boots).map(|&folder| (folder.to_owned(), "exec".to_owned()));
        let tmpfs: HashMap<_, _> = volatile.chain(self.mounts.iter().cloned()).collect();
        let unfiltered = self.boots || self.unfiltered;
        let memory = self.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let host = HostConfig {
            network_mode: Some(self.network.clone()),
            cap_add: Some(self.capabilities.clone()),
            cgroupns_mode: self.control_groups(),
            security_opt: unfiltered.then(|| UNFILTERED.map(str::to_owned).to_vec()),
            tmpfs: (!tmpfs.is_empty()).then_some(tmpfs),
            memory,
            // No swap besides: it would be as much again.
            memory_swap: memory,
            pid_mode: self.processes(),
            log_config: Some(whole_log()),
            port_bindings: self.published.map(Published::bindings),
            sysctls: self.lowest_port.map(|port| HashMap::from([(LOWEST_PORT.to_owned(), port.to_string())])),
            ..HostConfig::default()
        };
        let address = self.address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        });
        let endpoint = EndpointSettings { ipam_config: address, ..EndpointSettings::default() };
        let networking = NetworkingConfig { endpoints_config: Some(HashMap::from([(self.network.clone(), endpoint)])) };
        // Who shares another container's network, or the machine's, has none of its own.
        let own = self.network != HOST && !self.network.starts_with("container:");
        let networking_config = own.then_some(networking);
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: (!self.command.is_empty()).then(|| self.command.clone()),
            env: Some(self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            hostname: (!self.hostname.is_empty()).then(|| self.hostname.clone()),
            labels: Some(self.labels.clone()),
            host_config: Some(host),
            networking_config,
            exposed_ports: self.published.map(|port| vec![port.key()]),
            ..ContainerCreateBody::default()
        }
    }
}

impl ContainerSpec {
    fn control_groups(&self) -> Option<HostConfigCgroupnsModeEnum> {
        let machine = self.machine.then_some(HostConfigCgroupnsModeEnum::HOST);
        machine.or_else(|| self.boots.then_some(HostConfigCgroupnsModeEnum::PRIVATE))
    }

    fn processes(&self) -> Option<String> {
        let beside = self.beside.as_ref().map(|container| format!("container:{container}"));
        beside.or_else(|| self.machine.then(|| HOST.to_owned()))
    }
}

impl Engine {
    /// Creates a container, puts its files in, connects its networks and starts it.
    ///
    /// If a step fails, the container stays as it is; its labels say whose it is.
    ///
    /// # Errors
    /// [`Error::Engine`] with the step that the engine refused.
    pub async fn launch(&self, spec: &ContainerSpec) -> Result<Container, Error> {
        let container = self.create(spec).await?;
        self.start(&container).await?;
        Ok(container)
    }

    /// Creates a container, puts its files in and connects its networks; [`Engine::start`] starts it.
    ///
    /// # Errors
    /// As [`Engine::launch`].
    pub async fn create(&self, spec: &ContainerSpec) -> Result<Container, Error> {
        let name = &spec.name;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let (docker, body) = (self.docker.clone(), spec.body());
        let created = carried_out(Box::pin(async move { docker.create_container(Some(options), body).await })).await;
        let id = created.map_err(Error::engine(format!("creating container `{name}`")))?.id;
        let container = Container { id, name: name.clone() };
        if !spec.files.is_empty() {
            self.put(&container, &spec.files).await?;
        }
        for network in &spec.extra_networks {
            let request = NetworkConnectRequest { container: container.id.clone(), endpoint_config: None };
            let connected = self.docker.connect_network(network, request).await;
            connected.map_err(Error::engine(format!("connecting container `{name}` to network `{network}`")))?;
        }
        Ok(container)
    }

    /// Starts a container that was created.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub async fn start(&self, container: &Container) -> Result<(), Error> {
        let started = self.docker.start_container(&container.id, None).await;
        started.map_err(Error::engine(format!("starting container `{}`", container.name)))
    }

    /// Puts files into a container, running or not.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub async fn put(&self, container: &Container, files: &[Upload]) -> Result<(), Error> {
        let tar = archive::pack(files).map_err(Error::io("packing files for", &container.name))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        // A stream, since the client traces a whole body, and files may be secrets.
        let body = body_stream(futures_util::stream::iter([Bytes::from(tar)]));
        let uploaded = self.docker.upload_to_container(&container.id, Some(options), body).await;
        uploaded.map_err(Error::engine(format!("putting files into container `{}`", container.name)))
    }

    /// Runs a command in a container until it ends. `user` is a name or `uid:gid`; empty for the image's.
    ///
    /// # Errors
    /// [`Error::Engine`] if the command can't be started; its own failure is an exit code.
    pub async fn exec(
        &self,
        container: &str,
        user: &str,
        argv: &[&str],
        env: &[(&str, &str)],
    ) -> Result<ExecOutput, Error> {
        let begun = self.begin(container, user, argv, env).await?;
        self.finish(begun).await
    }

    /// Begins to run a command in a container, as [`Engine::exec`] does.
    ///
    /// # Errors
    /// [`Error::Engine`] if the command can't be started.
    pub async fn begin(
        &self,
        container: &str,
        user: &str,
        argv: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Begun, Error> {
        let doing = format!("running `{}` in container `{container}`", argv.first().copied().unwrap_or_default());
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            user: (!user.is_empty()).then(|| user.to_owned()),
            cmd: Some(argv.iter().map(|&word| word.to_owned()).collect()),
            env: Some(env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            ..CreateExecOptions::default()
        };
        let id = self.docker.create_exec(container, options).await.map_err(Error::engine(doing.clone()))?.id;
        let started = self.docker.start_exec(&id, None).await.map_err(Error::engine(doing.clone()))?;
        Ok(Begun { id, started, doing })
    }

    /// Waits until a command has ended.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine loses it; its own failure is an exit code.
    pub async fn finish(&self, Begun { id, started, doing }: Begun) -> Result<ExecOutput, Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(part) = output.try_next().await.map_err(Error::engine(doing.clone()))? {
                let sink = if matches!(part, LogOutput::StdErr { .. }) { &mut stderr } else { &mut stdout };
                sink.extend_from_slice(part.as_ref());
            }
        }
        let exit_code = self.exit_code(&id).await.map_err(Error::engine(doing))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(ExecOutput { exit_code, stdout: text(stdout), stderr: text(stderr) })
    }

    /// The exit code of a command whose output has ended. The engine may note it a moment later.
    pub(super) async fn exit_code(&self, exec: &str) -> Result<i64, bollard::errors::Error> {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            let state = self.docker.inspect_exec(exec).await?;
            if let (Some(false), Some(code)) = (state.running, state.exit_code) {
                return Ok(code);
            }
        }
    }

    /// Reads the regular files at a path of a container, running or not: name below the path, and content. A single
    /// file has its own name; a path that isn't there has no files. Symbolic links are left out.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container, [`Error::Io`] if the answer can't be read.
    pub async fn read_tar(&self, container: &str, path: &str) -> Result<BTreeMap<String, Entry>, Error> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let mut tar = Vec::new();
        let mut parts = self.docker.download_from_container(container, Some(options)).boxed();
        while let Some(part) = parts.next().await {
            match part {
                Ok(bytes) => tar.extend_from_slice(&bytes),
                Err(error)
                    if error::status(&error) == Some(404) && !error.to_string().contains("No such container") =>
                {
                    return Ok(BTreeMap::new());
                }
                Err(error) => return Err(Error::engine(format!("reading `{path}` of container `{container}`"))(error)),
            }
        }
        archive::unpack(&tar).map_err(Error::io("unpacking", path))
    }

    /// Asks a container to end with SIGTERM, and kills it after some seconds.
    ///
    /// # Errors
    /// [`Error::Engine`]; a container that isn't there or has ended is no error.
    pub async fn stop(&self, container: &str, seconds: u16) -> Result<(), Error> {
        let options = StopContainerOptionsBuilder::new().t(seconds.into()).build();
        let stopped = error::gone(self.docker.stop_container(container, Some(options)).await);
        stopped.map_err(Error::engine(format!("stopping container `{container}`")))
    }

    /// Kills a container with SIGKILL and waits until it has ended; its file system stays.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub async fn kill(&self, container: &Container) -> Result<(), Error> {
        let doing = || format!("killing container `{}`", container.name);
        // Subscribed before the kill, so that its end can't be missed.
        let mut ended = self.docker.wait_container(&container.id, None::<WaitContainerOptions>);
        let kill = self.docker.kill_container(&container.id, None::<KillContainerOptions>);
        let (killed, ended) = tokio::join!(kill, ended.next());
        killed.map_err(Error::engine(doing()))?;
        match ended {
            // A killed container has an exit code that isn't 0, which bollard takes for an error.
            None | Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(Error::engine(doing())(error)),
        }
    }

    /// Sends a signal, such as `SIGUSR1`, to a container's first process.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses, or the container does not run.
    pub(crate) async fn signal(&self, container: &Container, signal: &str) -> Result<(), Error> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let sent = self.docker.kill_container(&container.id, Some(options)).await;
        sent.map_err(Error::engine(format!("sending {signal} to container `{}`", container.name)))
    }

    /// Kills and removes a container with its unnamed volumes.
    ///
    /// # Errors
    /// [`Error::Engine`]; a container that isn't there is no error.
    pub async fn remove(&self, container: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = error::gone(self.docker.remove_container(container, Some(options)).await);
        removed.map_err(Error::engine(format!("removing container `{container}`")))
    }

    /// Lets a container take so many bytes of memory and no swap; without a number, more than a machine has.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub(crate) async fn limit_memory(&self, container: &Container, bytes: Option<u64>) -> Result<(), Error> {
        // The engine has no word for a limit that is lifted.
        let memory = i64::try_from(bytes.unwrap_or(1 << 40)).unwrap_or(i64::MAX);
        let limit =
            ContainerUpdateBody { memory: Some(memory), memory_swap: Some(memory), ..ContainerUpdateBody::default() };
        let limited = self.docker.update_container(&container.id, limit).await;
        limited.map_err(Error::engine(format!("limiting the memory of container `{}`", container.name)))
    }

    /// What a container is doing.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container.
    pub async fn state(&self, container: &str) -> Result<State, Error> {
        let inspected = self.docker.inspect_container(container, None).await;
        let state = inspected.map_err(Error::engine(format!("inspecting container `{container}`")))?.state;
        let state = state.unwrap_or_default();
        let running = state.running.unwrap_or_default();
        let exit_code = state.exit_code.filter(|_| !running);
        Ok(State { running, exit_code, oom_killed: state.oom_killed.unwrap_or_default() })
    }
}
