//! The leak gate alone: which secrets stand in a kept environment, a container, a disk or a log, and who can read them.
//!
//! It raises nothing and changes nothing. What is searched is given ([`Secrets`]), or known by its shape.

mod container;
mod report;
mod secrets;

pub use report::{human, json};
pub use secrets::{Malformed, Secrets};

use crate::{docker::Engine, environment::Standing, stage::Error};
use leak::{Found, Limits, Place, Survey, Surveyed};
use std::{
    io::{self, BufReader},
    path::{Path, PathBuf},
};

/// What is audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A container of this name or id.
    Container(String),
    /// A folder, a tar of a disk, a disk's image, or any other file.
    Path(PathBuf),
    /// Standard input, as a log.
    Input,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Audited {
    /// What was audited.
    pub of: String,
    /// What was found and what was not searched.
    pub surveyed: Surveyed,
    /// Leaks that have to be there, each with the reason.
    pub accepted: Vec<(Found, String)>,
    /// Secrets too short to be searched.
    pub unsearched: Vec<String>,
}

impl Audited {
    fn new(of: impl Into<String>, secrets: &Secrets, mut surveyed: Surveyed) -> Self {
        let mut accepted = Vec::new();
        let packaged = std::mem::take(&mut surveyed.packaged);
        surveyed.found.retain(|found| match secrets.accepted(found, &packaged) {
            Some(reason) => {
                accepted.push((found.clone(), reason.to_owned()));
                false
            }
            None => true,
        });
        Self { of: of.into(), surveyed, accepted, unsearched: secrets.unsearched() }
    }

    /// Whether a secret stands where it must not.
    #[must_use]
    pub fn leaks(&self) -> bool {
        !self.surveyed.found.is_empty()
    }
}

/// Audits a file, a folder or standard input.
///
/// # Errors
/// When it can't be read.
pub fn path(path: Option<&Path>, secrets: &Secrets) -> io::Result<Audited> {
    let mut survey = Survey::new(secrets.search(), Limits::default());
    let Some(path) = path else {
        survey.log("standard input", &mut BufReader::new(io::stdin().lock()))?;
        return Ok(Audited::new("standard input", secrets, survey.finish()));
    };
    survey.path(path)?;
    Ok(Audited::new(path.display().to_string(), secrets, survey.finish()))
}

/// Audits a container: its disk, and if it runs what its processes were given.
///
/// # Errors
/// When there is none, or the engine refuses.
pub async fn container(engine: &Engine, name: &str, secrets: &Secrets) -> Result<Audited, Error> {
    let surveyed = container::survey(engine, name, secrets, Vec::new()).await?;
    Ok(Audited::new(format!("container {name}"), secrets, surveyed))
}

/// Audits a kept environment: its device, and what its clouds said.
///
/// # Errors
/// When it is gone, or the engine refuses.
pub async fn kept(engine: &Engine, standing: &Standing, secrets: &Secrets) -> Result<Audited, Error> {
    let mut logs = Vec::new();
    let clouds = [("aws", Some(&standing.aws)), ("github", standing.github.as_ref())];
    for (of, cloud) in clouds.into_iter().filter_map(|(of, cloud)| Some((of, cloud?))) {
        let lines = engine.read_logs(cloud).await?.into_iter().enumerate();
        logs.extend(lines.map(|(index, line)| (Place::Log { of: of.to_owned(), line: index as u64 + 1 }, line)));
    }
    let surveyed = container::survey(engine, &standing.device.id, secrets, logs).await?;
    Ok(Audited::new(format!("kept environment {}", standing.kept.name), secrets, surveyed))
}
