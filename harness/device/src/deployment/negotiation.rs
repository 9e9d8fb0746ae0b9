//! Which version of one component the device takes: what the cloud has, or what is on its own disk.

use super::{
    Deployer, RETRY,
    groups::LOCAL,
    resolve::{Component, Requirements, requirements_shown},
};
use crate::{
    artifact::pause,
    credentials::chain,
    dataplane,
    failure::Failure,
    log::{self, Line},
    platform,
    recipe::{self, Recipe},
    requirement::Requirement,
};
use semver::Version;
use std::collections::BTreeMap;
use tokio::sync::watch;

pub(super) const LOGGER: &str = "com.aws.greengrass.componentmanager.ComponentManager";

impl Deployer {
    /// The version of one component that meets these requirements, and what of its recipe applies to the device.
    pub(super) async fn component(
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
        let selected = recipe.select(&self.kernel.config.platform()).map_err(|error| unusable(&error))?;
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
            let (known, platform) = (rendered(requirements), self.kernel.config.platform());
            match self.data_plane.resolve(name, &known, Some(&version.to_string()), &platform).await {
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
            let platform = self.kernel.config.platform();
            let error = match self.data_plane.resolve(name, &rendered(requirements), None, &platform).await {
                Ok(answer) => return self.taken(&answer),
                Err(error) => error,
            };
            if !matches!(error, dataplane::Error::Transient(_)) {
                if matches!(error, dataplane::Error::Refused { status: 404, ref message, .. } if !is_claim(message)) {
                    let text = "Failed to negotiate version with cloud and no local version to fall back to";
                    let line = Line::error(LOGGER).message(text).with("componentName", name);
                    logs.nucleus(&line.with("versionRequirement", requirements_shown(requirements)));
                }
                return Err(refusal(name, requirements, &platform, &error));
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
pub(super) fn meets(requirements: &Requirements, version: &Version) -> bool {
    let texts: Vec<(String, String)> = rendered(requirements).into_iter().collect();
    let joined = log::java_order(&texts).iter().map(|(_, text)| *text).collect::<Vec<_>>().join(" ");
    Requirement::parse(&joined).is_ok_and(|joined| joined.matches(version))
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
