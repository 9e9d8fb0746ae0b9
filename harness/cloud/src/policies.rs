//! Every policy of an account, compiled once, and which of them bear on a request.
//!
//! [`Account::applying`] is what [`iam::decide`] needs to decide a recorded [`Decision`] again, without Docker:
//!
//! ```
//! # fn again(world: &cloud::world::World, decision: &cloud::event::Decision) -> Result<(), String> {
//! let policies = cloud::policies::Account::of(world)?.applying(decision);
//! println!("{}", iam::explain(&policies, &decision.request()));
//! # Ok(())
//! # }
//! ```
//!
//! Policies have the names that the world gives them. Those of resources, which have none of their own there, are called
//! `secret/NAME`, `bucket/NAME`, `key/NAME` and `trust/ROLE`.

use crate::{
    event::Decision,
    world::{Role, World},
};
use iam::{Document, Kind, Policies, Policy};
use std::collections::{BTreeMap, HashMap};

/// The service that signs URLs for what AWS itself keeps for devices.
pub const GREENGRASS: &str = "greengrass.amazonaws.com";

/// The service that assumes the role of a role alias.
pub const CREDENTIALS_PROVIDER: &str = "credentials.iot.amazonaws.com";

/// The policies of one account.
#[derive(Clone, Debug)]
pub struct Account {
    number: String,
    region: String,
    roles: HashMap<String, RolePolicies>,
    /// The roles as they stand.
    stated: BTreeMap<String, Role>,
    /// Identity policies of users by the user's ARN.
    users: HashMap<String, Vec<Policy>>,
    /// Attached to the device's certificate when the world was raised.
    certificate: Vec<Policy>,
    secrets: HashMap<String, Policy>,
    buckets: HashMap<String, Policy>,
    /// By the key's id.
    keys: HashMap<String, Policy>,
    /// Of a key that does not exist yet, which is the account's.
    new_key: Policy,
    scps: Vec<Vec<Policy>>,
    rcps: Vec<Vec<Policy>>,
    /// What AWS says of its own buckets.
    aws: Policy,
    /// Every text, in lower case, to be searched for condition keys that cost a question to fill.
    texts: String,
}

#[derive(Clone, Debug)]
struct RolePolicies {
    arn: String,
    /// `MaxSessionDuration` in seconds.
    longest: u32,
    identity: Vec<Policy>,
    boundary: Option<Policy>,
    trust: Policy,
}

/// A decision and the end of AWS's text if it is a denial.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    pub(crate) clause: Option<String>,
}

impl Decided {
    /// Decides what is asked by policies.
    pub(crate) fn of(asked: Decision, policies: &Policies) -> Self {
        let decided = iam::decide(policies, &asked.request());
        let clause = decided.clause(&asked.action);
        let decision = Decision {
            outcome: decided.outcome.into(),
            layer: decided.layer.map(|layer| layer.to_string()),
            statement: decided.statement.map(|statement| statement.to_string()),
            ..asked
        };
        Self { decision, clause }
    }
}

impl Account {
    /// Reads every policy of a world.
    ///
    /// # Errors
    /// If AWS would refuse one; the text names it, with line and column.
    pub fn of(world: &World) -> Result<Self, String> {
        let named = |what: &str, name: &str, text: &str, kind| read(&format!("{what}/{name}"), text, kind);
        let mut roles = HashMap::new();
        for (name, role) in &world.roles {
            roles.insert(name.clone(), RolePolicies::of(world, name, role)?);
        }
        let mut users = HashMap::new();
        if let Some(operator) = &world.operator {
            let administrator = read("AdministratorAccess", ADMINISTRATOR, Kind::Managed)?;
            users.insert(format!("arn:aws:iam::{}:user/{}", world.account, operator.user), vec![administrator]);
        }
        let mut secrets = HashMap::new();
        for secret in &world.secrets {
            if let Some(text) = &secret.policy {
                secrets.insert(secret.name.clone(), named("secret", &secret.name, text, Kind::Resource)?);
            }
        }
        let mut buckets = HashMap::new();
        for bucket in &world.buckets {
            if let Some(text) = &bucket.policy {
                let (name, document) =
                    (format!("bucket/{}", bucket.name), Document::read_of_bucket(text, &bucket.name));
                buckets.insert(bucket.name.clone(), policy(&name, document)?);
            }
        }
        let mut keys = HashMap::new();
        for (name, key) in &world.keys {
            keys.insert(key.id.clone(), named("key", name, &key.policy, Kind::Resource)?);
        }
        Ok(Self {
            number: world.account.clone(),
            region: world.region.clone(),
            roles,
            stated: world.roles.clone(),
            users,
            certificate: all(&world.thing.policies, Kind::Iot)?,
            secrets,
            buckets,
            keys,
            new_key: read("AWS", &of_a_new_key(&world.account), Kind::Resource)?,
            scps: world.scps.iter().map(|level| all(level, Kind::Scp)).collect::<Result<_, _>>()?,
            rcps: world.rcps.iter().map(|level| all(level, Kind::Rcp)).collect::<Result<_, _>>()?,
            aws: read("AWS", OF_AWS, Kind::Resource)?,
            texts: texts(world).to_lowercase(),
        })
    }

    /// The name of a role of this account by its ARN, and how many seconds a session of it may last.
    pub(crate) fn role(&self, arn: &str) -> Option<(&str, u32)> {
        let (name, role) = self.roles.get_key_value(arn.rsplit('/').next()?)?;
        (role.arn == arn).then_some((name.as_str(), role.longest))
    }

    /// A role by its name.
    pub(crate) fn role_named(&self, name: &str) -> Option<&Role> {
        self.stated.get(name)
    }

    /// Whether any policy asks for a condition key, which is given in lower case. A session's own may besides.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.texts.contains(key)
    }

    /// Every policy that bears on a request, also on one that was recorded in an earlier run. Documents are not copied.
    #[must_use]
    pub fn applying(&self, decision: &Decision) -> Policies {
        // A text that AWS would have refused gave no session.
        let session = decision
            .session
            .iter()
            .enumerate()
            .filter_map(|(index, text)| read(&format!("session/{index}"), text, Kind::Session).ok());
        self.bearing(decision, session.collect())
    }

    /// Decides what is asked; `session` are the session's own policies.
    pub(crate) fn decide(&self, asked: Decision, session: &[Policy]) -> Decided {
        let policies = self.bearing(&asked, session.to_vec());
        Decided::of(asked, &policies)
    }

    fn bearing(&self, decision: &Decision, session: Vec<Policy>) -> Policies {
        if decision.is_of_certificate() {
            return Policies { identity: self.certificate.clone(), ..Policies::default() };
        }
        let resource = self.of_resource(decision);
        let rcp = if self.is_under_rcps(decision) { self.rcps.clone() } else { Vec::new() };
        let (identity, boundary) = match (self.role_of(&decision.principal), self.users.get(&decision.principal)) {
            (Some(role), _) => (role.identity.clone(), role.boundary.clone()),
            (None, Some(identity)) => (identity.clone(), None),
            (None, None) => return Policies { resource, rcp, ..Policies::default() },
        };
        Policies { identity, boundary, session, scp: self.scps.clone(), resource, rcp, vpce: Vec::new() }
    }

    /// The role of a session of this account.
    fn role_of(&self, principal: &str) -> Option<&RolePolicies> {
        let mut parts = principal.splitn(6, ':').skip(2);
        let (service, account, name) = (parts.next()?, parts.nth(1)?, parts.next()?);
        let role = name.strip_prefix("assumed-role/")?.split('/').next()?;
        self.roles.get(role).filter(|_| service == "sts" && account == self.number)
    }

    fn of_resource(&self, decision: &Decision) -> Option<Policy> {
        let service = decision.action.split(':').next()?;
        if service == "s3" && decision.principal == GREENGRASS {
            return Some(self.aws.clone());
        }
        let mut parts = decision.resource.splitn(6, ':').skip(3);
        let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let here = account == self.number && region == self.region;
        let found = match service {
            "secretsmanager" if here => self.secrets.get(secret_name(rest)?),
            "kms" if here => match rest.strip_prefix("key/")? {
                "*" => Some(&self.new_key),
                id => self.keys.get(id),
            },
            "s3" => self.buckets.get(rest.split('/').next()?),
            "sts" => {
                let role = self.roles.get(rest.rsplit('/').next()?)?;
                Some(&role.trust).filter(|_| role.arn == decision.resource)
            }
            _ => None,
        };
        found.cloned()
    }

    /// Resource control policies are those of the resource's account. IAM and IoT know none.
    fn is_under_rcps(&self, decision: &Decision) -> bool {
        let service = decision.action.split(':').next().unwrap_or_default();
        let owned = decision.resource_account.as_ref().is_none_or(|account| *account == self.number);
        owned && decision.principal != GREENGRASS && !["iam", "iot", "greengrass"].contains(&service)
    }
}

impl RolePolicies {
    fn of(world: &World, name: &str, role: &Role) -> Result<Self, String> {
        let boundary = role.boundary.as_ref();
        let within = |error| format!("role `{name}`: {error}");
        Ok(Self {
            arn: format!("arn:aws:iam::{}:role{}{name}", world.account, role.path),
            longest: role.max_session_seconds,
            identity: all(&role.policies, Kind::Inline).map_err(within)?,
            boundary: boundary
                .map(|boundary| read(&boundary.name, &boundary.text, Kind::Boundary))
                .transpose()
                .map_err(within)?,
            trust: read(&format!("trust/{name}"), &role.trust, Kind::Trust)?,
        })
    }
}

/// AWS's managed policy `AdministratorAccess`.
const ADMINISTRATOR: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

/// The URLs that Greengrass hands out are for what AWS keeps itself.
const OF_AWS: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"Service": "greengrass.amazonaws.com"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*"}}"#;

/// Who creates a key with tags needs the account's permission, as no key has a policy yet.
fn of_a_new_key(account: &str) -> String {
    let root = format!("arn:aws:iam::{account}:root");
    let statement =
        serde_json::json!({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"});
    serde_json::json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

/// The texts of every policy of an account, as they are.
fn texts(world: &World) -> String {
    let roles = world.roles.values().flat_map(|role| {
        role.policies.values().chain([&role.trust]).chain(role.boundary.as_ref().map(|boundary| &boundary.text))
    });
    let levels = world.scps.iter().chain(&world.rcps).flat_map(BTreeMap::values);
    let resources = world.secrets.iter().filter_map(|secret| secret.policy.as_ref());
    let resources = resources.chain(world.buckets.iter().filter_map(|bucket| bucket.policy.as_ref()));
    let keys = world.keys.values().map(|key| &key.policy);
    roles.chain(levels).chain(resources).chain(keys).map(String::as_str).collect()
}

fn all(policies: &BTreeMap<String, String>, kind: Kind) -> Result<Vec<Policy>, String> {
    policies.iter().map(|(name, text)| read(name, text, kind)).collect()
}

fn read(name: &str, text: &str, kind: Kind) -> Result<Policy, String> {
    policy(name, Document::read(text, kind))
}

/// A policy of what was read.
fn policy(name: &str, document: Result<Document, iam::Error>) -> Result<Policy, String> {
    let document = document.map_err(|error| format!("reading policy `{name}`: {error}"))?;
    Ok(Policy::new(name, document))
}

/// A policy of a kind from its text.
///
/// # Errors
/// If AWS would refuse it.
pub(crate) fn compiled(name: &str, text: &str, kind: Kind) -> Result<Policy, iam::Error> {
    Ok(Policy::new(name, Document::read(text, kind)?))
}

/// The name of a secret, which in the ARN has a hyphen and six characters after it.
fn secret_name(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix("secret:")?;
    name.get(..name.len().checked_sub(7)?)
}

#[cfg(test)]
mod tests;
