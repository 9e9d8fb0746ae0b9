//! Runs scenarios one after the other and tells what happens.

use crate::{
    environment::Environment,
    evidence::{Evidence, folder},
    plan::Plan,
    report::{Outcome, Reader, Told},
    scenario::Scenario,
    stage::{Error, Stage},
    verdict::{Verdict, judge},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Runs one scenario to its verdict, writes its evidence below `evidence`, and removes its world.
///
/// # Errors
/// When the world can't be raised. That a component fails is no error: it is in the verdict.
pub async fn run(stage: &Stage, scenario: Scenario, evidence: &Path, reader: &dyn Reader) -> Result<Outcome, Error> {
    reader.told(&Told::Begun(&scenario));
    let began = Instant::now();
    let plan = Plan::of(scenario.clone()).map_err(|error| Error::surrounding("planning", error, ""))?;
    let environment = Environment::raise(stage, plan).await?;
    reader.told(&Told::Stage { stage: "environment", detail: "aws, github and device are up", took: began.elapsed() });
    let deploying = Instant::now();
    let seen = environment.deploy(stage.patience()).await;
    let verdict = judge(&scenario, &seen);
    let took = began.elapsed();
    tell_deployment(&seen, deploying.elapsed(), reader);
    let folder = evidence.join(&scenario.name);
    let (written, removed) = tokio::join!(async { folder::write(&seen, &folder) }, environment.remove());
    removed?;
    let folder = match written {
        Ok(()) => Some(folder),
        Err(error) => {
            reader.told(&Told::Note(&format!("could not write the evidence to `{}`: {error}", folder.display())));
            None
        }
    };
    let outcome = Outcome { scenario, verdict, evidence: Some(seen), folder, took };
    reader.told(&Told::Judged(&outcome));
    Ok(outcome)
}

fn tell_deployment(evidence: &Evidence, took: Duration, reader: &dyn Reader) {
    let status = evidence.job().map_or("no job was taken", |(status, _)| status);
    let calls = evidence.calls().count();
    let detail = format!("{status}; {calls} calls to AWS");
    reader.told(&Told::Stage { stage: "deployment", detail: &detail, took });
}

/// An outcome for a scenario whose world could not be raised.
#[must_use]
pub fn broken(scenario: Scenario, error: &Error) -> Outcome {
    let verdict = Verdict::Broken { what: error.to_string() };
    Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::ZERO }
}
