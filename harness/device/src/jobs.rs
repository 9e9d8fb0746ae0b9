//! Deployments through IoT jobs, and what the core says about them.

use crate::{
    kernel::Kernel,
    log::Line,
    mqtt::{Incoming, Mqtt},
    queue::{Item, Kind, Queue},
    status::Report,
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

const LOGGER: &str = "com.aws.greengrass.deployment.IotJobsHelper";
const SHADOW_LOGGER: &str = "com.aws.greengrass.deployment.ShadowDeploymentListener";
/// How long the cloud may take to confirm a status.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the nucleus waits before it subscribes again.
const RESUBSCRIBE: Duration = Duration::from_mins(2);

/// The jobs channel.
#[derive(Debug)]
pub(crate) struct Jobs {
    kernel: Arc<Kernel>,
    mqtt: Mqtt,
    queue: Arc<Queue>,
    answers: Mutex<HashMap<String, oneshot::Sender<bool>>>,
    seen: Mutex<Seen>,
}

/// What was received last, so that nothing is done twice.
#[derive(Debug, Default)]
struct Seen {
    queued_at: i64,
    ids: Vec<String>,
}

impl Seen {
    /// Notes a job; false if it was seen, or is older than what was.
    fn add(&mut self, queued_at: i64, id: &str) -> bool {
        let repeated = self.queued_at == queued_at && self.ids.iter().any(|known| known == id);
        if queued_at < self.queued_at || repeated {
            return false;
        }
        if queued_at > self.queued_at {
            self.queued_at = queued_at;
            self.ids.clear();
        }
        self.ids.push(id.into());
        true
    }
}

impl Jobs {
    pub(crate) fn new(kernel: Arc<Kernel>, mqtt: Mqtt, queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { kernel, mqtt, queue, answers: Mutex::default(), seen: Mutex::default() })
    }

    /// Receives until the connection is given up.
    pub(crate) async fn receive(self: Arc<Self>, mut incoming: mpsc::UnboundedReceiver<Incoming>) {
        let mut launched = false;
        while let Some(incoming) = incoming.recv().await {
            match incoming {
                Incoming::Connected => {
                    self.subscribe().await;
                    if !std::mem::replace(&mut launched, true) {
                        self.kernel.report(crate::fleet::Event::Launch);
                    }
                }
                Incoming::SubscriptionRefused => {
                    let jobs = self.clone();
                    tokio::spawn(async move {
                        jobs.kernel.config.clock.sleep(RESUBSCRIBE).await;
                        jobs.subscribe().await;
                    });
                }
                Incoming::Message { topic, payload } => {
                    let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
                    self.message(&topic, &payload).await;
                }
            }
        }
    }

    async fn subscribe(&self) {
        let next = self.topic("jobs/$next/namespace-aws-gg-deployment/get");
        let shadow = self.topic("shadow/name/AWSManagedGreengrassV2Deployment");
        let topics = [
            format!("{next}/accepted"),
            format!("{next}/rejected"),
            self.topic("jobs/notify-namespace-aws-gg-deployment"),
            format!("{shadow}/update/accepted"),
            format!("{shadow}/update/rejected"),
            format!("{shadow}/get/accepted"),
        ];
        self.mqtt.subscribe(&topics).await;
        self.get().await;
        self.mqtt.publish(&format!("{shadow}/get"), &Value::Null).await;
    }

    async fn get(&self) {
        let request = json!({"thingName": self.thing(), "jobId": "$next", "includeJobDocument": true});
        self.mqtt.publish(&self.topic("jobs/$next/namespace-aws-gg-deployment/get"), &request).await;
    }

    async fn message(&self, topic: &str, payload: &Value) {
        let Some(rest) = topic.strip_prefix(&self.topic("")) else { return };
        if let Some(rest) = rest.strip_prefix("shadow/name/AWSManagedGreengrassV2Deployment/") {
            return self.shadow(rest, payload);
        }
        match rest {
            "jobs/$next/namespace-aws-gg-deployment/get/accepted" => self.described(payload),
            "jobs/$next/namespace-aws-gg-deployment/get/rejected" => {
                let line = Line::error(LOGGER).message("Job subscription got rejected");
                self.kernel.logs.nucleus(&line.with("ThingName", self.thing()).cause(payload.to_string()));
            }
            "jobs/notify-namespace-aws-gg-deployment" => self.notified(payload).await,
            _ => self.answered(rest),
        }
    }

    /// A thing deployment waits in the shadow; those aren't emulated.
    fn shadow(&self, topic: &str, payload: &Value) {
        let accepted = matches!(topic, "get/accepted" | "update/accepted");
        if accepted && payload["state"]["desired"]["fleetConfig"].is_string() {
            let line = Line::error(SHADOW_LOGGER).event("greenproof-unsupported");
            self.kernel.logs.nucleus(&line.message("deployments to a single thing are not emulated"));
        }
    }

    async fn notified(&self, payload: &Value) {
        let waiting = |status: &str| payload["jobs"][status].as_array().is_some_and(|jobs| !jobs.is_empty());
        if waiting("QUEUED") || waiting("IN_PROGRESS") {
            let line = Line::info(LOGGER).message("Received new deployment notification. Requesting details");
            self.kernel.logs.nucleus(&line);
            return self.get().await;
        }
        let line = Line::info(LOGGER).message("Received empty jobs in notification");
        self.kernel.logs.nucleus(&line.with("ThingName", self.thing()));
        self.cancel();
    }

    fn described(&self, payload: &Value) {
        let execution = &payload["execution"];
        let Some(id) = execution["jobId"].as_str() else {
            let line = Line::info(LOGGER).message("No deployment job found");
            return self.kernel.logs.nucleus(&line.with("ThingName", self.thing()));
        };
        let queued_at = execution["queuedAt"].as_i64().unwrap_or_default();
        let line = Line::info(LOGGER).message("Received Iot job description");
        let line = line.with("JobId", id).with("Status", execution["status"].as_str().unwrap_or_default());
        let line = line.with("queueAt", queued_at.to_string()).with("ThingName", self.thing());
        self.kernel.logs.nucleus(&line);
        if !self.seen.lock().unwrap_or_else(PoisonError::into_inner).add(queued_at, id) {
            let line = Line::info(LOGGER).message("Duplicate or outdated job notification. Ignoring");
            return self.kernel.logs.nucleus(&line.with("JobId", id).with("ThingName", self.thing()));
        }
        // The cloud offers the next job only when the one under way is over for it.
        self.cancel();
        if self.queue.offer(Item::new(Kind::Job, id, execution["jobDocument"].clone())) {
            let line = Line::info(LOGGER).message("Added the job to the queue").with("JobId", id);
            self.kernel.logs.nucleus(&line.with("ThingName", self.thing()));
        }
    }

    fn cancel(&self) {
        if self.queue.cancel(Kind::Job) {
            let line = Line::info(LOGGER).message("Added cancellation deployment to the queue");
            self.kernel.logs.nucleus(&line.with("ThingName", self.thing()));
        }
    }

    /// Reports the status of a job. Returns whether the cloud has taken or refused it; else it is to be sent again.
    pub(crate) async fn update(&self, report: &Report) -> bool {
        let (job, status, details) = (&report.id, report.status, report.details.flat());
        let about = |line: Line| line.with("Status", status).with("JobId", job).with("ThingName", self.thing());
        let line = about(Line::info(LOGGER).message("Updating status of persisted deployment"));
        self.kernel.logs.nucleus(&line.with("StatusDetails", rendered(&details)));
        let topic = self.topic(&format!("jobs/{job}/namespace-aws-gg-deployment/update"));
        let answers = [format!("{topic}/accepted"), format!("{topic}/rejected")];
        let request = json!({"thingName": self.thing(), "jobId": job, "status": status, "statusDetails": details});
        let (sender, answer) = oneshot::channel();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone(), sender);
        self.mqtt.subscribe(&answers).await;
        self.mqtt.publish(&topic, &request).await;
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        self.mqtt.unsubscribe(&answers).await;
        match answer {
            Ok(Ok(true)) => {
                self.kernel.logs.nucleus(&about(Line::info(LOGGER).message("Job status update was accepted")));
            }
            Ok(_) => {
                self.kernel.logs.nucleus(&about(Line::warn(LOGGER).message("Job status updated rejected")));
                self.kernel.logs.nucleus(&about(Line::error(LOGGER).message("Job status update rejected")));
            }
            Err(_) => {
                let line = Line::info(LOGGER).message("Timed out while updating the job status");
                self.kernel.logs.nucleus(&line.with("ThingName", self.thing()));
                return false;
            }
        }
        true
    }

    fn answered(&self, topic: &str) {
        let parts =
            topic.strip_prefix("jobs/").and_then(|rest| rest.split_once("/namespace-aws-gg-deployment/update/"));
        let Some((job, answer)) = parts else { return };
        let waiting = self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        if let Some(waiting) = waiting {
            _ = waiting.send(answer == "accepted");
        }
    }

    fn thing(&self) -> &str {
        &self.kernel.config.thing
    }

    fn topic(&self, rest: &str) -> String {
        format!("$aws/things/{}/{rest}", self.kernel.config.thing)
    }
}

/// Details as Java prints a map.
fn rendered(details: &Value) -> String {
    let entries = details.as_object().into_iter().flatten();
    let entries = entries.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    // [core-deploy-2]
    #[test]
    fn jobs_are_taken_once() {
        let mut seen = Seen::default();
        assert!(seen.add(10, "a"));
        assert!(!seen.add(10, "a"));
        assert!(seen.add(10, "b"));
        assert!(!seen.add(9, "c"), "older than what was seen");
        assert!(seen.add(11, "a"), "queued anew");
        assert!(!seen.add(10, "b"));
    }
}
