//! Jobs, as far as deployments to thing groups make them: each is one continuous job, executed by each thing of the
//! group.

use super::{
    super::{
        super::rest::{Call, Fault},
        deployments::Known,
        jobs::Execution,
        registry::Registry,
        reserved::{Reply, Reserved},
    },
    Answer,
    input::{self, JOB, NAME, seconds},
    invalid, missing, page, things,
};
use crate::world::Target;
use serde_json::{Value, json};

/// The namespace of Greengrass's jobs.
const NAMESPACE: &str = "aws-gg-deployment";

pub(super) fn operation(name: &str) -> Option<fn(&Reserved, &Registry, &Call) -> Answer> {
    Some(match name {
        "DescribeJob" => describe,
        "ListJobs" => list,
        "GetJobDocument" => document,
        "DescribeJobExecution" => execution,
        "ListJobExecutionsForThing" => of_thing,
        "ListJobExecutionsForJob" => of_job,
        _ => return None,
    })
}

fn job<'r>(reserved: &'r Reserved, call: &Call) -> Result<&'r Known, Fault> {
    let id = input::label(call, "jobId", JOB)?;
    let found = reserved.deployments.all().find(|known| known.revision.job == id);
    found.ok_or_else(|| missing(format!("Job {id} cannot be found.")))
}

/// What deployments to things have none of is not listed.
fn jobs<'r>(reserved: &'r Reserved) -> Vec<(&'r Known, &'r str)> {
    let of_group = |known: &'r Known| match &known.revision.target {
        Target::Group(group) => Some((known, group.as_str())),
        Target::Thing | Target::ThingNamed(_) => None,
    };
    let mut jobs: Vec<_> = reserved.deployments.all().filter_map(of_group).collect();
    jobs.sort_by_key(|(known, _)| std::cmp::Reverse(known.created));
    jobs
}

fn status(known: &Known) -> &'static str {
    if known.ended.is_some() { "CANCELED" } else { "IN_PROGRESS" }
}

/// What a list and a description have in common.
fn summary(registry: &Registry, known: &Known) -> Value {
    let id = &known.revision.job;
    let mut summary = json!({
        "jobArn": registry.arn("job", id), "jobId": id, "targetSelection": "CONTINUOUS", "status": status(known),
        "createdAt": seconds(known.created), "lastUpdatedAt": seconds(known.ended.unwrap_or(known.created)),
        "isConcurrent": false,
    });
    if let Some(ended) = known.ended {
        summary["completedAt"] = seconds(ended);
    }
    summary
}

/// The executions of a job, with the names of their things.
fn executions<'r>(reserved: &'r Reserved, job: &'r str) -> impl Iterator<Item = (&'r str, &'r Execution)> {
    let of_job = move |(name, services): (&'r String, &'r super::super::reserved::Services)| {
        services.jobs.find_execution(job).map(|execution| (name.as_str(), execution))
    };
    reserved.things.iter().filter_map(of_job)
}

fn describe(reserved: &Reserved, registry: &Registry, call: &Call) -> Answer {
    let known = job(reserved, call)?;
    let id = &known.revision.job;
    let count = |status: &str| executions(reserved, id).filter(|(_, one)| one.status_name() == status).count();
    let mut described = summary(registry, known);
    let Target::Group(group) = &known.revision.target else {
        return Err(missing(format!("Job {id} cannot be found.")));
    };
    described["targets"] = json!([registry.arn("thinggroup", group)]);
    described["namespaceId"] = NAMESPACE.into();
    described["jobProcessDetails"] = json!({
        "numberOfCanceledThings": count("CANCELED"), "numberOfSucceededThings": count("SUCCEEDED"),
        "numberOfFailedThings": count("FAILED"), "numberOfRejectedThings": count("REJECTED"),
        "numberOfQueuedThings": count("QUEUED"), "numberOfInProgressThings": count("IN_PROGRESS"),
        "numberOfRemovedThings": count("REMOVED"), "numberOfTimedOutThings": count("TIMED_OUT"),
    });
    if let (Value::Object(described), Value::Object(configuration)) =
        (&mut described, json!(known.revision.job_configuration))
    {
        described.extend(configuration);
    }
    described["presignedUrlConfig"] = json!({});
    Ok(json!({"job": described}))
}

fn list(reserved: &Reserved, registry: &Registry, call: &Call) -> Answer {
    let state = registry.read();
    let fits = |known: &Known, group: &str| {
        let id = state.groups.get(group).map(|group| group.id.as_str());
        call.query("status").is_none_or(|wanted| wanted == status(known))
            && call.query("targetSelection").is_none_or(|wanted| wanted == "CONTINUOUS")
            && call.query("thingGroupName").is_none_or(|wanted| wanted == group)
            && call.query("thingGroupId").is_none_or(|wanted| Some(wanted) == id)
            && call.query("namespaceId").is_none_or(|wanted| wanted == NAMESPACE)
    };
    let jobs = jobs(reserved).into_iter().filter(|(known, group)| fits(known, group));
    page::of(call, page::TOKEN, "jobs", jobs.map(|(known, _)| summary(registry, known)).collect())
}

fn document(reserved: &Reserved, _: &Registry, call: &Call) -> Answer {
    Ok(json!({"document": job(reserved, call)?.revision.document.to_string()}))
}

fn execution(reserved: &Reserved, registry: &Registry, call: &Call) -> Answer {
    let thing = input::label(call, "thingName", NAME)?;
    let known = job(reserved, call)?;
    let id = &known.revision.job;
    let found = executions(reserved, id).find(|(name, _)| *name == thing).map(|(_, execution)| execution);
    let none = || missing(format!("Job Execution has not been created for this thing: {thing} and job: {id}"));
    let mut described = found.ok_or_else(none)?.for_owner();
    described["jobId"] = id.as_str().into();
    described["thingArn"] = registry.arn("thing", thing).into();
    Ok(json!({"execution": described}))
}

fn wanted(call: &Call, execution: &Execution) -> bool {
    call.query("status").is_none_or(|status| status == execution.status_name())
}

fn of_thing(reserved: &Reserved, registry: &Registry, call: &Call) -> Answer {
    let thing = input::label(call, "thingName", NAME)?;
    things::thing(&registry.read(), thing)?;
    let services = reserved.things.get(thing);
    let executions = services.into_iter().flat_map(|services| services.jobs.executions().rev());
    let executions = executions.filter(|one| wanted(call, one) && call.query("jobId").is_none_or(|id| id == one.job()));
    let shown = |one: &Execution| json!({"jobId": one.job(), "jobExecutionSummary": one.summary_for_owner()});
    page::of(call, page::TOKEN, "executionSummaries", executions.map(shown).collect())
}

fn of_job(reserved: &Reserved, registry: &Registry, call: &Call) -> Answer {
    let known = job(reserved, call)?;
    let executions = executions(reserved, &known.revision.job).filter(|(_, one)| wanted(call, one));
    let shown = |(thing, one): (&str, &Execution)| json!({"thingArn": registry.arn("thing", thing), "jobExecutionSummary": one.summary_for_owner()});
    page::of(call, page::TOKEN, "executionSummaries", executions.map(shown).collect())
}

/// Cancels the job, with executions in progress only if it is forced.
pub(super) fn cancel(reserved: &mut Reserved, registry: &Registry, call: &Call) -> Result<(Value, Vec<Reply>), Fault> {
    let known = job(reserved, call)?;
    if known.ended.is_some() {
        return Err(invalid(format!(
            "Job {} is in status {} and can not be canceled",
            known.revision.job,
            status(known)
        )));
    }
    let (id, deployment) = (known.revision.job.clone(), known.revision.deployment.clone());
    let force = input::flag(call, "force");
    let replies = reserved.cancel_job(&deployment, force);
    Ok((json!({"jobArn": registry.arn("job", &id), "jobId": id}), replies))
}
