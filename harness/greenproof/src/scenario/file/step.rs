//! Steps of a scenario file, and its short form: `[deployment]` and `[expect]` are one deploy step.

use super::{Layer, set, table};
use crate::{
    fault,
    scenario::{
        Error,
        step::{ABSENT, Action, Condition, Deploy, Expect, LogLine, Step, Target, Victim},
    },
};
use cloud::world::{FailureHandling, Wanted};
use std::{collections::BTreeMap, str::FromStr};
use toml::{Spanned, Value};

/// The final and passing statuses of a deployment.
const STATUSES: [&str; 7] = ["QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "CANCELED", "TIMED_OUT"];

/// The states of a component.
const STATES: [&str; 10] = [
    "NEW",
    "INSTALLED",
    "STARTING",
    "RUNNING",
    "STOPPING",
    "ERRORED",
    "BROKEN",
    "FINISHED",
    "UNINSTALLING",
    "UNINSTALLED",
];

impl Layer<'_> {
    /// Every `[[step]]`, in their order.
    pub(super) fn steps(&self, tables: Vec<Spanned<table::Step>>) -> Result<Vec<Step>, Error> {
        let mut opening = true;
        let mut steps = Vec::new();
        for table in tables {
            let span = table.get_ref().fault.as_ref().map(Spanned::span);
            let step = self.step(table)?;
            match step.action.fault() {
                None => opening = false,
                Some(fault) if !opening => {
                    if let Some(why) = fault.only_from_the_start() {
                        return Err(self.error(span, why, "move the step before all steps that are no `fault`"));
                    }
                }
                Some(_) => {}
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// A `[[step]]`.
    fn step(&self, table: Spanned<table::Step>) -> Result<Step, Error> {
        let span = table.span();
        let table::Step { deploy, cancel, run, user, cli, kill, awaited, fault, fault_end, policy, expect } =
            table.into_inner();
        let user_span = user.as_ref().map(Spanned::span);
        let mut actions = Vec::new();
        if let Some(deploy) = deploy {
            actions.push(Action::Deploy(self.deploy(deploy)?));
        }
        if let Some(command) = run {
            let command = self.words(command)?;
            actions.push(Action::Run { command, user: user.map(Spanned::into_inner) });
        } else if user_span.is_some() {
            return Err(self.error(user_span, "`as` is for `run`", "state the command that the user runs"));
        }
        if let Some(arguments) = cli {
            actions.push(Action::Cli(self.words(arguments)?));
        }
        if let Some(victim) = kill {
            actions.push(Action::Kill(self.victim(&victim)?));
        }
        if let Some(condition) = awaited {
            actions.push(Action::Await(self.condition(condition)?));
        }
        if let Some(fault) = fault {
            actions.push(Action::Fault(self.fault(&fault)?));
        }
        if let Some(name) = fault_end {
            actions.push(Action::FaultEnd(self.fault(&name)?));
        }
        if let Some(policy) = policy {
            actions.push(Action::Policy(self.policy_change(&policy)?));
        }
        match cancel {
            Some(cancel) if *cancel.get_ref() => actions.push(Action::Cancel),
            Some(cancel) => {
                return Err(self.error(Some(cancel.span()), "`cancel` is true or absent", "remove the line"));
            }
            None => {}
        }
        let Ok([action]) = <[Action; 1]>::try_from(actions) else {
            let hint = "state one of `deploy`, `run`, `cli`, `cancel`, `kill`, `await`, `fault`, `fault_end`, `policy`";
            return Err(self.error(Some(span), "a step has exactly one action", hint));
        };
        let mut expect = self.expect(expect, &action)?;
        let states_none = expect.detailed.is_none() && expect.stack.is_none() && expect.types.is_none();
        if expect.deployment.is_none() && states_none && expect.cause.is_none() && deploys(&action, &expect) {
            expect.deployment = Some("SUCCEEDED".to_owned());
        }
        Ok(Step { action, expect })
    }

    /// The step that the short form stands for.
    pub(super) fn short_step(&self, deploy: Deploy, expect: Expect) -> Result<Step, Error> {
        if expect.deployment.is_none() {
            let hint = "state the job's final status, such as \"SUCCEEDED\"";
            return Err(self.error(None, "`expect.deployment` is missing", hint));
        }
        Ok(Step { action: Action::Deploy(deploy), expect })
    }

    fn deploy(&self, table: table::Deploy) -> Result<Deploy, Error> {
        let target = match &table.target {
            None => Target::OwnGroup,
            Some(target) => match (target.get_ref().as_str(), target.get_ref().strip_prefix("group:")) {
                ("group", _) => Target::OwnGroup,
                ("thing", _) => Target::Thing,
                (_, Some(group)) => Target::Group(group.to_owned()),
                (other, None) => {
                    let hint = "use `group`, `thing` or `group:NAME`";
                    return Err(self.error(Some(target.span()), format!("the target `{other}` is not known"), hint));
                }
            },
        };
        let failure = match &table.failure {
            None => FailureHandling::Rollback,
            Some(failure) => match failure.get_ref().as_str() {
                "ROLLBACK" => FailureHandling::Rollback,
                "DO_NOTHING" => FailureHandling::DoNothing,
                other => {
                    let message = format!("the failure handling `{other}` is not known");
                    return Err(self.error(Some(failure.span()), message, "use `ROLLBACK` or `DO_NOTHING`"));
                }
            },
        };
        let until = table.until.map(|until| self.condition(until)).transpose()?;
        Ok(Deploy { target, components: self.wanted(table.components)?, failure, until })
    }

    /// The components of a deployment, in the short form (a version) or the long one.
    pub(super) fn wanted(
        &self,
        table: BTreeMap<Spanned<String>, Spanned<Value>>,
    ) -> Result<BTreeMap<String, Wanted>, Error> {
        let wanted = table.into_iter().map(|(name, value)| {
            let span = value.span();
            let wanted = match value.into_inner() {
                Value::String(version) => Wanted::version(version),
                value => {
                    let table::Wanted { version, merge, reset, user } = value.try_into().map_err(|error| {
                        let error: toml::de::Error = error;
                        let message = error.message().replace('\n', ", ");
                        self.error(Some(span), message, "state a version, or { version, merge, reset, user }")
                    })?;
                    Wanted { merge, reset, user, ..Wanted::version(version) }
                }
            };
            Ok((name.into_inner(), wanted))
        });
        wanted.collect()
    }

    fn words(&self, words: Spanned<Vec<String>>) -> Result<Vec<String>, Error> {
        if words.get_ref().is_empty() {
            return Err(self.error(Some(words.span()), "a command has at least one word", "state its words"));
        }
        Ok(words.into_inner())
    }

    fn victim(&self, victim: &Spanned<String>) -> Result<Victim, Error> {
        match victim.get_ref().as_str() {
            "core" => Ok(Victim::Core),
            "container" => Ok(Victim::Container),
            other => {
                let message = format!("`{other}` can't be killed");
                Err(self.error(Some(victim.span()), message, "use `core` or `container`"))
            }
        }
    }

    /// A fault, or its name.
    pub(super) fn fault<T: FromStr<Err = fault::Error>>(&self, text: &Spanned<String>) -> Result<T, Error> {
        text.get_ref()
            .parse()
            .map_err(|error: fault::Error| self.error(Some(text.span()), error.to_string(), error.hint))
    }

    fn condition(&self, table: Spanned<table::Condition>) -> Result<Condition, Error> {
        let span = table.span();
        match table.into_inner() {
            table::Condition { component: Some(component), state: Some(state), log: None, line: None } => {
                Ok(Condition::State { component, state: self.one_of(&state, &STATES)? })
            }
            table::Condition { component: None, state: None, log: Some(text), line: None } => Ok(Condition::Log(text)),
            table::Condition { component: None, state: None, log: None, line: Some(line) } => Ok(Condition::Line(line)),
            _ => {
                let hint = "state { component, state }, { log } or { line = { component, step, equals } }";
                Err(self.error(Some(span), "this says not what to wait for", hint))
            }
        }
    }

    /// What a step expects; what its action can't have is refused.
    pub(super) fn expect(&self, table: table::Expect, action: &Action) -> Result<Expect, Error> {
        if table.call.is_some() || table.package.is_some() {
            let hint = "move it to the scenario's own `[expect]`, which is held against the whole run";
            return Err(self.error(None, "a step expects no `call` and no `package`", hint));
        }
        self.can_be_seen(&table, action)?;
        let mut expect = Expect::default();
        self.layer_expect(table, &mut expect)?;
        Ok(expect)
    }

    /// Refuses what is never seen of such an action.
    pub(super) fn can_be_seen(&self, table: &table::Expect, action: &Action) -> Result<(), Error> {
        let spans = [
            table.exit.as_ref().map(Spanned::span),
            table.prints.as_ref().map(Spanned::span),
            table.says.as_ref().map(Spanned::span),
        ];
        if let Some(span) = spans.into_iter().flatten().next()
            && !matches!(action, Action::Run { .. } | Action::Cli(_))
        {
            return Err(self.error(
                Some(span),
                "only a command exits, prints and says something",
                "use `run` or `cli`",
            ));
        }
        if let Some(recovers) = &table.recovers_within
            && !matches!(action, Action::Policy(_))
        {
            return Err(self.error(Some(recovers.span()), "a device recovers from other policies", "use `policy`"));
        }
        Ok(())
    }

    /// Sets what a table states over what is expected so far.
    pub(super) fn layer_expect(&self, table: table::Expect, expect: &mut Expect) -> Result<(), Error> {
        if let Some(status) = &table.deployment {
            expect.deployment = Some(self.one_of(status, &STATUSES)?);
        }
        expect.detailed = table.detailed.or(expect.detailed.take());
        expect.stack = table.stack.or(expect.stack.take());
        expect.types = table.types.or(expect.types.take());
        expect.cause = table.cause.or(expect.cause.take());
        if let Some(components) = table.components {
            let checked = components.into_iter().map(|(name, state)| {
                let absent = state.get_ref() == ABSENT;
                Ok((name, if absent { ABSENT.to_owned() } else { self.one_of(&state, &STATES)? }))
            });
            expect.components = checked.collect::<Result<_, Error>>()?;
        }
        if let Some(states) = table.states {
            let checked = states.into_iter().map(|(name, states)| {
                let states = states.iter().map(|state| self.one_of(state, &STATES)).collect::<Result<_, _>>()?;
                Ok((name, states))
            });
            expect.states = checked.collect::<Result<_, Error>>()?;
        }
        let logs = table.log.map(|logs| {
            let log = |table::LogLine { file, has, times }| LogLine { file, has, times };
            logs.into_iter().map(log).collect()
        });
        set(&mut expect.logs, logs);
        set(&mut expect.lines, table.line);
        expect.exit = table.exit.map(Spanned::into_inner).or(expect.exit);
        expect.prints = table.prints.map(Spanned::into_inner).or(expect.prints.take());
        expect.recovers_within = table.recovers_within.map(Spanned::into_inner).or(expect.recovers_within);
        if let Some(says) = table.says {
            expect.says = self.texts(says)?;
        }
        Ok(())
    }

    /// A text or a list of texts.
    fn texts(&self, value: Spanned<Value>) -> Result<Vec<String>, Error> {
        let span = value.span();
        let texts = match value.into_inner() {
            Value::String(text) => Ok(vec![text]),
            other => other.try_into(),
        };
        texts.map_err(|_| self.error(Some(span), "`says` is a text or a list of texts", "put each text in quotes"))
    }

    fn one_of(&self, text: &Spanned<String>, known: &[&str]) -> Result<String, Error> {
        if known.contains(&text.get_ref().as_str()) {
            return Ok(text.get_ref().clone());
        }
        let message = format!("`{}` is not known", text.get_ref());
        Err(self.error(Some(text.span()), message, format!("use one of {}", known.join(", "))))
    }
}

/// Whether a step sees a deployment to its end, which is to be a good one unless it says otherwise.
fn deploys(action: &Action, expect: &Expect) -> bool {
    let is_seen = action.deploy().is_none_or(|deploy| deploy.until.is_none());
    action.creates() && is_seen && expect.exit.is_none_or(|exit| exit == 0)
}
