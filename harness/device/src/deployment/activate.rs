//! The change itself: new definitions, waiting for the components, rollback.

use super::{Deployer, Groups, Outcome, document::Document, interpolation::Interpolated, resolve::Component};
use crate::{
    failure::Failure,
    interpolate::Subject,
    kernel::Kernel,
    log::Line,
    service::{Effect, Request, Service, Spec, State},
    tes, tree,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

const MERGER: &str = "com.aws.greengrass.deployment.DeploymentConfigMerger";
const ACTIVATOR: &str = "com.aws.greengrass.deployment.activator.DefaultActivator";
const RESOLVER: &str = "com.aws.greengrass.componentmanager.KernelConfigResolver";
/// How often the nucleus looks whether its services have settled.
const POLL: Duration = Duration::from_secs(1);

/// The definitions of all components after the deployment.
pub(super) type Specs = BTreeMap<String, Spec>;

impl Deployer {
    /// Renders configuration and lifecycle of every component.
    pub(super) fn specs(
        &self,
        document: &Document,
        groups: &Groups,
        components: &BTreeMap<String, Component>,
    ) -> Result<Specs, Failure> {
        let subject = |(name, component): (&String, &Component)| {
            let subject = Subject {
                name: name.clone(),
                version: component.recipe.version.to_string(),
                configuration: self.configuration(document, component),
            };
            (name.clone(), subject)
        };
        let subjects: BTreeMap<String, Subject> = components.iter().map(subject).collect();
        let users = groups.roots.values().flatten().filter_map(|(name, root)| Some((name, root.user.clone()?)));
        let users: BTreeMap<&String, String> = users.collect();
        let mut interpolated = self.interpolated(subjects, components)?;
        let spec = |(name, component): (&String, &Component)| {
            let Interpolated { configuration, lifecycle } = interpolated.remove(name)?;
            let spec = Spec {
                version: component.recipe.version.clone(),
                arn: component.arn.clone(),
                lifecycle,
                configuration,
                dependencies: Spec::dependencies(&component.recipe.dependencies),
                user: users.get(name).cloned(),
            };
            Some((name.clone(), spec))
        };
        Ok(components.iter().filter_map(spec).collect())
    }

    fn configuration(&self, document: &Document, component: &Component) -> Value {
        let running = self.kernel.service(&component.recipe.name).map(|service| service.spec().configuration.clone());
        let mut configuration = running.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let root = document.roots.get(&component.recipe.name);
        for pointer in root.into_iter().flat_map(|root| &root.reset) {
            if !tree::reset(&mut configuration, pointer) {
                let text = "Failed to reset because provided pointer for reset points to an element of array.";
                self.kernel.logs.nucleus(&Line::error(RESOLVER).message(text).with("jsonPointer", pointer));
            }
        }
        tree::fill(&mut configuration, &component.recipe.defaults);
        if let Some(merge) = root.and_then(|root| root.merge.as_ref()) {
            tree::merge(&mut configuration, merge);
        }
        configuration
    }

    /// Makes the change and waits for its outcome.
    pub(super) async fn activate(&mut self, document: &Document, groups: Groups, specs: Specs) -> Outcome {
        let line = Line::info(MERGER).event("merge-config").message("Applying deployment changes");
        self.kernel.logs.nucleus(&line.with("deployment", &document.id));
        let before: BTreeMap<String, (Spec, State)> =
            self.kernel.all().iter().map(|s| (s.name.clone(), ((*s.spec()).clone(), s.state()))).collect();
        let mut touched = BTreeSet::new();
        let (built_in, others): (Vec<_>, Vec<_>) = specs.iter().partition(|(name, _)| *name == tes::NAME);
        for (name, spec) in built_in.into_iter().chain(others) {
            if self.kernel.define(name, spec.clone()) != Some(Effect::Nothing) {
                touched.insert(name.clone());
            }
            if name == tes::NAME {
                self.started(name).await;
            }
        }
        match settle(&self.kernel, &touched).await {
            Ok(()) => {
                let line = Line::info(ACTIVATOR).event("merge-config").message("All services updated");
                self.kernel.logs.nucleus(&line.with("deploymentId", &document.id));
                self.groups = groups;
                self.remove_others(&before, &specs).await;
                Outcome { status: "SUCCEEDED", detailed: "SUCCESSFUL", failure: None }
            }
            Err(name) => {
                let line = Line::warn(ACTIVATOR).event("merge-config").message("merge-config-service BROKEN");
                self.kernel.logs.nucleus(&line.with("serviceName", &name));
                let failure = self.broken(&name);
                let line = Line::error(ACTIVATOR).event("merge-config").message("Deployment failed");
                self.kernel.logs.nucleus(&line.with("deploymentId", &document.id).cause(failure.to_string()));
                if !document.rollback {
                    self.groups = groups;
                    return Outcome::failed("FAILED_ROLLBACK_NOT_REQUESTED", failure);
                }
                self.roll_back(document, &before, &touched, failure).await
            }
        }
    }

    /// Waits until a service of the nucleus itself is up or broken. In the real nucleus it starts in the same process,
    /// long before the first script of another component is spawned with the environment that it sets.
    async fn started(&self, name: &str) {
        let mut ticks = self.kernel.ticks();
        let up = |service: Arc<Service>| matches!(service.state(), State::Running | State::Broken);
        while !self.kernel.service(name).is_none_or(up) {
            // The sender lives as long as the kernel.
            _ = ticks.changed().await;
        }
    }

    async fn remove_others(&self, before: &BTreeMap<String, (Spec, State)>, specs: &Specs) {
        for name in before.keys().filter(|name| !specs.contains_key(*name)) {
            self.kernel.remove(name).await;
        }
        self.clean();
    }

    fn clean(&self) {
        let keep = self.kernel.all().iter().map(|s| (s.name.clone(), s.spec().version.clone())).collect();
        self.kernel.store.clean(&keep);
    }

    fn broken(&self, name: &str) -> Failure {
        let arn = self.kernel.service(name).map(|service| service.spec().arn.clone()).unwrap_or_default();
        let kind = match arn.split(':').nth(4) {
            Some("aws") => "AWS_COMPONENT_ERROR",
            Some(account) if !account.is_empty() => "USER_COMPONENT_ERROR",
            _ => "COMPONENT_ERROR",
        };
        let text = format!("Service {name} in broken state after deployment");
        Failure::new(text, &["COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"]).kind(kind)
    }

    async fn roll_back(
        &self,
        document: &Document,
        before: &BTreeMap<String, (Spec, State)>,
        touched: &BTreeSet<String>,
        failure: Failure,
    ) -> Outcome {
        let line = |message: &str| Line::info(ACTIVATOR).event("merge-config").message(message);
        self.kernel.logs.nucleus(&line("Rolling back failed deployment").with("deploymentId", &document.id));
        let mut restored = BTreeSet::new();
        for name in touched {
            let Some((spec, state)) = before.get(name) else {
                self.kernel.remove(name).await;
                continue;
            };
            let effect = self.kernel.define(name, spec.clone());
            let broken = self.kernel.service(name).filter(|service| service.state() == State::Broken);
            if let Some(service) = broken.filter(|_| effect == Some(Effect::Nothing)) {
                service.request(Request::Reinstall);
            }
            if *state != State::Broken {
                restored.insert(name.clone());
            }
        }
        let outcome = settle(&self.kernel, &restored).await;
        self.clean();
        match outcome {
            Ok(()) => {
                self.kernel.logs.nucleus(&line("All services rolled back").with("deploymentId", &document.id));
                Outcome::failed("FAILED_ROLLBACK_COMPLETE", failure)
            }
            Err(name) => {
                let text = format!("Service {name} in broken state after deployment");
                Outcome::failed("FAILED_UNABLE_TO_ROLLBACK", failure.because(text))
            }
        }
    }
}

/// Waits until the services have reached what they are to be; the name of a broken one otherwise.
///
/// A service whose process still runs counts only at the nucleus's polls, since it may yet fail before the next one.
async fn settle(kernel: &Arc<Kernel>, names: &BTreeSet<String>) -> Result<(), String> {
    let mut ticks = kernel.ticks();
    let mut poll = interval_at(Instant::now() + POLL, POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut polled = false;
    loop {
        let services: Vec<Arc<Service>> = names.iter().filter_map(|name| kernel.service(name)).collect();
        let settled = |service: &Arc<Service>| service.is_settled().then(|| service.state());
        if let Some(broken) = services.iter().find(|service| settled(service) == Some(State::Broken)) {
            return Err(broken.name.clone());
        }
        let done = |service: &Arc<Service>| match settled(service) {
            Some(State::Finished) => true,
            Some(State::Running) => polled || !service.may_still_exit(),
            _ => false,
        };
        if services.iter().all(done) {
            return Ok(());
        }
        tokio::select! {
            _ = ticks.changed() => polled = false,
            _ = poll.tick() => polled = true,
        }
    }
}
