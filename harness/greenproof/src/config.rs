//! Configuration: what a person says once instead of with each command.
//!
//! Pure: it gets the variables and the texts of the files from whoever calls, and says which value counts and where it was
//! said. A variable goes before the first file, that before the next, and those before the default; a flag, which is of one
//! command, goes before all of them.
//!
//! ```
//! use greenproof::config::{Config, Given, Key};
//!
//! let file = ("greenproof.toml".into(), "patience = 2\n".to_owned());
//! let config = Config::of(&Given { files: vec![file], ..Given::default() })?;
//! assert_eq!(config.text(Key::Patience), Some("2"));
//! assert_eq!(config.origin(Key::Patience).to_string(), "greenproof.toml:1");
//! # Ok::<(), greenproof::config::Error>(())
//! ```

mod file;
mod key;
mod shown;

pub use key::Key;
pub use shown::{human, json};

use crate::{
    core::Source,
    docker::Endpoint,
    stage::{BUILD_ARGUMENTS, Options},
};
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// What there is to read.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The variables of the process.
    pub variables: BTreeMap<String, String>,
    /// Files and their texts, what counts most first.
    pub files: Vec<(PathBuf, String)>,
    /// The file of the program that containers run.
    pub program: PathBuf,
}

/// Every value, and where it was said.
#[derive(Clone, Debug)]
pub struct Config {
    values: BTreeMap<Key, Value>,
    build_arguments: Vec<(String, String)>,
    /// The engine, by Docker's own variables.
    endpoint: Endpoint,
    /// Variables that look like ours and are not, with the nearest that is.
    unknown: Vec<(String, Option<&'static str>)>,
}

/// A value as text; a path in a file is relative to the file.
#[derive(Clone, Debug)]
struct Value {
    text: Option<String>,
    origin: Origin,
}

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// By a variable of the process.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// `FILE:LINE:COLUMN`, or a variable.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Config {
    /// Reads what is given.
    ///
    /// # Errors
    /// When a file or a variable says what can't be; the error names the place.
    pub fn of(given: &Given) -> Result<Self, Error> {
        let files = given.files.iter().map(|(path, text)| file::read(path, text)).collect::<Result<Vec<_>, _>>()?;
        let mut values = BTreeMap::new();
        for key in Key::ALL {
            let said = key.of_variables(&given.variables)?;
            let said = said.or_else(|| files.iter().find_map(|file| file.get(&key).cloned()));
            let default = || Value { text: key.default(given), origin: Origin::Default };
            values.insert(key, said.unwrap_or_else(default));
        }
        let variable = |name: &str| given.variables.get(name).filter(|value| !value.is_empty()).cloned();
        let build_arguments =
            BUILD_ARGUMENTS.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))).collect();
        let endpoint = Endpoint::of(&given.variables);
        Ok(Self { values, build_arguments, endpoint, unknown: key::unknown(&given.variables) })
    }

    /// The value; absent where nobody said it and there is no default.
    #[must_use]
    pub fn text(&self, key: Key) -> Option<&str> {
        self.values[&key].text.as_deref()
    }

    /// Where the value was said.
    #[must_use]
    pub fn origin(&self, key: Key) -> &Origin {
        &self.values[&key].origin
    }

    /// The same with another engine, named as for Docker's CLI.
    #[must_use]
    pub fn on(self, engine: &str) -> Self {
        Self { endpoint: self.endpoint.named(engine), ..self }
    }

    /// The path.
    #[must_use]
    pub fn path(&self, key: Key) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// Variables that look like settings of greenproof's and are none, with the nearest that is one.
    #[must_use]
    pub fn unknown(&self) -> &[(String, Option<&'static str>)] {
        &self.unknown
    }

    /// What the library is told.
    ///
    /// # Errors
    /// When nothing says where locks and leases can be.
    pub fn options(&self) -> Result<Options, Error> {
        let cache = self.path(Key::Cache).ok_or_else(|| Error {
            place: Key::Cache.name().to_owned(),
            message: "no folder for locks and leases".to_owned(),
            hint: "set HOME, XDG_CACHE_HOME or GREENPROOF_CACHE".to_owned(),
        })?;
        let text = |key| self.text(key).map(str::to_owned);
        Ok(Options {
            cache,
            endpoint: self.endpoint.clone(),
            program: self.path(Key::Program).unwrap_or_default(),
            install_missing: self.text(Key::InstallMissing) == Some("true"),
            localstack_image: text(Key::LocalstackImage),
            ca_bundle: self.path(Key::CaBundle),
            build_arguments: self.build_arguments.clone(),
            debian_mirror: text(Key::DebianMirror),
            patience: self.text(Key::Patience).and_then(|factor| factor.parse().ok()).unwrap_or(1.0),
            lite: self.text(Key::Lite).map(Source::of),
            classic: self.text(Key::Classic).map(Source::of),
        })
    }
}

#[cfg(test)]
mod tests;
