//! The steps of a scenario, carried out one after the other in its environment.
//!
//! Nothing here waits for a time: each wait ends with an event of the clouds or a line of the device's logs, or when
//! patience ends.

mod during;
mod gather;
mod leaks;

use crate::{
    core::Core,
    environment::Environment,
    evidence::{
        Ending, Evidence, Output, Progress, StepSeen, Timing,
        log::{self, Millis, Span},
        recovery, reported_present, reported_states,
    },
    report::{Reader, Told},
    scenario::{Action, Condition, Step},
    stage::Error,
    verdict,
};
use cloud::{
    control::{Control, PolicyChange},
    event::{Event, What},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::time::timeout_at;

/// The command line on the device.
const CLI: &str = "/greengrass/v2/bin/greengrass-cli";

/// States that a component does not leave by itself.
const FINAL: [&str; 2] = ["FINISHED", "BROKEN"];

/// How long a step that is done may take until all that it expects is seen too, with a patience of 1.
const GRACE: Duration = Duration::from_secs(5);

/// The same of a scenario that must fail, in which it may never be seen.
const GRACE_TO_FAIL: Duration = Duration::from_secs(1);

/// The steps of a scenario under way.
#[derive(Debug)]
pub struct Course<'a> {
    environment: &'a Environment,
    patience: Duration,
    seen: Vec<StepSeen>,
    /// The deployment that was created last.
    deployment: Option<Deployment>,
}

/// A deployment under way.
#[derive(Clone, Debug)]
struct Deployment {
    id: String,
    /// The components whose settling is awaited, beyond those that the step expects something of.
    components: Vec<String>,
}

/// When a step began.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    time: Millis,
    instant: Instant,
}

impl<'a> Course<'a> {
    /// The steps of the environment's scenario, each of which may take so long.
    #[must_use]
    pub const fn new(environment: &'a Environment, patience: Duration) -> Self {
        Self { environment, patience, seen: Vec::new(), deployment: None }
    }

    /// Carries the steps out until the last, or until one does not come to its end; gathers what was seen.
    pub async fn run(mut self, mut timings: Vec<Timing>, reader: &dyn Reader) -> Evidence {
        let began = Instant::now();
        let mut ending = Ending::Settled;
        for index in 0..self.environment.plan.scenario.steps.len() {
            let beginning = Beginning { time: log::now(), instant: Instant::now() };
            let action = self.environment.plan.scenario.steps[index].action.to_string();
            reader.tell(Told::StepBegun { step: index + 1, action });
            let carried_out = self.step(index, beginning).await;
            if let Some(seen) = self.seen.last() {
                let (as_expected, took) = (matches!(carried_out, Ok(true)), beginning.instant.elapsed());
                reader.tell(Told::step(index, seen, as_expected, took));
            }
            if let Err(early) = carried_out {
                ending = early;
                break;
            }
        }
        timings.push(Timing::new("deployment", began.elapsed()));
        gather::gather(self.environment, ending, self.seen, timings).await
    }

    /// Carries a step out; says whether all is as it expects.
    async fn step(&mut self, index: usize, mut beginning: Beginning) -> Result<bool, Ending> {
        if index <= self.environment.plan.scenario.opening() {
            // Its deployment or fault was there before the device was.
            beginning.time = self.environment.began;
        }
        let mut output = None;
        let step = self.environment.plan.scenario.steps[index].clone();
        let carried_out = self.carry_out(index, &step, beginning, &mut output).await;
        let step = step.filled(&self.known());
        let mut seen = self.snapshot(&step, beginning, output.clone());
        let grace = if self.environment.plan.scenario.must_fail.is_some() { GRACE_TO_FAIL } else { GRACE };
        let as_expected = match carried_out {
            Ok(()) => {
                let expected = || {
                    seen = self.snapshot(&step, beginning, output.clone());
                    self.is_as_expected(&step, &seen).then_some(())
                };
                self.see(grace.max(self.patience / 180), expected).await.map(|expected| expected.is_some())
            }
            Err(early) => Err(early),
        };
        self.seen.push(seen);
        as_expected
    }

    /// Does what a step does, and waits until it is done.
    async fn carry_out(
        &mut self,
        index: usize,
        step: &Step,
        beginning: Beginning,
        output: &mut Option<Output>,
    ) -> Result<(), Ending> {
        let step = step.filled(&self.known());
        match &step.action {
            Action::Deploy(deploy) => {
                self.create(index).await?;
                return match &deploy.until {
                    Some(condition) => self.await_condition(condition, beginning).await,
                    None => self.settle(&step, beginning).await,
                };
            }
            Action::Cancel => self.cancel().await?,
            Action::Run { command, user } => *output = Some(self.command(user.as_deref(), command).await?),
            Action::Cli(arguments) => {
                let command: Vec<_> = [CLI.to_owned()].into_iter().chain(arguments.iter().cloned()).collect();
                let done = self.command(None, &command).await?;
                let id = step.action.creates().then(|| deployment_id(&done.stdout)).flatten();
                *output = Some(done);
                if let Some(id) = id {
                    self.deployment = Some(Deployment { id, components: Vec::new() });
                    return self.settle(&step, beginning).await;
                }
            }
            Action::Kill(_) => self.kill(beginning).await?,
            Action::Await(condition) => self.await_condition(condition, beginning).await?,
            // It was there before the device was.
            Action::Fault(_) if self.environment.is_ours() && index < self.environment.plan.scenario.opening() => {}
            Action::Fault(fault) => self.environment.begin(fault).await.map_err(|error| died(&error))?,
            Action::FaultEnd(name) => self.environment.end(name).await.map_err(|error| died(&error))?,
            Action::Policy(change) => {
                let role = self.environment.plan.scenario.aws.role.name.clone();
                self.order(&Control::Policies(PolicyChange { role, ..change.clone() })).await?;
                if step.expect.recovers_within.is_some() {
                    let recovered = self.see(self.patience, || self.recovery(beginning)).await?;
                    recovered.ok_or_else(|| self.stuck("the device to recover", Some(beginning)))?;
                }
            }
        }
        // A step that expects how the deployment under way ends waits for its end.
        let ends = step.expect.deployment.as_deref().is_some_and(Progress::is_end);
        if ends { self.settle(&step, beginning).await } else { Ok(()) }
    }

    /// Creates the deployment of a step, unless the world was raised with it.
    async fn create(&mut self, index: usize) -> Result<(), Ending> {
        let deployment = self.environment.plan.deployments[&index].clone();
        let components = deployment.components.keys().filter(|name| !name.starts_with("aws.greengrass."));
        self.deployment = Some(Deployment { id: deployment.id.clone(), components: components.cloned().collect() });
        if self.environment.plan.waiting && index == self.environment.plan.scenario.opening() {
            return Ok(());
        }
        self.order(&Control::Deploy(deployment)).await
    }

    async fn order(&self, order: &Control) -> Result<(), Ending> {
        self.environment.order(order).await.map_err(|error| died(&error))
    }

    async fn cancel(&self) -> Result<(), Ending> {
        let Some(deployment) = &self.deployment else { return Ok(()) };
        self.order(&Control::Cancel { deployment: deployment.id.clone() }).await
    }

    async fn command(&self, user: Option<&str>, command: &[String]) -> Result<Output, Ending> {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        let done = self.environment.run_as(user.unwrap_or_default(), &words);
        let Ok(done) = tokio::time::timeout(self.patience, done).await else {
            return Err(self.stuck(&format!("`{}` to end", command.join(" ")), None));
        };
        let done = done.map_err(|error| died(&error))?;
        let redact = |text: &str| self.environment.plan.redactor.apply(text);
        Ok(Output { exit: done.exit_code, stdout: redact(&done.stdout), stderr: redact(&done.stderr) })
    }

    /// Kills the core, which is the container's first process, and waits until it has begun anew.
    async fn kill(&self, beginning: Beginning) -> Result<(), Ending> {
        self.environment.kill_device().await.map_err(|error| died(&error))?;
        self.environment.revive_device().await.map_err(|error| died(&error))?;
        let started = || log::started(&self.core_log()).filter(|time| *time >= beginning.time);
        let started = self.see(self.patience, started).await?;
        started.map(|_| ()).ok_or_else(|| self.stuck("the core to start again", Some(beginning)))
    }

    async fn await_condition(&self, condition: &Condition, beginning: Beginning) -> Result<(), Ending> {
        let holds = || self.holds(condition, beginning).then_some(());
        let held = self.see(self.patience, holds).await?;
        held.ok_or_else(|| self.stuck(&condition.to_string(), Some(beginning)))
    }

    fn holds(&self, condition: &Condition, beginning: Beginning) -> bool {
        let span = Span { from: beginning.time, to: Millis::MAX };
        match condition {
            Condition::State { component, state } => {
                let log = self.core_log();
                let taken =
                    log::changes(&log, span).any(|change| change.component == *component && change.to == *state);
                taken || log::present(&log, Millis::MAX).get(component) == Some(state)
            }
            Condition::Log(text) => log::written(&self.core_log(), span).any(|line| line.contains(text.as_str())),
            Condition::Line(line) => {
                log::printed(&self.environment.logs.text(&line.component), span).any(|printed| printed.is(line))
            }
        }
    }

    /// Waits until the deployment under way is at its end and what it deployed has come to rest: FINISHED, BROKEN, or
    /// RUNNING with every awaited line printed.
    async fn settle(&self, step: &Step, beginning: Beginning) -> Result<(), Ending> {
        let ended = || self.progress().filter(Progress::is_terminal);
        let Some(progress) = self.see(self.patience, ended).await? else {
            return Err(self.stuck("the deployment's job to end", Some(beginning)));
        };
        if progress.status == "SUCCEEDED" {
            let left = self.patience.saturating_sub(beginning.instant.elapsed());
            let rests = || self.rests(step, beginning).then_some(());
            if self.see(left, rests).await?.is_none() {
                return Err(self.stuck("its components to settle", Some(beginning)));
            }
        }
        Ok(())
    }

    fn rests(&self, step: &Step, beginning: Beginning) -> bool {
        let states = self.states();
        let expected = &step.expect.components;
        let deployed = self.deployment.iter().flat_map(|deployment| &deployment.components);
        let awaited =
            expected.iter().filter(|(_, state)| *state != crate::scenario::step::ABSENT).map(|(name, _)| name);
        deployed.chain(awaited).all(|name| match states.get(name).map(String::as_str) {
            Some(state) if FINAL.contains(&state) => true,
            Some("RUNNING") => {
                let mut lines = step.expect.lines.iter().filter(|line| line.component == *name);
                expected.get(name).is_none_or(|state| state == "RUNNING")
                    && lines.all(|line| self.holds(&Condition::Line(line.clone()), beginning))
            }
            state => state.is_some() && expected.get(name).map(String::as_str) == state,
        })
    }

    /// The last state of each component: as the core's log has it, else as the device reported it.
    fn states(&self) -> BTreeMap<String, String> {
        let mut states = self.environment.journal.read(reported_states);
        states.extend(log::states(&self.core_log()));
        states
    }

    fn progress(&self) -> Option<Progress> {
        let id = &self.deployment.as_ref()?.id;
        self.environment.journal.read(|events| Progress::of(id, events))
    }

    /// How long the device took until it was allowed again what it was denied before a step.
    fn recovery(&self, beginning: Beginning) -> Option<f64> {
        let clock = self.environment.plan.scenario.device.clock;
        self.environment.journal.read(|events| recovery::after(events, beginning.time, clock))
    }

    fn core_log(&self) -> String {
        self.environment.logs.text("greengrass")
    }

    /// What the placeholders of a scenario's texts stand for by now.
    fn known(&self) -> BTreeMap<&'static str, String> {
        let plan = &self.environment.plan;
        let progress = self.progress();
        verdict::known(&plan.scenario, &plan.account, &plan.thing, &plan.certificate_id, progress.as_ref())
    }

    fn snapshot(&self, step: &Step, beginning: Beginning, output: Option<Output>) -> StepSeen {
        let present = match self.environment.plan.scenario.device.core {
            // Its journal does not say what it removed.
            Core::Lite => self.environment.journal.read(reported_present),
            Core::Emulated | Core::Classic => log::present(&self.core_log(), Millis::MAX).into_keys().collect(),
        };
        let redact = |text: &str| self.environment.plan.redactor.apply(text);
        let deployment = self.progress().map(|progress| Progress { cause: redact(&progress.cause), ..progress });
        StepSeen {
            action: redact(&step.action.to_string()),
            began: log::instant(beginning.time),
            ended: log::instant(log::now()),
            deployment,
            states: self.states(),
            present,
            output,
            recovery: matches!(step.action, Action::Policy(_)).then(|| self.recovery(beginning)).flatten(),
        }
    }

    /// Whether all that a step expects is seen, and what the device tells of a deployment that has ended has arrived.
    fn is_as_expected(&self, step: &Step, seen: &StepSeen) -> bool {
        let told = match (&step.action, &seen.deployment) {
            (Action::Deploy(_), Some(progress)) if ["SUCCEEDED", "FAILED"].contains(&progress.status.as_str()) => {
                let of_it = |event: &Event| match &event.what {
                    What::Fleet { message } => message["deploymentInformation"]["deploymentId"] == progress.deployment,
                    _ => false,
                };
                self.environment.journal.read(|events| events.iter().any(of_it))
            }
            _ => true,
        };
        told && verdict::step(step, seen, &|name| self.environment.logs.text(name)).is_empty()
    }

    /// Waits until what is seen gives an answer; nothing when patience ends first.
    async fn see<T>(&self, patience: Duration, mut answer: impl FnMut() -> Option<T>) -> Result<Option<T>, Ending> {
        let deadline = tokio::time::Instant::now() + patience;
        let (mut events, mut lines) = (self.environment.journal.changes(), self.environment.logs.changes());
        loop {
            events.mark_unchanged();
            lines.mark_unchanged();
            if let Some(what) = log::unsupported(&log::since(&self.core_log(), self.environment.since)) {
                return Err(Ending::Unsupported { what });
            }
            if let Some(answer) = answer() {
                return Ok(Some(answer));
            }
            let change = async {
                tokio::select! {
                    _ = events.changed() => Ok(()),
                    _ = lines.changed() => Ok(()),
                    what = self.environment.died() => Err(Ending::Died { what }),
                }
            };
            match timeout_at(deadline, change).await {
                Ok(changed) => changed?,
                Err(_) => return Ok(None),
            }
        }
    }

    fn stuck(&self, waiting_for: &str, beginning: Option<Beginning>) -> Ending {
        let status = self.progress().map_or_else(String::new, |progress| format!(", now {}", progress.status));
        let core_log = self.core_log();
        let last_seen = self.environment.journal.last_trouble();
        let last_seen = last_seen.or_else(|| log::trouble(&core_log).map(std::borrow::Cow::into_owned));
        let last_seen = last_seen.unwrap_or_else(|| "no error anywhere".into());
        Ending::Stuck {
            waiting_for: self.environment.plan.redactor.apply(&format!("{waiting_for}{status}")),
            last_seen: self.environment.plan.redactor.apply(&last_seen),
            seconds: beginning.map_or(self.patience, |beginning| beginning.instant.elapsed()).as_secs(),
        }
    }
}

/// What the world does not let us do ends the run as our own fault.
fn died(error: &Error) -> Ending {
    Ending::Died { what: error.to_string() }
}

/// The id in what the command line says of a deployment that it has created.
fn deployment_id(output: &str) -> Option<String> {
    output.split_whitespace().find_map(|word| uuid::Uuid::parse_str(word).ok()).map(|id| id.to_string())
}
