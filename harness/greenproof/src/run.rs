//! Runs a scenario and tells what happens; [`many()`] runs many side by side.

mod again;
mod fleet;
mod many;
pub(crate) mod own;
mod room;
mod spread;

pub use many::{Pace, Work, many};
use room::Room;
pub use spread::{Spread, Taken};

use crate::{
    bundle::{self, Stored},
    core::Core,
    environment::Environment,
    evidence::{Evidence, folder, log},
    kept::{Ending, Place},
    plan::Plan,
    report::{
        self, Outcome, Reader, Sight, Telling, Told,
        html::{self, Documents},
    },
    scenario::Scenario,
    stage::{Error, Stage},
    verdict::{Verdict, idle, judge, unproven},
};
use cloud::event::{Decision, What};
use std::{
    convert::Infallible,
    io,
    path::Path,
    time::{Duration, Instant},
};

/// The stage in which a world comes up.
pub(crate) const ENVIRONMENT: &str = "environment";

/// What a run on the classic nucleus says of itself.
const UNPROVEN: &str =
    "  unproven: how the classic nucleus is installed and read is made from its source alone; no run was ever seen";

/// Runs one scenario to its verdict, writes its evidence below `evidence`, and removes its world.
///
/// # Errors
/// When the world can't be raised. That a component fails is no error: it is in the verdict.
pub async fn run(stage: &Stage, scenario: Scenario, evidence: &Path, reader: &dyn Reader) -> Result<Outcome, Error> {
    Box::pin(keeping(stage, scenario, (Ending::default(), 0), evidence, reader)).await
}

/// Runs one scenario as [`run`] does, and leaves its environment standing if it is to be kept; one that is red is run again at
/// most so many times.
///
/// # Errors
/// As [`run`]; and when the environment can't be kept.
pub async fn keeping(
    stage: &Stage,
    scenario: Scenario,
    (ending, retries): (Ending, usize),
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<Outcome, Error> {
    if let Some(why) = stage.lacks(&scenario) {
        return Ok(skipped(stage, scenario, why, reader));
    }
    fleet::check(&scenario, ending)?;
    let first = Box::pin(attempt(stage, scenario, ending, evidence, reader)).await?;
    Box::pin(again::settled(stage, first, (ending, retries), evidence, reader)).await
}

/// A run whose verdict is written down, and not told yet.
struct Attempt<'a> {
    outcome: Outcome,
    telling: Telling<'a>,
    /// The policies, for a report that is written anew.
    documents: Option<Documents>,
    /// How its environment is found, if it stays.
    stays: Option<String>,
}

async fn attempt<'a>(
    stage: &Stage,
    scenario: Scenario,
    ending: Ending,
    evidence: &Path,
    reader: &'a dyn Reader,
) -> Result<Attempt<'a>, Error> {
    let began = Instant::now();
    let versions = stage.versions(&scenario);
    let plan = Plan::of(scenario.clone()).map_err(|error| Error::surrounding("planning", error, ""))?;
    let place = Place::of(&stage.engine, ending, &scenario)?;
    let plan = if place.is_some() { Place::plan(plan) } else { plan };
    let telling = Telling::new(&scenario.name, &plan.redactor, versions, reader);
    telling.tell(Told::begun(&scenario, &[ENVIRONMENT]));
    if scenario.device.core == Core::Classic {
        telling.tell(Told::note(UNPROVEN));
    }
    if scenario.fleet.is_some() {
        let run = Box::pin(fleet::run(stage, (scenario, plan), evidence, began, &telling));
        let (outcome, documents) = run.await?;
        return Ok(Attempt { outcome, telling, documents, stays: None });
    }
    let environment = Box::pin(raised(stage, plan, &telling)).await?;
    let seen = Box::pin(followed(&environment, stage.patience(), &telling)).await;
    let outcome =
        concluded((scenario, &environment.plan), seen, evidence, (stage.patience(), began.elapsed()), &telling);
    let documents = outcome.is_red().then(|| Documents::of_plan(&environment.plan)).flatten();
    let stays = if let Some(place) = place {
        place.end(environment, &outcome.verdict).await?
    } else {
        match environment.remove().await {
            Ok(()) => {}
            // Both are for one reason: the engine is gone, say.
            Err(error) if matches!(outcome.verdict, Verdict::Broken { .. }) => return Err(error),
            // It hinders no other run, and the next sweep tries again.
            Err(error) => telling.tell(Told::note(format!("could not remove all of its environment: {error}"))),
        }
        None
    };
    Ok(Attempt { outcome, telling, documents, stays })
}

/// Tells that a scenario is not run, and why.
#[must_use]
pub fn skipped(stage: &Stage, scenario: Scenario, why: String, reader: &dyn Reader) -> Outcome {
    let telling = Telling::new(&scenario.name, &bundle::stated(&scenario), stage.versions(&scenario), reader);
    telling.tell(Told::begun(&scenario, &[]));
    let verdict = Verdict::Skipped { why };
    let outcome = Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::ZERO, again: Vec::new() };
    telling.judged(&outcome);
    outcome
}

/// Raises the world of a plan while telling it.
pub(crate) async fn raised(stage: &Stage, plan: Plan, reader: &dyn Reader) -> Result<Environment, Error> {
    let began = Instant::now();
    reader.tell(Told::StageBegun { stage: ENVIRONMENT.to_owned() });
    let environment = Environment::raise_telling(stage, plan, reader).await?;
    reader.tell(Told::stage(ENVIRONMENT, "aws, github and device are up", began.elapsed()));
    Ok(environment)
}

/// Judges what was seen, and stores it. The verdict is not told yet.
pub(crate) fn concluded(
    (scenario, plan): (Scenario, &Plan),
    seen: Evidence,
    evidence: &Path,
    (patience, took): (Duration, Duration),
    telling: &Telling<'_>,
) -> Outcome {
    let verdict = judge(&scenario, &seen);
    let outcome = Outcome { scenario, verdict, evidence: Some(seen), folder: None, took, again: Vec::new() };
    let outcome = store(outcome, plan, evidence, patience, telling);
    let outcome = own::checked(outcome, || plan.canaries());
    // What was found in what we wrote changes the verdict.
    if let (Verdict::Broken { .. }, Some(folder)) = (&outcome.verdict, &outcome.folder) {
        written(telling.write(&outcome, &folder.join(report::NAME)), folder, telling);
        written(page(&outcome, plan, evidence), folder, telling);
    }
    written(html::keep(&outcome, evidence), evidence, telling);
    outcome
}

/// Writes what was seen of a run into a folder of its own below `evidence`: what was told, the evidence itself, the
/// scenario with all that it names, a bundle if it failed, and the HTML report.
#[must_use]
pub fn store(outcome: Outcome, plan: &Plan, evidence: &Path, patience: Duration, telling: &Telling<'_>) -> Outcome {
    let Some(seen) = &outcome.evidence else { return outcome };
    let folder = evidence.join(&outcome.scenario.name);
    if !written(folder::write(seen, &folder), &folder, telling) {
        return outcome;
    }
    let stored = Stored {
        scenario: &outcome.scenario,
        verdict: &outcome.verdict,
        evidence: seen,
        redactor: &plan.redactor,
        patience,
    };
    let events = folder.join(report::NAME);
    // The bundle holds it too, and it names the bundle.
    written(telling.write(&outcome, &events), &folder, telling);
    bundle::write(stored, &folder, telling);
    let outcome = Outcome { folder: Some(folder.clone()), ..outcome };
    written(telling.write(&outcome, &events), &folder, telling);
    written(page(&outcome, plan, evidence), &folder, telling);
    outcome
}

/// Writes the HTML report of an outcome into its folder below `evidence`.
fn page(outcome: &Outcome, plan: &Plan, evidence: &Path) -> io::Result<()> {
    html::write(outcome, Documents::of_plan(plan).as_ref(), evidence)
}

/// Carries out an environment's steps while telling what is seen.
pub(crate) async fn followed(environment: &Environment, patience: Duration, reader: &dyn Reader) -> Evidence {
    let seen = tokio::select! {
        seen = environment.deploy_telling(patience, reader) => seen,
        never = narrate(environment, reader) => match never {},
    };
    tell_restarts(&seen, reader);
    for fault in idle(&environment.plan.scenario, &seen) {
        reader.tell(Told::note(format!("  the fault `{fault}` struck nothing, so the run shows nothing of it")));
    }
    for name in unproven(&environment.plan.scenario, &seen) {
        let next = "await a line that it prints once it works, by `[[expect.line]]`";
        reader.tell(Told::note(format!(
            "  `{name}` was RUNNING when it was judged; that it stays so is not proven: {next}"
        )));
    }
    seen
}

/// Whether something could be written; what hinders it is told, and is no failure of the run.
pub(crate) fn written<E: std::fmt::Display>(result: Result<(), E>, folder: &Path, reader: &dyn Reader) -> bool {
    let Err(error) = result else { return true };
    reader.tell(Told::note(format!("could not write the evidence to `{}`: {error}", folder.display())));
    false
}

/// Tells what the clouds see as it arrives.
async fn narrate(environment: &Environment, reader: &dyn Reader) -> Infallible {
    let mut known = 0;
    loop {
        let events = environment.journal.arrived_after(known).await;
        known += events.len();
        let now =
            events.iter().filter(|event| log::millis_of(&event.time).is_none_or(|time| time >= environment.since));
        now.filter_map(|event| seen(&event.what)).for_each(|told| reader.tell(told));
    }
}

/// What is told while a person waits.
fn seen(what: &What) -> Option<Told> {
    let told = |kind, text: String, detail: String, refused| Some(Told::Seen { kind, text, detail, refused });
    let none = String::new;
    match what {
        What::Job { thing: None, status, .. } => told(Sight::Deployment, format!("job {status}"), none(), false),
        What::Credentials { alias, status, message, .. } => {
            let text = format!("credentials of role alias {alias}: {status}");
            told(Sight::Credentials, text, message.clone().unwrap_or_default(), *status != 200)
        }
        What::Api(call) => {
            let action = &call.decision.action;
            let text = call.error_code.as_ref().map_or_else(|| action.clone(), |code| format!("{action}: {code}"));
            told(Sight::Call, text, decided(&call.decision), !call.decision.is_allowed())
        }
        What::Git { method, path, repository, status, .. } => {
            let text = match repository {
                Some(repository) => format!("git {repository}: {status}"),
                None => format!("github {path}: {status}"),
            };
            told(Sight::Git, text, format!("{method} {path}"), (400..500).contains(status) && *status != 401)
        }
        What::Index { host, path, status, .. } => {
            let text = format!("index {}{path}: {status}", host.as_deref().unwrap_or_default());
            told(Sight::Index, text, none(), *status >= 400)
        }
        What::Dns { name, record, answer: None } if record == "A" => {
            told(Sight::Dns, format!("unknown name {name}"), none(), true)
        }
        What::Dns { name, record, answer: Some(answer) } => {
            told(Sight::Dns, format!("name {name}"), format!("{record} {answer}"), false)
        }
        What::Oversize { .. } => told(Sight::Oversize, what.oversize()?, none(), true),
        What::RawAddress { destination } => told(Sight::Dns, format!("raw address {destination}"), none(), true),
        _ => None,
    }
}

/// A decision in a few words.
fn decided(decision: &Decision) -> String {
    format!("{} on {}", decision.word(), decision.resource)
}

/// Tells of a core that ended without being asked to: it is started again, but it should not have ended.
fn tell_restarts(evidence: &Evidence, reader: &dyn Reader) {
    for restart in evidence.restarts.iter().filter(|restart| restart.is_fault()) {
        let code = restart.code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        reader.tell(Told::note(format!("  the core ended with {code} and was started again")));
    }
}
