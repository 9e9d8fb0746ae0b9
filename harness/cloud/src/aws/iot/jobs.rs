//! AWS IoT Jobs for one thing: the deployment as a job, its topics and the state of its execution.
//!
//! The namespace in a topic is optional: a job of Greengrass is told to whoever asks for it by id. Emulated is what a
//! device uses; there is no job creation, cancelling, timeout or `start-next`.

use super::reserved::Reply;
use crate::{
    clock,
    event::{What, emit},
    world::{Deployment, World},
};
use serde_json::{Map, Value, json};

/// The namespace of Greengrass's jobs in topics.
const NAMESPACE: &str = "namespace-aws-gg-deployment";

/// Longest value in `statusDetails`, in characters.
const MAX_VALUE: usize = 1024;

/// Longest key in `statusDetails`, in characters.
const MAX_KEY: usize = 128;

/// The thing's jobs; there is at most one.
#[derive(Debug)]
pub(super) struct Jobs {
    thing: String,
    execution: Option<Execution>,
}

#[derive(Debug)]
struct Execution {
    job: String,
    document: Value,
    status: String,
    details: Map<String, Value>,
    /// Seconds since 1970, as all times of a job.
    queued_at: i64,
    started_at: Option<i64>,
    updated_at: i64,
    version: i64,
}

/// Why a request is rejected.
struct Rejection {
    code: &'static str,
    message: String,
    state: Option<Value>,
}

type Answer = Result<Map<String, Value>, Rejection>;

impl Jobs {
    /// Queues the world's deployment.
    pub(super) fn new(world: &World) -> Self {
        let execution = world.deployment.as_ref().map(|deployment| Execution::queue(world, deployment));
        Self { thing: world.thing.name.clone(), execution }
    }

    /// Answers a request; `segments` is the topic after `…/jobs/`.
    pub(super) fn answer(&mut self, segments: &[&str], topic: &str, payload: &[u8]) -> Vec<Reply> {
        let segments: Vec<_> = segments.iter().copied().filter(|segment| *segment != NAMESPACE).collect();
        let was = self.pending().map(|execution| execution.job.clone());
        let request = parse(payload);
        let token = request.as_ref().ok().and_then(|request| request.get("clientToken")).cloned();
        let answer = match segments.as_slice() {
            // What this service itself publishes, said by a client, is plain messaging.
            [.., "accepted" | "rejected"] | ["notify" | "notify-next"] => return Vec::new(),
            [one] if one.starts_with("notify") => return Vec::new(),
            ["get"] => request.map(|_| self.list()),
            [job, "get"] => request.and_then(|request| self.describe(job, &request)),
            [job, "update"] => request.and_then(|request| self.update(job, &request)),
            _ => Err(rejection("InvalidTopic", format!("`{topic}` is no topic of the jobs service"))),
        };
        let mut replies = vec![reply(topic, token, answer)];
        if was.is_some() && self.pending().is_none() {
            replies.extend(self.notices());
        }
        replies
    }

    fn pending(&self) -> Option<&Execution> {
        self.execution.as_ref().filter(|execution| execution.pending())
    }

    fn list(&self) -> Map<String, Value> {
        let with = |status| -> Vec<_> {
            self.pending().filter(|execution| execution.status == status).map(Execution::summary).into_iter().collect()
        };
        object(json!({"inProgressJobs": with("IN_PROGRESS"), "queuedJobs": with("QUEUED")}))
    }

    fn describe(&self, job: &str, request: &Value) -> Answer {
        let execution = match (job, self.pending()) {
            ("$next", None) => return Ok(Map::new()),
            ("$next", Some(execution)) => execution,
            (job, _) => self.find(job)?,
        };
        if !execution.pending() {
            let message = format!("the execution of job `{job}` is in the terminal state {}", execution.status);
            return Err(rejection("TerminalStateReached", message));
        }
        let document = request.get("includeJobDocument") != Some(&Value::Bool(false));
        Ok(object(json!({"execution": execution.describe(&self.thing, document)})))
    }

    fn find(&self, job: &str) -> Result<&Execution, Rejection> {
        let found = self.execution.as_ref().filter(|execution| execution.job == job);
        found.ok_or_else(|| rejection("ResourceNotFound", format!("there is no job `{job}` for this thing")))
    }

    fn update(&mut self, job: &str, request: &Value) -> Answer {
        let status = check_update(request)?;
        let current = self.find(job)?;
        let expected = request.get("expectedVersion").map(version).transpose()?;
        if expected.is_some_and(|expected| expected != current.version) {
            let message = format!("the expected version is not the current one, {}", current.version);
            return Err(Rejection { code: "VersionMismatch", message, state: Some(current.state()) });
        }
        if !current.pending() {
            let message = format!("the execution is {}, so it can't become {status}", current.status);
            return Err(Rejection { code: "InvalidStateTransition", message, state: Some(current.state()) });
        }
        let Some(execution) = &mut self.execution else { return Ok(Map::new()) };
        execution.advance(status, request.get("statusDetails").and_then(Value::as_object));
        let mut answer = Map::new();
        if request.get("includeJobExecutionState") == Some(&Value::Bool(true)) {
            answer.insert("executionState".to_owned(), execution.state());
        }
        if request.get("includeJobDocument") == Some(&Value::Bool(true)) {
            answer.insert("jobDocument".to_owned(), execution.document.clone());
        }
        Ok(answer)
    }

    /// Tells both kinds of listeners what is pending now.
    fn notices(&self) -> [Reply; 2] {
        let base = format!("$aws/things/{}/jobs", self.thing);
        let timestamp = seconds();
        let mut jobs = Map::new();
        let mut next = object(json!({"timestamp": timestamp}));
        if let Some(execution) = self.pending() {
            jobs.insert(execution.status.clone(), json!([execution.summary()]));
            next.insert("execution".to_owned(), execution.describe(&self.thing, true));
        }
        let all = json!({"timestamp": timestamp, "jobs": jobs});
        [
            Reply { topic: format!("{base}/notify-{NAMESPACE}"), payload: all },
            Reply { topic: format!("{base}/notify-next-{NAMESPACE}"), payload: next.into() },
        ]
    }
}

impl Execution {
    fn queue(world: &World, deployment: &Deployment) -> Self {
        let now = seconds();
        let execution = Self {
            job: deployment.job.clone(),
            document: document(world, deployment),
            status: "QUEUED".to_owned(),
            details: Map::new(),
            queued_at: now,
            started_at: None,
            updated_at: now,
            version: 1,
        };
        execution.tell(Some(execution.document.clone()));
        execution
    }

    fn pending(&self) -> bool {
        matches!(self.status.as_str(), "QUEUED" | "IN_PROGRESS")
    }

    fn advance(&mut self, status: &str, details: Option<&Map<String, Value>>) {
        status.clone_into(&mut self.status);
        if let Some(details) = details {
            self.details.clone_from(details);
        }
        self.updated_at = seconds();
        self.started_at.get_or_insert(self.updated_at);
        self.version += 1;
        self.tell(None);
    }

    fn tell(&self, document: Option<Value>) {
        let details = Value::Object(self.details.clone());
        emit(What::Job { job: self.job.clone(), status: self.status.clone(), details, document });
    }

    fn state(&self) -> Value {
        json!({"status": self.status, "statusDetails": self.details, "versionNumber": self.version})
    }

    fn summary(&self) -> Value {
        let mut summary = object(json!({
            "jobId": self.job, "queuedAt": self.queued_at, "lastUpdatedAt": self.updated_at,
            "executionNumber": 1, "versionNumber": self.version,
        }));
        if let Some(started) = self.started_at {
            summary.insert("startedAt".to_owned(), started.into());
        }
        summary.into()
    }

    fn describe(&self, thing: &str, document: bool) -> Value {
        let mut execution = object(self.summary());
        execution.insert("thingName".to_owned(), thing.into());
        execution.insert("status".to_owned(), self.status.clone().into());
        if !self.details.is_empty() {
            execution.insert("statusDetails".to_owned(), self.details.clone().into());
        }
        if document {
            execution.insert("jobDocument".to_owned(), self.document.clone());
        }
        execution.into()
    }
}

/// The document of a group deployment, as a device gets it.
fn document(world: &World, deployment: &Deployment) -> Value {
    let World { region, account, .. } = world;
    let Deployment { id, group, failure_handling, .. } = deployment;
    let components: Map<_, _> =
        deployment.components.iter().map(|(name, version)| (name.clone(), json!({"version": version}))).collect();
    json!({
        "deploymentId": id,
        "deploymentName": format!("Deployment for {group}"),
        "schemaDate": "2021-05-17",
        "configurationArn": format!("arn:aws:greengrass:{region}:{account}:configuration:thinggroup/{group}:1"),
        "creationTimestamp": milliseconds(),
        "components": components,
        "failureHandlingPolicy": failure_handling,
        "componentUpdatePolicy": {"timeout": 60, "action": "NOTIFY_COMPONENTS"},
        "configurationValidationPolicy": {"timeout": 60},
        "requiredCapabilities": [],
    })
}

fn parse(payload: &[u8]) -> Result<Value, Rejection> {
    if payload.is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| rejection("InvalidJson", format!("the payload is no valid JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(rejection("InvalidRequest", "the payload is no object".to_owned())) }
}

/// The wanted status, if the request is one that the service takes.
fn check_update(request: &Value) -> Result<&str, Rejection> {
    let invalid = |message: String| rejection("InvalidRequest", message);
    let status = request.get("status").and_then(Value::as_str).unwrap_or_default();
    if !matches!(status, "IN_PROGRESS" | "SUCCEEDED" | "FAILED" | "REJECTED") {
        return Err(invalid(format!("`{status}` is no status that a device can set")));
    }
    let details = match request.get("statusDetails") {
        None | Some(Value::Null) => return Ok(status),
        Some(Value::Object(details)) => details,
        Some(_) => return Err(invalid("statusDetails is no map".to_owned())),
    };
    for (key, value) in details {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
        if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(plain) {
            return Err(invalid(format!("`{key}` is no valid key of statusDetails")));
        }
        let length = value.as_str().map(|text| text.chars().count());
        if !length.is_some_and(|length| (1..=MAX_VALUE).contains(&length)) {
            return Err(invalid(format!(
                "the value of `{key}` in statusDetails is no text of 1 to {MAX_VALUE} characters"
            )));
        }
    }
    Ok(status)
}

/// `expectedVersion`, which may come as a number or as text.
fn version(value: &Value) -> Result<i64, Rejection> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number.ok_or_else(|| rejection("InvalidRequest", "expectedVersion is no number".to_owned()))
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

fn rejection(code: &'static str, message: String) -> Rejection {
    Rejection { code, message, state: None }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn seconds() -> i64 {
    clock::now().unix_timestamp()
}

fn milliseconds() -> i64 {
    let now = clock::now();
    now.unix_timestamp() * 1000 + i64::from(now.millisecond())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{everything, world},
        *,
    };

    fn ask(jobs: &mut Jobs, path: &str, payload: &str) -> Vec<Reply> {
        let segments: Vec<_> = path.split('/').collect();
        jobs.answer(&segments, path, payload.as_bytes())
    }

    /// `[iot-14]`
    #[test]
    fn bad_requests_get_the_documented_codes() {
        let mut jobs = Jobs::new(&world(&everything(), &[]));
        let long = json!({"status": "FAILED", "statusDetails": {"a": "x".repeat(1025)}}).to_string();
        let cases = [
            ("j-1/update", "{", "InvalidJson"),
            ("j-1/update", "[]", "InvalidRequest"),
            ("j-1/update", r#"{"status": "DONE"}"#, "InvalidRequest"),
            ("j-1/update", &long, "InvalidRequest"),
            ("j-2/update", r#"{"status": "FAILED"}"#, "ResourceNotFound"),
            ("j-1/update", r#"{"status": "FAILED", "expectedVersion": 7}"#, "VersionMismatch"),
            ("j-1/other", "{}", "InvalidTopic"),
        ];
        for (path, payload, code) in cases {
            let replies = ask(&mut jobs, path, payload);
            assert_eq!(
                (replies[0].topic.as_str(), &replies[0].payload["code"]),
                (&*format!("{path}/rejected"), &json!(code))
            );
        }
        assert!(ask(&mut jobs, "notify", "{}").is_empty());
        assert_eq!(ask(&mut jobs, "j-1/update", r#"{"status": "REJECTED"}"#).len(), 3);
        assert_eq!(ask(&mut jobs, "j-1/get", "{}")[0].payload["code"], "TerminalStateReached");
    }

    /// `[iot-15]`
    #[test]
    fn the_pending_list_follows_the_status() {
        let mut jobs = Jobs::new(&world(&everything(), &[]));
        assert_eq!(ask(&mut jobs, "get", "{}")[0].payload["queuedJobs"][0]["jobId"], "j-1");
        ask(&mut jobs, "j-1/update", r#"{"status": "IN_PROGRESS"}"#);
        let list = ask(&mut jobs, &format!("{NAMESPACE}/get"), "").remove(0).payload;
        assert_eq!((&list["queuedJobs"], &list["inProgressJobs"][0]["versionNumber"]), (&json!([]), &json!(2)));
    }
}
