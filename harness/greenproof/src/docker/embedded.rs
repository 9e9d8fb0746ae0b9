//! The image recipes that travel inside the binary: `docker/images.toml` and the folders that it names.
//!
//! A file that is added to a folder must be added here; a test compares the two.

use serde::Deserialize;

const MANIFEST: &str = include_str!("../../../../docker/images.toml");

/// A file of a build context: folder, name, content.
type File = (&'static str, &'static str, &'static [u8]);

/// Embeds files of `docker/`.
macro_rules! embed {
    ($($folder:literal / $name:literal),* $(,)?) => {
        &[$((
            concat!("docker/", $folder),
            $name,
            include_bytes!(concat!("../../../../docker/", $folder, "/", $name)),
        )),*]
    };
}

const FILES: &[File] = embed![
    "classic" / "Dockerfile",
    "cloud" / "Dockerfile",
    "cloud" / "requirements.txt",
    "device" / "Dockerfile",
    "lite" / "Dockerfile",
    "lite" / "journald.conf",
    "localstack" / "Dockerfile",
    "localstack" / "constraints.txt",
];

/// The parsed `images.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) base: Vec<Base>,
    pub(crate) image: Vec<Recipe>,
    pub(crate) nucleus: Vec<Nucleus>,
}

/// A Debian to build on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    pub(crate) name: String,
    /// The image to look for, here or in a registry.
    pub(crate) pull: String,
    /// Debian's release name, for the bootstrap.
    pub(crate) suite: String,
    /// Packages beyond the minimal set.
    pub(crate) include: Vec<String>,
}

/// An image that is built with a Dockerfile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    /// Name of its [`Base`].
    pub(crate) base: String,
    /// Its folder in the repository.
    pub(crate) context: String,
    /// What the build needs from outside.
    pub(crate) needs: Vec<Need>,
}

/// An image with a real nucleus, built on the device image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nucleus {
    pub(crate) name: String,
    /// Its folder in the repository.
    pub(crate) context: String,
    /// What the user's package is called in the build.
    pub(crate) package: String,
}

impl Nucleus {
    /// The files of its build context but for the package: name and content.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        files(&self.context)
    }
}

/// Something that a build needs beyond its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Need {
    /// The Python package index, with pip's settings and its CA bundle.
    Index,
}

impl Manifest {
    /// The manifest of this build of greenproof.
    pub(crate) fn load() -> Self {
        toml::from_str(MANIFEST).expect("the embedded manifest is valid")
    }

    /// The recipe of an image that every run has.
    pub(crate) fn recipe(&self, name: &str) -> &Recipe {
        self.image.iter().find(|recipe| recipe.name == name).expect("the manifest has every image")
    }

    /// The base that a recipe names.
    pub(crate) fn base(&self, recipe: &Recipe) -> &Base {
        self.base.iter().find(|base| base.name == recipe.base).expect("each image's base is in the manifest")
    }
}

impl Recipe {
    /// The files of its build context: name and content.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        files(&self.context)
    }
}

fn files(context: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter(move |file| file.0 == context).map(|&(_, name, bytes)| (name, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::Path};

    #[test]
    fn every_file_of_a_context_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifest = Manifest::load();
        let images = manifest.image.iter().map(|recipe| {
            manifest.base(recipe);
            &recipe.context
        });
        for context in images.chain(manifest.nucleus.iter().map(|nucleus| &nucleus.context)) {
            let there: BTreeSet<String> = std::fs::read_dir(root.join(context))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            let embedded: BTreeSet<String> = files(context).map(|(name, _)| name.to_owned()).collect();
            assert_eq!(embedded, there, "{context}");
            assert!(embedded.contains("Dockerfile"));
        }
    }
}
