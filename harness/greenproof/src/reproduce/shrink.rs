//! A device's failure made to happen again, and then with as little as it takes.

use super::{
    brought::Brought,
    conditions::{self, Condition, Site},
};
use crate::{
    bundle::{self, Signature, signature::Comparison},
    failure::Library,
    report::{Outcome, Reader, Told},
    run,
    scenario::Scenario,
    stage::{self, Stage},
};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

/// What came of what was brought.
#[derive(Debug)]
pub struct Reproduced {
    /// The device's failure beside that which happened here.
    pub comparison: Comparison,
    /// Whether anything failed here.
    pub failed: bool,
    /// The fewest conditions under which it happens, if they were looked for.
    pub least: Option<BTreeSet<Condition>>,
    /// The scenario that has them, as a file that `greenproof run` takes.
    pub scenario: PathBuf,
}

/// Why nothing was made to happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was brought says nothing of a failure and holds no recipe.
    #[error("nothing that was brought tells of a failure, and there is no recipe to run")]
    Nothing,
    /// No scenario can be built.
    #[error(transparent)]
    Conditions(#[from] conditions::Error),
    /// A world can't be raised.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// The result can't be written.
    #[error("writing the scenario: {0}")]
    Io(#[from] io::Error),
}

/// Where runs go, and who is told.
#[derive(Clone, Copy)]
pub struct Trials<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// Where evidence goes.
    pub evidence: &'a Path,
    /// Who is told.
    pub reader: &'a dyn Reader,
}

impl std::fmt::Debug for Trials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trials({})", self.evidence.display())
    }
}

impl Trials<'_> {
    /// Builds a scenario of what was brought, runs it, compares, and leaves out one condition after the other unless
    /// told to `keep` them all.
    ///
    /// # Errors
    /// When there is nothing to run, or it can't be.
    pub async fn reproduce(&self, brought: &Brought, name: &str, keep: bool) -> Result<Reproduced, Error> {
        if !brought.tells() && brought.recipes.is_empty() {
            return Err(Error::Nothing);
        }
        let there = brought.signature();
        let shown = there.failure.as_deref().and_then(|id| Library::embedded().get(id));
        let failure = shown.filter(|failure| !failure.consequence);
        self.tell(&match (shown, failure) {
            (_, Some(failure)) => format!("the logs show {}: {}", failure.id, failure.title),
            (Some(came), None) => {
                format!("the logs show {} ({}), and not why: the recipe is run as it is", came.id, came.title)
            }
            (None, None) => "the logs show no failure that is known: the recipe is run as it is".to_owned(),
        });
        let site = Site::new(brought, failure)?;
        site.notes.iter().for_each(|note| self.tell(&format!("  note: {note}")));
        let mut conditions = site.all()?;
        let scenario = site.scenario(name, &conditions)?;
        let (_, here) = self.run(scenario).await?;
        let comparison = Comparison::of(&there, &here);
        let verdict = if comparison.is_same() { "the same failure" } else { "not the same" };
        self.tell(&format!("{verdict}:\n{}", comparison.table("device", "here")));
        let failed = here.findings.as_ref().is_some_and(|findings| !findings.is_empty());
        if failed && !keep {
            conditions = self.shrink(&site, name, conditions, &here).await?;
        }
        let scenario = self.write(&site, name, &conditions)?;
        let least = (failed && !keep).then_some(conditions);
        Ok(Reproduced { comparison, failed, least, scenario })
    }

    /// Leaves out each condition without which the same still happens.
    async fn shrink(
        &self,
        site: &Site<'_>,
        name: &str,
        mut conditions: BTreeSet<Condition>,
        wanted: &Signature,
    ) -> Result<BTreeSet<Condition>, Error> {
        for condition in conditions.clone() {
            let fewer: BTreeSet<_> = conditions.iter().filter(|other| **other != condition).cloned().collect();
            let Ok(scenario) = site.scenario(&format!("{name}-shrunk"), &fewer) else { continue };
            let (_, here) = self.run(scenario).await?;
            // Another component fails where the library's own recipe stands in.
            let whose = condition == Condition::Recipe;
            let same = Comparison::of(&general(wanted, whose), &general(&here, whose)).is_same();
            self.tell(&if same { format!("  not needed: {condition}") } else { format!("  needed: {condition}") });
            if same {
                conditions = fewer;
            }
        }
        Ok(conditions)
    }

    async fn run(&self, scenario: Scenario) -> Result<(Outcome, Signature), Error> {
        let outcome = Box::pin(run::run(self.stage, scenario, self.evidence, self.reader)).await?;
        let here = outcome.evidence.as_ref().map(|seen| Signature::of(&outcome.verdict, seen)).unwrap_or_default();
        Ok((outcome, here))
    }

    /// Writes the scenario with all that it names into a folder of its own.
    fn write(&self, site: &Site<'_>, name: &str, conditions: &BTreeSet<Condition>) -> Result<PathBuf, Error> {
        let scenario = site.scenario(name, conditions)?;
        let folder = self.evidence.join(format!("{name}-scenario"));
        Ok(bundle::write_scenario(&scenario, &folder)?)
    }

    fn tell(&self, text: &str) {
        self.reader.tell(Told::note(text));
    }
}

/// A signature without whose failure it is.
fn general(signature: &Signature, general: bool) -> Signature {
    let mut signature = signature.clone();
    if general {
        signature.components.clear();
        signature.findings = None;
    }
    signature
}
