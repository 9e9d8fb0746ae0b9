//! The gate: every AWS API call of the device, identified, decided, forwarded to LocalStack or refused, written down.
//!
//! Who: `SigV4` with credentials that the credentials provider issued ([`signature`]). What: the operation and the
//! resource that IAM authorises it on ([`operation`]). Whether: every policy that bears on it ([`crate::policies`]), asked
//! with the condition keys that AWS fills ([`context`]). A refusal has the service's own wire form and AWS's own words ([`answer`]).
//! No LocalStack host name or header reaches a client, and no environment sees another's buckets.

mod answer;
mod assume;
mod buckets;
mod cache;
mod context;
mod keys;
mod objects;
mod operation;
mod received;
mod refusal;
mod secrets;
mod service;
mod signature;
mod struck;
#[cfg(test)]
mod tests;
mod uploads;
mod writes;

use super::{
    inventory::Inventory,
    limits::Limits,
    rest,
    sessions::Sessions,
    upstream::{Answer, LocalStack},
};
use crate::{
    clock,
    event::{ANONYMOUS, ApiCall, Decision, Outcome, What, emit_from},
    faults::Faults,
    policies::{Account, Decided},
    world::World,
};
use bytes::Bytes;
use cache::Cache;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING},
};
use keys::Key;
use operation::{Answerer, Operation};
pub(super) use received::Received;
use refusal::Refusal;
use secrets::Secret;
use serde_json::Value;
use signature::Caller;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use uploads::Uploads;

/// The gate of one environment.
pub(super) struct Gate {
    world: Arc<World>,
    sessions: Arc<Sessions>,
    localstack: LocalStack,
    inventory: Arc<Inventory>,
    secrets: Cache<Secret>,
    keys: Cache<Key>,
    uploads: Uploads,
    faults: Arc<Faults>,
    services: Services,
    limits: Limits,
}

/// The control plane: its services by the name that policies and signatures have for them.
pub(super) type Services = BTreeMap<&'static str, Arc<dyn rest::Service>>;

/// Where a call comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// The version of TLS that it speaks, such as `1.3`.
    pub(super) tls: Option<&'static str>,
    pub(super) door: Door,
}

/// How a call says which service it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// By the host name.
    Hosts,
    /// By the signature: it came to the endpoint.
    Endpoint,
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
    /// The caller as CloudTrail shows it; null for one that is not known.
    identity: Value,
    decision: Decision,
    further: Vec<Decision>,
    result: Result<Answer, Refusal>,
}

/// What LocalStack has of what an operation is on.
enum Found {
    /// It is nothing that has to be looked for.
    Nothing,
    /// There is no such secret or key.
    Missing,
    Secret(Arc<Secret>),
    Key(Arc<Key>),
}

impl Gate {
    pub(super) fn new(
        world: Arc<World>,
        inventory: Arc<Inventory>,
        sessions: Arc<Sessions>,
        localstack: LocalStack,
        faults: Arc<Faults>,
    ) -> Self {
        Self {
            world,
            inventory,
            sessions,
            localstack,
            secrets: Cache::default(),
            keys: Cache::default(),
            uploads: Uploads::default(),
            faults,
            services: Services::new(),
            limits: Limits::default(),
        }
    }

    /// The same gate before these services.
    pub(super) fn before(self, services: Services) -> Self {
        Self { services, ..self }
    }

    /// The same gate with these limits.
    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The account's policies as they are now.
    fn account(&self) -> Arc<Account> {
        self.inventory.account()
    }

    /// Answers one call and writes it down.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        let (response, call) = self.serve(request, peer).await;
        emit_from(peer.address, What::Api(Box::new(call)));
        response
    }

    async fn serve(&self, request: Request<Incoming>, peer: Peer) -> (Response<Full<Bytes>>, ApiCall) {
        let event_time = clock::timestamp();
        let received = Received::read(request, peer, &self.limits).await;
        let mut operation = Operation::of(&received, &self.world, &self.account(), &self.services);
        let request_id = answer::request_id(operation.protocol);
        let Settled { identity, decision, further, result } = self.settle(&received, &mut operation, &request_id).await;
        let not_emulated = result.as_ref().is_err_and(|refusal| refusal.not_emulated);
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
            source_ip_address: self.world.public_address.to_string(),
            user_agent: received.header("user-agent").to_owned(),
            user_identity: identity,
            request_parameters: operation.parameters,
            error_code,
            error_message,
            request_id,
            status: response.status().as_u16(),
            not_emulated,
            decision,
            further,
        };
        (response, call)
    }

    async fn settle(&self, received: &Received, operation: &mut Operation, request_id: &str) -> Settled {
        let undecided = |principal: &str, operation: &Operation, outcome, identity, refusal| Settled {
            identity,
            decision: Decision { outcome, ..Decision::asked(principal, &operation.action, &operation.resource) },
            further: Vec::new(),
            result: Err(refusal),
        };
        if let Some(excess) = received.excess {
            let refusal = Refusal::excess(operation.protocol, excess);
            return undecided(ANONYMOUS, operation, Outcome::Unauthenticated, Value::Null, refusal);
        }
        let caller = match signature::verify(received, operation, &self.sessions) {
            Ok(caller) => caller,
            Err(refusal) => return undecided(ANONYMOUS, operation, Outcome::Unauthenticated, Value::Null, refusal),
        };
        let identity = self.user_identity(&caller);
        let unasked = match operation.answerer {
            Answerer::Unreadable => Some(Refusal::unreadable(operation)),
            // AWS refuses it as well.
            Answerer::Unknown if caller.session.is_none() => Some(Refusal::no_credentials(operation.protocol)),
            Answerer::Unknown => Some(Refusal::unknown_operation(operation)),
            _ => None,
        };
        if let Some(refusal) = unasked {
            return undecided(&self.principal(&caller), operation, Outcome::Undecided, identity, refusal);
        }
        let found = self.locate(operation, &caller).await;
        let decided = self.decide(&caller, self.question(received, operation, &found, &caller));
        let mut call = Call { received, operation, caller: &caller, request_id, further: Vec::new() };
        let result = match self.struck(call.operation).await {
            Some(result) => result,
            None => self.carry_out(&mut call, &found, &decided).await,
        };
        Settled { identity, further: call.further, decision: decided.decision, result }
    }

    /// Looks for what an operation is on, and names it as IAM does. A secret that does not exist is authorised on its
    /// name with a suffix of question marks.
    async fn locate(&self, operation: &mut Operation, caller: &Caller) -> Found {
        if let Some(id) = &operation.secret {
            let Some(secret) = self.secret(&operation.region, id).await else { return Found::Missing };
            if self.hides(&secret) {
                return Found::Missing;
            }
            operation.resource.clone_from(&secret.arn);
            return Found::Secret(secret);
        }
        if let Some(id) = &operation.key_id {
            let Some(key) = self.key(&operation.region, id).await else { return Found::Missing };
            operation.resource.clone_from(&key.arn);
            operation.shown = Some(key.arn.clone());
            return Found::Key(key);
        }
        let version = operation.keys.get("s3:versionid").and_then(Value::as_str);
        let tags = self.existing_tags((&operation.action, &operation.resource), version, caller).await;
        operation.keys.extend(tags);
        Found::Nothing
    }

    /// Does what was asked, as far as it is here and was decided to be allowed.
    async fn carry_out(&self, call: &mut Call<'_>, found: &Found, decided: &Decided) -> Result<Answer, Refusal> {
        let operation = call.operation;
        self.here(operation, &call.caller.region)?;
        if operation.service == "kms" && matches!(found, Found::Missing) {
            return Err(self.no_such_key(call));
        }
        Self::may_be_assumed(operation)?;
        Self::fits(operation)?;
        if !decided.decision.may_go_on() {
            return Err(Refusal::denied(operation, decided));
        }
        self.besides(call, &decided.decision).await?;
        match operation.answerer {
            Answerer::Gate => return self.own_answer(call, &decided.decision),
            Answerer::Service => return self.of_service(call, &decided.decision).await,
            Answerer::LocalStack => {}
            Answerer::Nobody | Answerer::Unknown | Answerer::Unreadable => {
                // What is denied and was let through is nothing that AWS would have answered.
                let not_emulated = decided.decision.is_allowed();
                return Err(Refusal { not_emulated, ..Refusal::unknown_operation(operation) });
            }
        }
        match (found, operation.service.as_str()) {
            (Found::Missing, _) => return Err(Refusal::no_such_secret()),
            (Found::Secret(secret), _) => {
                self.not_deleted(operation, secret)?;
                self.unlock_secret(call, Some(secret)).await?;
            }
            (Found::Key(key), _) => self.usable(operation, key)?,
            (_, "secretsmanager") => self.unlock_secret(call, None).await?,
            (_, "s3") => {
                self.takes_acl(operation).await?;
                self.unlock_objects(call).await?;
            }
            _ => {}
        }
        self.prepare(operation, call.received).await?;
        let _writing = if writes::changes_roles(operation) { Some(self.inventory.writing().await) } else { None };
        let answer = self.forward(call.received, operation).await?;
        if operation.action == "s3:GetObject" && answer::lacks_the_key(&answer) {
            self.may_list(call, &decided.decision)?;
        }
        if operation.name == "GetObject" {
            self.unlock_object(call, &answer).await?;
        }
        self.remember(operation, &answer);
        self.reread(operation, &answer).await?;
        Ok(self.rotated(found, operation, answer))
    }

    /// What STS answers, whose sessions are the gate's.
    fn own_answer(&self, call: &mut Call<'_>, allowed: &Decision) -> Result<Answer, Refusal> {
        match call.operation.name.as_str() {
            "GetCallerIdentity" => Ok(answer::caller_identity(&self.who(call)?, call.request_id)),
            "AssumeRole" => self.assume(call, allowed),
            "GetSessionToken" => self.session_token(call),
            name => Err(Refusal::only_for_users(name)),
        }
    }

    async fn forward(&self, received: &Received, operation: &Operation) -> Result<Answer, Refusal> {
        let mut headers = received.headers.clone();
        for name in [AUTHORIZATION, HOST, CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING] {
            headers.remove(name);
        }
        headers.remove("x-amz-security-token");
        let source = operation.source.as_ref().and_then(|source| HeaderValue::from_str(&source.header()).ok());
        if let Some(source) = source {
            headers.insert("x-amz-copy-source", source);
        }
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

    /// Takes in what a call has changed.
    fn remember(&self, operation: &Operation, answer: &Answer) {
        if !operation.only_reads() {
            match operation.service.as_str() {
                "secretsmanager" => self.secrets.clear(),
                "kms" => self.keys.clear(),
                _ => {}
            }
        }
        if !answer.status.is_success() {
            return;
        }
        self.uploads.remember(operation, answer);
        match (&operation.bucket, operation.name.as_str()) {
            (Some(bucket), "CreateBucket") => self.inventory.add_bucket(bucket),
            (Some(bucket), "DeleteBucket") => self.inventory.remove_bucket(bucket),
            _ => {}
        }
    }
}
