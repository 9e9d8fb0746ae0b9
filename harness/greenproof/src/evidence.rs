//! All that was seen of one run, frozen: what the verdict is judged on and what the evidence folder holds.
//!
//! Everything in an [`Evidence`] is redacted. It is plain data: it can be stored, read back and judged again.

pub mod folder;
mod leak;
pub mod log;
pub mod progress;
pub mod recovery;

pub use leak::{Leak, Processes, Search, leaks};
pub use progress::Progress;

use crate::{core::Core, redact::Redactor};
use cloud::event::{ApiCall, Decision, Event, What};
use log::{Millis, Span};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// One run's evidence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// The scenario's name.
    pub scenario: String,
    /// The environment's identifier.
    pub environment: String,
    /// The account.
    pub account: String,
    /// The thing's name.
    pub thing: String,
    /// The nucleus that the device ran.
    #[serde(default)]
    pub core: Core,
    /// The id of the device's certificate, which names its role session.
    pub certificate: String,
    /// What was seen of each step that was begun, in order.
    pub steps: Vec<StepSeen>,
    /// How carrying the steps out ended.
    pub ending: Ending,
    /// Each time that the device was started again.
    #[serde(default)]
    pub restarts: Vec<Restart>,
    /// What the clouds saw, in order of time.
    pub events: Vec<Event>,
    /// `greengrass.log`.
    pub core_log: String,
    /// Component logs by component.
    pub component_logs: BTreeMap<String, String>,
    /// What `pip3 show` reported, by distribution name.
    pub packages: BTreeMap<String, Installed>,
    /// Heads of the git repositories by `OWNER/NAME`.
    pub heads: BTreeMap<String, String>,
    /// Secrets found where they must not be.
    pub leaks: Vec<Leak>,
    /// How the search for them went; absent where only the logs were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// How long each stage took, in order.
    pub timings: Vec<Timing>,
    /// What was seen of each device of a fleet, in the order of their numbers; what stands beside it is of no single one, and has
    /// no thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Evidence>,
}

impl Evidence {
    /// Every decision on a policy, in order of time.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.events.iter().flat_map(|event| recovery::decisions(&event.what))
    }
}

/// What was seen of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepSeen {
    /// What was done, for a reader.
    pub action: String,
    /// When it was begun, RFC 3339.
    pub began: String,
    /// When the next one could begin, RFC 3339.
    pub ended: String,
    /// How far the deployment came that the step is about, if there is one.
    pub deployment: Option<Progress>,
    /// The last state of each component that the device had until then.
    pub states: BTreeMap<String, String>,
    /// The components that it still had at the end.
    pub present: Vec<String>,
    /// What the step's command gave.
    pub output: Option<Output>,
    /// Seconds of the device's time from the beginning of the step until all was allowed again that was denied before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<f64>,
}

impl StepSeen {
    /// From its beginning to its end.
    #[must_use]
    pub fn span(&self) -> Span {
        let moment = |time: &str, otherwise| log::millis_of(time).unwrap_or(otherwise);
        Span { from: moment(&self.began, Millis::MIN), to: moment(&self.ended, Millis::MAX) }
    }
}

/// How a command ended and what it printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its exit code.
    pub exit: i64,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A start of the device after it had ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When, RFC 3339.
    pub time: String,
    /// The exit code that the core had ended with.
    pub code: Option<i64>,
    /// Whether a step had killed it.
    pub killed: bool,
}

impl Restart {
    /// Whether the core had neither been killed nor asked to be started again.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !self.killed && !self.code.is_some_and(|code| ASKED.contains(&code))
    }
}

/// The exit codes by which a nucleus asks to be started again, and for a reboot.
const ASKED: [i64; 2] = [100, 101];

/// How carrying the steps out ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ending")]
pub enum Ending {
    /// Every step was carried out, and what it deployed has settled.
    Settled,
    /// Patience ran out.
    Stuck {
        /// What was waited for.
        waiting_for: String,
        /// What had been seen last.
        last_seen: String,
        /// How long it was waited, in seconds.
        seconds: u64,
    },
    /// The core met something that is not emulated.
    Unsupported {
        /// What it was.
        what: String,
    },
    /// A container of ours ended early.
    Died {
        /// Which, and what it said last.
        what: String,
    },
}

/// A Python package as `pip3 show` reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The fields of `pip3 show`, such as `Version`; empty when the package is not installed.
    pub fields: BTreeMap<String, String>,
    /// `commit_id` of `direct_url.json`, if it has one.
    pub commit: Option<String>,
}

/// How long a stage took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// The stage.
    pub stage: String,
    /// Its duration in milliseconds.
    pub milliseconds: u64,
}

impl Timing {
    /// A stage's timing.
    #[must_use]
    pub fn new(stage: &str, took: Duration) -> Self {
        Self { stage: stage.into(), milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl Evidence {
    /// The API calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ApiCall> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Api(call) => Some(&**call),
            _ => None,
        })
    }

    /// How far the deployment came that the last step was about which had one.
    #[must_use]
    pub fn last_deployment(&self) -> Option<&Progress> {
        self.steps.iter().rev().find_map(|step| step.deployment.as_ref())
    }

    /// What was first asked of the clouds that they do not emulate.
    #[must_use]
    pub fn unsupported(&self) -> Option<String> {
        self.events.iter().find_map(|event| event.what.unsupported())
    }

    /// A log file: `greengrass`, or a component's name.
    #[must_use]
    pub fn log(&self, name: &str) -> &str {
        if name == "greengrass" { &self.core_log } else { self.component_logs.get(name).map_or("", String::as_str) }
    }
}

/// The last state of each component that the device reported to the fleet status service.
#[must_use]
pub fn reported_states(events: &[Event]) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for event in events {
        let What::Fleet { message } = &event.what else { continue };
        for component in message["components"].as_array().into_iter().flatten() {
            if let (Some(name), Some(state)) = (component["componentName"].as_str(), component["status"].as_str()) {
                states.insert(name.to_owned(), state.to_owned());
            }
        }
    }
    states
}

/// The components that the device had by its last fleet status message.
#[must_use]
pub fn reported_present(events: &[Event]) -> Vec<String> {
    let states = reported_states(events).into_iter();
    states.filter(|(_, state)| state != "UNINSTALLED").map(|(name, _)| name).collect()
}

/// Events without secrets.
#[must_use]
pub fn redacted(redactor: &Redactor, events: &[Event]) -> Vec<Event> {
    let clean = |event: &Event| serde_json::from_value(redactor.json(serde_json::to_value(event).ok()?)).ok();
    events.iter().filter_map(clean).collect()
}
