//! Device images with a real nucleus, from the package or the image that a user gave.

use super::{Error, LAYER, Maker, digest, fs, on_base, without_comments};
use crate::{
    core::Source,
    docker::{Upload, build::Job, embedded},
};
use std::{collections::HashMap, path::Path};

/// The images of a device with a real nucleus.
#[derive(Clone, Debug)]
pub(super) struct Nucleus<'a> {
    recipe: &'a embedded::Nucleus,
    source: &'a Source,
    /// What the program is put on.
    below: String,
    /// What runs.
    pub(super) tag: String,
}

impl Maker<'_> {
    /// The nucleus of that name, if the user gave it.
    ///
    /// # Errors
    /// When its package can't be read, or its image is not here and can't be pulled.
    pub(super) async fn nucleus<'a>(
        &'a self,
        name: &str,
        source: Option<&'a Source>,
    ) -> Result<Option<Nucleus<'a>>, Error> {
        let recipe = self.manifest.nucleus.iter().find(|recipe| recipe.name == name);
        let (Some(source), Some(recipe)) = (source, recipe) else { return Ok(None) };
        let (below, content) = match source {
            Source::Package(path) => {
                let below = self.nucleus_system(recipe, path)?;
                (below.clone(), below)
            }
            Source::Image(image) => {
                self.users_own(image).await?;
                (image.clone(), self.id(image).await?)
            }
        };
        let key = digest::key([content.as_bytes(), LAYER.as_bytes(), self.binary.as_bytes()]);
        Ok(Some(Nucleus { recipe, source, below, tag: format!("greenproof/{name}:{key}") }))
    }

    /// The image with the package, without the program.
    fn nucleus_system(&self, recipe: &embedded::Nucleus, package: &Path) -> Result<String, Error> {
        let package = digest::file(&self.engine.cache, package)?;
        let mut parts = vec![self.device_system().into_bytes(), package.into_bytes()];
        for (name, bytes) in recipe.files() {
            parts.push(name.into());
            parts.push(if name == "Dockerfile" { without_comments(bytes) } else { bytes.into() });
        }
        Ok(format!("greenproof/{}-system:{}", recipe.name, digest::key(parts.iter().map(Vec::as_slice))))
    }

    /// Makes what isn't there of a nucleus; the device image is.
    pub(super) async fn make_nucleus(&self, nucleus: &Nucleus<'_>) -> Result<(), Error> {
        let Nucleus { recipe, source, below, tag } = nucleus;
        if let Source::Package(path) = source
            && !self.is_there(below).await?
        {
            let mut context: Vec<_> = recipe.files().map(|(name, bytes)| Upload::file(name, bytes, 0o644)).collect();
            let package = fs::read(path).map_err(Error::io("reading", path))?;
            context.push(Upload::file(&recipe.package, package, 0o644));
            let args = on_base(&self.options.arguments, false, self.device_system());
            Job { name: &recipe.name, tag: below, context, args }.run(self.engine, self.progress).await?;
        }
        if self.is_there(tag).await? {
            return Ok(());
        }
        let args = HashMap::from([("BASE".to_owned(), below.clone())]);
        let context = self.layer(LAYER)?;
        Job { name: &recipe.name, tag, context, args }.run(self.engine, self.progress).await
    }

    /// What of a nucleus stays when outdated images are removed.
    pub(super) fn kept(nucleus: &Nucleus<'_>) -> [String; 2] {
        [nucleus.below.clone(), nucleus.tag.clone()]
    }
}
