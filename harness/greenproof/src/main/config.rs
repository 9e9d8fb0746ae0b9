//! `greenproof config`, and the one place where the program reads what it is configured with.

use super::{
    answer,
    command::{Command, Failure},
};
use clap::{Args, ColorChoice, ValueEnum};
use greenproof::{
    Options,
    config::{self, Config, Key},
    exit, stage,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// What a project says, in its folder or one above.
const PROJECT: &str = "greenproof.toml";
/// What a person says for all projects, in the folder of configurations.
const USER: &str = "greenproof/config.toml";

const EXAMPLES: &str = "Examples:
  greenproof config
  greenproof config --json | jq -r '.settings[] | select(.key == \"patience\").value'
  greenproof config > greenproof.toml";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a command may be told instead of what is configured.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Said {
    /// Where evidence folders go, one a scenario; `greenproof-evidence` unless configured.
    #[arg(long, value_name = "FOLDER")]
    pub(super) evidence: Option<PathBuf>,
    /// Wait longer (or shorter) for everything, by this factor.
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    pub(super) patience: Option<f64>,
}

/// What a command that makes images may be told besides.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Making {
    /// Install host tools that are missing (debootstrap) instead of naming them.
    #[arg(long)]
    pub(super) install_missing: bool,
}

impl Said {
    /// Where evidence goes.
    pub(super) fn evidence(&self, config: &Config) -> PathBuf {
        self.evidence.clone().or_else(|| config.path(Key::Evidence)).unwrap_or_default()
    }

    /// What the library is told.
    pub(super) fn options(&self, making: &Making, config: &Config) -> Result<Options, Failure> {
        let mut options = config.options()?;
        options.patience = self.patience.unwrap_or(options.patience);
        options.install_missing |= making.install_missing;
        Ok(options)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::new(exit::USAGE, error.to_string(), error.hint)
    }
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0).ok_or("use a number above 0".into())
}

/// The engines that this process was told of.
static ENGINES: OnceLock<Vec<String>> = OnceLock::new();

/// Settles which engines are meant.
///
/// # Errors
/// When there are several, and a command knows of one.
pub(crate) fn settle(engines: Vec<String>, command: &Command) -> Result<(), Failure> {
    if engines.len() > 1 && !matches!(command, Command::Run(_) | Command::Sweep { .. }) {
        let message = "only `run` and `sweep` take several engines";
        return Err(Failure::new(exit::USAGE, message, "name one `--engine`"));
    }
    ENGINES.get_or_init(|| engines);
    Ok(())
}

/// The engines that were named; without any, it is the one that Docker's CLI would take.
pub(super) fn engines() -> &'static [String] {
    ENGINES.get().map_or(&[], Vec::as_slice)
}

/// What is configured: variables, the project's file, the user's.
pub(super) fn read() -> Result<Config, Failure> {
    let mut given = stage::given()?;
    let here = std::env::current_dir().map_err(|error| unreadable(Path::new("."), &error))?;
    let folder = |name: &str| given.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    for file in project(&here).into_iter().chain(user.map(|folder| folder.join(USER))) {
        match std::fs::read_to_string(&file) {
            Ok(text) => given.files.push((file, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&file, &error)),
        }
    }
    let config = Config::of(&given)?;
    Ok(match engines().first() {
        Some(engine) => config.on(engine),
        None => config,
    })
}

/// What the library is told when no flag says otherwise.
pub(super) fn options() -> Result<Options, Failure> {
    Ok(read()?.options()?)
}

/// When the terminal gets colour, if that is configured. A configuration that can't be read is told by whoever needs it.
pub(super) fn color() -> Option<ColorChoice> {
    ColorChoice::from_str(read().ok()?.text(Key::Color)?, true).ok()
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("can't read the configuration `{}`: {error}", path.display());
    Failure::new(exit::USAGE, message, "make it a readable file, or remove it")
}

/// The nearest project file; none from beyond the repository that we are in.
fn project(here: &Path) -> Option<PathBuf> {
    for folder in here.ancestors() {
        let file = folder.join(PROJECT);
        if file.exists() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

pub(crate) fn show(arguments: &Show) -> Result<u8, Failure> {
    let config = read()?;
    for (name, nearest) in config.unknown() {
        let nearest = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        answer::remark(&format!("{name} is no setting{nearest}"));
    }
    answer::print(&if arguments.json { config::json(&config) } else { config::human(&config) })?;
    Ok(exit::PASSED)
}
