//! The policy document: its grammar and what of it is understood.

use crate::{
    condition::{self, Condition},
    pattern::{ArnPattern, Pattern, Reading},
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A parsed policy.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

/// Why a document can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document as a whole.
    #[error("policy document: {0}")]
    Document(Fault),
    /// One of its statements, counted from 0.
    #[error("statement {index} of the policy: {fault}")]
    Statement {
        /// Position of the statement.
        index: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a document or a statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not a JSON object, or `Statement` is missing.
    #[error("it must be an object with `Statement`")]
    Shape,
    /// A version other than the two that exist.
    #[error("`Version` must be `2012-10-17` or `2008-10-17`")]
    Version,
    /// An element that a policy of this kind can't have.
    #[error("it can't have the element `{0}`")]
    Element(String),
    /// An element that must be there, or one of two.
    #[error("it needs exactly one of {0}")]
    Needs(&'static str),
    /// `Effect` is neither `Allow` nor `Deny`.
    #[error("`Effect` must be `Allow` or `Deny`")]
    Effect,
    /// A `Sid` occurs twice.
    #[error("its `Sid` `{0}` is not unique in the policy")]
    Sid(String),
    /// An action without a vendor, or not a text.
    #[error("`{0}` is no action: it must be `*` or `service:name`")]
    Action(String),
    /// A resource that is no ARN, or holds an unknown variable.
    #[error("`{0}` is no resource: it must be `*` or an ARN with documented variables")]
    Resource(String),
    /// `Condition` is not an object of objects.
    #[error("`Condition` must be an object of operators with objects of keys")]
    Condition,
    /// A condition operator that is not known.
    #[error("condition operator `{0}` is not known")]
    Operator(String),
    /// A condition value for which no source says what AWS would do.
    #[error("a value of `{key}` under `{operator}` can't be evaluated")]
    Value {
        /// The condition operator.
        operator: String,
        /// The condition key.
        key: String,
    },
    /// A principal that is not understood.
    #[error("`Principal` is not understood")]
    Principal,
}

/// What a statement does where it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// `Only` what is listed, or everything `Except` it (`NotAction`, `NotResource`).
#[derive(Clone, Debug)]
pub(crate) enum Scope<T> {
    Only(Vec<T>),
    Except(Vec<T>),
}

impl<T> Scope<T> {
    pub(crate) fn covers(&self, hit: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Only(list) => list.iter().any(hit),
            Self::Except(list) => !list.iter().any(hit),
        }
    }
}

/// Whom a trust policy speaks of.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    Everyone,
    /// Service principals; other kinds of principal are never a service.
    Services(Vec<String>),
}

#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) actions: Scope<Pattern>,
    /// Absent in trust policies only.
    pub(crate) resources: Option<Scope<ArnPattern>>,
    /// Present in trust policies only.
    pub(crate) principal: Option<Principal>,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Identity,
    Trust,
}

impl Document {
    /// Reads an identity policy or an IoT policy.
    ///
    /// # Errors
    /// If AWS would refuse the document, or if it holds something that this crate can't decide as AWS does.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        Self::read(value, Kind::Identity)
    }

    /// Reads the trust policy of a role.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_trust(value: &Value) -> Result<Self, Error> {
        Self::read(value, Kind::Trust)
    }

    fn read(value: &Value, kind: Kind) -> Result<Self, Error> {
        let object = value.as_object().ok_or(Error::Document(Fault::Shape))?;
        if let Some(key) = object.keys().find(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
            return Err(Error::Document(Fault::Element(key.clone())));
        }
        let variables = match object.get("Version").map(Value::as_str) {
            Some(Some("2012-10-17")) => true,
            None | Some(Some("2008-10-17")) => false,
            _ => return Err(Error::Document(Fault::Version)),
        };
        let list = match object.get("Statement") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => return Err(Error::Document(Fault::Shape)),
        };
        let mut sids = BTreeSet::new();
        let mut statements = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let at = |fault| Error::Statement { index, fault };
            let statement = Statement::parse(value, variables, kind).map_err(at)?;
            if let Some(sid) = statement.sid.clone().filter(|sid| !sids.insert(sid.clone())) {
                return Err(at(Fault::Sid(sid)));
            }
            statements.push(statement);
        }
        Ok(Self { statements })
    }
}

impl Statement {
    fn parse(value: &Value, variables: bool, kind: Kind) -> Result<Self, Fault> {
        let object = value.as_object().ok_or(Fault::Shape)?;
        let own: &[&str] = match kind {
            Kind::Identity => &["Resource", "NotResource"],
            Kind::Trust => &["Principal"],
        };
        let common = ["Sid", "Effect", "Action", "NotAction", "Condition"];
        if let Some(key) = object.keys().find(|key| !common.contains(&key.as_str()) && !own.contains(&key.as_str())) {
            return Err(Fault::Element(key.clone()));
        }
        let effect = match object.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(Fault::Effect),
        };
        let sid = match object.get("Sid") {
            None => None,
            Some(Value::String(sid)) => Some(sid.clone()).filter(|sid| !sid.is_empty()),
            Some(other) => return Err(Fault::Sid(other.to_string())),
        };
        let actions = scope(object, ["Action", "NotAction"], "`Action`, `NotAction`", action)?;
        let resources = match kind {
            Kind::Identity => Some(scope(object, ["Resource", "NotResource"], "`Resource`, `NotResource`", |value| {
                resource(value, variables)
            })?),
            Kind::Trust => None,
        };
        let principal = match kind {
            Kind::Identity => None,
            Kind::Trust => Some(principal(object.get("Principal").ok_or(Fault::Needs("`Principal`"))?)?),
        };
        let conditions = object.get("Condition").map(|block| condition::parse(block, variables)).transpose()?;
        Ok(Self { sid, effect, actions, resources, principal, conditions: conditions.unwrap_or_default() })
    }
}

fn scope<T>(
    object: &Map<String, Value>,
    [only, except]: [&str; 2],
    needs: &'static str,
    read: impl Fn(&Value) -> Result<T, Fault>,
) -> Result<Scope<T>, Fault> {
    let list = |value: &Value| match value {
        Value::Array(list) => list.iter().map(&read).collect::<Result<Vec<_>, _>>(),
        one => read(one).map(|one| vec![one]),
    };
    match (object.get(only), object.get(except)) {
        (Some(value), None) => Ok(Scope::Only(list(value)?)),
        (None, Some(value)) => Ok(Scope::Except(list(value)?)),
        _ => Err(Fault::Needs(needs)),
    }
}

fn action(value: &Value) -> Result<Pattern, Fault> {
    let fault = || Fault::Action(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let text = value.as_str().ok_or_else(fault)?;
    let pattern = Pattern::parse(text, Reading { variables: false, wildcards: true }).ok_or_else(fault)?;
    let vendor = text.split_once(':').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.contains(':'));
    if vendor || pattern.is_everything() { Ok(pattern) } else { Err(fault()) }
}

fn resource(value: &Value, variables: bool) -> Result<ArnPattern, Fault> {
    let fault = || Fault::Resource(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let text = value.as_str().ok_or_else(fault)?;
    let pattern = ArnPattern::parse(text, variables).ok_or_else(fault)?;
    pattern.is_complete().then_some(pattern).ok_or_else(fault)
}

fn principal(value: &Value) -> Result<Principal, Fault> {
    let Some(object) = value.as_object() else {
        return if value == "*" { Ok(Principal::Everyone) } else { Err(Fault::Principal) };
    };
    let mut services = Vec::new();
    for (kind, value) in object {
        let list = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for principal in list {
            match (kind.as_str(), principal.as_str()) {
                ("AWS", Some("*")) => return Ok(Principal::Everyone),
                ("Service", Some(service)) if service != "*" => services.push(service.to_owned()),
                ("AWS" | "Federated", Some(_)) => {}
                _ => return Err(Fault::Principal),
            }
        }
    }
    Ok(Principal::Services(services))
}
