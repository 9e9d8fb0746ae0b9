//! Deployments that restart the nucleus: bootstrap steps between its end and its next start, and what follows then.
//!
//! Whatever happens, the nucleus exits; links in `alts` and files in the deployment's folder tell the next start where
//! to go on.

use super::{
    Deployer, Outcome, Target,
    bootstrap::{self, REBOOT, RESTART, Tasks},
    directory::{Metadata, Stage},
    document::Document,
    settle::{Settled, settle},
};
use crate::{
    configuration::Configuration,
    failure::Failure,
    log::Line,
    queue::{Item, Kind},
};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

pub(super) const LOGGER: &str = "com.aws.greengrass.deployment.activator.KernelUpdateActivator";
const KERNEL: &str = "com.aws.greengrass.lifecyclemanager.Kernel";
/// The task is told by the service's logger.
const TASK: &str = super::LOGGER;

/// What a start finds of a deployment that restarted the nucleus.
#[derive(Debug)]
pub(crate) struct Resumed {
    metadata: Metadata,
    stage: Stage,
    folder: PathBuf,
}

impl Resumed {
    /// Looks for one; its configuration is the nucleus's from then on.
    pub(crate) fn find(root: &Path, configuration: &Configuration) -> Option<Self> {
        let launch = super::launch::Launch::new(root);
        let directory = super::Directory::new(root);
        let open =
            |folder: &Path, rollback| Tasks::read(bootstrap::file(folder, rollback)).is_ok_and(|tasks| tasks.is_open());
        let folder = directory.ongoing()?;
        let (stage, file) = match (launch.is_activating(), launch.is_rolling_back()) {
            (true, _) if open(&folder, false) => (Stage::Bootstrap, "target_config.tlog"),
            (true, _) => (Stage::KernelActivation, "target_config.tlog"),
            (_, true) if open(&folder, true) => (Stage::RollbackBootstrap, "rollback_snapshot.tlog"),
            (_, true) => (Stage::KernelRollback, "rollback_snapshot.tlog"),
            _ => return None,
        };
        let metadata = directory.kept().ok()?;
        configuration.restore(&folder.join(file)).ok()?;
        Some(Self { metadata, stage, folder })
    }

    /// The deployment as it was received.
    pub(crate) fn item(&self) -> Item {
        let kinds = [Kind::Job, Kind::Shadow, Kind::Local];
        let kind = kinds.into_iter().find(|kind| kind.to_string() == self.metadata.deployment_type);
        let metadata = &self.metadata;
        Item::new(kind.unwrap_or(Kind::Job), metadata.id.clone(), metadata.deployment_document.clone())
    }

    /// Whether this is the deployment that it is about.
    pub(super) fn is(&self, item: &Item) -> bool {
        self.metadata.id == item.id && self.metadata.deployment_type == item.kind.to_string()
    }

    /// Why it failed before the restart.
    fn failure(&self) -> Failure {
        let metadata = &self.metadata;
        let texts = |of: &Option<Vec<String>>| of.clone().unwrap_or_default();
        Failure::kept(
            metadata.stage_details.clone().unwrap_or_default(),
            texts(&metadata.error_stack),
            texts(&metadata.error_types),
        )
    }
}

impl Deployer {
    /// Stops every component, runs the bootstrap steps and exits; returns only if nothing could be begun.
    pub(super) async fn restart(&self, target: &Target, names: Vec<String>) -> Outcome {
        match self.prepare(target, names).await {
            Ok(tasks) => self.run_tasks(tasks, &target.folder).await,
            Err(error) => {
                let failure = Failure::new(error.to_string(), &["IO_ERROR", "IO_WRITE_ERROR"]);
                Outcome::failed("FAILED_NO_STATE_CHANGE", failure)
            }
        }
    }

    /// Everything up to the first step. The link comes last: from it on the deployment goes on after a restart.
    async fn prepare(&self, target: &Target, names: Vec<String>) -> io::Result<Tasks> {
        let configuration = &self.kernel.config.configuration;
        configuration.snapshot(&target.folder.join("rollback_snapshot.tlog"))?;
        self.kernel.shut_down().await;
        let kept: BTreeSet<&String> = target.sections.components().collect();
        let change = |tree: &mut crate::configuration::Node| {
            target.sections.apply(tree);
            tree.keep_components(|name| kept.contains(name));
        };
        configuration.draft(&target.folder.join("target_config.tlog"), change)?;
        let tasks = Tasks::new(bootstrap::file(&target.folder, false), names);
        tasks.keep()?;
        self.launch.activate(&target.document.id)?;
        configuration.change(change);
        Ok(tasks)
    }

    /// Runs the steps, and exits.
    async fn run_tasks(&self, mut tasks: Tasks, folder: &Path) -> ! {
        match tasks.run(&self.kernel).await {
            Ok(code) => self.exit(code).await,
            Err(failure) => self.turn_back(&tasks, folder, &failure).await,
        }
    }

    /// Begins the rollback, and exits.
    async fn turn_back(&self, tasks: &Tasks, folder: &Path, failure: &Failure) -> ! {
        let line = Line::info(LOGGER).event("merge-config").message("Rolling back failed deployment");
        self.kernel.logs.nucleus(&line.cause(failure.to_string()));
        if let Err(error) = self.prepare_rollback(tasks, folder, failure) {
            let line = Line::error(LOGGER).message("Failed to set up rollback directory");
            self.kernel.logs.nucleus(&line.cause(error.to_string()));
        }
        self.exit(RESTART).await
    }

    fn prepare_rollback(&self, tasks: &Tasks, folder: &Path, failure: &Failure) -> io::Result<()> {
        let before = Configuration::peek(&folder.join("rollback_snapshot.tlog"))?;
        let names = self.rollback_bootstraps(tasks, &before);
        let mut metadata = self.directory.kept()?;
        metadata.deployment_stage = if names.is_empty() { Stage::KernelRollback } else { Stage::RollbackBootstrap };
        let texts = |of: Vec<&str>| Some(of.into_iter().map(str::to_owned).collect());
        (metadata.error_stack, metadata.error_types) = (texts(failure.stack()), texts(failure.kinds()));
        metadata.stage_details = Some(failure.to_string());
        Tasks::new(bootstrap::file(folder, true), names).keep()?;
        self.directory.keep(&metadata)?;
        self.launch.roll_back()
    }

    async fn exit(&self, code: i32) -> ! {
        let what = if code == REBOOT { "device reboot" } else { "Nucleus restart" };
        let line = Line::info(LOGGER).message(format!("{what} requested to complete bootstrap task"));
        self.kernel.logs.nucleus(&line);
        self.kernel.exit(code);
        std::future::pending().await
    }

    /// Goes on with steps that a restart interrupted, before anything else of the core starts. Returns the deployment
    /// if it is to be judged now.
    pub(crate) async fn bootstrap(&self, resumed: Resumed) -> Resumed {
        let stage = serde_json::to_value(resumed.stage).unwrap_or_default();
        let line = Line::info(KERNEL).message("Resume deployment");
        self.kernel.logs.nucleus(&line.with("deploymentStage", stage.as_str().unwrap_or_default()));
        let rollback = match resumed.stage {
            Stage::Bootstrap => false,
            Stage::RollbackBootstrap => true,
            _ => return resumed,
        };
        let Ok(mut tasks) = Tasks::read(bootstrap::file(&resumed.folder, rollback)) else { return resumed };
        match tasks.run(&self.kernel).await {
            Ok(code) => self.exit(code).await,
            Err(failure) if !rollback => {
                let line = Line::error(KERNEL).message("Deployment bootstrap failed");
                self.kernel.logs.nucleus(&line.cause(failure.to_string()));
                self.turn_back(&tasks, &resumed.folder, &failure).await
            }
            Err(failure) => {
                let line = Line::error(KERNEL).message("Rollback bootstrapping failed");
                self.kernel.logs.nucleus(&line.cause(failure.to_string()));
                resumed
            }
        }
    }

    /// Waits for the components after the restart and reports.
    pub(super) async fn judge(&self, item: &Item, document: &Document, resumed: &Resumed) {
        let names: BTreeSet<String> = self.kernel.specs().into_keys().collect();
        let list = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let line = Line::info(TASK).message("Nucleus update workflow waiting for services to complete update");
        self.kernel.logs.nucleus(&line.with("serviceToTrack", format!("[{list}]")));
        let mut cancelled = item.cancelled.clone();
        let settled = settle(&self.kernel, &names, &mut cancelled).await;
        if settled == Settled::Cancelled {
            return self.give_up(item, document).await;
        }
        if let (Settled::Broken(name), Stage::KernelActivation) = (&settled, resumed.stage) {
            let failure = self.broken(name, item.kind);
            let line = Line::error(TASK).event("deployment-errored").cause(failure.to_string());
            self.kernel.logs.nucleus(&line.with("deploymentId", &document.id));
            let tasks = Tasks::read(bootstrap::file(&resumed.folder, false));
            let tasks = tasks.unwrap_or_else(|_| Tasks::new(bootstrap::file(&resumed.folder, false), Vec::new()));
            self.turn_back(&tasks, &resumed.folder, &failure).await;
        }
        // Not before: going back needs the versions from before.
        self.clean(super::Versions::new());
        let outcome = match (settled, resumed.stage) {
            (Settled::Reached, Stage::KernelActivation) => Outcome::succeeded(),
            (Settled::Reached, Stage::KernelRollback) => Outcome::failed("FAILED_ROLLBACK_COMPLETE", resumed.failure()),
            (Settled::Broken(_), Stage::KernelRollback) => {
                let line = Line::error(TASK).message("Nucleus update workflow failed on rollback");
                self.kernel.logs.nucleus(&line.with("deploymentId", &document.id));
                Outcome::failed("FAILED_UNABLE_TO_ROLLBACK", resumed.failure())
            }
            _ => Outcome::failed("FAILED_UNABLE_TO_ROLLBACK", resumed.failure()),
        };
        let done = outcome.failure.is_none();
        self.finish(item, document, outcome).await;
        if let Err(error) = if done { self.launch.activated() } else { self.launch.rolled_back() } {
            let what = if done { "activate" } else { "rollback" };
            let line = Line::error(super::LOGGER).message(format!("Failed to reset Nucleus {what} directory"));
            self.kernel.logs.nucleus(&line.cause(error.to_string()));
        }
    }
}
