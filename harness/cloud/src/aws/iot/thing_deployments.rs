//! Deployments to the thing itself: what the cloud desires in the named shadow and what the device reports there.
//!
//! The shadow's own rules are in [`super::shadow`].

use super::{deployments::Revision, reserved::Reply};
use crate::event::{What, emit};
use serde_json::{Value, json};

/// Name of the shadow.
pub(super) const SHADOW: &str = "AWSManagedGreengrassV2Deployment";

/// The deployments to the thing, in their order.
#[derive(Debug, Default)]
pub(super) struct ThingDeployments(Vec<Known>);

#[derive(Debug)]
struct Known {
    revision: Revision,
    /// The last status that was told.
    status: String,
}

impl ThingDeployments {
    /// Takes a new deployment in place of the one before; returns the state that the cloud desires.
    pub(super) fn begin(&mut self, revision: Revision) -> Value {
        if let Some(before) = self.0.last_mut().filter(|known| known.pending()) {
            before.tell("CANCELED", json!({}), None);
        }
        let mut known = Known { status: String::new(), revision };
        let document = known.revision.document.clone();
        known.tell("QUEUED", json!({}), Some(document));
        let desired = known.desired("SUCCEEDED");
        self.0.push(known);
        desired
    }

    /// Cancels the newest deployment; returns the state that the cloud desires. One that has ended or has been
    /// replaced stays as it is.
    pub(super) fn cancel(&mut self, deployment: &str) -> Option<Value> {
        let newest = self.0.last_mut().filter(|known| known.revision.deployment == deployment && known.pending())?;
        newest.tell("CANCELED", json!({}), None);
        Some(newest.desired("CANCELED"))
    }

    /// Writes down what the device reported, if the shadow took it.
    pub(super) fn follow(&mut self, replies: &[Reply]) {
        let reported = replies
            .iter()
            .filter(|reply| reply.topic.ends_with("/accepted"))
            .filter_map(|reply| reply.payload.pointer("/state/reported"));
        for reported in reported {
            let text = |name: &str| reported.get(name).and_then(Value::as_str);
            let Some((arn, status)) = text("fleetConfigurationArnForStatus").zip(text("status")) else { continue };
            if let Some(known) = self.0.iter_mut().find(|known| known.revision.configuration_arn == arn) {
                let details = reported.get("statusDetails").filter(|details| details.is_object());
                known.tell(status, details.cloned().unwrap_or_else(|| json!({})), None);
            }
        }
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

    fn tell(&mut self, status: &str, details: Value, document: Option<Value>) {
        status.clone_into(&mut self.status);
        let deployment = self.revision.deployment.clone();
        emit(What::Job { deployment, job: None, status: status.to_owned(), details, document });
    }
}
