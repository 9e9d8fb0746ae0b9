//! Who the caller is to IAM, and the condition keys that AWS fills for it.

use super::{Gate, Received, operation::Operation};
use crate::{
    aws::{
        certificate_id,
        sessions::{SERVICE, Session},
    },
    clock,
    event::Decision,
    policies::GREENGRASS,
    world::World,
};
use serde_json::{Value, json};

impl Gate {
    /// The request as policies see it.
    pub(super) fn question(
        &self,
        received: &Received,
        operation: &Operation,
        resource: &str,
        session: &Session,
    ) -> Decision {
        let World { account, .. } = &*self.world;
        let owner = resource.split(':').nth(4).filter(|owner| !owner.is_empty()).unwrap_or(account);
        let now = clock::now();
        let mut asked = Decision::asked(self.principal(session), &operation.action, resource)
            .with("aws:PrincipalArn", self.role_arn(session))
            .with("aws:PrincipalAccount", account.as_str())
            .with("aws:PrincipalType", "AssumedRole")
            .with("aws:userid", user_id(session))
            .with("aws:SourceIp", received.peer.to_string())
            .with("aws:SecureTransport", "true")
            .with("aws:RequestedRegion", operation.region.as_str())
            .with("aws:CurrentTime", clock::seconds(now))
            .with("aws:EpochTime", now.unix_timestamp().to_string())
            .with("aws:UserAgent", received.header("user-agent"))
            .with("aws:TokenIssueTime", clock::seconds(session.issued))
            .with("aws:ResourceAccount", owner)
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:ViaAWSService", "false")
            .with("credentials-iot:AwsCertificateId", session.name.as_str());
        if let Some(thing) = &session.thing {
            asked = asked.with("credentials-iot:ThingName", thing.as_str());
        }
        if operation.secret.is_some() {
            asked = asked.with("secretsmanager:SecretId", resource);
        }
        asked.resource_account = Some(owner.to_owned());
        operation.keys.iter().fold(asked, |asked, (key, value)| asked.with(*key, value.as_str()))
    }

    /// Who a session is to policies.
    pub(super) fn principal(&self, session: &Session) -> String {
        if session.role == SERVICE { GREENGRASS.to_owned() } else { self.session_arn(session) }
    }

    fn role_arn(&self, session: &Session) -> String {
        let path = self.world.roles.get(&session.role).map_or("/", |role| role.path.as_str());
        format!("arn:aws:iam::{}:role{path}{}", self.world.account, session.role)
    }

    fn session_arn(&self, session: &Session) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.world.account, session.role, session.name)
    }

    /// The caller as CloudTrail shows it.
    pub(super) fn identity(&self, session: &Session) -> Value {
        let World { account, .. } = &*self.world;
        if session.role == SERVICE {
            return json!({"type": "AWSService", "invokedBy": GREENGRASS});
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
}

fn user_id(session: &Session) -> String {
    format!("{}:{}", role_id(&session.role), session.name)
}

/// The unique id of a role: `AROA` and 17 characters that depend on its name only.
fn role_id(role: &str) -> String {
    let id = certificate_id(role.as_bytes()).to_ascii_uppercase();
    format!("AROA{}", &id[..17])
}
