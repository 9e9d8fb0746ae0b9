//! One compiled statement.

use super::principals::{Grant, Principals};
use crate::{
    condition::{self, Condition},
    json::{Node, Position},
    pattern::{ArnPattern, Pattern, Reading},
    request::Asked,
};

/// What a statement does where it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

/// `Only` what is listed, or everything `Except` it (`NotAction`, `NotResource`).
#[derive(Clone, Debug)]
enum Scope<T> {
    Only(Vec<T>),
    Except(Vec<T>),
}

impl<T> Scope<T> {
    /// Reads a list or its inverted form.
    fn compile(statement: &Node, [only, except]: [&str; 2], read: impl Fn(&str) -> T) -> Option<Self> {
        let list = |node: &Node| node.listed().iter().filter_map(Node::text).map(&read).collect();
        let only = statement.get(only).map(|node| Self::Only(list(node)));
        only.or_else(|| statement.get(except).map(|node| Self::Except(list(node))))
    }

    fn covers(&self, hit: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Only(list) => list.iter().any(hit),
            Self::Except(list) => !list.iter().any(hit),
        }
    }
}

/// A statement, ready to be asked. One that IAM would refuse speaks of nothing.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) place: Option<Position>,
    pub(crate) effect: Effect,
    /// Absent in policies that hang on whoever asks.
    principals: Option<Principals>,
    actions: Scope<Pattern>,
    /// Absent in trust policies.
    resources: Option<Scope<ArnPattern>>,
    pub(crate) conditions: Vec<Condition>,
}

impl Statement {
    /// `variables` says whether the policy's `Version` has them.
    pub(super) fn compile(node: &Node, variables: bool) -> Self {
        let effect = match node.get("Effect").and_then(Node::text) {
            Some("Allow") => Some(Effect::Allow),
            Some("Deny") => Some(Effect::Deny),
            _ => None,
        };
        let only = node.get("Principal").map(Principals::only);
        let principals = only.or_else(|| node.get("NotPrincipal").map(Principals::except));
        let completes = principals.is_none();
        let actions = Scope::compile(node, ["Action", "NotAction"], action).filter(|_| effect.is_some());
        let conditions = node.get("Condition").map(|block| condition::compile(block, variables));
        Self {
            sid: node.get("Sid").and_then(Node::text).filter(|sid| !sid.is_empty()).map(str::to_owned),
            place: node.place,
            effect: effect.unwrap_or(Effect::Allow),
            principals,
            actions: actions.unwrap_or(Scope::Only(Vec::new())),
            resources: Scope::compile(node, ["Resource", "NotResource"], |text| {
                ArnPattern::resource(text, variables, completes)
            }),
            conditions: conditions.unwrap_or_default(),
        }
    }

    /// Whether the statement applies to who has the policy it is in. One with a `Principal` has no place there.
    pub(crate) fn applies(&self, asked: &Asked<'_>) -> bool {
        self.principals.is_none() && self.speaks_of(asked)
    }

    /// Whether and how closely the statement applies, being in a policy that names its principals.
    pub(crate) fn grants(&self, asked: &Asked<'_>, bounded: bool) -> Option<Grant> {
        let grant = self.names_principal(asked, bounded)?;
        self.speaks_of(asked).then_some(grant)
    }

    fn speaks_of(&self, asked: &Asked<'_>) -> bool {
        self.names_action(asked) && self.names_resource(asked) && self.conditions.iter().all(|one| one.holds(asked))
    }

    pub(crate) fn has_principal(&self) -> bool {
        self.principals.is_some()
    }

    pub(crate) fn names_principal(&self, asked: &Asked<'_>, bounded: bool) -> Option<Grant> {
        self.principals.as_ref()?.cover(asked.principal, self.effect, bounded)
    }

    pub(crate) fn names_action(&self, asked: &Asked<'_>) -> bool {
        // Patterns of actions have no variables.
        self.actions.covers(|pattern| pattern.matches(asked.action, asked.context))
    }

    /// A statement without resources is one of a trust policy and speaks of its role.
    pub(crate) fn names_resource(&self, asked: &Asked<'_>) -> bool {
        let covers =
            |scope: &Scope<ArnPattern>| scope.covers(|pattern| pattern.matches(asked.resource.as_ref(), asked.context));
        self.resources.as_ref().map_or(asked.role, covers)
    }
}

/// Compiles an action, to be matched with one in lower case. A wildcard in the name of its service, which IAM refuses, matches nothing.
fn action(text: &str) -> Pattern {
    let lower = text.to_ascii_lowercase();
    let refused =
        lower.split_once(':').is_some_and(|(vendor, name)| vendor.contains(['*', '?']) && (vendor, name) != ("*", "*"));
    let wildcards = !refused;
    Pattern::parse(&lower, Reading { variables: false, wildcards })
}
