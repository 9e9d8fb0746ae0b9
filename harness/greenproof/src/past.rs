//! A run that is over, as its evidence folder or its bundle has it: told again, and judged again.
//!
//! Judging needs nothing but what was stored: the evidence is plain data, and the scenario stands beside it, whole.

mod same;

use crate::{
    bundle::{self, Manifest},
    evidence::{Evidence, folder, log::Span},
    report::{self, Event, Judged, Outcome, Reader, Record, Telling, Told},
    scenario::{Scenario, Step},
    scratch::Scratch,
    verdict::{self, judge},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A run that is over.
#[derive(Debug)]
pub struct Past {
    /// What the person named.
    named: PathBuf,
    /// Where `manifest.json` and `scenario/` are.
    root: PathBuf,
    /// Where the evidence is.
    evidence: PathBuf,
    /// Where a bundle was unpacked.
    _folder: Option<Scratch>,
}

/// Why a stored run can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, and in which file.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// What is to be done where a file of a run is not as it was written.
const DAMAGED: &str = "run the scenario again: the folder was changed, or another version of greenproof wrote it";

impl Error {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Past {
    /// The run of an evidence folder, or of a bundle.
    ///
    /// # Errors
    /// When nothing is there that is one.
    pub fn open(run: &Path) -> Result<Self, Error> {
        const HINT: &str = "name the evidence folder of a run, or its bundle";
        let named = run.to_owned();
        if run.is_dir() {
            let (root, evidence) = (named.clone(), named.clone());
            return Ok(Self { named, root, evidence, _folder: None });
        }
        let (folder, evidence) = bundle::unpacked(run).map_err(|error| Error::new(error.to_string(), HINT))?;
        Ok(Self { named, root: folder.path().to_owned(), evidence, _folder: Some(folder) })
    }

    /// All that was told of it.
    ///
    /// # Errors
    /// When that was not stored, or is damaged.
    pub fn events(&self) -> Result<Vec<Event>, Error> {
        Record::read(&self.evidence.join(report::NAME)).map_err(|message| Error::new(message, DAMAGED))
    }

    /// Judges it again by its own scenario, or by the one in a file, and tells the verdict.
    ///
    /// # Errors
    /// When what was stored is damaged, or the file's scenario does something else than the run did.
    pub fn judge(&self, file: Option<&Path>, reader: &dyn Reader) -> Result<Outcome, Error> {
        let evidence = self.seen()?;
        let scenario = self.scenario(file)?;
        same::steps(&scenario, &evidence)?;
        same::packages(&scenario, &evidence)?;
        if let Some(file) = file {
            same::world(&self.scenario(None)?, &scenario, file)?;
        }
        let before = self.events()?.into_iter().rev().find_map(|event| match event.told {
            Told::Judged(judged) => Some(*judged),
            _ => None,
        });
        let Judged { versions, milliseconds, .. } = before.ok_or_else(|| {
            let path = self.evidence.join(report::NAME);
            Error::new(format!("`{}` does not say how the run came out", path.display()), DAMAGED)
        })?;
        let telling = Telling::new(&scenario.name, &bundle::stated(&scenario), versions, reader);
        telling.tell(Told::begun(&scenario, &[]));
        tell_steps(&scenario, &evidence, &telling);
        let verdict = judge(&scenario, &evidence);
        // The bundle makes the failure of its own scenario happen again, and of no other.
        let folder = (file.is_none() && self.named.is_dir()).then(|| self.named.clone());
        let took = Duration::from_millis(milliseconds);
        let outcome = Outcome { scenario, verdict, evidence: Some(evidence), folder, took, again: Vec::new() };
        telling.judged(&outcome);
        Ok(outcome)
    }

    fn seen(&self) -> Result<Evidence, Error> {
        let path = self.evidence.join(folder::NAME);
        let text = fs::read_to_string(&path)
            .map_err(|error| Error::new(format!("reading `{}`: {error}", path.display()), DAMAGED))?;
        serde_json::from_str(&text).map_err(|error| {
            let (place, text) = ((error.line(), error.column()), error.to_string());
            // It says the place once more.
            let text = text.split(" at line ").next().unwrap_or_default();
            Error::new(format!("`{}`, line {}, column {}: {text}", path.display(), place.0, place.1), DAMAGED)
        })
    }

    /// The scenario as it ran; of another file, with what the run was given on its command line.
    fn scenario(&self, file: Option<&Path>) -> Result<Scenario, Error> {
        let manifest = Manifest::read(&self.root).map_err(|error| Error::new(error.to_string(), DAMAGED))?;
        let Some(file) = file else {
            let scenario = manifest.scenario(&self.root);
            return scenario.map_err(|error| Error::new(error.to_string(), DAMAGED));
        };
        let scenario = Scenario::load(file).map_err(|error| Error::new(error.to_string(), error.hint))?;
        let stated = scenario.leaks.clone();
        let scenario = manifest.applied(scenario).map_err(|error| Error::new(error.to_string(), DAMAGED))?;
        Ok(Scenario { leaks: stated.or(scenario.leaks.clone()), ..scenario })
    }
}

/// Tells each step that was carried out, as it is judged now.
fn tell_steps(scenario: &Scenario, evidence: &Evidence, reader: &dyn Reader) {
    for (index, seen) in evidence.steps.iter().enumerate() {
        let findings = verdict::step(&filled(scenario, index, evidence), seen, &|name| evidence.log(name).to_owned());
        let Span { from, to } = seen.span();
        let took = Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or_default());
        reader.tell(Told::step(index, seen, findings.is_empty(), took));
    }
}

/// A step with what the run knew when it was done.
fn filled(scenario: &Scenario, index: usize, evidence: &Evidence) -> Step {
    let Evidence { account, thing, certificate, .. } = evidence;
    let deployment = evidence.steps[index].deployment.as_ref();
    scenario.steps[index].filled(&verdict::known(scenario, account, thing, certificate, deployment))
}

#[cfg(test)]
mod tests;
