//! What GitHub and the package indexes hold.

use super::{Authority, Sensitive};
use crate::{fault::Fault, minted::TokenForm};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// Everything that the `github` role needs to answer for one environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Identifier of the environment.
    pub environment: String,
    /// Address of the `github` container.
    pub address: Ipv4Addr,
    /// Server certificate for every host name that it answers to, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: Sensitive,
    /// The repositories; each is a bare repository in [`super::REPOSITORIES`].
    pub repositories: Vec<Repository>,
    /// The personal access tokens that exist.
    pub tokens: Vec<Token>,
    /// The GitHub Apps.
    #[serde(default)]
    pub apps: Vec<App>,
    /// The deploy keys of repositories; without any there is no SSH.
    #[serde(default)]
    pub deploy_keys: Vec<DeployKey>,
    /// The private key (OpenSSH's format) by which clients know `github.com` over SSH.
    #[serde(default)]
    pub host_key: Sensitive,
    /// Its public half, such as `ssh-ed25519 AAAA…`.
    #[serde(default)]
    pub host_key_public: String,
    /// Package indexes that want a user and a password.
    #[serde(default)]
    pub indexes: Vec<PrivateIndex>,
    /// The private certificate authority of the environment, for certificates that a fault wants.
    pub authority: Authority,
    /// What goes wrong from the start.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The seed of installation tokens ([`crate::minted`]); without one nobody knows them ahead.
    #[serde(default)]
    pub seed: Option<Sensitive>,
}

/// A repository as GitHub knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Repository {
    /// `OWNER/NAME`.
    pub name: String,
    /// Whether it needs a token to be read.
    pub private: bool,
}

/// How much of something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// To read it.
    Read,
    /// To write it, too.
    Write,
    /// To administer it, too.
    Admin,
}

/// What is allowed by the permission's name, such as `contents`.
pub type Permissions = BTreeMap<String, Level>;

/// A personal access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What the scenario calls it.
    pub name: String,
    /// The token itself, such as `ghp_…`.
    pub value: Sensitive,
    /// Its kind.
    pub kind: TokenKind,
    /// Login of its owner.
    pub login: String,
    /// The private repositories that it sees, as `OWNER/NAME`.
    pub repositories: Vec<String>,
    /// What it may do with them; without `contents` GitHub answers git 403.
    pub permissions: Permissions,
    /// When it expires, in Unix seconds; absent for never.
    #[serde(default)]
    pub expires: Option<i64>,
}

/// A kind of personal access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// `ghp_…`: sees all that its owner does.
    #[default]
    Classic,
    /// `github_pat_…`: for chosen repositories, with chosen permissions.
    FineGrained,
}

/// A GitHub App.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// What the scenario calls it, and its slug.
    pub name: String,
    /// Its id.
    pub id: u64,
    /// Its client id, such as `Iv23li…`.
    pub client_id: String,
    /// Its public key: base64 of PKCS#1's DER form.
    pub key: String,
    /// The form of its installation tokens, unless a request says otherwise.
    #[serde(default)]
    pub tokens: TokenForm,
    /// Where it is installed.
    pub installation: Installation,
}

/// An App on an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// Its id.
    pub id: u64,
    /// The login of the account.
    pub owner: String,
    /// The repositories that it was installed on, as `OWNER/NAME`.
    pub repositories: Vec<String>,
    /// What it was granted.
    pub permissions: Permissions,
}

/// An SSH key of one repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployKey {
    /// What the scenario calls it.
    pub name: String,
    /// The public key without a comment, such as `ssh-ed25519 AAAA…`.
    pub key: String,
    /// The repository, `OWNER/NAME`.
    pub repository: String,
    /// Whether it may push.
    pub write: bool,
}

/// A package index that wants a user and a password; it has the files of the public one, too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateIndex {
    /// Its host name.
    pub host: String,
    /// Who may read it: passwords by user.
    pub users: BTreeMap<String, Sensitive>,
}
