//! What a new policy changes for a component: each request that its run made, decided before and after.
//!
//! A request that the run under the new policy never came to is decided all the same, from the record of the run before.

mod report;

use super::{
    Error,
    form::Form,
    layers::{Spoken, statements},
    recorded::{Asked, asked},
    slot::Slot,
};
use crate::{
    Plan,
    evidence::{
        Evidence,
        log::{self, Span},
    },
    plan::Addresses,
    scenario::Scenario,
};
use cloud::{
    event::{Decision, Outcome},
    policies::Account,
    world::World,
};
use iam::{Effect, Layer};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

/// All that changes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The scenario.
    pub scenario: String,
    /// What the policy replaces.
    pub replaces: Slot,
    /// How the run before came out; absent where a record was decided again.
    pub before: Option<Came>,
    /// How the run after came out.
    pub after: Option<Came>,
    /// Each different request, in the order of the run before; then those that only the run after made.
    pub calls: Vec<Call>,
    /// Allow statements of the new policy that no request uses.
    pub unused: Vec<Unused>,
    /// Allow statements that allow more than the requests under them need.
    pub wide: Vec<Wide>,
}

/// How a run came out.
#[derive(Clone, Debug, Serialize)]
pub struct Came {
    /// Whether it passed.
    pub passed: bool,
    /// Its findings, each as `expected; seen`.
    pub findings: Vec<String>,
}

/// One request, made once or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The action.
    pub action: String,
    /// The resource; what the run minted is a placeholder.
    pub resource: String,
    /// How often the run before made it.
    pub times: usize,
    /// Its decision before.
    pub before: Decided,
    /// Its decision after.
    pub after: Decided,
    /// Whether the run after made it; absent where there was none.
    pub made: Option<bool>,
    /// Where the denial showed: a component's step.
    pub step: Option<String>,
    /// What was seen of the denial there.
    pub message: Option<String>,
}

/// A decision, and what made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// How it came out.
    pub outcome: Outcome,
    /// The layer of a denial.
    pub layer: Option<String>,
    /// The statement that decided, with its line and column.
    pub statement: Option<String>,
}

/// An Allow statement that no request uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unused {
    /// Which one, with line and column.
    pub statement: String,
    /// Whether the policy before didn't have it.
    pub added: bool,
    /// Its actions.
    pub actions: Vec<String>,
    /// Its resources.
    pub resources: Vec<String>,
}

/// An Allow statement and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wide {
    /// Which one, with line and column.
    pub statement: String,
    /// Its actions.
    pub actions: Vec<String>,
    /// Its resources.
    pub resources: Vec<String>,
    /// What was asked for under it: `ACTION on RESOURCE`.
    pub used: Vec<String>,
}

impl Change {
    /// The requests that were allowed and are not any more.
    pub fn broken(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.breaks())
    }

    /// Whether the new policy may not be rolled out: the component fails under it. Where it was not run, whatever it asked
    /// for counts as needed.
    #[must_use]
    pub fn is_a_finding(&self) -> bool {
        match &self.after {
            Some(after) => !after.passed,
            None => self.broken().next().is_some(),
        }
    }
}

impl Call {
    /// A recorded request as both sides decide it.
    fn decided(before: &Side, after: &Side, decision: &Decision, form: &Form) -> Self {
        Self {
            action: decision.action.clone(),
            resource: form.resource(&decision.resource),
            times: 1,
            before: before.decide(decision),
            after: after.decide(decision),
            made: None,
            step: None,
            message: None,
        }
    }

    /// Whether another is the same request with the same decisions.
    fn is(&self, other: &Self) -> bool {
        self.action == other.action
            && self.resource == other.resource
            && self.before == other.before
            && self.after == other.after
    }

    /// Whether it was allowed and is not any more.
    #[must_use]
    pub fn breaks(&self) -> bool {
        self.before.outcome == Outcome::Allowed && self.after.outcome != Outcome::Allowed
    }
}

/// A scenario before or after the change, and how its policies decide.
#[derive(Debug)]
pub struct Side {
    /// The scenario.
    pub scenario: Scenario,
    account: Account,
}

impl Side {
    /// The policies of a scenario in an account, which the scenario may leave open.
    ///
    /// # Errors
    /// When the scenario can't be resolved.
    pub fn of(scenario: Scenario, account: &str) -> Result<Self, Error> {
        let world = world(scenario.clone(), account)?;
        let account = Account::of(&world).map_err(|error| refused(&scenario.name, error))?;
        Ok(Self { scenario, account })
    }

    /// Decides a recorded request.
    #[must_use]
    pub fn decide(&self, decision: &Decision) -> Decided {
        let policies = self.account.applying(decision);
        let decided = iam::decide(&policies, &decision.request());
        Decided {
            outcome: decided.outcome.into(),
            layer: decided.layer.map(|layer| layer.to_string()),
            statement: decided.statement.map(|statement| placed(&statement)),
        }
    }

    /// The Allow statements among identity policies that apply to a recorded request, as policy and index.
    fn used(&self, decision: &Decision) -> Vec<(String, usize)> {
        let policies = self.account.applying(decision);
        let explained = iam::explain(&policies, &decision.request());
        let identity = explained.layers.iter().filter(|layer| layer.layer == Layer::Identity);
        let allows =
            identity.flat_map(|layer| &layer.statements).filter(|one| one.applies && one.effect == Effect::Allow);
        allows.map(|one| (one.statement.policy.to_owned(), one.statement.index)).collect()
    }
}

/// The world of a scenario in an account, which the scenario may leave open.
///
/// # Errors
/// When the scenario can't be resolved.
pub(super) fn world(scenario: Scenario, account: &str) -> Result<World, Error> {
    let name = scenario.name.clone();
    let plan = Plan::of(in_account(scenario, account)).map_err(|error| refused(&name, error.to_string()))?;
    let nowhere = Addresses { aws: Ipv4Addr::UNSPECIFIED, github: Ipv4Addr::UNSPECIFIED };
    Ok(plan.world("", nowhere))
}

fn refused(scenario: &str, error: String) -> Error {
    Error::new(scenario, error, "correct the scenario")
}

/// The scenario with its account stated.
#[must_use]
pub fn in_account(mut scenario: Scenario, account: &str) -> Scenario {
    scenario.aws.account = Some(account.to_owned());
    scenario
}

/// The scenario with an id for every key, so that several runs have the same; one key without an id takes that of a
/// record, if it has one.
#[must_use]
pub fn with_key_ids(mut scenario: Scenario, record: Option<&Evidence>) -> Scenario {
    let all = record.map(asked).unwrap_or_default();
    let recorded = all.iter().find_map(|one| one.decision.resource.split_once(":key/").map(|(_, id)| id.to_owned()));
    let open: Vec<_> = scenario.aws.keys.values_mut().filter(|key| key.id.is_none()).collect();
    let recorded = recorded.filter(|_| open.len() == 1);
    for key in open {
        key.id = Some(recorded.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()));
    }
    scenario
}

fn placed(statement: &iam::StatementRef<'_>) -> String {
    let place = statement.position.map(|position| format!(" {position}")).unwrap_or_default();
    format!("{statement}{place}")
}

/// Holds the record of a run against what decides it: both sides have the account of that run.
///
/// # Errors
/// When the record was not made under the policies before.
pub fn compare(before: &Side, after: &Side, record: &Evidence, replaces: Slot) -> Result<Change, Error> {
    let form = Form::of(&before.scenario, record);
    let mut calls: Vec<Call> = Vec::new();
    let mut used: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    for one in asked(record).iter().filter(|one| one.decision.was_made()) {
        let call = Call::decided(before, after, &one.decision, &form);
        if call.before.outcome != one.decision.outcome {
            return Err(not_of(before, one, &call));
        }
        if call.after.outcome == Outcome::Allowed {
            for statement in after.used(&one.decision) {
                used.entry(statement).or_default().insert(format!("{} on {}", call.action, call.resource));
            }
        }
        add(&mut calls, call);
    }
    if calls.is_empty() {
        let hint = "name the evidence of a run in which the device came up";
        return Err(Error::new(&before.scenario.name, "the record has no request that was decided", hint));
    }
    let (unused, wide) = allowances(before, after, &replaces, &used);
    let scenario = before.scenario.name.clone();
    Ok(Change { scenario, replaces, before: None, after: None, calls, unused, wide })
}

fn not_of(side: &Side, one: &Asked, call: &Call) -> Error {
    let message = format!(
        "the record was not made under these policies: call {}, {} on {}, was {:?} then, and is {:?}",
        one.number, call.action, call.resource, one.decision.outcome, call.before.outcome
    );
    Error::new(&side.scenario.name, message, "name the scenario and the `--baseline` that the record was made with")
}

fn add(calls: &mut Vec<Call>, call: Call) {
    match calls.iter_mut().find(|other| other.is(&call)) {
        Some(same) => same.times += 1,
        None => calls.push(call),
    }
}

/// Which Allow statements nothing uses, and which are wider than what is used of them.
fn allowances(
    before: &Side,
    after: &Side,
    slot: &Slot,
    used: &BTreeMap<(String, usize), BTreeSet<String>>,
) -> (Vec<Unused>, Vec<Wide>) {
    let old: Vec<Value> = slot.allowing(&before.scenario).values().flat_map(|text| bare_statements(text)).collect();
    let (mut unused, mut wide) = (Vec::new(), Vec::new());
    for (name, text) in slot.allowing(&after.scenario) {
        let Ok(document) = iam::Document::read(&text, slot.kind()) else { continue };
        let policies = iam::Policies { identity: vec![iam::Policy::new(&name, document)], ..Default::default() };
        let explained = iam::explain(&policies, &iam::Request::new("", "*"));
        let all = explained.layers.iter().flat_map(|layer| &layer.statements);
        for one in all.filter(|one| one.effect == Effect::Allow) {
            let Spoken { action: (action_key, actions), resource: (resource_key, resources), .. } =
                Spoken::of(&text, one.statement.index);
            let statement = placed(&one.statement);
            let Some(used) = used.get(&(name.clone(), one.statement.index)) else {
                let added = bare_statements(&text).get(one.statement.index).is_some_and(|own| !old.contains(own));
                unused.push(Unused { statement, added, actions, resources });
                continue;
            };
            let negated = action_key.starts_with("Not") || resource_key.starts_with("Not");
            // Any account stands for one that the run minted.
            let exact = |pattern: &String| {
                after
                    .scenario
                    .aws
                    .account
                    .as_deref()
                    .map_or_else(|| of_any_account(pattern, "{account}"), |_| pattern.clone())
            };
            let pairs = actions
                .iter()
                .flat_map(|action| resources.iter().map(move |resource| format!("{action} on {}", exact(resource))));
            if negated || pairs.into_iter().any(|pair| !used.contains(&pair)) {
                wide.push(Wide { statement, actions, resources, used: used.iter().cloned().collect() });
            }
        }
    }
    (unused, wide)
}

/// A pattern whose account is any, with a name for the account.
fn of_any_account(pattern: &str, account: &str) -> String {
    let mut parts: Vec<&str> = pattern.splitn(6, ':').collect();
    if let Some(any) = parts.get_mut(4).filter(|any| **any == "*") {
        *any = account;
    }
    parts.join(":")
}

/// The statements without the names that people give them.
fn bare_statements(text: &str) -> Vec<Value> {
    let mut all = statements(text);
    for statement in &mut all {
        if let Some(object) = statement.as_object_mut() {
            object.shift_remove("Sid");
        }
    }
    all
}

impl Change {
    /// Adds what the run under the new policy showed; `side` has that run's account.
    pub fn seen(&mut self, old: &Side, new: &Side, evidence: &Evidence) {
        let form = Form::of(&new.scenario, evidence);
        let all = asked(evidence);
        let key = |one: &Asked| (one.decision.action.clone(), form.resource(&one.decision.resource));
        let made: BTreeSet<_> = all.iter().map(key).collect();
        for call in &mut self.calls {
            call.made = Some(made.contains(&(call.action.clone(), call.resource.clone())));
        }
        let known: BTreeSet<_> = self.calls.iter().map(|call| (call.action.clone(), call.resource.clone())).collect();
        let more = all.iter().filter(|one| one.decision.was_made());
        for one in more.filter(|one| !known.contains(&key(one))) {
            add(&mut self.calls, Call { made: Some(true), ..Call::decided(old, new, &one.decision, &form) });
        }
        for call in self.calls.iter_mut().filter(|call| call.breaks()) {
            let denied = all
                .iter()
                .find(|one| !one.decision.is_allowed() && key(one) == (call.action.clone(), call.resource.clone()));
            (call.step, call.message) = denied.map_or((None, None), |denied| place_of(denied, evidence));
        }
    }
}

/// Where a denial showed and what was seen there: the line that a script printed, or what the core was answered.
fn place_of(denied: &Asked, evidence: &Evidence) -> (Option<String>, Option<String>) {
    let message = denied.message.clone();
    let printed = message.as_deref().and_then(|message| {
        let mut lines = evidence.component_logs.values().flat_map(|log| log::printed(log, Span::ALWAYS));
        lines.find(|line| line.text.contains(message))
    });
    match printed {
        Some(line) => (Some(format!("{} {}", line.component, line.step)), Some(line.text)),
        None => (Some("the core".into()), message),
    }
}
