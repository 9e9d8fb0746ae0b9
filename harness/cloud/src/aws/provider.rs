//! The IoT credentials provider: `GET /role-aliases/ALIAS/credentials` over mutual TLS.
//!
//! Answers and their order are those that `aws-iot-core-credential-provider-session-helper` records: the permission is
//! checked before the alias exists.

use super::{
    inventory::Inventory,
    iot::{Registry, Stranger},
    sessions::{Session, Sessions},
};
use crate::{
    clock,
    event::{Decision, What, emit},
    fault::{Service, Special},
    faults::{Faults, PAGE, Strike},
    policies::CREDENTIALS_PROVIDER,
    world::World,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, header::HeaderName};
use serde_json::json;
use std::sync::Arc;
use time::Duration;

const THING_NAME: HeaderName = HeaderName::from_static("x-amzn-iot-thingname");

/// The provider of one environment.
pub(super) struct Provider {
    world: Arc<World>,
    sessions: Arc<Sessions>,
    account: Arc<Inventory>,
    registry: Arc<Registry>,
    faults: Arc<Faults>,
}

/// What was decided on the way to an answer.
#[derive(Default)]
struct Decided {
    /// `iot:AssumeRoleWithCertificate` by the certificate.
    alias: Option<Decision>,
    /// `sts:AssumeRole` by the provider.
    role: Option<Decision>,
}

/// A refusal: status, `x-amzn-ErrorType` where AWS is known to send it, message.
struct Refusal(u16, Option<&'static str>, &'static str);

impl Provider {
    pub(super) fn new(
        world: Arc<World>,
        account: Arc<Inventory>,
        registry: Arc<Registry>,
        sessions: Arc<Sessions>,
        faults: Arc<Faults>,
    ) -> Self {
        Self { world, sessions, account, registry, faults }
    }

    /// Answers one request as it comes, rightly or as a fault wants it.
    pub(super) async fn serve<B>(&self, request: &Request<B>, certificate: Option<&[u8]>) -> Response<Full<Bytes>> {
        match self.faults.strike(Service::Provider, "").await {
            Some(Strike::Status(status, body)) => Self::failing(request, status, body),
            Some(Strike::Page) => Self::failing(request, 200, Some(PAGE.to_owned())),
            _ => self.answer(request, certificate),
        }
    }

    /// Answers one request of the holder of a certificate, and writes it down.
    pub(super) fn answer<B>(&self, request: &Request<B>, certificate: Option<&[u8]>) -> Response<Full<Bytes>> {
        let (response, seen) = self.answered(request, certificate);
        if let Some(seen) = seen {
            emit(seen);
        }
        response
    }

    fn answered<B>(&self, request: &Request<B>, certificate: Option<&[u8]>) -> (Response<Full<Bytes>>, Option<What>) {
        let path = request.uri().path();
        let Some(alias) = path.strip_prefix("/role-aliases/").and_then(|rest| rest.strip_suffix("/credentials")) else {
            return (respond(404, None, &json!({ "message": "Not Found" }).to_string()), None);
        };
        let thing = request.headers().get(THING_NAME).and_then(|value| value.to_str().ok());
        let mut decided = Decided::default();
        let result = self.credentials(alias, thing, certificate, &mut decided);
        let (status, message) = match &result {
            Ok(_) => (200, None),
            Err(Refusal(status, _, message)) => (*status, Some((*message).to_owned())),
        };
        let seen = What::Credentials {
            alias: alias.to_owned(),
            thing: thing.map(str::to_owned),
            status,
            message,
            decision: decided.alias.map(Box::new),
            further: decided.role.into_iter().collect(),
        };
        let response = match result {
            Ok(body) => respond(200, None, &body),
            Err(Refusal(status, kind, message)) => respond(status, kind, &json!({ "message": message }).to_string()),
        };
        (response, Some(seen))
    }

    /// Answers one request wrongly, as a fault wants it.
    fn failing<B>(request: &Request<B>, status: u16, body: Option<String>) -> Response<Full<Bytes>> {
        let message = match status {
            400 => "Unable to assume the role, or the role to assume does not exist",
            403 => "Access Denied",
            404 => "Role alias does not exist",
            429 => "Too Many Requests",
            _ => "Internal Server Error",
        };
        let alias = request.uri().path().trim_start_matches("/role-aliases/").trim_end_matches("/credentials");
        let thing = request.headers().get(THING_NAME).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let message = Some(body.clone().unwrap_or_else(|| message.to_owned()));
        emit(What::Credentials {
            alias: alias.to_owned(),
            thing,
            status,
            message: message.clone(),
            decision: None,
            further: Vec::new(),
        });
        respond(status, None, &body.unwrap_or_else(|| json!({ "message": message }).to_string()))
    }

    fn credentials(
        &self,
        alias: &str,
        thing: Option<&str>,
        certificate: Option<&[u8]>,
        decided: &mut Decided,
    ) -> Result<String, Refusal> {
        let holder = self.registry.holder(certificate).map_err(|stranger| match stranger {
            Stranger::Unknown => Refusal(403, Some("AccessDeniedException"), "Certificate is invalid on this endpoint"),
            Stranger::Inactive => Refusal(403, None, "Access Denied"),
        })?;
        if thing.is_some_and(|thing| !self.registry.is_attached(thing, &holder)) {
            return Err(Refusal(403, None, "Invalid thing name passed"));
        }
        let World { region, account, .. } = &*self.world;
        let resource = format!("arn:aws:iot:{region}:{account}:rolealias/{alias}");
        let decision = self.registry.decide(&holder, "iot:AssumeRoleWithCertificate", &resource);
        if !decided.alias.insert(decision).may_go_on() {
            return Err(Refusal(403, None, "Access Denied"));
        }
        let alias = self.registry.alias(alias).ok_or(Refusal(404, None, "Role alias does not exist"))?;
        let refused = || Refusal(400, None, "Unable to assume the role, or the role to assume does not exist");
        let policies = self.account.account();
        let (role, longest) = policies.role(&alias.role).ok_or_else(refused)?;
        // The sources are what AWS's guide against the confused deputy tells trust policies to ask for.
        let asked = Decision::asked(CREDENTIALS_PROVIDER, "sts:AssumeRole", alias.role.as_str())
            .at(self.sessions.now())
            .owned_by(account)
            .sent_to(region)
            .by_service(CREDENTIALS_PROVIDER)
            .with("aws:SourceArn", resource)
            .with("aws:SourceAccount", account.as_str())
            .with("credentials-iot:AwsCertificateId", holder.id());
        if !decided.role.insert(self.account.decide(asked, &[]).decision).may_go_on() {
            return Err(refused());
        }
        if alias.seconds > longest {
            let message = "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role";
            return Err(Refusal(400, None, message));
        }
        let session = self.sessions.issue(self.session(Session::of_device(role, holder.id(), thing, alias.seconds)));
        let credentials = json!({ "credentials": {
            "accessKeyId": session.key,
            "secretAccessKey": session.secret,
            "sessionToken": session.token,
            "expiration": clock::seconds(session.expires),
        }});
        Ok(credentials.to_string())
    }

    /// The session, with an end as a fault wants it.
    fn session(&self, session: Session) -> Session {
        /// How long ago what has expired already did.
        const OVER: Duration = Duration::minutes(5);
        let life = self.faults.special(Special::ProviderShort, "").and_then(|fault| fault.amount);
        let over = self.faults.special(Special::ProviderExpired, "").map(|_| -OVER);
        let left = over.or(life.map(Duration::seconds));
        Session { expires: left.map_or(session.expires, |left| session.issued + left), ..session }
    }
}

fn respond(status: u16, kind: Option<&str>, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    if let Some(kind) = kind {
        response = response.header("x-amzn-errortype", kind);
    }
    response.body(Full::from(body.to_owned())).expect("a status and fixed headers make a response")
}

#[cfg(test)]
mod tests;
