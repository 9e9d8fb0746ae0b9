//! The plan of an environment that stays, and the same plan again once another process goes on with it.
//!
//! What the environment was raised with stands in its containers, secrets too; [`Record`] is the part of it that no
//! cloud is told of.

use super::{
    Error, Issuer, Plan, authority::Identity, credentials::Credentials, deployments, hidden::of_secret,
    repository::Bare,
};
use crate::{
    core::Core,
    docker::Published,
    mint,
    scenario::{Leaks, Scenario},
};
use cloud::world::{Operator, Sensitive, World};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Name of the IAM user that whoever works with the account has.
const OPERATOR: &str = "operator";

/// Where the host finds the endpoint of an environment's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Nowhere: there is no way in.
    Nowhere,
    /// At 127.0.0.1, at any port that is free.
    AnyPort,
    /// At 127.0.0.1, at this port.
    Port(u16),
}

impl Outside {
    /// What is published of a port inside.
    pub(crate) const fn publish(self, inside: u16) -> Option<Published> {
        match self {
            Self::Nowhere => None,
            Self::AnyPort => Some(Published { inside, outside: None }),
            Self::Port(port) => Some(Published { inside, outside: Some(port) }),
        }
    }
}

/// What is known of a kept environment beyond its world. It exists only in a container and in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The scenario's file; absent for the built-in one.
    pub scenario: Option<PathBuf>,
    /// When it was raised, RFC 3339.
    pub raised: String,
    /// The nucleus that its device runs.
    #[serde(default)]
    pub core: Core,
    /// Which leaks were allowed when it was raised.
    #[serde(default)]
    pub leaks: Option<Leaks>,
    credentials: Credentials,
    device_key: Sensitive,
    heads: BTreeMap<String, String>,
}

impl Plan {
    /// The plan of an environment that stays: somebody works with its account. With `deploy` the first deployment
    /// waits for the device, as in a run.
    #[must_use]
    pub fn to_keep(mut self, outside: Outside, deploy: bool) -> Self {
        (self.outside, self.waiting) = (outside, deploy);
        self.operator = Some(Operator {
            user: OPERATOR.to_owned(),
            access_key_id: mint::access_key_id(),
            secret_access_key: Sensitive(mint::secret_access_key()),
        });
        self.redactor = Arc::new(self.secrets());
        self
    }

    /// What another process needs to go on with the environment, beyond its world.
    #[must_use]
    pub fn record(&self, scenario: Option<PathBuf>) -> Record {
        Record {
            scenario,
            raised: crate::evidence::log::instant(crate::evidence::log::now()),
            core: self.scenario.device.core,
            leaks: self.scenario.leaks.clone(),
            credentials: self.credentials.clone(),
            device_key: Sensitive(self.identity.key.clone()),
            heads: self.repositories.iter().map(|(name, bare)| (name.clone(), bare.head.clone())).collect(),
        }
    }

    /// The plan of an environment that stands, for a scenario to be carried out in it. What the scenario says of the
    /// account and of GitHub's tokens is what it was raised with, whatever the scenario says now.
    ///
    /// # Errors
    /// When the record is none, or a repository can't be made.
    pub fn standing(scenario: Scenario, world: &World, record: &Record) -> Result<Self, Error> {
        let issuer = Issuer::of(&world.authority.certificate, &world.authority.key.0)
            .map_err(|error| Error::new("reading the certificate authority", error))?;
        let identity = Identity { certificate: world.thing.certificate.clone(), key: record.device_key.0.clone() };
        let bare = |head: &String| Bare { head: head.clone(), tar: Vec::new() };
        let mut plan = Self {
            environment: world.environment.clone(),
            account: world.account.clone(),
            deployments: deployments(&scenario, &world.thing.name, &record.credentials),
            thing: world.thing.name.clone(),
            ca: world.authority.certificate.clone(),
            certificate_id: identity.id(),
            identity,
            others: Vec::new(),
            repositories: record.heads.iter().map(|(name, head)| (name.clone(), bare(head))).collect(),
            redactor: Arc::default(),
            issuer: Arc::new(issuer),
            endpoints: world.endpoints.clone(),
            credentials: record.credentials.clone(),
            seed: world.seed.clone(),
            keys: world.keys.clone(),
            buckets: world.buckets.clone(),
            operator: world.operator.clone(),
            outside: Outside::Nowhere,
            waiting: false,
            scenario,
        };
        let hidden = world.secrets.iter().flat_map(of_secret);
        let redactor = hidden.fold(plan.secrets(), |redactor, secret| redactor.with(secret.name, &secret.text));
        plan.redactor = Arc::new(redactor);
        Ok(plan)
    }
}
