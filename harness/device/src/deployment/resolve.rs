//! Which version of each component a deployment means.

use super::{
    Deployer, RETRY,
    document::Document,
    groups::{LOCAL, Roots},
};
use crate::{
    artifact::pause,
    config::{NUCLEUS, VERSION},
    credentials::chain,
    dataplane,
    failure::Failure,
    local,
    log::{self, Line},
    platform,
    recipe::{self, Recipe, Selected},
    requirement::Requirement,
    tes,
};
use semver::Version;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.componentmanager.ComponentManager";
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
type Requirements = Vec<(String, Requirement)>;

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

fn requirements_shown(of: &Requirements) -> String {
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

    async fn component(
        &self,
        name: &str,
        requirements: &Requirements,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<Component, Failure> {
        let logs = &self.kernel.logs;
        let recipe = match self.local(name, requirements) {
            Some(version) => self.recipe(name, requirements, version).await?,
            None => self.negotiated(name, requirements, cancelled).await?,
        };
        let line = Line::info(LOGGER).event("resolve-component-version-end").message("Resolved component version.");
        logs.nucleus(&line.with("ResolvedComponent", format!("{name}-v{}", recipe.version)));
        let selected = recipe.select(&self.kernel.config.platform).map_err(|error| unusable(&error))?;
        selected.complaints.iter().for_each(|line| logs.nucleus(line));
        Ok(Component { recipe, selected })
    }

    /// The recipe that the cloud has for a component of which the device has a version, which it falls back to.
    async fn recipe(&self, name: &str, requirements: &Requirements, version: Version) -> Result<Recipe, Failure> {
        let logs = &self.kernel.logs;
        let candidate = format!("{name}-v{version}");
        let text = "Found the best local candidate that satisfies the requirement.";
        logs.nucleus(&Line::info(LOGGER).message(text).with("LocalCandidateId", &candidate));
        if requirements.iter().any(|(by, _)| by == LOCAL) {
            let text = "Local group has a requirement and found satisfying local candidate. Using the local candidate as \
                        the resolved version without negotiating with cloud.";
            logs.nucleus(&Line::info(LOGGER).message(text));
        } else {
            match self.data_plane.resolve(name, &rendered(requirements), Some(&version.to_string())).await {
                Ok(answer) => return self.taken(&answer),
                Err(error) => {
                    let text = "Failed to negotiate version with cloud and fall back to use the local version";
                    let line = Line::info(LOGGER).message(text).with("componentName", name);
                    let line = line.with("versionRequirement", requirements_shown(requirements));
                    let line = line.with("localVersion", &candidate);
                    let known = matches!(error, dataplane::Error::Refused { status: 404, .. });
                    logs.nucleus(&if known { line } else { line.cause(chain(&error)) });
                }
            }
        }
        self.kernel.store.recipe(name, &version).ok_or_else(|| {
            Failure::new("Failed to load recipe", &["COMPONENT_PACKAGE_LOADING_ERROR", "LOCAL_RECIPE_NOT_FOUND"])
        })
    }

    /// The recipe that the cloud has for a component of which the device has no version; passing trouble is waited out.
    async fn negotiated(
        &self,
        name: &str,
        requirements: &Requirements,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<Recipe, Failure> {
        let logs = &self.kernel.logs;
        let mut attempt = 0_u32;
        loop {
            let error = match self.data_plane.resolve(name, &rendered(requirements), None).await {
                Ok(answer) => return self.taken(&answer),
                Err(error) => error,
            };
            if !matches!(error, dataplane::Error::Transient(_)) {
                if matches!(error, dataplane::Error::Refused { status: 404, ref message, .. } if !is_claim(message)) {
                    let text = "Failed to negotiate version with cloud and no local version to fall back to";
                    let line = Line::error(LOGGER).message(text).with("componentName", name);
                    logs.nucleus(&line.with("versionRequirement", requirements_shown(requirements)));
                }
                return Err(refusal(name, requirements, &self.kernel.config.platform, &error));
            }
            attempt += 1;
            if attempt == 1 || attempt.is_multiple_of(20) {
                let line = Line::info(LOGGER).event("resolve-component-version");
                let line = line.message("task failed and will be retried").with("task-attempt", attempt.to_string());
                logs.nucleus(&line.cause(chain(&error)));
            }
            pause(self.kernel.config.clock, cancelled, RETRY, RETRY).await?;
        }
    }

    /// Keeps the recipe that the cloud gave.
    fn taken(&self, answer: &dataplane::Resolved) -> Result<Recipe, Failure> {
        let recipe = Recipe::parse(&answer.recipe).map_err(|error| unusable(&error))?;
        self.kernel.store.keep_recipe(&recipe, Some(&answer.arn)).map_err(|error| {
            Failure::new("Failed to save recipe", &["IO_ERROR", "IO_WRITE_ERROR"]).because(error.to_string())
        })?;
        Ok(recipe)
    }

    /// The version that is there already: the running one, else the highest in the store.
    fn local(&self, name: &str, requirements: &Requirements) -> Option<Version> {
        let logs = &self.kernel.logs;
        let running = self.kernel.service(name).map(|service| service.spec().version.clone());
        if let Some(version) = running.filter(|version| meets(requirements, version)) {
            let text = "Found running component which meets the requirement and use it.";
            logs.nucleus(&Line::info(LOGGER).message(text).with("ComponentIdentifier", format!("{name}-v{version}")));
            return Some(version);
        }
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

/// The requirements as the cloud is told them.
fn rendered(requirements: &Requirements) -> BTreeMap<String, String> {
    requirements.iter().map(|(by, requirement)| (by.clone(), requirement.to_string())).collect()
}

/// Whether a version meets all requirements. The nucleus reads them as one text, so that an alternative of one is an
/// alternative to all of them.
fn meets(requirements: &Requirements, version: &Version) -> bool {
    let texts: Vec<(String, String)> = rendered(requirements).into_iter().collect();
    let joined = log::java_order(&texts).iter().map(|(_, text)| *text).collect::<Vec<_>>().join(" ");
    Requirement::parse(&joined).is_ok_and(|joined| joined.matches(version))
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

/// Whether the cloud says that a component is not for this platform.
fn is_claim(message: &str) -> bool {
    message.contains("claim platform")
}

fn refusal(
    name: &str,
    requirements: &Requirements,
    platform: &platform::Attributes,
    error: &dataplane::Error,
) -> Failure {
    const NONE: [&str; 2] = ["NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"];
    let wrapped =
        |failure: Failure| failure.wrapped("An error occurred while negotiating component version with cloud");
    match error {
        dataplane::Error::Invalid | dataplane::Error::Transient(_) => {
            wrapped(Failure::new(error.to_string(), &["RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE"]))
        }
        dataplane::Error::Refused { status: 403, .. } => {
            let text = "Access denied when calling ResolveComponentCandidates. Ensure certificate policy grants \
                        greengrass:ResolveComponentCandidates";
            let codes = ["CLOUD_API_ERROR", "ACCESS_DENIED", "RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED"];
            Failure::new(text, &codes).because(error.to_string())
        }
        dataplane::Error::Refused { status: 404, message, .. } if is_claim(message) => {
            let attributes: Vec<(String, String)> = platform.clone().into_iter().collect();
            let attributes = log::java_order(&attributes);
            let attributes: Vec<String> = attributes.iter().map(|(key, value)| format!(" {key}:{value}")).collect();
            let text = format!(
                "The version of component requested does not claim platform compatibility. Check whether the component \
                 platform specifications mentioned in its recipe match the core device platform constraints. If the \
                 component is not supported on the core device platform with classic runtime, revise deployments to \
                 resolve the conflict. Component '{name}' is incompatible with the core device(classic) platform \
                 requirements - {}.",
                attributes.join(",")
            );
            wrapped(Failure::new(text, &NONE))
        }
        dataplane::Error::Refused { status: 404, .. } => {
            let constraints: Vec<(String, String)> = rendered(requirements).into_iter().collect();
            let constraints = log::java_order(&constraints);
            let constraints: Vec<String> =
                constraints.iter().map(|(by, what)| format!(" {by} requires {what}")).collect();
            let text = format!(
                "No local or cloud component version satisfies the requirements Check whether the version constraints \
                 conflict and that the component exists in your AWS account with a version that matches the version \
                 constraints. If the version constraints conflict, revise deployments to resolve the conflict. Component \
                 {name} version constraints:{}.",
                constraints.join(",")
            );
            Failure::new(text, &NONE)
        }
        dataplane::Error::Refused { status, .. } => {
            let codes: &[&'static str] = match status {
                400 => &["CLOUD_API_ERROR", "BAD_REQUEST"],
                409 => &["CLOUD_API_ERROR", "CONFLICTED_REQUEST"],
                _ => &["CLOUD_API_ERROR"],
            };
            Failure::new(error.to_string(), codes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLATFORM: [(&str, &str); 2] = [("os", "linux"), ("architecture", "amd64")];

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

    fn refused(status: u16, message: &str) -> Failure {
        let requirements = ["com.example.A", "thinggroup/G"]
            .map(|by| (by.to_owned(), Requirement::parse(if by.contains('/') { "=1.0.0" } else { "^2.0.0" }).unwrap()));
        let platform = PLATFORM.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let error = dataplane::Error::Refused { status, message: message.into(), request: "r".into() };
        refusal("X", &requirements.to_vec(), &platform, &error)
    }

    #[test]
    fn no_version() {
        fidelity::fidelity!("core-deploy-4");
        let failure = refused(404, "no usable version");
        assert!(
            failure.to_string().ends_with(
                "Component X version constraints: com.example.A requires >=2.0.0 <3.0.0, thinggroup/G requires =1.0.0."
            ),
            "{failure}"
        );
        assert!(
            failure.to_string().starts_with("No local or cloud component version satisfies the requirements Check")
        );
        assert_eq!(failure.kinds(), ["REQUEST_ERROR"]);
    }

    #[test]
    fn other_refusals() {
        fidelity::fidelity!("core-deploy-4");
        let claim = refused(404, "X doesn't claim platform os=linux");
        let text = "An error occurred while negotiating component version with cloud. The version of component requested \
                    does not claim platform compatibility. Check whether the component platform";
        assert!(claim.to_string().starts_with(text), "{claim}");
        assert!(claim.to_string().ends_with("platform requirements -  os:linux, architecture:amd64."), "{claim}");
        assert_eq!(refused(400, "m").stack(), ["DEPLOYMENT_FAILURE", "CLOUD_API_ERROR", "BAD_REQUEST"]);
        assert_eq!(refused(400, "m").kinds(), ["NUCLEUS_ERROR"]);
        assert_eq!(refused(409, "m").kinds(), ["REQUEST_ERROR"]);
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

    #[test]
    fn requirements_are_met_as_one_text() {
        fidelity::fidelity!("core-deploy-4");
        let requirements = |texts: &[(&str, &str)]| {
            let requirement = |(by, text): &(&str, &str)| ((*by).to_owned(), Requirement::parse(text).unwrap());
            texts.iter().map(requirement).collect::<Requirements>()
        };
        let version = |text| Version::parse(text).unwrap();
        let both = requirements(&[("a", ">=1.0.0"), ("b", "<2.0.0")]);
        assert!(meets(&both, &version("1.5.0")) && !meets(&both, &version("2.0.0")));
        assert!(!meets(&both, &version("1.5.0-rc")), "several comparators keep pre-releases out");
        assert!(meets(&requirements(&[("a", ">=1.0.0")]), &version("1.5.0-rc")));
        let either = requirements(&[("a", "1.x || 3.x"), ("b", "=3.0.0")]);
        assert!(meets(&either, &version("1.5.0")), "an alternative of one stands for all");
    }
}
