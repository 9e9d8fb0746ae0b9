//! A failed run in one file: all that makes it fail again elsewhere, and nothing secret.
//!
//! A bundle is a gzipped tar archive: `manifest.json`, the scenario with every file that it names below `scenario/`, and
//! the evidence below `evidence/`. Values that a scenario states for secrets are left out of it: a placeholder of the same
//! shape stands there, which each run mints anew ([`secret`]). It does not hold images, nor the program.

mod archive;
mod pack;
mod secret;
pub mod signature;

pub use archive::unpack;
pub(crate) use pack::quoted;
pub use signature::Signature;

use crate::{
    core::Core,
    evidence::Evidence,
    fault,
    redact::{Redactor, Scrubber},
    report::{Reader, Told},
    scenario::{self, Action, Leaks, Scenario},
    scratch::Scratch,
    verdict::Verdict,
};
use archive::Files;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The name of a bundle in the evidence folder.
pub const NAME: &str = "bundle.tar.gz";

/// What a run says of itself, in its evidence folder and in its bundle.
const MANIFEST: &str = "manifest.json";
/// Where the evidence is in a bundle.
const EVIDENCE: &str = "evidence";

/// The version of the format.
const FORMAT: u32 = 1;

/// What a bundle says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The version of greenproof that wrote it.
    pub greenproof: String,
    /// The scenario's name.
    pub name: String,
    /// Its file, below `scenario/`.
    pub scenario: String,
    /// The nucleus that it ran on.
    pub core: Core,
    /// Whether no policy was enforced.
    pub soft: bool,
    /// Which leaks were allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<Leaks>,
    /// The faults that were given on the command line.
    #[serde(default)]
    pub faults: Vec<String>,
    /// How many seconds a deployment was given.
    pub patience: u64,
    /// By what the failure is known again.
    pub signature: Signature,
}

/// A run that is to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) verdict: &'a Verdict,
    pub(crate) evidence: &'a Evidence,
    /// The run's secrets.
    pub(crate) redactor: &'a Redactor,
    /// How long a deployment was given.
    pub(crate) patience: Duration,
}

/// Why a bundle can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be unpacked.
    #[error("reading `{0}`: {1}")]
    Unreadable(PathBuf, io::Error),
    /// It says nothing of itself that is understood.
    #[error("reading `{0}`: {1}")]
    Manifest(PathBuf, String),
    /// Its scenario can't be used.
    #[error(transparent)]
    Scenario(#[from] scenario::Error),
}

/// A bundle that was unpacked.
#[derive(Debug)]
pub struct Bundle {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The scenario, as it ran.
    pub scenario: Scenario,
    /// Where it is; the scenario's files are gone when this is.
    pub folder: Scratch,
}

/// Where a run's bundle is, if it has one.
#[must_use]
pub fn of(evidence: &Path) -> Option<PathBuf> {
    Some(evidence.join(NAME)).filter(|path| path.is_file())
}

/// Writes into a run's evidence folder what it takes to judge it again: what it says of itself and its scenario; and if it
/// failed, its bundle. What hinders it is told, and is no failure of the run.
pub(crate) fn write(run: Stored<'_>, folder: &Path, reader: &dyn Reader) {
    let written = Files::of(run).and_then(|mut files| {
        files.write_out("", folder)?;
        // A fleet is run again by its file.
        if matches!(run.verdict, Verdict::Failed { .. }) && run.scenario.fleet.is_none() {
            files.add_evidence(folder, &run.redactor.scrubber())?;
            files.write(&folder.join(NAME))?;
        }
        Ok(())
    });
    if let Err(error) = written {
        reader.tell(Told::note(format!("could not write the bundle `{}`: {error}", folder.join(NAME).display())));
    }
}

/// What masks the secrets that a scenario states.
pub(crate) fn stated(scenario: &Scenario) -> Redactor {
    let values = scenario.sources.iter().flat_map(|source| secret::stated(&source.text));
    let values = values.chain(scenario.rotations().map(|(_, value)| value.to_owned()));
    values.fold(Redactor::default(), |stated, value| stated.with("a stated secret", &value))
}

/// What each layer of a scenario that ran and of another states as a bundle would have it, its own first; in place of a file or
/// folder that it names stands the digest of its content, in which the other's own files do not count.
pub(crate) fn layers(ran: &Scenario, other: &Scenario) -> [io::Result<Vec<toml::Table>>; 2] {
    let own = pack::own(other);
    [ran, other].map(|scenario| pack::layers(scenario, &own))
}

/// Writes a scenario with all that it names into a folder, which is made anew; gives its file.
pub(crate) fn write_scenario(scenario: &Scenario, folder: &Path) -> io::Result<PathBuf> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut files = Files::default();
    let name = pack::scenario(scenario, &mut files)?;
    files.write_out("scenario/", folder)?;
    Ok(folder.join(name))
}

impl Files {
    /// What it takes to run a scenario again, and to know its failure.
    fn of(run: Stored<'_>) -> io::Result<Self> {
        let mut files = Self::default();
        let scenario = pack::scenario(run.scenario, &mut files)?;
        let manifest = Manifest {
            format: FORMAT,
            greenproof: env!("CARGO_PKG_VERSION").into(),
            name: run.scenario.name.clone(),
            scenario,
            core: run.scenario.device.core,
            soft: run.scenario.aws.soft,
            leaks: run.scenario.leaks.clone(),
            faults: given(run.scenario),
            patience: run.patience.as_secs(),
            signature: Signature::of(run.verdict, run.evidence),
        };
        let manifest = run.redactor.scrubber().json(&serde_json::to_value(&manifest)?);
        files.add(MANIFEST, serde_json::to_string_pretty(&manifest)?);
        Ok(files)
    }

    /// The files of the evidence folder.
    fn add_evidence(&mut self, folder: &Path, scrubber: &Scrubber<'_>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() && ![NAME, MANIFEST].contains(&name.as_str()) {
                let text = std::fs::read_to_string(&path)?;
                self.add(&format!("{EVIDENCE}/{name}"), scrubbed(scrubber, &name, &text));
            }
        }
        Ok(())
    }
}

/// The faults that a run began with and its file does not state.
fn given(scenario: &Scenario) -> Vec<String> {
    let stated = scenario.sources.first().and_then(|source| Scenario::load(&source.path).ok());
    let beyond = stated.map_or(0, |stated| scenario.steps.len().saturating_sub(stated.steps.len()));
    let faults = scenario.steps.iter().take(beyond).filter_map(|step| match &step.action {
        Action::Fault(fault) => Some(fault.to_string()),
        _ => None,
    });
    faults.collect()
}

/// A file of the evidence without secrets; JSON stays JSON.
fn scrubbed(scrubber: &Scrubber<'_>, name: &str, text: &str) -> String {
    let json = |text: &str| serde_json::from_str(text).ok().map(|value| scrubber.json(&value));
    match name.rsplit('.').next() {
        Some("json") => json(text).map_or_else(|| scrubber.text(text), |value| format!("{value:#}")),
        Some("jsonl") => text
            .lines()
            .map(|line| json(line).map_or_else(|| scrubber.text(line), |value| value.to_string()) + "\n")
            .collect(),
        _ => scrubber.text(text),
    }
}

impl Bundle {
    /// Whether a file is a bundle, by its content.
    #[must_use]
    pub fn is(path: &Path) -> bool {
        archive::names(path).is_ok_and(|names| names.iter().any(|name| name == MANIFEST))
    }

    /// Unpacks a bundle and reads its scenario.
    ///
    /// # Errors
    /// When it can't be read, is of a newer format, or names files outside of itself.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (folder, _) = unpacked(path)?;
        let manifest = Manifest::read(folder.path())?;
        let scenario = manifest.scenario(folder.path())?;
        Ok(Self { manifest, scenario, folder })
    }
}

/// Unpacks a bundle into a folder; says where its evidence is there.
pub(crate) fn unpacked(path: &Path) -> Result<(Scratch, PathBuf), Error> {
    let unreadable = |error| Error::Unreadable(path.to_owned(), error);
    let folder = Scratch::new("bundle").map_err(unreadable)?;
    archive::unpack(path, folder.path()).map_err(unreadable)?;
    let evidence = folder.path().join(EVIDENCE);
    Ok((folder, evidence))
}

impl Manifest {
    /// What the run in a folder says of itself.
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::Unreadable(path.clone(), error))?;
        let wrong = |why: String| Error::Manifest(path.clone(), why);
        let format = serde_json::from_str::<serde_json::Value>(&text).map_err(|error| wrong(error.to_string()))?;
        if format["format"].as_u64().is_none_or(|format| format > FORMAT.into()) {
            return Err(wrong(format!("its format is {}, and this greenproof knows {FORMAT}", format["format"])));
        }
        serde_json::from_value(format).map_err(|error| wrong(error.to_string()))
    }

    /// The run's scenario, which stands below `scenario/` and names nothing elsewhere.
    pub(crate) fn scenario(&self, root: &Path) -> Result<Scenario, Error> {
        let wrong = |why: String| Error::Manifest(root.join(MANIFEST), why);
        let scenario = Scenario::load(&root.join("scenario").join(&self.scenario))?;
        let within = root.canonicalize().map_err(|error| Error::Unreadable(root.to_owned(), error))?;
        let mut named = scenario.sources.iter().flat_map(|source| &source.named);
        if let Some((_, outside)) = named.find(|(_, path)| !path.starts_with(&within)) {
            return Err(wrong(format!("its scenario names `{}`, which is not in it", outside.display())));
        }
        self.applied(scenario)
    }

    /// A scenario with what the run was given beside its file.
    pub(crate) fn applied(&self, mut scenario: Scenario) -> Result<Scenario, Error> {
        let wrong = |error: fault::Error| Error::Manifest(MANIFEST.into(), error.to_string());
        scenario.name.clone_from(&self.name);
        scenario.device.core = self.core;
        scenario.aws.soft = self.soft;
        scenario.leaks = self.leaks.clone().or(scenario.leaks);
        scenario
            .begin_with(&self.faults.iter().map(|fault| fault.parse().map_err(wrong)).collect::<Result<Vec<_>, _>>()?);
        Ok(scenario)
    }
}
