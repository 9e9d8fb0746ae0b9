//! The gate: every AWS API call of the device, identified, decided, forwarded to LocalStack or refused, written down.
//!
//! Who: `SigV4` with credentials that the credentials provider issued ([`signature`]). What: the operation and the
//! resource that IAM authorises it on ([`operation`]). Whether: the role's identity policies, asked with the condition
//! keys that AWS fills ([`context`]). A refusal has the service's own wire form and AWS's own words ([`answer`]).
//! No LocalStack host name or header reaches a client, and no environment sees another's buckets.

mod answer;
mod context;
mod operation;
mod signature;
#[cfg(test)]
mod tests;

use super::{
    faults::{Faults, Strike},
    sessions::{SERVICE, Session, Sessions},
    upstream::{Answer, LocalStack},
};
use crate::{
    clock,
    event::{ApiCall, Decision, Outcome, What, emit},
    fault::Service,
    world::World,
};
use answer::Refusal;
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use iam::{Document, Kind};
use operation::{Answerer, Operation};
use serde_json::{Value, json};
use signature::Caller;
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// The gate of one environment.
pub(super) struct Gate {
    world: Arc<World>,
    sessions: Arc<Sessions>,
    localstack: LocalStack,
    roles: HashMap<String, Vec<(String, Document)>>,
    /// ARNs of secrets by region and the id that callers use; emptied by every write.
    secrets: Mutex<HashMap<(String, String), String>>,
    /// Buckets that were created through the gate.
    created: Mutex<BTreeSet<String>>,
    faults: Arc<Faults>,
}

/// A request, read whole.
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) peer: IpAddr,
}

impl Received {
    async fn read(request: Request<Incoming>, peer: IpAddr) -> Self {
        let (parts, body) = request.into_parts();
        let named = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = parts.uri.host().unwrap_or(named).to_ascii_lowercase();
        Self {
            host: host.split(':').next().unwrap_or_default().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            // A body that breaks off doesn't fit its signature.
            body: body.collect().await.map(Collected::to_bytes).unwrap_or_default(),
            headers: parts.headers,
            peer,
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What became of a call.
struct Settled {
    session: Option<Session>,
    decision: Decision,
    result: Result<Answer, Refusal>,
}

/// What an operation is authorised on.
struct Target {
    resource: String,
    /// Whether LocalStack may be asked for it; it would also find a secret by an ARN that is not the secret's.
    exists: bool,
}

impl Gate {
    pub(super) fn new(
        world: Arc<World>,
        sessions: Arc<Sessions>,
        localstack: LocalStack,
        faults: Arc<Faults>,
    ) -> Result<Self, String> {
        let mut roles = HashMap::new();
        for (name, role) in &world.roles {
            let mut policies = Vec::new();
            for (policy, document) in &role.policies {
                let document = Document::read(document, Kind::Inline)
                    .map_err(|error| format!("reading policy `{policy}` of role `{name}`: {error}"))?;
                policies.push((policy.clone(), document));
            }
            roles.insert(name.clone(), policies);
        }
        let everything = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        }});
        let everything = Document::parse(&everything).map_err(|error| error.to_string())?;
        roles.insert(SERVICE.to_owned(), vec![("AWS".to_owned(), everything)]);
        Ok(Self { world, sessions, localstack, roles, secrets: Mutex::default(), created: Mutex::default(), faults })
    }

    /// Answers one call.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let event_time = clock::timestamp();
        let received = Received::read(request, peer).await;
        let operation = Operation::of(&received, &self.world);
        let request_id = answer::request_id(operation.protocol);
        let Settled { session, decision, result } = self.settle(&received, &operation, &request_id).await;
        let (error, response) = match result {
            Ok(answer) => (
                answer::error_of(&answer, &operation),
                answer::passed_on(answer, &operation, &request_id, &received.method),
            ),
            Err(refusal) => (
                Some((refusal.code.clone(), refusal.message.clone())),
                refusal.response(&operation, &received.method, &request_id),
            ),
        };
        let (error_code, error_message) = error.unzip();
        emit(What::Api(Box::new(ApiCall {
            event_time,
            event_source: format!("{}.amazonaws.com", operation.service),
            event_name: operation.name.clone(),
            aws_region: operation.region.clone(),
            source_ip_address: peer.to_string(),
            user_agent: received.header("user-agent").to_owned(),
            user_identity: session.as_ref().map_or(Value::Null, |session| self.identity(session)),
            request_parameters: operation.parameters.clone(),
            error_code,
            error_message,
            request_id,
            status: response.status().as_u16(),
            decision,
        })));
        response
    }

    async fn settle(&self, received: &Received, operation: &Operation, request_id: &str) -> Settled {
        let decision = |resource: &str, outcome, statement| Decision {
            action: operation.action.clone(),
            resource: resource.to_owned(),
            outcome,
            statement,
        };
        let caller = match signature::verify(received, operation, &self.sessions) {
            Ok(caller) => caller,
            Err(refusal) => {
                let decision = decision(&operation.resource, Outcome::Unauthenticated, None);
                return Settled { session: None, decision, result: Err(refusal) };
            }
        };
        if operation.answerer == Answerer::Unknown {
            let decision = decision(&operation.resource, Outcome::ImplicitlyDenied, None);
            return Settled {
                session: Some(caller.session),
                decision,
                result: Err(Refusal::unknown_operation(operation)),
            };
        }
        let target = self.target(operation).await;
        let request = self.request(received, operation, &target.resource, &caller.session);
        let decided = self.decide(&caller.session, &request);
        let result = match self.struck(operation).await {
            Some(result) => result,
            None => self.carry_out(received, operation, &caller, &target, (&request, &decided), request_id).await,
        };
        let statement = decided.statement.as_ref().map(ToString::to_string);
        let decision = decision(&target.resource, outcome(decided.outcome), statement);
        Settled { session: Some(caller.session), decision, result }
    }

    /// What a fault answers in place of anything else.
    async fn struck(&self, operation: &Operation) -> Option<Result<Answer, Refusal>> {
        if operation.service != "s3" {
            return None;
        }
        let Strike { status, body } = self.faults.strike(Service::S3, &operation.name).await?;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(match body {
            Some(body) => Ok(Answer { status, headers: HeaderMap::new(), body: body.into() }),
            None => Err(Refusal::fault(status.as_u16())),
        })
    }

    fn decide(&self, session: &Session, request: &iam::Request) -> iam::Decision<'_> {
        let policies = self.roles.get(&session.role).map(Vec::as_slice).unwrap_or_default();
        let policies: Vec<_> = policies.iter().map(|(name, document)| (name.as_str(), document)).collect();
        iam::evaluate(&policies, request)
    }

    /// Does what was asked, as far as it was decided to be allowed and this environment has it.
    async fn carry_out(
        &self,
        received: &Received,
        operation: &Operation,
        caller: &Caller,
        target: &Target,
        (request, decided): (&iam::Request, &iam::Decision<'_>),
        request_id: &str,
    ) -> Result<Answer, Refusal> {
        let principal = self.session_arn(&caller.session);
        if !decided.is_allowed() {
            return Err(Refusal::denied(operation, &principal, decided.outcome));
        }
        if operation.secret.is_some() && !target.exists {
            return Err(self.no_such_secret(operation, &principal, &target.resource));
        }
        self.here(operation, caller)?;
        match operation.answerer {
            Answerer::Gate if operation.name == "GetCallerIdentity" => {
                return Ok(answer::caller_identity(&self.identity(&caller.session), request_id));
            }
            // No role of this environment trusts another role.
            Answerer::Gate => return Err(Refusal::denied(operation, &principal, iam::Outcome::ImplicitlyDenied)),
            Answerer::LocalStack => {}
            Answerer::Nobody | Answerer::Unknown => return Err(Refusal::unknown_operation(operation)),
        }
        let answer = self.forward(received, operation).await?;
        if operation.action == "s3:GetObject" && answer::lacks_the_key(&answer) {
            self.may_list(operation, caller, request)?;
        }
        self.remember(operation, &answer);
        Ok(answer)
    }

    /// S3 says 403 instead of 404 for a missing object to those who may not list the bucket.
    fn may_list(&self, operation: &Operation, caller: &Caller, request: &iam::Request) -> Result<(), Refusal> {
        let listing = operation.listing();
        let request = request.instead(&listing.action, &listing.resource);
        let decided = self.decide(&caller.session, &request);
        if decided.is_allowed() {
            return Ok(());
        }
        Err(Refusal::denied(&listing, &self.session_arn(&caller.session), decided.outcome))
    }

    /// What is authorised. A secret that does not exist is authorised on its name with a suffix of question marks.
    async fn target(&self, operation: &Operation) -> Target {
        let missing = Target { resource: operation.resource.clone(), exists: false };
        let Some(id) = &operation.secret else { return Target { exists: true, ..missing } };
        let key = (operation.region.clone(), id.clone());
        let known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(resource) = known {
            return Target { resource, exists: true };
        }
        let input = json!({ "SecretId": id });
        let described = self.localstack.json(&operation.region, "secretsmanager.DescribeSecret", &input).await;
        let arn = described.ok().filter(|answer| answer.status.is_success()).and_then(|answer| {
            let body: Value = serde_json::from_slice(&answer.body).ok()?;
            body["ARN"].as_str().map(str::to_owned)
        });
        match arn.filter(|arn| names(id, arn)) {
            Some(resource) => {
                self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, resource.clone());
                Target { resource, exists: true }
            }
            None => missing,
        }
    }

    fn no_such_secret(&self, operation: &Operation, principal: &str, resource: &str) -> Refusal {
        let account = resource.split(':').nth(4).unwrap_or_default();
        if account == self.world.account { Refusal::no_such_secret() } else { Refusal::foreign(operation, principal) }
    }

    /// Whether this environment has the bucket, and in the region that was asked. LocalStack alone would show every
    /// environment's buckets, in every region.
    fn here(&self, operation: &Operation, caller: &Caller) -> Result<(), Refusal> {
        let Some(bucket) = operation.bucket.as_ref().filter(|_| operation.name != "CreateBucket") else {
            return Ok(());
        };
        let ours = self.world.buckets.iter().any(|own| own.name == *bucket)
            || self.created.lock().unwrap_or_else(PoisonError::into_inner).contains(bucket);
        if !ours {
            return Err(Refusal::no_such_bucket(bucket));
        }
        let region = &self.world.region;
        if caller.region == *region || operation.name == "GetBucketLocation" {
            return Ok(());
        }
        let global = operation.region != caller.region || caller.region == "us-east-1";
        Err(if global { Refusal::wrong_region(&caller.region, region) } else { Refusal::redirect(bucket, region) })
    }

    async fn forward(&self, received: &Received, operation: &Operation) -> Result<Answer, Refusal> {
        let mut headers = received.headers.clone();
        for name in [AUTHORIZATION, HOST, CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING] {
            headers.remove(name);
        }
        headers.remove("x-amz-security-token");
        let region = if operation.service == "s3" { &self.world.region } else { &operation.region };
        let scope = (operation.service.as_str(), region.as_str());
        let target = operation.target(received);
        let sent = self.localstack.send(scope, received.method.clone(), &target, headers, received.body.clone()).await;
        let answer = sent.map_err(|reason| {
            tracing::warn!(reason, "a call could not be served");
            Refusal::internal(operation.protocol)
        })?;
        if operation.name == "GetObject" {
            return Ok(answer);
        }
        answer::disguised(answer, self.localstack.authority(), &operation.region).ok_or_else(|| {
            tracing::warn!(
                service = operation.service,
                name = operation.name,
                "LocalStack does not know the operation"
            );
            Refusal::unknown_operation(operation)
        })
    }

    fn remember(&self, operation: &Operation, answer: &Answer) {
        if operation.service == "secretsmanager" && !operation.only_reads() {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        if let Some(bucket) = &operation.bucket
            && operation.name == "CreateBucket"
            && answer.status.is_success()
        {
            self.created.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.clone());
        }
    }
}

fn outcome(outcome: iam::Outcome) -> Outcome {
    match outcome {
        iam::Outcome::Allowed => Outcome::Allowed,
        iam::Outcome::ImplicitlyDenied => Outcome::ImplicitlyDenied,
        iam::Outcome::ExplicitlyDenied => Outcome::ExplicitlyDenied,
    }
}

/// Whether an id that a caller uses stands for the secret with this ARN: its name, its ARN, or that without the suffix.
fn names(id: &str, arn: &str) -> bool {
    let without_suffix = arn.rsplit_once('-').map_or(arn, |(start, _)| start);
    !id.starts_with("arn:") || id == arn || id == without_suffix
}
