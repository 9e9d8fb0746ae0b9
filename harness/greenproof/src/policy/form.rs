//! Resources in the form that they have in every run: what a run minted is a placeholder.

use crate::{evidence::Evidence, scenario::Scenario};
use regex::Regex;
use std::sync::LazyLock;

static UUID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("the pattern is valid")
});

/// What a run minted, and what stands for it.
#[derive(Clone, Debug)]
pub struct Form {
    minted: Vec<(String, &'static str)>,
    /// Secrets whose suffix was minted.
    secrets: Vec<String>,
}

impl Form {
    /// The form of a run: `{account}`, `{thing}`, `{certificate}`, `{environment}`, `{id}`, and `??????` at the end of a
    /// secret's ARN; what the scenario states stays.
    #[must_use]
    pub fn of(scenario: &Scenario, evidence: &Evidence) -> Self {
        let mut minted = vec![(evidence.certificate.clone(), "{certificate}")];
        if scenario.device.thing.is_none() {
            minted.push((evidence.thing.clone(), "{thing}"));
        }
        if scenario.aws.account.is_none() {
            minted.push((evidence.account.clone(), "{account}"));
        }
        minted.push((evidence.environment.clone(), "{environment}"));
        let secrets = scenario.aws.secrets.iter().filter(|(_, secret)| secret.suffix.is_none());
        Self { minted, secrets: secrets.map(|(name, _)| format!(":secret:{name}-")).collect() }
    }

    /// The form of a resource.
    #[must_use]
    pub fn resource(&self, resource: &str) -> String {
        let mut text = resource.to_owned();
        for secret in &self.secrets {
            if let Some((before, suffix)) = text.split_once(secret.as_str())
                && suffix.len() == 6
            {
                text = format!("{before}{secret}??????");
                break;
            }
        }
        self.minted.iter().filter(|(value, _)| !value.is_empty()).for_each(|(value, name)| {
            text = text.replace(value.as_str(), name);
        });
        UUID.replace_all(&text, "{id}").into_owned()
    }
}
