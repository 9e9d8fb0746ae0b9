//! The gate: every AWS API call of the device, identified, decided, forwarded to LocalStack or refused, written down.
//!
//! Who: SigV4 with credentials that the credentials provider issued ([`signature`]). What: the operation and the
//! resource that IAM authorises it on ([`operation`]). Whether: the role's identity policies. A refusal has the
//! service's own wire form and AWS's own words ([`answer`]). No LocalStack host name, id or header reaches a client.

mod answer;
mod operation;
mod signature;

use super::{
    sessions::{Session, Sessions},
    upstream::{Answer, LocalStack},
};
use crate::{
    clock,
    event::{ApiCall, Decision, Outcome, What, emit},
    world::World,
};
use answer::Refusal;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use iam::Document;
use operation::Operation;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// The gate of one environment.
pub(super) struct Gate {
    world: Arc<World>,
    sessions: Arc<Sessions>,
    localstack: LocalStack,
    roles: HashMap<String, Vec<(String, Document)>>,
    /// Full ARNs of secrets by the name that callers use.
    secrets: Mutex<HashMap<String, String>>,
}

/// A request, read whole.
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What became of a call.
struct Settled {
    response: Response<Full<Bytes>>,
    decision: Decision,
    session: Option<Session>,
    error: Option<(String, String)>,
}

impl Gate {
    pub(super) fn new(world: Arc<World>, sessions: Arc<Sessions>, localstack: LocalStack) -> Result<Self, String> {
        let mut roles = HashMap::new();
        for (name, role) in &world.roles {
            let mut policies = Vec::new();
            for (policy, document) in &role.policies {
                let document = Document::parse(document).map_err(|error| format!("policy `{policy}`: {error}"))?;
                policies.push((policy.clone(), document));
            }
            roles.insert(name.clone(), policies);
        }
        Ok(Self { world, sessions, localstack, roles, secrets: Mutex::default() })
    }

    /// Answers one call.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let (event_time, request_id) = (clock::timestamp(), uuid::Uuid::new_v4().to_string());
        let (parts, body) = request.into_parts();
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = parts.uri.host().unwrap_or_else(|| text(HOST)).to_ascii_lowercase();
        let received = Received {
            host: host.split(':').next().unwrap_or_default().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            body: body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
            headers: parts.headers,
        };
        let operation = Operation::of(&received, &self.world);
        let settled = self.settle(&received, &operation, peer, &request_id).await;
        let (error_code, error_message) = settled.error.clone().unzip();
        emit(What::Api(Box::new(ApiCall {
            event_time,
            event_source: format!("{}.amazonaws.com", operation.service),
            event_name: operation.name.clone(),
            aws_region: self.world.region.clone(),
            source_ip_address: peer.to_string(),
            user_agent: received.header("user-agent").to_owned(),
            user_identity: settled.session.as_ref().map_or(Value::Null, |session| self.identity(session)),
            request_parameters: operation.parameters.clone(),
            error_code,
            error_message,
            request_id,
            status: settled.response.status().as_u16(),
            decision: settled.decision,
        })));
        settled.response
    }

    async fn settle(&self, received: &Received, operation: &Operation, peer: IpAddr, request_id: &str) -> Settled {
        let refuse = |refusal: Refusal, outcome, statement, session| Settled {
            response: refusal.response(operation, &received.method, request_id),
            decision: Decision {
                action: operation.action.clone(),
                resource: operation.resource.clone(),
                outcome,
                statement,
            },
            session,
            error: Some((refusal.code.clone(), refusal.message.clone())),
        };
        let session = match signature::verify(received, operation, &self.sessions) {
            Ok(session) => session,
            Err(refusal) => return refuse(refusal, Outcome::Unauthenticated, None, None),
        };
        let resource = self.resource(operation).await;
        let request = self.request(received, operation, &resource, &session, peer);
        let policies = self.roles.get(&session.role).map(Vec::as_slice).unwrap_or_default();
        let policies: Vec<_> = policies.iter().map(|(name, document)| (name.as_str(), document)).collect();
        let decided = iam::evaluate(&policies, &request);
        let statement = decided.statement.as_ref().map(ToString::to_string);
        let outcome = match decided.outcome {
            iam::Outcome::Allowed => Outcome::Allowed,
            iam::Outcome::ImplicitlyDenied => Outcome::ImplicitlyDenied,
            iam::Outcome::ExplicitlyDenied => Outcome::ExplicitlyDenied,
        };
        if outcome != Outcome::Allowed {
            let refusal = Refusal::denied(operation, &self.session_arn(&session), outcome);
            return refuse(refusal, outcome, statement, Some(session));
        }
        if let Some(refusal) = self.not_here(operation) {
            return refuse(refusal, outcome, statement, Some(session));
        }
        let decision = Decision { action: operation.action.clone(), resource, outcome, statement };
        match self.perform(received, operation, &session, request_id).await {
            Ok(response) => {
                let error = answer::error_of(&response, operation);
                let error = self.unlisted(operation, &session, &policies, error);
                if let Some(refusal) = error.1 {
                    return refuse(refusal, outcome, decision.statement, Some(session));
                }
                Settled {
                    response: answer::passed_on(response, operation, request_id),
                    decision,
                    session: Some(session),
                    error: error.0,
                }
            }
            Err(reason) => {
                tracing::warn!(reason, "a call could not be served");
                refuse(Refusal::internal(), outcome, decision.statement, Some(session))
            }
        }
    }

    /// S3 says 403 instead of 404 for a missing object to those who may not list the bucket.
    fn unlisted(
        &self,
        operation: &Operation,
        session: &Session,
        policies: &[(&str, &Document)],
        error: Option<(String, String)>,
    ) -> (Option<(String, String)>, Option<Refusal>) {
        let (Some((code, _)), Some(bucket)) = (&error, &operation.bucket) else { return (error, None) };
        let list = iam::Request::new("s3:ListBucket", &format!("arn:aws:s3:::{bucket}"));
        if operation.action != "s3:GetObject" || code != "NoSuchKey" || iam::evaluate(policies, &list).is_allowed() {
            return (error, None);
        }
        let denied = Operation {
            action: "s3:ListBucket".into(),
            resource: format!("arn:aws:s3:::{bucket}"),
            shown: Some(format!("\"arn:aws:s3:::{bucket}\"")),
            ..operation.clone()
        };
        (error, Some(Refusal::denied(&denied, &self.session_arn(session), Outcome::ImplicitlyDenied)))
    }

    /// The resource's full ARN. A secret that does not exist is authorised on its name with a suffix of question
    /// marks, which policies with the usual wildcard suffix match.
    async fn resource(&self, operation: &Operation) -> String {
        let Some(id) = &operation.secret else { return operation.resource.clone() };
        if let Some(arn) = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return arn.clone();
        }
        let described = self.localstack.json("secretsmanager.DescribeSecret", &json!({ "SecretId": id })).await;
        let arn = described.ok().filter(|answer| answer.status.is_success()).and_then(|answer| {
            let body: Value = serde_json::from_slice(&answer.body).ok()?;
            body["ARN"].as_str().map(str::to_owned)
        });
        match arn {
            Some(arn) => {
                self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), arn.clone());
                arn
            }
            None if id.starts_with("arn:") => id.clone(),
            None => {
                let World { region, account, .. } = &*self.world;
                format!("arn:aws:secretsmanager:{region}:{account}:secret:{id}-??????")
            }
        }
    }

    /// A bucket that this environment does not have; LocalStack alone would show every environment's.
    fn not_here(&self, operation: &Operation) -> Option<Refusal> {
        let bucket = operation.bucket.as_ref()?;
        let ours = self.world.buckets.iter().any(|own| own.name == *bucket);
        (!ours).then(Refusal::no_such_bucket)
    }

    async fn perform(
        &self,
        received: &Received,
        operation: &Operation,
        session: &Session,
        request_id: &str,
    ) -> Result<Answer, String> {
        if operation.action == "sts:GetCallerIdentity" {
            return Ok(answer::caller_identity(&self.identity(session), request_id));
        }
        let mut headers = received.headers.clone();
        for name in [AUTHORIZATION, HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        headers.remove("x-amz-security-token");
        headers.remove("accept-encoding");
        let target = operation.target(received);
        let sent =
            self.localstack.send(&operation.service, received.method.clone(), &target, headers, received.body.clone());
        sent.await
    }

    /// The request with the context keys as AWS fills them.
    fn request(
        &self,
        received: &Received,
        operation: &Operation,
        resource: &str,
        session: &Session,
        peer: IpAddr,
    ) -> iam::Request {
        let World { region, account, .. } = &*self.world;
        let role_path = self.world.roles.get(&session.role).map_or("/", |role| role.path.as_str());
        let now = clock::now();
        let request = iam::Request::new(&operation.action, resource)
            .with("aws:PrincipalArn", format!("arn:aws:iam::{account}:role{role_path}{}", session.role))
            .with("aws:PrincipalAccount", account.as_str())
            .with("aws:PrincipalType", "AssumedRole")
            .with("aws:userid", format!("{}:{}", role_id(&session.role), session.name))
            .with("aws:SourceIp", peer.to_string())
            .with("aws:SecureTransport", "true")
            .with("aws:RequestedRegion", region.as_str())
            .with("aws:CurrentTime", clock::seconds(now))
            .with("aws:EpochTime", now.unix_timestamp().to_string())
            .with("aws:UserAgent", received.header("user-agent"))
            .with("aws:TokenIssueTime", clock::seconds(session.issued))
            .with("aws:ResourceAccount", account.as_str())
            .with("aws:ViaAWSService", "false")
            .with("credentials-iot:AwsCertificateId", session.name.as_str());
        let request = match &session.thing {
            Some(thing) => request.with("credentials-iot:ThingName", thing.as_str()),
            None => request,
        };
        let mut keys: BTreeMap<&str, String> = operation.keys.clone();
        if operation.service == "secretsmanager" && operation.secret.is_some() {
            keys.insert("secretsmanager:SecretId", resource.to_owned());
        }
        keys.into_iter().fold(request, |request, (key, value)| request.with(key, value))
    }

    fn session_arn(&self, session: &Session) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.world.account, session.role, session.name)
    }

    fn identity(&self, session: &Session) -> Value {
        json!({
            "type": "AssumedRole",
            "principalId": format!("{}:{}", role_id(&session.role), session.name),
            "arn": self.session_arn(session),
            "accountId": self.world.account,
        })
    }
}

/// The unique id of a role: `AROA` and 17 characters that depend on its name only.
fn role_id(role: &str) -> String {
    let id = super::certificate_id(role.as_bytes()).to_ascii_uppercase();
    format!("AROA{}", &id[..17])
}
