//! The subcommands for environments that stay.

use super::{
    answer,
    chosen::scenarios,
    command::Failure,
    config::{self, Making, Said},
    fault::begin_with,
    interrupt::interruptible,
    shown::terminal,
};
use clap::{Args, Subcommand};
use greenproof::{
    Stage,
    docker::Engine,
    exit,
    kept::{
        self, Wish,
        client::Client,
        exports::Exports,
        inside::{self, Ended},
        status::Status,
    },
    report::{Reader, Told},
    scenario::Leaks,
};
use std::path::PathBuf;

const UP: &str = "Examples:
  greenproof up
  greenproof up my.toml --deploy --name desk     # stands even if the deployment fails
  greenproof up my.toml --fault 'provider.403'";
const STATUS: &str = "Examples:
  greenproof status
  greenproof status --name desk --json";
const ENV: &str = "Examples:
  eval \"$(greenproof env)\" && aws s3 ls
  greenproof env --json";
const DEPLOY: &str = "Examples:
  greenproof deploy                # the scenario that it was raised with, read anew
  greenproof deploy other.toml --name desk";
const EXEC: &str = "Examples:
  greenproof exec -- id
  greenproof exec com.example.Hello -- env
  greenproof exec --root -- cat /greengrass/v2/logs/greengrass.log";
const SHELL: &str = "Examples:
  greenproof shell com.example.Hello
  greenproof shell --root";
const LOGS: &str = "Examples:
  greenproof logs -f
  greenproof logs com.example.Hello";
const DOWN: &str = "Examples:
  greenproof down
  greenproof down --all";

#[derive(Subcommand)]
pub(crate) enum Kept {
    /// Raise an environment that stays, with a port for AWS's own tools.
    #[command(after_help = UP)]
    Up(Up),
    /// Say how the kept environments are: device, deployments, components.
    #[command(after_help = STATUS)]
    Status {
        #[command(flatten)]
        named: Named,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what a shell has to set: `eval "$(greenproof env)"`.
    #[command(after_help = ENV)]
    Env {
        #[command(flatten)]
        named: Named,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Publish a scenario's components anew, deploy them to a kept environment, and judge what happens.
    #[command(after_help = DEPLOY)]
    Deploy {
        /// The scenario; without one, that which the environment was raised with.
        scenario: Option<PathBuf>,
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        said: Said,
    },
    /// Let something go wrong in a kept environment, or end it.
    Fault(super::fault::Trouble),
    /// Run a command on the device, in the place of a component's scripts.
    #[command(after_help = EXEC)]
    Exec {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        place: Place,
        /// The command and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Open a shell on the device, in the place of a component's scripts.
    #[command(after_help = SHELL)]
    Shell {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        place: Place,
    },
    /// Print a log of the device: the nucleus's, or a component's.
    #[command(after_help = LOGS)]
    Logs {
        #[command(flatten)]
        named: Named,
        /// Go on as it grows.
        #[arg(long, short)]
        follow: bool,
        /// The component; without it, the nucleus.
        component: Option<String>,
    },
    /// Remove a kept environment.
    #[command(after_help = DOWN)]
    Down {
        #[command(flatten)]
        named: Named,
        /// Remove all of them.
        #[arg(long, conflicts_with = "name")]
        all: bool,
        /// Print the names of those that were removed as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Which kept environment.
#[derive(Args)]
pub(crate) struct Named {
    /// Which environment; may be left out when there is only one.
    #[arg(long, value_parser = name)]
    pub(super) name: Option<String>,
}

/// In whose place.
#[derive(Args)]
pub(crate) struct Place {
    /// The component, whose user, folder and environment it gets; without one, the components' user.
    component: Option<String>,
    /// Be root.
    #[arg(long)]
    root: bool,
}

#[derive(Args)]
pub(crate) struct Up {
    /// The scenario whose world is raised; without one, that of the built-in reference scenario.
    scenario: Option<PathBuf>,
    /// What to call it; without it, as the scenario.
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// The port at 127.0.0.1; without it, any that is free.
    #[arg(long)]
    port: Option<u16>,
    /// Begin with this fault, such as `provider.403` or `disk.full path=/tmp size=4M`.
    #[arg(long, value_name = "TEXT")]
    fault: Vec<greenproof::fault::Fault>,
    /// Carry out the scenario's steps at once, and judge them.
    #[arg(long)]
    deploy: bool,
    /// Which leaks to allow, instead of what the scenario says: `none`, not even for a moment, or `none-after`, none that
    /// stay.
    #[arg(long, value_name = "WHICH")]
    leaks: Option<Leaks>,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    making: Making,
}

/// A name is one of a file, too.
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=40).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.');
    if fits { Ok(text.to_owned()) } else { Err("use 1 to 40 letters, digits, `-`, `_` and `.`".to_owned()) }
}

pub(crate) async fn kept(command: Kept) -> Result<u8, Failure> {
    match command {
        Kept::Up(up) => interruptible(Box::pin(raise(up))).await,
        Kept::Status { named, json } => status(&named, json).await,
        Kept::Env { named, json } => env(&named, json).await,
        Kept::Deploy { scenario, named, said } => deploy(scenario, &named, &said).await,
        Kept::Fault(fault) => super::fault::fault(fault).await,
        Kept::Exec { named, place, command } => exec(&named, place, &command).await,
        Kept::Shell { named, place } => shell(&named, place).await,
        Kept::Logs { named, follow, component } => logs(&named, follow, component.as_deref()).await,
        Kept::Down { named, all, json } => down(&named, all, json).await,
    }
}

pub(super) async fn engine() -> Result<Engine, Failure> {
    Ok(config::options()?.connect().await?)
}

async fn raise(up: Up) -> Result<u8, Failure> {
    let config = config::read()?;
    let options = up.said.options(&up.making, &config)?;
    let reader = terminal();
    let files: Vec<PathBuf> = up.scenario.iter().cloned().collect();
    let (mut scenarios, _folder) = scenarios(&files)?;
    let mut scenario = scenarios.remove(0);
    scenario.leaks = up.leaks.or(scenario.leaks.take());
    begin_with(&mut scenario, &up.fault)?;
    let name = match up.name {
        Some(given) => given,
        None => name(&scenario.name).map_err(|rule| {
            Failure::new(exit::USAGE, format!("`{}` can't be the environment's name", scenario.name), rule)
        })?,
    };
    let file = up.scenario.map(|file| file.canonicalize().unwrap_or(file));
    let stage = Stage::set(options, &reader).await?;
    let wish = Wish { scenario, file, name: name.clone(), port: up.port, deploy: up.deploy };
    let outcome = Box::pin(kept::up(&stage, wish, &up.said.evidence(&config), &reader)).await?;
    reader.tell(Told::note(format!("`{name}` stays: eval \"$(greenproof env --name {name})\"")));
    Ok(outcome.map_or(exit::PASSED, |outcome| exit::code(&[outcome])))
}

async fn status(named: &Named, json: bool) -> Result<u8, Failure> {
    let engine = engine().await?;
    let found = match &named.name {
        Some(name) => vec![kept::find(&engine, Some(name))?],
        None => engine.kept(),
    };
    let mut all = Vec::new();
    for kept in &found {
        let standing = greenproof::environment::Standing::of(&engine, kept).await?;
        all.push(Status::of(&engine, &standing).await?);
    }
    if json {
        answer::json(&all)?;
        return Ok(exit::PASSED);
    }
    if all.is_empty() {
        answer::print("no environment stands\n")?;
    }
    all.iter().try_for_each(|status| answer::print(&format!("{}\n", status.to_string().trim_end())))?;
    Ok(exit::PASSED)
}

async fn env(named: &Named, json: bool) -> Result<u8, Failure> {
    let standing = kept::standing(&engine().await?, named.name.as_deref()).await?;
    let present =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let exports = Exports::of(&standing, &present.collect(), Client::look().as_ref()).ok_or_else(|| {
        let message = format!("`{}` does not run", standing.kept.name);
        Failure::new(exit::ENVIRONMENT, message, "remove it with `greenproof down` and raise it anew")
    })?;
    if json {
        answer::json(&exports)?;
    } else {
        answer::print(&format!("{}\n", exports.shell().trim_end()))?;
    }
    Ok(exit::PASSED)
}

async fn deploy(scenario: Option<PathBuf>, named: &Named, said: &Said) -> Result<u8, Failure> {
    let config = config::read()?;
    let (options, evidence) = (said.options(&Making::default(), &config)?, said.evidence(&config));
    let patience = options.patience();
    let engine = options.connect().await?;
    let ordered = kept::Ordered::of(&engine, named.name.as_deref()).await?;
    let file = scenario.or_else(|| ordered.standing.record.scenario.clone());
    let (mut scenarios, _folder) = scenarios(&Vec::from_iter(file))?;
    let reader = terminal();
    let work = kept::deploy(&engine, ordered, scenarios.remove(0), patience, &evidence, &reader);
    Ok(exit::code(&[Box::pin(work).await?]))
}

impl From<Place> for inside::Place {
    fn from(Place { component, root }: Place) -> Self {
        Self { component, root }
    }
}

async fn exec(named: &Named, place: Place, command: &[String]) -> Result<u8, Failure> {
    let engine = engine().await?;
    let standing = kept::standing(&engine, named.name.as_deref()).await?;
    Ok(code(inside::exec(&engine, &standing, &place.into(), command).await?))
}

async fn shell(named: &Named, place: Place) -> Result<u8, Failure> {
    let engine = engine().await?;
    let standing = kept::standing(&engine, named.name.as_deref()).await?;
    #[expect(clippy::disallowed_methods, reason = "this is the edge where configuration is read")]
    let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
    Ok(code(inside::shell(&engine, &standing, &place.into(), &kind).await?))
}

async fn logs(named: &Named, follow: bool, component: Option<&str>) -> Result<u8, Failure> {
    let engine = engine().await?;
    let standing = kept::standing(&engine, named.name.as_deref()).await?;
    Ok(code(inside::logs(&engine, &standing, component.unwrap_or("greengrass"), follow).await?))
}

fn code(ended: Ended) -> u8 {
    match ended {
        Ended::Code(code) => u8::try_from(code).unwrap_or(exit::FAULT),
        Ended::Interrupted => exit::INTERRUPTED,
    }
}

async fn down(named: &Named, all: bool, json: bool) -> Result<u8, Failure> {
    let engine = engine().await?;
    let found = if all { engine.kept() } else { vec![kept::find(&engine, named.name.as_deref())?] };
    let reader = terminal();
    for kept in &found {
        kept::down(&engine, kept).await?;
        reader.tell(Told::note(format!("removed `{}`", kept.name)));
    }
    if json {
        answer::json(&found.iter().map(|kept| &kept.name).collect::<Vec<_>>())?;
    }
    Ok(exit::PASSED)
}
