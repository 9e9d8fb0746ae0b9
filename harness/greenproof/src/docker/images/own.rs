//! What one scenario wants beyond the images that all have: its own device image, and Python packages for its index.

use super::{Build, Error, Maker, Watch, digest, image_tag, lock, on_base};
use crate::docker::{ContainerSpec, Engine, Entry, Lease, Upload, build::Job};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
};

/// What a scenario says of the device's image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Debian packages to add.
    pub apt: Vec<String>,
    /// An image of the user's own to start from, instead of ours.
    pub image: Option<String>,
    /// The Debian that ours is made on.
    pub system: System,
}

/// A Debian, with the Python, pip, git and AWS CLI that it brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// Python 3.9, pip 20.3.
    Bullseye,
    /// Python 3.11, pip 23.0.
    #[default]
    Bookworm,
    /// Python 3.13, pip 25.1.
    Trixie,
}

impl System {
    /// Debian's name of it, which is that of the base in `images.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// An image that no other process removes as outdated as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// Its tag.
    pub tag: String,
    _held: File,
}

/// Name of the device images that scenarios have of their own.
pub(super) const NAME: &str = "greenproof/device-own";

/// Adds packages to an image.
const APT: &str = "ARG BASE
FROM ${BASE}
USER root
ARG PACKAGES
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${PACKAGES} \\
 && apt-get clean \\
 && find /var/lib/apt/lists -type f -delete
";

/// Looks whether an image has what a device needs, and puts the program on top of it.
const DEVICE: &str = "ARG BASE
FROM ${BASE}
USER root
RUN lacks=''; \\
    for program in sudo ip iptables tail; do command -v $program > /dev/null || lacks=\"$lacks, $program\"; done; \\
    grep -q '^ggc_user:' /etc/passwd || lacks=\"$lacks, user ggc_user\"; \\
    grep -q '^ggc_group:' /etc/group || lacks=\"$lacks, group ggc_group\"; \\
    [ -z \"$lacks\" ] || { echo \"it lacks ${lacks#, }\"; exit 1; }
COPY greenproof /usr/local/bin/greenproof
";

/// Fetches packages, and what they need, for the Python of an image. What the build was given to reach the package index
/// stays in a stage that is thrown away.
const WHEELS: &str = "ARG BASE
FROM ${BASE} AS fetched
USER root
COPY requirements.txt greenproof-ca.crt* /tmp/build/
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_DEFAULT_TIMEOUT
RUN if [ -s /tmp/build/greenproof-ca.crt ]; then export PIP_CERT=/tmp/build/greenproof-ca.crt; fi; \\
    pip3 download --no-cache-dir --disable-pip-version-check \\
        --dest /srv/packages --requirement /tmp/build/requirements.txt
FROM ${BASE}
COPY --from=fetched /srv/packages /srv/packages
";

/// The image of a scenario's device.
///
/// # Errors
/// [`Error::Device`] if packages are not to be had or the image lacks what a device needs, [`Error::Pull`] if it is not
/// to be had itself.
pub async fn device(engine: &Engine, options: &Build, own: &Own, progress: Watch<'_>) -> Result<Held, Error> {
    let maker = Maker::new(engine, options, progress)?;
    let below = maker.own_system(own).await?;
    let id = maker.id(&below).await?;
    let tag = format!("{NAME}:{}-{}", digest::key([id.as_bytes(), DEVICE.as_bytes()]), maker.program());
    let held = lock::shared(&maker.use_lock(&tag)).await?;
    if !maker.is_there(&tag).await? {
        let (context, args) = (maker.layer(DEVICE)?, HashMap::from([("BASE".to_owned(), below)]));
        let made = Job { name: "device", tag: &tag, context, args }.run(engine, progress).await;
        let what = format!("image `{}`", own.image.as_deref().unwrap_or_default());
        made.map_err(|error| told(error, "it lacks ", |reason| Error::Device { what, reason }))?;
    }
    Ok(Held { tag, _held: held })
}

/// The image that holds the files of these requirements, with all that they need, for the Python of a scenario's device.
///
/// # Errors
/// [`Error::Requirements`] if one is not to be had.
pub async fn wheels(
    engine: &Engine,
    options: &Build,
    own: &Own,
    requirements: &str,
    progress: Watch<'_>,
) -> Result<Held, Error> {
    let maker = Maker::new(engine, options, progress)?;
    // Debian packages of a scenario's own leave the device's Python as it is.
    let below = maker.own_system(&Own { apt: Vec::new(), ..own.clone() }).await?;
    let id = maker.id(&below).await?;
    let key = digest::key([id.as_bytes(), WHEELS.as_bytes(), requirements.as_bytes()]);
    let tag = format!("greenproof/wheels:{key}");
    let held = lock::shared(&maker.use_lock(&tag)).await?;
    if !maker.is_there(&tag).await? {
        let files = [("Dockerfile", WHEELS), ("requirements.txt", requirements)];
        let mut context: Vec<_> =
            files.iter().map(|(name, text)| Upload::file(name, (*text).to_owned(), 0o644)).collect();
        context.push(maker.ca_bundle()?);
        let args = on_base(&options.arguments, true, below);
        let made = Job { name: "wheels", tag: &tag, context, args }.run(engine, progress).await;
        made.map_err(|error| told(error, "ERROR: No matching", |reason| Error::Requirements { reason }))?;
    }
    Ok(Held { tag, _held: held })
}

/// The error of a build with the line of its output that says why, if there is one.
fn told(error: Error, begins: &str, meant: impl FnOnce(String) -> Error) -> Error {
    let line = error.log().and_then(|log| log.lines().rev().find(|line| line.starts_with(begins)).map(str::to_owned));
    match line {
        Some(line) => meant(line.trim_start_matches("ERROR: ").to_owned()),
        None => error,
    }
}

impl Maker<'_> {
    /// The device's image on another Debian, without the program; made when it is first asked for.
    async fn other_system(&self, system: System) -> Result<String, Error> {
        let recipe = self.recipe("device");
        let base = self.manifest.base.iter().find(|base| base.name == system.name());
        let base = base.expect("the manifest has a base for every system");
        let tag = image_tag(recipe, base);
        if !self.is_there(&tag).await? {
            let busy = || self.say("images", "waiting for another greenproof that makes images");
            let _building = lock::exclusive(&self.engine.build_lock(), busy).await?;
            self.make_system(recipe, base).await?;
        }
        Ok(tag)
    }

    /// The image that a scenario's device is made of, without the program.
    async fn own_system(&self, own: &Own) -> Result<String, Error> {
        let below = if let Some(image) = &own.image {
            self.users_own(image).await?;
            image.clone()
        } else if own.system == System::default() {
            self.device_system()
        } else {
            self.other_system(own.system).await?
        };
        if own.apt.is_empty() {
            return Ok(below);
        }
        let (id, packages) = (self.id(&below).await?, own.apt.join(" "));
        let tag = format!("greenproof/apt:{}", digest::key([id.as_bytes(), APT.as_bytes(), packages.as_bytes()]));
        if !self.is_there(&tag).await? {
            let context = vec![Upload::file("Dockerfile", APT, 0o644)];
            let mut args = on_base(&self.options.arguments, false, below);
            args.insert("PACKAGES".to_owned(), packages);
            let made = Job { name: "device", tag: &tag, context, args }.run(self.engine, self.progress).await;
            let what = "`device.apt`".to_owned();
            made.map_err(|error| told(error, "E: ", |reason| Error::Device { what, reason }))?;
        }
        Ok(tag)
    }
}

impl Engine {
    /// The files of an image that [`wheels`] made, by name.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub async fn packages(&self, image: &str, lease: &Lease) -> Result<BTreeMap<String, Entry>, Error> {
        let spec = ContainerSpec {
            name: format!("greenproof-{}-wheels", lease.id()),
            image: image.to_owned(),
            command: vec!["true".to_owned()],
            labels: lease.labels("wheels"),
            network: "none".to_owned(),
            ..ContainerSpec::default()
        };
        let container = self.create(&spec).await?;
        let files = self.read_tar(&container.id, cloud::world::PACKAGES).await;
        self.remove(&container.id).await?;
        files
    }
}
