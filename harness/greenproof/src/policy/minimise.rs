//! The least policies that keep a scenario green: derived from what a green run asked for, and proven by runs.
//!
//! A statement stays if the run is red without it. Within a statement each action and resource stays if a request that the
//! green run made would be denied without it, which is decided without a run. What a run minted becomes a policy variable
//! where the request carried one with that value, else a wildcard.

mod prove;
mod report;
mod statement;

pub use prove::{Least, Removal, minimise};
pub use statement::Statement;

use super::{Error, change::world, form::Form, recorded::asked};
use crate::{evidence::Evidence, scenario::Scenario};
use cloud::{event::Decision, policies::Account, world::World};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Which of the two policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// That of the token exchange role.
    Role,
    /// That of the certificate.
    Iot,
}

impl Which {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Role, Self::Iot];
}

/// The policies that are sought; the scenario keeps its own of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// Which are sought.
    pub sought: Vec<Which>,
    /// The role's statements.
    pub role: Vec<Statement>,
    /// The certificate's statements.
    pub iot: Vec<Statement>,
}

impl Policies {
    /// What allows everything that a run was allowed, and nothing that it did not ask for.
    #[must_use]
    pub fn derive(scenario: &Scenario, evidence: &Evidence, sought: &[Which]) -> Self {
        let requests = allowed(scenario, evidence);
        let of = |which| {
            let requests = requests.iter().filter(|(of, _)| *of == which).map(|(_, decision)| decision);
            statement::derive(requests.map(|decision| (decision.action.clone(), pattern(scenario, evidence, decision))))
        };
        Self { sought: sought.to_vec(), role: of(Which::Role), iot: of(Which::Iot) }
    }

    /// The statements of one.
    #[must_use]
    pub fn of(&self, which: Which) -> &[Statement] {
        match which {
            Which::Role => &self.role,
            Which::Iot => &self.iot,
        }
    }

    fn of_mut(&mut self, which: Which) -> &mut Vec<Statement> {
        match which {
            Which::Role => &mut self.role,
            Which::Iot => &mut self.iot,
        }
    }

    /// Every statement by its place.
    fn places(&self) -> Vec<(Which, usize)> {
        let of = |which: &Which| (0..self.of(*which).len()).zip(std::iter::repeat(*which));
        self.sought.iter().flat_map(of).map(|(index, which)| (which, index)).collect()
    }

    /// The same without some statements.
    fn without(&self, places: &[(Which, usize)]) -> Self {
        let mut less = self.clone();
        for which in Which::ALL {
            let mut index = 0..;
            less.of_mut(which).retain(|_| !places.contains(&(which, index.next().unwrap_or_default())));
        }
        less
    }

    /// The policy as a document; absent if it has no statement.
    #[must_use]
    pub fn document(&self, which: Which) -> Option<Value> {
        let statements: Vec<_> = self.of(which).iter().map(Statement::json).collect();
        (!statements.is_empty()).then(|| json!({"Version": "2012-10-17", "Statement": statements}))
    }

    /// The scenario with these policies and no others in their places.
    #[must_use]
    pub fn put(&self, scenario: &Scenario) -> Scenario {
        let mut scenario = scenario.clone();
        for which in &self.sought {
            match which {
                Which::Role => scenario.aws.role.policies = self.texts(*which),
                Which::Iot => scenario.aws.thing_policies = self.texts(*which),
            }
        }
        scenario
    }

    /// The policy's text by its name; none if it has no statement.
    fn texts(&self, which: Which) -> BTreeMap<String, String> {
        let name = match which {
            Which::Role => "least-role",
            Which::Iot => "least-iot",
        };
        self.document(which).map(|document| (name.to_owned(), document.to_string())).into_iter().collect()
    }
}

/// The requests that a run was allowed by policies of its role or certificate.
fn allowed(scenario: &Scenario, evidence: &Evidence) -> Vec<(Which, Decision)> {
    let role = format!("arn:aws:sts::{}:assumed-role/{}/", evidence.account, scenario.aws.role.name);
    let all = asked(evidence).into_iter().map(|one| one.decision).filter(Decision::is_allowed);
    let placed = all.filter_map(|decision| {
        let which = if decision.is_of_certificate() {
            Which::Iot
        } else if decision.principal.starts_with(&role) {
            Which::Role
        } else {
            return None;
        };
        Some((which, decision))
    });
    placed.collect()
}

/// Keys whose value is the thing's name, which policies may name as variables.
const THING_KEYS: [&str; 2] = ["iot:Connection.Thing.ThingName", "credentials-iot:ThingName"];

/// The pattern of a request's resource: a policy variable where the request has one for the thing's name, a wildcard for
/// what else the run minted.
fn pattern(scenario: &Scenario, evidence: &Evidence, decision: &Decision) -> String {
    let form = Form::of(scenario, evidence).resource(&decision.resource);
    let has = |key: &&str| {
        let mut context = decision.context.iter();
        context.any(|(name, value)| name.eq_ignore_ascii_case(key) && *value == evidence.thing.as_str())
    };
    let thing = THING_KEYS.iter().find(|key| has(key)).map_or_else(|| "*".to_owned(), |key| format!("${{{key}}}"));
    let names = ["{account}", "{certificate}", "{environment}", "{id}"];
    names.iter().fold(form.replace("{thing}", &thing), |text, name| text.replace(name, "*"))
}

/// The requests that a green run was allowed, and the world in which they are decided again.
pub(super) struct Needs {
    world: World,
    role: String,
    requests: Vec<(Which, Decision)>,
}

impl Needs {
    /// What a run was allowed.
    ///
    /// # Errors
    /// When the scenario can't be resolved.
    pub(super) fn of(scenario: &Scenario, evidence: &Evidence) -> Result<Self, Error> {
        let world = world(scenario.clone(), &evidence.account)?;
        Ok(Self { world, role: scenario.aws.role.name.clone(), requests: allowed(scenario, evidence) })
    }

    /// Those that policies would deny.
    ///
    /// # Errors
    /// When the policies can't be read.
    pub(super) fn denied(&mut self, policies: &Policies) -> Result<BTreeSet<String>, Error> {
        for which in &policies.sought {
            match which {
                Which::Role => {
                    let role = self.world.roles.get_mut(&self.role).expect("the world has the scenario's role");
                    role.policies = policies.texts(Which::Role);
                }
                Which::Iot => self.world.thing.policies = policies.texts(Which::Iot),
            }
        }
        let account = Account::of(&self.world).map_err(|error| Error::new("the derived policies", error, ""))?;
        let decide = |decision: &Decision| iam::decide(&account.applying(decision), &decision.request()).is_allowed();
        let denied = self.requests.iter().filter(|(_, decision)| !decide(decision));
        Ok(denied.map(|(_, decision)| format!("{} on {}", decision.action, decision.resource)).collect())
    }
}

#[cfg(test)]
mod tests;
