//! Runs a scenario with a fleet.

use super::{ENVIRONMENT, concluded};
use crate::{
    core::Core,
    environment::Fleet,
    kept::{Ending, Keep},
    plan::Plan,
    report::{Outcome, Reader, Telling, Told, html::Documents},
    scenario::Scenario,
    stage::{Error, Stage},
};
use std::{path::Path, time::Instant};

/// What a run may ask of a scenario that a fleet can't have.
pub(super) fn check(scenario: &Scenario, ending: Ending) -> Result<(), Error> {
    if scenario.fleet.is_none() {
        return Ok(());
    }
    let refuse = |what: &str, hint: &str| Err(Error::usage(format!("`{}` has a fleet: {what}", scenario.name), hint));
    if scenario.device.core != Core::Emulated {
        return refuse("it is of emulated cores", "leave `--core` out");
    }
    if scenario.leaks.is_some() {
        return refuse("it is not watched for leaks", "leave `--leaks` out");
    }
    if !matches!(ending.keep, Keep::Never) {
        return refuse("it is not kept", "leave `--keep` out");
    }
    Ok(())
}

/// Runs a fleet to its verdict, writes its evidence below `evidence`, and removes its world. Gives the policies, too, if it is
/// red; the verdict is not told yet.
pub(super) async fn run(
    stage: &Stage,
    (scenario, plan): (Scenario, Plan),
    evidence: &Path,
    began: Instant,
    telling: &Telling<'_>,
) -> Result<(Outcome, Option<Documents>), Error> {
    let raising = Instant::now();
    telling.tell(Told::StageBegun { stage: ENVIRONMENT.to_owned() });
    let fleet = Box::pin(Fleet::raise(stage, plan, telling)).await?;
    let detail = format!("aws, github and {} devices are up", fleet.devices.len());
    telling.tell(Told::stage(ENVIRONMENT, detail, raising.elapsed()));
    let action = scenario.steps.last().map(|step| step.action.to_string()).unwrap_or_default();
    let (step, deploying) = (scenario.steps.len(), Instant::now());
    telling.tell(Told::StepBegun { step, action: action.clone() });
    let seen = Box::pin(fleet.deploy_telling(stage.patience(), telling)).await;
    let took = deploying.elapsed();
    let outcome = concluded((scenario, &fleet.plan), seen, evidence, (stage.patience(), began.elapsed()), telling);
    telling.tell(Told::deployed(&outcome, (step, action), took));
    let documents = outcome.is_red().then(|| Documents::of_plan(&fleet.plan)).flatten();
    fleet.remove().await?;
    Ok((outcome, documents))
}
