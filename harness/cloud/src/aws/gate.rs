//! The gate: every AWS API call of the device, identified, decided, forwarded to LocalStack or refused, written down.
//!
//! Who: `SigV4` with credentials that the credentials provider issued ([`signature`]). What: the operation and the
//! resource that IAM authorises it on ([`operation`]). Whether: every policy that bears on it ([`crate::policies`]), asked
//! with the condition keys that AWS fills ([`context`]). A refusal has the service's own wire form and AWS's own words ([`answer`]).
//! No LocalStack host name or header reaches a client, and no environment sees another's buckets.

mod answer;
mod context;
mod operation;
mod signature;
#[cfg(test)]
mod tests;

use super::{
    faults::{Faults, Strike},
    sessions::{Session, Sessions},
    upstream::{Answer, LocalStack},
};
use crate::{
    clock,
    event::{ANONYMOUS, ApiCall, Decision, Outcome, What, emit},
    fault::Service,
    policies::{Account, Decided},
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
    account: Arc<Account>,
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

/// A call of a known caller on its way.
struct Call<'c> {
    received: &'c Received,
    operation: &'c Operation,
    caller: &'c Caller,
    request_id: &'c str,
    /// What else was decided for it.
    further: Vec<Decision>,
}

/// What became of a call.
struct Settled {
    session: Option<Session>,
    decision: Decision,
    further: Vec<Decision>,
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
        account: &Arc<Account>,
        sessions: Arc<Sessions>,
        localstack: LocalStack,
        faults: Arc<Faults>,
    ) -> Self {
        let account = Arc::clone(account);
        Self { world, account, sessions, localstack, secrets: Mutex::default(), created: Mutex::default(), faults }
    }

    /// Answers one call and writes it down.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let (response, call) = self.serve(request, peer).await;
        emit(What::Api(Box::new(call)));
        response
    }

    async fn serve(&self, request: Request<Incoming>, peer: IpAddr) -> (Response<Full<Bytes>>, ApiCall) {
        let event_time = clock::timestamp();
        let received = Received::read(request, peer).await;
        let operation = Operation::of(&received, &self.world);
        let request_id = answer::request_id(operation.protocol);
        let Settled { session, decision, further, result } = self.settle(&received, &operation, &request_id).await;
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
        let call = ApiCall {
            event_time,
            event_source: format!("{}.amazonaws.com", operation.service),
            event_name: operation.name,
            aws_region: operation.region,
            source_ip_address: peer.to_string(),
            user_agent: received.header("user-agent").to_owned(),
            user_identity: session.as_ref().map_or(Value::Null, |session| self.identity(session)),
            request_parameters: operation.parameters,
            error_code,
            error_message,
            request_id,
            status: response.status().as_u16(),
            decision,
            further,
        };
        (response, call)
    }

    async fn settle(&self, received: &Received, operation: &Operation, request_id: &str) -> Settled {
        let undecided = |principal: &str, outcome, session, refusal| Settled {
            session,
            decision: Decision { outcome, ..Decision::asked(principal, &operation.action, &operation.resource) },
            further: Vec::new(),
            result: Err(refusal),
        };
        let caller = match signature::verify(received, operation, &self.sessions) {
            Ok(caller) => caller,
            Err(refusal) => return undecided(ANONYMOUS, Outcome::Unauthenticated, None, refusal),
        };
        if operation.answerer == Answerer::Unknown {
            let (principal, refusal) = (self.principal(&caller.session), Refusal::unknown_operation(operation));
            return undecided(&principal, Outcome::ImplicitlyDenied, Some(caller.session), refusal);
        }
        let target = self.target(operation).await;
        let asked = self.question(received, operation, &target.resource, &caller.session);
        let decided = self.account.decide(asked, &[]);
        let mut call = Call { received, operation, caller: &caller, request_id, further: Vec::new() };
        let result = match self.struck(operation).await {
            Some(result) => result,
            None => self.carry_out(&mut call, &target, &decided).await,
        };
        let further = call.further;
        Settled { session: Some(caller.session), decision: decided.decision, further, result }
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

    /// Does what was asked, as far as it was decided to be allowed and this environment has it.
    async fn carry_out(&self, call: &mut Call<'_>, target: &Target, decided: &Decided) -> Result<Answer, Refusal> {
        let Call { received, operation, caller, request_id, .. } = *call;
        if !decided.decision.is_allowed() {
            return Err(Refusal::denied(operation, decided));
        }
        let principal = &decided.decision.principal;
        if operation.secret.is_some() && !target.exists {
            return Err(Refusal::no_such_secret());
        }
        self.here(operation, caller)?;
        match operation.answerer {
            Answerer::Gate if operation.name == "GetCallerIdentity" => {
                return Ok(answer::caller_identity(&self.identity(&caller.session), request_id));
            }
            // No role of this environment trusts another role.
            Answerer::Gate => return Err(Refusal::foreign(operation, principal)),
            Answerer::LocalStack => {}
            Answerer::Nobody | Answerer::Unknown => return Err(Refusal::unknown_operation(operation)),
        }
        let answer = self.forward(received, operation).await?;
        if operation.action == "s3:GetObject" && answer::lacks_the_key(&answer) {
            self.may_list(call, &decided.decision)?;
        }
        self.remember(operation, &answer);
        Ok(answer)
    }

    /// S3 says 403 instead of 404 for a missing object to those who may not list the bucket.
    fn may_list(&self, call: &mut Call<'_>, read: &Decision) -> Result<(), Refusal> {
        let listing = call.operation.listing();
        let (action, resource) = (listing.action.clone(), listing.resource.clone());
        let decided = self.account.decide(Decision { action, resource, ..read.clone() }, &[]);
        call.further.push(decided.decision.clone());
        if decided.decision.is_allowed() { Ok(()) } else { Err(Refusal::denied(&listing, &decided)) }
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

/// Whether an id that a caller uses stands for the secret with this ARN: its name, its ARN, or that without the suffix.
fn names(id: &str, arn: &str) -> bool {
    let without_suffix = arn.rsplit_once('-').map_or(arn, |(start, _)| start);
    !id.starts_with("arn:") || id == arn || id == without_suffix
}
