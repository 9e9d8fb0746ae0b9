//! What happened when: one row for each thing that was seen, in the lane of who saw it.
//!
//! A row knows what it was made of, so that a finding can point at it, and where its line stands in a log.

use crate::evidence::{
    Evidence,
    log::{self, Millis},
};
use cloud::event::{ApiCall, Event, What};
use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// Who saw something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Steps,
    Deployments,
    States,
    Scripts,
    Calls,
    Credentials,
    DataPlane,
    Mqtt,
    Git,
    Dns,
    Fleet,
    Processes,
    Faults,
}

impl Lane {
    /// Every lane with its name, in the order of the filter.
    pub(super) const ALL: [(Self, &'static str); 13] = [
        (Self::Steps, "steps"),
        (Self::Deployments, "deployments"),
        (Self::States, "component states"),
        (Self::Scripts, "scripts"),
        (Self::Calls, "API calls"),
        (Self::Credentials, "credentials"),
        (Self::DataPlane, "data plane"),
        (Self::Mqtt, "MQTT"),
        (Self::Git, "git and packages"),
        (Self::Dns, "DNS and addresses"),
        (Self::Fleet, "fleet status"),
        (Self::Processes, "secrets seen"),
        (Self::Faults, "faults, restarts"),
    ];
}

/// How a row came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Plain,
    Good,
    Bad,
    Warned,
}

/// What a row was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A step, by its index.
    Step(usize),
    /// An event of the clouds, by its index.
    Event(usize),
    /// A line of a log.
    Line(Place),
    /// A leak, by its index.
    Leak(usize),
    /// A start of the device after it had ended.
    Restart,
}

/// A line of a log: `greengrass` or a component, and its number from 1. Shown as the place in the page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) log: String,
    pub(super) line: usize,
}

impl Place {
    pub(super) fn new(log: &str, line: usize) -> Self {
        Self { log: log.to_owned(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-L{}", log_id(&self.log), self.line)
    }
}

/// How the page calls a log.
pub(super) fn log_id(log: &str) -> &str {
    if log == "greengrass" { "core" } else { log }
}

/// One thing that was seen.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) lane: Lane,
    pub(super) from: Millis,
    pub(super) to: Millis,
    pub(super) mark: Mark,
    pub(super) title: String,
    pub(super) note: String,
    pub(super) of: Of,
    /// The number of its first decision, and how many it has.
    pub(super) decisions: Option<(usize, usize)>,
    pub(super) detail: Value,
}

/// Everything that was seen, in order of time.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub(super) begin: Millis,
    pub(super) rows: Vec<Row>,
}

impl Timeline {
    /// What an evidence shows.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut rows = steps(evidence);
        rows.extend(events(evidence));
        rows.extend(states(evidence));
        rows.extend(evidence.component_logs.iter().flat_map(|(name, log)| scripts(name, log)));
        rows.extend(leaks(evidence));
        rows.extend(restarts(evidence));
        rows.sort_by_key(|row| (row.from, row.lane));
        Self { begin: rows.first().map_or(0, |row| row.from), rows }
    }

    /// The row that was made of something.
    pub(super) fn row(&self, of: &Of) -> Option<usize> {
        self.rows.iter().position(|row| row.of == *of)
    }
}

/// As the page reads it: a list is a third as long as an object with names.
impl Serialize for Timeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            let place = if let Of::Line(place) = &row.of { Some(place.to_string()) } else { None };
            let (from, to) = (row.from - self.begin, row.to - self.begin);
            let lane = Lane::ALL.iter().position(|(lane, _)| *lane == row.lane);
            rows.serialize_element(&(lane, from, to, row.mark as u8, &row.title, &row.note, place, row.decisions))?;
        }
        rows.end()
    }
}

fn steps(evidence: &Evidence) -> Vec<Row> {
    let step = |(index, step): (usize, &crate::evidence::StepSeen)| {
        let from = log::millis_of(&step.began)?;
        let status = step.deployment.as_ref().map(ToString::to_string);
        let exit = step.output.as_ref().map(|output| format!("exit code {}", output.exit));
        Some(Row {
            lane: Lane::Steps,
            from,
            to: log::millis_of(&step.ended).unwrap_or(from),
            mark: Mark::Plain,
            title: format!("step {}: {}", index + 1, step.action),
            note: status.or(exit).unwrap_or_default(),
            of: Of::Step(index),
            decisions: None,
            detail: serde_json::to_value(step).unwrap_or_default(),
        })
    };
    evidence.steps.iter().enumerate().filter_map(step).collect()
}

/// Each status of a deployment lasts until its next one.
fn events(evidence: &Evidence) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut lasting: BTreeMap<&str, usize> = BTreeMap::new();
    let mut decided = 0;
    for (index, event) in evidence.events.iter().enumerate() {
        let first = decided + 1;
        let count = crate::evidence::recovery::decisions(&event.what).count();
        decided += count;
        let (Some(to), Some(told)) = (log::millis_of(&event.time), Told::of(&event.what)) else { continue };
        let from = if let What::Api(call) = &event.what { log::millis_of(&call.event_time) } else { None };
        if let What::Job { deployment, .. } = &event.what
            && let Some(earlier) = lasting.insert(deployment, rows.len())
        {
            rows[earlier].to = to;
        }
        let Told { lane, mark, title, note } = told;
        let (of, from) = (Of::Event(index), from.unwrap_or(to).min(to));
        let decisions = (count > 0).then_some((first, count));
        rows.push(Row { lane, from, to, mark, title, note, of, decisions, detail: plain(event) });
    }
    rows
}

fn plain(event: &Event) -> Value {
    serde_json::to_value(event).unwrap_or_default()
}

/// What an event is to a reader.
struct Told {
    lane: Lane,
    mark: Mark,
    title: String,
    note: String,
}

impl Told {
    #[expect(clippy::too_many_lines, reason = "it is one table, a row for each kind of event")]
    fn of(what: &What) -> Option<Self> {
        let told = |lane, mark, title: String, note: String| Some(Self { lane, mark, title, note });
        match what {
            What::Failed { reason } => {
                told(Lane::Faults, Mark::Bad, "a part of the cloud ended".into(), reason.clone())
            }
            What::Fault { name, .. } => told(Lane::Faults, Mark::Warned, format!("fault {name} struck"), String::new()),
            What::Dns { name, record, answer } => {
                let unknown = answer.is_none() && record == "A";
                let note = answer.clone().unwrap_or_else(|| "no answer".into());
                told(Lane::Dns, if unknown { Mark::Bad } else { Mark::Plain }, format!("{record} {name}"), note)
            }
            What::RawAddress { destination } => {
                told(Lane::Dns, Mark::Bad, format!("connection to {destination}"), "reset".into())
            }
            What::Oversize { topic, .. } => {
                told(Lane::Mqtt, Mark::Bad, format!("too large: {topic}"), what.oversize().unwrap_or_default())
            }
            What::Api(call) => {
                let refused = call.error_code.is_some() || !call.decision.may_go_on();
                told(Lane::Calls, bad(refused, call.decision.let_through), action(call), answered(call))
            }
            What::Credentials { alias, status, message, .. } => {
                let note = message.as_ref().map_or_else(|| status.to_string(), |why| format!("{status} {why}"));
                told(Lane::Credentials, bad(*status != 200, false), format!("credentials of {alias}"), note)
            }
            What::Mqtt { action, resource, allowed, .. } => {
                let note = if *allowed { "allowed" } else { "denied" };
                told(Lane::Mqtt, bad(!allowed, false), format!("{action} {resource}"), note.into())
            }
            What::MqttClosed { client, reason } => {
                told(Lane::Mqtt, Mark::Plain, format!("connection of {client} closed"), reason.clone())
            }
            What::Job { deployment, job, thing, status, .. } => {
                let whose = thing.as_ref().map_or_else(String::new, |thing| format!(" of {thing}"));
                let how = if job.is_some() { "job" } else { "deployment" };
                let mark = match status.as_str() {
                    "SUCCEEDED" => Mark::Good,
                    "FAILED" | "REJECTED" | "CANCELED" | "TIMED_OUT" => Mark::Bad,
                    _ => Mark::Plain,
                };
                told(Lane::Deployments, mark, format!("{how}{whose} {status}"), deployment.clone())
            }
            What::JobCanceled { reason, .. } => {
                told(Lane::Deployments, Mark::Bad, "job given up".to_owned(), reason.clone())
            }
            What::Fleet { message } => {
                let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
                let health = text("overallDeviceStatus");
                let title = format!("fleet status {}", text("trigger"));
                told(Lane::Fleet, bad(health == "UNHEALTHY", false), title, health)
            }
            // What AWS made of the message before it says the same again.
            What::Ready | What::CoreDevice(_) => None,
            What::DataPlane { operation, subject, status, .. } => {
                told(Lane::DataPlane, bad(*status >= 400, false), format!("{operation} {subject}"), status.to_string())
            }
            What::Git { method, path, credential, status, .. } => {
                let note = format!("{status}, credential {}", name_of(credential));
                told(Lane::Git, bad(*status >= 400, false), format!("git {method} {path}"), note)
            }
            What::Index { host, path, status, .. } => {
                let host = host.as_deref().unwrap_or_default();
                told(Lane::Git, bad(*status >= 400, false), format!("index {host}{path}"), status.to_string())
            }
        }
    }
}

/// What a serialisable name is spelt.
fn name_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

const fn bad(is: bool, let_through: bool) -> Mark {
    match (is, let_through) {
        (true, _) => Mark::Bad,
        (false, true) => Mark::Warned,
        (false, false) => Mark::Good,
    }
}

fn action(call: &ApiCall) -> String {
    let named = call.request_parameters.as_object().into_iter().flatten();
    let subject = named.filter_map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
    format!("{} {subject}", call.decision.action)
}

fn answered(call: &ApiCall) -> String {
    let code = call.error_code.as_ref().map_or_else(String::new, |code| format!(" {code}"));
    format!("{}, {}{code}", call.decision.word(), call.status)
}

/// The states of components; each lasts until the component's next.
fn states(evidence: &Evidence) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut lasting: BTreeMap<String, usize> = BTreeMap::new();
    for (index, line) in evidence.core_log.lines().enumerate() {
        let Some(change) = log::change_of(line) else { continue };
        let Some(from) = log::time_of(line) else { continue };
        if let Some(earlier) = lasting.insert(change.component.clone(), rows.len()) {
            rows[earlier].to = from;
        }
        rows.push(Row {
            lane: Lane::States,
            from,
            to: from,
            mark: bad(matches!(change.to.as_str(), "ERRORED" | "BROKEN"), false),
            title: format!("{} {}", change.component, change.to),
            note: format!("from {}", change.from),
            of: Of::Line(Place::new("greengrass", index + 1)),
            decisions: None,
            detail: json!({ "component": change.component, "from": change.from, "to": change.to }),
        });
    }
    rows
}

/// The scripts of a component, each from its start to its last line.
fn scripts(name: &str, log: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in log.lines().enumerate() {
        if line.contains("shell-runner-start") {
            let Some((_, step, from)) = log::scripts(name, line).next() else { continue };
            rows.push(Row {
                lane: Lane::Scripts,
                from,
                to: from,
                mark: Mark::Plain,
                title: format!("{name} {step}"),
                note: String::new(),
                of: Of::Line(Place::new(name, index + 1)),
                decisions: None,
                detail: json!({ "component": name, "step": step }),
            });
        } else if let Some(last) = rows.last_mut()
            && let Some(time) = log::time_of(line)
        {
            last.to = last.to.max(time);
        }
    }
    rows
}

fn leaks(evidence: &Evidence) -> Vec<Row> {
    let row = |(index, leak): (usize, &crate::evidence::Leak)| {
        let from = log::millis_of(&leak.began)?;
        Some(Row {
            lane: Lane::Processes,
            from,
            to: from + Millis::try_from(leak.milliseconds).unwrap_or_default(),
            mark: Mark::Warned,
            title: format!("{} in {}", leak.secret, leak.place),
            note: leak.readers.clone(),
            of: Of::Leak(index),
            decisions: None,
            detail: serde_json::to_value(leak).unwrap_or_default(),
        })
    };
    evidence.leaks.iter().enumerate().filter_map(row).collect()
}

fn restarts(evidence: &Evidence) -> Vec<Row> {
    let row = |restart: &crate::evidence::Restart| {
        let from = log::millis_of(&restart.time)?;
        let code = restart.code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        Some(Row {
            lane: Lane::Faults,
            from,
            to: from,
            mark: if restart.is_fault() { Mark::Bad } else { Mark::Plain },
            title: "the device is started again".into(),
            note: if restart.killed { "it was killed".into() } else { code },
            of: Of::Restart,
            decisions: None,
            detail: serde_json::to_value(restart).unwrap_or_default(),
        })
    };
    evidence.restarts.iter().filter_map(row).collect()
}
