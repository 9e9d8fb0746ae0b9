//! How far a deployment has come, as the device told the cloud: in its job, in the thing's shadow, or, for a local one,
//! in a fleet status message.

use cloud::event::{Event, What};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Statuses that no other follows.
const TERMINAL: [&str; 5] = ["SUCCEEDED", "FAILED", "REJECTED", "CANCELED", "TIMED_OUT"];

/// How far a deployment has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The deployment's id.
    pub deployment: String,
    /// The id of its job; absent for one that no job carries.
    pub job: Option<String>,
    /// Its status.
    pub status: String,
    /// Its detailed status; empty until there is one.
    pub detailed: String,
    /// Its error stack.
    pub stack: Vec<String>,
    /// Its error types.
    pub types: Vec<String>,
    /// Why it failed; empty unless it did.
    pub cause: String,
}

impl Progress {
    /// What these events say of a deployment last; nothing when they don't mention it.
    #[must_use]
    pub fn of(deployment: &str, events: &[Event]) -> Option<Self> {
        let mut canceled = false;
        let told = events.iter().rev().find_map(|event| match &event.what {
            What::JobCanceled { deployment: named, .. } if named == deployment => {
                canceled = true;
                None
            }
            What::Job { deployment: named, job, thing: None, status, details, .. } if named == deployment => {
                let told = Self::told(deployment, job.clone(), status, details);
                Some(if told.detailed.is_empty() { told.with_details_of_fleet(events) } else { told })
            }
            What::Fleet { message } => {
                let information = &message["deploymentInformation"];
                // A deployment of the cloud has a better witness.
                let local = message["trigger"] == "LOCAL_DEPLOYMENT" && information["deploymentId"] == deployment;
                local.then(|| {
                    let status = information["status"].as_str().unwrap_or_default();
                    Self::told(deployment, None, status, &information["statusDetails"])
                })
            }
            _ => None,
        });
        // A job that was given up before it reached the thing never does.
        told.or_else(|| canceled.then(|| Self::told(deployment, None, "CANCELED", &Value::Null)))
    }

    /// With the details of the fleet status message about it: a nucleus lite updates its jobs without any.
    fn with_details_of_fleet(self, events: &[Event]) -> Self {
        let details = events.iter().rev().find_map(|event| match &event.what {
            What::Fleet { message } if message["deploymentInformation"]["deploymentId"] == self.deployment => {
                Some(&message["deploymentInformation"]["statusDetails"])
            }
            _ => None,
        });
        match details.filter(|_| self.is_terminal()) {
            Some(details) => Self::told(&self.deployment, self.job, &self.status, details),
            None => self,
        }
    }

    /// Reads status details, which jobs spell differently from shadows and fleet status messages.
    fn told(deployment: &str, job: Option<String>, status: &str, details: &Value) -> Self {
        let field =
            |of_job: &str, other: &str| details.get(of_job).or_else(|| details.get(other)).cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            deployment: deployment.to_owned(),
            job,
            status: status.to_owned(),
            detailed: text(field("detailed-deployment-status", "detailedStatus")),
            stack: list(field("deployment-error-stack", "errorStack")),
            types: list(field("deployment-error-types", "errorTypes")),
            cause: text(field("deployment-failure-cause", "failureCause")),
        }
    }

    /// Whether no other status can follow.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        Self::is_end(&self.status)
    }

    /// Whether no other status can follow this one.
    #[must_use]
    pub fn is_end(status: &str) -> bool {
        TERMINAL.contains(&status)
    }
}

/// A list of texts, which jobs carry as the text of a JSON array.
fn list(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or_default(),
        other => serde_json::from_value(other).unwrap_or_default(),
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.status)?;
        if !self.detailed.is_empty() {
            write!(f, " {}", self.detailed)?;
        }
        if !self.stack.is_empty() {
            write!(f, " [{}]", self.stack.join(", "))?;
        }
        if !self.types.is_empty() {
            write!(f, " of {}", self.types.join(", "))?;
        }
        if !self.cause.is_empty() {
            write!(f, ": {}", self.cause)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(what: Value) -> Event {
        let mut event = what;
        event["time"] = "2022-03-23T10:53:25Z".into();
        serde_json::from_value(event).expect("the event is one of the cloud's")
    }

    #[test]
    fn a_job_a_shadow_and_a_local_deployment_tell_the_same() {
        let details = json!({
            "detailedStatus": "FAILED_NO_STATE_CHANGE", "failureCause": "none", "errorStack": ["DEPLOYMENT_FAILURE"],
            "errorTypes": ["REQUEST_ERROR"],
        });
        let flat = json!({
            "detailed-deployment-status": "FAILED_NO_STATE_CHANGE", "deployment-failure-cause": "none",
            "deployment-error-stack": "[\"DEPLOYMENT_FAILURE\"]", "deployment-error-types": "[\"REQUEST_ERROR\"]",
        });
        let information = json!({"deploymentId": "d", "status": "FAILED", "statusDetails": details});
        let events = [
            json!({"kind": "job", "deployment": "d", "job": "j", "status": "FAILED", "details": flat}),
            json!({"kind": "job", "deployment": "d", "status": "FAILED", "details": details}),
            json!({"kind": "fleet", "message": {
                "trigger": "LOCAL_DEPLOYMENT", "deploymentInformation": information,
            }}),
        ];
        for what in events {
            let progress = Progress::of("d", &[event(what)]).expect("it is mentioned");
            let expected = "FAILED FAILED_NO_STATE_CHANGE [DEPLOYMENT_FAILURE] of REQUEST_ERROR: none";
            assert_eq!(progress.to_string(), expected);
            assert!(progress.is_terminal());
        }
        assert_eq!(Progress::of("other", &[]), None);
    }

    #[test]
    fn a_job_that_was_given_up_is_canceled_where_it_never_came() {
        fidelity::fidelity!("fleet-8");
        let given_up = || event(json!({"kind": "job-canceled", "deployment": "d", "job": "j", "reason": "enough"}));
        let job = |status: &str| {
            event(json!({"kind": "job", "deployment": "d", "job": "j", "status": status, "details": null}))
        };
        let status = |events: &[Event]| Progress::of("d", events).map(|progress| progress.status);
        assert_eq!(status(&[given_up()]).as_deref(), Some("CANCELED"));
        assert_eq!(status(&[job("IN_PROGRESS"), given_up()]).as_deref(), Some("IN_PROGRESS"), "it goes on");
        assert_eq!(status(&[]), None);
    }

    #[test]
    fn a_job_without_details_has_those_of_the_fleet_status() {
        fidelity::fidelity!("lite-3");
        let information = json!({
            "deploymentId": "d", "status": "FAILED", "statusDetails": {"detailedStatus": "FAILED_ROLLBACK_NOT_REQUESTED"},
        });
        let message = json!({"trigger": "THING_GROUP_DEPLOYMENT", "deploymentInformation": information});
        let job =
            |status: &str| json!({"kind": "job", "deployment": "d", "job": "j", "status": status, "details": null});
        let fleet = event(json!({"kind": "fleet", "message": message}));
        let told = |status: &str| Progress::of("d", &[fleet.clone(), event(job(status))]).map(|told| told.to_string());
        assert_eq!(told("FAILED").as_deref(), Some("FAILED FAILED_ROLLBACK_NOT_REQUESTED"));
        assert_eq!(told("IN_PROGRESS").as_deref(), Some("IN_PROGRESS"));
    }
}
