//! Deployments through IoT jobs, and what the core says about them.

use crate::{
    kernel::Kernel,
    log::Line,
    mqtt::{Incoming, Mqtt},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

const LOGGER: &str = "com.aws.greengrass.deployment.IotJobsHelper";
const SHADOW_LOGGER: &str = "com.aws.greengrass.deployment.ShadowDeploymentListener";
const KEEPER: &str = "com.aws.greengrass.deployment.DeploymentStatusKeeper";
/// How long the cloud may take to confirm a status.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the nucleus waits before it subscribes again.
const RESUBSCRIBE: Duration = Duration::from_mins(2);

/// A job that waits to be carried out.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// The deployment document.
    pub(crate) document: Value,
    /// Becomes true when the cloud cancels it.
    pub(crate) cancelled: watch::Receiver<bool>,
}

/// The jobs channel.
#[derive(Debug)]
pub(crate) struct Jobs {
    kernel: Arc<Kernel>,
    mqtt: Mqtt,
    answers: Mutex<HashMap<String, oneshot::Sender<bool>>>,
    seen: Mutex<Seen>,
}

/// What was received last, so that nothing is done twice.
#[derive(Debug, Default)]
struct Seen {
    queued_at: i64,
    ids: Vec<String>,
    cancel: Option<watch::Sender<bool>>,
}

impl Jobs {
    pub(crate) fn new(kernel: Arc<Kernel>, mqtt: Mqtt) -> Arc<Self> {
        Arc::new(Self { kernel, mqtt, answers: Mutex::default(), seen: Mutex::default() })
    }

    /// Receives until the connection is given up; jobs go to `queue`.
    pub(crate) async fn receive(
        self: Arc<Self>,
        mut incoming: mpsc::UnboundedReceiver<Incoming>,
        queue: mpsc::UnboundedSender<Job>,
    ) {
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
                        #[expect(clippy::disallowed_methods, reason = "the nucleus subscribes again after this time")]
                        tokio::time::sleep(RESUBSCRIBE).await;
                        jobs.subscribe().await;
                    });
                }
                Incoming::Message { topic, payload } => {
                    let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
                    self.message(&topic, &payload, &queue).await;
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

    async fn message(&self, topic: &str, payload: &Value, queue: &mpsc::UnboundedSender<Job>) {
        let Some(rest) = topic.strip_prefix(&self.topic("")) else { return };
        if let Some(rest) = rest.strip_prefix("shadow/name/AWSManagedGreengrassV2Deployment/") {
            return self.shadow(rest, payload);
        }
        match rest {
            "jobs/$next/namespace-aws-gg-deployment/get/accepted" => self.described(payload, queue),
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
        if let Some(cancel) = &self.seen.lock().unwrap_or_else(PoisonError::into_inner).cancel {
            cancel.send_replace(true);
        }
    }

    fn described(&self, payload: &Value, queue: &mpsc::UnboundedSender<Job>) {
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
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = seen.queued_at == queued_at && seen.ids.iter().any(|known| known == id);
        if queued_at < seen.queued_at || repeated {
            return;
        }
        if queued_at > seen.queued_at {
            seen.queued_at = queued_at;
            seen.ids.clear();
        }
        seen.ids.push(id.into());
        let (cancel, cancelled) = watch::channel(false);
        seen.cancel = Some(cancel);
        let line = Line::info(LOGGER).message("Added the job to the queue").with("JobId", id);
        self.kernel.logs.nucleus(&line.with("ThingName", self.thing()));
        _ = queue.send(Job { id: id.into(), document: execution["jobDocument"].clone(), cancelled });
    }

    /// Reports the status of a job and waits until the cloud has taken it.
    pub(crate) async fn update(&self, job: &str, deployment: &str, status: &str, details: &Value) {
        let line = Line::info(KEEPER).message("Stored deployment status").with("DeploymentId", job);
        let line = line.with("GreengrassDeploymentId", deployment).with("DeploymentStatus", status);
        self.kernel.logs.nucleus(&line);
        let about = |line: Line| line.with("Status", status).with("JobId", job).with("ThingName", self.thing());
        let text = details
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let text = format!("{{{}}}", text.collect::<Vec<_>>().join(", "));
        let line = about(Line::info(LOGGER).message("Updating status of persisted deployment"));
        self.kernel.logs.nucleus(&line.with("StatusDetails", text));
        let topic = self.topic(&format!("jobs/{job}/namespace-aws-gg-deployment/update"));
        let answers = [format!("{topic}/accepted"), format!("{topic}/rejected")];
        let request = json!({"thingName": self.thing(), "jobId": job, "status": status, "statusDetails": details});
        loop {
            let (sender, answer) = oneshot::channel();
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(job.into(), sender);
            self.mqtt.subscribe(&answers).await;
            self.mqtt.publish(&topic, &request).await;
            let answer = tokio::time::timeout(PATIENCE, answer).await;
            self.mqtt.unsubscribe(&answers).await;
            let line = match answer {
                Ok(Ok(true)) => Line::info(LOGGER).message("Job status update was accepted"),
                Ok(_) => Line::error(LOGGER).message("Job status update was rejected"),
                Err(_) => {
                    let line = Line::warn(LOGGER).message("Timed out while updating the job status");
                    self.kernel.logs.nucleus(&about(line));
                    continue;
                }
            };
            return self.kernel.logs.nucleus(&about(line));
        }
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
