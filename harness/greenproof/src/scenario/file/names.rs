//! What expectations and faults name: of a component that there can't be, every absence is true and says nothing, and a
//! fault of what is not there strikes nothing.

use super::Layer;
use crate::scenario::{
    Error, Scenario,
    step::{Action, Step},
};
use std::collections::BTreeSet;

/// The core's own log, which expectations name as they name a component's.
const CORE_LOG: &str = "greengrass";

/// How the names of AWS's own components begin.
const PUBLIC: &str = "aws.greengrass.";

impl Layer<'_> {
    /// Every secret, token and key that a fault is about is one of the scenario's.
    pub(super) fn check_faults(&self, scenario: &Scenario) -> Result<(), Error> {
        let Some(unknown) = scenario.unknown_of_faults() else { return Ok(()) };
        Err(self.error(self.find(&unknown.name), unknown.message, unknown.hint))
    }

    /// Every component that a step names is one of the scenario's or of AWS's own, unless a command on the device may bring others.
    pub(super) fn check_names(&self, scenario: &Scenario) -> Result<(), Error> {
        let commands = |step: &Step| matches!(step.action, Action::Run { .. } | Action::Cli(_));
        if scenario.steps.iter().any(commands) {
            return Ok(());
        }
        let own: BTreeSet<_> = scenario.components.iter().map(|component| component.name.as_str()).collect();
        let is_known = |name: &str| own.contains(name) || name == CORE_LOG || name.starts_with(PUBLIC);
        let named = scenario.steps.iter().flat_map(Step::named_components);
        let Some(unknown) = named.into_iter().find(|name| !is_known(name)) else { return Ok(()) };
        let own: Vec<_> = own.iter().map(|name| format!("`{name}`")).collect();
        let hint = format!("correct the name, or add the component's recipe; the scenario has {}", own.join(", "));
        Err(self.error(
            self.find(&unknown),
            format!("something is expected of `{unknown}`, which no `[[component]]` is"),
            hint,
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Scenario, file::tests::of_reference};

    fn loaded(more: &str) -> Result<Scenario, String> {
        of_reference("named.toml", more)
    }

    #[test]
    fn nothing_is_expected_of_a_component_that_there_cannot_be() {
        fidelity::fidelity!("verdict-2");
        let absent = |name: &str| format!("[expect]\ncomponents = {{ {name:?} = \"absent\" }}\n");
        let never = |name: &str| format!("[[expect.log]]\nfile = {name:?}\nhas = \"x\"\ntimes = 0\n");
        for name in ["com.example.GithubCustomPack", "aws.greengrass.Cli"] {
            for more in [absent(name), never(name), never("greengrass")] {
                loaded(&more).unwrap();
            }
        }
        for more in [absent("com.exampel.X"), never("com.exampel.X")] {
            let error = loaded(&more).unwrap_err();
            let line =
                1 + error.split_once("named.toml:").unwrap().1.split(':').next().unwrap().parse::<usize>().unwrap();
            assert!(line >= 3 && error.contains("`com.exampel.X`, which no `[[component]]` is"), "{error}");
            assert!(error.ends_with("the scenario has `com.example.GithubCustomPack`"), "{error}");
        }
        let command = "[[step]]\nrun = [\"true\"]\n";
        assert!(loaded(&format!("{}{command}", absent("com.example.Local"))).is_ok() || loaded(command).is_ok());
    }

    #[test]
    fn a_fault_is_about_what_there_is() {
        fidelity::fidelity!("fault-5");
        let secret = |name: &str| format!("faults = [\"secretsmanager.missing secret={name}\"]\n");
        loaded(&secret("GithubPersonalAccessToekn")).unwrap();
        let error = loaded(&secret("GithubPersonalAccessToken")).unwrap_err();
        assert!(error.contains("named.toml:2:"), "{error}");
        let says = "is about `GithubPersonalAccessToken`, which is not in `aws.secrets`; correct the name; \
                    there is `GithubPersonalAccessToekn`";
        assert!(error.ends_with(says), "{error}");
        for (fault, table) in [
            ("github.token-revoked token", "tokens"),
            ("github.app-key-revoked app", "apps"),
            ("github.deploy-key-revoked key", "deploy_keys"),
        ] {
            let error = loaded(&format!("faults = [\"{fault}=nobody\"]\n")).unwrap_err();
            assert!(error.contains(&format!("is about `nobody`, which is not in `github.{table}`")), "{error}");
        }
    }
}
