//! The Greengrass data plane: which component version a device gets, where AWS's own artifacts are, and which thing
//! groups the device is in.
//!
//! The caller is known by its certificate alone and allowed by that certificate's IoT policies.

use super::{
    super::{limits::Excess, place, presign},
    Iot,
    component::Component,
    registry::Holder,
    requirement::Requirement,
};
use crate::{
    event::{Decision, What, emit},
    fault::Service,
    faults::{self, Strike},
    world::World,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Body};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

/// The longest request in bytes.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Thing groups in one answer.
const PAGE: usize = 5;

/// The member of the answer that holds them.
const GROUPS: &str = "thingGroups";

/// How long the URL of an artifact holds.
const URL_LIFETIME: Duration = Duration::from_mins(15);

/// An error in the form of a `rest-json` service.
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    /// Null where AWS says nothing.
    pub(super) message: Value,
}

pub(super) type Answer = Result<Value, Failure>;

/// What a request is about.
struct Call<'a> {
    operation: &'static str,
    subject: String,
    resource: String,
    request: Operation<'a>,
    query: &'a str,
}

enum Operation<'a> {
    Resolve,
    ThingGroups(&'a str),
    Artifact(&'a str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResolveRequest {
    #[serde(default)]
    platform: Platform,
    component_candidates: Vec<Candidate>,
}

#[derive(Default, Deserialize)]
struct Platform {
    #[serde(default)]
    attributes: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    component_name: String,
    component_version: Option<String>,
    #[serde(default)]
    version_requirements: BTreeMap<String, String>,
}

/// Answers one request of whoever has shown a registered active certificate.
pub(super) async fn answer<B>(iot: &Iot, request: Request<B>, holder: Option<Holder>) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes>,
    B::Error: Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let path = decoded(head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let mut call = match route(&iot.world, &head.method, &path, query) {
        Ok(call) => call,
        Err(failure) => {
            let (operation, subject) = ("Unknown".to_owned(), format!("{} {path}", head.method));
            emit(What::DataPlane { operation, subject, status: failure.status.as_u16(), decision: None });
            return respond(Err(failure));
        }
    };
    let struck = match iot.faults.strike(Service::DataPlane, call.operation).await {
        Some(Strike::Status(status, body)) => Some((status, body)),
        Some(Strike::Page) => Some((200, Some(faults::PAGE.to_owned()))),
        _ => None,
    };
    if let Some((status, body)) = struck {
        emit(What::DataPlane { operation: call.operation.to_owned(), subject: call.subject, status, decision: None });
        return failing(status, body);
    }
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map(Collected::to_bytes).map_err(|error| error.to_string());
    let decision = holder.map(|holder| decide(iot, &holder, &call));
    let allowed = decision.as_ref().is_some_and(Decision::may_go_on);
    let answer = perform(iot, &mut call, body, allowed);
    let status = answer.as_ref().map_or_else(|failure| failure.status, |_| StatusCode::OK).as_u16();
    let (operation, decision) = (call.operation.to_owned(), decision.map(Box::new));
    emit(What::DataPlane { operation, subject: call.subject, status, decision });
    respond(answer)
}

/// The answer to a request whose body exceeds a limit.
pub(super) fn excess(path: &str, excess: Excess) -> Response<Full<Bytes>> {
    let (status, kind, message) = match excess {
        Excess::Long(most) => (413, "RequestEntityTooLargeException", format!("Request size exceeded {most} bytes")),
        Excess::Slow => (408, "RequestTimeoutException", "The request was not received in time".to_owned()),
        Excess::Crowded => (503, "ServiceUnavailableException", "Service is unavailable.".to_owned()),
    };
    let (operation, subject) = ("Unknown".to_owned(), path.to_owned());
    emit(What::DataPlane { operation, subject, status, decision: None });
    respond(Err(failure(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), kind, &message)))
}

fn route<'a>(world: &World, method: &Method, path: &'a str, query: &'a str) -> Result<Call<'a>, Failure> {
    let World { region, account, .. } = world;
    let rest = path.strip_prefix("/greengrass/v2/").unwrap_or_default();
    let (wanted, call) = if rest == "resolveComponentCandidates" {
        let (operation, request) = ("ResolveComponentCandidates", Operation::Resolve);
        (Method::POST, Call { operation, subject: String::new(), resource: "*".to_owned(), request, query })
    } else if let Some(thing) = rest.strip_prefix("coreDevices/").and_then(|rest| rest.strip_suffix("/thingGroups")) {
        let resource = format!("arn:aws:iot:{region}:{account}:thing/{thing}");
        let (operation, request) = ("ListThingGroupsForCoreDevice", Operation::ThingGroups(thing));
        (Method::GET, Call { operation, subject: thing.to_owned(), resource, request, query })
    } else if let Some((arn, artifact)) =
        rest.strip_prefix("components/").and_then(|rest| rest.split_once("/artifacts/"))
    {
        let (operation, request) = ("GetComponentVersionArtifact", Operation::Artifact(artifact));
        (Method::GET, Call { operation, subject: arn.to_owned(), resource: arn.to_owned(), request, query })
    } else {
        return Err(failure(StatusCode::NOT_FOUND, "UnknownOperationException", "Unknown operation"));
    };
    if *method == wanted {
        Ok(call)
    } else {
        Err(failure(StatusCode::METHOD_NOT_ALLOWED, "UnknownOperationException", "Method not allowed"))
    }
}

/// Asks the certificate's policies. Variables of a connection's thing have no value here.
fn decide(iot: &Iot, holder: &Holder, call: &Call<'_>) -> Decision {
    iot.registry.decide(holder, &format!("greengrass:{}", call.operation), &call.resource)
}

fn perform(iot: &Iot, call: &mut Call<'_>, body: Result<Bytes, String>, allowed: bool) -> Answer {
    let candidates = match call.request {
        Operation::Resolve => Some(body.and_then(|body| read(&body))),
        _ => None,
    };
    if let Some(Ok(request)) = &candidates {
        let names: Vec<_> = request.component_candidates.iter().map(|one| one.component_name.as_str()).collect();
        call.subject = names.join(", ");
    }
    if !allowed {
        // The device gateway names no modelled exception, so SDKs show `null` and the status alone.
        return Err(Failure { status: StatusCode::FORBIDDEN, kind: "ForbiddenException", message: Value::Null });
    }
    match (&call.request, candidates) {
        (Operation::ThingGroups(thing), _) => thing_groups(iot, thing, call.query),
        (Operation::Artifact(name), _) => artifact(iot, &call.resource, name, call.query),
        (Operation::Resolve, Some(Ok(request))) => resolve(iot, &request),
        (Operation::Resolve, Some(Err(error))) => Err(invalid(&error)),
        (Operation::Resolve, None) => Err(invalid("the request has no body")),
    }
}

fn read(body: &[u8]) -> Result<ResolveRequest, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn thing_groups(iot: &Iot, thing: &str, query: &str) -> Answer {
    let state = iot.registry.read();
    let known = state.things.get(thing);
    let known = known.ok_or_else(|| not_found(format!("Core device [{thing}] does not exist")))?;
    let group = |name: &String| {
        let above = |name: &str| json!({"thingGroupName": name, "thingGroupArn": iot.registry.arn("thinggroup", name)});
        let above: Vec<_> = state.parents(name).into_iter().map(above).collect();
        let arn = iot.registry.arn("thinggroup", name);
        json!({"thingGroupName": name, "thingGroupArn": arn, "rootToParentThingGroups": above})
    };
    let list: Vec<_> = known.groups.iter().map(group).collect();
    let page = place::page(GROUPS, parameter(query, "nextToken").as_deref(), list, PAGE);
    let (page, next) = page.ok_or_else(|| invalid("Invalid nextToken"))?;
    let mut answer = json!({GROUPS: page});
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

pub(super) fn artifact(iot: &Iot, arn: &str, name: &str, query: &str) -> Answer {
    let World { region, .. } = &*iot.world;
    let component = iot.components.find(arn).filter(|component| component.failure.is_none());
    let component = component.ok_or_else(|| not_found(format!("Component version [{arn}] does not exist")))?;
    let (bucket, key) =
        component.artifact(name).ok_or_else(|| not_found(format!("Artifact [{name}] of [{arn}] does not exist")))?;
    let global = region == "us-east-1" && parameter(query, "s3EndpointType").as_deref() != Some("REGIONAL");
    let place = if global { String::new() } else { format!("{region}.") };
    let host = format!("{bucket}.s3.{place}amazonaws.com");
    let session = iot.sessions.issue_service(u32::try_from(URL_LIFETIME.as_secs()).unwrap_or(u32::MAX));
    let url = presign::object(&session, region, &host, key, URL_LIFETIME).map_err(|error| {
        tracing::warn!(error, "an artifact's URL could not be signed");
        failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", "Internal server error")
    })?;
    Ok(json!({"preSignedUrl": url}))
}

/// A parameter of a query; one without a value is absent.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| decoded(value)).next()
}

/// Resolves candidates as they stand in a request.
pub(super) fn resolve_json(iot: &Iot, request: &Value) -> Answer {
    let request = ResolveRequest::deserialize(request).map_err(|error| invalid(&error.to_string()))?;
    resolve(iot, &request)
}

fn resolve(iot: &Iot, request: &ResolveRequest) -> Answer {
    let attributes = &request.platform.attributes;
    let chosen: Result<Vec<_>, _> =
        request.component_candidates.iter().map(|candidate| choose(iot, candidate, attributes)).collect();
    let describe = |component: Arc<Component>| {
        json!({
            "arn": component.arn, "componentName": component.name,
            "componentVersion": component.version.to_string(), "recipe": component.blob(), "vendorGuidance": "ACTIVE",
        })
    };
    let versions: Vec<_> = chosen?.into_iter().map(describe).collect();
    Ok(json!({"resolvedComponentVersions": versions}))
}

/// The version that the device already has if it will do, else the highest that meets every requirement.
fn choose(iot: &Iot, candidate: &Candidate, attributes: &Map<String, Value>) -> Result<Arc<Component>, Failure> {
    let name = &candidate.component_name;
    let requirements = candidate.version_requirements.values().map(|text| Requirement::parse(text));
    let requirements: Vec<_> = requirements.collect::<Result<_, _>>().map_err(|error| invalid(&error))?;
    let meets = |component: &Arc<Component>| {
        component.name == *name && requirements.iter().all(|requirement| requirement.matches(&component.version))
    };
    let usable: Vec<_> = iot.components.deployable().into_iter().filter(meets).collect();
    if usable.is_empty() {
        let wanted: Vec<_> =
            candidate.version_requirements.iter().map(|(who, what)| format!("{who} requires {what}")).collect();
        return Err(not_found(format!("Component [{name}] has no usable version: [{}]", wanted.join(", "))));
    }
    let claiming = || usable.iter().filter(|component| component.claims(attributes));
    let present = candidate.component_version.as_deref();
    let held = claiming().find(|component| Some(component.version.to_string().as_str()) == present);
    let chosen = held.or_else(|| claiming().rev().max_by(|one, other| one.version.cmp(&other.version)));
    chosen.cloned().ok_or_else(|| {
        let platform: Vec<_> =
            attributes.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let platform = platform.join(", ");
        not_found(format!("The latest version of Component [{name}] doesn't claim platform [{platform}] compatibility"))
    })
}

fn failure(status: StatusCode, kind: &'static str, message: &str) -> Failure {
    Failure { status, kind, message: message.into() }
}

fn not_found(message: String) -> Failure {
    Failure { status: StatusCode::NOT_FOUND, kind: "ResourceNotFoundException", message: message.into() }
}

fn invalid(message: &str) -> Failure {
    failure(StatusCode::BAD_REQUEST, "ValidationException", message)
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let id = uuid::Uuid::new_v4().to_string();
    let response = Response::builder().header("content-type", "application/json").header("x-amzn-requestid", &id);
    let (response, body) = match answer {
        Ok(body) => (response, body),
        Err(Failure { status, kind, message: Value::Null }) => {
            (response.status(status).header("x-amzn-errortype", kind), json!({"message": null, "traceId": id}))
        }
        Err(Failure { status, kind, message }) => {
            (response.status(status).header("x-amzn-errortype", kind), json!({"message": message}))
        }
    };
    response.body(Full::new(body.to_string().into())).expect("the headers are plain ASCII")
}

/// A wrong answer, as a fault wants it.
fn failing(status: u16, body: Option<String>) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, message) = match status.as_u16() {
        400 => ("ValidationException", "Invalid request".into()),
        403 => ("ForbiddenException", Value::Null),
        404 => ("ResourceNotFoundException", "The requested resource can't be found".into()),
        409 => ("ConflictException", "The request conflicts with another".into()),
        429 => ("ThrottlingException", "Rate exceeded".into()),
        _ => ("InternalServerException", "Internal server error".into()),
    };
    let mut response = respond(Err(Failure { status, kind, message }));
    if let Some(body) = body {
        *response.body_mut() = Full::new(body.into());
    }
    response
}

/// A path with its percent escapes resolved; bytes that are no UTF-8 are replaced.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        if let Some([byte]) = escaped.as_deref() {
            bytes.push(*byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
