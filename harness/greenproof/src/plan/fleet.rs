//! A fleet's devices: each has a name, a certificate and a key of its own; all else is the same for all.

use super::{Error, Identity, Plan, authority::Issuer, repository::Bare};
use crate::scenario::Scenario;
use cloud::world::Thing;
use std::{collections::BTreeMap, sync::Arc};

/// A device of a fleet beyond the first.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) thing: String,
    pub(super) identity: Identity,
}

/// The devices beyond the first.
pub(super) fn others(scenario: &Scenario, base: &str, issuer: &Issuer) -> Result<Vec<Other>, Error> {
    let Some(fleet) = &scenario.fleet else { return Ok(Vec::new()) };
    let other = |number| {
        let identity = issuer.device().map_err(|error| Error::new("issuing a device certificate", error))?;
        Ok(Other { thing: fleet.thing(base, number), identity })
    };
    (2..=fleet.devices).map(other).collect()
}

/// The name of the thing, of a fleet that of the first.
pub(super) fn first(scenario: &Scenario, base: &str) -> String {
    scenario.fleet.as_ref().map_or_else(|| base.to_owned(), |fleet| fleet.thing(base, 1))
}

impl Plan {
    /// The other things of the world.
    pub(super) fn fleet(&self) -> Vec<Thing> {
        let thing = |other: &Other| Thing {
            name: other.thing.clone(),
            groups: vec![self.scenario.group(&other.thing)],
            certificate: other.identity.certificate.clone(),
            policies: self.scenario.aws.thing_policies.clone(),
        };
        self.others.iter().map(thing).collect()
    }

    /// The plans of the single devices of a fleet, in their order.
    #[must_use]
    pub fn members(&self) -> Vec<Self> {
        let first = (&self.thing, &self.identity);
        let others = self.others.iter().map(|other| (&other.thing, &other.identity));
        let all = std::iter::once(first).chain(others).enumerate();
        all.map(|(index, (thing, identity))| self.member(index + 1, thing, identity)).collect()
    }

    fn member(&self, number: usize, thing: &str, identity: &Identity) -> Self {
        let scenario = self.scenario.member(number);
        let step = scenario.steps.len() - 1;
        let deployments = self.deployments.values().cloned().map(|deployment| (step, deployment)).collect();
        let bare = |head: &String| Bare { head: head.clone(), tar: Vec::new() };
        Self {
            deployments,
            environment: self.environment.clone(),
            account: self.account.clone(),
            thing: thing.to_owned(),
            ca: self.ca.clone(),
            certificate_id: identity.id(),
            identity: identity.clone(),
            others: Vec::new(),
            repositories: self.repositories.iter().map(|(name, it)| (name.clone(), bare(&it.head))).collect(),
            redactor: Arc::clone(&self.redactor),
            issuer: Arc::clone(&self.issuer),
            endpoints: self.endpoints.clone(),
            credentials: self.credentials.clone(),
            seed: self.seed.clone(),
            keys: BTreeMap::new(),
            operator: None,
            buckets: Vec::new(),
            outside: self.outside,
            waiting: true,
            scenario,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Addresses;
    use std::collections::BTreeSet;

    #[test]
    fn each_device_has_a_name_a_certificate_and_a_key_of_its_own() {
        fidelity::fidelity!("fleet-3");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/fleet.toml");
        let mut scenario = Scenario::load(&path).unwrap();
        scenario.device.thing = Some("pump".to_owned());
        let plan = Plan::of(scenario).unwrap();
        let at = Addresses { aws: [10, 0, 0, 2].into(), github: [10, 0, 0, 3].into() };
        let world = plan.world("http://localhost", at);
        assert!(world.deployments.is_empty(), "the deployment comes when all are there");
        let things: Vec<_> = std::iter::once(&world.thing).chain(&world.fleet).collect();
        let names: Vec<_> = things.iter().map(|thing| thing.name.as_str()).collect();
        assert_eq!(names, ["pump-1", "pump-2", "pump-3", "pump-4"]);
        assert!(things.iter().all(|thing| thing.groups == [plan.scenario.fleet.as_ref().unwrap().group.clone()]));
        let members = plan.members();
        let keys: BTreeSet<_> = members.iter().map(|member| &member.identity.key).collect();
        let certificates: BTreeSet<_> = members.iter().map(|member| &member.certificate_id).collect();
        assert_eq!((keys.len(), certificates.len()), (4, 4));
        let ids: BTreeSet<_> = members.iter().flat_map(|member| member.deployments.values().map(|it| &it.id)).collect();
        assert_eq!(ids.len(), 1, "one deployment is for all");
        for key in keys {
            assert!(!plan.redactor.apply(key).contains("PRIVATE"), "every key is masked");
        }
    }
}
