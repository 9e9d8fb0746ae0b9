//! Environments that stay: raised once, worked with from outside, removed on request.
//!
//! No process of ours outlives its command: the engine keeps the containers running, a note in the cache folder spares
//! them from sweeps, and what is secret stands in the containers alone ([`Standing`]).

mod account;
pub mod client;
mod deploy;
mod end;
pub mod exports;
pub mod inside;
pub mod status;
pub mod trouble;

pub use deploy::{Ordered, deploy};
pub(crate) use end::Place;
pub use end::{Ending, Keep};

use crate::{
    docker::{self, Engine, Kept},
    environment::Standing,
    evidence::Evidence,
    plan::{Outside, Plan},
    report::{Outcome, Reader, Telling, Told},
    run,
    scenario::Scenario,
    stage::{Error, Stage},
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What is to stay.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The scenario whose world it is.
    pub scenario: Scenario,
    /// The scenario's file; absent for the built-in one.
    pub file: Option<PathBuf>,
    /// What to call it.
    pub name: String,
    /// The port at 127.0.0.1; absent for any that is free.
    pub port: Option<u16>,
    /// Whether the scenario's steps are carried out at once.
    pub deploy: bool,
}

/// Raises an environment that stays. With `deploy` the scenario's steps are carried out and judged; it stays whatever
/// came out.
///
/// # Errors
/// When the name is taken, or the world can't be raised; nothing is left behind then.
pub async fn up(stage: &Stage, wish: Wish, evidence: &Path, reader: &dyn Reader) -> Result<Option<Outcome>, Error> {
    let Wish { scenario, file, name, port, deploy } = wish;
    let began = Instant::now();
    let Some(_name) = stage.engine.reserve(&name)? else {
        let hint = format!("remove it with `greenproof down --name {name}`, or take another `--name`");
        return Err(Error::surrounding("raising the environment", format!("`{name}` stands already"), hint));
    };
    let plan = Plan::of(scenario.clone()).map_err(|error| Error::surrounding("planning", error, ""))?;
    let plan = plan.to_keep(port.map_or(Outside::AnyPort, Outside::Port), deploy);
    let telling = Telling::new(&scenario.name, &plan.redactor, stage.versions(&scenario), reader);
    if deploy {
        telling.tell(Told::begun(&scenario, &[run::ENVIRONMENT]));
    }
    let environment = run::raised(stage, plan, &telling).await?;
    let outcome = if deploy {
        let seen = run::followed(&environment, stage.patience(), &telling).await;
        Some(judged((scenario, &environment.plan), seen, evidence, (stage.patience(), began), &telling))
    } else {
        None
    };
    environment.keep(&name, file).await?;
    Ok(outcome)
}

/// Judges what was seen, writes it down and tells the verdict.
pub(crate) fn judged(
    (scenario, plan): (Scenario, &Plan),
    seen: Evidence,
    evidence: &Path,
    (patience, began): (Duration, Instant),
    telling: &Telling<'_>,
) -> Outcome {
    let outcome = run::concluded((scenario, plan), seen, evidence, (patience, began.elapsed()), telling);
    telling.judged(&outcome);
    outcome
}

/// The kept environment of this name; without a name the only one.
///
/// # Errors
/// When there is none, or a name is needed to tell which.
pub fn find(engine: &Engine, name: Option<&str>) -> Result<Kept, Error> {
    let mut kept = engine.kept();
    let names = kept.iter().map(|kept| format!("`{}`", kept.name)).collect::<Vec<_>>().join(", ");
    let stand = if names.is_empty() {
        "none stands; `greenproof up` raises one".to_owned()
    } else {
        format!("those that stand: {names}")
    };
    let missing = |what: String| Err(Error::surrounding("looking for the environment", what, stand.clone()));
    match name {
        Some(name) => match kept.into_iter().find(|kept| kept.name == name) {
            Some(kept) => Ok(kept),
            None => missing(format!("none is called `{name}`")),
        },
        None if kept.len() == 1 => Ok(kept.remove(0)),
        None if kept.is_empty() => missing("there is none".to_owned()),
        None => missing("there are several, so `--name` has to say which".to_owned()),
    }
}

/// The kept environment of this name, with what its containers were told.
///
/// # Errors
/// As [`find`] and [`Standing::of`].
pub async fn standing(engine: &Engine, name: Option<&str>) -> Result<Standing, Error> {
    Standing::of(engine, &find(engine, name)?).await
}

/// Removes a kept environment.
///
/// # Errors
/// When the engine refuses.
pub async fn down(engine: &Engine, kept: &Kept) -> Result<(), Error> {
    Ok(docker::remove_environment(engine, &kept.id).await?)
}
