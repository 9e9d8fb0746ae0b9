//! The images of an environment, made once and found by what they are made of.
//!
//! Each image's tag is a digest of its recipe, so an unchanged recipe is one question to the engine. The program itself
//! is a layer of its own on top: a new build of greenproof costs a copy, not a build.

mod due;
mod moved;
mod nucleus;
mod own;

use super::{
    Engine, Upload, bootstrap,
    build::Job,
    digest,
    embedded::{Base, Manifest, Need, Recipe},
    error::{self, Error},
    lock,
};
use crate::core::Source;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder,
};
pub use due::{Due, Tags, Way, due, tags};
use futures_util::{StreamExt, future::try_join_all};
use moved::carry;
pub use moved::{export, import, key, load};
use nucleus::Nucleus;
pub use own::{Held, Own, System, device, wheels};
use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a registry may stay silent. Without a network the engine may try for minutes.
const SILENCE: Duration = Duration::from_secs(10);

/// Puts the program on top of an image, where it has its short name.
const LAYER: &str = "ARG BASE\nFROM ${BASE}\nCOPY greenproof /usr/local/bin/greenproof\n";

/// How images are made where they aren't there.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// Whether missing programs (debootstrap) may be installed with apt-get.
    pub install_missing: bool,
    /// An image of the user's own to run as LocalStack.
    pub localstack_image: Option<String>,
    /// The static `greenproof-inside` to put into the `device` and `cloud` images.
    pub binary: PathBuf,
    /// CA certificates (PEM) that builds trust when they read the Python package index.
    pub ca_bundle: Option<PathBuf>,
    /// Build arguments: pip's settings by their variable names (`PIP_INDEX_URL`, …), which go to the builds that read
    /// the package index, and others such as `HTTP_PROXY`, which go to all.
    pub arguments: Vec<(String, String)>,
    /// Debian mirror instead of the one that the bootstrapping program knows; base images are then made from it and
    /// not pulled.
    pub debian_mirror: Option<String>,
    /// Nucleus lite, if the user gives it.
    pub lite: Option<Source>,
    /// The classic nucleus, if the user gives it.
    pub classic: Option<Source>,
    /// Another engine, from which images are brought that it has.
    pub lender: Option<Engine>,
}

impl Build {
    /// What the program that containers run is told apart by.
    fn digest(&self, cache: &Path) -> Result<String, Error> {
        if !self.binary.exists() {
            return Err(Error::NoProgram(self.binary.clone()));
        }
        digest::file(cache, &self.binary)
    }
}

/// One line of what a build is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Name of the image or base.
    pub image: String,
    /// What is being done.
    pub line: String,
}

/// Who is told of progress.
pub(crate) type Watch<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Tags of the images, ready to run. As long as this lives no other process removes them as outdated.
#[derive(Debug)]
pub struct Images {
    /// LocalStack.
    pub localstack: String,
    /// The core device, with `/usr/local/bin/greenproof`.
    pub device: String,
    /// The machine of both cloud roles, with `/usr/local/bin/greenproof`.
    pub cloud: String,
    /// A device with nucleus lite, if the user gave it.
    pub lite: Option<String>,
    /// A device with the classic nucleus, if the user gave it.
    pub classic: Option<String>,
    _held: Vec<File>,
}

/// Finds the images, and makes those that aren't there.
///
/// # Errors
/// [`Error::Build`], [`Error::Bootstrap`], [`Error::NoBootstrap`], [`Error::NotRoot`] or [`Error::Pull`] if one can't
/// be made; [`Error::Io`] if the binary or the CA bundle can't be read.
pub async fn images(engine: &Engine, options: &Build, progress: Watch<'_>) -> Result<Images, Error> {
    let maker = Maker::new(engine, options, progress)?;
    let (lite, classic) = (
        maker.nucleus("lite", options.lite.as_ref()).await?,
        maker.nucleus("classic", options.classic.as_ref()).await?,
    );
    let nuclei: Vec<_> = lite.iter().chain(&classic).collect();
    let tags: Vec<_> = maker.tags().into_iter().chain(nuclei.iter().map(|nucleus| nucleus.tag.clone())).collect();
    let held = try_join_all(tags.iter().map(|tag| async { lock::shared(&maker.use_lock(tag)).await })).await?;
    if !maker.are_there(&tags).await? {
        let busy = || maker.say("images", "waiting for another greenproof that makes images");
        let _building = lock::exclusive(&engine.build_lock(), busy).await?;
        maker.make().await?;
        for nucleus in &nuclei {
            maker.make_nucleus(nucleus).await?;
        }
        maker.prune(&nuclei).await;
    }
    let [localstack, device, cloud] = maker.tags();
    let tag = |nucleus: Option<Nucleus<'_>>| nucleus.map(|nucleus| nucleus.tag);
    Ok(Images { localstack, device, cloud, lite: tag(lite), classic: tag(classic), _held: held })
}

struct Maker<'a> {
    engine: &'a Engine,
    options: &'a Build,
    progress: Watch<'a>,
    manifest: Manifest,
    binary: String,
    /// Whether a registry has stayed silent once; it is not asked again.
    silent: Cell<bool>,
}

impl<'a> Maker<'a> {
    fn new(engine: &'a Engine, options: &'a Build, progress: Watch<'a>) -> Result<Self, Error> {
        let binary = options.digest(&engine.cache)?;
        Ok(Self { engine, options, progress, manifest: Manifest::load(), binary, silent: Cell::new(false) })
    }

    fn say(&self, image: &str, line: &str) {
        (self.progress)(Progress { image: image.to_owned(), line: line.to_owned() });
    }

    /// The images to run: LocalStack, device, cloud.
    fn tags(&self) -> [String; 3] {
        let Tags { localstack, device, cloud } = Tags::of(&self.manifest, self.options, &self.binary);
        [localstack, device, cloud]
    }

    fn recipe(&self, name: &str) -> &Recipe {
        self.manifest.recipe(name)
    }

    /// The lock that a process shares while it uses a tag.
    fn use_lock(&self, tag: &str) -> PathBuf {
        self.engine.own.join("images").join(digest::key([tag.as_bytes()]))
    }

    async fn are_there(&self, tags: &[String]) -> Result<bool, Error> {
        Ok(try_join_all(tags.iter().map(|tag| self.is_there(tag))).await?.into_iter().all(|there| there))
    }

    /// Whether an image is there, or could be brought.
    async fn is_there(&self, tag: &str) -> Result<bool, Error> {
        if has(self.engine, tag).await? {
            return Ok(true);
        }
        let Some(lender) = &self.options.lender else { return Ok(false) };
        if !has(lender, tag).await? {
            return Ok(false);
        }
        self.say(tag, &format!("bringing it from {}", lender.address()));
        carry(lender, self.engine, tag).await?;
        has(self.engine, tag).await
    }

    async fn make(&self) -> Result<(), Error> {
        let wanted: Vec<&Recipe> = match &self.options.localstack_image {
            Some(image) => {
                self.users_own(image).await?;
                self.manifest.image.iter().filter(|recipe| recipe.name != "localstack").collect()
            }
            None => self.manifest.image.iter().collect(),
        };
        for base in &self.manifest.base {
            let mut missing = false;
            for recipe in wanted.iter().filter(|recipe| recipe.base == base.name) {
                missing |= !self.is_there(&image_tag(recipe, base)).await?;
            }
            if missing && !self.is_there(&base_tag(base)).await? {
                self.make_base(base).await?;
            }
        }
        // The builds mostly wait for packages to arrive and unpack, so they go side by side.
        try_join_all(wanted.into_iter().map(|recipe| self.make_image(recipe))).await.map(|_| ())
    }

    async fn users_own(&self, image: &str) -> Result<(), Error> {
        if self.is_there(image).await? {
            return Ok(());
        }
        let pulled = self.pull(image, image).await;
        pulled.map_err(|reason| Error::Pull { image: image.to_owned(), reason })
    }

    async fn make_base(&self, base: &Base) -> Result<(), Error> {
        let tag = base_tag(base);
        if let Some(mirror) = &self.options.debian_mirror {
            return self.bootstrap(base, &tag, Some(mirror)).await;
        }
        if !self.is_there(&base.pull).await? {
            if self.silent.get() {
                return self.bootstrap(base, &tag, None).await;
            }
            if let Err(reason) = self.pull(&base.name, &base.pull).await {
                self.silent.set(true);
                self.say(&base.name, &format!("no registry ({reason}): making it from Debian's packages"));
                return self.bootstrap(base, &tag, None).await;
            }
        }
        let (repository, version) = tag.split_once(':').expect("our tags have a version");
        let options = TagImageOptionsBuilder::new().repo(repository).tag(version).build();
        let tagged = self.engine.docker.tag_image(&base.pull, Some(options)).await;
        tagged.map_err(Error::engine(format!("tagging image `{}`", base.pull)))
    }

    async fn bootstrap(&self, base: &Base, tag: &str, mirror: Option<&str>) -> Result<(), Error> {
        bootstrap::bootstrap(self.engine, base, tag, mirror, self.options.install_missing, self.progress).await
    }

    /// Pulls an image; the error is the reason as one line.
    async fn pull(&self, name: &str, image: &str) -> Result<(), String> {
        self.say(name, &format!("pulling {image}"));
        let last = image.rsplit('/').next().unwrap_or(image);
        // Without a tag the engine would pull every version.
        let reference = if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") };
        let options = CreateImageOptionsBuilder::new().from_image(&reference).build();
        let docker = self.engine.patient();
        let mut answers = docker.create_image(Some(options), None, None).boxed();
        loop {
            let Ok(answer) = tokio::time::timeout(SILENCE, answers.next()).await else {
                return Err(format!("silent for {} s", SILENCE.as_secs()));
            };
            match answer {
                None => return Ok(()),
                Some(Err(error)) => return Err(error::cause(&error)),
                Some(Ok(info)) => self.say(name, info.status.as_deref().unwrap_or_default()),
            }
        }
    }

    /// Makes an image and, but for LocalStack, the layer with the program.
    async fn make_image(&self, recipe: &Recipe) -> Result<(), Error> {
        let base = self.manifest.base(recipe);
        self.make_system(recipe, base).await?;
        let (below, tag) = (
            image_tag(recipe, base),
            Tags::of(&self.manifest, self.options, &self.binary).of_recipe(recipe).to_owned(),
        );
        if recipe.name == "localstack" || self.is_there(&tag).await? {
            return Ok(());
        }
        let (context, args) = (self.layer(LAYER)?, HashMap::from([("BASE".to_owned(), below)]));
        Job { name: &recipe.name, tag: &tag, context, args }.run(self.engine, self.progress).await
    }

    /// Makes an image on a base, without the program, and the base.
    async fn make_system(&self, recipe: &Recipe, base: &Base) -> Result<(), Error> {
        let tag = image_tag(recipe, base);
        if self.is_there(&tag).await? {
            return Ok(());
        }
        if !self.is_there(&base_tag(base)).await? {
            self.make_base(base).await?;
        }
        let context = self.context(recipe)?;
        let args = arguments(recipe, &self.options.arguments, base_tag(base));
        Job { name: &recipe.name, tag: &tag, context, args }.run(self.engine, self.progress).await
    }

    /// Names the program in a tag.
    fn program(&self) -> &str {
        self.binary.get(..12).unwrap_or(&self.binary)
    }

    /// The CA bundle as a build's file. The Dockerfiles copy it always, and trust it unless it is empty.
    fn ca_bundle(&self) -> Result<Upload, Error> {
        let bundle = self.options.ca_bundle.as_ref();
        let read = bundle.map(|path| fs::read(path).map_err(Error::io("reading", path))).transpose()?;
        Ok(Upload::file("greenproof-ca.crt", read.unwrap_or_default(), 0o644))
    }

    /// The context of a build that puts the program on top of an image.
    fn layer(&self, dockerfile: &'static str) -> Result<Vec<Upload>, Error> {
        let binary = fs::read(&self.options.binary).map_err(Error::io("reading", &self.options.binary))?;
        Ok(vec![Upload::file("Dockerfile", dockerfile, 0o644), Upload::file("greenproof", binary, 0o755)])
    }

    /// The device's image without the program.
    fn device_system(&self) -> String {
        let device = self.recipe("device");
        image_tag(device, self.manifest.base(device))
    }

    /// What the engine calls an image, which is another after each change.
    async fn id(&self, image: &str) -> Result<String, Error> {
        let inspected = self.engine.docker.inspect_image(image).await;
        Ok(inspected.map_err(Error::engine(format!("inspecting image `{image}`")))?.id.unwrap_or_default())
    }

    fn context(&self, recipe: &Recipe) -> Result<Vec<Upload>, Error> {
        let mut context: Vec<Upload> = recipe.files().map(|(name, bytes)| Upload::file(name, bytes, 0o644)).collect();
        if recipe.needs.contains(&Need::Index) {
            context.push(self.ca_bundle()?);
        }
        Ok(context)
    }

    /// Removes images of older recipes and binaries that no process uses and no container is made of. What can't be
    /// removed stays until next time.
    async fn prune(&self, nuclei: &[&Nucleus<'_>]) {
        let mut current: BTreeSet<String> = self.tags().into();
        for recipe in &self.manifest.image {
            let base = self.manifest.base(recipe);
            current.extend([image_tag(recipe, base), base_tag(base)]);
        }
        // A device may be of any system.
        for base in &self.manifest.base {
            current.extend([image_tag(self.recipe("device"), base), base_tag(base)]);
        }
        current.extend(nuclei.iter().flat_map(|nucleus| Self::kept(nucleus)));
        let names: BTreeSet<&str> = current.iter().filter_map(|tag| Some(tag.split_once(':')?.0)).collect();
        let options = ListImagesOptionsBuilder::new().build();
        let there = self.engine.docker.list_images(Some(options)).await.unwrap_or_default();
        let tags = there.iter().flat_map(|image| &image.repo_tags);
        let outdated = |tag: &&String| {
            tag.split_once(':').is_some_and(|(name, version)| {
                let of_own = name == own::NAME && !version.ends_with(self.program());
                of_own || (names.contains(name) && !current.contains(*tag))
            })
        };
        for tag in tags.filter(outdated) {
            if let Ok(Some(_unused)) = lock::try_exclusive(&self.use_lock(tag)) {
                _ = self.engine.docker.remove_image(tag, None::<RemoveImageOptions>, None).await;
            }
        }
    }
}

/// Whether an engine has an image.
async fn has(engine: &Engine, tag: &str) -> Result<bool, Error> {
    match engine.docker.inspect_image(tag).await {
        Ok(_) => Ok(true),
        Err(error) if error::status(&error) == Some(404) => Ok(false),
        Err(error) => Err(Error::engine(format!("inspecting image `{tag}`"))(error)),
    }
}

/// The build arguments of a recipe.
fn arguments(recipe: &Recipe, configured: &[(String, String)], base: String) -> HashMap<String, String> {
    on_base(configured, recipe.needs.contains(&Need::Index), base)
}

/// The build arguments of what is made on a base: of what is configured, pip's settings only if it needs the index.
fn on_base(configured: &[(String, String)], index: bool, base: String) -> HashMap<String, String> {
    let wanted = configured.iter().filter(|(name, _)| index || !name.starts_with("PIP_"));
    wanted.cloned().chain([("BASE".to_owned(), base)]).collect()
}

fn base_tag(base: &Base) -> String {
    let include = base.include.join(",");
    format!(
        "greenproof/base-{}:{}",
        base.name,
        digest::key([base.pull.as_bytes(), base.suite.as_bytes(), include.as_bytes()])
    )
}

/// The image without the program on top.
fn image_tag(recipe: &Recipe, base: &Base) -> String {
    let mut parts = vec![base_tag(base).into_bytes()];
    for (name, bytes) in recipe.files() {
        parts.push(name.into());
        parts.push(if name == "Dockerfile" { without_comments(bytes) } else { bytes.into() });
    }
    format!("greenproof/{}-system:{}", recipe.name, digest::key(parts.iter().map(Vec::as_slice)))
}

/// A Dockerfile's instructions: a better comment is no other image.
fn without_comments(dockerfile: &[u8]) -> Vec<u8> {
    let lines = dockerfile.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.trim_ascii_start().starts_with(b"#")).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_do_not_count() {
        assert_eq!(without_comments(b"# why\nFROM a\n  # and\nRUN b # c"), b"FROM a\nRUN b # c");
    }

    #[test]
    fn pips_settings_reach_only_builds_that_need_the_index() {
        fidelity::fidelity!("docker-8");
        let configured = [("PIP_INDEX_URL", "https://x/simple"), ("HTTP_PROXY", "http://y")];
        let configured = configured.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for recipe in Manifest::load().image {
            let arguments = arguments(&recipe, &configured, "base".into());
            assert_eq!(arguments.contains_key("PIP_INDEX_URL"), recipe.name != "device", "{}", recipe.name);
            assert!(arguments.contains_key("HTTP_PROXY") && arguments["BASE"] == "base");
        }
    }

    #[test]
    fn every_system_has_a_base_and_an_image_of_its_own() {
        fidelity::fidelity!("device-7");
        let manifest = Manifest::load();
        let device = manifest.image.iter().find(|recipe| recipe.name == "device").expect("there is a device");
        let tags = [System::Bullseye, System::Bookworm, System::Trixie].map(|system| {
            let base = manifest.base.iter().find(|base| base.name == system.name()).expect("it has a base");
            assert_eq!((base.suite.as_str(), base.pull.contains(system.name())), (system.name(), true));
            image_tag(device, base)
        });
        assert_eq!(tags.iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(System::default().name(), device.base);
    }

    #[test]
    fn tags_follow_the_base() {
        let mut manifest = Manifest::load();
        let recipe = manifest.image.remove(0);
        let before = image_tag(&recipe, manifest.base(&recipe));
        manifest.base.iter_mut().for_each(|base| base.include.push("curl".to_owned()));
        assert_ne!(image_tag(&recipe, manifest.base(&recipe)), before);
    }
}
