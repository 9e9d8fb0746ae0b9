//! Orders to a role while it runs: what the account's owner would ask of AWS's control plane, and what shall go wrong.
//!
//! One order and one answer, each one line of JSON, on a connection to a Unix socket in the container. The device can't
//! reach it. [`ask`] is the client.

mod door;

pub(crate) use door::serve;

use crate::{
    fault::{Fault, Kind, Role},
    world::{Deployment, Policy},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, io, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// Where each role listens, in its own container.
pub const SOCKET: &str = "/run/greenproof/control.sock";

/// An order, such as `{"cancel": {"deployment": "ID"}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// `CreateDeployment`.
    Deploy(Deployment),
    /// `CancelDeployment`. A deployment that has ended, or was replaced, stays as it is.
    Cancel {
        /// The deployment's id.
        deployment: String,
    },
    /// Make something go wrong from now on.
    Fault(Fault),
    /// End a fault by its name, such as `s3.503`; one that is over already is no error.
    FaultEnd(String),
    /// Give a role, or the device's certificate, other policies.
    Policies(PolicyChange),
}

impl Control {
    /// Who carries it out.
    #[must_use]
    pub fn roles(&self) -> &'static [Role] {
        match self {
            Self::Fault(fault) => fault.kind.roles(),
            // What has no such name has no such fault either.
            Self::FaultEnd(name) => name.parse::<Kind>().map_or(&[Role::Aws, Role::Github], |kind| kind.roles()),
            _ => &[Role::Aws],
        }
    }
}

/// Policies in place of those that there are; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyChange {
    /// The role.
    pub role: String,
    /// Texts of its identity policies by name.
    pub policies: Option<BTreeMap<String, String>>,
    /// Its trust policy's text.
    pub trust: Option<String>,
    /// Its permissions boundary.
    pub boundary: Option<Policy>,
    /// Texts of the IoT policies attached to the certificate, by name.
    pub thing_policies: Option<BTreeMap<String, String>>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The deployment is on its way to the device.
    Deployed {
        /// Its id.
        deployment: String,
        /// The ARN of its revision.
        configuration_arn: String,
    },
    /// The deployment is cancelled.
    Canceled {
        /// Its id.
        deployment: String,
    },
    /// The fault is on.
    Faulty {
        /// Its name.
        name: String,
    },
    /// The policies count.
    Changed,
    /// The fault is off.
    Sound {
        /// Its name.
        name: String,
    },
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The role can't be reached.
    #[error("asking the cloud: {0}")]
    Io(#[from] io::Error),
    /// The role answered with something else than an answer.
    #[error("the cloud answered `{0}`")]
    Answer(String),
    /// AWS would refuse it.
    #[error("{0}")]
    Refused(String),
}

/// Sends an order to the role that listens on a socket and waits until it is carried out.
///
/// # Errors
/// When the role can't be reached or refuses the order.
pub async fn ask(socket: &Path, order: &Control) -> Result<Answer, Error> {
    ask_at(socket, order).await
}

/// Asks whatever is served on a socket.
pub(crate) async fn ask_at<A: DeserializeOwned>(socket: &Path, order: &impl Serialize) -> Result<A, Error> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(order).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let answered: Result<A, String> = serde_json::from_str(&answer).map_err(|_| Error::Answer(answer))?;
    answered.map_err(Error::Refused)
}
