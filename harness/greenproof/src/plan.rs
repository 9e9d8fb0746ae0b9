//! A scenario resolved: every minted value, certificate, repository and object that the run will use.
//!
//! A [`Plan`] needs no Docker. It holds secrets in memory only and hands them to the containers; whatever is stored
//! or shown of a run goes through its [`Redactor`].

mod account;
mod artifact;
mod authority;
mod credentials;
mod fleet;
mod hidden;
mod hub;
mod kept;
mod preview;
mod repository;

pub use authority::Identity;
pub use hidden::DEVICE_KEY;
pub use kept::{Outside, Record};
pub use preview::Preview;
#[cfg(test)]
pub(crate) use repository::tests::git;
pub(crate) use repository::{Bare, references};

use crate::{
    component::{self, Component, Object, Place},
    mint,
    redact::Redactor,
    scenario::{
        Deploy, Scenario,
        step::{self, Action, Step},
    },
};
use authority::Issuer;
use cloud::{
    fault::{Fault, Role},
    world::{
        self, Authority, Bucket, Deployment, Endpoints, JobConfiguration, Key, Operator, Sensitive, Target, Thing,
        Wanted, World,
    },
};
use credentials::Credentials;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

/// The version of the token exchange service and of the command line that a deployment gets which names none.
const SERVICE_VERSION: &str = "2.0.3";
const CLI_VERSION: &str = "2.18.0";

/// Addresses of an environment's containers.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The `aws` container.
    pub aws: Ipv4Addr,
    /// The `github` container.
    pub github: Ipv4Addr,
}

/// A scenario with nothing left open.
#[derive(Debug)]
pub struct Plan {
    /// What was asked for.
    pub scenario: Scenario,
    /// Identifier of the environment: lower-case letters and digits.
    pub environment: String,
    /// The account.
    pub account: String,
    /// The thing's name.
    pub thing: String,
    /// The certificate authority of the environment, PEM.
    pub ca: String,
    /// The device's certificate and key.
    pub identity: Identity,
    /// Who else is in its fleet.
    others: Vec<fleet::Other>,
    /// The id of the device's certificate: SHA-256 of its DER form, in hex.
    pub certificate_id: String,
    /// The deployments of the scenario's steps, by the index of the step.
    pub deployments: BTreeMap<usize, Deployment>,
    /// Bare repositories by `OWNER/NAME`.
    pub repositories: BTreeMap<String, Bare>,
    /// Customer managed KMS keys by the name that the scenario gives them.
    pub keys: BTreeMap<String, Key>,
    /// Whom a person's tools call the account as; a run by itself has nobody.
    pub operator: Option<Operator>,
    /// The run's secrets.
    pub redactor: Arc<Redactor>,
    issuer: Arc<Issuer>,
    endpoints: Endpoints,
    credentials: Credentials,
    /// What the credentials of sessions come from.
    seed: Option<Sensitive>,
    buckets: Vec<Bucket>,
    /// Where the host finds the account's endpoint.
    pub outside: Outside,
    /// Whether the first deployment waits for the device.
    pub(crate) waiting: bool,
}

/// Why a scenario can't be resolved.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct Error {
    doing: String,
    cause: String,
}

impl Error {
    fn new(doing: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self { doing: doing.into(), cause: cause.to_string() }
    }
}

impl Plan {
    /// Resolves a scenario.
    ///
    /// # Errors
    /// When a repository can't be made, an artifact can't be read, or a certificate can't be issued.
    pub fn of(mut scenario: Scenario) -> Result<Self, Error> {
        for secret in scenario.aws.secrets.values_mut() {
            secret.value = mint::filled(&secret.value);
        }
        let issuer = Issuer::new().map_err(|error| Error::new("making the certificate authority", error))?;
        let identity = issuer.device().map_err(|error| Error::new("issuing the device certificate", error))?;
        let repositories = Self::repositories(&scenario)?;
        let credentials = Credentials::of(&scenario)?;
        for step in &mut scenario.steps {
            if let Action::Fault(fault) = &mut step.action {
                fault.fill(|text| credentials.filled(text));
            }
        }
        let environment = mint::name(8);
        let buckets = buckets(&scenario, &environment)?;
        let account = scenario.aws.account.clone().unwrap_or_else(mint::account);
        let keys = account::keys(&scenario.aws, &account);
        let endpoints = Endpoints {
            data: format!("{}-ats.iot.{}.amazonaws.com", mint::name(14), scenario.aws.region),
            credentials: format!("{}.credentials.iot.{}.amazonaws.com", mint::name(14), scenario.aws.region),
        };
        let base = scenario.device.thing.clone().unwrap_or_else(|| format!("core-{}", mint::name(8)));
        let others = fleet::others(&scenario, &base, &issuer)?;
        let thing = fleet::first(&scenario, &base);
        let mut plan = Self {
            environment,
            account,
            deployments: deployments(&scenario, &thing, &credentials),
            thing,
            ca: issuer.certificate(),
            certificate_id: identity.id(),
            identity,
            others,
            repositories,
            redactor: Arc::default(),
            issuer: Arc::new(issuer),
            endpoints,
            credentials,
            seed: Some(Sensitive(mint::seed())),
            keys,
            operator: None,
            buckets,
            outside: Outside::Nowhere,
            waiting: true,
            scenario,
        };
        plan.redactor = Arc::new(plan.secrets());
        Ok(plan)
    }

    /// What this environment needs for itself on a LocalStack that it shares: its account and its buckets.
    #[must_use]
    pub fn claims(&self) -> Vec<String> {
        let buckets = self.buckets.iter().map(|bucket| format!("bucket-{}", bucket.name));
        std::iter::once(format!("account-{}", self.account)).chain(buckets).collect()
    }

    /// What the `aws` container is told.
    #[must_use]
    pub fn world(&self, localstack: &str, at: Addresses) -> World {
        let aws = &self.scenario.aws;
        let opening = self.scenario.opening();
        // A fleet's is created when all of it is there.
        let waits = self.waiting && self.scenario.fleet.is_none();
        World {
            environment: self.environment.clone(),
            account: self.account.clone(),
            region: aws.region.clone(),
            localstack: localstack.into(),
            aws: at.aws,
            github: self.scenario.github.reachable.then_some(at.github),
            public_address: self.scenario.device.public_address,
            authority: self.authority(),
            endpoints: self.endpoints.clone(),
            fleet: self.fleet(),
            thing: Thing {
                name: self.thing.clone(),
                groups: vec![self.scenario.group(&self.thing)],
                certificate: self.identity.certificate.clone(),
                policies: aws.thing_policies.clone(),
            },
            role_aliases: account::role_aliases(aws),
            roles: account::roles(aws),
            keys: self.keys.clone(),
            soft: aws.soft,
            operator: self.operator.clone(),
            scps: aws.scps.clone(),
            rcps: aws.rcps.clone(),
            secrets: account::secrets(aws, &self.credentials),
            buckets: self.buckets.clone(),
            components: self.listed_components(),
            // What comes first waits for the device; what comes later is ordered when it is its turn.
            deployments: self.deployments.get(&opening).filter(|_| waits).cloned().into_iter().collect(),
            faults: self.opening_faults(Role::Aws),
            seed: self.seed.clone(),
            hosts: self.scenario.index.private.iter().map(|index| index.host.clone()).collect(),
        }
    }

    /// The environment's private certificate authority.
    fn authority(&self) -> Authority {
        Authority { certificate: self.ca.clone(), key: Sensitive(self.issuer.key()) }
    }

    /// What goes wrong in a cloud container from the start.
    fn opening_faults(&self, role: Role) -> Vec<Fault> {
        let opening = self.scenario.steps[..self.scenario.opening()].iter().filter_map(|step| step.fault()?.cloud());
        opening.filter(|fault| fault.kind.roles().contains(&role)).cloned().collect()
    }

    /// The nucleus's init config, in the real one's format.
    ///
    /// # Panics
    /// Never: a JSON value is always YAML.
    #[must_use]
    pub fn init_config(&self, root: &str) -> String {
        let aws = &self.scenario.aws;
        let mut config = serde_json::json!({
            "system": {
                "certificateFilePath": format!("{root}/device.pem.crt"),
                "privateKeyPath": format!("{root}/private.pem.key"),
                "rootCaPath": format!("{root}/AmazonRootCA1.pem"),
                "rootpath": root,
                "thingName": self.thing,
            },
            "services": { "aws.greengrass.Nucleus": {
                "componentType": "NUCLEUS",
                "configuration": {
                    "awsRegion": aws.region,
                    "iotRoleAlias": aws.alias.name,
                    "iotDataEndpoint": self.endpoints.data,
                    "iotCredEndpoint": self.endpoints.credentials,
                    "runWithDefault": { "posixUser": "ggc_user:ggc_group" },
                },
            }},
        });
        let nucleus = &mut config["services"]["aws.greengrass.Nucleus"]["configuration"];
        merge(nucleus, &self.scenario.device.nucleus);
        serde_yaml_ng::to_string(&config).expect("a JSON value is always YAML")
    }

    /// Makes a scenario's repositories.
    ///
    /// # Errors
    /// When one can't be made.
    pub(crate) fn repositories(scenario: &Scenario) -> Result<BTreeMap<String, Bare>, Error> {
        let repositories = scenario.github.repositories.iter();
        repositories.map(|(name, it)| Ok((name.clone(), Bare::of(&it.origin)?))).collect()
    }

    /// The token that `{token:NAME}` stands for.
    #[must_use]
    pub fn token(&self, name: &str) -> Option<&str> {
        self.credentials.tokens.get(name).map(|token| token.0.as_str())
    }

    /// Where the device asks for its role's credentials.
    pub(crate) fn credentials_url(&self) -> String {
        let alias = &self.scenario.aws.alias.name;
        format!("https://{}/role-aliases/{alias}/credentials", self.endpoints.credentials)
    }

    /// The account's endpoints.
    pub(crate) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    fn listed_components(&self) -> Vec<world::Component> {
        let private = self.scenario.components.iter().map(|component| world::Component {
            recipe: component.recipe.clone(),
            public: false,
            artifacts: self.kept_by_aws(component),
        });
        let named = self.deployments.values().flat_map(|deployment| &deployment.components);
        let named = named.map(|(name, wanted)| (name.as_str(), wanted.version.as_str()));
        // A component may depend on the service although no deployment names it.
        let public: BTreeSet<_> = named.chain([(component::TOKEN_EXCHANGE_SERVICE, SERVICE_VERSION)]).collect();
        let public = public.into_iter().filter_map(|(name, version)| Component::public(name, version));
        let listed = |recipe| world::Component { recipe, public: true, artifacts: BTreeMap::new() };
        private.chain(public.map(listed)).collect()
    }

    /// The objects behind a component's `greengrass:` artifacts, by name.
    fn kept_by_aws(&self, component: &Component) -> BTreeMap<String, String> {
        let kept = component.objects.iter().filter_map(|object| match &object.place {
            Place::Greengrass(name) => {
                let (bucket, key) = place_of(object, component, &self.environment);
                Some((name.clone(), format!("{bucket}/{key}")))
            }
            Place::S3 { .. } => None,
        });
        kept.collect()
    }
}

/// The bytes of an artifact: a file as it is, a folder zipped.
pub(crate) fn artifact(object: &Object) -> Result<Vec<u8>, Error> {
    artifact::bytes(&object.source, object.only.as_deref())
}

/// The deployments that the steps create; the first one brings the command line, if the device has it.
fn deployments(scenario: &Scenario, thing: &str, credentials: &Credentials) -> BTreeMap<usize, Deployment> {
    let group = scenario.group(thing);
    let job = scenario.fleet.as_ref().map(|fleet| fleet.job.clone()).unwrap_or_default();
    let deploys = |(index, step): (usize, &Step)| {
        step.action.deploy().map(|deploy| (index, deployment(deploy, &group, job.clone())))
    };
    let mut deployments: BTreeMap<_, _> = scenario.steps.iter().enumerate().filter_map(deploys).collect();
    let wanted = deployments.values_mut().flat_map(|deployment| deployment.components.values_mut());
    wanted.filter_map(|wanted| wanted.merge.as_mut()).for_each(|it| account::fill(it, credentials));
    if scenario.device.cli
        && let Some(mut first) = deployments.first_entry()
    {
        let components = &mut first.get_mut().components;
        components.entry(component::CLI.to_owned()).or_insert_with(|| Wanted::version(CLI_VERSION));
    }
    deployments
}

fn deployment(deploy: &Deploy, group: &str, job_configuration: JobConfiguration) -> Deployment {
    let target = match &deploy.target {
        step::Target::OwnGroup => Target::Group(group.to_owned()),
        step::Target::Group(group) => Target::Group(group.clone()),
        step::Target::Thing => Target::Thing,
    };
    let fresh = || uuid::Uuid::new_v4().to_string();
    Deployment {
        id: fresh(),
        job: if target == Target::Thing { String::new() } else { fresh() },
        name: None,
        target,
        components: deploy.components.clone(),
        failure_handling: deploy.failure,
        update: None,
        validation_timeout: None,
        required_capabilities: Vec::new(),
        job_configuration,
    }
}

/// Merges one object into another, field by field.
pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => from.clone_into(into),
    }
}

/// The bucket and key that an artifact is at; those that AWS keeps are in a bucket of its own.
fn place_of(object: &Object, component: &Component, environment: &str) -> (String, String) {
    match &object.place {
        Place::S3 { bucket, key } => (bucket.clone(), key.clone()),
        Place::Greengrass(name) => {
            let Component { name: component, version, .. } = component;
            (format!("greengrass-artifacts-{environment}"), format!("{component}/{version}/{name}"))
        }
    }
}

/// The buckets that the components' artifacts live in and those that the scenario states, filled.
fn buckets(scenario: &Scenario, environment: &str) -> Result<Vec<Bucket>, Error> {
    let mut buckets: BTreeMap<String, Bucket> = BTreeMap::new();
    let mut bucket = |name: &str, objects: BTreeMap<String, String>, policy: Option<String>| {
        let bucket = buckets.entry(name.to_owned()).or_insert_with(|| Bucket {
            name: name.to_owned(),
            objects: BTreeMap::new(),
            policy: None,
        });
        bucket.objects.extend(objects);
        bucket.policy = policy.or(bucket.policy.take());
    };
    for (name, stated) in &scenario.aws.buckets {
        let objects = stated.objects.iter().map(|(key, source)| Ok((key.clone(), artifact::base64(source, None)?)));
        bucket(name, objects.collect::<Result<_, Error>>()?, stated.policy.clone());
    }
    for component in &scenario.components {
        for object in &component.objects {
            let (name, key) = place_of(object, component, environment);
            bucket(&name, BTreeMap::from([(key, artifact::base64(&object.source, object.only.as_deref())?)]), None);
        }
    }
    Ok(buckets.into_values().collect())
}
