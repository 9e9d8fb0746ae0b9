//! What happens in a run, step by step, and what must be seen of each step.

use super::{Line, text};
use crate::fault::{Fault, Name};
use cloud::{
    control::PolicyChange,
    world::{FailureHandling, Wanted},
};
use std::{collections::BTreeMap, fmt};

/// One step: something that is done to the world, and what must be seen of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What must be seen until the next step begins.
    pub expect: Expect,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Creates a deployment in the cloud and follows it.
    Deploy(Deploy),
    /// Cancels the deployment under way in the cloud.
    Cancel,
    /// Runs a command on the device.
    Run {
        /// The program and its arguments.
        command: Vec<String>,
        /// The user that runs it; root when absent.
        user: Option<String>,
    },
    /// Runs `greengrass-cli` on the device with these arguments, as root.
    Cli(Vec<String>),
    /// Kills the core or its container, and starts it again.
    Kill(Victim),
    /// Waits for something to be seen.
    Await(Condition),
    /// Makes something go wrong, from now on or for some strikes.
    Fault(Fault),
    /// Ends a fault.
    FaultEnd(Name),
    /// Puts other policies in place of those that there are.
    Policy(PolicyChange),
}

/// A deployment to create.
#[derive(Clone, Debug, Default)]
pub struct Deploy {
    /// What it is for.
    pub target: Target,
    /// What the target shall have, by component name.
    pub components: BTreeMap<String, Wanted>,
    /// What the core does when it fails.
    pub failure: FailureHandling,
    /// What ends the step before the deployment has settled.
    pub until: Option<Condition>,
}

/// What a deployment is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The thing's own group.
    #[default]
    OwnGroup,
    /// A group, which the thing joins.
    Group(String),
    /// The thing alone.
    Thing,
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The nucleus's process.
    Core,
    /// The device's container.
    Container,
}

/// Something to wait for.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A component is in a state, or takes it in this step.
    State {
        /// The component.
        component: String,
        /// The state.
        state: String,
    },
    /// A line of `greengrass.log`, written in this step, contains a text.
    Log(String),
    /// A script prints a line in this step.
    Line(Line),
}

/// What must be seen of one step.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The deployment's status.
    pub deployment: Option<String>,
    /// Its detailed status.
    pub detailed: Option<String>,
    /// Its error stack.
    pub stack: Option<Vec<String>>,
    /// Its error types.
    pub types: Option<Vec<String>>,
    /// A text that its failure cause contains.
    pub cause: Option<String>,
    /// The state of each component at the end of the step; [`ABSENT`] for one that is not there.
    pub components: BTreeMap<String, String>,
    /// The states that a component takes in this step, all and in their order.
    pub states: BTreeMap<String, Vec<String>>,
    /// Lines of log files.
    pub logs: Vec<LogLine>,
    /// Lines that scripts print.
    pub lines: Vec<Line>,
    /// The exit code of a command, 0 unless stated.
    pub exit: Option<i64>,
    /// The lines that it prints to standard output, all and in their order.
    pub prints: Option<Vec<String>>,
    /// Texts that its standard output or error contains.
    pub says: Vec<String>,
    /// Seconds of the device's time within which all is allowed again that was denied before the policies changed.
    pub recovers_within: Option<f64>,
}

/// The state of a component that the device does not have.
pub const ABSENT: &str = "absent";

/// A text in a line of a log file, which is written in this step.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The log: `greengrass`, or a component's name.
    pub file: String,
    /// What the line contains.
    pub has: String,
    /// How many lines contain it; at least one when absent.
    pub times: Option<usize>,
}

impl Action {
    /// The deployment that the step creates in the cloud.
    #[must_use]
    pub const fn deploy(&self) -> Option<&Deploy> {
        if let Self::Deploy(deploy) = self { Some(deploy) } else { None }
    }

    /// The same, to be changed.
    pub(super) const fn deploy_mut(&mut self) -> Option<&mut Deploy> {
        if let Self::Deploy(deploy) = self { Some(deploy) } else { None }
    }
}

impl Action {
    /// Whether the step creates a deployment, by the cloud or on the device.
    pub(crate) fn creates(&self) -> bool {
        match self {
            Self::Deploy(_) => true,
            Self::Cli(words) => words.starts_with(&["deployment".to_owned(), "create".to_owned()]),
            _ => false,
        }
    }

    /// The fault that the step begins.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        if let Self::Fault(fault) = self { Some(fault) } else { None }
    }

    /// What ends the step, if it waits for something to be seen.
    #[must_use]
    pub const fn awaited(&self) -> Option<&Condition> {
        match self {
            Self::Deploy(Deploy { until: Some(condition), .. }) | Self::Await(condition) => Some(condition),
            _ => None,
        }
    }

    /// The state of a component that ends the step.
    pub(crate) fn awaited_state(&self, name: &str) -> Option<&String> {
        match self.awaited()? {
            Condition::State { component, state } if component == name => Some(state),
            _ => None,
        }
    }
}

impl Step {
    /// The fault that the step begins.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        self.action.fault()
    }

    /// Every component that the step names, once or more.
    pub(super) fn named_components(&self) -> Vec<String> {
        let awaited = self.action.awaited().into_iter().filter_map(|condition| match condition {
            Condition::State { component, .. } | Condition::Line(Line { component, .. }) => Some(component),
            Condition::Log(_) => None,
        });
        let deployed = self.action.deploy().into_iter().flat_map(|deploy| deploy.components.keys());
        let Expect { components, states, logs, lines, .. } = &self.expect;
        let expected = components.keys().chain(states.keys());
        let logs = logs.iter().map(|log| &log.file).chain(lines.iter().map(|line| &line.component));
        awaited.chain(deployed).chain(expected).chain(logs).cloned().collect()
    }

    /// The same step with the placeholders of its texts filled in: `{account}`, `{thing}` and what else a run knows.
    #[must_use]
    pub fn filled(&self, known: &BTreeMap<&str, String>) -> Self {
        let fill = |text: &str| text::fill(text, known);
        let fill_all = |texts: &[String]| texts.iter().map(|text| fill(text)).collect::<Vec<_>>();
        let line = |line: &Line| Line { equals: fill(&line.equals), ..line.clone() };
        let condition = |condition: &Condition| match condition {
            Condition::Log(text) => Condition::Log(fill(text)),
            Condition::Line(awaited) => Condition::Line(line(awaited)),
            state @ Condition::State { .. } => state.clone(),
        };
        let action = match &self.action {
            Action::Run { command, user } => Action::Run { command: fill_all(command), user: user.clone() },
            Action::Cli(arguments) => Action::Cli(fill_all(arguments)),
            Action::Await(awaited) => Action::Await(condition(awaited)),
            Action::Deploy(deploy) => {
                Action::Deploy(Deploy { until: deploy.until.as_ref().map(condition), ..deploy.clone() })
            }
            other => other.clone(),
        };
        let log = |log: &LogLine| LogLine { has: fill(&log.has), ..log.clone() };
        let expect = Expect {
            cause: self.expect.cause.as_deref().map(fill),
            logs: self.expect.logs.iter().map(log).collect(),
            lines: self.expect.lines.iter().map(line).collect(),
            prints: self.expect.prints.as_deref().map(fill_all),
            says: fill_all(&self.expect.says),
            ..self.expect.clone()
        };
        Self { action, expect }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy(deploy) => {
                let components = deploy.components.iter().map(|(name, wanted)| format!("{name} {}", wanted.version));
                let components: Vec<_> = components.collect();
                let components = if components.is_empty() { "nothing".to_owned() } else { components.join(", ") };
                match &deploy.target {
                    Target::OwnGroup => write!(f, "deploy {components}"),
                    Target::Group(group) => write!(f, "deploy {components} to group {group}"),
                    Target::Thing => write!(f, "deploy {components} to the thing"),
                }
            }
            Self::Cancel => f.write_str("cancel the deployment"),
            Self::Run { command, user: None } => write!(f, "run {}", command.join(" ")),
            Self::Run { command, user: Some(user) } => write!(f, "run {} as {user}", command.join(" ")),
            Self::Cli(arguments) => write!(f, "greengrass-cli {}", arguments.join(" ")),
            Self::Kill(Victim::Core) => f.write_str("kill the core"),
            Self::Kill(Victim::Container) => f.write_str("kill the device's container"),
            Self::Await(condition) => write!(f, "await {condition}"),
            Self::Fault(fault) => write!(f, "fault {fault}"),
            Self::FaultEnd(name) => write!(f, "end of fault {name}"),
            Self::Policy(_) => f.write_str("change the policies"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { component, state } => write!(f, "`{component}` in state {state}"),
            Self::Log(text) => write!(f, "`{text}` in greengrass.log"),
            Self::Line(line) => write!(f, "the line `{}` of `{}`'s {}", line.equals, line.component, line.step),
        }
    }
}
