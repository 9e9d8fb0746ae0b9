//! The services behind the reserved topics `$aws/things/THING/…`: jobs, shadows and the fleet status, and the
//! deployments that reach the device through them.

use super::{
    deployments::{Deployments, Revision},
    jobs::Jobs,
    registry::Registry,
    rollout::{Rollout, Tally},
    shadow::Shadows,
    thing_deployments::{self, ThingDeployments},
};
use crate::{
    clock,
    event::{What, emit},
    fleet::{self, CoreDevice},
    world::{Deployment, Target, World},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// A message that a service publishes.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) topic: String,
    pub(super) payload: Value,
}

/// The services of the account: its deployments, and what each thing has.
#[derive(Debug)]
pub(super) struct Reserved {
    /// The world's own thing.
    own: String,
    pub(super) deployments: Deployments,
    /// By the thing's name.
    pub(super) things: BTreeMap<String, Services>,
    /// How far jobs have come that are rolled out, by their id.
    rollouts: BTreeMap<String, Rollout>,
}

/// The services of one thing.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) jobs: Jobs,
    shadows: Shadows,
    pub(super) thing_deployments: ThingDeployments,
    tracker: fleet::Tracker,
    /// What events call the thing; the world's own has no name there.
    called: Option<String>,
    /// What its last fleet status message made known.
    pub(super) device: Option<CoreDevice>,
}

impl Reserved {
    /// The services with the world's deployments already created; nobody listens to what they say of them yet.
    ///
    /// # Errors
    /// If one of the deployments would be refused.
    pub(super) fn new(world: &World, registry: &Registry) -> Result<Self, String> {
        let own = world.thing.name.clone();
        let (things, rollouts) = (BTreeMap::new(), BTreeMap::new());
        let mut reserved = Self { deployments: Deployments::new(world), things, rollouts, own };
        reserved.settle(registry);
        for deployment in &world.deployments {
            reserved.order(deployment, registry)?;
        }
        Ok(reserved)
    }

    /// Creates a deployment as the world's owner orders it: the own thing joins a group that it is not in. Returns the
    /// configuration ARN and what subscribers are told.
    ///
    /// # Errors
    /// If the service would refuse it.
    pub(super) fn order(
        &mut self,
        deployment: &Deployment,
        registry: &Registry,
    ) -> Result<(String, Vec<Reply>), String> {
        let revision = self.deployments.create(deployment)?;
        if let Target::Group(group) = &revision.target {
            registry.write().join(&self.own, group);
        }
        let arn = revision.configuration_arn.clone();
        Ok((arn, self.begin(revision, registry)))
    }

    /// Brings a revision on its way to its things. Returns what subscribers are told.
    pub(super) fn begin(&mut self, revision: Revision, registry: &Registry) -> Vec<Reply> {
        match &revision.target {
            Target::Group(_) => self.settle(registry),
            Target::ThingNamed(thing) => {
                let mut replies = self.settle(registry);
                if let Some(services) = self.things.get_mut(thing) {
                    replies.extend(services.desire(revision));
                }
                replies
            }
            Target::Thing => Vec::new(),
        }
    }

    /// Lets each thing have what the registry's groups now give it: services of its own, the newest deployments of its
    /// groups as far as they are rolled out, and no longer those of groups that it has left. Returns what subscribers are
    /// told.
    pub(super) fn settle(&mut self, registry: &Registry) -> Vec<Reply> {
        self.settle_at(registry, clock::now()).0
    }

    /// Lets jobs go on as far as it is time: ends what takes too long, gives up what fails too often, and tells more
    /// things. Returns what subscribers are told, and when there is more to do.
    pub(super) fn go_on(&mut self, registry: &Registry, now: OffsetDateTime) -> (Vec<Reply>, Option<OffsetDateTime>) {
        let (mut replies, end) = self.time_out(now);
        replies.extend(self.give_up());
        let (told, next) = self.settle_at(registry, now);
        replies.extend(told);
        (replies, [end, next].into_iter().flatten().min())
    }

    /// Ends executions that have taken too long; also says when the next one will have.
    fn time_out(&mut self, now: OffsetDateTime) -> (Vec<Reply>, Option<OffsetDateTime>) {
        let (mut replies, mut next) = (Vec::new(), None);
        for (job, rollout) in &self.rollouts {
            for services in self.things.values_mut() {
                let end = services.jobs.in_progress_since(job).and_then(|started| rollout.end_of(started));
                match end {
                    Some(end) if end <= now => replies.extend(services.jobs.time_out(job)),
                    Some(end) => next = Some(next.map_or(end, |next: OffsetDateTime| next.min(end))),
                    None => {}
                }
            }
        }
        (replies, next)
    }

    /// Gives up the jobs whose abort criteria are met.
    fn give_up(&mut self) -> Vec<Reply> {
        let given_up = |(job, rollout): (&String, &Rollout)| {
            let known = self.deployments.all().find(|known| known.revision.job == *job && known.ended.is_none())?;
            let reason = rollout.counts().then(|| rollout.given_up(&self.tally(job))).flatten()?;
            Some((known.revision.deployment.clone(), job.clone(), reason))
        };
        let given_up: Vec<_> = self.rollouts.iter().filter_map(given_up).collect();
        let mut replies = Vec::new();
        for (deployment, job, reason) in given_up {
            replies.extend(self.cancel_job(&deployment, false));
            emit(What::JobCanceled { deployment, job, reason });
        }
        replies
    }

    /// What became of the things that were told of a job.
    fn tally(&self, job: &str) -> Tally {
        let mut tally = Tally::default();
        let executions = self.things.values().filter_map(|services| services.jobs.find_execution(job));
        executions.for_each(|execution| tally.add(execution.status_name()));
        tally
    }

    /// As [`Reserved::settle`], at a time; also says when the next thing can be told of a job that waits for it.
    fn settle_at(&mut self, registry: &Registry, now: OffsetDateTime) -> (Vec<Reply>, Option<OffsetDateTime>) {
        let state = registry.read();
        let tallies = self.tallies();
        let Self { own, deployments, things, rollouts } = self;
        let current = deployments.of_groups();
        things.retain(|name, _| state.things.contains_key(name));
        let (mut replies, mut next) = (Vec::new(), None);
        for (name, thing) in &state.things {
            let called = (name != own).then(|| name.clone());
            let services = things.entry(name.clone()).or_insert_with(|| Services::new(name, called));
            let is_in = |target: &Target| match target {
                Target::Group(group) => state.is_below(thing, group),
                Target::Thing | Target::ThingNamed(_) => true,
            };
            replies.extend(services.jobs.keep(is_in));
            let lacking = current.iter().filter(|revision| is_in(&revision.target));
            let lacking: Vec<_> = lacking.filter(|revision| !services.jobs.has(&revision.job)).collect();
            for revision in lacking {
                let begins = || Rollout::new(revision.job_configuration.clone(), now);
                let rollout = rollouts.entry(revision.job.clone()).or_insert_with(begins);
                if rollout.is_due(now) {
                    rollout.tell(now, tallies.get(&revision.job));
                    replies.extend(services.jobs.queue((*revision).clone()));
                } else {
                    next = Some(next.map_or(rollout.next(), |next: OffsetDateTime| next.min(rollout.next())));
                }
            }
        }
        (replies, next)
    }

    /// What became of the things that were told of each job that has to count for them.
    fn tallies(&self) -> BTreeMap<String, Tally> {
        let counting = self.rollouts.iter().filter(|(_, rollout)| rollout.counts());
        counting.map(|(job, _)| (job.clone(), self.tally(job))).collect()
    }

    /// Cancels a deployment; returns what subscribers are told.
    ///
    /// # Errors
    /// If there is none with this id.
    pub(super) fn cancel(&mut self, deployment: &str) -> Result<Vec<Reply>, String> {
        let target = self.deployments.find(deployment)?.revision.target.clone();
        self.deployments.cancel(deployment);
        Ok(match target {
            Target::ThingNamed(thing) => {
                self.things.get_mut(&thing).map(|services| services.cancel(deployment)).unwrap_or_default()
            }
            Target::Group(_) | Target::Thing => {
                self.things.values_mut().flat_map(|services| services.jobs.cancel(deployment)).collect()
            }
        })
    }

    /// Cancels the job of a deployment to a group; what things have begun of it goes on unless it is forced. Returns what
    /// subscribers are told.
    pub(super) fn cancel_job(&mut self, deployment: &str, force: bool) -> Vec<Reply> {
        self.deployments.cancel(deployment);
        let cancel = |services: &mut Services| {
            if force { services.jobs.cancel(deployment) } else { services.jobs.cancel_queued(deployment) }
        };
        self.things.values_mut().flat_map(cancel).collect()
    }

    /// What the service of a topic says to a message, in its order; nothing for a topic that no service listens to.
    pub(super) fn answer(&mut self, topic: &str, payload: &[u8]) -> Vec<Reply> {
        let segments: Vec<_> = topic.split('/').collect();
        match segments.as_slice() {
            ["$aws", "things", thing, rest @ ..] => {
                let services = self.things.get_mut(*thing);
                services.map(|services| services.answer(rest, topic, payload)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

impl Services {
    fn new(thing: &str, called: Option<String>) -> Self {
        Self {
            jobs: Jobs::new(thing, called.clone()),
            shadows: Shadows::new(thing),
            thing_deployments: ThingDeployments::new(called.clone()),
            tracker: fleet::Tracker::default(),
            called,
            device: None,
        }
    }

    fn desire(&mut self, revision: Revision) -> Vec<Reply> {
        let desired = self.thing_deployments.begin(revision);
        self.shadows.write(thing_deployments::SHADOW, &desired)
    }

    fn cancel(&mut self, deployment: &str) -> Vec<Reply> {
        match self.thing_deployments.cancel(deployment) {
            Some(desired) => self.shadows.write(thing_deployments::SHADOW, &desired),
            None => Vec::new(),
        }
    }

    fn answer(&mut self, segments: &[&str], topic: &str, payload: &[u8]) -> Vec<Reply> {
        match segments {
            ["jobs", request @ ..] => self.jobs.answer(request, topic, payload),
            ["shadow", operation @ ("get" | "update" | "delete")] => {
                self.shadows.answer(None, operation, topic, payload)
            }
            ["shadow", "name", name, operation @ ("get" | "update" | "delete")] => {
                let replies = self.shadows.answer(Some(name), operation, topic, payload);
                if *name == thing_deployments::SHADOW && *operation == "update" {
                    self.thing_deployments.reported(&replies).into_iter().for_each(emit);
                }
                replies
            }
            ["greengrassv2", "health", "json"] => {
                match serde_json::from_slice(payload) {
                    Ok(message) => self.health(message).into_iter().for_each(emit),
                    Err(error) => tracing::warn!(%error, "a fleet status message is no JSON"),
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What a fleet status message says; of deployments only that a local one ended, since the others say it themselves.
    fn health(&mut self, message: Value) -> Vec<What> {
        let read = fleet::Message::deserialize(&message);
        let mut seen = vec![What::Fleet { message }];
        let device = match read {
            Ok(message) => self.tracker.take(message),
            Err(error) => {
                tracing::warn!(%error, "a fleet status message is not as AWS reads it");
                None
            }
        };
        if let Some(device) = device {
            let local = device.deployment.as_ref().filter(|_| device.trigger.as_deref() == Some("LOCAL_DEPLOYMENT"));
            if let Some(fleet::Deployment { status, deployment_id: Some(id), status_details, .. }) = local {
                let (deployment, status, details) = (id.clone(), status.clone(), status_details.clone());
                let thing = self.called.clone();
                seen.push(What::Job { deployment, job: None, thing, status, details, document: None });
            }
            let device = CoreDevice { thing: self.called.clone(), ..device };
            self.device = Some(device.clone());
            seen.push(What::CoreDevice(Box::new(device)));
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::{inventory::Inventory, upstream::LocalStack},
            tests::{everything, world},
        },
        *,
    };
    use crate::world::Thing;
    use serde_json::json;
    use std::sync::Arc;
    use time::Duration;

    /// Things `t1` to `t4` of a group `Fleet`, and one deployment to it whose job goes about it so.
    fn fleet(configuration: &Value) -> (Reserved, Registry) {
        let mut world = world(&everything(), &[]);
        world.thing.name = "t1".to_owned();
        world.thing.groups = vec!["Fleet".to_owned()];
        let more = ["t2", "t3", "t4"].map(|name| {
            let certificate = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem();
            Thing { name: name.to_owned(), certificate, ..world.thing.clone() }
        });
        world.fleet = more.into();
        world.deployments = vec![];
        let inventory = Arc::new(Inventory::new(&world, LocalStack::new(&world)).unwrap());
        let registry = Registry::new(&world, inventory).unwrap();
        let mut reserved = Reserved::new(&world, &registry).unwrap();
        let order = json!({
            "id": "d", "job": "j", "target": {"group": "Fleet"}, "components": {}, "job_configuration": configuration,
        });
        reserved.order(&serde_json::from_value(order).unwrap(), &registry).unwrap();
        (reserved, registry)
    }

    fn statuses(reserved: &Reserved) -> Vec<&'static str> {
        let execution =
            |services: &Services| services.jobs.find_execution("j").map(super::super::jobs::Execution::status_name);
        reserved.things.values().map(|services| execution(services).unwrap_or("none")).collect()
    }

    fn update(reserved: &mut Reserved, thing: &str, status: &str) {
        let topic = format!("$aws/things/{thing}/jobs/j/update");
        reserved.answer(&topic, json!({ "status": status }).to_string().as_bytes());
    }

    #[test]
    fn a_groups_job_is_rolled_out_thing_by_thing_in_its_time() {
        fidelity::fidelity!("iot-jobs-1");
        let began = clock::now();
        let (mut reserved, registry) = fleet(&json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 2}}));
        assert_eq!(statuses(&reserved), ["QUEUED", "none", "none", "none"]);
        let (told, next) = reserved.go_on(&registry, began);
        assert!(told.is_empty() && next.is_some_and(|next| next >= began + Duration::seconds(30)), "{next:?}");
        let (told, later) = reserved.go_on(&registry, next.unwrap());
        assert!(told.iter().all(|reply| reply.topic.contains("/t2/")) && !told.is_empty(), "{told:?}");
        assert_eq!(statuses(&reserved), ["QUEUED", "QUEUED", "none", "none"]);
        assert_eq!(later, next.map(|next| next + Duration::seconds(30)));
        let (_, later) = reserved.go_on(&registry, later.unwrap());
        assert_eq!(reserved.go_on(&registry, later.unwrap()).1, None, "all were told");
        assert_eq!(statuses(&reserved), ["QUEUED"; 4]);
    }

    #[test]
    fn a_job_that_is_given_up_takes_back_what_is_queued_and_lets_the_rest_go_on() {
        fidelity::fidelity!("iot-jobs-3", "iot-jobs-4");
        let abort = json!({"criteriaList": [{
            "failureType": "FAILED", "action": "CANCEL", "minNumberOfExecutedThings": 2, "thresholdPercentage": 50,
        }]});
        let (mut reserved, registry) = fleet(&json!({ "abortConfig": abort }));
        assert_eq!(statuses(&reserved), ["QUEUED"; 4]);
        for thing in ["t1", "t2", "t3"] {
            update(&mut reserved, thing, "IN_PROGRESS");
        }
        update(&mut reserved, "t1", "FAILED");
        assert!(reserved.go_on(&registry, clock::now()).0.is_empty(), "a quarter is not enough");
        update(&mut reserved, "t2", "FAILED");
        let (told, _) = reserved.go_on(&registry, clock::now());
        assert!(told.iter().all(|reply| reply.topic.contains("/t4/")) && !told.is_empty(), "{told:?}");
        assert_eq!(statuses(&reserved), ["FAILED", "FAILED", "IN_PROGRESS", "CANCELED"]);
        assert!(reserved.deployments.find("d").unwrap().ended.is_some());
        update(&mut reserved, "t3", "SUCCEEDED");
        assert!(reserved.go_on(&registry, clock::now()).0.is_empty(), "it is given up once");
        assert_eq!(statuses(&reserved), ["FAILED", "FAILED", "SUCCEEDED", "CANCELED"]);
    }

    #[test]
    fn what_a_job_that_is_given_up_had_not_reached_is_never_told() {
        fidelity::fidelity!("iot-jobs-4");
        let (mut reserved, registry) = fleet(&json!({
            "jobExecutionsRolloutConfig": {"maximumPerMinute": 60},
            "abortConfig": {"criteriaList": [{
                "failureType": "ALL", "action": "CANCEL", "minNumberOfExecutedThings": 1, "thresholdPercentage": 100,
            }]},
        }));
        update(&mut reserved, "t1", "REJECTED");
        let (_, next) = reserved.go_on(&registry, clock::now() + Duration::minutes(1));
        assert_eq!((statuses(&reserved), next), (vec!["REJECTED", "none", "none", "none"], None));
    }

    #[test]
    fn what_is_in_progress_for_too_long_is_timed_out() {
        fidelity::fidelity!("iot-jobs-5");
        let (mut reserved, registry) = fleet(&json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 2}}));
        update(&mut reserved, "t1", "IN_PROGRESS");
        let began = clock::now();
        let (_, next) = reserved.go_on(&registry, began);
        let end = next.unwrap();
        assert!((end - began - Duration::minutes(2)).abs() <= Duration::seconds(1), "{end}");
        let (told, next) = reserved.go_on(&registry, end);
        assert!(told.iter().all(|reply| reply.topic.contains("/t1/")) && !told.is_empty(), "{told:?}");
        assert_eq!((statuses(&reserved), next), (vec!["TIMED_OUT", "QUEUED", "QUEUED", "QUEUED"], None));
        update(&mut reserved, "t1", "SUCCEEDED");
        assert_eq!(statuses(&reserved)[0], "TIMED_OUT", "a late word changes nothing");
    }

    #[test]
    fn a_fleet_status_message_becomes_what_aws_knows_of_the_device() {
        fidelity::fidelity!("iot-34");
        let mut services = Services::new("Core", None);
        let mut kinds = |message: Value| -> Vec<Value> {
            let seen = services.health(message).into_iter();
            seen.map(|what| serde_json::to_value(what).unwrap()).collect()
        };
        let component = json!({"componentName": "A", "version": "1.0.0", "status": "RUNNING", "isRoot": true});
        let local = json!({"status": "FAILED", "deploymentId": "local", "statusDetails": {"detailedStatus": "X"}});
        let mut message = json!({
            "overallDeviceStatus": "HEALTHY", "sequenceNumber": 1, "messageType": "PARTIAL",
            "trigger": "LOCAL_DEPLOYMENT", "components": [component], "deploymentInformation": local,
        });
        let seen = kinds(message.clone());
        assert_eq!(seen[0], json!({"kind": "fleet", "message": message}));
        let job = json!({"kind": "job", "deployment": "local", "status": "FAILED", "details": {"detailedStatus": "X"}});
        assert_eq!(seen[1], job);
        assert_eq!((&seen[2]["kind"], &seen[2]["status"]), (&json!("core-device"), &json!("HEALTHY")));
        assert_eq!(
            (&seen[2]["components"]["A"]["state"], &seen[2]["deployment"]["deployment_id"]),
            (&json!("RUNNING"), &json!("local"))
        );
        message["trigger"] = json!("THING_GROUP_DEPLOYMENT");
        assert_eq!(kinds(message).len(), 2, "a job tells its own end");
        assert_eq!(kinds(json!({"overallDeviceStatus": "WELL"})).len(), 1, "it is written down all the same");
    }
}
