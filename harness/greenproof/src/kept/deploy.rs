//! The inner loop: publish a scenario's components anew, deploy them to a kept environment, judge what happens.

use super::{
    account::Account,
    judged,
    status::{self, Components},
};
use crate::{
    component::Component,
    docker::Engine,
    environment::{Environment, Orders, Standing},
    evidence::{Progress, log},
    plan::{self, Plan},
    report::{Outcome, Reader, Telling, Told},
    run,
    scenario::Scenario,
    stage::{self, Error},
};
use cloud::{
    control::Control,
    event::Event,
    world::{Deployment, Wanted},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

/// The stage in which components are published.
const PUBLISHED: &str = "published";

/// How long what the device tells of its components may take after a deployment has ended.
const TOLD: Duration = Duration::from_secs(10);

/// A kept environment whose clouds take orders.
#[derive(Debug)]
pub struct Ordered {
    /// Its containers, and what they were told.
    pub standing: Standing,
    orders: Orders,
}

impl Ordered {
    /// The kept environment of this name; without a name the only one.
    ///
    /// # Errors
    /// As [`super::standing`]; and when its clouds do not run.
    pub async fn of(engine: &Engine, name: Option<&str>) -> Result<Self, Error> {
        let (standing, orders) = Standing::ordered(engine, &super::find(engine, name)?).await?;
        Ok(Self { standing, orders })
    }
}

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
    Ordered { standing, orders }: Ordered,
    mut scenario: Scenario,
    patience: Duration,
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<Outcome, Error> {
    scenario.leaks = scenario.leaks.or_else(|| standing.record.leaks.clone());
    let began = Instant::now();
    let planned = |error: plan::Error| Error::surrounding("planning", error, "");
    let standing = &standing;
    let mut plan = Plan::standing(scenario.clone(), &standing.world, &standing.record).map_err(planned)?;
    plan.repositories = Plan::repositories(&scenario).map_err(planned)?;
    let telling = Telling::new(&scenario.name, &plan.redactor, stage::versions(&scenario), reader);
    telling.tell(Told::begun(&scenario, &[PUBLISHED]));
    telling.tell(Told::StageBegun { stage: PUBLISHED.to_owned() });
    let repositories = standing.put_repositories(engine, &plan);
    let (account, components) = (Account::of(standing), &scenario.components);
    let uploaded = stream::iter(components).map(Ok).try_for_each(|component| account.upload(component));
    let taken_off = async {
        let attached = Environment::attach(engine, standing, orders, plan);
        let (environment, there) = tokio::try_join!(attached, status::components(engine, standing))?;
        take_off(&environment, &there, patience).await?;
        Ok::<_, Error>(environment)
    };
    let (mut environment, (), ()) = tokio::try_join!(taken_off, repositories, uploaded)?;
    for component in components {
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
async fn take_off(environment: &Environment, there: &Components, patience: Duration) -> Result<(), Error> {
    const DOING: &str = "taking the old version off the device";
    let plan = &environment.plan;
    let Some(first) = plan.deployments.values().next() else { return Ok(()) };
    let Some(without) = without(first, &plan.scenario.components, there) else { return Ok(()) };
    let id = without.id.clone();
    environment.order(&Control::Deploy(without)).await?;
    let ended = |events: &[Event]| Progress::of(&id, events).filter(Progress::is_terminal);
    let hint = "see `greenproof status`; `greenproof down` and `up` begin anew";
    let failed = |cause: String| Error::surrounding(DOING, cause, hint);
    match environment.journal.wait(patience, ended).await {
        Some(progress) if progress.status == "SUCCEEDED" => {}
        Some(progress) => return Err(failed(progress.to_string())),
        None => return Err(failed(format!("still under way after {} s", patience.as_secs()))),
    }
    // A device that may not tell of its components has told of none before either.
    let Some(left) = environment.journal.wait(TOLD, |events| status::components_after(&id, events)).await else {
        return Ok(());
    };
    match stands(&plan.scenario.components, &left).next() {
        Some(Component { name, version, .. }) => {
            let cause = format!("`{name}` {version} stays, since a component that stays needs it");
            let hint = format!("give `{name}` a new version; or `greenproof down` and `up` begin anew");
            Err(Error::surrounding(DOING, cause, hint))
        }
        None => Ok(()),
    }
}

/// The scenario's component versions that the device has.
fn stands<'a>(components: &'a [Component], there: &Components) -> impl Iterator<Item = &'a Component> {
    components.iter().filter(|it| there.get(&it.name).is_some_and(|(version, _)| *version == it.version))
}

/// The deployment without the component versions that stand; of the scenario's other components it has the versions that
/// stand, since theirs are to be published yet. Nothing if none stands.
fn without(first: &Deployment, components: &[Component], there: &Components) -> Option<Deployment> {
    let old: BTreeSet<_> = stands(components, there).map(|it| &it.name).collect();
    if old.is_empty() {
        return None;
    }
    let fresh = || uuid::Uuid::new_v4().to_string();
    let job = if first.job.is_empty() { String::new() } else { fresh() };
    let mut without = Deployment { id: fresh(), job, ..first.clone() };
    let ours: BTreeSet<_> = components.iter().map(|it| &it.name).collect();
    without.components.retain(|name, wanted| match there.get(name) {
        _ if old.contains(name) => false,
        Some((version, _)) if ours.contains(name) => {
            *wanted = Wanted::version(version);
            true
        }
        _ => !ours.contains(name),
    });
    Some(without)
}

impl Environment {
    /// From now on is this run.
    fn begin_anew(&mut self) {
        self.since = log::now();
        self.began = self.since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn component(name: &str, version: &str) -> Component {
        let recipe = json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": name, "ComponentVersion": version, "Manifests": [{}],
        });
        Component::parse(recipe.to_string(), &BTreeMap::new()).unwrap()
    }

    fn components<'a>(of: impl IntoIterator<Item = (&'a str, &'a str)>) -> Components {
        of.into_iter().map(|(name, version)| (name.to_owned(), (version.to_owned(), "RUNNING".to_owned()))).collect()
    }

    #[test]
    fn only_what_stands_by_the_same_number_is_taken_off_and_nothing_new_is_asked_for() {
        fidelity::fidelity!("kept-10");
        let ours = [component("same", "1.0.0"), component("newer", "1.0.1"), component("first", "1.0.0")];
        let wanted = [("same", "1.0.0"), ("newer", "1.0.1"), ("first", "1.0.0"), ("aws.greengrass.Cli", "2.14.3")];
        let deployment: Deployment = serde_json::from_value(json!({
            "id": "of-step", "job": "of-step", "target": {"group": "core"},
            "components": wanted.map(|(name, version)| (name, json!({"version": version, "merge": {"a": 1}}))).into_iter().collect::<BTreeMap<_, _>>(),
        }))
        .unwrap();
        let there = components([("same", "1.0.0"), ("newer", "1.0.0"), ("aws.greengrass.Cli", "2.14.3")]);
        let without = without(&deployment, &ours, &there).unwrap();
        let left: Vec<_> = without.components.iter().map(|(name, it)| (name.as_str(), it.version.as_str())).collect();
        assert_eq!(left, [("aws.greengrass.Cli", "2.14.3"), ("newer", "1.0.0")]);
        assert_eq!(without.components["newer"].merge, None);
        assert!(without.id != "of-step" && without.job != "of-step" && without.target == deployment.target);
        assert!(super::without(&deployment, &ours, &components([("newer", "1.0.0")])).is_none());
    }
}
