//! Deployments to the thing itself: what the cloud desires in the named shadow and what the device reports there.
//!
//! The shadow's own rules are in [`super::shadow`].

use super::{deployments::Revision, reserved::Reply, view::Execution};
use crate::{
    clock,
    event::{What, emit},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// Name of the shadow.
pub(super) const SHADOW: &str = "AWSManagedGreengrassV2Deployment";

/// The deployments to a thing.
#[derive(Debug, Default)]
pub(super) struct ThingDeployments {
    /// What events call the thing; the world's own has no name there.
    called: Option<String>,
    /// In their order.
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    revision: Revision,
    called: Option<String>,
    /// The last status that was told, with its details.
    status: String,
    details: Value,
    queued: OffsetDateTime,
    modified: OffsetDateTime,
}

impl ThingDeployments {
    /// Those of a thing that events call so.
    pub(super) fn new(called: Option<String>) -> Self {
        Self { called, known: Vec::new() }
    }

    /// Takes a new deployment in place of the one before; returns the state that the cloud desires.
    pub(super) fn begin(&mut self, revision: Revision) -> Value {
        if let Some(before) = self.known.last_mut().filter(|known| known.pending()) {
            emit(before.became("CANCELED", json!({}), None));
        }
        let (called, now) = (self.called.clone(), clock::now());
        let mut known =
            Known { status: String::new(), details: Value::Null, queued: now, modified: now, called, revision };
        let document = known.revision.document.clone();
        emit(known.became("QUEUED", json!({}), Some(document)));
        let desired = known.desired("SUCCEEDED");
        self.known.push(known);
        desired
    }

    /// Cancels the newest deployment; returns the state that the cloud desires. One that has ended or has been
    /// replaced stays as it is.
    pub(super) fn cancel(&mut self, deployment: &str) -> Option<Value> {
        let newest =
            self.known.last_mut().filter(|known| known.revision.deployment == deployment && known.pending())?;
        emit(newest.became("CANCELED", json!({}), None));
        Some(newest.desired("CANCELED"))
    }

    /// What became of each, in their order.
    pub(super) fn executions(&self) -> Vec<Execution> {
        let execution = |known: &Known| Execution {
            deployment: known.revision.deployment.clone(),
            status: known.status.clone(),
            details: known.details.clone(),
            queued: known.queued,
            modified: known.modified,
        };
        self.known.iter().map(execution).collect()
    }

    /// What the device says of its deployments in an update of the shadow that was answered with `replies`.
    pub(super) fn reported(&mut self, replies: &[Reply]) -> Vec<What> {
        let mut seen = Vec::new();
        let reported = replies
            .iter()
            .filter(|reply| reply.topic.ends_with("/accepted"))
            .filter_map(|reply| reply.payload.pointer("/state/reported"));
        for reported in reported {
            let text = |name: &str| reported.get(name).and_then(Value::as_str);
            let Some((arn, status)) = text("fleetConfigurationArnForStatus").zip(text("status")) else { continue };
            if let Some(known) = self.known.iter_mut().find(|known| known.revision.configuration_arn == arn) {
                let details = reported.get("statusDetails").filter(|details| details.is_object());
                seen.push(known.became(status, details.cloned().unwrap_or_else(|| json!({})), None));
            }
        }
        seen
    }
}

impl Known {
    fn pending(&self) -> bool {
        matches!(self.status.as_str(), "QUEUED" | "IN_PROGRESS")
    }

    /// All of it each time: a nucleus reads the document also of a deployment that it is to cancel.
    fn desired(&self, status: &str) -> Value {
        let Revision { configuration_arn, document, .. } = &self.revision;
        json!({"desired": {
            "fleetConfig": document.to_string(), "desiredStatus": status,
            "fleetConfigurationArnForStatus": configuration_arn,
        }})
    }

    fn became(&mut self, status: &str, details: Value, document: Option<Value>) -> What {
        status.clone_into(&mut self.status);
        self.details.clone_from(&details);
        self.modified = clock::now();
        let deployment = self.revision.deployment.clone();
        let thing = self.called.clone();
        What::Job { deployment, job: None, thing, status: status.to_owned(), details, document }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            deployments::Deployments,
            shadow::Shadows,
            tests::{everything, world},
        },
        *,
    };

    #[test]
    fn what_the_device_reports_is_its_deployments_status() {
        fidelity::fidelity!("iot-31");
        let (mut account, mut shadows) = (Deployments::new(&world(&everything(), &[])), Shadows::new("Core"));
        let mut deployments = ThingDeployments::default();
        let mut begin = |id: &str| {
            let order = json!({"id": id, "target": "thing", "components": {}});
            let revision = account.create(&serde_json::from_value(order).unwrap()).unwrap();
            let arn = revision.configuration_arn.clone();
            (deployments.begin(revision), arn)
        };
        let ((_, first), (desired, second)) = (begin("1"), begin("2"));
        assert_eq!(desired["desired"]["fleetConfigurationArnForStatus"], json!(second));
        let mut report = |arn: &str, version: i64, details: Value| {
            let reported = json!({
                "fleetConfigurationArnForStatus": arn, "status": "FAILED", "ggcVersion": "2.12.0",
                "statusDetails": details,
            });
            let update = json!({"state": {"reported": reported}, "version": version});
            let topic = format!("$aws/things/Core/shadow/name/{SHADOW}/update");
            let replies = shadows.answer(Some(SHADOW), "update", &topic, update.to_string().as_bytes());
            let told = deployments.reported(&replies);
            told.into_iter().map(|what| serde_json::to_value(what).unwrap()).collect::<Vec<_>>()
        };
        let details = json!({"detailedStatus": "FAILED_NO_STATE_CHANGE", "errorStack": ["DEPLOYMENT_FAILURE"]});
        let expected = json!({"kind": "job", "deployment": "2", "status": "FAILED", "details": details});
        assert_eq!(report(&second, 0, details.clone()), [expected]);
        assert!(report(&second, 7, details.clone()).is_empty(), "an update that conflicts says nothing");
        assert!(report("arn:other", 1, details).is_empty());
        // A late word on one that was replaced is still that one's, with its own details only.
        assert_eq!(report(&first, 2, Value::Null)[0]["deployment"], "1");
        assert!(deployments.cancel("2").is_none(), "what has ended can't be cancelled");
    }
}
