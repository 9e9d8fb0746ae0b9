//! Which version of each component a deployment means.

use super::{
    Deployer,
    document::Document,
    groups::Roots,
    negotiation::{LOGGER, meets},
};
use crate::{
    config::{NUCLEUS, VERSION},
    failure::Failure,
    local,
    log::{self, Line},
    recipe::{Recipe, Selected},
    requirement::Requirement,
    tes,
};
use semver::Version;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::watch;

const RESOLVER: &str = "com.aws.greengrass.componentmanager.DependencyResolver";
/// The component type of a nucleus.
const NUCLEUS_TYPE: &str = "aws.greengrass.nucleus";

/// A component of the deployment at its version.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) recipe: Recipe,
    pub(super) selected: Selected,
}

/// The requirements on one component by who has them, in the order in which they came.
pub(super) type Requirements = Vec<(String, Requirement)>;

/// What is known while components are resolved.
#[derive(Debug, Default)]
struct Resolution {
    requirements: BTreeMap<String, Requirements>,
    resolved: BTreeMap<String, Component>,
    /// How often each component was come upon.
    references: BTreeMap<String, u32>,
}

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

    /// As the nucleus's identifiers are printed.
    fn identifier(&self) -> String {
        format!("{}-v{}", self.recipe.name, self.recipe.version)
    }
}

/// Whether AWS provides the component and it is not emulated.
fn is_foreign(name: &str) -> bool {
    name.starts_with("aws.greengrass.") && name != tes::NAME && name != local::NAME
}

impl Resolution {
    /// Adds a requirement; a later one of the same origin takes its place.
    fn require(&mut self, name: &str, by: &str, requirement: Requirement) {
        let of = self.requirements.entry(name.into()).or_default();
        match of.iter_mut().find(|(known, _)| known == by) {
            Some(known) => known.1 = requirement,
            None => of.push((by.into(), requirement)),
        }
    }

    fn of(&self, name: &str) -> Requirements {
        self.requirements.get(name).cloned().unwrap_or_default()
    }

    /// Forgets what only `removed`, a version that gave way to another, has brought.
    fn forget(&mut self, removed: Component) {
        let mut gone = VecDeque::from([removed]);
        while let Some(removed) = gone.pop_front() {
            for on in &removed.recipe.dependencies {
                if let Some(of) = self.requirements.get_mut(&on.name) {
                    of.retain(|(by, _)| *by != removed.recipe.name);
                }
                match self.references.get_mut(&on.name) {
                    Some(1) => {
                        self.references.remove(&on.name);
                        gone.extend(self.resolved.remove(&on.name));
                    }
                    Some(count) => *count -= 1,
                    None => {}
                }
            }
        }
    }

    /// Whether one of the components that `target` needs, or it itself, needs itself in the end.
    fn is_circular(&self, target: &str) -> bool {
        let on = |name: &str| self.resolved.get(name).into_iter().flat_map(|component| &component.recipe.dependencies);
        let reached = |from: &str| {
            let mut seen: Vec<&str> = Vec::new();
            let mut next: Vec<&str> = on(from).map(|on| on.name.as_str()).collect();
            while let Some(name) = next.pop() {
                if !seen.contains(&name) {
                    seen.push(name);
                    next.extend(on(name).map(|on| on.name.as_str()));
                }
            }
            seen
        };
        let mut all = reached(target);
        all.push(target);
        all.iter().any(|name| reached(name).contains(name))
    }

    /// The requirements on all components as Java prints them.
    fn shown(&self) -> String {
        shown(self.requirements.iter().map(|(name, of)| (name.clone(), requirements_shown(of))))
    }

    /// The components as Java prints them.
    fn resolved_shown(&self) -> String {
        shown(self.resolved.iter().map(|(name, component)| {
            let on = component.recipe.dependencies.iter().map(|on| (on.name.clone(), on.requirement.clone()));
            let text = format!("componentIdentifier={}, dependencies={}", component.identifier(), shown(on));
            (name.clone(), format!("ComponentMetadata({text})"))
        }))
    }
}

/// A map as Java prints it.
fn shown(entries: impl Iterator<Item = (String, String)>) -> String {
    let entries: Vec<(String, String)> = entries.collect();
    let entries: Vec<String> = log::java_order(&entries).iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", entries.join(", "))
}

pub(super) fn requirements_shown(of: &Requirements) -> String {
    shown(of.iter().map(|(by, requirement)| (by.clone(), requirement.to_string())))
}

impl Deployer {
    /// Resolves the roots of all groups, those of the deployment first, and what they depend on, breadth first.
    pub(super) async fn resolve(
        &self,
        document: &Document,
        roots: &Roots,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<BTreeMap<String, Component>, Failure> {
        let logs = &self.kernel.logs;
        let mut resolution = Resolution::default();
        let mut targets: Vec<String> = Vec::new();
        let own = roots.iter().filter(|(group, _)| **group == document.group);
        for (group, roots) in own.chain(roots.iter().filter(|(group, _)| **group != document.group)) {
            for (name, version) in roots {
                let requirement = Requirement::exactly(version).map_err(|_| {
                    let text = format!(
                        "Unsupported component version '{version}' for component '{name}'. For pre-release versions, please \
                         start the version tag with a non-numeric character"
                    );
                    Failure::new(text, &["COMPONENT_VERSION_NOT_VALID"])
                })?;
                resolution.require(name, group, requirement);
                if !targets.contains(name) {
                    targets.push(name.clone());
                }
            }
        }
        let line = Line::info(RESOLVER).event("resolve-all-group-dependencies-start");
        let line = line.with("allGroupTargets", format!("[{}]", targets.join(", ")));
        let line = line.with("componentToVersionRequirements", resolution.shown());
        logs.nucleus(&line.message("Start to resolve all groups dependencies"));
        for target in &targets {
            self.traverse(target, &mut resolution, cancelled).await?;
        }
        for target in document.roots.keys().filter(|target| resolution.is_circular(target)) {
            if let Some(component) = resolution.resolved.get(target) {
                let text = format!("Circular dependency detected for component {}", component.identifier());
                return Err(Failure::new(text, &["COMPONENT_CIRCULAR_DEPENDENCY_ERROR"]));
            }
        }
        check_single_nucleus(&resolution)?;
        let line = Line::info(RESOLVER).event("resolve-all-group-dependencies-finish");
        let line = line.with("resolvedComponents", resolution.resolved_shown());
        let line = line.with("componentToVersionRequirements", resolution.shown());
        logs.nucleus(&line.message("Finish resolving all groups dependencies"));
        Ok(resolution.resolved)
    }

    /// Resolves one root and what it depends on, breadth first; a component is looked at each time it is come upon.
    async fn traverse(
        &self,
        target: &str,
        resolution: &mut Resolution,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut queue = VecDeque::from([target.to_owned()]);
        while let Some(name) = queue.pop_front() {
            let of = resolution.of(&name);
            if name == NUCLEUS {
                self.check_nucleus(&of)?;
                continue;
            }
            if is_foreign(&name) {
                return Err(self.unsupported(&format!("the component `{name}`")));
            }
            let component = self.component(&name, &of, cancelled).await?;
            *resolution.references.entry(name.clone()).or_default() += 1;
            let previous = resolution.resolved.insert(name.clone(), component.clone());
            if let Some(previous) = previous {
                if previous.recipe.version == component.recipe.version {
                    continue;
                }
                resolution.forget(previous);
            }
            for dependency in &component.recipe.dependencies {
                let requirement = Requirement::parse(&dependency.requirement)
                    .map_err(|error| Failure::new(error.to_string(), &["COMPONENT_DEPENDENCY_NOT_VALID"]))?;
                resolution.require(&dependency.name, &name, requirement);
                queue.push_back(dependency.name.clone());
            }
        }
        Ok(())
    }

    fn check_nucleus(&self, requirements: &Requirements) -> Result<(), Failure> {
        if Version::parse(VERSION).is_ok_and(|own| meets(requirements, &own)) {
            let text = "Skipping Nucleus download as the same version is already installed";
            let line = Line::info(LOGGER).message(text).with("componentName", NUCLEUS);
            self.kernel.logs.nucleus(&line.with("version", VERSION));
            return Ok(());
        }
        Err(self.unsupported(&format!("{NUCLEUS} in another version than {VERSION}")))
    }

    /// Says that something is not emulated, which is told apart from a component's own failure.
    pub(super) fn unsupported(&self, what: &str) -> Failure {
        self.kernel.logs.nucleus(&Line::error(RESOLVER).event("greenproof-unsupported").message(what));
        Failure::new(format!("{what} is not emulated"), &[])
    }
}

/// A device has one nucleus.
fn check_single_nucleus(resolution: &Resolution) -> Result<(), Failure> {
    let of_type = resolution.resolved.values().filter(|component| component.recipe.kind == NUCLEUS_TYPE);
    let mut nuclei: Vec<String> = of_type.map(Component::identifier).collect();
    let needed = resolution.requirements.contains_key(NUCLEUS);
    if needed {
        nuclei.push(format!("{NUCLEUS}-v{VERSION}"));
    }
    if nuclei.len() < 2 {
        return Ok(());
    }
    let text = format!("Deployment cannot have more than 1 component of type Nucleus [{}]", nuclei.join(", "));
    Err(Failure::new(text, &["MULTIPLE_NUCLEUS_RESOLVED_ERROR"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform;

    fn component(name: &str, version: &str, on: &[(&str, &str)]) -> Component {
        let on: serde_json::Map<_, _> = on
            .iter()
            .map(|(name, requirement)| ((*name).to_owned(), serde_json::json!({"VersionRequirement": requirement})))
            .collect();
        let recipe = serde_json::json!({"RecipeFormatVersion": "2020-01-25", "ComponentName": name,
            "ComponentVersion": version, "ComponentDependencies": on, "Manifests": [{}]});
        let recipe = Recipe::read(&recipe).unwrap();
        let selected = recipe.select(&platform::Attributes::new()).unwrap();
        Component { recipe, selected }
    }

    #[test]
    fn a_version_that_gives_way_takes_what_only_it_needs() {
        fidelity::fidelity!("core-deploy-4");
        let mut resolution = Resolution::default();
        for (name, on) in [("c", &["d", "e"][..]), ("d", &["f"]), ("e", &[]), ("f", &[]), ("r", &["e"])] {
            let on: Vec<_> = on.iter().map(|name| (*name, "^1.0.0")).collect();
            for (on, _) in &on {
                resolution.require(on, name, Requirement::parse("^1.0.0").unwrap());
                *resolution.references.entry((*on).to_owned()).or_default() += 1;
            }
            resolution.resolved.insert(name.into(), component(name, "1.0.0", &on));
        }
        let removed = resolution.resolved.remove("c").unwrap();
        resolution.forget(removed);
        assert_eq!(resolution.resolved.keys().collect::<Vec<_>>(), ["e", "r"]);
        assert_eq!(resolution.of("e").len(), 1);
        assert!(resolution.of("f").is_empty());
    }

    #[test]
    fn circles_are_found_from_every_root_that_leads_into_one() {
        fidelity::fidelity!("core-deploy-4");
        let mut resolution = Resolution::default();
        for (name, on) in [("root", &["a", "d"][..]), ("a", &["b"]), ("b", &["a"]), ("c", &["d", "e"]), ("d", &["e"])] {
            let on: Vec<_> = on.iter().map(|name| (*name, "^1.0.0")).collect();
            resolution.resolved.insert(name.into(), component(name, "1.0.0", &on));
        }
        assert!(resolution.is_circular("root") && resolution.is_circular("a"));
        assert!(!resolution.is_circular("c") && !resolution.is_circular("e"));
    }
}
