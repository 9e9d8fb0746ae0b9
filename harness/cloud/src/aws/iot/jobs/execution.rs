//! One job's execution on the thing: its status, its details and how they are said.

use super::super::deployments::Revision;
use crate::{
    clock,
    event::{What, emit},
};
use serde_json::{Map, Value, json};

/// The execution of a job.
#[derive(Debug)]
pub(in super::super) struct Execution {
    pub(in crate::aws::iot) revision: Revision,
    /// What events call the thing.
    called: Option<String>,
    pub(in crate::aws::iot) status: Status,
    pub(in crate::aws::iot) details: Map<String, Value>,
    /// Seconds since 1970, as all times of a job.
    pub(in crate::aws::iot) queued_at: i64,
    pub(super) started_at: Option<i64>,
    pub(in crate::aws::iot) updated_at: i64,
    pub(super) version: i64,
}

/// The statuses of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::aws::iot) enum Status {
    InProgress,
    Queued,
    Succeeded,
    Failed,
    Rejected,
    /// The thing took too long.
    TimedOut,
    Canceled,
    /// The thing has left the job's group.
    Removed,
}

impl Status {
    pub(in crate::aws::iot) const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Queued => "QUEUED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::TimedOut => "TIMED_OUT",
            Self::Canceled => "CANCELED",
            Self::Removed => "REMOVED",
        }
    }

    /// The status that a device asks for; it can't queue or cancel.
    pub(super) fn settable(name: &str) -> Option<Self> {
        [Self::InProgress, Self::Succeeded, Self::Failed, Self::Rejected].into_iter().find(|one| one.name() == name)
    }
}

impl Execution {
    pub(super) fn queue(revision: Revision, called: Option<String>) -> Self {
        let now = seconds();
        let execution = Self {
            revision,
            called,
            status: Status::Queued,
            details: Map::new(),
            queued_at: now,
            started_at: None,
            updated_at: now,
            version: 1,
        };
        execution.tell(Some(execution.revision.document.clone()));
        execution
    }

    pub(in super::super) fn job(&self) -> &str {
        &self.revision.job
    }

    /// Whether the device still has something to do for it.
    pub(super) const fn pending(&self) -> bool {
        matches!(self.status, Status::Queued | Status::InProgress)
    }

    /// Takes a status over; details that are not given stay as they are.
    pub(super) fn advance(&mut self, status: Status, details: Option<&Map<String, Value>>) {
        self.status = status;
        if let Some(details) = details {
            self.details.clone_from(details);
        }
        self.updated_at = seconds();
        if !matches!(status, Status::Canceled | Status::Removed) {
            self.started_at.get_or_insert(self.updated_at);
        }
        self.version += 1;
        self.tell(None);
    }

    fn tell(&self, document: Option<Value>) {
        emit(What::Job {
            deployment: self.revision.deployment.clone(),
            job: Some(self.revision.job.clone()),
            thing: self.called.clone(),
            status: self.status.name().to_owned(),
            details: self.details.clone().into(),
            document,
        });
    }

    /// `executionState` of an answer.
    pub(super) fn state(&self) -> Value {
        json!({"status": self.status.name(), "statusDetails": self.details, "versionNumber": self.version})
    }

    /// `JobExecutionSummary`.
    pub(super) fn summary(&self) -> Value {
        let mut summary = json!({
            "jobId": self.job(), "queuedAt": self.queued_at, "lastUpdatedAt": self.updated_at,
            "executionNumber": 1, "versionNumber": self.version,
        });
        if let Some(started) = self.started_at {
            summary["startedAt"] = started.into();
        }
        summary
    }

    /// The name of its status.
    pub(in super::super) const fn status_name(&self) -> &'static str {
        self.status.name()
    }

    /// `JobExecutionSummary` of the control plane, which the account's owner sees.
    pub(in super::super) fn summary_for_owner(&self) -> Value {
        let mut summary = json!({
            "status": self.status.name(), "queuedAt": self.queued_at, "lastUpdatedAt": self.updated_at,
            "executionNumber": 1, "retryAttempt": 0,
        });
        if let Some(started) = self.started_at {
            summary["startedAt"] = started.into();
        }
        summary
    }

    /// `JobExecution` of the control plane, but for job and thing.
    pub(in super::super) fn for_owner(&self) -> Value {
        let mut execution = self.summary_for_owner();
        if let Some(execution) = execution.as_object_mut() {
            execution.remove("retryAttempt");
        }
        execution["versionNumber"] = self.version.into();
        execution["forceCanceled"] = (self.status == Status::Canceled && self.started_at.is_some()).into();
        execution["statusDetails"] = json!({"detailsMap": self.details});
        execution
    }

    /// `JobExecution`.
    pub(super) fn describe(&self, thing: &str, document: bool) -> Value {
        let mut execution = self.summary();
        execution["thingName"] = thing.into();
        execution["status"] = self.status.name().into();
        if !self.details.is_empty() {
            execution["statusDetails"] = self.details.clone().into();
        }
        if document {
            execution["jobDocument"] = self.revision.document.clone();
        }
        execution
    }
}

/// The current time as jobs tell it.
pub(super) fn seconds() -> i64 {
    clock::now().unix_timestamp()
}
