//! Deployments, one at a time: from the channel's document to the components' final states.

mod activate;
mod bootstrap;
mod directory;
mod document;
mod groups;
mod interpolation;
pub(crate) mod launch;
mod membership;
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
    log::Line,
    queue::{Item, Kind, Queue},
    status::{Details, Keeper, Report},
};
use directory::{Directory, Metadata};
use document::Document;
use launch::Launch;
use render::Sections;
use semver::Version;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.deployment.DeploymentService";
const TASK: &str = "com.aws.greengrass.deployment.DefaultDeploymentTask";
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
    detailed: &'static str,
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

impl Outcome {
    fn failed(detailed: &'static str, failure: Failure) -> Self {
        Self { status: "FAILED", detailed, failure: Some(failure) }
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
        deployer.kernel.report(fleet::Event::Roots(deployer.root_arns()));
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
        let line = Line::info(LOGGER).message("Received deployment in the queue");
        self.kernel.logs.nucleus(&about(line.with("DeploymentType", item.kind.to_string())));
        if resumed.is_none() {
            let line = Line::info(LOGGER).message("Received deployment document in queue");
            self.kernel.logs.nucleus(&line.with("document", item.document.to_string()));
        }
        let document = match document {
            Ok(document) => document,
            Err(failure) => {
                let line = Line::error(LOGGER).message("Invalid document for deployment").cause(failure.to_string());
                self.kernel.logs.nucleus(&about(line.with("DeploymentType", item.kind.to_string())));
                let details = Details::new("FAILED_NO_STATE_CHANGE", Some(&failure));
                return self.keeper.report(Report::new(&item, "", "", "FAILED").with(details)).await;
            }
        };
        if let Some(details) = self.stale(&document) {
            return self.keeper.report(Report::new(&item, &id, &arn, "REJECTED").with(details)).await;
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
        self.kernel.logs.nucleus(&line("Starting deployment task"));
        let outcome = match self.ready(document, versions, cancelled).await {
            Ok((sections, bootstraps)) if !*cancelled.borrow() => {
                let target = Target { document: document.clone(), sections, folder };
                if !document.notify {
                    let text = "Deployment is configured to skip update policy check, not waiting for disruptable time \
                                to update";
                    self.kernel.logs.nucleus(&Line::info(activate::MERGER).message(text));
                }
                let line = Line::info(activate::MERGER).message("Applying deployment changes");
                self.log(line.with("deployment", &document.id));
                match bootstraps {
                    Some(names) => Some(self.restart(&target, names).await),
                    None => self.activate(&target, cancelled).await,
                }
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

    /// Everything before the first change: groups, resolution, artifacts, configuration, and the bootstrap steps if it
    /// takes a restart.
    async fn ready(
        &self,
        document: &Document,
        versions: &mut Versions,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(Sections, Option<Vec<String>>), Failure> {
        let member = self.membership(document, cancelled).await?;
        let roots = self.kernel.config.configuration.change(|tree| {
            groups::set_membership(tree, &member);
            groups::union(tree, document, &member)
        });
        let resolved = self.resolve(&roots, cancelled).await?;
        for (name, component) in &resolved {
            if let Some(what) = component.unsupported() {
                return Err(self.unsupported(&format!("{name}: {what}")));
            }
            versions.insert((name.clone(), component.recipe.version.clone()));
        }
        for component in resolved.values() {
            Artifacts::check(&component.recipe, &component.selected, |name| resolved.contains_key(name))?;
        }
        for component in resolved.values() {
            self.artifacts.prepare(&self.data_plane, &component.recipe, &component.selected, cancelled).await?;
        }
        let sections = self.render(document, &roots, &resolved)?;
        let bootstraps = self.bootstraps(&sections)?;
        Ok((sections, bootstraps))
    }

    /// Takes in what a deployment has come to, and reports it.
    async fn finish(&self, item: &Item, document: &Document, outcome: Outcome) {
        if let Some(failure) = &outcome.failure {
            let line = Line::error(LOGGER).message("Deployment task failed with following errors");
            let line = line.with("DeploymentId", &item.id).with("GreengrassDeploymentId", &document.id);
            let line = line.with("detailed-deployment-status", outcome.detailed).cause(failure.to_string());
            let line = line.with("deployment-error-types", format!("[{}]", failure.kinds().join(", ")));
            let line = line.with("deployment-error-stack", format!("[{}]", failure.stack().join(", ")));
            self.kernel.logs.nucleus(&line);
        }
        if matches!(outcome.detailed, "SUCCESSFUL" | "FAILED_ROLLBACK_NOT_REQUESTED") {
            self.kernel.config.configuration.change(|tree| groups::record(tree, document));
        }
        self.kernel.dump_configuration();
        self.kernel.report(fleet::Event::Roots(self.root_arns()));
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

    /// Takes in the recipes and artifacts that a local deployment brings.
    fn bring(&self, document: &Document) -> Result<(), Failure> {
        let Some((recipes, artifacts)) = &document.folders else { return Ok(()) };
        self.kernel.store.bring(recipes.as_deref(), artifacts.as_deref()).map_err(|error| {
            Failure::new("Error copying recipes and artifacts", &["IO_ERROR", "IO_WRITE_ERROR"])
                .because(error.to_string())
        })
    }

    /// Removes from the store what no component runs, but for `spared`.
    fn clean(&self, spared: Versions) {
        let running =
            self.kernel.all().into_iter().map(|service| (service.name.clone(), service.spec().version.clone()));
        self.kernel.store.clean(&running.chain(spared).collect());
    }

    /// Configuration ARNs by root component.
    fn root_arns(&self) -> BTreeMap<String, Vec<String>> {
        let arns = self.kernel.config.configuration.read(groups::component_arns);
        arns.into_iter().map(|(name, arns)| (name, arns.into_values().collect())).collect()
    }
}
