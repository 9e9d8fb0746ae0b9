//! The events of the stream, as plain data: `docs/EVENTS.md` describes their JSON, `docs/schema/run-1.json` checks it.
//!
//! Within one [`VERSION`] kinds of event and fields are only added; who reads ignores what it does not know.

mod make;

pub(super) use make::argument;
pub(crate) use make::reproduce;

use crate::{evidence::log, redact::Redactor, verdict::Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// The version of the stream.
pub const VERSION: u32 = 1;

/// Fields whose values are words of the stream itself.
const WORDS: [&str; 4] = ["told", "time", "verdict", "kind"];

/// Something that is told, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When: RFC 3339, UTC, milliseconds.
    pub time: String,
    /// The name of the scenario that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// What.
    #[serde(flatten)]
    pub told: Told,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Told {
    /// A stream begins.
    Stream {
        /// The version of the stream.
        version: u32,
        /// The version of greenproof that tells it.
        greenproof: String,
    },
    /// What was chosen to be run.
    Chosen {
        /// The names of all scenarios of the selection, in order.
        scenarios: Vec<String>,
        /// Which part of them is run here, if not all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partition: Option<String>,
        /// How many are run here.
        here: usize,
    },
    /// An image is being made; one line of its builder's output.
    Building {
        /// The image.
        image: String,
        /// The line.
        line: String,
    },
    /// Something that takes its time is waited for.
    Waiting {
        /// What.
        what: String,
    },
    /// Something that a person may want to know.
    Note {
        /// The text, of one line or more.
        text: String,
    },
    /// A scenario begins. This is its plan: the stages and steps that are to come, in order.
    Begun {
        /// One sentence about it.
        summary: String,
        /// Its file, if it has one that lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The stages before its steps.
        stages: Vec<String>,
        /// What each step does.
        steps: Vec<String>,
    },
    /// A stage begins.
    StageBegun {
        /// The stage.
        stage: String,
    },
    /// A stage is done.
    StageEnded {
        /// The stage.
        stage: String,
        /// What came out of it.
        detail: String,
        /// How long it took.
        milliseconds: u64,
    },
    /// A step begins.
    StepBegun {
        /// Which, from 1.
        step: usize,
        /// What it does.
        action: String,
    },
    /// Something was seen while a scenario goes on.
    Seen {
        /// What kind of thing.
        kind: Sight,
        /// What, in a few words.
        text: String,
        /// More of it, such as the decision on a call; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
        /// Whether it was refused, or is nothing that a device should ask for.
        refused: bool,
    },
    /// A step is done.
    StepEnded {
        /// Which, from 1.
        step: usize,
        /// What it did.
        action: String,
        /// What came of it, in a few words; may be empty.
        came: String,
        /// Whether that is what it expects.
        as_expected: bool,
        /// How long it took.
        milliseconds: u64,
    },
    /// A scenario is judged.
    Judged(Box<Judged>),
    /// No scenario can be run any more.
    Stopped {
        /// Why.
        error: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// All scenarios are done.
    Ended {
        /// How many came out how.
        counts: BTreeMap<Came, usize>,
        /// The exit code.
        code: u8,
        /// From the first to the last.
        milliseconds: u64,
    },
    /// Something that a later version tells.
    #[serde(other)]
    Unknown,
}

/// How a scenario came out, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judged {
    /// How it came out.
    pub verdict: Came,
    /// Why it was not judged; empty if it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What was not as expected, in the order of the checks.
    pub findings: Vec<Found>,
    /// The devices of a fleet, in the order of their numbers. What a device found names it in the findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// What is said of leaks beside the findings, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<String>,
    /// Its file, if it has one that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The evidence folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The command that runs it again, if it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// What it ran with: `greenproof`, `core`, `localstack`, `system`.
    pub versions: BTreeMap<String, String>,
    /// What the components printed, if it failed: the end of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// From start to verdict.
    pub milliseconds: u64,
    /// Every attempt in order, if there were several. The findings, the evidence and the bundle are those of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

/// One of several attempts at a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attempt {
    /// How it came out.
    pub verdict: Came,
    /// Why it was not judged; empty if it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What was not as expected.
    pub findings: Vec<Found>,
    /// Its evidence folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// From start to verdict.
    pub milliseconds: u64,
}

/// A device of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// Its thing.
    pub thing: String,
    /// How it came out.
    pub verdict: Came,
    /// How the deployment ended there; empty where the device never heard of it.
    pub status: String,
    /// What was made to go wrong on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// A finding, and where the expectation stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// What kind of thing was not as expected.
    pub kind: Kind,
    /// What was expected.
    pub expected: String,
    /// What was seen instead.
    pub seen: String,
    /// The file that states the expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// The ways in which a scenario can come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// Everything expected was seen.
    Passed,
    /// Something was not.
    Failed,
    /// It needs something that is not emulated.
    Unsupported,
    /// It was not run, since what it needs is not here.
    Skipped,
    /// Our own fault.
    Broken,
    /// It was not as expected, and was when it was run again.
    Flaky,
}

/// The kinds of thing that are seen while a scenario goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// A deployment's status.
    Deployment,
    /// A request for credentials.
    Credentials,
    /// A call to an AWS API.
    Call,
    /// A request to the git server.
    Git,
    /// A request to a package index.
    Index,
    /// A question for a name, or a connection to a raw address.
    Dns,
    /// A message that a client can't take.
    Oversize,
}

impl Judged {
    /// How many devices of a fleet the deployment ended on how, in a few words.
    #[must_use]
    pub fn counted(&self) -> Option<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for device in &self.devices {
            *counts.entry(if device.status.is_empty() { "never told" } else { &device.status }).or_default() += 1;
        }
        let counts: Vec<_> = counts.into_iter().map(|(status, count)| format!("{count} {status}")).collect();
        (!counts.is_empty()).then(|| format!("{} devices: {}", self.devices.len(), counts.join(", ")))
    }

    /// What was found of a device of a fleet.
    pub fn of_device<'j>(&'j self, thing: &'j str) -> impl Iterator<Item = &'j Found> {
        let is_its =
            move |found: &&Found| found.expected.strip_prefix(thing).is_some_and(|rest| rest.starts_with(": "));
        self.findings.iter().filter(is_its)
    }
}

impl Found {
    /// All of it in one text.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{}: expected {}; seen {}", self.kind, self.expected, self.seen)
    }
}

impl Came {
    /// It in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unsupported => "unsupported",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
            Self::Flaky => "flaky",
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Event {
    /// The scenario that it tells the outcome of, and that outcome; nothing of any other event.
    #[must_use]
    pub fn judged(&self) -> Option<(&str, &Judged)> {
        match &self.told {
            Told::Judged(judged) => Some((self.scenario.as_deref().unwrap_or_default(), judged)),
            _ => None,
        }
    }

    /// Something that is told now, of no scenario.
    #[must_use]
    pub fn now(told: Told) -> Self {
        Self { time: log::instant(log::now()), scenario: None, told }
    }

    /// The event without secrets.
    ///
    /// # Panics
    /// Never: texts are replaced by texts.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        let value = serde_json::to_value(self).expect("an event is always JSON");
        serde_json::from_value(without_secrets(redactor, value)).expect("the words of the stream stay")
    }
}

fn without_secrets(redactor: &Redactor, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.apply(&text)),
        Value::Array(items) => items.into_iter().map(|item| without_secrets(redactor, item)).collect(),
        Value::Object(fields) => {
            let clean = |(name, value): (String, Value)| {
                let value = if WORDS.contains(&name.as_str()) { value } else { without_secrets(redactor, value) };
                (name, value)
            };
            fields.into_iter().map(clean).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
