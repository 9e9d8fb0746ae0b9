//! Runs scenarios one after the other and tells what happens.

pub(crate) mod own;

use crate::{
    bundle::{self, Failed},
    core::Core,
    environment::Environment,
    evidence::{Evidence, folder, log},
    plan::Plan,
    report::{Outcome, Reader, Told},
    scenario::Scenario,
    stage::{Error, Stage},
    verdict::{Verdict, judge},
};
use cloud::event::What;
use std::{
    collections::HashSet,
    convert::Infallible,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What a run on the classic nucleus says of itself.
const UNPROVEN: &str =
    "  unproven: how the classic nucleus is installed and read is made from its source alone; no run was ever seen";

/// Runs one scenario to its verdict, writes its evidence below `evidence`, and removes its world.
///
/// # Errors
/// When the world can't be raised. That a component fails is no error: it is in the verdict.
pub async fn run(stage: &Stage, scenario: Scenario, evidence: &Path, reader: &dyn Reader) -> Result<Outcome, Error> {
    reader.told(&Told::Begun(&scenario));
    let began = Instant::now();
    if let Some(why) = stage.lacks(&scenario) {
        let verdict = Verdict::Skipped { why };
        let outcome = Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::ZERO };
        reader.told(&Told::Judged(&outcome));
        return Ok(outcome);
    }
    if scenario.device.core == Core::Classic {
        reader.told(&Told::Note(UNPROVEN));
    }
    let plan = Plan::of(scenario.clone()).map_err(|error| Error::surrounding("planning", error, ""))?;
    let environment = Box::pin(Environment::raise_telling(stage, plan, reader)).await?;
    reader.told(&Told::Stage { stage: "environment", detail: "aws, github and device are up", took: began.elapsed() });
    let seen = Box::pin(followed(&environment, stage.patience(), reader)).await;
    let verdict = judge(&scenario, &seen);
    let took = began.elapsed();
    let folder = store((&scenario, &environment.plan), (&verdict, &seen), evidence, stage.patience(), reader);
    let outcome = Outcome { scenario, verdict, evidence: Some(seen), folder, took };
    let outcome = own::checked(outcome, || environment.plan.canaries());
    environment.remove().await?;
    reader.told(&Told::Judged(&outcome));
    Ok(outcome)
}

/// Writes what was seen of a run into a folder of its own below `evidence`, which it gives, and a bundle if it failed.
#[must_use]
pub fn store(
    (scenario, plan): (&Scenario, &Plan),
    (verdict, seen): (&Verdict, &Evidence),
    evidence: &Path,
    patience: Duration,
    reader: &dyn Reader,
) -> Option<PathBuf> {
    let folder = evidence.join(&scenario.name);
    let folder = written(folder::write(seen, &folder), folder, reader);
    let failed = Failed { scenario, verdict, evidence: seen, redactor: &plan.redactor, patience };
    bundle::write(failed, folder.as_deref(), reader);
    folder
}

/// Carries out an environment's steps while telling what is seen.
pub(crate) async fn followed(environment: &Environment, patience: Duration, reader: &dyn Reader) -> Evidence {
    let seen = tokio::select! {
        seen = environment.deploy_telling(patience, reader) => seen,
        never = narrate(environment, reader) => match never {},
    };
    tell_restarts(&seen, reader);
    seen
}

/// The evidence folder, if it could be written.
pub(crate) fn written<E: std::fmt::Display>(
    result: Result<(), E>,
    folder: PathBuf,
    reader: &dyn Reader,
) -> Option<PathBuf> {
    match result {
        Ok(()) => Some(folder),
        Err(error) => {
            reader.told(&Told::Note(&format!("could not write the evidence to `{}`: {error}", folder.display())));
            None
        }
    }
}

/// Tells what the clouds see as it arrives, each thing once.
async fn narrate(environment: &Environment, reader: &dyn Reader) -> Infallible {
    let (mut known, mut told) = (0, HashSet::new());
    loop {
        let events = environment.journal.arrived_after(known).await;
        known += events.len();
        let now =
            events.iter().filter(|event| log::millis_of(&event.time).is_none_or(|time| time >= environment.since));
        for line in now.filter_map(|event| narrated(&event.what)) {
            if told.insert(line.clone()) {
                reader.told(&Told::Seen(&environment.plan.redactor.apply(&line)));
            }
        }
    }
}

/// What is worth a line while a person waits.
fn narrated(what: &What) -> Option<String> {
    match what {
        What::Job { thing: None, status, .. } if status != "QUEUED" => Some(format!("job {status}")),
        What::Credentials { alias, status, .. } => Some(format!("credentials of role alias {alias}: {status}")),
        What::Api(call) => match &call.error_code {
            None => Some(call.decision.action.clone()),
            Some(code) => Some(format!("{}: {code}", call.decision.action)),
        },
        What::Git { repository: Some(repository), status, .. } => Some(format!("git {repository}: {status}")),
        What::Dns { name, record, answer: None } if record == "A" => Some(format!("unknown name {name}")),
        What::Oversize { .. } => what.oversize(),
        What::RawAddress { destination } => Some(format!("raw address {destination}")),
        _ => None,
    }
}

/// Tells of a core that ended without being asked to: it is started again, but it should not have ended.
fn tell_restarts(evidence: &Evidence, reader: &dyn Reader) {
    for restart in evidence.restarts.iter().filter(|restart| restart.is_fault()) {
        let code = restart.code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        reader.told(&Told::Note(&format!("  the core ended with {code} and was started again")));
    }
}

/// An outcome for a scenario whose world could not be raised.
#[must_use]
pub fn broken(scenario: Scenario, error: &Error) -> Outcome {
    let verdict = Verdict::Broken { what: error.to_string() };
    Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::ZERO }
}
