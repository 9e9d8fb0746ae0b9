//! What every run of a process shares: the Docker engine, the images and how patient we are.

use crate::{
    config::{self, Config, Given},
    core::{Core, Source},
    docker::{self, Build, Endpoint, Engine, Images, Own, Progress, System},
    redact::masked,
    report::{Reader, Told},
    scenario::Scenario,
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Configuration, read once at the edge.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where locks, leases and temporary files live.
    pub cache: PathBuf,
    /// The Docker engine.
    pub endpoint: Endpoint,
    /// The `greenproof-inside` program that the containers run; it must be a static Linux binary.
    pub program: PathBuf,
    /// Whether missing host tools may be installed.
    pub install_missing: bool,
    /// A LocalStack image to use instead of ours.
    pub localstack_image: Option<String>,
    /// A CA bundle that image builds need to reach the Python package index.
    pub ca_bundle: Option<PathBuf>,
    /// Settings that image builds take over, by variable name: pip's and the proxy's.
    pub build_arguments: Vec<(String, String)>,
    /// Debian mirror for base images, if not the usual one.
    pub debian_mirror: Option<String>,
    /// What patience is multiplied by.
    pub patience: f64,
    /// Nucleus lite, if there is one.
    pub lite: Option<Source>,
    /// The classic nucleus, if there is one.
    pub classic: Option<Source>,
}

/// Variables whose values image builds take over.
pub const BUILD_ARGUMENTS: [&str; 7] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// How long a deployment may take before it counts as stuck, with a patience of 1.
const PATIENCE: Duration = Duration::from_mins(3);

impl Options {
    /// The options that the variables of the process give ([`crate::config::Key::variables`]), without any file.
    ///
    /// # Errors
    /// When there is no home folder, the program can't be found, or a variable says what can't be.
    pub fn from_environment() -> Result<Self, Error> {
        Ok(Config::of(&given()?)?.options()?)
    }
}

/// The program that containers run, which is installed beside this one.
pub const INSIDE: &str = "greenproof-inside";

/// What the process gives to configure it with: its variables, and the file of the program that containers run.
///
/// # Errors
/// When the program's own file can't be found.
pub fn given() -> Result<Given, Error> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let own = std::env::current_exe();
    let own = own.map_err(|error| Error::usage(format!("can't find the program's own file: {error}"), ""))?;
    let program = own.with_file_name(INSIDE);
    Ok(Given { variables: std::env::vars_os().filter_map(text).collect(), files: Vec::new(), program })
}

impl Options {
    /// Connects to the engine.
    ///
    /// # Errors
    /// As [`Engine::connect`].
    pub async fn connect(&self) -> Result<Engine, docker::Error> {
        Engine::connect(self.cache.clone(), &self.endpoint).await
    }

    /// The same for each of these engines, which are named as for Docker's CLI; without any, these alone.
    #[must_use]
    pub fn on_each(&self, engines: &[String]) -> Vec<Self> {
        let named = |name: &String| Self { endpoint: self.endpoint.named(name), ..self.clone() };
        if engines.is_empty() { vec![self.clone()] } else { engines.iter().map(named).collect() }
    }

    /// How long a deployment may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        PATIENCE.mul_f64(self.patience)
    }

    /// Gives deployments no less than these seconds.
    pub fn wait_as_long_as(&mut self, seconds: u64) {
        let factor = Duration::from_secs(seconds).as_secs_f64() / PATIENCE.as_secs_f64();
        self.patience = self.patience.max(factor);
    }
}

impl Build {
    /// How images are made with these options.
    #[must_use]
    pub fn of(options: &Options) -> Self {
        Self {
            install_missing: options.install_missing,
            localstack_image: options.localstack_image.clone(),
            binary: options.program.clone(),
            ca_bundle: options.ca_bundle.clone(),
            arguments: options.build_arguments.clone(),
            debian_mirror: options.debian_mirror.clone(),
            lite: options.lite.clone(),
            classic: options.classic.clone(),
            lender: None,
        }
    }
}

/// A stage on which environments can be raised.
#[derive(Debug)]
pub struct Stage {
    /// The Docker engine.
    pub engine: Engine,
    /// The images, ready to run.
    pub images: Images,
    /// How the engine is named, where there are several.
    name: Option<String>,
    build: Build,
    patience: Duration,
}

/// What a scenario has beyond the images that all have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Its device's image.
    pub(crate) device: Option<docker::Held>,
    /// The image with the packages that its index needs.
    pub(crate) wheels: Option<docker::Held>,
}

impl Stage {
    /// Connects to Docker, removes what dead runs left, and makes the images that are missing.
    ///
    /// # Errors
    /// When Docker can't be reached or an image can't be made.
    pub async fn set(options: Options, reader: &dyn Reader) -> Result<Self, Error> {
        let build = Build::of(&options);
        Self::set_with(options, build, reader).await
    }

    /// The same on another engine beside this one, from which it gets the images.
    pub(crate) async fn set_beside(&self, options: Options, reader: &dyn Reader) -> Result<Self, Error> {
        let build = Build { lender: Some(self.engine.clone()), ..Build::of(&options) };
        Self::set_with(options, build, reader).await
    }

    async fn set_with(options: Options, build: Build, reader: &dyn Reader) -> Result<Self, Error> {
        let began = Instant::now();
        let engine = options.connect().await?;
        let progress = |progress: Progress| {
            reader.tell(Told::Building { image: progress.image, line: masked(&progress.line).into_owned() });
        };
        let (swept, images) =
            tokio::join!(docker::sweep(&engine, false), Box::pin(docker::images(&engine, &build, &progress)));
        let images = images?;
        match swept {
            Ok(swept) if swept.is_empty() => {}
            Ok(swept) => reader.tell(Told::note(format!("removed what an earlier run left: {swept}"))),
            // It hinders no run, and the next one tries again.
            Err(error) => reader.tell(Told::note(format!("could not remove all that an earlier run left: {error}"))),
        }
        let took = began.elapsed();
        if took > Duration::from_secs(1) {
            reader.tell(Told::note(format!("images ready after {:.0} s", took.as_secs_f64())));
        }
        let name = options.endpoint.name().cloned();
        Ok(Self { engine, images, name, build, patience: options.patience() })
    }

    /// Makes what a scenario needs beyond the images that all have, unless it is there.
    ///
    /// # Errors
    /// When a package or an image is not to be had, or an image lacks what a device needs.
    pub(crate) async fn extra(&self, scenario: &Scenario, reader: &dyn Reader) -> Result<Extra, Error> {
        let progress = |progress: Progress| {
            reader.tell(Told::Building { image: progress.image, line: masked(&progress.line).into_owned() });
        };
        let (own, engine, mut extra) = (scenario.own(), &self.engine, Extra::default());
        if own != Own::default() {
            extra.device = Some(Box::pin(docker::device(engine, &self.build, &own, &progress)).await?);
        }
        if let Some(requirements) = &scenario.index.requirements {
            extra.wheels = Some(Box::pin(docker::wheels(engine, &self.build, &own, requirements, &progress)).await?);
        }
        Ok(extra)
    }

    /// What a scenario needs that is not here, if anything.
    #[must_use]
    pub fn lacks(&self, scenario: &Scenario) -> Option<String> {
        let core = scenario.device.core;
        let here = match core {
            Core::Emulated => true,
            Core::Lite => self.images.lite.is_some(),
            Core::Classic => self.images.classic.is_some(),
        };
        if here { not_for(core, &scenario.own()) } else { Some(core.missing().to_owned()) }
    }

    /// What a scenario runs with here.
    #[must_use]
    pub fn versions(&self, scenario: &Scenario) -> BTreeMap<String, String> {
        let mut versions = versions(scenario);
        versions.insert("localstack".to_owned(), self.images.localstack.clone());
        versions.extend(self.name.iter().map(|name| ("engine".to_owned(), name.clone())));
        versions
    }

    /// How long a deployment may take.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }
}

/// Why a real core, whose image is the user's, can't have a device as the scenario wants it.
fn not_for(core: Core, own: &Own) -> Option<String> {
    let what = match own {
        _ if core == Core::Emulated => return None,
        Own { image: Some(_), .. } => "device.image",
        Own { apt, .. } if !apt.is_empty() => "device.apt",
        Own { system, .. } if *system != System::default() => "device.system",
        _ => return None,
    };
    Some(format!("`{what}` is not for the core `{core}`: give it an image that is so"))
}

/// What a scenario runs with wherever it runs.
#[must_use]
pub(crate) fn versions(scenario: &Scenario) -> BTreeMap<String, String> {
    let own = &scenario.device.own;
    let system = own.image.clone().unwrap_or_else(|| own.system.name().to_owned());
    let versions = [
        ("greenproof", env!("CARGO_PKG_VERSION").to_owned()),
        ("core", scenario.device.core.to_string()),
        ("system", system),
    ];
    versions.map(|(name, version)| (name.to_owned(), version)).into()
}

/// Why the stage could not be set or an environment not raised.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    hint: String,
    /// Whether it is a matter of usage rather than of the machine.
    pub usage: bool,
}

impl Error {
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), usage: true }
    }

    /// An error in what surrounds a run.
    pub(crate) fn surrounding(doing: &str, cause: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self { message: format!("{doing}: {cause}"), hint: hint.into(), usage: false }
    }

    /// What to do about it; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::usage(error.to_string(), error.hint)
    }
}

impl From<docker::Error> for Error {
    fn from(error: docker::Error) -> Self {
        let hint = error.hint().unwrap_or_default().to_owned();
        let message = error.log().map_or_else(|| error.to_string(), |log| format!("{error}\n{log}"));
        Self { message, hint, usage: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_core_has_the_image_that_it_was_given() {
        fidelity::fidelity!("lite-6");
        let own = |apt: &[&str], image: Option<&str>, system| Own {
            apt: apt.iter().map(ToString::to_string).collect(),
            image: image.map(str::to_owned),
            system,
        };
        let plain = || own(&[], None, System::default());
        assert_eq!(not_for(Core::Lite, &plain()), None);
        for (own, what) in [
            (own(&["jq"], None, System::Bullseye), "device.apt"),
            (own(&["jq"], Some("mine"), System::default()), "device.image"),
            (own(&[], None, System::Trixie), "device.system"),
        ] {
            assert_eq!(not_for(Core::Emulated, &own), None);
            let why = format!("`{what}` is not for the core `classic`: give it an image that is so");
            assert_eq!(not_for(Core::Classic, &own), Some(why));
        }
    }
}
