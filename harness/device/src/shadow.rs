//! Deployments to the thing itself, which stand in its shadow, and what the shadow is told about them.

use crate::{
    config::VERSION,
    kernel::Kernel,
    log::Line,
    mqtt::Mqtt,
    queue::{Item, Kind, Queue},
    status::Report,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) const LOGGER: &str = "com.aws.greengrass.deployment.ShadowDeploymentListener";
/// The shadow's name.
const NAME: &str = "AWSManagedGreengrassV2Deployment";

/// The shadow's channel.
#[derive(Debug)]
pub(crate) struct Shadow {
    kernel: Arc<Kernel>,
    mqtt: Mqtt,
    queue: Arc<Queue>,
    seen: Mutex<Seen>,
}

/// What the channel has heard and said last.
#[derive(Debug, Default)]
struct Seen {
    version: i64,
    /// The configuration's ARN; `None` before the first document.
    arn: Option<String>,
    report: Option<Report>,
}

/// A message that the nucleus can't make sense of.
#[derive(Debug, thiserror::Error)]
#[error("the shadow's message lacks `{0}`")]
struct Senseless(&'static str);

/// What a document asks for.
#[derive(Debug, PartialEq)]
enum Wish {
    Nothing,
    Deployment { arn: String, document: Value },
    Cancellation,
}

impl Shadow {
    pub(crate) fn new(kernel: Arc<Kernel>, mqtt: Mqtt, queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { kernel, mqtt, queue, seen: Mutex::default() })
    }

    /// The topics that it listens to.
    pub(crate) fn topics(&self) -> [String; 3] {
        ["update/accepted", "update/rejected", "get/accepted"].map(|rest| self.topic(rest))
    }

    /// Asks for the document.
    pub(crate) fn get(&self) {
        self.mqtt.publish(&self.topic("get"), &Value::Null);
    }

    /// Takes a message if its topic is one of the shadow's.
    pub(crate) fn message(&self, topic: &str, payload: &Value) -> bool {
        let Some(rest) = topic.strip_prefix(&self.topic("")) else { return false };
        let (what, result) = match rest {
            "get/accepted" => ("getShadowResponse", self.updated(payload)),
            "update/accepted" => ("updateShadowResponse", self.updated(payload)),
            // What was reported was built on an old version: the new one brings it up again.
            "update/rejected" => {
                return {
                    self.get();
                    true
                };
            }
            _ => return false,
        };
        if let Err(error) = result {
            let line = Line::error(LOGGER).message(format!("Error processing {what}"));
            self.kernel.logs.nucleus(&line.cause(error.to_string()));
        }
        true
    }

    /// Reports a status. The shadow takes whatever could be published.
    pub(crate) fn update(&self, report: &Report) {
        self.seen().report = Some(report.clone());
        self.tell(report);
    }

    fn tell(&self, report: &Report) {
        let reported = json!({
            "fleetConfigurationArnForStatus": report.arn,
            "status": report.status,
            "statusDetails": {
                "detailedStatus": report.details.detailed,
                // What is absent would stay as it was.
                "failureCause": report.details.cause.as_deref().unwrap_or_default(),
                "errorStack": report.details.stack,
                "errorTypes": report.details.types,
            },
            "ggcVersion": VERSION,
        });
        let update = json!({"version": self.seen().version, "state": {"reported": reported}});
        self.mqtt.publish(&self.topic("update"), &update);
        let line = Line::info(LOGGER).message("Updated reported state for deployment");
        self.kernel.logs.nucleus(&line.with("CONFIGURATION_ARN", &report.arn).with("status", report.status));
    }

    fn updated(&self, payload: &Value) -> Result<(), Senseless> {
        let state = payload.get("state").ok_or(Senseless("state"))?;
        let version = payload["version"].as_i64().ok_or(Senseless("version"))?;
        let (desired, reported) = (&state["desired"], &state["reported"]);
        {
            let mut seen = self.seen();
            if seen.version > version {
                return Ok(());
            }
            seen.version = version;
        }
        if reported.as_object().is_some_and(|reported| !reported.is_empty()) {
            self.catch_up(reported)?;
        }
        if desired.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(());
        }
        match self.wish(desired, reported)? {
            Wish::Nothing => {}
            Wish::Deployment { arn, document } => {
                if self.queue.offer(Item::new(Kind::Shadow, &arn, document)) {
                    self.added(&arn);
                }
            }
            Wish::Cancellation => {
                if self.queue.cancel(Kind::Shadow) {
                    self.added(&uuid::Uuid::new_v4().to_string());
                }
            }
        }
        Ok(())
    }

    fn added(&self, id: &str) {
        self.kernel.logs.nucleus(&Line::info(LOGGER).message("Added shadow deployment job").with("ID", id));
    }

    /// Reports again what the shadow doesn't show.
    fn catch_up(&self, reported: &Value) -> Result<(), Senseless> {
        let Some(report) = self.seen().report.clone() else { return Ok(()) };
        let arn = reported["fleetConfigurationArnForStatus"].as_str();
        let arn = arn.ok_or(Senseless("fleetConfigurationArnForStatus"))?;
        // A status that stayed the same isn't sent along.
        let differs = arn != report.arn || reported["status"].as_str() != Some(report.status);
        if differs {
            let line = Line::info(LOGGER);
            let line = line.message("Updating reported section of shadow with the latest deployment status");
            self.kernel.logs.nucleus(&line);
            self.tell(&report);
        }
        Ok(())
    }

    /// What the document asks for, as far as it isn't done or under way.
    fn wish(&self, desired: &Value, reported: &Value) -> Result<Wish, Senseless> {
        let text = desired["fleetConfig"].as_str().ok_or(Senseless("fleetConfig"))?;
        let document: Value = match serde_json::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                let line = Line::error(LOGGER).message("failed to process shadow update").cause(error.to_string());
                self.kernel.logs.nucleus(&line);
                return Ok(Wish::Nothing);
            }
        };
        let refused = |text: &str| {
            self.kernel.logs.nucleus(&Line::error(LOGGER).message(text));
            Ok(Wish::Nothing)
        };
        let Some(arn) = document["configurationArn"].as_str().map(str::to_owned) else {
            return refused("Desired state has null configuration ARN. Ignoring shadow update");
        };
        let Some(status) = desired["desiredStatus"].as_str() else {
            return refused("Desired status is null. Ignoring shadow update");
        };
        let cancelled = status == "CANCELED";
        let known = self.seen().arn.replace(arn.clone());
        let ignored = match known {
            None if cancelled => Some("Deployment was canceled. Ignoring shadow update at startup"),
            None if reported["fleetConfigurationArnForStatus"] == *arn && reported["status"] != "IN_PROGRESS" => {
                Some("Deployment result already reported. Ignoring shadow update at startup")
            }
            None if self.queue.current().is_some_and(|(_, id)| id == arn) => {
                Some("Ongoing deployment. Ignoring shadow update at startup")
            }
            Some(known) if known == arn && !cancelled => {
                Some("Duplicate deployment notification. Ignoring shadow update")
            }
            _ => None,
        };
        if let Some(text) = ignored {
            self.kernel.logs.nucleus(&Line::info(LOGGER).message(text).with("CONFIGURATION_ARN", arn));
            return Ok(Wish::Nothing);
        }
        Ok(if cancelled { Wish::Cancellation } else { Wish::Deployment { arn, document } })
    }

    fn topic(&self, rest: &str) -> String {
        format!("$aws/things/{}/shadow/name/{NAME}/{rest}", self.kernel.config.thing)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rig::Rig, status::Details};

    const ARN: &str = "arn:aws:greengrass:r:1:configuration:thing/T:";

    struct World {
        rig: Rig,
        queue: Arc<Queue>,
        shadow: Arc<Shadow>,
    }

    impl World {
        fn new() -> Self {
            let rig = Rig::new();
            let queue = Queue::new(rig.kernel.logs.clone());
            let shadow = Shadow::new(rig.kernel.clone(), rig.mqtt.clone(), queue.clone());
            Self { rig, queue, shadow }
        }

        fn hear(&self, topic: &str, payload: &Value) {
            assert!(self.shadow.message(&self.shadow.topic(topic), payload));
        }

        /// Ids of what waits in the queue.
        fn waiting(&self) -> Vec<String> {
            let mut next = Vec::new();
            while let Some(item) = ready(self.queue.next()) {
                next.push(item.id);
            }
            next
        }
    }

    /// The value of a future that is ready.
    fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    fn desired(revision: u32, status: &str) -> Value {
        let config = json!({"deploymentId": "d", "configurationArn": format!("{ARN}{revision}")});
        json!({"fleetConfig": config.to_string(), "desiredStatus": status,
            "fleetConfigurationArnForStatus": format!("{ARN}{revision}")})
    }

    fn document(version: i64, desired: &Value, reported: &Value) -> Value {
        json!({"state": {"desired": desired, "reported": reported}, "version": version})
    }

    #[test]
    fn a_new_revision_is_taken_once() {
        fidelity::fidelity!("core-shadow-1");
        let world = World::new();
        world.hear("get/accepted", &document(1, &desired(1, "SUCCEEDED"), &Value::Null));
        world.hear("update/accepted", &document(2, &desired(1, "SUCCEEDED"), &Value::Null));
        assert_eq!(world.waiting(), [format!("{ARN}1")]);
        assert!(world.rig.log().contains("Duplicate deployment notification. Ignoring shadow update"));
        world.hear("update/accepted", &document(3, &desired(2, "SUCCEEDED"), &Value::Null));
        world.hear("update/accepted", &document(2, &desired(3, "SUCCEEDED"), &Value::Null));
        assert_eq!(world.waiting(), [format!("{ARN}2")], "an older version is ignored");
    }

    #[test]
    fn what_is_done_is_not_done_again_at_start() {
        fidelity::fidelity!("core-shadow-1");
        for (reported, taken) in [("SUCCEEDED", false), ("FAILED", false), ("IN_PROGRESS", true)] {
            let world = World::new();
            let reported = json!({"fleetConfigurationArnForStatus": format!("{ARN}1"), "status": reported});
            world.hear("get/accepted", &document(4, &desired(1, "SUCCEEDED"), &reported));
            assert_eq!(!world.waiting().is_empty(), taken, "{reported}");
        }
    }

    #[test]
    fn a_cancellation_at_start_is_ignored() {
        fidelity::fidelity!("core-shadow-1");
        let world = World::new();
        world.hear("get/accepted", &document(1, &desired(1, "CANCELED"), &Value::Null));
        assert_eq!(world.waiting(), Vec::<String>::new());
        assert!(world.rig.log().contains("Deployment was canceled. Ignoring shadow update at startup"));
    }

    #[tokio::test]
    async fn a_cancellation_reaches_the_running_deployment() {
        fidelity::fidelity!("core-shadow-1", "core-channel-2");
        let world = World::new();
        world.hear("get/accepted", &document(1, &desired(1, "SUCCEEDED"), &Value::Null));
        let item = world.queue.next().await;
        world.hear("update/accepted", &document(2, &desired(1, "CANCELED"), &Value::Null));
        assert!(*item.cancelled.borrow());
        assert!(world.rig.log().contains("Added shadow deployment job"));
    }

    #[test]
    fn a_message_that_makes_no_sense_is_told() {
        fidelity::fidelity!("core-shadow-1");
        let world = World::new();
        for (payload, text) in [
            (json!({"state": {"desired": desired(1, "S")}}), "Error processing getShadowResponse"),
            (document(1, &json!({"fleetConfig": "{"}), &Value::Null), "failed to process shadow update"),
            (document(2, &json!({"fleetConfig": "{}"}), &Value::Null), "Desired state has null configuration ARN"),
        ] {
            world.hear("get/accepted", &payload);
            assert!(world.rig.log().contains(text), "{text}");
        }
        let mut without = desired(1, "S");
        without["desiredStatus"] = Value::Null;
        world.hear("get/accepted", &document(3, &without, &Value::Null));
        assert!(world.rig.log().contains("Desired status is null. Ignoring shadow update"));
        assert_eq!(world.waiting(), Vec::<String>::new());
    }

    #[test]
    fn a_rejected_report_is_made_again_on_the_new_version() {
        fidelity::fidelity!("core-shadow-2");
        let mut world = World::new();
        let item = Item::new(Kind::Shadow, format!("{ARN}1"), Value::Null);
        let details = Details::new(Some("SUCCESSFUL"), None);
        world.shadow.update(&Report::new(&item, "d", &item.id, "SUCCEEDED").with(details));
        let (topic, update) = world.rig.outbox.published().remove(0);
        assert_eq!(topic, "$aws/things/T/shadow/name/AWSManagedGreengrassV2Deployment/update");
        assert_eq!(update["version"], 0);
        let details = json!({"detailedStatus": "SUCCESSFUL", "failureCause": "", "errorStack": [], "errorTypes": []});
        assert_eq!(update["state"]["reported"]["statusDetails"], details);
        world.hear("update/rejected", &json!({"code": 409}));
        assert!(world.rig.outbox.published()[0].0.ends_with("/get"));
        let reported = json!({"fleetConfigurationArnForStatus": format!("{ARN}1"), "status": "IN_PROGRESS"});
        world.hear("get/accepted", &document(7, &Value::Null, &reported));
        assert_eq!(world.rig.outbox.published()[0].1["version"], 7);
        let reported = json!({"fleetConfigurationArnForStatus": format!("{ARN}1"), "status": "SUCCEEDED"});
        world.hear("update/accepted", &document(8, &Value::Null, &reported));
        assert!(world.rig.outbox.published().is_empty(), "its own echo asks for nothing");
    }
}
