//! The tables of a scenario file as they are written; [`super`] makes a scenario of them.

use super::super::{Call, Leaks, Line, MustFail, Package, Timing};
use crate::docker::System;
use cloud::{
    minted::TokenForm,
    world::{AbortConfig, Permissions, RolloutConfig, TimeoutConfig, TokenKind},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt, path::PathBuf};
use toml::{Spanned, Value};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) base: Option<Spanned<PathBuf>>,
    pub(super) summary: Option<String>,
    /// Where the expected values come from; for a reader alone.
    #[serde(rename = "reference")]
    _reference: Option<String>,
    pub(super) tags: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) fidelity: Vec<String>,
    #[serde(default)]
    pub(super) device: Device,
    pub(super) fleet: Option<Fleet>,
    #[serde(default)]
    pub(super) aws: Aws,
    #[serde(default)]
    pub(super) github: GitHub,
    #[serde(default)]
    pub(super) index: Index,
    pub(super) faults: Option<Vec<Spanned<String>>>,
    pub(super) component: Option<Vec<Component>>,
    pub(super) deployment: Option<BTreeMap<Spanned<String>, Spanned<Value>>>,
    pub(super) step: Option<Vec<Spanned<Step>>>,
    #[serde(default)]
    pub(super) expect: Expect,
    pub(super) leaks: Option<Leaks>,
    pub(super) must_fail: Option<MustFail>,
    /// What the failure library says of it; no part of the scenario.
    #[serde(rename = "failure")]
    _failure: Option<toml::Table>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    pub(super) core: Option<Spanned<String>>,
    pub(super) system: Option<System>,
    pub(super) apt: Option<Vec<Spanned<String>>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) thing: Option<String>,
    pub(super) pep668: Option<bool>,
    pub(super) trust_ca: Option<bool>,
    pub(super) public_address: Option<Spanned<String>>,
    pub(super) clock: Option<Spanned<f64>>,
    pub(super) timing: Option<Timing>,
    pub(super) cli: Option<bool>,
    pub(super) nucleus: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fleet {
    pub(super) devices: Option<Spanned<usize>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) job_executions_rollout_config: Option<Spanned<RolloutConfig>>,
    pub(super) abort_config: Option<Spanned<AbortConfig>>,
    pub(super) timeout_config: Option<Spanned<TimeoutConfig>>,
    pub(super) except: Option<Vec<Except>>,
    pub(super) expect: Option<Counts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Except {
    /// How many, or which.
    pub(super) devices: Spanned<Value>,
    pub(super) faults: Option<Vec<Spanned<String>>>,
    pub(super) expect: Spanned<Expect>,
}

/// How many devices a deployment ends on how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    pub(super) succeeded: Option<usize>,
    pub(super) failed: Option<usize>,
    pub(super) rejected: Option<usize>,
    pub(super) canceled: Option<usize>,
    pub(super) timed_out: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Aws {
    pub(super) account: Option<Spanned<String>>,
    pub(super) region: Option<String>,
    pub(super) soft: Option<bool>,
    #[serde(default)]
    pub(super) role: TokenExchangeRole,
    pub(super) roles: Option<BTreeMap<Spanned<String>, Role>>,
    pub(super) thing_policies: Option<Files>,
    pub(super) scps: Option<Vec<Spanned<Files>>>,
    pub(super) rcps: Option<Vec<Spanned<Files>>>,
    pub(super) keys: Option<BTreeMap<Spanned<String>, Key>>,
    pub(super) secrets: Option<BTreeMap<Spanned<String>, Secret>>,
    pub(super) buckets: Option<BTreeMap<Spanned<String>, Bucket>>,
}

pub(super) type Files = Vec<Spanned<PathBuf>>;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenExchangeRole {
    pub(super) name: Option<Spanned<String>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) trust: Option<Spanned<PathBuf>>,
    pub(super) policies: Option<Files>,
    pub(super) boundary: Option<Spanned<PathBuf>>,
    pub(super) tags: Option<BTreeMap<Spanned<String>, String>>,
    pub(super) max_session: Option<Spanned<u32>>,
    pub(super) alias: Option<String>,
    pub(super) alias_exists: Option<bool>,
    pub(super) duration: Option<Spanned<u32>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    pub(super) path: Option<Spanned<String>>,
    pub(super) trust: Option<Spanned<PathBuf>>,
    pub(super) policies: Option<Files>,
    pub(super) boundary: Option<Spanned<PathBuf>>,
    pub(super) tags: Option<BTreeMap<Spanned<String>, String>>,
    pub(super) max_session: Option<Spanned<u32>>,
    pub(super) alias: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) id: Option<Spanned<String>>,
    pub(super) policy: Option<Spanned<PathBuf>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
}

/// A secret: its value alone, or a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct Secret {
    pub(super) value: String,
    pub(super) suffix: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) policy: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) tags: BTreeMap<Spanned<String>, String>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret's value, or { value, suffix, key, policy, tags }")
            }

            fn visit_str<E>(self, value: &str) -> Result<Secret, E> {
                Ok(Secret { value: value.to_owned(), suffix: None, key: None, policy: None, tags: BTreeMap::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                Secret::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bucket {
    #[serde(default)]
    pub(super) objects: BTreeMap<Spanned<String>, Spanned<PathBuf>>,
    pub(super) policy: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct GitHub {
    pub(super) reachable: Option<bool>,
    pub(super) repositories: Option<BTreeMap<Spanned<String>, Repository>>,
    pub(super) tokens: Option<BTreeMap<String, Token>>,
    pub(super) apps: Option<BTreeMap<Spanned<String>, App>>,
    pub(super) deploy_keys: Option<BTreeMap<Spanned<String>, DeployKey>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) requirements: Option<Spanned<PathBuf>>,
    pub(super) wheels: Option<Spanned<PathBuf>>,
    pub(super) private: Option<PrivateIndex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateIndex {
    pub(super) host: Spanned<String>,
    pub(super) user: Option<String>,
    pub(super) wheels: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) sources: BTreeMap<String, Spanned<PathBuf>>,
}

/// It comes from one of three places.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repository {
    pub(super) source: Option<Spanned<PathBuf>>,
    pub(super) path: Option<Spanned<PathBuf>>,
    pub(super) bundle: Option<Spanned<PathBuf>>,
    #[serde(default = "yes")]
    pub(super) private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) login: String,
    #[serde(default)]
    pub(super) kind: TokenKind,
    #[serde(default)]
    pub(super) repositories: Vec<String>,
    pub(super) permissions: Option<Permissions>,
    #[serde(default = "yes")]
    pub(super) contents: bool,
    pub(super) expires: Option<i64>,
    #[serde(default = "yes")]
    pub(super) known: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct App {
    pub(super) id: Option<u64>,
    pub(super) client_id: Option<String>,
    pub(super) installation: Option<u64>,
    pub(super) owner: String,
    pub(super) repositories: Option<Vec<Spanned<String>>>,
    pub(super) permissions: Option<Permissions>,
    #[serde(default)]
    pub(super) tokens: TokenForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployKey {
    pub(super) repository: Spanned<String>,
    #[serde(default)]
    pub(super) write: bool,
    #[serde(default = "yes")]
    pub(super) known: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Component {
    pub(super) gdk: Option<Spanned<PathBuf>>,
    pub(super) recipe: Option<Spanned<PathBuf>>,
    pub(super) recipe_text: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) artifacts: BTreeMap<String, Spanned<PathBuf>>,
}

/// A step has exactly one action.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) deploy: Option<Deploy>,
    pub(super) cancel: Option<Spanned<bool>>,
    pub(super) run: Option<Spanned<Vec<String>>>,
    #[serde(rename = "as")]
    pub(super) user: Option<Spanned<String>>,
    pub(super) cli: Option<Spanned<Vec<String>>>,
    pub(super) kill: Option<Spanned<String>>,
    #[serde(rename = "await")]
    pub(super) awaited: Option<Spanned<Condition>>,
    pub(super) fault: Option<Spanned<String>>,
    pub(super) fault_end: Option<Spanned<String>>,
    pub(super) policy: Option<Policy>,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// Policies in place of those of the token exchange role and of the certificate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) policies: Option<Files>,
    pub(super) trust: Option<Spanned<PathBuf>>,
    pub(super) boundary: Option<Spanned<PathBuf>>,
    pub(super) thing_policies: Option<Files>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deploy {
    pub(super) target: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) components: BTreeMap<Spanned<String>, Spanned<Value>>,
    pub(super) failure: Option<Spanned<String>>,
    pub(super) until: Option<Spanned<Condition>>,
}

/// A component of a deployment in its long form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) version: String,
    pub(super) merge: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) reset: Vec<String>,
    pub(super) user: Option<String>,
}

/// One of three forms: component and state, log, line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) component: Option<String>,
    pub(super) state: Option<Spanned<String>>,
    pub(super) log: Option<String>,
    pub(super) line: Option<Line>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) deployment: Option<Spanned<String>>,
    pub(super) detailed: Option<String>,
    pub(super) stack: Option<Vec<String>>,
    pub(super) types: Option<Vec<String>>,
    pub(super) cause: Option<String>,
    pub(super) components: Option<BTreeMap<String, Spanned<String>>>,
    pub(super) states: Option<BTreeMap<String, Vec<Spanned<String>>>>,
    pub(super) log: Option<Vec<LogLine>>,
    pub(super) line: Option<Vec<Line>>,
    pub(super) exit: Option<Spanned<i64>>,
    pub(super) prints: Option<Spanned<Vec<String>>>,
    pub(super) says: Option<Spanned<Value>>,
    pub(super) recovers_within: Option<Spanned<f64>>,
    pub(super) call: Option<Vec<Call>>,
    pub(super) package: Option<Vec<Package>>,
}

impl Expect {
    /// Whether it says something of a step, beyond what is held against the whole run.
    pub(super) const fn is_of_a_step(&self) -> bool {
        let Self {
            deployment,
            detailed,
            stack,
            types,
            cause,
            components,
            states,
            log,
            line,
            exit,
            prints,
            says,
            recovers_within,
            ..
        } = self;
        deployment.is_some()
            || detailed.is_some()
            || stack.is_some()
            || types.is_some()
            || cause.is_some()
            || components.is_some()
            || states.is_some()
            || log.is_some()
            || line.is_some()
            || exit.is_some()
            || prints.is_some()
            || says.is_some()
            || recovers_within.is_some()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLine {
    pub(super) file: String,
    pub(super) has: String,
    pub(super) times: Option<usize>,
}

const fn yes() -> bool {
    true
}
