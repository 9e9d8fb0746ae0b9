//! The change itself: new sections of the configuration, waiting for the components, rollback.

use super::{
    Deployer, Outcome, Target,
    settle::{Settled, settle},
};
use crate::{failure::Failure, log::Line, queue::Kind, service::State};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use tokio::{sync::watch, task::JoinSet};

const ACTIVATOR: &str = "com.aws.greengrass.deployment.activator.DefaultActivator";
pub(super) const MERGER: &str = "com.aws.greengrass.deployment.DeploymentConfigMerger";

/// The states of all components before the change.
type Before = BTreeMap<String, State>;

impl Deployer {
    /// Makes the change and waits for its outcome; `None` if it was cancelled meanwhile, which takes nothing back.
    pub(super) async fn activate(&self, target: &Target, cancelled: &mut watch::Receiver<bool>) -> Option<Outcome> {
        let snapshot = target.folder.join("rollback_snapshot.tlog");
        if target.document.rollback
            && let Err(error) = self.kernel.config.configuration.snapshot(&snapshot)
        {
            let failure = Failure::new("Failed to take a snapshot for rollback", &["IO_ERROR", "IO_WRITE_ERROR"]);
            return Some(Outcome::failed("FAILED_NO_STATE_CHANGE", failure.because(error.to_string())));
        }
        let before: Before = self.kernel.all().iter().map(|service| (service.name.clone(), service.state())).collect();
        self.kernel.config.configuration.change(|tree| target.sections.apply(tree));
        self.kernel.configure(&self.kernel.config.nucleus());
        let names: BTreeSet<String> = target.sections.components().cloned().collect();
        self.kernel.take_up(&names).await;
        let settled = settle(&self.kernel, &names, cancelled).await;
        if let Settled::Broken(name) = settled {
            let failure = self.broken(&name, target.document.kind);
            self.log(Line::warn(MERGER).message("merge-config-service BROKEN").with("serviceName", &name));
            let line = Line::error(ACTIVATOR).message("Deployment failed").cause(failure.to_string());
            self.log(line.with("deploymentId", &target.document.id));
            if !target.document.rollback {
                return Some(Outcome::failed("FAILED_ROLLBACK_NOT_REQUESTED", failure));
            }
            return self.roll_back(target, snapshot, &before, failure, cancelled).await;
        }
        if settled == Settled::Cancelled {
            self.log(Line::warn(MERGER).message("deployment cancelled while waiting for services to start"));
        }
        let obsolete: BTreeSet<String> = before.into_keys().filter(|name| !names.contains(name)).collect();
        self.remove(&obsolete).await;
        self.log(Line::info(ACTIVATOR).message("All services updated").with("deploymentId", &target.document.id));
        (settled == Settled::Reached).then(Outcome::succeeded)
    }

    /// Closes components and forgets them.
    async fn remove(&self, names: &BTreeSet<String>) {
        let line = Line::info(MERGER).message("Removing services");
        let list = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.log(line.with("service-to-remove", format!("[{list}]")));
        // All at once: a component ends only after those that need it, in whatever order they are named.
        let mut closing = JoinSet::new();
        for name in names.clone() {
            let kernel = self.kernel.clone();
            closing.spawn(async move { kernel.remove(&name).await });
        }
        closing.join_all().await;
        self.kernel.config.configuration.change(|tree| {
            for name in names {
                tree.remove(&["services", name]);
            }
        });
    }

    /// The failure of a deployment that a component broke.
    pub(super) fn broken(&self, name: &str, kind: Kind) -> Failure {
        let kind = match self.kernel.component_error(name) {
            "COMPONENT_ERROR" if kind == Kind::Local => "USER_COMPONENT_ERROR",
            other => other,
        };
        let text = format!("Service {name} in broken state after deployment");
        Failure::new(text, &["COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"]).kind(kind)
    }

    async fn roll_back(
        &self,
        target: &Target,
        snapshot: PathBuf,
        before: &Before,
        failure: Failure,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Option<Outcome> {
        let line = |text: &str| Line::info(ACTIVATOR).message(text).with("deploymentId", &target.document.id);
        self.log(line("Initiating rollback for failed deployment"));
        self.log(line("Rolling back failed deployment"));
        if let Err(error) = self.kernel.config.configuration.restore(&snapshot) {
            self.fail_to_roll_back(error.to_string());
            return Some(Outcome::failed("FAILED_UNABLE_TO_ROLLBACK", failure));
        }
        self.kernel.configure(&self.kernel.config.nucleus());
        self.kernel.take_up(&before.keys().cloned().collect()).await;
        let broken = before.iter().filter(|(_, state)| **state == State::Broken).map(|(name, _)| name.clone());
        let excused = self.kernel.with_dependers(broken.collect());
        let awaited: BTreeSet<String> = before.keys().filter(|name| !excused.contains(*name)).cloned().collect();
        let list =
            |names: &BTreeSet<String>| format!("[{}]", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        let text = "Applied rollback service config. Waiting for services to complete update";
        let told = Line::info(ACTIVATOR).message(text).with("brokenServiceAndDependers", list(&excused));
        self.log(told.with("serviceToTrackForRollback", list(&awaited)));
        let settled = settle(&self.kernel, &awaited, cancelled).await;
        if let Settled::Broken(name) = settled {
            self.log(Line::warn(MERGER).message("merge-config-service BROKEN").with("serviceName", &name));
            self.fail_to_roll_back(format!("Service {name} in broken state after deployment"));
            return Some(Outcome::failed("FAILED_UNABLE_TO_ROLLBACK", failure));
        }
        let added = target.sections.components().filter(|name| !before.contains_key(*name)).cloned().collect();
        self.remove(&added).await;
        self.log(line("All services rolled back"));
        let outcome = Outcome::failed("FAILED_ROLLBACK_COMPLETE", failure);
        (settled == Settled::Reached).then_some(outcome)
    }

    fn fail_to_roll_back(&self, why: String) {
        let line = Line::error(ACTIVATOR).event("config-update-error").message("Failed to rollback deployment");
        self.kernel.logs.nucleus(&line.cause(why));
    }

    /// A line about the change.
    pub(super) fn log(&self, line: Line) {
        self.kernel.logs.nucleus(&line.event("merge-config"));
    }
}
