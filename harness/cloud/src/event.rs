//! What a cloud container saw, one JSON object a line on its standard output.
//!
//! The harness follows the container's log and reads these lines back; they are the evidence of the AWS side and of
//! the internet side. Nothing but events goes to standard output; diagnostics go to standard error.

mod decision;

pub use decision::{ANONYMOUS, Decision, Outcome};

use crate::fleet::CoreDevice;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{io::Write, net::IpAddr};

/// One observation with its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When it was seen: RFC 3339, UTC, milliseconds.
    pub time: String,
    /// The address of who caused it, where nothing else of it says who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// What was seen.
    #[serde(flatten)]
    pub what: What,
}

impl What {
    /// What an undelivered message is for a person; nothing for anything else.
    #[must_use]
    pub fn oversize(&self) -> Option<String> {
        let Self::Oversize { client, topic, bytes, limit } = self else { return None };
        Some(format!("`{client}` was not sent `{topic}`: {bytes} bytes, and it takes at most {limit}"))
    }

    /// What was wanted of AWS or of GitHub that is not emulated, for a person; nothing for anything else.
    #[must_use]
    pub fn unsupported(&self) -> Option<String> {
        match self {
            Self::Api(call) if call.not_emulated && !call.is_of_a_person() => {
                Some(format!("{} of {} is not emulated", call.event_name, call.event_source))
            }
            other => crate::github::unsupported(other),
        }
    }
}

/// The kinds of observation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// The role listens on all its ports and its seeds are in place.
    Ready,
    /// The role can't go on; the harness ends the run as its own fault.
    Failed {
        /// Why, for a person.
        reason: String,
    },
    /// A DNS question.
    Dns {
        /// The name asked, lower case, without the final dot.
        name: String,
        /// The record type, such as `A`.
        record: String,
        /// The address answered; absent for NXDOMAIN or an empty answer.
        answer: Option<String>,
    },
    /// A fault that is on purpose struck.
    Fault {
        /// Its name, such as `s3.503`.
        name: String,
        /// What it is about, such as a host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<String>,
    },
    /// A message that was not delivered, since its packet is larger than the client takes.
    Oversize {
        /// The client id.
        client: String,
        /// The message's topic.
        topic: String,
        /// Bytes of the packet.
        bytes: usize,
        /// The client's Maximum Packet Size.
        limit: usize,
    },
    /// A connection to an address that no name of this world resolves to.
    RawAddress {
        /// `address:port`.
        destination: String,
    },
    /// A call to an AWS API, shaped like a CloudTrail record.
    Api(Box<ApiCall>),
    /// A request to the IoT credentials provider.
    Credentials {
        /// The role alias asked for.
        alias: String,
        /// The `x-amzn-iot-thingname` header, if sent.
        thing: Option<String>,
        /// HTTP status answered.
        status: u16,
        /// The error's message, if it was refused.
        message: Option<String>,
        /// `iot:AssumeRoleWithCertificate`, if the certificate's policies were asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<Box<Decision>>,
        /// `sts:AssumeRole` by the provider itself, if the role's trust policy was asked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        further: Vec<Decision>,
    },
    /// An MQTT packet that had to be allowed: CONNECT, PUBLISH, SUBSCRIBE, or what is delivered.
    Mqtt {
        /// The client id.
        client: String,
        /// The IoT action: `iot:Connect`, `iot:Publish`, `iot:RetainPublish`, `iot:Subscribe` or `iot:Receive`.
        action: String,
        /// The client id, topic or topic filter.
        resource: String,
        /// Whether it was allowed.
        allowed: bool,
        /// The decision of the certificate's policies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<Box<Decision>>,
    },
    /// An MQTT connection ended.
    MqttClosed {
        /// The client id.
        client: String,
        /// Why.
        reason: String,
    },
    /// The status of a deployment on the device changed: of its IoT job execution, what the device reported in the
    /// shadow, or that a local deployment ended.
    Job {
        /// The deployment's id.
        deployment: String,
        /// The job's id; absent for a deployment to the thing and for a local one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        /// The thing, if it is another one than the environment's device.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thing: Option<String>,
        /// `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `REJECTED` or `CANCELED`.
        status: String,
        /// The device's `statusDetails`, as sent.
        details: Value,
        /// The deployment document, on the first event of a deployment only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        document: Option<Value>,
    },
    /// A group's job was given up, since its abort criteria were met. Things that had not been told of it never are.
    JobCanceled {
        /// The deployment's id.
        deployment: String,
        /// The job's id.
        job: String,
        /// Which criteria were met, for a person.
        reason: String,
    },
    /// A fleet status message of the device.
    Fleet {
        /// The message, as sent.
        message: Value,
    },
    /// What AWS knows of the core device after a fleet status message of it.
    CoreDevice(Box<CoreDevice>),
    /// A request to the Greengrass data plane.
    DataPlane {
        /// The operation, such as `ResolveComponentCandidates`.
        operation: String,
        /// What it was about (component or thing), for a person.
        subject: String,
        /// HTTP status answered.
        status: u16,
        /// The decision of the certificate's policies, if they were asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<Box<Decision>>,
    },
    /// A request to the git server.
    Git {
        /// HTTP method.
        method: String,
        /// Path and query.
        path: String,
        /// `OWNER/NAME`, if the path names one.
        repository: Option<String>,
        /// How the caller showed who it is.
        credential: Credential,
        /// HTTP status answered.
        status: u16,
    },
    /// A request to a package index.
    Index {
        /// The private index's host; absent for the public one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The path.
        path: String,
        /// How the caller of a private index showed who it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<Credential>,
        /// HTTP status answered.
        status: u16,
    },
}

/// How a git client authenticated; never the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// No `Authorization` header.
    None,
    /// A known token as the user name, with an empty password.
    TokenAsUser,
    /// A known token as the password.
    TokenAsPassword,
    /// A user and its password.
    Password,
    /// A JSON Web Token that a GitHub App signed.
    AppJwt,
    /// A deploy key, over SSH.
    DeployKey,
    /// Something that is no credential of this environment.
    Unknown,
}

/// One API call with the gate's decision. Field names are CloudTrail's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiCall {
    /// When the call arrived, RFC 3339.
    pub event_time: String,
    /// The service, such as `secretsmanager.amazonaws.com`.
    pub event_source: String,
    /// The operation, such as `GetSecretValue`.
    pub event_name: String,
    /// The region of the signature's scope.
    pub aws_region: String,
    /// The caller's address as AWS sees it, the site's public one.
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: String,
    /// The caller's `User-Agent`.
    pub user_agent: String,
    /// `{type, principalId, arn, accountId}`; null when the caller is unknown.
    pub user_identity: Value,
    /// The call's parameters that name what it is about (`secretId`, `bucketName`, `key`); never a secret's value.
    pub request_parameters: Value,
    /// AWS's error code, if the call was answered with one.
    pub error_code: Option<String>,
    /// AWS's error text.
    pub error_message: Option<String>,
    /// The request id answered.
    #[serde(rename = "requestID")]
    pub request_id: String,
    /// HTTP status answered.
    pub status: u16,
    /// Whether AWS could have answered it, and this world can't.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_emulated: bool,
    /// The gate's decision.
    pub decision: Decision,
    /// What else had to be decided for the answer, such as `kms:Decrypt` behind Secrets Manager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Decision>,
}

impl ApiCall {
    /// Whether a person's tools made it, as the account's operator, and no device.
    fn is_of_a_person(&self) -> bool {
        self.user_identity["type"] == "IAMUser"
    }

    /// All that was decided for it, its own action first.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        std::iter::once(&self.decision).chain(&self.further)
    }
}

/// Writes an event to standard output, with the current time.
///
/// # Panics
/// Never: an event always serialises. A closed standard output is ignored, since then nobody follows this container.
pub fn emit(what: What) {
    emit_from(None::<IpAddr>, what);
}

/// Writes an event that somebody at an address caused.
pub(crate) fn emit_from(from: impl Into<Option<IpAddr>>, what: What) {
    let event = Event { time: crate::clock::timestamp(), from: from.into(), what };
    let line = serde_json::to_string(&event).expect("an event always serialises");
    let mut out = std::io::stdout().lock();
    _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
