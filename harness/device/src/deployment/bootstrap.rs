//! Bootstrap steps: which a deployment has to run, in which order, and their execution one by one.

use super::{Deployer, directory, render::Sections};
use crate::{
    config::NUCLEUS,
    configuration::Node,
    failure::Failure,
    kernel::Kernel,
    lifecycle,
    log::{Line, Logs},
    service::Spec,
    tree,
    user::RunAs,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const LOGGER: &str = "com.aws.greengrass.deployment.bootstrap.BootstrapManager";
/// What the nucleus is to do after a step, as its exit code.
pub(super) const RESTART: i32 = 100;
/// The device is to start again too.
pub(crate) const REBOOT: i32 = 101;
/// Keys of the nucleus's configuration that take effect at its start, with their defaults.
const RESTARTING: [(&[&str], &str); 9] = [
    (&["networkProxy", "noProxyAddresses"], ""),
    (&["networkProxy", "proxy", "url"], ""),
    (&["networkProxy", "proxy", "username"], ""),
    (&["networkProxy", "proxy", "password"], ""),
    (&["runWithDefault", "posixUser"], ""),
    (&["runWithDefault", "posixShell"], "sh"),
    (&["mqtt", "version"], "mqtt5"),
    (&["mqtt", "spooler", "storageType"], "Memory"),
    (&["fipsMode"], "false"),
];

/// The steps of one deployment, kept on disk after each one.
#[derive(Debug)]
pub(super) struct Tasks {
    file: PathBuf,
    list: Vec<Task>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    component_name: String,
    status: Status,
    exit_code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Pending,
    Done,
}

impl Task {
    /// Whether it hasn't run, or has failed.
    fn is_open(&self) -> bool {
        self.status == Status::Pending || ![0, RESTART, REBOOT].contains(&self.exit_code)
    }
}

impl Tasks {
    pub(super) fn new(file: PathBuf, names: Vec<String>) -> Self {
        let task = |component_name| Task { component_name, status: Status::Pending, exit_code: 0 };
        Self { file, list: names.into_iter().map(task).collect() }
    }

    /// Reads them back.
    pub(super) fn read(file: PathBuf) -> io::Result<Self> {
        Ok(Self { list: directory::read(&file)?, file })
    }

    pub(super) fn keep(&self) -> io::Result<()> {
        directory::write(&self.file, &self.list)
    }

    /// Whether steps are left to run.
    pub(super) fn is_open(&self) -> bool {
        self.list.iter().any(Task::is_open)
    }

    /// The components whose step has been run.
    fn started(&self) -> impl Iterator<Item = &String> {
        self.list.iter().filter(|task| task.status == Status::Done).map(|task| &task.component_name)
    }

    /// Runs what is left, up to a step that asks for a restart. Returns the exit code that the nucleus is to have.
    pub(super) async fn run(&mut self, kernel: &Arc<Kernel>) -> Result<i32, Failure> {
        while let Some(task) = self.list.iter_mut().find(|task| task.is_open()) {
            let name = task.component_name.clone();
            let line = Line::info(LOGGER).message("Execute component bootstrap step").with("componentName", &name);
            kernel.logs.nucleus(&line);
            let code = execute(kernel, &name).await?;
            (task.status, task.exit_code) = (Status::Done, code);
            self.keep().map_err(|error| Failure::new(error.to_string(), &["IO_ERROR", "IO_WRITE_ERROR"]))?;
            match code {
                0 => {}
                RESTART | REBOOT => return Ok(code),
                _ => {
                    let text = format!("Fail to execute bootstrap step for {name}, exit code: {code}");
                    let codes = ["COMPONENT_UPDATE_ERROR", "COMPONENT_BOOTSTRAP_ERROR"];
                    return Err(Failure::new(text, &codes).kind(kernel.component_error(&name)));
                }
            }
        }
        let text = "Completed all bootstrap tasks. Continue to activate deployment changes";
        kernel.logs.nucleus(&Line::info(super::restart::LOGGER).message(text));
        Ok(RESTART)
    }
}

/// Runs the step of one component, which isn't running.
async fn execute(kernel: &Arc<Kernel>, name: &str) -> Result<i32, Failure> {
    let Some(spec) = kernel.specs().remove(name) else { return Ok(0) };
    lifecycle::bootstrap(kernel, name, spec).await.map_err(|timeout| {
        let codes = ["COMPONENT_UPDATE_ERROR", "COMPONENT_BOOTSTRAP_TIMEOUT"];
        let failure = Failure::new(format!("java.util.concurrent.TimeoutException: {timeout}"), &codes);
        failure.because(timeout.to_string()).kind(kernel.component_error(name))
    })
}

impl Deployer {
    /// The components whose bootstrap step the deployment has to run, in dependency order; `None` if it doesn't restart
    /// the nucleus.
    pub(super) fn bootstraps(&self, sections: &Sections) -> Result<Option<Vec<String>>, Failure> {
        let logs = &self.kernel.logs;
        let before = self.kernel.config.configuration.read(Clone::clone);
        let restarts = self.nucleus_restarts(sections.of.get(NUCLEUS))?;
        let names = sections.components().filter(|name| is_due(&before, name, &sections.of[*name], logs));
        let names: BTreeSet<&String> = names.collect();
        if names.is_empty() {
            logs.nucleus(&Line::info(LOGGER).message("No component found with a pending bootstrap task"));
        } else {
            let list = in_order(&names, sections);
            let line = Line::info(LOGGER).message("Found a list of bootstrap tasks in dependency order");
            logs.nucleus(&line.with("list", format!("[{}]", list.join(", "))));
            return Ok(Some(list));
        }
        if restarts {
            let text = "Bootstrap required as some component configs changed";
            logs.nucleus(&Line::info(LOGGER).message(text));
        }
        Ok(restarts.then(Vec::new))
    }

    /// Whether the nucleus's own configuration changes in what it reads at its start only.
    fn nucleus_restarts(&self, section: Option<&Value>) -> Result<bool, Failure> {
        let Some(new) = section.and_then(|section| section.get("configuration")) else { return Ok(false) };
        let old = self.kernel.config.nucleus();
        let at = |tree: &Value, path: &[&str], default: &str| {
            let found = path.iter().try_fold(tree, |tree, key| tree::get(tree, key));
            found.map_or_else(|| default.to_owned(), |value| value.as_str().map_or(value.to_string(), str::to_owned))
        };
        let mut restarts = false;
        for (path, default) in RESTARTING {
            let value = at(new, path, default);
            if value.eq_ignore_ascii_case(&at(&old, path, default)) {
                continue;
            }
            let line = Line::info(LOGGER).message("Restart required due to configuration change");
            self.kernel.logs.nucleus(&line.with(path.join("."), &value));
            if path == ["runWithDefault", "posixUser"] && RunAs::resolve(&value).is_err() {
                let text = format!("Error while looking up user '{value}'");
                return Err(Failure::new(text, &["RUN_WITH_CONFIG_NOT_VALID"]));
            }
            restarts = true;
        }
        Ok(restarts)
    }

    /// The steps that going back has to run: of components that ask for it, and whose new version's step was begun.
    pub(super) fn rollback_bootstraps(&self, tasks: &Tasks, before: &Node) -> Vec<String> {
        let now = self.kernel.config.configuration.read(Clone::clone);
        let begun: BTreeSet<&String> = tasks.started().collect();
        let wanted = |name: &String| {
            let asks = before.text(&["services", name, "lifecycle", "bootstrap", "bootstrapOnRollback"]);
            let section = before.get(&["services", name]).unwrap_or_default();
            let due = is_due(&now, name, &section, &self.kernel.logs);
            asks.is_some_and(|asks| asks.eq_ignore_ascii_case("true")) && begun.contains(name) && due
        };
        tasks.list.iter().map(|task| task.component_name.clone()).filter(wanted).collect()
    }
}

/// Whether the component's new section has a bootstrap step that its present one hasn't run.
fn is_due(before: &Node, name: &str, section: &Value, logs: &Logs) -> bool {
    let Some(step) = tree::get(section, "lifecycle").and_then(|lifecycle| tree::get(lifecycle, "bootstrap")) else {
        return false;
    };
    let Some(known) = before.find(&["services", name]) else {
        let line = Line::info(LOGGER).message("Bootstrap is required: new service with bootstrap defined");
        logs.nucleus(&line.with("componentName", name));
        return true;
    };
    known.text(&["version"]) != tree::text(section, "version")
        || known.get(&["lifecycle", "bootstrap"]).as_ref() != Some(step)
}

/// The components, each after those of them that it depends on.
fn in_order(names: &BTreeSet<&String>, sections: &Sections) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::new();
    let mut left: Vec<&String> = names.iter().copied().collect();
    while !left.is_empty() {
        let waits = |name: &String| {
            let on = Spec::read(&sections.of[name], String::new()).map(|spec| spec.dependencies).unwrap_or_default();
            on.iter().any(|(on, _)| left.contains(&on))
        };
        // A circle has been refused before.
        let place = left.iter().position(|name| !waits(name)).unwrap_or_default();
        ordered.push(left.remove(place).clone());
    }
    ordered
}

/// The file with the tasks of the deployment in `folder`, or of going back from it.
pub(super) fn file(folder: &Path, rollback: bool) -> PathBuf {
    folder.join(if rollback { "rollback_bootstrap_task.json" } else { "bootstrap_task.json" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn which_steps_are_due() {
        fidelity::fidelity!("core-bootstrap-1");
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let mut before = Node::empty();
        let old = json!({"version": "1.0.0", "lifecycle": {"Bootstrap": {"Script": "b"}, "run": "r"}});
        before.merge(&["services", "x"], &old, 1);
        let due = |name: &str, version: &str, lifecycle: Value| {
            is_due(&before, name, &json!({"version": version, "lifecycle": lifecycle}), &logs)
        };
        assert!(!due("x", "1.0.0", json!({"Bootstrap": {"Script": "b"}, "run": "other"})));
        assert!(due("x", "1.0.0", json!({"Bootstrap": {"Script": "c"}})));
        assert!(due("x", "1.0.1", json!({"Bootstrap": {"Script": "b"}})));
        assert!(!due("x", "2.0.0", json!({"run": "r"})));
        assert!(due("new", "1.0.0", json!({"bootstrap": "b"})));
        assert!(!due("new", "1.0.0", json!({"install": "b"})));
    }

    #[test]
    fn tasks_go_on_where_they_were() {
        fidelity::fidelity!("core-durable-2");
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), false);
        let mut tasks = Tasks::new(file.clone(), vec!["a".into(), "b".into()]);
        (tasks.list[0].status, tasks.list[0].exit_code) = (Status::Done, RESTART);
        tasks.keep().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(r#"[{"componentName":"a","status":"DONE","exitCode":100},{"#), "{text}");
        let mut tasks = Tasks::read(file).unwrap();
        assert!(tasks.is_open());
        assert_eq!(tasks.started().collect::<Vec<_>>(), ["a"]);
        (tasks.list[1].status, tasks.list[1].exit_code) = (Status::Done, 7);
        assert!(tasks.is_open(), "a failed one is not done");
        tasks.list[1].exit_code = 0;
        assert!(!tasks.is_open());
    }
}
