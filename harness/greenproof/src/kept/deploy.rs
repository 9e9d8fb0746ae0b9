//! The inner loop: publish a scenario's components anew, deploy them to a kept environment, judge what happens.

use super::{account::Account, judged, status::Status};
use crate::{
    docker::Engine,
    environment::{Environment, Standing},
    evidence::{Progress, log},
    plan::{self, Plan},
    report::{Outcome, Reader, Telling, Told},
    run,
    scenario::Scenario,
    stage::{self, Error},
};
use cloud::{control::Control, event::Event, world::Deployment};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// The stage in which components are published.
const PUBLISHED: &str = "published";

/// Carries a scenario out in an environment that stands.
///
/// Its components are always installed anew. AWS never changes a component version, and a device keeps a version that it
/// has; so a version that stands on the device under its number is taken off it first, by a deployment without it.
/// A new number is an update, as on any device.
///
/// # Errors
/// When a component can't be published, or the environment does not run.
pub async fn deploy(
    engine: &Engine,
    standing: &Standing,
    mut scenario: Scenario,
    patience: Duration,
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<Outcome, Error> {
    scenario.leaks = scenario.leaks.or_else(|| standing.record.leaks.clone());
    let began = Instant::now();
    let planned = |error: plan::Error| Error::surrounding("planning", error, "");
    let mut plan = Plan::standing(scenario.clone(), &standing.world, &standing.record).map_err(planned)?;
    plan.repositories = Plan::repositories(&scenario).map_err(planned)?;
    let telling = Telling::new(&scenario.name, &plan.redactor, stage::versions(&scenario), reader);
    telling.tell(Told::begun(&scenario, &[PUBLISHED]));
    telling.tell(Told::StageBegun { stage: PUBLISHED.to_owned() });
    let mut environment = Environment::attach(engine, standing, plan).await?;
    let there = Status::of(engine, standing).await?.device.components;
    take_off(&environment, &there, patience).await?;
    environment.put_repositories(standing).await?;
    let account = Account::of(standing);
    for component in &scenario.components {
        account.publish(component).await?;
    }
    let published = scenario.components.len();
    telling.tell(Told::stage(PUBLISHED, format!("{published} component versions"), began.elapsed()));
    environment.begin_anew();
    let seen = Box::pin(run::followed(&environment, patience, &telling)).await;
    environment.let_go();
    Ok(judged((scenario, &environment.plan), seen, evidence, (patience, began), &telling))
}

/// Takes the versions off the device that the scenario has by the same number, and waits until they are gone.
async fn take_off(
    environment: &Environment,
    there: &BTreeMap<String, (String, String)>,
    patience: Duration,
) -> Result<(), Error> {
    let plan = &environment.plan;
    let stands = |name: &str, version: &str| there.get(name).is_some_and(|there| there.0 == version);
    let components = &plan.scenario.components;
    let Some(first) = plan.deployments.values().next() else { return Ok(()) };
    let old: Vec<_> = components.iter().filter(|it| stands(&it.name, &it.version)).map(|it| &it.name).collect();
    if old.is_empty() {
        return Ok(());
    }
    let fresh = || uuid::Uuid::new_v4().to_string();
    let mut without = Deployment { id: fresh(), ..first.clone() };
    if !without.job.is_empty() {
        without.job = fresh();
    }
    without.components.retain(|name, _| !old.contains(&name));
    let id = without.id.clone();
    environment.order(&Control::Deploy(without)).await?;
    let ended = |events: &[Event]| Progress::of(&id, events).filter(Progress::is_terminal);
    let hint = "see `greenproof status`; `greenproof down` and `up` begin anew";
    let failed = |cause: String| Error::surrounding("taking the old version off the device", cause, hint);
    match environment.journal.wait(patience, ended).await {
        Some(progress) if progress.status == "SUCCEEDED" => Ok(()),
        Some(progress) => Err(failed(progress.to_string())),
        None => Err(failed(format!("still under way after {} s", patience.as_secs()))),
    }
}

impl Environment {
    /// From now on is this run.
    fn begin_anew(&mut self) {
        self.since = log::now();
        self.began = self.since;
    }
}
