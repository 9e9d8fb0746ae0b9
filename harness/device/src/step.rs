//! One lifecycle step made ready to run: its script, environment, user and time-out.

use crate::{
    exec::{Plan, Sink, Stream},
    kernel::Kernel,
    log::{Line, command},
    service::{Service, Spec},
    tree,
    user::{self, RunAs},
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// Logger of the generic component's lifecycle.
pub(crate) const LOGGER: &str = "com.aws.greengrass.lifecyclemanager.GenericExternalService";

/// A script that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) plan: Plan,
    /// The configuration path, spelled as in the recipe.
    pub(crate) script_name: String,
    pub(crate) script: String,
    /// The step's own time-out.
    pub(crate) timeout: Option<Duration>,
    run_as: RunAs,
}

/// Why a step can't run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    /// The step's section isn't valid.
    Invalid,
    /// Nobody says which user runs it.
    NoUser,
}

/// Makes a step ready; `None` if there is none or it is to be skipped.
///
/// # Errors
/// If it can't run.
pub(crate) fn prepare(kernel: &Kernel, service: &Service, name: &str) -> Result<Option<Step>, Unready> {
    let spec = service.spec();
    let Some((key, section)) = tree::entry(&spec.lifecycle, name) else { return Ok(None) };
    let path = format!("services.{}.lifecycle.{key}", service.name);
    let invalid = |message: &str| {
        let line = Line::error(LOGGER).thread(thread(service)).event("generic-service-invalid-config").message(message);
        kernel.logs.nucleus(&context(line, service).with("configNode", &path));
        Unready::Invalid
    };
    let (script, script_name) = match section {
        Value::String(script) => (script.clone(), path.clone()),
        Value::Object(_) => {
            if let Some(condition) = tree::text(section, "skipIf") {
                match skip(&condition, kernel) {
                    None => {
                        return Err(invalid("Invalid format for skipif. Should follow the pattern"));
                    }
                    Some(true) => return Ok(None),
                    Some(false) => {}
                }
            }
            let Some((key, script)) = tree::entry(section, "script").and_then(|(k, v)| Some((k, v.as_str()?))) else {
                return Err(invalid("Missing script"));
            };
            (script.to_owned(), format!("{path}.{key}"))
        }
        _ => return Err(invalid("Missing script")),
    };
    let privileged = tree::text(section, "requiresPrivilege").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let run_as = run_as(kernel, &spec, privileged).ok_or(Unready::NoUser)?;
    let plan = Plan {
        argv: argv(kernel, &run_as, &script),
        folder: kernel.store.work(&service.name),
        environment: environment(kernel, service, &spec, section),
    };
    let timeout = tree::text(section, "timeout").and_then(|text| text.trim().parse::<f64>().ok());
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Some(Step { plan, script_name, script, timeout, run_as }))
}

impl Step {
    /// Gives the component's files to the user of this step.
    pub(crate) fn own_files(&self, kernel: &Kernel, service: &Service) {
        let given = match self.run_as.ids {
            Some((uid, gid)) => kernel.store.give(&service.name, &service.spec().version, uid, gid),
            None => {
                Err(std::io::Error::other(format!("unknown user or group {}:{}", self.run_as.user, self.run_as.group)))
            }
        };
        if let Err(error) = given {
            let line = Line::error(LOGGER).thread(thread(service)).event("update-artifact-owner");
            let line = line.message("Error updating service artifact owner").cause(error.to_string());
            kernel.logs.nucleus(&context(line, service));
            let line = Line::error(LOGGER).thread(thread(service));
            let line = line.message("Service artifacts may not be accessible to user");
            kernel.logs.nucleus(&context(line, service));
        }
    }

    /// A line about this script in the component's log.
    pub(crate) fn line(&self, line: Line, service: &Service) -> Line {
        context(line, service).with("scriptName", &self.script_name)
    }

    /// The command as log lines show it.
    pub(crate) fn command(&self) -> String {
        command(&self.script)
    }

    /// Takes the script's output into the component's log.
    pub(crate) fn sink(&self, kernel: &Arc<Kernel>, service: &Arc<Service>) -> Sink {
        let (kernel, service, step) = (kernel.clone(), service.clone(), self.clone());
        Arc::new(move |stream, text| {
            let line = match stream {
                Stream::Stdout => Line::info(&service.name).event("stdout"),
                Stream::Stderr => Line::warn(&service.name).event("stderr"),
            };
            let line = line.thread("Copier").message(text);
            kernel.logs.component(&service.name, &step.line(line, &service));
        })
    }
}

/// Adds the component and its current state.
pub(crate) fn context(line: Line, service: &Service) -> Line {
    line.with("serviceName", &service.name).with("currentState", service.state().to_string())
}

/// Name of the component's lifecycle thread.
pub(crate) fn thread(service: &Service) -> String {
    format!("{}-lifecycle", service.name)
}

fn run_as(kernel: &Kernel, spec: &Spec, privileged: bool) -> Option<RunAs> {
    let (uid, gid) = kernel.own;
    let own = RunAs { user: format!("#{uid}"), group: format!("#{gid}"), ids: Some((uid, gid)) };
    if privileged {
        return Some(own);
    }
    match spec.user.as_deref().or(kernel.config.default_user.as_deref()) {
        Some(user) => user::resolve(user),
        None => (uid != 0).then_some(own),
    }
}

fn argv(kernel: &Kernel, run_as: &RunAs, script: &str) -> Vec<String> {
    let shell = [kernel.config.shell.as_str(), "-c", script];
    let sudo = ["sudo", "-n", "-E", "-H", "-u", &run_as.user, "-g", &run_as.group, "--"];
    let decorator: &[&str] = if run_as.ids == Some(kernel.own) { &[] } else { &sudo };
    decorator.iter().chain(&shell).map(|argument| (*argument).to_owned()).collect()
}

fn environment(kernel: &Kernel, service: &Service, spec: &Spec, section: &Value) -> BTreeMap<String, String> {
    let mut environment = kernel.environment();
    environment.insert("SVCUID".into(), service.token.clone());
    environment.insert("AWS_CONTAINER_AUTHORIZATION_TOKEN".into(), service.token.clone());
    for section in [&spec.lifecycle, section] {
        let variables = tree::get(section, "setenv").and_then(Value::as_object);
        for (key, value) in variables.into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            environment.insert(key.clone(), text);
        }
    }
    environment
}

/// Whether a `SkipIf` holds; `None` if it isn't written correctly.
fn skip(condition: &str, kernel: &Kernel) -> Option<bool> {
    let condition = condition.trim();
    let (negated, condition) = condition.strip_prefix('!').map_or((false, condition), |rest| (true, rest.trim_start()));
    let (verb, what) = condition.split_once(' ')?;
    let what = what.trim();
    let holds = match verb {
        _ if what.is_empty() => return None,
        "onpath" => kernel.path().split(':').any(|folder| is_executable(&Path::new(folder).join(what))),
        "exists" => expand(what, kernel).exists(),
        _ => return None,
    };
    Some(holds != negated)
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn expand(path: &str, kernel: &Kernel) -> std::path::PathBuf {
    let root = kernel.store.root();
    for (prefix, folder) in [
        ("~root/", root.to_owned()),
        ("~config/", root.join("config")),
        ("~packages/", root.join("packages")),
        ("~/", kernel.home.clone()),
    ] {
        if let Some(rest) = path.strip_prefix(prefix) {
            return folder.join(rest);
        }
    }
    path.into()
}
