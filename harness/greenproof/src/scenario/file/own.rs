//! What a user's own component needs around it: the device's image, repositories, Python packages.

use super::{Error, Layer, table};
use crate::{
    docker::Own,
    scenario::{Index, Origin, Repository},
};
use std::path::PathBuf;
use toml::Spanned;

/// How the file of a Python package ends.
const PACKAGES: [&str; 3] = [".whl", ".tar.gz", ".zip"];

impl Layer<'_> {
    pub(super) fn apply_own(
        &self,
        apt: Option<Vec<Spanned<String>>>,
        image: Option<Spanned<String>>,
        own: &mut Own,
    ) -> Result<(), Error> {
        if let Some(packages) = apt {
            if let Some(wrong) = packages.iter().find(|package| !is_package(package.get_ref())) {
                let message = format!("`{}` is no name of a Debian package", wrong.get_ref());
                return Err(self.error(Some(wrong.span()), message, "use `NAME` or `NAME=VERSION`"));
            }
            own.apt = packages.into_iter().map(Spanned::into_inner).collect();
            own.apt.sort();
            own.apt.dedup();
        }
        if let Some(image) = image {
            let name = image.get_ref();
            if name.is_empty() || name.contains(char::is_whitespace) {
                let message = format!("`{name}` is no name of an image");
                return Err(self.error(Some(image.span()), message, "use `NAME:TAG` of an image that Docker has"));
            }
            own.image = Some(image.into_inner());
        }
        Ok(())
    }

    pub(super) fn repository(&self, name: &Spanned<String>, table: &table::Repository) -> Result<Repository, Error> {
        let table::Repository { source, path, bundle, private } = table;
        let origin = match (source, path, bundle) {
            (Some(source), None, None) => Origin::Source(self.existing(source)?),
            (None, Some(path), None) => Origin::Path(self.existing(path)?),
            (None, None, Some(bundle)) => Origin::Bundle(self.existing(bundle)?),
            _ => {
                let message = format!("the repository `{}` comes from one place", name.get_ref());
                let hint = "state `source` (a folder), `path` (a git checkout) or `bundle` (a file of `git bundle`)";
                return Err(self.error(Some(name.span()), message, hint));
            }
        };
        Ok(Repository { origin, private: *private })
    }

    pub(super) fn apply_index(&self, table: &table::Index, index: &mut Index) -> Result<(), Error> {
        if let Some(named) = &table.requirements {
            let text = std::fs::read_to_string(self.existing(named)?);
            let text = text.map_err(|error| self.unreadable(named, &error))?;
            let says_something = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            index.requirements = Some(text).filter(|text| text.lines().any(says_something));
        }
        if let Some(named) = &table.wheels {
            index.wheels = self.wheels(named)?;
        }
        if let Some(table) = &table.private {
            index.private = Some(self.private_index(table)?);
        }
        Ok(())
    }

    /// The files of packages in a folder.
    pub(super) fn wheels(&self, named: &Spanned<PathBuf>) -> Result<Vec<PathBuf>, Error> {
        let listed = self.existing(named)?.read_dir().map_err(|error| self.unreadable(named, &error))?;
        let files = listed.flatten().map(|entry| entry.path());
        let is_package =
            |path: &PathBuf| path.to_str().is_some_and(|name| PACKAGES.iter().any(|end| name.ends_with(end)));
        let mut wheels: Vec<_> = files.filter(is_package).collect();
        wheels.sort();
        if wheels.is_empty() {
            let message = format!("`{}` has no wheel and no source archive", named.get_ref().display());
            return Err(self.error(Some(named.span()), message, "fill it, for example with `pip download --dest`"));
        }
        Ok(wheels)
    }

    fn unreadable(&self, named: &Spanned<PathBuf>, error: &std::io::Error) -> Error {
        let message = format!("`{}`: {error}", named.get_ref().display());
        self.error(Some(named.span()), message, "name what can be read")
    }
}

/// Debian's grammar of package names (Debian Policy 5.6.7), with the version that `apt-get install` takes.
fn is_package(text: &str) -> bool {
    let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.:".contains(&byte);
    let of_version = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte);
    name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(plain)
        && version.is_none_or(|version| !version.is_empty() && version.bytes().all(of_version))
}
