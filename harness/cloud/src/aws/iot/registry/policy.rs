//! IoT policies with their versions, and whom they are attached to.

use super::State;
use crate::{clock, policies};
use iam::Kind;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A policy with its versions.
#[derive(Clone, Debug)]
pub(in super::super) struct Policy {
    /// By their number.
    pub(in super::super) versions: BTreeMap<u32, Version>,
    /// The number of the version that counts.
    pub(in super::super) default: u32,
    /// The number of the newest version that ever was.
    pub(in super::super) newest: u32,
    /// An id that a policy of the same name, made after this one is gone, hasn't.
    pub(in super::super) generation: String,
    pub(in super::super) created: OffsetDateTime,
    pub(in super::super) modified: OffsetDateTime,
}

/// A version of a policy.
#[derive(Clone, Debug)]
pub(in super::super) struct Version {
    pub(in super::super) text: String,
    pub(in super::super) created: OffsetDateTime,
    compiled: iam::Policy,
}

impl Version {
    /// A version of the policy of a name.
    ///
    /// # Errors
    /// If AWS would refuse the text.
    pub(in super::super) fn new(name: &str, text: &str) -> Result<Self, iam::Error> {
        let compiled = policies::compiled(name, text, Kind::Iot)?;
        Ok(Self { text: text.to_owned(), created: clock::now(), compiled })
    }
}

impl Policy {
    /// A policy with one version.
    pub(in super::super) fn new(version: Version) -> Self {
        let now = clock::now();
        Self {
            versions: [(1, version)].into(),
            default: 1,
            newest: 1,
            generation: Uuid::new_v4().to_string(),
            created: now,
            modified: now,
        }
    }

    /// The version that counts.
    ///
    /// # Panics
    /// Never: the default version can't be deleted.
    pub(in super::super) fn current(&self) -> &Version {
        self.versions.get(&self.default).expect("the default version can't be deleted")
    }
}

impl State {
    /// The policies attached to a certificate, as they count now.
    pub(in super::super) fn of_certificate(&self, id: &str) -> Vec<iam::Policy> {
        let names = self.certificates.get(id).map(|certificate| certificate.policies.as_slice());
        self.compiled(names.unwrap_or_default())
    }

    /// The policies attached to groups and to those above them, as they count now.
    pub(super) fn of_groups(&self, groups: &[String]) -> Vec<iam::Policy> {
        let mut found = Vec::new();
        for name in groups.iter().flat_map(|group| [vec![group.as_str()], self.parents(group)].concat()) {
            if let Some(group) = self.groups.get(name) {
                found.extend(self.compiled(&group.policies));
            }
        }
        found
    }

    /// What a policy is attached to: the kind in the ARN and the name.
    pub(in super::super) fn targets(&self, policy: &str) -> Vec<(&'static str, &str)> {
        let has = |policies: &[String]| policies.iter().any(|name| name == policy);
        let certificates = self.certificates.iter().filter(|(_, one)| has(&one.policies)).map(|(id, _)| ("cert", id));
        let groups = self.groups.iter().filter(|(_, one)| has(&one.policies)).map(|(name, _)| ("thinggroup", name));
        certificates.chain(groups).map(|(kind, name)| (kind, name.as_str())).collect()
    }

    fn compiled(&self, names: &[String]) -> Vec<iam::Policy> {
        names
            .iter()
            .filter_map(|name| self.policies.get(name))
            .map(|policy| policy.current().compiled.clone())
            .collect()
    }

    /// Gives a certificate these policies in place of those that it has.
    ///
    /// # Errors
    /// If AWS would refuse one; the text names it. Nothing has changed then.
    pub(super) fn give(&mut self, certificate: &str, policies: &BTreeMap<String, String>) -> Result<(), String> {
        let mut versions = Vec::new();
        for (name, text) in policies {
            let version = Version::new(name, text).map_err(|error| format!("reading policy `{name}`: {error}"))?;
            versions.push((name.clone(), version));
        }
        let names = versions.iter().map(|(name, _)| name.clone()).collect();
        for (name, version) in versions {
            self.policies.insert(name, Policy::new(version));
        }
        if let Some(certificate) = self.certificates.get_mut(certificate) {
            certificate.policies = names;
        }
        Ok(())
    }
}
