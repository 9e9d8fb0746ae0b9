//! Which images there are to be, and how each that is missing would be had. Makes none.

use super::{Base, Build, Engine, Error, LAYER, Maker, Manifest, Recipe, base_tag, digest, image_tag};
use crate::docker::about::answers;
use std::path::Path;

/// The images that every run has, by tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// LocalStack.
    pub localstack: String,
    /// The core device.
    pub device: String,
    /// Both cloud roles.
    pub cloud: String,
}

/// An image that there is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What it is for.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// How it is had.
    pub way: Way,
}

/// How an image is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is here.
    Present,
    /// This one, which is here, serves as it.
    Tagged(String),
    /// This one is pulled.
    Pulled(String),
    /// It is made from Debian's packages, of this release.
    Bootstrapped(String),
    /// It is built on this base.
    Built(String),
    /// Not at all: the user's own image is not here, and no registry answers.
    Nowhere,
}

/// The images that every run has. Asks no engine; hashes the program.
///
/// # Errors
/// [`Error::Io`] if the program can't be read, or the folder can't be written.
pub fn tags(cache: &Path, options: &Build) -> Result<Tags, Error> {
    std::fs::create_dir_all(cache).map_err(Error::io("creating", cache))?;
    Ok(Tags::of(&Manifest::load(), options, &options.digest(cache)?))
}

impl Tags {
    pub(super) fn of(manifest: &Manifest, options: &Build, binary: &str) -> Self {
        let recipe = |name| manifest.recipe(name);
        let below = |name| image_tag(recipe(name), manifest.base(recipe(name)));
        let layer = |name| {
            let key = digest::key([below(name).as_bytes(), LAYER.as_bytes(), binary.as_bytes()]);
            format!("greenproof/{name}:{key}")
        };
        let localstack = options.localstack_image.clone().unwrap_or_else(|| below("localstack"));
        Self { localstack, device: layer("device"), cloud: layer("cloud") }
    }
}

/// Every image that a run takes, what it is made on before it, and how each is had; and why no registry answers, if none
/// does.
///
/// # Errors
/// [`Error::Engine`] if the engine does not say what is here; [`Error::Io`] if the program can't be read.
pub async fn due(engine: &Engine, options: &Build) -> Result<(Vec<Due>, Result<(), String>), Error> {
    let maker = Maker::new(engine, options, &|_| ())?;
    let tags = Tags::of(&maker.manifest, options, &maker.binary);
    let usual = &maker.manifest.base(maker.recipe("device")).pull;
    let registry = answers(engine, options.localstack_image.as_ref().unwrap_or(usual)).await;
    let mut due = Vec::new();
    for base in &maker.manifest.base {
        let on_it = |recipe: &&Recipe| recipe.base == base.name && maker.is_ours(recipe);
        let recipes: Vec<_> = maker.manifest.image.iter().filter(on_it).collect();
        if recipes.is_empty() {
            continue;
        }
        // A base is needed only by what is to be built on it.
        let mut needed = false;
        let mut built = Vec::new();
        for recipe in recipes {
            let system = maker.is_there(&image_tag(recipe, base)).await?;
            needed |= !system;
            let tag = tags.of_recipe(recipe).to_owned();
            let way = if maker.is_there(&tag).await? { Way::Present } else { Way::Built(base.name.clone()) };
            built.push(Due { name: recipe.name.clone(), tag, way });
        }
        if needed {
            let way = maker.way_to(base, registry.is_ok()).await?;
            due.push(Due { name: base.name.clone(), tag: base_tag(base), way });
        }
        due.extend(built);
    }
    if let Some(image) = &options.localstack_image {
        let way = match (maker.is_there(image).await?, &registry) {
            (true, _) => Way::Present,
            (false, Ok(())) => Way::Pulled(image.clone()),
            (false, Err(_)) => Way::Nowhere,
        };
        due.push(Due { name: "localstack".to_owned(), tag: image.clone(), way });
    }
    Ok((due, registry))
}

impl Tags {
    pub(super) fn of_recipe(&self, recipe: &Recipe) -> &str {
        match recipe.name.as_str() {
            "localstack" => &self.localstack,
            "device" => &self.device,
            _ => &self.cloud,
        }
    }
}

impl Maker<'_> {
    /// Whether an image is made by us.
    fn is_ours(&self, recipe: &Recipe) -> bool {
        recipe.name != "localstack" || self.options.localstack_image.is_none()
    }

    /// How a base is had, as [`Maker::make_base`] would have it.
    async fn way_to(&self, base: &Base, registry: bool) -> Result<Way, Error> {
        let bootstrapped = || Way::Bootstrapped(base.suite.clone());
        Ok(if self.is_there(&base_tag(base)).await? {
            Way::Present
        } else if self.options.debian_mirror.is_some() {
            bootstrapped()
        } else if self.is_there(&base.pull).await? {
            Way::Tagged(base.pull.clone())
        } else if registry {
            Way::Pulled(base.pull.clone())
        } else {
            bootstrapped()
        })
    }
}
