//! The IoT credentials provider: `GET /role-aliases/ALIAS/credentials` over mutual TLS.
//!
//! Answers and their order are those that `aws-iot-core-credential-provider-session-helper` records: the permission is
//! checked before the alias exists.

use super::{certificate_id, sessions::Sessions};
use crate::{
    clock,
    event::{What, emit},
    world::World,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, header::HeaderName};
use iam::{Document, Kind};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

const THING_NAME: HeaderName = HeaderName::from_static("x-amzn-iot-thingname");

/// The provider of one environment.
pub(super) struct Provider {
    world: Arc<World>,
    sessions: Arc<Sessions>,
    /// Id of the registered certificate.
    registered: String,
    policies: Vec<(String, Document)>,
    trusts: BTreeMap<String, Document>,
}

/// A refusal: status, `x-amzn-ErrorType` where AWS is known to send it, message.
struct Refusal(u16, Option<&'static str>, &'static str);

impl Provider {
    pub(super) fn new(world: Arc<World>, sessions: Arc<Sessions>) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(world.thing.certificate.as_bytes())
            .map_err(|error| format!("reading the device certificate: {error}"))?;
        let mut policies = Vec::new();
        for (name, policy) in &world.thing.policies {
            let document =
                Document::read(policy, Kind::Iot).map_err(|error| format!("IoT policy `{name}`: {error}"))?;
            policies.push((name.clone(), document));
        }
        let mut trusts = BTreeMap::new();
        for (name, role) in &world.roles {
            let document =
                Document::read(&role.trust, Kind::Trust).map_err(|error| format!("trust of `{name}`: {error}"))?;
            trusts.insert(name.clone(), document);
        }
        Ok(Self { registered: certificate_id(&certificate), world, sessions, policies, trusts })
    }

    /// Answers one request of the holder of a certificate.
    pub(super) fn answer<B>(&self, request: &Request<B>, certificate: Option<&[u8]>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let Some(alias) = path.strip_prefix("/role-aliases/").and_then(|rest| rest.strip_suffix("/credentials")) else {
            return respond(404, None, &json!({ "message": "Not Found" }).to_string());
        };
        let thing = request.headers().get(THING_NAME).and_then(|value| value.to_str().ok());
        let result = self.credentials(alias, thing, certificate);
        let (status, message) = match &result {
            Ok(_) => (200, None),
            Err(Refusal(status, _, message)) => (*status, Some((*message).to_owned())),
        };
        emit(What::Credentials { alias: alias.to_owned(), thing: thing.map(str::to_owned), status, message });
        match result {
            Ok(body) => respond(200, None, &body),
            Err(Refusal(status, kind, message)) => respond(status, kind, &json!({ "message": message }).to_string()),
        }
    }

    /// Answers one request wrongly, as a fault wants it.
    pub(super) fn failing<B>(request: &Request<B>, status: u16, body: Option<String>) -> Response<Full<Bytes>> {
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
        emit(What::Credentials { alias: alias.to_owned(), thing, status, message: message.clone() });
        respond(status, None, &body.unwrap_or_else(|| json!({ "message": message }).to_string()))
    }

    fn credentials(&self, alias: &str, thing: Option<&str>, certificate: Option<&[u8]>) -> Result<String, Refusal> {
        let holder = certificate.map(certificate_id);
        if holder.as_deref() != Some(self.registered.as_str()) {
            return Err(Refusal(403, Some("AccessDeniedException"), "Certificate is invalid on this endpoint"));
        }
        if thing.is_some_and(|thing| thing != self.world.thing.name) {
            return Err(Refusal(403, None, "Invalid thing name passed"));
        }
        let World { region, account, .. } = &*self.world;
        let resource = format!("arn:aws:iot:{region}:{account}:rolealias/{alias}");
        let policies: Vec<_> = self.policies.iter().map(|(name, policy)| (name.as_str(), policy)).collect();
        let request = iam::Request::new("iot:AssumeRoleWithCertificate", &resource);
        if !iam::iot::evaluate(&policies, &request).is_allowed() {
            return Err(Refusal(403, None, "Access Denied"));
        }
        let alias = self.world.role_aliases.get(alias).ok_or(Refusal(404, None, "Role alias does not exist"))?;
        let refused = || Refusal(400, None, "Unable to assume the role, or the role to assume does not exist");
        let role = self.world.roles.get(&alias.role).ok_or_else(refused)?;
        let trust = self.trusts.get(&alias.role).ok_or_else(refused)?;
        // The first two are what AWS's guide against the confused deputy tells trust policies to ask for.
        let request = iam::Request::new("sts:AssumeRole", &alias.role)
            .with("aws:SourceArn", resource)
            .with("aws:SourceAccount", account.as_str())
            .with("credentials-iot:AwsCertificateId", self.registered.as_str());
        if !iam::trusts_service(trust, "credentials.iot.amazonaws.com", &request) {
            return Err(refused());
        }
        if alias.duration_seconds > role.max_session_seconds {
            let message = "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role";
            return Err(Refusal(400, None, message));
        }
        let session = self.sessions.issue(&alias.role, &self.registered, thing, alias.duration_seconds);
        let credentials = json!({ "credentials": {
            "accessKeyId": session.key,
            "secretAccessKey": session.secret,
            "sessionToken": session.token,
            "expiration": clock::seconds(session.expires),
        }});
        Ok(credentials.to_string())
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
