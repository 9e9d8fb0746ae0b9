//! Scenarios by file, folder, tag and name: what `run` runs and `list` lists.

use super::command::Failure;
use clap::Args;
use greenproof::{
    Scenario,
    embedded::Reference,
    exit,
    suite::{Filter, Partition, Suite, Wanted},
};
use std::path::{Path, PathBuf};

/// Which scenarios.
#[derive(Args)]
pub(crate) struct Chosen {
    /// Scenario files, and folders with scenario files somewhere below; without any, the built-in reference scenario.
    #[arg(value_name = "FILE|FOLDER")]
    pub(super) places: Vec<PathBuf>,
    /// Only those with this tag; several widen.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only those with this in their name, or whose whole name is such a pattern: `token`, `F1*`; several widen.
    #[arg(long, value_name = "TEXT")]
    filter: Vec<Filter>,
    /// Only this part of what is chosen: `slice:1/3` goes round, `count:1/3` too, `hash:1/3` goes by name alone.
    #[arg(long, value_name = "PART")]
    pub(super) partition: Option<Partition>,
}

/// The scenarios that were chosen.
pub(crate) struct Choice {
    pub(super) scenarios: Vec<Scenario>,
    /// The names of all that were chosen, in whatever part they are.
    pub(super) names: Vec<String>,
    /// Whether it is the built-in scenario, which is nowhere else.
    pub(super) built_in: bool,
    /// What the built-in scenario names is there until this goes.
    _reference: Option<Reference>,
}

impl Chosen {
    /// Reads the scenarios; none at all is an end of its own. `evidence` is no place for scenarios.
    pub(super) fn choice(&self, evidence: &Path) -> Result<Choice, Failure> {
        let wanted = Wanted { tags: self.tag.clone(), filters: self.filter.clone() };
        let built_in = self.places.is_empty();
        let (places, reference) = or_reference(&self.places)?;
        let suite = Suite::of(&places, &wanted, evidence)?;
        if suite.scenarios.is_empty() {
            return Err(self.nothing(&suite, &wanted));
        }
        if !suite.idle.is_empty() {
            let message = format!("no scenario by {}", suite.idle.join(" nor by "));
            let hint = "leave out what chooses nothing; `greenproof list` shows names and tags";
            return Err(Failure::new(exit::NOTHING, message, hint));
        }
        let names = suite.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        let all = suite.scenarios.into_iter().enumerate();
        let here = |index, name: &str| self.partition.is_none_or(|part| part.has(index, name));
        let scenarios = all.filter(|(index, scenario)| here(*index, &scenario.name)).map(|(_, scenario)| scenario);
        Ok(Choice { scenarios: scenarios.collect(), names, built_in, _reference: reference })
    }

    fn nothing(&self, suite: &Suite, wanted: &Wanted) -> Failure {
        let places: Vec<_> = self.places.iter().map(|place| format!("`{}`", place.display())).collect();
        let places = if places.is_empty() { "what is built in".to_owned() } else { places.join(", ") };
        let (message, hint) = match suite.seen {
            0 => (
                format!("no scenario in {places}"),
                "below a folder, a scenario is a .toml file with `base`, `deployment`, `step` or the like at its top level",
            ),
            seen => (
                format!("of {seen} scenario{} in {places}, none{wanted}", if seen == 1 { "" } else { "s" }),
                "`greenproof list` shows names and tags",
            ),
        };
        Failure::new(exit::NOTHING, message, hint)
    }
}

/// These files; without any, the built-in reference scenario's, in a folder that has to be kept until it has run.
fn or_reference(files: &[PathBuf]) -> Result<(Vec<PathBuf>, Option<Reference>), Failure> {
    if !files.is_empty() {
        return Ok((files.to_vec(), None));
    }
    let reference = Reference::new().map_err(|error| {
        let message = format!("can't write the reference scenario: {error}");
        Failure::new(exit::ENVIRONMENT, message, "free some disk space")
    })?;
    Ok((vec![reference.scenario()], Some(reference)))
}

/// The scenarios of these files; without any, the built-in reference scenario. What it names is in a folder, which has
/// to be kept until it has run.
pub(crate) fn scenarios(files: &[PathBuf]) -> Result<(Vec<Scenario>, Option<Reference>), Failure> {
    let (files, reference) = or_reference(files)?;
    Ok((files.iter().map(|path| Scenario::load(path)).collect::<Result<_, _>>()?, reference))
}
