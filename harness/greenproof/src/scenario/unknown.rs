//! What a scenario's faults are about and it does not have.

use super::{Action, Scenario, Step};
use crate::fault::Fault;
use cloud::fault::{Kind, Special};

/// A name that a fault is about, of nothing that there is: the fault would strike nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Scenario {
    /// The first secret, token or key that a fault is about and the scenario does not have. A secret may also be made by a
    /// command on the device, or by a component whose recipe names it.
    #[must_use]
    pub fn unknown_of_faults(&self) -> Option<Unknown> {
        self.steps.iter().filter_map(Step::fault).find_map(|fault| self.unknown(fault))
    }

    fn unknown(&self, fault: &Fault) -> Option<Unknown> {
        let fault = fault.cloud()?;
        let (Kind::Special(special), Some(about)) = (&fault.kind, &fault.about) else { return None };
        let (table, known): (_, Vec<&String>) = match special {
            Special::SecretMissing | Special::SecretDeleted | Special::SecretRotated if !self.may_make(about) => {
                ("aws.secrets", self.aws.secrets.keys().collect())
            }
            Special::TokenRevoked => ("github.tokens", self.github.tokens.keys().collect()),
            Special::AppKeyRevoked => ("github.apps", self.github.apps.keys().collect()),
            Special::DeployKeyRevoked => ("github.deploy_keys", self.github.deploy_keys.keys().collect()),
            _ => return None,
        };
        if known.contains(&about) {
            return None;
        }
        let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Some(Unknown {
            name: about.clone(),
            message: format!("the fault `{}` is about `{about}`, which is not in `{table}`", fault.name()),
            hint: format!("correct the name; there is {known}"),
        })
    }

    fn may_make(&self, secret: &str) -> bool {
        // What may stand in the name of a secret.
        let is_of_name = |character: char| character.is_ascii_alphanumeric() || "/_+=.@-".contains(character);
        let names = |recipe: &str| recipe.split(|character| !is_of_name(character)).any(|word| word == secret);
        let commands = self.steps.iter().any(|step| matches!(step.action, Action::Run { .. } | Action::Cli(_)));
        commands || self.components.iter().any(|component| names(&component.recipe))
    }
}
