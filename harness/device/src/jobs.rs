//! Deployments through IoT jobs, and what the core says about them.

use crate::{
    kernel::Kernel,
    log::Line,
    mqtt::Mqtt,
    queue::{Item, Kind, Queue},
    status::Report,
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

pub(crate) const LOGGER: &str = "com.aws.greengrass.deployment.IotJobsHelper";
/// What is said when the topics can't be subscribed to.
pub(crate) const RETRY: &str =
    "No connection available during subscribing to Iot Jobs descriptions topic. Will retry in sometime";
/// How long the cloud may take to confirm a status.
const PATIENCE: Duration = Duration::from_secs(30);
/// The jobs channel.
#[derive(Debug)]
pub(crate) struct Jobs {
    kernel: Arc<Kernel>,
    mqtt: Mqtt,
    queue: Arc<Queue>,
    answers: Mutex<HashMap<String, oneshot::Sender<Result<(), String>>>>,
    seen: Mutex<Seen>,
}

/// What was received last, so that nothing is done twice.
#[derive(Debug, Default)]
struct Seen {
    queued_at: i64,
    ids: Vec<String>,
    /// How many notifications of a new job no description has answered yet.
    awaited: usize,
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

    /// The topics that it listens to.
    pub(crate) fn topics(&self) -> [String; 3] {
        let next = self.topic("jobs/$next/namespace-aws-gg-deployment/get");
        [format!("{next}/accepted"), format!("{next}/rejected"), self.topic("jobs/notify-namespace-aws-gg-deployment")]
    }

    /// Asks for the next job.
    pub(crate) fn get(&self) {
        let request = json!({"thingName": self.thing(), "jobId": "$next", "includeJobDocument": true});
        self.mqtt.publish(&self.topic("jobs/$next/namespace-aws-gg-deployment/get"), &request);
    }

    /// Takes a message if its topic is one of the jobs'.
    pub(crate) fn message(&self, topic: &str, payload: &Value) {
        let Some(rest) = topic.strip_prefix(&self.topic("")) else { return };
        match rest {
            "jobs/$next/namespace-aws-gg-deployment/get/accepted" => self.described(payload),
            "jobs/$next/namespace-aws-gg-deployment/get/rejected" => {
                let line = Line::error(LOGGER).message("Job subscription got rejected");
                self.log(&line.cause(payload.to_string()));
            }
            "jobs/notify-namespace-aws-gg-deployment" => self.notified(payload),
            _ => self.answered(rest, payload),
        }
    }

    fn notified(&self, payload: &Value) {
        let jobs = &payload["jobs"];
        if jobs.get("QUEUED").is_some() {
            self.seen().awaited += 1;
            self.log(&Line::info(LOGGER).message("Received new deployment notification. Requesting details"));
            return self.get();
        }
        if jobs.as_object().is_some_and(serde_json::Map::is_empty) {
            self.seen().awaited = 0;
            self.log(&Line::info(LOGGER).message("Received empty jobs in notification "));
            return self.cancel();
        }
        let line = Line::info(LOGGER).message("Received other deployment notification. Not supported yet");
        self.log(&line.with("jobs", jobs.to_string()));
    }

    fn described(&self, payload: &Value) {
        let execution = &payload["execution"];
        let Some(id) = execution["jobId"].as_str() else {
            self.log(&Line::info(LOGGER).message("No deployment job found"));
            // The notification may come before the job can be had.
            if self.seen().awaited > 0 {
                self.get();
            }
            return;
        };
        let queued_at = execution["queuedAt"].as_i64().unwrap_or_default();
        let line = Line::info(LOGGER).message("Received Iot job description");
        let line = line.with("JobId", id).with("Status", execution["status"].as_str().unwrap_or_default());
        self.log(&line.with("queueAt", queued_at.to_string()));
        let new = {
            let mut seen = self.seen();
            seen.awaited = seen.awaited.saturating_sub(1);
            // One that a restart interrupted is under way again before the cloud offers it.
            seen.add(queued_at, id) && self.queue.current() != Some((Kind::Job, id.into()))
        };
        if !new {
            let line = Line::info(LOGGER).message("Duplicate or outdated job notification. Ignoring.");
            return self.log(&line.with("JobId", id));
        }
        // The cloud offers the next job only when the one under way is over for it.
        self.cancel();
        if self.queue.offer(Item::new(Kind::Job, id, execution["jobDocument"].clone())) {
            self.log(&Line::info(LOGGER).message("Added the job to the queue").with("JobId", id));
        }
    }

    fn cancel(&self) {
        if self.queue.cancel(Kind::Job) {
            self.log(&Line::info(LOGGER).message("Added cancellation deployment to the queue"));
        }
    }

    /// Reports the status of a job. Returns whether the cloud has taken or refused it; else it is to be sent again.
    pub(crate) async fn update(&self, report: &Report) -> bool {
        let (job, status, details) = (&report.id, report.status, report.details.flat());
        let about = |line: Line| line.with("Status", status).with("JobId", job);
        let line = Line::info(LOGGER).message("Updating status of persisted deployment");
        self.log(&about(line).with("StatusDetails", rendered(&details)));
        let topic = self.topic(&format!("jobs/{job}/namespace-aws-gg-deployment/update"));
        let answers = [format!("{topic}/accepted"), format!("{topic}/rejected")];
        let request = json!({"thingName": self.thing(), "jobId": job, "status": status, "statusDetails": details});
        let (sender, answer) = oneshot::channel();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone(), sender);
        // Its answer isn't waited for, but the subscription is wanted for as long as the status is.
        let subscribing = self.mqtt.subscribe(&answers);
        self.mqtt.publish(&topic, &request);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        drop(subscribing);
        self.mqtt.unsubscribe(&answers);
        match answer {
            Ok(Ok(Ok(()))) => self.log(&about(Line::info(LOGGER).message("Job status update was accepted"))),
            Ok(Ok(Err(why))) => {
                self.log(&about(Line::warn(LOGGER).message("Job status updated rejected")));
                self.log(&about(Line::error(LOGGER).message("Job status update rejected").cause(why)));
            }
            Ok(Err(_)) | Err(_) => {
                self.log(&Line::info(LOGGER).message("Timed out while updating the job status"));
                return false;
            }
        }
        true
    }

    fn answered(&self, topic: &str, payload: &Value) {
        let parts =
            topic.strip_prefix("jobs/").and_then(|rest| rest.split_once("/namespace-aws-gg-deployment/update/"));
        let Some((job, answer)) = parts else { return };
        let waiting = self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        let message = || payload["message"].as_str().unwrap_or_default().to_owned();
        if let Some(waiting) = waiting {
            // Who waited may have given up just now.
            _ = waiting.send(if answer == "accepted" { Ok(()) } else { Err(message()) });
        }
    }

    /// Every line of this channel names the thing.
    fn log(&self, line: &Line) {
        self.kernel.logs.nucleus(&line.clone().with("ThingName", self.thing()));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
    use crate::rig::Rig;

    #[test]
    fn jobs_are_taken_once() {
        fidelity::fidelity!("core-deploy-2");
        let mut seen = Seen::default();
        assert!(seen.add(10, "a"));
        assert!(!seen.add(10, "a"));
        assert!(seen.add(10, "b"));
        assert!(!seen.add(9, "c"), "older than what was seen");
        assert!(seen.add(11, "a"), "queued anew");
        assert!(!seen.add(10, "b"));
    }

    struct World {
        rig: Rig,
        queue: Arc<Queue>,
        jobs: Arc<Jobs>,
    }

    impl World {
        fn new() -> Self {
            let rig = Rig::new();
            let queue = Queue::new(rig.kernel.logs.clone());
            let jobs = Jobs::new(rig.kernel.clone(), rig.mqtt.clone(), queue.clone());
            Self { rig, queue, jobs }
        }

        fn hear(&self, topic: &str, payload: &Value) {
            self.jobs.message(&self.jobs.topic(topic), payload);
        }

        fn describe(&self, id: &str, queued_at: i64) {
            let execution =
                json!({"jobId": id, "status": "QUEUED", "queuedAt": queued_at, "jobDocument": {"deploymentId": "d"}});
            self.hear("jobs/$next/namespace-aws-gg-deployment/get/accepted", &json!({"execution": execution}));
        }
    }

    #[tokio::test]
    async fn a_notified_job_is_asked_for_until_it_can_be_had() {
        fidelity::fidelity!("core-deploy-2");
        let mut world = World::new();
        world.hear("jobs/notify-namespace-aws-gg-deployment", &json!({"jobs": {"QUEUED": [{}]}}));
        world.hear("jobs/$next/namespace-aws-gg-deployment/get/accepted", &json!({"timestamp": 1}));
        assert_eq!(world.rig.outbox.published().len(), 2);
        world.describe("a", 1);
        world.describe("a", 1);
        assert_eq!(world.queue.next().await.id, "a");
        world.hear("jobs/$next/namespace-aws-gg-deployment/get/accepted", &json!({"timestamp": 1}));
        assert!(world.rig.outbox.published().is_empty(), "nothing is awaited any more");
        assert!(world.rig.log().contains("Duplicate or outdated job notification. Ignoring."));
    }

    #[tokio::test]
    async fn an_empty_notification_cancels_the_running_job() {
        fidelity::fidelity!("core-channel-2");
        let world = World::new();
        world.describe("a", 1);
        let job = world.queue.next().await;
        world.hear("jobs/notify-namespace-aws-gg-deployment", &json!({"jobs": {"IN_PROGRESS": [{}]}}));
        assert!(!*job.cancelled.borrow());
        world.hear("jobs/notify-namespace-aws-gg-deployment", &json!({"jobs": {}}));
        assert!(*job.cancelled.borrow());
        assert!(world.rig.log().contains("Added cancellation deployment to the queue"));
    }

    #[tokio::test]
    async fn a_status_is_over_once_it_is_accepted_or_rejected() {
        fidelity::fidelity!("core-deploy-2");
        for (answer, text) in
            [("accepted", "Job status update was accepted"), ("rejected", "Job status update rejected")]
        {
            let mut world = World::new();
            let report = Report::new(&Item::new(Kind::Job, "a", Value::Null), "d", "arn", "SUCCEEDED");
            let jobs = world.jobs.clone();
            let update = tokio::spawn(async move { jobs.update(&report).await });
            let (topic, request) = world.rig.outbox.next().await;
            assert_eq!(topic, "$aws/things/T/jobs/a/namespace-aws-gg-deployment/update");
            assert_eq!(request["status"], "SUCCEEDED");
            world.hear(&format!("jobs/a/namespace-aws-gg-deployment/update/{answer}"), &json!({"message": "why"}));
            assert!(update.await.unwrap());
            assert!(world.rig.log().contains(text));
        }
    }
}
