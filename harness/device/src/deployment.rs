//! Deployments, one at a time: from the channel's document to the components' final states.

mod activate;
mod bootstrap;
mod bring;
mod directory;
mod document;
mod groups;
mod interpolation;
pub(crate) mod launch;
mod membership;
mod negotiation;
mod render;
mod resolve;
mod restart;
mod settle;

pub(crate) use bootstrap::REBOOT;
pub(crate) use restart::Resumed;

use crate::{
    artifact::Artifacts,
    configuration::Node,
    dataplane::DataPlane,
    failure::Failure,
    fleet,
    kernel::Kernel,
    log::{self, Line},
    queue::{Item, Kind, Queue},
    status::{Details, Keeper, Report},
};
use directory::{Directory, Metadata};
use document::Document;
use launch::Launch;
use render::Sections;
use resolve::Component;
use semver::Version;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.deployment.DeploymentService";
/// The task is told by the service's logger.
const TASK: &str = LOGGER;
/// Pause between the tries of a data-plane call.
const RETRY: Duration = Duration::from_mins(1);

/// Carries out deployments.
#[derive(Debug)]
pub(crate) struct Deployer {
    kernel: Arc<Kernel>,
    keeper: Arc<Keeper>,
    data_plane: DataPlane,
    artifacts: Artifacts,
    directory: Directory,
    launch: Launch,
}

/// How a deployment ended.
#[derive(Debug)]
struct Outcome {
    status: &'static str,
    /// None for a failure that the nucleus doesn't foresee.
    detailed: Option<&'static str>,
    failure: Option<Failure>,
}

/// What a deployment leads to, ready to be activated.
#[derive(Debug)]
struct Target {
    document: Document,
    sections: Sections,
    /// The deployment's own folder.
    folder: PathBuf,
}

/// The versions of components that a deployment resolved to.
type Versions = BTreeSet<(String, Version)>;

/// Whether a document is one of a deployment, whatever channel brings it.
pub(crate) fn is_document(document: &serde_json::Value) -> bool {
    let tree = Node::empty();
    let reads = |kind| Document::read(kind, document, &tree).is_ok();
    [Kind::Job, Kind::Shadow, Kind::Local].map(reads).contains(&true)
}

/// Adds the codes and types of a failure.
fn with_codes(line: Line, failure: &Failure) -> Line {
    let line = line.with("deployment-error-types", format!("[{}]", failure.kinds().join(", ")));
    line.with("deployment-error-stack", format!("[{}]", failure.stack().join(", ")))
}

impl Outcome {
    fn succeeded() -> Self {
        Self { status: "SUCCEEDED", detailed: Some("SUCCESSFUL"), failure: None }
    }

    fn failed(detailed: &'static str, failure: Failure) -> Self {
        Self { status: "FAILED", detailed: Some(detailed), failure: Some(failure) }
    }

    fn unforeseen(failure: Failure) -> Self {
        Self { status: "FAILED", detailed: None, failure: Some(failure) }
    }

    fn details(&self) -> Details {
        Details::new(self.detailed, self.failure.as_ref())
    }
}

impl Deployer {
    pub(crate) fn new(kernel: Arc<Kernel>, keeper: Arc<Keeper>, data_plane: DataPlane, artifacts: Artifacts) -> Self {
        let directory = Directory::new(kernel.store.root());
        let launch = Launch::new(kernel.store.root());
        let deployer = Self { kernel, keeper, data_plane, artifacts, directory, launch };
        deployer.kernel.report(deployer.groups());
        deployer
    }

    /// Carries out deployments in their order for as long as the core lives, the one first that a restart interrupted.
    pub(crate) async fn run(self, queue: Arc<Queue>, mut resumed: Option<Resumed>) {
        loop {
            let item = queue.next().await;
            let resumed = resumed.take_if(|resumed| resumed.is(&item));
            self.carry_out(item, resumed).await;
        }
    }

    async fn carry_out(&self, item: Item, resumed: Option<Resumed>) {
        let tree = |look: fn(Kind, &serde_json::Value, &crate::configuration::Node) -> _| {
            self.kernel.config.configuration.read(|tree| look(item.kind, &item.document, tree))
        };
        let document = tree(Document::read);
        let id = document.as_ref().map_or("null", |document| &document.id).to_owned();
        let arn = document.as_ref().map_or("", |document| &document.arn).to_owned();
        let about = |line: Line| line.with("DeploymentId", &item.id).with("GreengrassDeploymentId", &id);
        self.tell_received(&item, resumed.is_some().then_some(id.as_str()));
        let document = match document {
            Ok(document) => document,
            Err(failure) => {
                let line = Line::error(LOGGER).message("Invalid document for deployment").cause(failure.to_string());
                let line = with_codes(line, &failure).with("DeploymentType", item.kind.to_string());
                self.kernel.logs.nucleus(&about(line));
                let details = Details::new(None, Some(&failure));
                return self.keeper.report(Report::new(&item, "", "", "FAILED").with(details)).await;
            }
        };
        if let Some(details) = self.stale(&document) {
            return self.reject(&item, &document, details).await;
        }
        self.keeper.report(Report::new(&item, &id, &arn, "IN_PROGRESS")).await;
        if let Some(resumed) = resumed {
            return self.judge(&item, &document, &resumed).await;
        }
        let outcome = self.attempt(&item, &document).await;
        item.over().await;
        self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Current deployment finished")));
        match outcome {
            Some(outcome) => self.finish(&item, &document, outcome).await,
            None => self.give_up(&item, &document).await,
        }
    }

    /// The lines of a deployment that is taken from the queue; its own id is known only of one that goes on after a restart.
    fn tell_received(&self, item: &Item, resumed: Option<&str>) {
        let line = Line::info(LOGGER).message("Received deployment in the queue").with("DeploymentId", &item.id);
        let line = line.with("GreengrassDeploymentId", resumed.unwrap_or("null"));
        self.kernel.logs.nucleus(&line.with("DeploymentType", item.kind.to_string()));
        if resumed.is_none() {
            let line = Line::info(LOGGER).message("Received deployment document in queue");
            self.kernel.logs.nucleus(&line.with("document", item.document.to_string()));
        }
    }

    /// Reports a deployment that is older than the group's last one.
    async fn reject(&self, item: &Item, document: &Document, details: Details) {
        let about = |line: Line| line.with("DeploymentId", &item.id).with("GreengrassDeploymentId", &document.id);
        let text = format!("Nucleus has a newer deployment for '{}' target. Rejecting the deployment", document.group);
        self.kernel.logs.nucleus(&Line::info(LOGGER).message(text));
        self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Current deployment finished")));
        let line = Line::warn(LOGGER).message("Deployment task rejected with following errors");
        let line = line.with("detailed-deployment-status", "REJECTED").with("deployment-error-types", "[]");
        let line = line.with("deployment-error-stack", format!("[{}]", details.stack.join(", ")));
        self.kernel.logs.nucleus(&about(line.cause(details.cause.clone().unwrap_or_default())));
        let report = Report::new(item, &document.id, &document.arn, "REJECTED").with(details);
        self.keeper.report(report).await;
    }

    /// Tries it; `None` if it was cancelled.
    async fn attempt(&self, item: &Item, document: &Document) -> Option<Outcome> {
        let unable = |error: std::io::Error| {
            let failure = Failure::new("Unable to create deployment directory", &["IO_ERROR", "IO_WRITE_ERROR"]);
            Outcome::failed("FAILED_NO_STATE_CHANGE", failure.because(error.to_string()))
        };
        if let Err(error) = self.launch.forget() {
            return Some(unable(error));
        }
        let folder = match self.directory.begin(&document.id, &self.kernel.logs) {
            Ok(folder) => folder,
            Err(error) => return Some(unable(error)),
        };
        if let Err(error) = self.directory.keep(&Metadata::new(item.kind, &item.id, &item.document)) {
            return Some(unable(error));
        }
        if let Err(failure) = document.check_capabilities().and_then(|()| self.bring(document)) {
            return Some(Outcome::failed("FAILED_NO_STATE_CHANGE", failure));
        }
        let line = Line::info(LOGGER).message("Started deployment execution");
        self.kernel.logs.nucleus(&line.with("deployment", &item.id));
        let mut cancelled = item.cancelled.clone();
        let mut versions = Versions::new();
        let outcome = self.task(document, folder, &mut versions, &mut cancelled).await;
        let done = outcome.as_ref().is_some_and(|outcome| outcome.failure.is_none());
        self.clean(if done { Versions::new() } else { versions });
        outcome
    }

    async fn task(
        &self,
        document: &Document,
        folder: PathBuf,
        versions: &mut Versions,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Option<Outcome> {
        let line = |message: &str| {
            let line = Line::info(TASK).event("deployment-task-execution").message(message);
            line.with("deploymentId", &document.id)
        };
        let config = self.kernel.config.configuration.read(groups::shown);
        self.kernel.logs.nucleus(&line("Starting deployment task").with("Deployment service config", config));
        let outcome = match self.ready(document, versions, cancelled).await {
            Ok(sections) if !*cancelled.borrow() => {
                self.merge(Target { document: document.clone(), sections, folder }, cancelled).await
            }
            Err(failure) if failure.is_unforeseen() && !*cancelled.borrow() => {
                return Some(Outcome::unforeseen(failure));
            }
            Err(failure) if !*cancelled.borrow() => {
                let line = Line::error(TASK).message("Error occurred while processing deployment");
                let line = line.with("deploymentId", &document.id).cause(failure.to_string());
                self.kernel.logs.nucleus(&line);
                return Some(Outcome::failed("FAILED_NO_STATE_CHANGE", failure));
            }
            _ => None,
        };
        self.kernel.logs.nucleus(&line("Finished deployment task"));
        outcome
    }

    /// Makes the change, over a restart if it takes one; `None` if it was cancelled.
    async fn merge(&self, target: Target, cancelled: &mut watch::Receiver<bool>) -> Option<Outcome> {
        let bootstraps = match self.bootstraps(&target.sections) {
            Ok(bootstraps) => bootstraps,
            Err(failure) => {
                let line = Line::error(activate::MERGER).event("config-update-error");
                let line = line.message("Failed to process new configuration for activation");
                self.kernel.logs.nucleus(&line.cause(failure.to_string()));
                return Some(Outcome::failed("FAILED_NO_STATE_CHANGE", failure));
            }
        };
        if !target.document.notify {
            let text =
                "Deployment is configured to skip update policy check, not waiting for disruptable time to update";
            self.kernel.logs.nucleus(&Line::info(activate::MERGER).message(text));
        }
        let line = Line::info(activate::MERGER).message("Applying deployment changes");
        self.log(line.with("deployment", &target.document.id));
        match bootstraps {
            Some(names) => Some(self.restart(&target, names).await),
            None => self.activate(&target, cancelled).await,
        }
    }

    /// Everything before the first change: groups, resolution, artifacts and configuration.
    async fn ready(
        &self,
        document: &Document,
        versions: &mut Versions,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<Sections, Failure> {
        if let Some(failure) = &document.faulty {
            return Err(failure.clone());
        }
        if document.is_large() {
            return Err(self.unsupported("the capability LARGE_CONFIGURATION"));
        }
        let member = self.membership(document, cancelled).await?;
        let roots = self.kernel.config.configuration.change(|tree| {
            groups::set_membership(tree, &member);
            groups::union(tree, document, &member)
        });
        let resolved = self.resolve(document, &roots, cancelled).await?;
        for (name, component) in &resolved {
            if let Some(what) = component.unsupported() {
                return Err(self.unsupported(&format!("{name}: {what}")));
            }
            versions.insert((name.clone(), component.recipe.version.clone()));
        }
        let names: Vec<(String, String)> = resolved.keys().map(|name| (name.clone(), String::new())).collect();
        let in_order: Vec<_> = log::java_order(&names).iter().filter_map(|(name, _)| resolved.get(*name)).collect();
        for component in &in_order {
            Artifacts::check(&component.recipe, &component.selected, |name| resolved.contains_key(name))?;
        }
        for component in &in_order {
            let (nucleus, Component { recipe, selected }) = (self.kernel.config.nucleus(), component);
            self.artifacts.prepare(&self.data_plane, &nucleus, recipe, selected, cancelled).await?;
        }
        self.render(document, &roots, &resolved)
    }

    /// Takes in what a deployment has come to, and reports it.
    async fn finish(&self, item: &Item, document: &Document, outcome: Outcome) {
        if let Some(failure) = &outcome.failure {
            let line = match outcome.detailed {
                Some(detailed) => Line::error(LOGGER)
                    .message("Deployment task failed with following errors")
                    .with("detailed-deployment-status", detailed),
                None => Line::error(LOGGER).message("Deployment task throws unknown exception"),
            };
            let line = line.with("DeploymentId", &item.id).with("GreengrassDeploymentId", &document.id);
            self.kernel.logs.nucleus(&with_codes(line, failure).cause(failure.to_string()));
        }
        if matches!(outcome.detailed, Some("SUCCESSFUL" | "FAILED_ROLLBACK_NOT_REQUESTED")) {
            self.kernel.config.configuration.change(|tree| groups::record(tree, document));
        }
        self.kernel.dump_configuration();
        self.kernel.report(self.groups());
        let report = Report::new(item, &document.id, &document.arn, outcome.status).with(outcome.details());
        self.keeper.report(report.roots(document.roots.keys())).await;
        let name = if outcome.failure.is_none() { "previous-success" } else { "previous-failure" };
        if let Err(error) = self.directory.finish(name, &self.kernel.logs) {
            let line = Line::error(LOGGER).message("Unable to preserve artifacts from the last deployment");
            self.kernel.logs.nucleus(&line.cause(error.to_string()));
        }
    }

    /// A cancelled deployment: the cloud takes no status of a cancelled job any more.
    async fn give_up(&self, item: &Item, document: &Document) {
        let about = |line: Line| line.with("DeploymentId", &item.id).with("GreengrassDeploymentId", &document.id);
        let text = "Cancelling deployment, changes may already have been applied. Make a new deployment to revert the \
                    update";
        self.kernel.logs.nucleus(&about(Line::warn(LOGGER).message(text)));
        if item.kind != Kind::Job {
            self.keeper.report(Report::new(item, &document.id, &document.arn, "CANCELED")).await;
        }
        self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Deployment was cancelled")));
        self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Deployment task is cancelled")));
    }

    /// Refuses a document that is older than the group's last one.
    fn stale(&self, document: &Document) -> Option<Details> {
        if document.kind != Kind::Job {
            return None;
        }
        let last = self.kernel.config.configuration.read(|tree| groups::last(tree, &document.group));
        let (_, last) = last.filter(|(time, _)| document.created < *time)?;
        let text = format!(
            "Nucleus has a newer deployment for '{}' target deployed by '{last}'. Rejecting the deployment from '{}'",
            document.group, document.arn
        );
        Some(Details {
            detailed: Some("REJECTED".into()),
            cause: Some(text),
            stack: ["DEPLOYMENT_REJECTED", "REJECTED_STALE_DEPLOYMENT"].map(str::to_owned).into(),
            types: Vec::new(),
        })
    }

    /// Removes from the store what no component runs or ran before, but for `spared`.
    fn clean(&self, spared: Versions) {
        let running = self.kernel.all().into_iter().flat_map(|service| {
            let path = ["services", &service.name, "previousVersion"];
            let previous = self.kernel.config.configuration.read(|tree| tree.text(&path));
            let previous = previous.and_then(|version| Version::parse(&version).ok());
            let versions = previous.into_iter().chain([service.spec().version.clone()]);
            versions.map(|version| (service.name.clone(), version)).collect::<Vec<_>>()
        });
        self.kernel.store.clean(&running.chain(spared).collect());
    }

    /// Who brought which component.
    fn groups(&self) -> fleet::Event {
        let (arns, roots) =
            self.kernel.config.configuration.read(|tree| (groups::component_arns(tree), groups::roots(tree)));
        let arns = arns.into_iter().map(|(name, arns)| (name, arns.into_values().collect())).collect();
        fleet::Event::Groups { arns, roots: roots.into_values().flat_map(BTreeMap::into_keys).collect() }
    }
}
