//! The complete description of one run: what the world holds, what is deployed, and what must be seen.
//!
//! A [`Scenario`] is read from a TOML file ([`Scenario::load`]) or built in Rust by changing a loaded one; its paths
//! are absolute and its policies checked, so that nothing later can fail because of a typing error in it.
//! It says what, never how long: patience is the runner's configuration.
//!
//! ```no_run
//! let scenario = greenproof::Scenario::load("fixtures/scenarios/private-package.toml".as_ref())?;
//! assert_eq!(scenario.aws.region, "ap-northeast-1");
//! # Ok::<(), greenproof::scenario::Error>(())
//! ```

pub mod account;
mod file;
pub mod fleet;
pub mod leaks;
pub mod step;
mod text;
mod unknown;

pub use account::Aws;
pub(crate) use file::UNFILLED;
pub use fleet::{Except, Fleet};
pub use leaks::Leaks;
pub use step::{Action, Condition, Deploy, Step};
pub use unknown::Unknown;

use crate::{component::Component, core::Core, docker::Own, fault::Fault};
use cloud::{
    fault::{Kind, Special},
    minted::TokenForm,
    world::{Permissions, TokenKind},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    ops::Range,
    path::{Path, PathBuf},
};

/// One run, completely described.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its extension; names the evidence folder and the JUnit case.
    pub name: String,
    /// The files that it was read from: its own, then its base, and so on.
    pub sources: Vec<Source>,
    /// One sentence for a reader.
    pub summary: String,
    /// Words to choose it by among others.
    pub tags: Vec<String>,
    /// Promises of `docs/FIDELITY.md` that greenproof's own tests prove by it.
    pub fidelity: Vec<String>,
    /// The core device.
    pub device: Device,
    /// The fleet, if there are several such devices.
    pub fleet: Option<Fleet>,
    /// The AWS side.
    pub aws: Aws,
    /// The internet side.
    pub github: GitHub,
    /// What the package index has besides what builds need.
    pub index: Index,
    /// Private component versions of the account.
    pub components: Vec<Component>,
    /// What happens, in order; at least one step.
    pub steps: Vec<Step>,
    /// What must be seen of the whole run.
    pub expect: Expect,
    /// Which leaks it allows; when absent, only the logs are searched.
    pub leaks: Option<Leaks>,
    /// For a scenario that must fail: how.
    pub must_fail: Option<MustFail>,
}

/// A file that a scenario was read from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// Where in the text it names files and folders, and which: absolute paths.
    pub named: Vec<(Range<usize>, PathBuf)>,
}

/// The core device and its quirks.
#[derive(Clone, Debug)]
pub struct Device {
    /// The nucleus that it runs.
    pub core: Core,
    /// What its image has beyond ours, or instead of it.
    pub own: Own,
    /// The thing's name; minted when absent.
    pub thing: Option<String>,
    /// Whether Python carries the PEP 668 marker, as Debian ships it.
    pub pep668: bool,
    /// Whether the private CA is in the system's trust store. The core trusts it in any case.
    pub trust_ca: bool,
    /// The address from which AWS sees it call, the public one of its site.
    pub public_address: Ipv4Addr,
    /// How many times as fast as the world the core's periods pass.
    pub clock: f64,
    /// When the core does what it does at intervals.
    pub timing: Timing,
    /// Whether the first deployment also brings the command line, `aws.greengrass.Cli`.
    pub cli: bool,
    /// What is merged into the nucleus's configuration: an object.
    pub nucleus: Value,
}

/// When the core does what the real one does at intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// As soon as there is something to do.
    #[default]
    Event,
    /// At the real one's intervals.
    Real,
}

/// What GitHub holds.
#[derive(Clone, Debug)]
pub struct GitHub {
    /// Whether the device reaches it, and the package index; without, their names don't exist.
    pub reachable: bool,
    /// Repositories by `OWNER/NAME`.
    pub repositories: BTreeMap<String, Repository>,
    /// Personal access tokens by the name that `{token:NAME}` uses.
    pub tokens: BTreeMap<String, Token>,
    /// GitHub Apps by the name that `{app-key:NAME}` uses, their slug.
    pub apps: BTreeMap<String, App>,
    /// Deploy keys by the name that `{deploy-key:NAME}` uses.
    pub deploy_keys: BTreeMap<String, DeployKey>,
}

impl Default for GitHub {
    fn default() -> Self {
        let (repositories, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { reachable: true, repositories, tokens, apps: BTreeMap::new(), deploy_keys: BTreeMap::new() }
    }
}

/// What the package index has besides the tools that builds need.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// The text of a requirements file: what it names is fetched once, with all that it needs, for the device's Python.
    pub requirements: Option<String>,
    /// Files of packages, as they are.
    pub wheels: Vec<PathBuf>,
    /// An index that wants a user and a password.
    pub private: Option<PrivateIndex>,
}

/// A package index that wants a user and a password. It has what the public one has, too.
#[derive(Clone, Debug)]
pub struct PrivateIndex {
    /// Its host name.
    pub host: String,
    /// The user whose password `{index-password}` is.
    pub user: String,
    /// Files of packages, as they are.
    pub wheels: Vec<PathBuf>,
    /// Source archives by `NAME-VERSION`: the folders that they are made of.
    pub sources: BTreeMap<String, PathBuf>,
}

/// Where a repository comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder whose content becomes the only commit.
    Source(PathBuf),
    /// A checkout or a bare repository: its commits, branches and tags.
    Path(PathBuf),
    /// A file that `git bundle create` made.
    Bundle(PathBuf),
}

/// A repository to make.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Where its content comes from.
    pub origin: Origin,
    /// Whether it needs a token.
    pub private: bool,
}

/// A token to mint.
#[derive(Clone, Debug)]
pub struct Token {
    /// Login of its owner.
    pub login: String,
    /// Its kind.
    pub kind: TokenKind,
    /// The private repositories that it sees.
    pub repositories: Vec<String>,
    /// What it may do with them.
    pub permissions: Permissions,
    /// When it expires, in seconds from the start of the run; absent for never.
    pub expires: Option<i64>,
    /// Whether GitHub knows it; false mints a token that was revoked.
    pub known: bool,
}

/// A GitHub App, installed on one account.
#[derive(Clone, Debug)]
pub struct App {
    /// Its id; minted when absent, as the next two.
    pub id: Option<u64>,
    /// Its client id.
    pub client_id: Option<String>,
    /// The id of its installation.
    pub installation: Option<u64>,
    /// The account that it is installed on.
    pub owner: String,
    /// The repositories that it is installed on.
    pub repositories: Vec<String>,
    /// What it was granted.
    pub permissions: Permissions,
    /// The form of its installation tokens.
    pub tokens: TokenForm,
}

/// An SSH key of one repository.
#[derive(Clone, Debug)]
pub struct DeployKey {
    /// The repository, `OWNER/NAME`.
    pub repository: String,
    /// Whether it may push.
    pub write: bool,
    /// Whether GitHub knows it; false mints a key that was removed.
    pub known: bool,
}

/// What must be seen of a whole run.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// API calls that must have been made, and how often.
    pub calls: Vec<Call>,
    /// Python packages that the component's user must have.
    pub packages: Vec<Package>,
}

/// A line of a script's output, matched whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The component.
    pub component: String,
    /// The lifecycle step, such as `Run`.
    pub step: String,
    /// `stdout` or `stderr`.
    #[serde(default = "stdout")]
    pub stream: Stream,
    /// The line, trimmed as the nucleus trims it.
    pub equals: String,
}

/// Which stream a line was printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

const fn stdout() -> Stream {
    Stream::Stdout
}

/// Calls of one IAM action by the device's role session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The IAM action, such as `secretsmanager:GetSecretValue`.
    pub action: String,
    /// How many of them must have been allowed.
    pub allowed: usize,
}

/// What `pip3 show` must report for the component's user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The distribution's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its summary.
    pub summary: Option<String>,
    /// Its author.
    pub author: Option<String>,
    /// Its licence.
    pub license: Option<String>,
    /// A folder that its location must be under.
    pub location_under: Option<String>,
    /// The repository (`OWNER/NAME`) whose head must be the commit in `direct_url.json`.
    pub repository: Option<String>,
}

/// How a scenario that must fail fails.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MustFail {
    /// The kinds of finding, exactly.
    pub findings: Vec<String>,
    /// Whole lines that a component printed, after redaction; `{account}` and `{certificate}` stand for the run's own.
    #[serde(default)]
    pub prints: Vec<String>,
    /// Texts that the findings or the job's status details must hold.
    #[serde(default)]
    pub says: Vec<String>,
    /// The leaks, exactly: each must be found, and each that is a finding must be one of these.
    #[serde(default)]
    pub leaks: Vec<leaks::Pattern>,
}

impl Scenario {
    /// How many steps come before the device does anything: the faults at the beginning. What follows them, if it is a
    /// deployment, waits for the device too.
    #[must_use]
    pub fn opening(&self) -> usize {
        self.steps.iter().take_while(|step| matches!(step.action, Action::Fault(_))).count()
    }

    /// The group that a thing of it is in: the fleet's, or the thing's own.
    #[must_use]
    pub fn group(&self, thing: &str) -> String {
        self.fleet.as_ref().map_or_else(|| format!("{thing}-group"), |fleet| fleet.group.clone())
    }

    /// What faults state for a secret's new value, each with the secret's name.
    pub(crate) fn rotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Fault(Fault::Cloud(fault)) if fault.kind == Kind::Special(Special::SecretRotated) => {
                Some((fault.about.as_deref()?, fault.body.as_deref()?))
            }
            _ => None,
        })
    }

    /// Puts faults before everything else that happens.
    pub fn begin_with(&mut self, faults: &[Fault]) {
        let begins = |fault: &Fault| Step { action: Action::Fault(fault.clone()), expect: step::Expect::default() };
        self.steps.splice(0..0, faults.iter().map(begins));
    }

    /// What the device's image has beyond ours, with what its faults need.
    #[must_use]
    pub fn own(&self) -> Own {
        let mut own = self.device.own.clone();
        let needed = self.steps.iter().filter_map(|step| step.fault()?.device()?.package());
        for package in needed {
            let named = |apt: &String| apt.split('=').next() == Some(package);
            if !own.apt.iter().any(named) {
                own.apt.push(package.to_owned());
            }
        }
        own
    }

    /// Reads a scenario file and all that it names.
    ///
    /// # Errors
    /// When the file or one it names is missing, malformed or contradicts itself; the error names the file, and the
    /// line and column where there is one.
    pub fn load(path: &Path) -> Result<Self, Error> {
        file::load(path)
    }

    /// Every component that the scenario names, once or more.
    #[must_use]
    pub fn named_components(&self) -> Vec<String> {
        let own = self.components.iter().map(|component| component.name.clone());
        own.chain(self.steps.iter().flat_map(Step::named_components)).collect()
    }
}

/// Why a scenario can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// `FILE`, or `FILE:LINE:COLUMN`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
