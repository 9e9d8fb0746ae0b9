//! One lifecycle step made ready to run: its script, its environment and its user.

pub(crate) mod coerce;
mod skip;

use crate::{
    exec::{Plan, Sink, Stream},
    kernel::Kernel,
    log::{Cause, Line, command},
    service::Service,
    tree,
    user::RunAs,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Logger of the generic component's lifecycle.
pub(crate) const LOGGER: &str = "com.aws.greengrass.lifecyclemanager.GenericExternalService";

/// The steps of a component's life, the one that lasts longest first.
const LIFE: [&str; 4] = ["run", "startup", "install", "bootstrap"];

/// A script that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) plan: Plan,
    /// The configuration path, spelled as in the recipe.
    pub(crate) script_name: String,
    pub(crate) script: String,
}

/// A script as the recipe has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) text: String,
    privileged: bool,
    /// What `Setenv` of the lifecycle and of the step say.
    setenv: BTreeMap<String, String>,
}

/// The step's section isn't valid; the log has said why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

impl Script {
    /// Reads a step; `None` if there is none or it is to be skipped.
    ///
    /// # Errors
    /// If its section isn't valid.
    pub(crate) fn read(kernel: &Kernel, service: &Service, step: &str) -> Result<Option<Self>, Invalid> {
        let spec = service.spec();
        let Some((key, section)) = tree::entry(&spec.lifecycle, step) else { return Ok(None) };
        let path = format!("services.{}.lifecycle.{key}", service.name);
        let Value::Object(_) = section else {
            let setenv = setenv(&[&spec.lifecycle]);
            return Ok(Some(Self { name: path, text: leaf(section), privileged: false, setenv }));
        };
        if skips(kernel, service, section)? {
            let line = Line::debug(LOGGER).event("generic-service-skipped").with("script", path);
            kernel.logs.nucleus(&context(line, service));
            return Ok(None);
        }
        match tree::entry(section, "script") {
            Some((key, script)) if !script.is_object() => Ok(Some(Self {
                name: format!("{path}.{key}"),
                text: leaf(script),
                privileged: tree::get(section, "requiresPrivilege").is_some_and(coerce::truth),
                setenv: setenv(&[&spec.lifecycle, section]),
            })),
            _ => {
                let line = Line::error(LOGGER).thread(thread(service)).event("generic-service-invalid-config");
                kernel.logs.nucleus(&context(line.message("Missing script"), service).with("configNode", path));
                Err(Invalid)
            }
        }
    }
}

impl Script {
    /// The first step of a component's life that there is; an empty script if there is none.
    pub(crate) fn any(service: &Service) -> Self {
        let spec = service.spec();
        let section = LIFE.iter().find_map(|step| tree::get(&spec.lifecycle, step));
        let sections = [Some(&spec.lifecycle), section].into_iter().flatten().collect::<Vec<_>>();
        Self { name: String::new(), text: String::new(), privileged: false, setenv: setenv(&sections) }
    }
}

impl Step {
    /// Makes a script ready for the user that runs the component.
    pub(crate) fn new(kernel: &Kernel, service: &Service, script: Script, run_as: &RunAs) -> Self {
        let privileged = kernel.own.privileged();
        let run_as = if script.privileged { &privileged } else { run_as };
        let mut environment = kernel.environment();
        environment.insert("SVCUID".into(), service.token.clone());
        environment.insert("AWS_CONTAINER_AUTHORIZATION_TOKEN".into(), service.token.clone());
        environment.extend(script.setenv);
        let plan = Plan {
            sudo: kernel.own.sudo(run_as),
            command: vec![kernel.config.shell.clone(), "-c".into(), script.text.clone()],
            folder: kernel.store.work(&service.name),
            environment,
        };
        Self { plan, script_name: script.name, script: script.text }
    }

    /// Whether it is a step of the component's life, not of its end.
    pub(crate) fn is_of_its_life(&self) -> bool {
        let mut parts = self.script_name.split(".lifecycle.").skip(1);
        let step = parts.next().and_then(|rest| rest.split('.').next()).unwrap_or_default();
        LIFE.iter().any(|known| step.eq_ignore_ascii_case(known))
    }

    /// Adds the script's name, the component and its current state to a line.
    pub(crate) fn line(&self, line: Line, service: &Service) -> Line {
        context(line.with("scriptName", &self.script_name), service)
    }

    /// The script as log lines show it.
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

/// The time-out of a step in seconds, if it says one.
pub(crate) fn timeout(service: &Service, step: &str) -> Option<Duration> {
    let spec = service.spec();
    let value = tree::get(tree::get(&spec.lifecycle, step)?, "timeout")?;
    Some(seconds(value))
}

/// A period of a recipe; a negative one is over at once.
pub(crate) fn seconds(value: &Value) -> Duration {
    Duration::from_secs(coerce::integer(value).try_into().unwrap_or_default())
}

/// Gives the component's files to the user that runs it.
pub(crate) fn own_files(kernel: &Kernel, service: &Service, run_as: &RunAs) {
    let given = match run_as.ids() {
        Ok((uid, gid)) => {
            let given = kernel.store.give(&service.name, &service.spec().version, uid, gid);
            given.map_err(|error| Cause::io(&error))
        }
        Err(name) => Err(Cause::new("java.nio.file.attribute.UserPrincipalNotFoundException", name)),
    };
    if let Err(cause) = given {
        let line = Line::error(LOGGER).thread(thread(service)).event("update-artifact-owner");
        let line = line.message("Error updating service artifact owner").cause(cause);
        kernel.logs.nucleus(&context(line, service).with("user", &run_as.user).with("group", &run_as.group));
        let line = Line::error(LOGGER).thread(thread(service));
        kernel.logs.nucleus(&context(line.message("Service artifacts may not be accessible to user"), service));
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

fn skips(kernel: &Kernel, service: &Service, section: &Value) -> Result<bool, Invalid> {
    let condition = tree::get(section, "skipIf").filter(|condition| !condition.is_object());
    let Some(condition) = condition else { return Ok(false) };
    let places = skip::Places { root: kernel.store.root(), home: &kernel.home, path: kernel.path() };
    places.holds(&coerce::text(condition)).map_err(|condition| {
        let line = Line::error(LOGGER).thread(thread(service)).event("generic-service-invalid-config");
        let line = line.message("Invalid format for skipif. Should follow the pattern");
        let line = context(line, service).with("command received", condition).with("valid pattern", skip::PATTERN);
        kernel.logs.nucleus(&line);
        Invalid
    })
}

/// The text of a leaf; there is none in null.
fn leaf(value: &Value) -> String {
    if value.is_null() { String::new() } else { coerce::text(value) }
}

/// The variables of the sections; a later one wins. What is no leaf sets nothing.
fn setenv(sections: &[&Value]) -> BTreeMap<String, String> {
    let variables = sections.iter().filter_map(|section| tree::get(section, "setenv")?.as_object()).flatten();
    let variables = variables.filter(|(_, value)| !value.is_object() && !value.is_null());
    variables.map(|(key, value)| (key.clone(), coerce::text(value))).collect()
}
