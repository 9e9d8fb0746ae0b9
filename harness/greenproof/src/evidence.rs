//! All that was seen of one run, frozen: what the verdict is judged on and what the evidence folder holds.
//!
//! Everything in an [`Evidence`] is redacted. It is plain data: it can be stored, read back and judged again.

pub mod folder;
pub mod log;

use crate::redact::Redactor;
use cloud::event::{ApiCall, Event, What};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// The id of the device's certificate, which names its role session.
    pub certificate: String,
    /// When the deployment began, RFC 3339.
    pub began: String,
    /// How following the deployment ended.
    pub ending: Ending,
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
    /// How long each stage took, in order.
    pub timings: Vec<Timing>,
}

/// How following the deployment ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ending")]
pub enum Ending {
    /// The job is terminal and its components have settled.
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

/// A secret in a place where it must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// Which secret, such as ``token `mypat` ``.
    pub secret: String,
    /// Where: a log's name and line number.
    pub place: String,
    /// The line, redacted.
    pub line: String,
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

    /// The last status of the deployment's job and its details.
    #[must_use]
    pub fn job(&self) -> Option<(&str, &Value)> {
        job(&self.events)
    }

    /// The last state of each component by the core's own log, which has every change.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, String> {
        log::states(&self.core_log)
    }
}

/// The last status of the job in these events.
#[must_use]
pub fn job(events: &[Event]) -> Option<(&str, &Value)> {
    events.iter().rev().find_map(|event| match &event.what {
        What::Job { status, details, .. } => Some((status.as_str(), details)),
        _ => None,
    })
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

/// The secrets in a log, a line each.
#[must_use]
pub fn leaks(redactor: &Redactor, place: &str, text: &str) -> Vec<Leak> {
    text.lines()
        .enumerate()
        .flat_map(|(index, line)| {
            redactor.leaks(line).into_iter().map(move |secret| Leak {
                secret: secret.to_owned(),
                place: format!("{place}:{}", index + 1),
                line: redactor.apply(line),
            })
        })
        .collect()
}

/// Events without secrets.
#[must_use]
pub fn redacted(redactor: &Redactor, events: &[Event]) -> Vec<Event> {
    events
        .iter()
        .filter_map(|event| serde_json::to_string(event).ok())
        .filter_map(|text| serde_json::from_str(&redactor.apply(&text)).ok())
        .collect()
}
