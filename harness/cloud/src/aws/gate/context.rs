//! Who the caller is to IAM, and the condition keys that AWS fills for it. What AWS leaves out is left out.

use super::{Call, Found, Gate, Received, operation::Operation, refusal::Refusal, signature::Caller};
use crate::{
    aws::{
        certificate_id,
        sessions::{Limit, Origin, Session},
    },
    clock,
    event::{ANONYMOUS, Decision},
    policies::{Decided, GREENGRASS},
    world::World,
};
use serde_json::{Value, json};

impl Gate {
    /// The call as policies see it.
    pub(super) fn question(
        &self,
        received: &Received,
        operation: &Operation,
        found: &Found,
        caller: &Caller,
    ) -> Decision {
        let mut asked = self
            .asks(caller, &operation.action, &operation.resource)
            .sent_to(&operation.region)
            .with("aws:SourceIp", self.world.public_address.to_string());
        for (header, key) in [("user-agent", "aws:UserAgent"), ("referer", "aws:Referer")] {
            let value = received.header(header);
            if !value.is_empty() {
                asked = asked.with(key, value);
            }
        }
        match operation.service.as_str() {
            "s3" => asked = self.of_s3(asked, received, caller),
            "kms" => asked = asked.with("kms:CallerAccount", self.world.account.as_str()),
            "sts" => asked = self.of_role(operation.assuming(asked)),
            "iam" => asked = self.of_role(asked),
            _ => {}
        }
        let of_resource = match found {
            Found::Secret(secret) => secret.keys().collect(),
            Found::Key(key) => key.keys.clone(),
            Found::Missing | Found::Nothing => Vec::new(),
        };
        let all = of_resource.into_iter().chain(operation.keys.clone());
        all.fold(asked, |asked, (key, value)| asked.with(key, value))
    }

    /// Who asks for an action on a resource, and when.
    pub(super) fn asks(&self, caller: &Caller, action: &str, resource: &str) -> Decision {
        let World { account, .. } = &*self.world;
        let owner = resource.split(':').nth(4).filter(|owner| !owner.is_empty()).unwrap_or(account);
        let asked = Decision::asked(self.principal(caller), action, resource).at(self.sessions.now()).owned_by(owner);
        match &caller.session {
            Some(session) if session.origin == Origin::Service => asked.by_service(GREENGRASS),
            Some(session) if session.origin == Origin::User => self.of_user(asked, session),
            Some(session) => self.of_session(asked, session),
            None => asked.with("aws:PrincipalType", "Anonymous").with("aws:PrincipalIsAWSService", "false"),
        }
    }

    /// A user's access key; what `sts:GetSessionToken` made of one besides says when, and that no MFA took part.
    fn of_user(&self, asked: Decision, session: &Session) -> Decision {
        let asked = asked
            .with("aws:PrincipalArn", self.session_arn(session))
            .with("aws:PrincipalAccount", self.world.account.as_str())
            .with("aws:PrincipalType", "User")
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:userid", user_id(session))
            .with("aws:username", session.name.as_str());
        if session.token.is_empty() {
            return asked;
        }
        asked.with("aws:TokenIssueTime", clock::seconds(session.issued)).with("aws:MultiFactorAuthPresent", "false")
    }

    fn of_session(&self, asked: Decision, session: &Session) -> Decision {
        let mut asked = asked
            .with("aws:PrincipalArn", self.role_arn(session))
            .with("aws:PrincipalAccount", self.world.account.as_str())
            .with("aws:PrincipalType", "AssumedRole")
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:userid", user_id(session))
            .with("aws:TokenIssueTime", clock::seconds(session.issued))
            .with("aws:MultiFactorAuthPresent", "false");
        asked.session = session.limits.iter().map(|limit| limit.text.clone()).collect();
        if let Origin::Certificate { thing } = &session.origin {
            asked = asked.with("credentials-iot:AwsCertificateId", session.name.as_str());
            if let Some(thing) = thing {
                asked = asked.with("credentials-iot:ThingName", thing.as_str());
            }
        }
        if let Some(identity) = &session.source_identity {
            asked = asked.with("aws:SourceIdentity", identity.as_str());
        }
        // A session's own tags come before those of its role, whose names differ in letter case at most.
        let own = |name: &str| session.tags.keys().any(|own| own.eq_ignore_ascii_case(name));
        let account = self.account();
        let of_role = account.role_named(&session.role).into_iter().flat_map(|role| &role.tags);
        let tags = of_role.filter(|(name, _)| !own(name)).chain(&session.tags);
        tags.fold(asked, |asked, (name, value)| asked.with(format!("aws:PrincipalTag/{name}"), value.as_str()))
    }

    fn of_s3(&self, asked: Decision, received: &Received, caller: &Caller) -> Decision {
        let mut asked = asked.with("s3:ResourceAccount", self.world.account.as_str());
        if let Some(version) = received.peer.tls {
            asked = asked.with("s3:TlsVersion", version);
        }
        if caller.session.is_none() {
            return asked;
        }
        asked
            .with("s3:authType", if caller.presigned { "REST-QUERY-STRING" } else { "REST-HEADER" })
            .with("s3:signatureversion", "AWS4-HMAC-SHA256")
            .with("s3:signatureAge", caller.age.whole_milliseconds().max(0).to_string())
    }

    /// The tags of the role that is asked for.
    fn of_role(&self, asked: Decision) -> Decision {
        let account = self.account();
        let role = asked.resource.rsplit('/').next().and_then(|name| account.role_named(name));
        let tags = role.into_iter().flat_map(|role| &role.tags);
        tags.fold(asked, |asked, (name, value)| {
            let asked = asked.with(format!("aws:ResourceTag/{name}"), value.as_str());
            asked.with(format!("iam:ResourceTag/{name}"), value.as_str())
        })
    }

    /// Decides what a caller asks.
    pub(super) fn decide(&self, caller: &Caller, asked: Decision) -> Decided {
        let limits = caller.session.as_ref().map(|session| session.limits.as_slice()).unwrap_or_default();
        let limits: Vec<_> = limits.iter().map(|Limit { policy, .. }| policy.clone()).collect();
        self.inventory.decide(asked, &limits)
    }

    /// Decides what a call needs besides, and writes it down with it.
    pub(super) fn further(&self, call: &mut Call<'_>, asked: Decision) -> Decided {
        let decided = self.decide(call.caller, asked);
        call.further.push(decided.decision.clone());
        decided
    }

    /// Who a caller is to policies.
    pub(super) fn principal(&self, caller: &Caller) -> String {
        match &caller.session {
            None => ANONYMOUS.to_owned(),
            Some(session) if session.origin == Origin::Service => GREENGRASS.to_owned(),
            Some(session) => self.session_arn(session),
        }
    }

    fn role_arn(&self, session: &Session) -> String {
        let account = self.account();
        let path = account.role_named(&session.role).map_or("/", |role| role.path.as_str());
        format!("arn:aws:iam::{}:role{path}{}", self.world.account, session.role)
    }

    fn session_arn(&self, session: &Session) -> String {
        if session.origin == Origin::User {
            return format!("arn:aws:iam::{}:user/{}", self.world.account, session.name);
        }
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.world.account, session.role, session.name)
    }

    /// The caller as CloudTrail shows it.
    pub(super) fn user_identity(&self, caller: &Caller) -> Value {
        match &caller.session {
            None => json!({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}),
            Some(session) if session.origin == Origin::Service => {
                json!({"type": "AWSService", "invokedBy": GREENGRASS})
            }
            Some(session) => self.identity(session),
        }
    }

    /// A role session, or a user, as CloudTrail shows it.
    pub(super) fn identity(&self, session: &Session) -> Value {
        let World { account, .. } = &*self.world;
        if session.origin == Origin::User {
            return json!({
                "type": "IAMUser",
                "principalId": user_id(session),
                "arn": self.session_arn(session),
                "accountId": account,
                "accessKeyId": session.key,
                "userName": session.name,
            });
        }
        json!({
            "type": "AssumedRole",
            "principalId": user_id(session),
            "arn": self.session_arn(session),
            "accountId": account,
            "accessKeyId": session.key,
            "sessionContext": {"sessionIssuer": {
                "type": "Role",
                "principalId": role_id(&session.role),
                "arn": self.role_arn(session),
                "accountId": account,
                "userName": session.role,
            }},
        })
    }

    /// Who the caller is, which STS tells whatever the policies say.
    pub(super) fn who(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        let session = call.caller.session.as_ref().filter(|session| session.origin != Origin::Service);
        session.map(|session| self.identity(session)).ok_or_else(|| Refusal::unknown_operation(call.operation))
    }
}

fn user_id(session: &Session) -> String {
    match session.origin {
        Origin::User => unique_id("AIDA", &session.name),
        _ => format!("{}:{}", role_id(&session.role), session.name),
    }
}

fn role_id(role: &str) -> String {
    unique_id("AROA", role)
}

/// The unique id of a role or a user: its kind and 17 characters that depend on its name only.
fn unique_id(kind: &str, name: &str) -> String {
    let id = certificate_id(name.as_bytes()).to_ascii_uppercase();
    format!("{kind}{}", &id[..17])
}
