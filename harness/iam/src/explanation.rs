//! Why a decision comes out as it does: every statement of every policy, with what matched and what did not.

use crate::{
    condition::Condition,
    decision::{Decision, StatementRef, decide, judge},
    document::Effect,
    policies::{Layer, Policies},
    request::{Asked, Request},
};
use std::fmt;

/// A decision with all its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'p> {
    /// How the request comes out.
    pub decision: Decision<'p>,
    /// The end of AWS's text of a denial.
    pub clause: Option<String>,
    /// Each layer that there is, a level at a time.
    pub layers: Vec<LayerReport<'p>>,
}

/// What one level of a layer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerReport<'p> {
    /// The layer.
    pub layer: Layer,
    /// Level of SCPs and RCPs, from 0; 0 for other layers.
    pub level: usize,
    /// Each statement of each policy.
    pub statements: Vec<StatementReport<'p>>,
}

/// What of a statement matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementReport<'p> {
    /// Which one.
    pub statement: StatementRef<'p>,
    /// What it does where it applies.
    pub effect: Effect,
    /// Whether it applies.
    pub applies: bool,
    /// Whether it speaks of who asks; absent in policies that hang on whoever asks.
    pub principal: Option<bool>,
    /// Whether it speaks of the action.
    pub action: bool,
    /// Whether it speaks of the resource.
    pub resource: bool,
    /// Each of its conditions.
    pub conditions: Vec<ConditionReport<'p>>,
}

/// What a condition wants and what it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionReport<'p> {
    /// The operator as the policy spells it.
    pub operator: &'p str,
    /// The key as the policy spells it.
    pub key: &'p str,
    /// The policy's values.
    pub wanted: &'p [String],
    /// The request's values; absent if it has no such key.
    pub seen: Option<Vec<String>>,
    /// Whether the condition holds.
    pub holds: bool,
}

/// Decides a request as [`decide`] does, and says why.
#[must_use]
pub fn explain<'p>(policies: &'p Policies, request: &Request) -> Explanation<'p> {
    let decision = decide(policies, request);
    let asked = request.asked();
    let layers = Layer::ALL.into_iter().filter(|layer| policies.has(*layer)).flat_map(|layer| {
        policies.levels(layer).enumerate().map(move |(level, list)| {
            let statements = list.iter().flat_map(|policy| {
                let statements = policy.document.statements.iter().enumerate();
                statements.map(|(index, one)| {
                    report(layer, StatementRef::new(&policy.name, index, one), one, policies, &asked)
                })
            });
            LayerReport { layer, level, statements: statements.collect() }
        })
    });
    Explanation { decision, clause: decision.clause(&request.action), layers: layers.collect() }
}

fn report<'p>(
    layer: Layer,
    statement: StatementRef<'p>,
    of: &'p crate::document::Statement,
    policies: &Policies,
    asked: &Asked<'_>,
) -> StatementReport<'p> {
    let principal = if layer.names_principals() {
        Some(of.names_principal(asked, policies.boundary.is_some()).is_some())
    } else {
        of.has_principal().then_some(false)
    };
    StatementReport {
        statement,
        effect: of.effect,
        applies: judge(layer, of, policies, asked).is_some(),
        principal,
        action: of.names_action(asked),
        resource: of.names_resource(asked),
        conditions: of.conditions.iter().map(|condition| condition_report(condition, asked)).collect(),
    }
}

fn condition_report<'p>(condition: &'p Condition, asked: &Asked<'_>) -> ConditionReport<'p> {
    ConditionReport {
        operator: &condition.name,
        key: &condition.key,
        wanted: &condition.wanted,
        seen: condition.seen(asked.context).map(|values| values.iter().map(|value| value.text.clone()).collect()),
        holds: condition.holds(asked),
    }
}

impl LayerReport<'_> {
    /// Whether a statement of that effect applies.
    #[must_use]
    pub fn has(&self, effect: Effect) -> bool {
        self.statements.iter().any(|statement| statement.effect == effect && statement.applies)
    }
}

impl<'p> Explanation<'p> {
    /// The layers in which a statement denies.
    #[must_use]
    pub fn denied_in(&self) -> Vec<Layer> {
        self.layers_where(|report| report.has(Effect::Deny))
    }

    /// The layers that there are and that don't allow. Resource control policies always do.
    #[must_use]
    pub fn not_allowed_in(&self) -> Vec<Layer> {
        self.layers_where(|report| report.layer != Layer::Rcp && !report.has(Effect::Allow))
    }

    fn layers_where(&self, is: impl Fn(&LayerReport<'_>) -> bool) -> Vec<Layer> {
        let mut layers: Vec<Layer> =
            self.layers.iter().filter(|report| is(report)).map(|report| report.layer).collect();
        layers.dedup();
        layers
    }

    /// The statements that apply and have the effect that the decision has: those that deny, or else those that allow.
    #[must_use]
    pub fn deciding(&self) -> Vec<StatementRef<'p>> {
        let effect = if self.denied_in().is_empty() { Effect::Allow } else { Effect::Deny };
        let all = self.layers.iter().flat_map(|report| &report.statements);
        all.filter(|one| one.applies && one.effect == effect).map(|one| one.statement).collect()
    }
}

/// Shows the decision and under it each layer with its statements.
impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.decision.outcome)?;
        if let Some(statement) = self.decision.statement {
            write!(f, " by {statement}")?;
        }
        if let Some(clause) = &self.clause {
            write!(f, " ({clause})")?;
        }
        writeln!(f)?;
        self.layers.iter().try_for_each(|layer| write!(f, "{layer}"))
    }
}

impl fmt::Display for LayerReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match (self.has(Effect::Deny), self.has(Effect::Allow), self.layer) {
            (true, ..) => "denies",
            (false, true, _) | (false, false, Layer::Rcp) => "allows",
            (false, false, _) => "does not allow",
        };
        let level = if matches!(self.layer, Layer::Scp | Layer::Rcp) {
            format!(" level {}", self.level)
        } else {
            String::new()
        };
        writeln!(f, "{}{level}: {says}", self.layer)?;
        self.statements.iter().try_for_each(|statement| write!(f, "{statement}"))
    }
}

impl fmt::Display for StatementReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.statement.position.map(|position| format!(" at {position}")).unwrap_or_default();
        let applies = if self.applies { "applies" } else { "does not apply" };
        writeln!(f, "  {:?} {}{place}: {applies}", self.effect, self.statement)?;
        let line = |f: &mut fmt::Formatter<'_>, what: &str, matches: bool| {
            writeln!(f, "    {} {what}", if matches { "+" } else { "-" })
        };
        if let Some(principal) = self.principal {
            line(f, "principal", principal)?;
        }
        line(f, "action", self.action)?;
        line(f, "resource", self.resource)?;
        self.conditions.iter().try_for_each(|condition| line(f, &condition.to_string(), condition.holds))
    }
}

impl fmt::Display for ConditionReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: ", self.operator, self.key, self.wanted.join(" | "))?;
        match &self.seen {
            None => f.write_str("not in the request"),
            Some(seen) => write!(f, "the request has {seen:?}"),
        }
    }
}
