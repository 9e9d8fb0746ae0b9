//! Deployments, one at a time: from the job's document to the components' final states.

mod activate;
mod document;
mod interpolation;
mod resolve;

use crate::{
    artifact::{Artifacts, pause},
    config::NUCLEUS,
    credentials::chain,
    dataplane::{self, DataPlane},
    failure::Failure,
    fleet,
    kernel::Kernel,
    log::Line,
    queue::{Item, Queue},
    status::{Details, Keeper, Report},
};
use document::Document;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
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
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) data_plane: DataPlane,
    pub(crate) artifacts: Artifacts,
    groups: Groups,
}

/// Which components each group brought, and its last deployment.
#[derive(Clone, Debug, Default)]
struct Groups {
    roots: BTreeMap<String, BTreeMap<String, document::Root>>,
    last: BTreeMap<String, (i64, String)>,
}

/// How a deployment ended.
struct Outcome {
    status: &'static str,
    detailed: &'static str,
    failure: Option<Failure>,
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
        Self { kernel, keeper, data_plane, artifacts, groups: Groups::default() }
    }

    /// Carries out deployments in their order for as long as the core lives.
    pub(crate) async fn run(mut self, queue: Arc<Queue>) {
        loop {
            let item = queue.next().await;
            self.carry_out(item).await;
        }
    }

    async fn carry_out(&mut self, item: Item) {
        let document = Document::parse(&item.document);
        let id = document.as_ref().map_or("", |document| &document.id).to_owned();
        let arn = document.as_ref().map_or("", |document| &document.arn).to_owned();
        let about = |line: Line| line.with("DeploymentId", &item.id).with("GreengrassDeploymentId", &id);
        let line = Line::info(LOGGER).message("Received deployment in the queue");
        self.kernel.logs.nucleus(&about(line.with("DeploymentType", item.kind.to_string())));
        let report = |status| Report::new(&item, &id, &arn, status);
        let document = match document {
            Ok(document) => document,
            Err(failure) => {
                self.keeper.report(report("IN_PROGRESS")).await;
                let details = Details::new("FAILED_NO_STATE_CHANGE", Some(&failure));
                return self.keeper.report(report("FAILED").with(details)).await;
            }
        };
        if let Some(details) = self.stale(&document) {
            return self.keeper.report(report("REJECTED").with(details)).await;
        }
        self.keeper.report(report("IN_PROGRESS")).await;
        let folder = id.replace(':', ".").replace('/', "+");
        if let Err(error) = std::fs::create_dir_all(self.kernel.store.root().join("deployments").join(folder)) {
            tracing::warn!(%error, "making the deployment's folder");
        }
        self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Started deployment execution")));
        let outcome = self.task(&document, &item.cancelled).await;
        if *item.cancelled.borrow() && outcome.failure.is_some() {
            self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Deployment was cancelled")));
            return;
        }
        item.over().await;
        match &outcome.failure {
            None => self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Current deployment finished"))),
            Some(failure) => {
                let line = Line::error(LOGGER).message("Deployment task failed with following errors");
                let line = line.with("detailed-deployment-status", outcome.detailed).cause(failure.to_string());
                let line = line.with("deployment-error-types", format!("[{}]", failure.kinds().join(", ")));
                let line = line.with("deployment-error-stack", format!("[{}]", failure.stack().join(", ")));
                self.kernel.logs.nucleus(&about(line));
            }
        }
        self.write_configuration();
        self.kernel.report(fleet::Event::Roots(self.roots()));
        let result = report(outcome.status).with(outcome.details()).roots(document.roots.keys());
        self.keeper.report(result).await;
    }

    /// Refuses a document that is older than the group's last one.
    fn stale(&self, document: &Document) -> Option<Details> {
        let (_, last) = self.groups.last.get(&document.group).filter(|(time, _)| document.created < *time)?;
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

    async fn task(&mut self, document: &Document, cancelled: &watch::Receiver<bool>) -> Outcome {
        let line = |message: &str| {
            let line = Line::info(TASK).event("deployment-task-execution").message(message);
            line.with("deploymentId", &document.id)
        };
        self.kernel.logs.nucleus(&line("Starting deployment task"));
        let outcome = match self.ready(document, cancelled).await {
            Ok((groups, specs)) => self.activate(document, groups, specs).await,
            Err(failure) => Outcome::failed("FAILED_NO_STATE_CHANGE", failure),
        };
        self.kernel.logs.nucleus(&line("Finished deployment task"));
        outcome
    }

    /// Everything before the first change: capabilities, groups, resolution, artifacts, configuration.
    async fn ready(
        &mut self,
        document: &Document,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(Groups, activate::Specs), Failure> {
        document.check_capabilities()?;
        let membership = self.membership(cancelled).await?;
        let mut groups = self.groups.clone();
        if let Some(membership) = membership {
            groups.roots.retain(|group, _| !group.starts_with("thinggroup/") || membership.contains(group));
        }
        groups.roots.insert(document.group.clone(), document.roots.clone());
        groups.last.insert(document.group.clone(), (document.created, document.arn.clone()));
        let resolved = self.resolve(&groups, cancelled).await?;
        for (name, component) in &resolved {
            if let Some(what) = component.unsupported() {
                let line = Line::error(TASK).event("greenproof-unsupported").message(format!("{name}: {what}"));
                self.kernel.logs.nucleus(&line);
                return Err(Failure::new(format!("{name}: {what}, which is not emulated"), &[]));
            }
        }
        for component in resolved.values() {
            Artifacts::check(&component.recipe, &component.selected, |name| resolved.contains_key(name))?;
        }
        for component in resolved.values() {
            self.artifacts.prepare(&self.data_plane, &component.recipe, &component.selected, cancelled).await?;
        }
        let specs = self.specs(document, &groups, &resolved)?;
        Ok((groups, specs))
    }

    /// The groups that the device is in; `None` if the cloud doesn't let it know.
    async fn membership(&self, cancelled: &watch::Receiver<bool>) -> Result<Option<BTreeSet<String>>, Failure> {
        loop {
            let error = match self.data_plane.thing_groups().await {
                Ok(groups) => return Ok(Some(groups.into_iter().collect())),
                Err(error) => error,
            };
            match &error {
                dataplane::Error::Refused { status: 403, .. } => {
                    let text =
                        "Failed to get thing group hierarchy. Deployment will proceed with the persisted mapping";
                    self.kernel.logs.nucleus(&Line::warn(TASK).message(text).cause(chain(&error)));
                    return Ok(None);
                }
                dataplane::Error::Refused { status, .. } => {
                    let code = if *status == 404 { "RESOURCE_NOT_FOUND" } else { "BAD_REQUEST" };
                    let failure = Failure::new("Error fetching thing group information", &["CLOUD_API_ERROR", code]);
                    return Err(failure.because(chain(&error)));
                }
                dataplane::Error::Transient(_) | dataplane::Error::Invalid => {
                    let line = Line::info(TASK).event("get-thing-group-hierarchy");
                    let line = line.message("task failed and will be retried").with("task-attempt", "1");
                    self.kernel.logs.nucleus(&line.cause(chain(&error)));
                    pause(self.kernel.config.clock, cancelled, RETRY, RETRY).await?;
                }
            }
        }
    }

    /// Configuration ARNs by root component.
    fn roots(&self) -> BTreeMap<String, Vec<String>> {
        let mut arns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (group, roots) in &self.groups.roots {
            let arn = self.groups.last.get(group).map(|(_, arn)| arn.clone()).unwrap_or_default();
            for name in roots.keys() {
                arns.entry(name.clone()).or_default().push(arn.clone());
            }
        }
        arns
    }

    /// Writes `config/effectiveConfig.yaml`.
    fn write_configuration(&self) {
        let config = &self.kernel.config;
        let roots: BTreeSet<&String> = self.groups.roots.values().flat_map(BTreeMap::keys).collect();
        let mut services = json!({
            (NUCLEUS): {"componentType": "NUCLEUS", "configuration": config.nucleus, "dependencies": [],
                "lifecycle": {}, "version": crate::config::VERSION},
            "main": {"dependencies": roots.iter().map(|name| format!("{name}:HARD")).collect::<Vec<_>>(),
                "lifecycle": {}},
        });
        for service in self.kernel.all() {
            services[&service.name] = service.spec().section();
        }
        let file = config.root.join("config/effectiveConfig.yaml");
        let text = serde_yaml_ng::to_string(&json!({"system": config.system, "services": services}));
        let result = text.map_err(std::io::Error::other).and_then(|text| std::fs::write(&file, format!("---\n{text}")));
        match result {
            Ok(()) => {
                let line =
                    Line::info("com.aws.greengrass.lifecyclemanager.Kernel").event("effective-config-dump-complete");
                self.kernel.logs.nucleus(&line.with("file", file.to_string_lossy()));
            }
            Err(error) => tracing::warn!(%error, "writing the effective configuration"),
        }
    }
}
