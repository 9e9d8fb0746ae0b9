//! What an engine says of itself and of the registry that it asks.

use super::{
    Engine,
    error::{self, Error},
};
use std::{path::PathBuf, time::Duration};

/// How long a registry may take to answer whether it has an image.
const ANSWER: Duration = Duration::from_secs(8);

/// An engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its version.
    pub version: String,
    /// The newest API that it speaks.
    pub api: String,
    /// The system that it runs on, such as `linux/x86_64`.
    pub system: String,
    /// How it stores images.
    pub storage: String,
    /// Where it stores them.
    pub root: PathBuf,
    /// Its processors.
    pub cores: u64,
    /// Its memory in bytes.
    pub memory: u64,
}

impl Engine {
    /// What the engine says of itself.
    ///
    /// # Errors
    /// [`Error::Engine`] if it does not.
    pub async fn about(&self) -> Result<About, Error> {
        let (version, info) = tokio::join!(self.docker.version(), self.docker.info());
        let asking = || Error::engine("asking the engine what it is");
        let (version, info) = (version.map_err(asking())?, info.map_err(asking())?);
        let count = |number: Option<i64>| number.and_then(|number| number.try_into().ok()).unwrap_or_default();
        Ok(About {
            version: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
            system: format!("{}/{}", info.os_type.unwrap_or_default(), info.architecture.unwrap_or_default()),
            storage: info.driver.unwrap_or_default(),
            root: info.docker_root_dir.unwrap_or_default().into(),
            cores: count(info.ncpu),
            memory: count(info.mem_total),
        })
    }
}

/// Whether a registry answers the engine, and has an image; if not, why.
///
/// # Errors
/// The reason as one line.
pub async fn answers(engine: &Engine, image: &str) -> Result<(), String> {
    match tokio::time::timeout(ANSWER, engine.docker.inspect_registry_image(image, None)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error::cause(&error)),
        Err(_) => Err(format!("silent for {} s", ANSWER.as_secs())),
    }
}
