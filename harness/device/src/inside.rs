//! A person's way into a component: its scripts' user, folder and environment, as the core itself gives them.
//!
//! The core tells on a socket that root alone may use what the last script of a component got, or would get if none has
//! run yet; [`enter`] asks it there and becomes a program in that place. It changes nothing of the component, and nothing
//! of a run passes here.

use crate::{
    exec::Plan,
    kernel::Kernel,
    service::Service,
    step::{Script, Step},
    user::RunAs,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt},
    net::UnixListener,
};

/// Folder of the socket.
const FOLDER: &str = "/run/greenproof";
const SOCKET: &str = "core.socket";

/// Where a component's script runs, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// What a command is put behind so that the component's user runs it.
    sudo: Vec<String>,
    folder: PathBuf,
    /// All of it, with what the core inherited.
    environment: BTreeMap<String, String>,
}

/// What each component's last script got.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<String, Place>>);

/// Why nobody gets in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The core does not listen.
    #[error("asking the core for the component's environment: {0}")]
    Core(#[from] io::Error),
    /// The core knows no such component.
    #[error("{0}")]
    Unknown(String),
    /// The program can't be run.
    #[error("running `{0}`: {1}")]
    Program(String, io::Error),
}

/// As whom to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The component's user.
    Component,
    /// The core's own user.
    Root,
}

impl Places {
    /// Keeps what a script gets that is about to run.
    pub(crate) fn note(&self, component: &str, step: &Step) {
        if step.is_of_its_life() {
            self.known().insert(component.to_owned(), Place::of(&step.plan));
        }
    }

    /// What the last script of a component got; what one would get if there was none.
    fn answer(&self, kernel: &Kernel, component: &str) -> Result<Place, String> {
        if let Some(known) = self.known().get(component) {
            return Ok(known.clone());
        }
        let Some(service) = kernel.service(component) else {
            let mut known: Vec<_> = kernel.all().iter().map(|service| service.name.clone()).collect();
            known.extend(self.known().keys().cloned());
            known.sort();
            known.dedup();
            return Err(format!("the core has no component `{component}`; it has {}", known.join(", ")));
        };
        Place::anew(kernel, &service)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn of(plan: &Plan) -> Self {
        let inherited =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut environment: BTreeMap<_, _> = inherited.collect();
        environment.extend(plan.environment.clone());
        Self { sudo: plan.sudo.clone(), folder: plan.folder.clone(), environment }
    }

    /// What a script of a component would get.
    fn anew(kernel: &Kernel, service: &Service) -> Result<Self, String> {
        let run_as = RunAs::of(service.spec().user.as_deref(), kernel.config.default_user.as_deref(), &kernel.own);
        let run_as = run_as.map_err(|_| format!("nothing says which user runs `{}`", service.name))?;
        Ok(Self::of(&Step::new(kernel, service, Script::any(service), &run_as).plan))
    }
}

/// Tells on the socket, as long as the core lives.
///
/// # Errors
/// If the socket can't be made.
pub(crate) fn tell(kernel: Arc<Kernel>) -> io::Result<()> {
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let socket = folder.join(SOCKET);
    _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let kernel = kernel.clone();
            tokio::spawn(async move {
                let mut name = String::new();
                let mut reader = tokio::io::BufReader::new(&mut connection);
                if reader.read_line(&mut name).await.is_ok() {
                    let answer = kernel.places.answer(&kernel, name.trim_end());
                    let answer = serde_json::to_vec(&answer).unwrap_or_default();
                    // Who asked may be gone.
                    _ = connection.write_all(&answer).await;
                }
            });
        }
    });
    Ok(())
}

/// Becomes a program in the place of a component's scripts. `terminal` is the kind of the person's terminal, if there is
/// one. Returns only if that can't be done.
#[must_use]
pub fn enter(component: &str, who: Who, terminal: Option<&str>, program: &[String]) -> Error {
    let place = match ask(component) {
        Ok(place) => place,
        Err(error) => return error,
    };
    let sudo = if who == Who::Root { &[][..] } else { &place.sudo };
    let mut words = sudo.iter().chain(program);
    let Some(first) = words.next() else { return Error::Unknown("there is no program to run".into()) };
    let mut command = Command::new(crate::exec::found(first));
    command.arg0(first).args(words).current_dir(&place.folder).env_clear().envs(&place.environment);
    if let Some(terminal) = terminal {
        command.env("TERM", terminal);
    }
    Error::Program(program.first().cloned().unwrap_or_default(), command.exec())
}

fn ask(component: &str) -> Result<Place, Error> {
    let mut connection = UnixStream::connect(Path::new(FOLDER).join(SOCKET))?;
    connection.write_all(format!("{component}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(connection).read_to_string(&mut answer)?;
    let answer: Result<Place, String> = serde_json::from_str(&answer).map_err(io::Error::from)?;
    answer.map_err(Error::Unknown)
}
