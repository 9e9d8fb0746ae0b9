//! What the control plane does with `CreateDeployment`: it counts revisions by target, makes the document that the
//! device gets, and knows which revision each target has now.
//!
//! How a document reaches the device is the matter of [`super::jobs`] and [`super::shadow`].

use crate::{
    clock,
    world::{Deployment, JobConfiguration, Target, Wanted, World},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The longest document of a deployment to a thing group and to a thing, in bytes. A longer one goes through
/// `GetDeploymentConfiguration`, whose wire form is not public.
const MAX_GROUP_DOCUMENT: usize = 31 * 1024;
const MAX_THING_DOCUMENT: usize = 7 * 1024;

/// The longest name of a thing group and the longest job id, in characters.
const MAX_GROUP_NAME: usize = 128;
const MAX_JOB_ID: usize = 64;

/// The deployments of the account.
#[derive(Debug)]
pub(super) struct Deployments {
    region: String,
    account: String,
    /// The world's own thing.
    thing: String,
    /// Revisions by target, in their order; a thing is called by its name.
    revisions: BTreeMap<Target, Vec<Known>>,
    /// The last document's `creationTimestamp`; no two documents have the same.
    stamp: i64,
}

/// A revision that was created.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) revision: Revision,
    pub(super) created: OffsetDateTime,
    /// When it was cancelled, or another revision took its place.
    pub(super) ended: Option<OffsetDateTime>,
}

/// A deployment as it goes to the device.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub(super) deployment: String,
    /// The job that carries it; empty for a deployment to the thing.
    pub(super) job: String,
    /// A group or a thing by its name.
    pub(super) target: Target,
    pub(super) configuration_arn: String,
    pub(super) document: Value,
    /// How the job goes about it.
    pub(super) job_configuration: JobConfiguration,
}

impl Deployments {
    pub(super) fn new(world: &World) -> Self {
        Self {
            region: world.region.clone(),
            account: world.account.clone(),
            thing: world.thing.name.clone(),
            revisions: BTreeMap::new(),
            stamp: 0,
        }
    }

    /// A deployment by its id.
    ///
    /// # Errors
    /// If there is none with this id.
    pub(super) fn find(&self, deployment: &str) -> Result<&Known, String> {
        let mut known = self.all();
        let found = known.find(|known| known.revision.deployment == deployment);
        found.ok_or_else(|| format!("there is no deployment `{deployment}`"))
    }

    /// Every revision of every target.
    pub(super) fn all(&self) -> impl Iterator<Item = &Known> {
        self.revisions.values().flatten()
    }

    /// The revisions that things have to have now because of their groups, in the order of their creation.
    pub(super) fn of_groups(&self) -> Vec<&Revision> {
        let mut current: Vec<_> = self.revisions.values().filter_map(|revisions| revisions.last()).collect();
        current.retain(|known| known.ended.is_none() && matches!(known.revision.target, Target::Group(_)));
        current.sort_by_key(|known| known.created);
        current.into_iter().map(|known| &known.revision).collect()
    }

    /// Marks a deployment as cancelled, unless it has ended.
    pub(super) fn cancel(&mut self, deployment: &str) {
        let mut known = self.revisions.values_mut().flatten();
        if let Some(known) = known.find(|known| known.revision.deployment == deployment) {
            known.ended.get_or_insert_with(clock::now);
        }
    }

    /// A target as the account knows it: a thing by its name.
    pub(super) fn named(&self, target: &Target) -> Target {
        match target {
            Target::Thing => Target::ThingNamed(self.thing.clone()),
            named => named.clone(),
        }
    }

    /// The next revision of a deployment's target, in place of the one that it had.
    ///
    /// # Errors
    /// If the service would refuse the deployment, or its document is too long to be sent in one piece.
    pub(super) fn create(&mut self, deployment: &Deployment) -> Result<Revision, String> {
        let refused = |why: String| format!("deployment `{}`: {why}", deployment.id);
        self.check(deployment).map_err(refused)?;
        let target = self.named(&deployment.target);
        let number = self.revisions.get(&target).map_or(0, Vec::len) + 1;
        let (kind, name, longest) = match &target {
            Target::Group(group) => ("thinggroup", group, MAX_GROUP_DOCUMENT),
            Target::ThingNamed(thing) => ("thing", thing, MAX_THING_DOCUMENT),
            Target::Thing => ("thing", &self.thing, MAX_THING_DOCUMENT),
        };
        let Self { region, account, .. } = self;
        let configuration_arn = format!("arn:aws:greengrass:{region}:{account}:configuration:{kind}/{name}:{number}");
        let stamp = milliseconds().max(self.stamp + 1);
        let document = document(deployment, name, &configuration_arn, stamp);
        let length = document.to_string().len();
        if length > longest {
            let limit = longest / 1024;
            return Err(refused(format!(
                "its document has {length} bytes; above {limit} KB AWS sends a {kind} deployment by \
                 GetDeploymentConfiguration, which is not emulated"
            )));
        }
        self.stamp = stamp;
        let Deployment { id, job, job_configuration, .. } = deployment.clone();
        let target_of = target.clone();
        let revision =
            Revision { deployment: id, job, target: target_of, configuration_arn, document, job_configuration };
        let revisions = self.revisions.entry(target).or_default();
        let now = clock::now();
        if let Some(before) = revisions.last_mut() {
            before.ended.get_or_insert(now);
        }
        revisions.push(Known { revision: revision.clone(), created: now, ended: None });
        Ok(revision)
    }

    fn check(&self, deployment: &Deployment) -> Result<(), String> {
        let known: Vec<_> = self.all().map(|known| &known.revision).collect();
        if deployment.id.is_empty() || known.iter().any(|known| known.deployment == deployment.id) {
            return Err("its id is empty or taken by another deployment".to_owned());
        }
        if let Target::Group(group) = &deployment.target {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
            if group.is_empty() || group.len() > MAX_GROUP_NAME || !group.chars().all(plain) {
                return Err(format!("`{group}` is no name of a thing group: letters, digits, `:`, `_` and `-`"));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let job = &deployment.job;
            if job.is_empty() || job.len() > MAX_JOB_ID || !job.chars().all(plain) {
                return Err(format!("`{job}` is no job id: 1 to {MAX_JOB_ID} letters, digits, `_` and `-`"));
            }
            if known.iter().any(|known| known.job == *job) {
                return Err(format!("job `{job}` carries another deployment"));
            }
        }
        for (name, wanted) in &deployment.components {
            let Wanted { version, merge, .. } = wanted;
            if semver::Version::parse(version).is_err() {
                return Err(format!("component `{name}` has the version `{version}`, which is no semantic version"));
            }
            if merge.as_ref().is_some_and(|merge| !merge.is_object()) {
                return Err(format!("the configuration to merge into component `{name}` is no object"));
            }
        }
        Ok(())
    }
}

/// The document as the device reads it; what was not asked for is absent rather than null.
fn document(deployment: &Deployment, name: &str, configuration_arn: &str, stamp: i64) -> Value {
    let components: Map<_, _> =
        deployment.components.iter().map(|(name, wanted)| (name.clone(), component(wanted))).collect();
    let update = deployment.update.unwrap_or_default();
    json!({
        "deploymentId": deployment.id,
        "deploymentName": deployment.name.clone().unwrap_or_else(|| format!("Deployment for {name}")),
        "schemaDate": "2021-05-17",
        "configurationArn": configuration_arn,
        "creationTimestamp": stamp,
        "components": components,
        "failureHandlingPolicy": deployment.failure_handling,
        "componentUpdatePolicy": {"timeout": update.timeout, "action": update.action},
        "configurationValidationPolicy": {"timeout": deployment.validation_timeout.unwrap_or(60)},
        "requiredCapabilities": deployment.required_capabilities,
    })
}

fn component(wanted: &Wanted) -> Value {
    let mut component = json!({"version": wanted.version});
    let mut update = Map::new();
    update.extend(wanted.merge.clone().map(|merge| ("merge".to_owned(), merge)));
    if !wanted.reset.is_empty() {
        update.insert("reset".to_owned(), wanted.reset.clone().into());
    }
    if !update.is_empty() {
        component["configurationUpdate"] = update.into();
    }
    let Wanted { user, windows_user, limits, .. } = wanted;
    let run: Map<_, _> = [
        ("posixUser", user.clone().map(Value::from)),
        ("windowsUser", windows_user.clone().map(Value::from)),
        ("systemResourceLimits", limits.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    if !run.is_empty() {
        component["runWith"] = run.into();
    }
    component
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

    fn deployment(value: Value) -> Deployment {
        serde_json::from_value(value).unwrap()
    }

    fn group(id: &str, components: &Value) -> Deployment {
        deployment(json!({"id": id, "job": id, "target": {"group": "Group"}, "components": components}))
    }

    fn deployments() -> Deployments {
        Deployments::new(&world(&everything(), &[]))
    }

    #[test]
    fn the_document_says_what_was_asked_for_and_nothing_else() {
        fidelity::fidelity!("iot-25");
        let mut known = deployments();
        let full = deployment(json!({
            "id": "d", "job": "j", "target": {"group": "Group"}, "failure_handling": "DO_NOTHING",
            "update": {"action": "SKIP_NOTIFY_COMPONENTS", "timeout": 7}, "validation_timeout": 9,
            "required_capabilities": ["SUB_DEPLOYMENTS"],
            "components": {
                "A": {"version": "1.0.0", "merge": {"k": {"x": null}}, "reset": ["/old"], "user": "u:g"},
                "B": {"version": "2.0.0"},
            },
        }));
        let mut document = known.create(&full).unwrap().document;
        assert!(document["creationTimestamp"].take().as_i64().unwrap() > 1_600_000_000_000);
        let expected = json!({
            "deploymentId": "d", "deploymentName": "Deployment for Group", "schemaDate": "2021-05-17",
            "configurationArn": "arn:aws:greengrass:ap-northeast-1:123456789012:configuration:thinggroup/Group:1",
            "creationTimestamp": null, "failureHandlingPolicy": "DO_NOTHING",
            "components": {
                "A": {
                    "version": "1.0.0", "runWith": {"posixUser": "u:g"},
                    "configurationUpdate": {"merge": {"k": {"x": null}}, "reset": ["/old"]},
                },
                "B": {"version": "2.0.0"},
            },
            "componentUpdatePolicy": {"timeout": 7, "action": "SKIP_NOTIFY_COMPONENTS"},
            "configurationValidationPolicy": {"timeout": 9}, "requiredCapabilities": ["SUB_DEPLOYMENTS"],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn revisions_count_by_target_and_time_only_goes_on() {
        fidelity::fidelity!("iot-25");
        let mut known = deployments();
        let thing = deployment(json!({"id": "t", "target": "thing", "components": {}}));
        let mut other = group("o", &json!({}));
        other.target = Target::Group("Other".to_owned());
        let revisions = [&group("a", &json!({})), &thing, &group("b", &json!({})), &other]
            .map(|deployment| known.create(deployment).unwrap());
        let arns = revisions.each_ref().map(|revision| revision.configuration_arn.rsplit_once('/').unwrap().1);
        assert_eq!(arns, ["Group:1", "Core:1", "Group:2", "Other:1"]);
        assert!(revisions[1].configuration_arn.contains(":configuration:thing/Core:"));
        let stamps = revisions.each_ref().map(|revision| revision.document["creationTimestamp"].as_i64().unwrap());
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
    }

    #[test]
    fn what_the_service_refuses_is_refused_with_its_reason() {
        fidelity::fidelity!("iot-26");
        let mut known = deployments();
        known.create(&group("a", &json!({}))).unwrap();
        let mut same_job = group("b", &json!({}));
        same_job.job = "a".to_owned();
        let mut bad_group = group("c", &json!({}));
        bad_group.target = Target::Group("a/b".to_owned());
        let long = json!({"A": {"version": "1.0.0", "merge": {"k": "x".repeat(8 * 1024)}}});
        let long_thing = deployment(json!({"id": "f", "target": "thing", "components": long}));
        let longer = json!({"A": {"version": "1.0.0", "merge": {"k": "x".repeat(32 * 1024)}}});
        let cases = [
            (group("a", &json!({})), "its id is empty or taken"),
            (same_job, "job `a` carries another deployment"),
            (bad_group, "`a/b` is no name of a thing group"),
            (group("d", &json!({"A": {"version": "1"}})), "component `A` has the version `1`"),
            (
                group("e", &json!({"A": {"version": "1.0.0", "merge": 1}})),
                "the configuration to merge into component `A`",
            ),
            (long_thing, "above 7 KB AWS sends a thing deployment by GetDeploymentConfiguration"),
            (group("g", &longer), "above 31 KB AWS sends a thinggroup deployment by GetDeploymentConfiguration"),
        ];
        for (deployment, why) in cases {
            let refused = known.create(&deployment).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        assert!(known.create(&group("h", &long)).unwrap().configuration_arn.ends_with(":2"));
    }
}
