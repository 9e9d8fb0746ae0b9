//! Which version of each component a deployment means.

use super::{
    Deployer, RETRY,
    groups::{LOCAL, Roots},
};
use crate::{
    artifact::pause,
    config::{NUCLEUS, VERSION},
    credentials::chain,
    dataplane,
    failure::Failure,
    local,
    log::Line,
    recipe::{self, Recipe, Selected},
    requirement::Requirement,
    tes,
};
use semver::Version;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.componentmanager.ComponentManager";
const RESOLVER: &str = "com.aws.greengrass.componentmanager.DependencyResolver";

/// A component of the deployment at its version.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) recipe: Recipe,
    pub(super) selected: Selected,
}

/// The requirements on one component by who has them.
type Requirements = BTreeMap<String, Requirement>;

impl Component {
    /// What of this component isn't emulated, if anything.
    pub(super) fn unsupported(&self) -> Option<String> {
        let recipe = &self.recipe;
        let own = recipe.name == tes::NAME || recipe.name == local::NAME;
        if recipe.kind != "aws.greengrass.generic" && !own {
            return Some(format!("the component type `{}`", recipe.kind));
        }
        None
    }
}

/// Whether AWS provides the component and it is not emulated.
fn is_foreign(name: &str) -> bool {
    name.starts_with("aws.greengrass.") && name != tes::NAME && name != local::NAME
}

impl Deployer {
    /// Resolves the roots of all groups and what they depend on, breadth first, one call per component.
    pub(super) async fn resolve(
        &self,
        roots: &Roots,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<BTreeMap<String, Component>, Failure> {
        let logs = &self.kernel.logs;
        let line = Line::info(RESOLVER).event("resolve-all-group-dependencies-start");
        logs.nucleus(&line.message("Start to resolve all groups dependencies"));
        let mut requirements: BTreeMap<String, Requirements> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for (group, roots) in roots {
            for (name, version) in roots {
                let requirement = Requirement::exactly(version).map_err(|_| {
                    let text = format!(
                        "Unsupported component version '{version}' for component '{name}'. For pre-release versions, please \
                         start the version tag with a non-numeric character"
                    );
                    Failure::new(text, &["COMPONENT_VERSION_NOT_VALID"])
                })?;
                requirements.entry(name.clone()).or_default().insert(group.clone(), requirement);
                if !queue.contains(name) {
                    queue.push_back(name.clone());
                }
            }
        }
        let mut resolved: BTreeMap<String, Component> = BTreeMap::new();
        while let Some(name) = queue.pop_front() {
            let of = requirements.entry(name.clone()).or_default().clone();
            if name == NUCLEUS {
                self.check_nucleus(&of)?;
                continue;
            }
            if resolved.get(&name).is_some_and(|known| meets(&of, &known.recipe.version)) {
                continue;
            }
            if is_foreign(&name) {
                return Err(self.unsupported(&format!("the component `{name}`")));
            }
            let component = self.component(&name, &of, cancelled).await?;
            for dependency in &component.recipe.dependencies {
                let requirement = Requirement::parse(&dependency.requirement)
                    .map_err(|error| Failure::new(error.to_string(), &["COMPONENT_DEPENDENCY_NOT_VALID"]))?;
                requirements.entry(dependency.name.clone()).or_default().insert(name.clone(), requirement);
                queue.push_back(dependency.name.clone());
            }
            resolved.insert(name, component);
        }
        if let Some(name) = resolved.keys().find(|name| circular(name, &resolved)) {
            let text = format!("Circular dependency detected for component {name}");
            return Err(Failure::new(text, &["COMPONENT_CIRCULAR_DEPENDENCY_ERROR"]));
        }
        let line = Line::info(RESOLVER).event("resolve-all-group-dependencies-finish");
        logs.nucleus(&line.message("Finish resolving all groups dependencies"));
        Ok(resolved)
    }

    fn check_nucleus(&self, requirements: &Requirements) -> Result<(), Failure> {
        if Version::parse(VERSION).is_ok_and(|own| meets(requirements, &own)) {
            let text = "Skipping Nucleus download as the same version is already installed";
            self.kernel.logs.nucleus(&Line::info(LOGGER).message(text));
            return Ok(());
        }
        Err(self.unsupported(&format!("{NUCLEUS} in another version than {VERSION}")))
    }

    /// Says that something is not emulated, which is told apart from a component's own failure.
    pub(super) fn unsupported(&self, what: &str) -> Failure {
        self.kernel.logs.nucleus(&Line::error(RESOLVER).event("greenproof-unsupported").message(what));
        Failure::new(format!("{what} is not emulated"), &[])
    }

    async fn component(
        &self,
        name: &str,
        requirements: &Requirements,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<Component, Failure> {
        let logs = &self.kernel.logs;
        let local = self.local(name, requirements);
        let rendered = requirements.iter().map(|(by, requirement)| (by.clone(), requirement.to_string())).collect();
        let candidate = local.as_ref().map(ToString::to_string);
        let answer = loop {
            if local.is_some() && requirements.contains_key(LOCAL) {
                break None;
            }
            let error = match self.data_plane.resolve(name, &rendered, candidate.as_deref()).await {
                Ok(answer) => break Some(answer),
                Err(error) => error,
            };
            if local.is_some() {
                let text = "Failed to negotiate version with cloud and fall back to use the local version";
                logs.nucleus(&Line::info(LOGGER).message(text).with("componentName", name).cause(chain(&error)));
                break None;
            }
            if !matches!(error, dataplane::Error::Transient(_)) {
                return Err(refusal(name, &rendered, &error));
            }
            let line = Line::info(LOGGER).event("resolve-component-version");
            let line = line.message("task failed and will be retried").with("task-attempt", "1");
            logs.nucleus(&line.cause(chain(&error)));
            pause(self.kernel.config.clock, cancelled, RETRY, RETRY).await?;
        };
        let recipe = match (answer, local) {
            (Some(answer), _) => {
                let recipe = Recipe::parse(&answer.recipe).map_err(|error| unusable(&error))?;
                self.kernel.store.keep_recipe(&recipe, Some(&answer.arn)).map_err(|error| {
                    Failure::new("Failed to save recipe", &["IO_ERROR", "IO_WRITE_ERROR"]).because(error.to_string())
                })?;
                recipe
            }
            (None, Some(version)) => self.kernel.store.recipe(name, &version).ok_or_else(|| {
                Failure::new("Failed to load recipe", &["COMPONENT_PACKAGE_LOADING_ERROR", "LOCAL_RECIPE_NOT_FOUND"])
            })?,
            (None, None) => return Err(Failure::new("No component version", &["NO_AVAILABLE_COMPONENT_VERSION"])),
        };
        let line = Line::info(LOGGER).event("resolve-component-version-end").message("Resolved component version.");
        logs.nucleus(&line.with("ResolvedComponent", format!("{name}-v{}", recipe.version)));
        let selected = recipe.select(&self.kernel.config.platform).map_err(|error| unusable(&error))?;
        selected.complaints.iter().for_each(|line| logs.nucleus(line));
        Ok(Component { recipe, selected })
    }

    /// The version that is there already: the running one, else the highest in the store.
    fn local(&self, name: &str, requirements: &Requirements) -> Option<Version> {
        let running = self.kernel.service(name).map(|service| service.spec().version.clone());
        if let Some(version) = running.filter(|version| meets(requirements, version)) {
            return Some(version);
        }
        let logs = &self.kernel.logs;
        let text = "No running component satisfies the requirement. Searching in the local component store.";
        logs.nucleus(&Line::info(LOGGER).message(text));
        let stored = self.kernel.store.versions(name).into_iter().filter(|version| meets(requirements, version)).max();
        if stored.is_none() {
            let text = "Can't find a local candidate that satisfies the requirement.";
            logs.nucleus(&Line::info(LOGGER).message(text));
        }
        stored
    }
}

fn meets(requirements: &Requirements, version: &Version) -> bool {
    requirements.values().all(|requirement| requirement.matches(version))
}

fn circular(start: &str, components: &BTreeMap<String, Component>) -> bool {
    let mut seen = Vec::new();
    let mut next = vec![start];
    while let Some(name) = next.pop() {
        for dependency in components.get(name).into_iter().flat_map(|component| &component.recipe.dependencies) {
            if dependency.name == start {
                return true;
            }
            if !seen.contains(&&dependency.name) {
                seen.push(&dependency.name);
                next.push(&dependency.name);
            }
        }
    }
    false
}

fn unusable(error: &recipe::Error) -> Failure {
    let codes: &[&'static str] = match error {
        recipe::Error::Parse(_) => {
            &["COMPONENT_PACKAGE_LOADING_ERROR", "IO_ERROR", "IO_MAPPING_ERROR", "RECIPE_PARSE_ERROR"]
        }
        recipe::Error::NoManifest(_) => &["COMPONENT_PACKAGE_LOADING_ERROR", "RECIPE_MISSING_MANIFEST"],
        recipe::Error::NoMatch(..) => &["COMPONENT_PACKAGE_LOADING_ERROR", "LOCAL_RECIPE_NOT_FOUND"],
    };
    Failure::new(error.to_string(), codes)
}

fn refusal(name: &str, requirements: &BTreeMap<String, String>, error: &dataplane::Error) -> Failure {
    let constraints: Vec<String> = requirements.iter().map(|(by, what)| format!("{by} requires {what}")).collect();
    match error {
        dataplane::Error::Invalid | dataplane::Error::Transient(_) => {
            Failure::new(error.to_string(), &["RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE"])
        }
        dataplane::Error::Refused { status: 403, .. } => {
            let text = "Access denied when calling ResolveComponentCandidates. Ensure certificate policy grants \
                        greengrass:ResolveComponentCandidates";
            let codes = ["CLOUD_API_ERROR", "ACCESS_DENIED", "RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED"];
            Failure::new(text, &codes).because(error.to_string())
        }
        dataplane::Error::Refused { message, .. } => {
            let what = if message.contains("claim platform") {
                "The version of component requested does not claim platform compatibility."
            } else {
                "No local or cloud component version satisfies the requirements"
            };
            let text = format!(
                "{what} Check whether the version constraints conflict and that the component exists in your AWS \
                 account with a version that matches the version constraints. If the version constraints conflict, \
                 revise deployments to resolve the conflict. Component {name} version constraints: {}.",
                constraints.join(", ")
            );
            Failure::new(text, &["NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_version() {
        fidelity::fidelity!("core-deploy-4");
        let requirements = BTreeMap::from([("thinggroup/G".to_owned(), "=1.0.0".to_owned())]);
        let error = dataplane::Error::Refused { status: 404, message: "no usable version".into(), request: "r".into() };
        let failure = refusal("X", &requirements, &error);
        assert!(failure.to_string().ends_with("Component X version constraints: thinggroup/G requires =1.0.0."));
        assert!(
            failure.to_string().starts_with("No local or cloud component version satisfies the requirements Check")
        );
        assert_eq!(failure.kinds(), ["REQUEST_ERROR"]);
    }
}
