//! Things and their groups.

use super::State;
use crate::clock;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A thing.
#[derive(Clone, Debug)]
pub(in super::super) struct Thing {
    pub(in super::super) id: String,
    pub(in super::super) attributes: BTreeMap<String, String>,
    pub(in super::super) version: i64,
    /// Names of the groups that it is in, in the order in which it joined them.
    pub(in super::super) groups: Vec<String>,
    /// Ids of the certificates that are attached to it.
    pub(in super::super) principals: Vec<String>,
}

impl Default for Thing {
    fn default() -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            attributes: BTreeMap::new(),
            version: 1,
            groups: Vec::new(),
            principals: Vec::new(),
        }
    }
}

impl Thing {
    /// Whether a certificate is attached to it.
    pub(in super::super) fn has(&self, certificate: &str) -> bool {
        self.principals.iter().any(|id| id == certificate)
    }
}

/// A static thing group.
#[derive(Clone, Debug)]
pub(in super::super) struct Group {
    pub(in super::super) id: String,
    pub(in super::super) parent: Option<String>,
    pub(in super::super) description: Option<String>,
    pub(in super::super) attributes: BTreeMap<String, String>,
    pub(in super::super) version: i64,
    pub(in super::super) created: OffsetDateTime,
    /// Names of the attached policies, in the order in which they were attached.
    pub(in super::super) policies: Vec<String>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            parent: None,
            description: None,
            attributes: BTreeMap::new(),
            version: 1,
            created: clock::now(),
            policies: Vec::new(),
        }
    }
}

impl State {
    /// Puts a thing that there is into a group, which is created if it is missing.
    pub(in super::super) fn join(&mut self, thing: &str, group: &str) {
        self.groups.entry(group.to_owned()).or_default();
        if let Some(thing) = self.things.get_mut(thing).filter(|thing| !thing.groups.iter().any(|one| one == group)) {
            thing.groups.push(group.to_owned());
        }
    }

    /// The groups above a group, root first.
    pub(in super::super) fn parents(&self, group: &str) -> Vec<&str> {
        let above = |name: &&str| self.groups.get(*name).and_then(|group| group.parent.as_deref());
        let mut parents: Vec<_> = std::iter::successors(above(&group), |name| above(name)).collect();
        parents.reverse();
        parents
    }

    /// Whether a thing is in a group or in one below it.
    pub(in super::super) fn is_below(&self, thing: &Thing, group: &str) -> bool {
        thing.groups.iter().any(|one| one == group || self.parents(one).contains(&group))
    }
}
