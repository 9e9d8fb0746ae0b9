//! Where in a scenario's account a policy goes, and the scenario with it there.

use super::{
    Error,
    source::{Found, Given, Role, Source, Written},
};
use crate::scenario::{Scenario, account::Policy};
use iam::Kind;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A place for a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Slot {
    /// All identity policies of the token exchange role; a role brings its boundary and trust policy too.
    Role,
    /// One identity policy of the role.
    RolePolicy(String),
    /// The role's permissions boundary.
    Boundary,
    /// The role's trust policy.
    Trust,
    /// All IoT policies of the certificate.
    Iot,
    /// One of them.
    IotPolicy(String),
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once(':').unwrap_or((text, "")) {
            ("role", "") => Self::Role,
            ("role", name) => Self::RolePolicy(name.into()),
            ("boundary", "") => Self::Boundary,
            ("trust", "") => Self::Trust,
            ("iot", "") => Self::Iot,
            ("iot", name) => Self::IotPolicy(name.into()),
            _ => return Err("use role, role:NAME, boundary, trust, iot or iot:NAME".into()),
        })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role => f.write_str("role"),
            Self::RolePolicy(name) => write!(f, "role:{name}"),
            Self::Boundary => f.write_str("boundary"),
            Self::Trust => f.write_str("trust"),
            Self::Iot => f.write_str("iot"),
            Self::IotPolicy(name) => write!(f, "iot:{name}"),
        }
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

/// A policy that is to take a place.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it comes from.
    pub source: Source,
    /// What the user says of its names.
    pub given: Given,
}

impl Candidate {
    /// Reads it for an account and a region, which a template may name.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read(&self, account: &str, region: &str) -> Result<Found, Error> {
        let mut given = self.given.clone();
        for (name, value) in [("AWS::AccountId", account), ("AWS::Region", region)] {
            given.parameters.entry(name.into()).or_insert_with(|| value.into());
        }
        self.source.read(&given)
    }
}

impl Slot {
    /// The place that fits: for a role the role, for a policy the one of its name.
    ///
    /// # Errors
    /// When none fits, or two do.
    pub fn fitting(scenario: &Scenario, found: &Found) -> Result<Self, Error> {
        let Found::Policy(policy) = found else { return Ok(Self::Role) };
        let name = &policy.name;
        let (role, iot) = (&scenario.aws.role.policies, &scenario.aws.thing_policies);
        match (role.contains_key(name), iot.contains_key(name)) {
            (true, false) => Ok(Self::RolePolicy(name.clone())),
            (false, true) => Ok(Self::IotPolicy(name.clone())),
            (both, _) => {
                let names =
                    |policies: &BTreeMap<String, String>| policies.keys().cloned().collect::<Vec<_>>().join(", ");
                let message = if both {
                    format!("`{name}` is the name of a policy of the role and of one of the certificate")
                } else {
                    let (role, iot) = (names(role), names(iot));
                    format!(
                        "no policy of the scenario is called `{name}`: the role has {role}; the certificate has {iot}"
                    )
                };
                Err(Error::new(
                    &policy.origin,
                    message,
                    "say what it replaces: `--for role|role:NAME|boundary|trust|iot|iot:NAME`",
                ))
            }
        }
    }

    /// The scenario with a policy in this place.
    ///
    /// # Errors
    /// When AWS would refuse the policy there.
    pub fn put(&self, scenario: &Scenario, found: Found) -> Result<Scenario, Error> {
        let mut scenario = scenario.clone();
        let aws = &mut scenario.aws;
        match (self, found) {
            (Self::Role, Found::Role(Role { trust, policies, boundary, .. })) => {
                aws.role.policies = texts(policies, Kind::Inline)?;
                aws.role.boundary = boundary.map(|boundary| checked(boundary, Kind::Boundary)).transpose()?;
                if let Some(trust) = trust {
                    aws.role.trust = checked(trust, Kind::Trust)?.text;
                }
            }
            (Self::Iot, Found::Policy(policy)) => aws.thing_policies = texts(vec![policy], Kind::Iot)?,
            (Self::Role, Found::Policy(policy)) => aws.role.policies = texts(vec![policy], Kind::Inline)?,
            (Self::RolePolicy(name), Found::Policy(policy)) => {
                aws.role.policies.insert(name.clone(), checked(policy, Kind::Inline)?.text);
            }
            (Self::IotPolicy(name), Found::Policy(policy)) => {
                aws.thing_policies.insert(name.clone(), checked(policy, Kind::Iot)?.text);
            }
            (Self::Boundary, Found::Policy(policy)) => aws.role.boundary = Some(checked(policy, Kind::Boundary)?),
            (Self::Trust, Found::Policy(policy)) => aws.role.trust = checked(policy, Kind::Trust)?.text,
            (Self::Trust, Found::Role(Role { trust: Some(trust), .. })) => {
                aws.role.trust = checked(trust, Kind::Trust)?.text;
            }
            (slot, Found::Role(role)) => {
                let message = format!("`{}` is a role, which can't be the scenario's `{slot}`", role.name);
                return Err(Error::new("--for", message, "name a policy, or use `--for role`"));
            }
        }
        Ok(scenario)
    }

    /// The policies of a scenario that are in this place and allow something by themselves, by name.
    #[must_use]
    pub fn allowing(&self, scenario: &Scenario) -> BTreeMap<String, String> {
        let one = |policies: &BTreeMap<String, String>, name: &str| {
            policies.get(name).map(|text| (name.to_owned(), text.clone())).into_iter().collect()
        };
        match self {
            Self::Role => scenario.aws.role.policies.clone(),
            Self::RolePolicy(name) => one(&scenario.aws.role.policies, name),
            Self::Iot => scenario.aws.thing_policies.clone(),
            Self::IotPolicy(name) => one(&scenario.aws.thing_policies, name),
            Self::Boundary | Self::Trust => BTreeMap::new(),
        }
    }

    /// What a policy in this place is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Role | Self::RolePolicy(_) => Kind::Inline,
            Self::Boundary => Kind::Boundary,
            Self::Trust => Kind::Trust,
            Self::Iot | Self::IotPolicy(_) => Kind::Iot,
        }
    }
}

/// The policy, if AWS would take it.
fn checked(policy: Written, kind: Kind) -> Result<Policy, Error> {
    policy.compile(kind)?;
    Ok(Policy { name: policy.name, text: policy.text })
}

fn texts(policies: Vec<Written>, kind: Kind) -> Result<BTreeMap<String, String>, Error> {
    let mut texts = BTreeMap::new();
    for policy in policies {
        let origin = policy.origin.clone();
        let Policy { name, text } = checked(policy, kind)?;
        if texts.insert(name.clone(), text).is_some() {
            return Err(Error::new(origin, format!("two policies are called `{name}`"), "give each a name of its own"));
        }
    }
    Ok(texts)
}
