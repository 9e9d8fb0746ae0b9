//! What becomes of the environment of a run when the run ends.

use crate::{
    docker::Engine,
    environment::Environment,
    plan::{Outside, Plan},
    scenario::Scenario,
    stage::Error,
    verdict::Verdict,
};
use std::{fs::File, path::PathBuf};

/// Which environments stay after their run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// None.
    #[default]
    Never,
    /// Those of runs that did not pass.
    OnFailure,
    /// All.
    Always,
}

/// How a run ends for its environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Whether it stays.
    pub keep: Keep,
    /// Whether its scenario is the built-in one, which has no file that stays.
    pub built_in: bool,
}

/// The name of an environment that may stay, kept free for it.
#[derive(Debug)]
pub(crate) struct Place {
    name: String,
    file: Option<PathBuf>,
    keep: Keep,
    reserved: File,
}

impl Place {
    /// A place for the environment of a scenario of that name, if it may stay. The environment is called as the scenario, or
    /// as that and a number.
    pub(crate) fn of(
        engine: &Engine,
        Ending { keep, built_in }: Ending,
        scenario: &Scenario,
    ) -> Result<Option<Self>, Error> {
        if keep == Keep::Never {
            return Ok(None);
        }
        let stem = plain(&scenario.name);
        // Whoever deploys to it later may stand elsewhere.
        let file = scenario.sources.first().and_then(|source| source.path.canonicalize().ok()).filter(|_| !built_in);
        for number in 1.. {
            let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            if let Some(reserved) = engine.reserve(&name)? {
                return Ok(Some(Self { name, file, keep, reserved }));
            }
        }
        unreachable!("numbers never end")
    }

    /// The plan of an environment that may stay.
    pub(crate) fn plan(plan: Plan) -> Plan {
        plan.to_keep(Outside::AnyPort, true)
    }

    /// Keeps the environment, or removes it; says how the one that stays is found.
    pub(crate) async fn end(self, environment: Environment, verdict: &Verdict) -> Result<Option<String>, Error> {
        if self.keep == Keep::OnFailure && matches!(verdict, Verdict::Passed) {
            environment.remove().await?;
            return Ok(None);
        }
        let Self { name, file, reserved, .. } = self;
        environment.keep(&name, file).await?;
        // Now its note keeps the name.
        drop(reserved);
        Ok(Some(format!(
            "  `{name}` stays: greenproof shell --name {name}; remove it with greenproof down --name {name}"
        )))
    }
}

/// A scenario's name as one of an environment.
fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let plain: String = name.chars().map(|letter| if fits(letter) { letter } else { '-' }).take(36).collect();
    plain.trim_start_matches('.').to_owned()
}
