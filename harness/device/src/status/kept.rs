//! Statuses that their channel has not taken yet, in the nucleus's configuration: a core that starts again has them.

use super::{Details, Report};
use crate::{
    configuration::{Node, now},
    queue::Kind,
};
use serde_json::{Map, Value, json};

const PATH: [&str; 4] = ["services", "DeploymentService", "runtime", "ProcessedDeployments"];

/// Keeps a status; returns the key that it is kept under.
pub(super) fn keep(tree: &mut Node, report: &Report) -> String {
    let mut time = now();
    while tree.find(&at(&time.to_string())).is_some() {
        time += 1;
    }
    let key = time.to_string();
    tree.replace(&at(&key), &written(report), now());
    key
}

/// Forgets a status that its channel has taken.
pub(super) fn forget(tree: &mut Node, key: &str) {
    tree.remove(&at(key));
}

fn at(key: &str) -> Vec<&str> {
    PATH.into_iter().chain([key]).collect()
}

/// All that are kept, the oldest first.
pub(super) fn all(tree: &Node) -> Vec<(String, Report)> {
    let kept = tree.get(&PATH).unwrap_or_default();
    let kept = kept.as_object().into_iter().flatten();
    let mut all: Vec<(String, Report)> = kept.filter_map(|(key, report)| Some((key.clone(), read(report)?))).collect();
    all.sort_by_key(|(key, _)| key.parse::<i64>().unwrap_or_default());
    all
}

fn written(report: &Report) -> Value {
    let mut details = Map::new();
    if let Some(detailed) = &report.details.detailed {
        details.insert("detailed-deployment-status".into(), detailed.clone().into());
    }
    if let Some(cause) = &report.details.cause {
        details.insert("deployment-failure-cause".into(), cause.clone().into());
        details.insert("deployment-error-stack".into(), report.details.stack.clone().into());
        details.insert("deployment-error-types".into(), report.details.types.clone().into());
    }
    json!({
        "DeploymentId": report.id,
        "GreengrassDeploymentId": report.deployment,
        "ConfigurationArn": report.arn,
        "DeploymentType": report.kind.to_string(),
        "DeploymentStatus": report.status,
        "DeploymentStatusDetails": details,
        "DeploymentRootPackages": report.roots,
    })
}

fn read(kept: &Value) -> Option<Report> {
    const STATUSES: [&str; 5] = ["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "CANCELED"];
    let text = |of: &Value| of.as_str().map(str::to_owned);
    let texts = |of: &Value| of.as_array().into_iter().flatten().filter_map(text).collect();
    let details = &kept["DeploymentStatusDetails"];
    let kinds = [Kind::Job, Kind::Shadow, Kind::Local];
    Some(Report {
        kind: kinds.into_iter().find(|kind| kept["DeploymentType"] == kind.to_string())?,
        id: text(&kept["DeploymentId"])?,
        deployment: text(&kept["GreengrassDeploymentId"])?,
        arn: text(&kept["ConfigurationArn"])?,
        status: STATUSES.into_iter().find(|status| kept["DeploymentStatus"] == *status)?,
        details: Details {
            detailed: text(&details["detailed-deployment-status"]),
            cause: text(&details["deployment-failure-cause"]),
            stack: texts(&details["deployment-error-stack"]),
            types: texts(&details["deployment-error-types"]),
        },
        roots: texts(&kept["DeploymentRootPackages"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{failure::Failure, queue::Item};

    #[test]
    fn statuses_come_back_in_their_order() {
        fidelity::fidelity!("core-durable-3");
        let mut tree = Node::empty();
        let item = Item::new(Kind::Job, "job", json!({}));
        let first = Report::new(&item, "d", "arn", "IN_PROGRESS");
        let failure = Failure::new("why", &["COMPONENT_UPDATE_ERROR"]);
        let details = Details::new(Some("FAILED_ROLLBACK_COMPLETE"), Some(&failure));
        let second = Report::new(&item, "d", "arn", "FAILED").with(details).roots(&["a.B".to_owned()]);
        let keys = [keep(&mut tree, &first), keep(&mut tree, &second)];
        let kept: Vec<Report> = all(&tree).into_iter().map(|(_, report)| report).collect();
        assert_eq!(kept, [first, second.clone()]);
        forget(&mut tree, &keys[0]);
        assert_eq!(all(&tree), [(keys[1].clone(), second)]);
    }
}
