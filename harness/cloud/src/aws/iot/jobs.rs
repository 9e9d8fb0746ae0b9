//! AWS IoT Jobs for one thing: deployments as jobs, their topics and the states of their executions.
//!
//! The namespace in a topic is optional: a job of Greengrass is told to whoever asks for it by id. Jobs come from
//! deployments alone; when they are queued, given up and timed out is the matter of [`super::rollout`].

mod execution;
mod request;
#[cfg(test)]
mod tests;

use super::{deployments::Revision, reserved::Reply};
use crate::world::Target;
pub(super) use execution::Execution;
use execution::{Status, seconds};
use request::Rejection;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The namespace of Greengrass's jobs in topics.
const NAMESPACE: &str = "namespace-aws-gg-deployment";

/// The thing's jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    thing: String,
    /// What events call the thing; the world's own has no name there.
    called: Option<String>,
    /// In the order in which they were queued.
    executions: Vec<Execution>,
}

type Answer = Result<Map<String, Value>, Rejection>;

impl Jobs {
    pub(super) fn new(thing: &str, called: Option<String>) -> Self {
        Self { thing: thing.to_owned(), called, executions: Vec::new() }
    }

    /// Whether the thing has or had to carry a job out.
    pub(super) fn has(&self, job: &str) -> bool {
        self.executions.iter().any(|execution| execution.job() == job && execution.status != Status::Removed)
    }

    /// Takes away what the thing has not ended of jobs whose group it has left. Returns what subscribers are told.
    pub(super) fn keep(&mut self, is_in: impl Fn(&Target) -> bool) -> Vec<Reply> {
        let ((), notices) = self.noticing(|jobs| {
            let pending = jobs.executions.iter_mut().filter(|execution| execution.pending());
            pending
                .filter(|execution| !is_in(&execution.revision.target))
                .for_each(|execution| execution.advance(Status::Removed, None));
        });
        notices
    }

    /// Queues a deployment; the one that its target had before is cancelled. Returns what subscribers are told.
    pub(super) fn queue(&mut self, revision: Revision) -> Vec<Reply> {
        let superseded = self.executions.iter().find(|one| one.pending() && one.revision.target == revision.target);
        let superseded = superseded.map(|execution| execution.revision.deployment.clone());
        let mut replies = superseded.map(|deployment| self.cancel(&deployment)).unwrap_or_default();
        let ((), notices) = self.noticing(|jobs| {
            jobs.executions.retain(|execution| execution.job() != revision.job);
            jobs.executions.push(Execution::queue(revision, jobs.called.clone()));
        });
        replies.extend(notices);
        replies
    }

    /// Cancels the job of a deployment, also one that the device has begun. Returns what subscribers are told.
    pub(super) fn cancel(&mut self, deployment: &str) -> Vec<Reply> {
        let ((), notices) = self.noticing(|jobs| {
            let mut pending = jobs.executions.iter_mut().filter(|execution| execution.pending());
            if let Some(execution) = pending.find(|execution| execution.revision.deployment == deployment) {
                execution.advance(Status::Canceled, None);
            }
        });
        notices
    }

    /// Cancels the job of a deployment unless the device has begun it. Returns what subscribers are told.
    pub(super) fn cancel_queued(&mut self, deployment: &str) -> Vec<Reply> {
        let queued = self.executions.iter().filter(|execution| execution.status == Status::Queued);
        let found = queued.map(|execution| &execution.revision.deployment).any(|known| known == deployment);
        if found { self.cancel(deployment) } else { Vec::new() }
    }

    /// When the execution of a job was begun, while it is in progress.
    pub(super) fn in_progress_since(&self, job: &str) -> Option<OffsetDateTime> {
        let execution = self.find_execution(job).filter(|execution| execution.status == Status::InProgress)?;
        OffsetDateTime::from_unix_timestamp(execution.started_at?).ok()
    }

    /// Ends the execution of a job that has taken too long. Returns what subscribers are told.
    pub(super) fn time_out(&mut self, job: &str) -> Vec<Reply> {
        let ((), notices) = self.noticing(|jobs| {
            let mut pending = jobs.executions.iter_mut().filter(|execution| execution.pending());
            if let Some(execution) = pending.find(|execution| execution.job() == job) {
                execution.advance(Status::TimedOut, None);
            }
        });
        notices
    }

    /// Every execution, in the order in which they were queued.
    pub(super) fn executions(&self) -> impl DoubleEndedIterator<Item = &Execution> {
        self.executions.iter()
    }

    /// The execution of a job.
    pub(super) fn find_execution(&self, job: &str) -> Option<&Execution> {
        self.executions.iter().find(|execution| execution.job() == job)
    }

    /// Answers a request; `segments` is the topic after `…/jobs/`.
    pub(super) fn answer(&mut self, segments: &[&str], topic: &str, payload: &[u8]) -> Vec<Reply> {
        let segments: Vec<_> = segments.iter().copied().filter(|segment| *segment != NAMESPACE).collect();
        match segments.as_slice() {
            // What this service itself publishes, said by a client, is plain messaging.
            [.., "accepted" | "rejected"] => return Vec::new(),
            [one] if one.starts_with("notify") => return Vec::new(),
            _ => {}
        }
        let request = request::parse(payload);
        let token = request.as_ref().ok().and_then(|request| request.get("clientToken")).cloned();
        let (answer, notices) =
            self.noticing(|jobs| request.and_then(|request| jobs.perform(&segments, topic, &request)));
        let mut replies = vec![reply(topic, token, answer)];
        replies.extend(notices);
        replies
    }

    fn perform(&mut self, segments: &[&str], topic: &str, request: &Value) -> Answer {
        match segments {
            ["get"] => Ok(self.list()),
            ["start-next"] => self.start_next(request),
            [job, "get"] => self.describe(job, request),
            [job, "update"] => self.update(job, request),
            _ => Err(Rejection::new("InvalidTopic", format!("`{topic}` is no topic of the jobs service"))),
        }
    }

    /// What `$next` stands for: what is in progress goes first, else what was queued first.
    fn next(&self) -> Option<&Execution> {
        self.pending().min_by_key(|execution| execution.status)
    }

    fn pending(&self) -> impl Iterator<Item = &Execution> {
        self.executions.iter().filter(|execution| execution.pending())
    }

    fn list(&self) -> Map<String, Value> {
        let with = |status| -> Vec<_> {
            self.pending().filter(|execution| execution.status == status).map(Execution::summary).collect()
        };
        object(json!({"inProgressJobs": with(Status::InProgress), "queuedJobs": with(Status::Queued)}))
    }

    fn describe(&self, job: &str, request: &Value) -> Answer {
        let execution = match (job, self.next()) {
            ("$next", None) => return Ok(Map::new()),
            ("$next", Some(execution)) => execution,
            (job, _) => &self.executions[self.find(job)?],
        };
        if !execution.pending() {
            let message = format!("the execution of job `{job}` is in the terminal state {}", execution.status.name());
            return Err(Rejection::new("TerminalStateReached", message));
        }
        let document = request.get("includeJobDocument") != Some(&Value::Bool(false));
        Ok(object(json!({"execution": execution.describe(&self.thing, document)})))
    }

    fn start_next(&mut self, request: &Value) -> Answer {
        let details = request::details(request)?;
        let Some(job) = self.next().map(|execution| execution.job().to_owned()) else { return Ok(Map::new()) };
        let index = self.find(&job)?;
        let execution = &mut self.executions[index];
        if execution.status == Status::Queued {
            execution.advance(Status::InProgress, details);
        }
        Ok(object(json!({"execution": execution.describe(&self.thing, true)})))
    }

    fn update(&mut self, job: &str, request: &Value) -> Answer {
        let (status, details) = (request::status(request)?, request::details(request)?);
        let index = self.find(job)?;
        let execution = &mut self.executions[index];
        let state = Some(execution.state());
        if request::expected_version(request)?.is_some_and(|expected| expected != execution.version) {
            let message = format!("the expected version is not the current one, {}", execution.version);
            return Err(Rejection { code: "VersionMismatch", message, state });
        }
        if !execution.pending() {
            let message = format!("the execution is {}, so it can't become {}", execution.status.name(), status.name());
            return Err(Rejection { code: "InvalidStateTransition", message, state });
        }
        execution.advance(status, details);
        let mut answer = Map::new();
        if request.get("includeJobExecutionState") == Some(&Value::Bool(true)) {
            answer.insert("executionState".to_owned(), execution.state());
        }
        if request.get("includeJobDocument") == Some(&Value::Bool(true)) {
            answer.insert("jobDocument".to_owned(), execution.revision.document.clone());
        }
        Ok(answer)
    }

    fn find(&self, job: &str) -> Result<usize, Rejection> {
        let found = self.executions.iter().position(|execution| execution.job() == job);
        found.ok_or_else(|| Rejection::new("ResourceNotFound", format!("there is no job `{job}` for this thing")))
    }

    /// Does something, and says what subscribers are told of it: that the list of pending jobs has changed, and that
    /// another one is next.
    fn noticing<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, Vec<Reply>) {
        let listed = |jobs: &Self| jobs.pending().map(|execution| execution.job().to_owned()).collect::<Vec<_>>();
        let first = |jobs: &Self| jobs.next().map(|execution| execution.job().to_owned());
        let before = (listed(self), first(self));
        let done = act(self);
        let mut notices = Vec::new();
        if listed(self) != before.0 {
            notices.push(self.list_changed());
        }
        if first(self) != before.1 {
            notices.push(self.next_changed());
        }
        (done, notices)
    }

    fn list_changed(&self) -> Reply {
        let mut jobs: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for execution in self.pending() {
            jobs.entry(execution.status.name()).or_default().push(execution.summary());
        }
        let topic = format!("$aws/things/{}/jobs/notify-{NAMESPACE}", self.thing);
        Reply { topic, payload: json!({"timestamp": seconds(), "jobs": jobs}) }
    }

    fn next_changed(&self) -> Reply {
        let mut payload = json!({"timestamp": seconds()});
        if let Some(execution) = self.next() {
            payload["execution"] = execution.describe(&self.thing, true);
        }
        Reply { topic: format!("$aws/things/{}/jobs/notify-next-{NAMESPACE}", self.thing), payload }
    }
}

fn reply(topic: &str, token: Option<Value>, answer: Answer) -> Reply {
    let (suffix, mut payload) = match answer {
        Ok(payload) => ("accepted", payload),
        Err(Rejection { code, message, state }) => {
            tracing::warn!(topic, code, message, "rejected a request to the jobs service");
            let mut payload = object(json!({"code": code, "message": message}));
            payload.extend(state.map(|state| ("executionState".to_owned(), state)));
            ("rejected", payload)
        }
    };
    payload.insert("timestamp".to_owned(), seconds().into());
    payload.extend(token.filter(|token| !token.is_null()).map(|token| ("clientToken".to_owned(), token)));
    Reply { topic: format!("{topic}/{suffix}"), payload: payload.into() }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
