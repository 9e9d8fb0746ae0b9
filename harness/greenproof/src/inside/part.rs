//! The parts that the program plays inside containers.

use super::Failure;
use clap::{Args, Subcommand};
use greenproof::exit;
use serde::Serialize;
use std::{
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum Role {
    /// Every `*.amazonaws.com` host.
    Aws,
    /// github.com and the package index.
    Github,
    /// Tell OpenSSH's server, in the part that plays GitHub, what a public key is good for.
    SshKey {
        /// The algorithm.
        algorithm: String,
        /// The key in base64.
        key: String,
    },
    /// Take the place of what the holder of a deploy key asked OpenSSH's server to run.
    SshGit {
        /// The deploy key's name.
        key: String,
    },
    /// Give the order on standard input, such as `{"cancel": {"deployment": "ID"}}`, to the part of this container; prints the
    /// answer as JSON.
    Control,
}

#[derive(Args)]
pub(crate) struct Surroundings {
    #[arg(long)]
    nameserver: Option<Ipv4Addr>,
    #[arg(long)]
    gateway: Option<Ipv4Addr>,
    #[arg(long)]
    trust: Option<PathBuf>,
}

impl From<Surroundings> for ::device::Surroundings {
    fn from(Surroundings { nameserver, gateway, trust }: Surroundings) -> Self {
        Self { nameserver, gateway, trust }
    }
}

#[derive(Args)]
pub(crate) struct Surround {
    #[command(flatten)]
    surroundings: Surroundings,
    /// The program to become, and its arguments.
    #[arg(last = true)]
    program: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Device {
    #[command(flatten)]
    surroundings: Surroundings,
    #[arg(long)]
    init_config: PathBuf,
    #[arg(long)]
    root: PathBuf,
    /// How many times as fast as the world the core's periods pass.
    #[arg(long, default_value_t)]
    speed: ::device::Speed,
    /// Whether it waits where the nucleus does: `prompt` or `real`.
    #[arg(long, default_value_t)]
    timing: ::device::Timing,
    /// Say on standard output what is written into the log files.
    #[arg(long)]
    tell_logs: bool,
}

#[derive(Args)]
pub(crate) struct Enter {
    #[arg(long)]
    root: bool,
    /// The kind of the person's terminal.
    #[arg(long)]
    terminal: Option<String>,
    component: String,
    #[arg(last = true, required = true)]
    program: Vec<String>,
}

pub(crate) async fn cloud(role: Role) -> Result<u8, Failure> {
    let result = match role {
        Role::Aws => ::cloud::aws::run().await.map_err(|error| error.to_string()),
        Role::Github => ::cloud::github::run().await.map_err(|error| error.to_string()),
        Role::Control => return control().await,
        Role::SshKey { algorithm, key } => return ssh_key(&format!("{algorithm} {key}")).await,
        Role::SshGit { key } => return ssh_git(&key).await,
    };
    match result {
        Ok(()) => Ok(exit::PASSED),
        Err(reason) => {
            ::cloud::event::emit(::cloud::event::What::Failed { reason: reason.clone() });
            Err(Failure::new(exit::FAULT, reason, ""))
        }
    }
}

async fn ssh_key(key: &str) -> Result<u8, Failure> {
    let known = ::cloud::github::ssh::authorized(key).await;
    let line = known.map_err(|error| Failure::new(exit::FAULT, error.to_string(), ""))?;
    // A server that no longer listens lets nobody in.
    _ = std::io::stdout().lock().write_all(line.as_bytes());
    Ok(exit::PASSED)
}

async fn ssh_git(key: &str) -> Result<u8, Failure> {
    #[expect(clippy::disallowed_methods, reason = "this is the edge at which configuration is read")]
    let command = std::env::var("SSH_ORIGINAL_COMMAND").ok();
    let refused = ::cloud::github::ssh::become_git(key, command).await;
    let text = refused.map_err(|error| Failure::new(exit::FAULT, error.to_string(), ""))?;
    _ = writeln!(std::io::stderr().lock(), "{text}");
    Ok(exit::FINDING)
}

async fn control() -> Result<u8, Failure> {
    use ::cloud::control::{Error, SOCKET, ask};
    for order in serde_json::Deserializer::from_reader(std::io::stdin().lock()).into_iter() {
        let order = order.map_err(|error| {
            Failure::new(exit::USAGE, format!("this is no order: {error}"), "an order is one JSON object")
        })?;
        let answer = ask(Path::new(SOCKET), &order).await.map_err(|error| {
            let code = if matches!(error, Error::Refused(_)) { exit::USAGE } else { exit::ENVIRONMENT };
            Failure::new(code, error.to_string(), "")
        })?;
        line(&answer).map_err(|error| Failure::new(exit::FAULT, format!("can't print the answer: {error}"), ""))?;
    }
    Ok(exit::PASSED)
}

pub(crate) async fn device(arguments: Device) -> Result<u8, Failure> {
    let Device { surroundings, init_config, root, speed, timing, tell_logs } = arguments;
    let options = ::device::Options { surroundings: surroundings.into(), init_config, root, speed, timing, tell_logs };
    ::device::run(options).await.map_err(|error| Failure::new(exit::FAULT, error.to_string(), ""))?;
    Ok(exit::PASSED)
}

pub(crate) async fn surround(arguments: Surround) -> Result<u8, Failure> {
    let failed = |error: ::device::Error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        Failure::new(exit::FAULT, format!("{error}{cause}"), "")
    };
    let Surround { surroundings, program } = arguments;
    if program.is_empty() {
        ::device::surround(&surroundings.into()).await.map_err(failed)?;
    } else {
        let words = std::env::args().skip(1).take_while(|word| word != "--");
        ::device::become_program(&words.collect::<Vec<_>>(), &program).map_err(failed)?;
    }
    Ok(exit::PASSED)
}

pub(crate) fn enter(arguments: &Enter) -> Result<u8, Failure> {
    use ::device::inside::{Error, Who};
    let Enter { root, terminal, component, program } = arguments;
    let who = if *root { Who::Root } else { Who::Component };
    let error = ::device::inside::enter(component, who, terminal.as_deref(), program);
    let code = match &error {
        Error::Program(_, cause) if cause.kind() == std::io::ErrorKind::NotFound => exit::NOT_FOUND,
        Error::Program(..) => exit::NOT_RUN,
        Error::Unknown(_) => exit::USAGE,
        Error::Core(_) => exit::ENVIRONMENT,
    };
    Err(Failure::new(code, error.to_string(), ""))
}

pub(crate) async fn watch(sampled: bool) -> Result<u8, Failure> {
    use leak::watch::{PATH, Said, Watch, Watcher};
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |reason: String| {
        _ = line(&Said::Failed { reason: reason.clone() });
        Failure::new(exit::FAULT, reason, "")
    };
    let mut orders = signal(SignalKind::user_defined1()).map_err(|error| failed(error.to_string()))?;
    let told = std::fs::read(PATH).map_err(|error| failed(format!("reading `{PATH}`: {error}")))?;
    let told: Watch = serde_json::from_slice(&told).map_err(|error| failed(format!("reading `{PATH}`: {error}")))?;
    let watcher = Watcher::start(Watch { sampled: told.sampled || sampled, ..told });
    line(&watcher.watching).map_err(|error| failed(error.to_string()))?;
    while orders.recv().await.is_some() {
        let answer = tokio::task::block_in_place(|| watcher.search());
        answer.iter().try_for_each(line).map_err(|error| failed(error.to_string()))?;
    }
    Ok(exit::PASSED)
}

/// Prints a line of JSON.
fn line(said: &impl Serialize) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(said)?)
}
