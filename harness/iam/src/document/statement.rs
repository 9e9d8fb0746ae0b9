//! One statement: `Effect`, `Action`, `Resource`, `Principal`, `Condition`, `Sid`.

mod action;
mod resource;

use super::Fault;
use crate::{
    condition::{self, Condition},
    evaluate::Context,
    pattern::{ArnPattern, Pattern, Segments},
};
use serde_json::{Map, Value};

/// What a statement does where it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// `Only` what is listed, or everything `Except` it (`NotAction`, `NotResource`).
#[derive(Clone, Debug)]
enum Scope<T> {
    Only(Vec<T>),
    Except(Vec<T>),
}

impl<T> Scope<T> {
    fn covers(&self, hit: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Only(list) => list.iter().any(hit),
            Self::Except(list) => !list.iter().any(hit),
        }
    }
}

/// Whom a trust or resource policy speaks of.
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
    /// Absent in identity and IoT policies.
    pub(crate) principal: Option<Principal>,
    actions: Scope<Pattern>,
    /// Absent in trust policies.
    resources: Option<Scope<ArnPattern>>,
    conditions: Vec<Condition>,
}

const ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

impl Statement {
    /// Reads a statement; `variables` says whether the policy's `Version` has them.
    pub(super) fn parse(value: &Value, variables: bool) -> Result<Self, Fault> {
        let object = value.as_object().ok_or_else(|| Fault::syntax("a statement must be an object"))?;
        if let Some(key) = object.keys().find(|key| !ELEMENTS.contains(&key.as_str())) {
            return Err(Fault::syntax(format!("`{key}` is no element of a statement")));
        }
        let effect = effect(object.get("Effect"))?;
        let sid = sid(object)?;
        let principal = principal(object)?;
        let actions = scope(object, ["Action", "NotAction"], action::parse)?
            .ok_or_else(|| Fault::said("`Action` is missing or empty", "Policy statement must contain actions."))?;
        let resources = scope(object, ["Resource", "NotResource"], |text| resource::parse(text, variables))?;
        match (&principal, &resources) {
            (None, None) => {
                let iam = "Policy statement must contain resources.";
                return Err(Fault::said("`Resource` is missing or empty", iam));
            }
            (Some(_), None) => action::check_trust(object)?,
            (_, Some(_)) => {}
        }
        let conditions = object.get("Condition").map(|block| condition::parse(block, variables)).transpose()?;
        Ok(Self { sid, effect, principal, actions, resources, conditions: conditions.unwrap_or_default() })
    }

    /// Whether the statement speaks of an action, given in lower case.
    pub(crate) fn names_action(&self, action: &str, context: &Context) -> bool {
        self.actions.covers(|pattern| pattern.matches(action, context))
    }

    /// Whether the statement speaks of a resource; `None` stands for the resource `*`.
    pub(crate) fn names_resource(&self, resource: Option<&Segments<'_>>, context: &Context) -> bool {
        self.resources.as_ref().is_some_and(|scope| scope.covers(|pattern| pattern.matches(resource, context)))
    }

    /// Whether the statement is one of a trust policy that speaks of a service.
    pub(crate) fn trusts(&self, service: &str) -> bool {
        self.resources.is_none()
            && match &self.principal {
                Some(Principal::Everyone) => true,
                Some(Principal::Services(services)) => services.iter().any(|one| one == service),
                None => false,
            }
    }

    /// Whether all conditions hold.
    pub(crate) fn conditions_hold(&self, context: &Context) -> bool {
        self.conditions.iter().all(|condition| condition.holds(context))
    }
}

fn effect(value: Option<&Value>) -> Result<Effect, Fault> {
    match value.map(Value::as_str) {
        Some(Some("Allow")) => Ok(Effect::Allow),
        Some(Some("Deny")) => Ok(Effect::Deny),
        Some(Some(other)) => Err(Fault::said(
            format!("`Effect` is `{other}`, neither `Allow` nor `Deny`"),
            "The policy failed legacy parsing",
        )),
        _ => Err(Fault::syntax("`Effect` must be `Allow` or `Deny`")),
    }
}

/// The `Sid`. IAM wants letters and digits; what IoT and resource policies want is not documented.
fn sid(object: &Map<String, Value>) -> Result<Option<String>, Fault> {
    let sid = match object.get("Sid") {
        None => return Ok(None),
        Some(Value::String(sid)) => sid,
        Some(other) => return Err(Fault::syntax(format!("`Sid` is `{other}`, which is no text"))),
    };
    let iam = !object.contains_key("Principal") && !action::all_of_iot(object);
    if iam && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Fault::undecided(format!("`Sid` `{sid}` must be of letters and digits")));
    }
    Ok(Some(sid.clone()).filter(|sid| !sid.is_empty()))
}

fn principal(object: &Map<String, Value>) -> Result<Option<Principal>, Fault> {
    if object.contains_key("NotPrincipal") {
        let detail = "`NotPrincipal` is not supported";
        return Err(Fault::said(detail, "Policy document should not specify a principal."));
    }
    let Some(value) = object.get("Principal") else { return Ok(None) };
    let unknown = || Fault::undecided(format!("`Principal` `{value}` is not understood"));
    let Some(kinds) = value.as_object().filter(|kinds| !kinds.is_empty()) else {
        return if value == "*" { Ok(Some(Principal::Everyone)) } else { Err(unknown()) };
    };
    let mut services = Vec::new();
    for (kind, value) in kinds {
        for principal in listed(value) {
            match (kind.as_str(), principal.as_str()) {
                ("AWS", Some("*")) => return Ok(Some(Principal::Everyone)),
                ("Service", Some(service)) if !service.contains(['*', '?']) => services.push(service.to_owned()),
                ("AWS" | "Federated" | "CanonicalUser", Some(name)) if !name.contains(['*', '?']) => {}
                _ => return Err(unknown()),
            }
        }
    }
    Ok(Some(Principal::Services(services)))
}

/// Reads a list and its inverted form, of which a statement has one; `None` if it has neither, or an empty list.
fn scope<T>(
    object: &Map<String, Value>,
    [only, except]: [&str; 2],
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Result<Option<Scope<T>>, Fault> {
    let (key, value) = match (object.get(only), object.get(except)) {
        (Some(value), None) => (only, value),
        (None, Some(value)) => (except, value),
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Fault::syntax(format!("`{only}` and `{except}` exclude each other")));
        }
    };
    let read = |value: &Value| match value.as_str() {
        Some(text) => read(text),
        None => Err(Fault::syntax(format!("`{key}` holds `{value}`, which is no text"))),
    };
    let list = listed(value).iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(match list {
        list if list.is_empty() => None,
        list if key == only => Some(Scope::Only(list)),
        list => Some(Scope::Except(list)),
    })
}

/// The items of a list; one value is a list of one.
fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
}
